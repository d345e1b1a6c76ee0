//! What a device says about itself: options and free sizes.

use super::{DeviceModel, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::simulator::profile::AbsentOption;
use crate::wire::command::Command;
use crate::wire::option::{assignment, requested_name};
use crate::wire::record::user::UserLayout;
use crate::wire::sizes::FreeSizes;

/// The most options that can be written on top of the built-in ones.
const WRITTEN_CEILING: usize = 256;
/// The longest value of an option, in bytes.
const VALUE_CEILING: usize = 256;

pub(super) const USER_CAPACITY: u32 = 10_000;
pub(super) const TEMPLATE_CAPACITY: u32 = 6000;

impl DeviceModel {
    pub(super) fn read_option(&self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let name = requested_name(payload);
        match (self.option(&name), self.traits.absent_option) {
            (Some(value), _) => ex.give(format!("{name}={value}\0").into_bytes(), out),
            (None, AbsentOption::Empty) => ex.give(format!("{name}=\0").into_bytes(), out),
            (None, AbsentOption::Code(code)) => ex.say(code, out),
        }
    }

    pub(super) fn write_option(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let fits = |(name, value): &(String, String)| !name.is_empty() && value.len() <= VALUE_CEILING;
        let Some((name, value)) = assignment(payload).filter(fits) else {
            ex.say(Command::ACK_ERROR, out);
            return;
        };
        if self.options.len() < WRITTEN_CEILING || self.options.contains_key(&name) {
            self.options.insert(name, value);
            ex.say(Command::ACK_OK, out);
        } else {
            ex.say(Command::ACK_ERROR, out);
        }
    }

    fn option(&self, name: &str) -> Option<String> {
        if let Some(written) = self.options.get(name) {
            return Some(written.clone());
        }
        if self.traits.missing.contains(&name) {
            return None;
        }
        let number = self.identity.number;
        let [.., high, low] = number.to_be_bytes();
        let full = self.traits.users != UserLayout::Compact;
        let text = match name {
            "~SerialNumber" => self.identity.serial_number.clone(),
            "~DeviceName" => self.traits.name.to_owned(),
            "~Platform" => self.traits.platform.to_owned(),
            "MAC" => format!("00:17:61:00:{high:02x}:{low:02x}"),
            "IPAddress" => self.identity.address.ip().to_string(),
            "TCPPort" | "UDPPort" => self.identity.address.port().to_string(),
            "DeviceID" => (number % 254 + 1).to_string(),
            "~ZKFPVersion" => if full { "10" } else { "9" }.to_owned(),
            "~PIN2Width" => if full { "24" } else { "9" }.to_owned(),
            "ZKFaceVersion" => "7".to_owned(),
            "FaceFunOn" | "WorkCode" | "~IsOnlyRFMachine" | "~ExtendFmt" | "IsSupportABCPin" => {
                "0".to_owned()
            }
            "~OS" | "~SSR" | "~UserExtFmt" | "FingerFunOn" | "~RFCardOn" => "1".to_owned(),
            "~OEMVendor" => "ZKTeco Inc.".to_owned(),
            "~ProductTime" => "2019-03-01 10:00:00".to_owned(),
            "NetMask" => "255.255.255.0".to_owned(),
            "GATEIPAddress" => "0.0.0.0".to_owned(),
            "LockOn" => "5".to_owned(),
            "VOLUME" => "60".to_owned(),
            "VoiceOn" => "1".to_owned(),
            "Language" => "69".to_owned(),
            "AlarmReRec" | "IdleMinute" => "0".to_owned(),
            "NewLng" => "97".to_owned(),
            _ => return None,
        };
        Some(text)
    }

    /// How full the tables are, as far as this firmware tells the truth.
    pub(super) fn sizes(&self) -> FreeSizes {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let users = count(self.users.rows().len());
        let templates = count(self.templates.rows().len());
        let punches = count(self.punches.len());
        let user_capacity = users.max(USER_CAPACITY);
        let template_capacity = templates.max(TEMPLATE_CAPACITY);
        let punch_capacity = count(self.log_capacity);
        let capacities = FreeSizes {
            fingerprint_capacity: Some(template_capacity),
            user_capacity: Some(user_capacity),
            punch_capacity: Some(punch_capacity),
            faces: Some(0),
            face_capacity: Some(400),
            ..FreeSizes::default()
        };
        if !self.traits.counts {
            return capacities;
        }
        let of = |chosen: &dyn Fn(&crate::wire::record::user::User) -> bool| {
            count(self.users.rows().iter().filter(|user| chosen(user)).count())
        };
        FreeSizes {
            users: Some(users),
            fingerprints: Some(templates),
            punches: Some(punches),
            operations: Some(count(self.operations.rows().len())),
            administrators: Some(of(&|user| user.privilege.0 & 0x0e != 0)),
            passwords: Some(of(&|user| !user.password.expose().is_empty())),
            fingerprints_free: Some(template_capacity - templates),
            users_free: Some(user_capacity - users),
            punches_free: Some(punch_capacity.saturating_sub(punches)),
            ..capacities
        }
    }
}
