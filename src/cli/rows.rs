//! What devices tell, in the members of the HTTP API, whether it came from a device or from the service.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::output::{Row, maybe, yes_no};
use super::table::{Column, Side};
use crate::device::info::Info;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::punch::Punch;
use crate::wire::record::user::{TimeZones, User};

/// A person as a device knows them. Of the password only whether there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UserRow {
    pub(super) user_id: String,
    pub(super) uid: u16,
    pub(super) name: String,
    pub(super) privilege: String,
    pub(super) privilege_code: u8,
    pub(super) enabled: bool,
    pub(super) card_number: u32,
    pub(super) group: u8,
    pub(super) has_password: bool,
    pub(super) time_zones: Value,
    /// `false` when the name's bytes are none in the encoding in which they were read.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub(super) name_exact: bool,
}

/// One record of an attendance log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PunchRow {
    pub(super) user_id: Option<String>,
    pub(super) timestamp: String,
    pub(super) punch_state: u8,
    pub(super) verify_mode: u8,
    pub(super) work_code: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<u16>,
    #[serde(default, skip_serializing_if = "is_not_so")]
    pub(super) impossible_time: bool,
}

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct InfoSheet {
    serial_number: Option<String>,
    device_name: Option<String>,
    firmware_version: Option<String>,
    platform: Option<String>,
    mac_address: Option<String>,
    vendor: Option<String>,
    fingerprint_version: Option<String>,
    face_version: Option<String>,
    users: Option<u32>,
    user_capacity: Option<u32>,
    attendance: Option<u32>,
    attendance_capacity: Option<u32>,
    fingerprints: Option<u32>,
    fingerprint_capacity: Option<u32>,
    faces: Option<u32>,
    face_capacity: Option<u32>,
}

/// A device's clock beside ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TimeSheet {
    pub(super) device_time: String,
    pub(super) host_time: String,
    pub(super) drift_seconds: Option<i64>,
    pub(super) timezone: Option<String>,
    pub(super) device_time_exists: bool,
}

const fn yes() -> bool {
    true
}

// serde's attribute hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_so(so: &bool) -> bool {
    *so
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_not_so(so: &bool) -> bool {
    !*so
}

impl UserRow {
    /// A person whose name is in this encoding.
    pub(super) fn new(user: &User, encoding: NameEncoding) -> Self {
        let name = encoding.decode(user.name.as_bytes());
        Self {
            user_id: user.user_id.to_text().into_owned(),
            uid: user.uid,
            name: name.text,
            privilege: user.privilege.name().to_owned(),
            privilege_code: user.privilege.0,
            enabled: !user.privilege.is_disabled(),
            card_number: user.card_number,
            group: user.group,
            has_password: !user.password.expose().is_empty(),
            time_zones: match user.time_zones {
                TimeZones::Set(bits) => json!({ "set": bits }),
                TimeZones::List { flag, zones } => json!({ "flag": flag, "zones": zones }),
            },
            name_exact: name.exact,
        }
    }

    /// The person under each other, for one alone.
    pub(super) fn pairs(&self) -> [(&'static str, Option<String>); 8] {
        [
            ("user id", Some(self.user_id.clone())),
            ("name", Some(self.name.clone())),
            ("privilege", Some(self.privilege.clone())),
            ("enabled", Some(yes_no(self.enabled).to_owned())),
            ("card", Some(self.card_number).filter(|card| *card > 0).map(|card| card.to_string())),
            ("group", Some(self.group.to_string())),
            ("password", Some(yes_no(self.has_password).to_owned())),
            ("uid", Some(self.uid.to_string())),
        ]
    }
}

impl Row for UserRow {
    const COLUMNS: &'static [Column] = &[
        ("USER ID", Side::Left),
        ("NAME", Side::Left),
        ("PRIVILEGE", Side::Left),
        ("ENABLED", Side::Left),
        ("CARD", Side::Right),
        ("GROUP", Side::Right),
        ("PASSWORD", Side::Left),
        ("UID", Side::Right),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.user_id.clone(),
            self.name.clone(),
            self.privilege.clone(),
            yes_no(self.enabled).to_owned(),
            maybe(Some(self.card_number).filter(|card| *card > 0)),
            self.group.to_string(),
            yes_no(self.has_password).to_owned(),
            self.uid.to_string(),
        ]
    }
}

impl From<&Punch> for PunchRow {
    fn from(punch: &Punch) -> Self {
        Self {
            user_id: Some(punch.user_id).filter(|id| !id.is_empty()).map(|id| id.to_text().into_owned()),
            timestamp: punch.time.fields().to_string(),
            punch_state: punch.punch_state,
            verify_mode: punch.verify_mode,
            work_code: punch.work_code,
            uid: punch.uid,
            impossible_time: punch.time.time().is_err(),
        }
    }
}

impl Row for PunchRow {
    const COLUMNS: &'static [Column] = &[
        ("TIME", Side::Left),
        ("USER ID", Side::Left),
        ("STATE", Side::Right),
        ("VERIFIED", Side::Right),
        ("WORK CODE", Side::Right),
    ];

    fn cells(&self) -> Vec<String> {
        // Somebody who is not on the device any more has only an index, in old logs.
        let who = self.user_id.clone().or_else(|| self.uid.map(|uid| format!("uid {uid}")));
        vec![
            self.timestamp.clone(),
            maybe(who),
            self.punch_state.to_string(),
            self.verify_mode.to_string(),
            self.work_code.to_string(),
        ]
    }
}

impl From<Info> for InfoSheet {
    fn from(info: Info) -> Self {
        let sizes = info.sizes;
        Self {
            serial_number: info.serial_number,
            device_name: info.device_name,
            firmware_version: info.firmware_version,
            platform: info.platform,
            mac_address: info.mac_address,
            vendor: info.vendor,
            fingerprint_version: info.fingerprint_version,
            face_version: info.face_version,
            users: sizes.users,
            user_capacity: sizes.user_capacity,
            attendance: sizes.punches,
            attendance_capacity: sizes.punch_capacity,
            fingerprints: sizes.fingerprints,
            fingerprint_capacity: sizes.fingerprint_capacity,
            faces: sizes.faces,
            face_capacity: sizes.face_capacity,
        }
    }
}

impl InfoSheet {
    /// The same for people.
    pub(super) fn pairs(&self) -> [(&'static str, Option<String>); 12] {
        let filled = |used: Option<u32>, capacity: Option<u32>| match (used, capacity) {
            (Some(used), Some(capacity)) => Some(format!("{used} of {capacity}")),
            (used, _) => used.map(|used| used.to_string()),
        };
        [
            ("serial number", self.serial_number.clone()),
            ("device name", self.device_name.clone()),
            ("firmware", self.firmware_version.clone()),
            ("platform", self.platform.clone()),
            ("vendor", self.vendor.clone()),
            ("MAC address", self.mac_address.clone()),
            ("fingerprint version", self.fingerprint_version.clone()),
            ("face version", self.face_version.clone()),
            ("users", filled(self.users, self.user_capacity)),
            ("attendance", filled(self.attendance, self.attendance_capacity)),
            ("fingerprints", filled(self.fingerprints, self.fingerprint_capacity)),
            ("faces", filled(self.faces, self.face_capacity)),
        ]
    }
}

impl TimeSheet {
    /// The same for people.
    pub(super) fn pairs(&self) -> [(&'static str, Option<String>); 4] {
        let drift = self.drift_seconds.map(|seconds| match seconds {
            0 => "none".to_owned(),
            1.. => format!("{seconds} s ahead"),
            _ => format!("{} s behind", seconds.unsigned_abs()),
        });
        let exists = if self.device_time_exists { "" } else { " (there is no such time)" };
        [
            ("device", Some(format!("{}{exists}", self.device_time))),
            ("here", Some(self.host_time.clone())),
            ("drift", drift),
            ("time zone", self.timezone.clone()),
        ]
    }
}
