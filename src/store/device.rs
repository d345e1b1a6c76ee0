//! The record of one device, as the store keeps it and the rest of the house reads it.
//!
//! A record from somebody else's table can be nonsense. It is kept all the same, with the reason why it cannot
//! be used, so that it shows up where people look for it; only [`Device::endpoint`] leads to a connection.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::base::ids::DeviceId;
use crate::wire::comm_key::CommKey;

/// The port on which devices listen unless they were told otherwise.
pub const DEFAULT_PORT: u16 = 4370;

/// One device of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// The address as the store has it, cut to 64 characters; not necessarily one.
    pub ip_address: String,
    /// The port as the store has it, not necessarily one.
    pub port: i64,
    /// Where and how to reach it, or why this record cannot be used.
    pub endpoint: Result<Endpoint, Unusable>,
    /// Whether the session is kept open or made for each call.
    pub mode: SessionMode,
    /// IANA name of the zone whose civil time its clock shows.
    pub timezone: Option<String>,
    /// Whether zkgate may connect to it.
    pub enabled: bool,
    /// What was found out about it.
    pub facts: Facts,
    /// Whether it was reached at the last attempt.
    pub status: Status,
    /// When it last answered.
    pub last_seen: Option<SystemTime>,
    /// When the record was made, if the store knows.
    pub created_at: Option<SystemTime>,
    /// When the record was last changed by a person or program (not by an observation), if the store knows.
    pub updated_at: Option<SystemTime>,
}

/// Where and how to reach a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// Its communication password.
    pub comm_key: CommKey,
    /// Over which transport.
    pub transport: TransportChoice,
}

/// Why a record cannot be used, in words for the person who can mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// Which transport to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportChoice {
    /// Whatever worked last; first TCP, then UDP.
    #[default]
    Auto,
    /// TCP only.
    Tcp,
    /// UDP only.
    Udp,
}

/// When there is a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionMode {
    /// Always, as far as the device allows.
    #[default]
    Persistent,
    /// From the first call until some idle time after the last one.
    OnDemand,
}

/// Whether a device was reached at the last attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// It has a session, or answered when last asked.
    Up,
    /// It could not be reached, or refused us.
    Down,
}

/// What was found out about a device. What its model lacks stays `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Option `~SerialNumber`: the device's identity.
    pub serial_number: Option<String>,
    /// Option `~DeviceName`: the product name.
    pub device_name: Option<String>,
    /// Firmware version, e.g. `Ver 6.60 (build39)`.
    pub firmware_version: Option<String>,
    /// Option `~Platform`, e.g. `ZMM220_TFT`.
    pub platform: Option<String>,
    /// Option `MAC`.
    pub mac_address: Option<String>,
    /// Option `~ZKFPVersion`: fingerprint algorithm.
    pub fingerprint_version: Option<String>,
    /// Option `ZKFaceVersion`: face algorithm.
    pub face_version: Option<String>,
    /// How many users it can hold.
    pub user_capacity: Option<u32>,
    /// How many punches it can hold.
    pub attendance_capacity: Option<u32>,
    /// How many fingerprint templates it can hold.
    pub fingerprint_capacity: Option<u32>,
    /// How many faces it can hold.
    pub face_capacity: Option<u32>,
    /// The transport that worked last.
    pub transport_used: Option<TransportChoice>,
}

impl Facts {
    /// Takes over every fact that `newer` knows; what it does not know stays.
    pub fn merge(&mut self, newer: Facts) {
        fn take<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        take(&mut self.serial_number, newer.serial_number);
        take(&mut self.device_name, newer.device_name);
        take(&mut self.firmware_version, newer.firmware_version);
        take(&mut self.platform, newer.platform);
        take(&mut self.mac_address, newer.mac_address);
        take(&mut self.fingerprint_version, newer.fingerprint_version);
        take(&mut self.face_version, newer.face_version);
        take(&mut self.user_capacity, newer.user_capacity);
        take(&mut self.attendance_capacity, newer.attendance_capacity);
        take(&mut self.fingerprint_capacity, newer.fingerprint_capacity);
        take(&mut self.face_capacity, newer.face_capacity);
        take(&mut self.transport_used, newer.transport_used);
    }
}

/// Something that the registry noticed about a device and the store may remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// New facts, if any.
    pub facts: Facts,
    /// Whether it is up or down now, if that was seen.
    pub status: Option<Status>,
    /// When it answered, if it did.
    pub seen: Option<SystemTime>,
}

/// A device that is to be registered; checked by type, so a store only has to keep it.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// 1 to 100 characters, or `None` for "address:port".
    pub name: Option<String>,
    /// Its address.
    pub ip_address: IpAddr,
    /// Its port, not 0.
    pub port: u16,
    /// Its communication password.
    pub comm_key: CommKey,
    /// Over which transport.
    pub transport: TransportChoice,
    /// When there is a session.
    pub mode: SessionMode,
    /// IANA name, already known to exist.
    pub timezone: Option<String>,
    /// Whether zkgate may connect to it.
    pub enabled: bool,
    /// What a probe found, if there was one.
    pub facts: Facts,
}

/// What is to change in a record; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct DevicePatch {
    /// A new name.
    pub name: Option<String>,
    /// A new address.
    pub ip_address: Option<IpAddr>,
    /// A new port, not 0.
    pub port: Option<u16>,
    /// A new communication password.
    pub comm_key: Option<CommKey>,
    /// Another transport.
    pub transport: Option<TransportChoice>,
    /// Another mode.
    pub mode: Option<SessionMode>,
    /// Another zone, or none.
    pub timezone: Option<Option<String>>,
    /// On or off.
    pub enabled: Option<bool>,
}
