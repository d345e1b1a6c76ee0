//! Options beyond those that say who a device is: the important ones by their types, and writing those that are
//! known to be harmless if they are right.

use std::net::Ipv4Addr;
use std::str::FromStr;

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::{Phase, Request};
use crate::wire::command::Command;
use crate::wire::option;

/// An option with a value that it can have, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    name: &'static str,
    value: String,
}

/// What is no setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The option is not among those that can be written.
    #[error("{name:?} is not among the options that can be written")]
    Unknown {
        /// Its name, at most 40 characters of it.
        name: String,
    },
    /// The option cannot have this value.
    #[error("{name} takes {kind}")]
    Value {
        /// Its name.
        name: &'static str,
        /// What it takes.
        kind: Kind,
    },
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0 or 1.
    Switch,
    /// A whole number in this range.
    Number(u32, u32),
    /// Four numbers with dots.
    Address,
}

/// Every option that can be written.
pub const WRITABLE: &[(&str, Kind)] = &[
    ("IPAddress", Kind::Address),
    ("NetMask", Kind::Address),
    ("GATEIPAddress", Kind::Address),
    ("HiSpeedNet", Kind::Number(0, 8)),
    ("DeviceID", Kind::Number(1, 254)),
    ("Language", Kind::Number(0, 255)),
    ("NewLng", Kind::Number(0, 255)),
    ("VOLUME", Kind::Number(0, 100)),
    ("VoiceOn", Kind::Switch),
    ("LockOn", Kind::Number(0, 254)),
    ("UnlockPerson", Kind::Number(0, 254)),
    ("AntiPassbackOn", Kind::Number(0, 3)),
    ("AlarmAttLog", Kind::Number(0, 65_535)),
    ("AlarmOpLog", Kind::Number(0, 65_535)),
    ("AlarmReRec", Kind::Number(0, 65_535)),
    ("~ShowState", Kind::Switch),
    ("ShowScore", Kind::Switch),
    ("WorkCode", Kind::Switch),
    ("Must1To1", Kind::Switch),
    ("MustEnroll", Kind::Switch),
    ("MThreshold", Kind::Number(0, 100)),
    ("EThreshold", Kind::Number(0, 100)),
    ("VThreshold", Kind::Number(0, 100)),
    ("IdleMinute", Kind::Number(0, 65_535)),
    ("IdlePower", Kind::Number(0, 255)),
    ("AutoPowerOff", Kind::Number(0, 65_535)),
    ("AutoPowerOn", Kind::Number(0, 65_535)),
    ("AutoPowerSuspend", Kind::Number(0, 65_535)),
    ("AutoAlarm1", Kind::Number(0, 65_535)),
    ("AutoAlarm2", Kind::Number(0, 65_535)),
    ("AutoAlarm3", Kind::Number(0, 65_535)),
    ("AutoAlarm4", Kind::Number(0, 65_535)),
    ("AutoAlarm5", Kind::Number(0, 65_535)),
    ("AutoAlarm6", Kind::Number(0, 65_535)),
    ("DtFmt", Kind::Number(0, 9)),
];

/// The most letters of an option's name.
pub const NAME_CEILING: usize = 40;
/// The options by which a device is reached: with a wrong value nobody but somebody at its keypad finds it again.
const WAYS_TO_IT: [&str; 4] = ["IPAddress", "NetMask", "GATEIPAddress", "HiSpeedNet"];
/// Parts of the names of options that are secrets: comm keys, passwords, keys of other services.
const SECRETS: [&str; 6] = ["comkey", "password", "passwd", "pwd", "secret", "token"];

/// Whether an option can have such a name: letters, digits, `~`, `_`, `-` and `.`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"~_-.".contains(&byte);
    (1..=NAME_CEILING).contains(&name.len()) && name.bytes().all(known)
}

/// Whether the option of this name is a secret, which is asked of no device: told by its name, rather one too many.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("key") || SECRETS.iter().any(|part| name.contains(part))
}

/// The important options of a device; what it lacks, or says in a way that makes no sense, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `IPAddress`
    pub address: Option<Ipv4Addr>,
    /// `NetMask`
    pub netmask: Option<Ipv4Addr>,
    /// `GATEIPAddress`
    pub gateway: Option<Ipv4Addr>,
    /// `TCPPort`
    pub tcp_port: Option<u16>,
    /// `UDPPort`
    pub udp_port: Option<u16>,
    /// `DeviceID`
    pub device_id: Option<u8>,
    /// `VOLUME`, in percent.
    pub volume: Option<u8>,
    /// `VoiceOn`
    pub voice: Option<bool>,
    /// `Language`
    pub language: Option<u32>,
    /// `NewLng`
    pub new_language: Option<u32>,
    /// `LockOn`: how long the lock is driven, in seconds.
    pub lock_seconds: Option<u32>,
    /// `~ZKFPVersion`: templates of another version are of no use.
    pub fingerprint_version: Option<u32>,
    /// `ZKFaceVersion`
    pub face_version: Option<u32>,
    /// `~ZKFVVersion`
    pub finger_vein_version: Option<u32>,
    /// `FingerFunOn`
    pub has_fingerprints: Option<bool>,
    /// `FaceFunOn`
    pub has_faces: Option<bool>,
    /// `~PIN2Width`: how long a user id may be.
    pub user_id_width: Option<u8>,
    /// `IsSupportABCPin`: whether letters may be in it.
    pub user_id_letters: Option<bool>,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch => f.write_str("0 or 1"),
            Self::Number(least, most) => write!(f, "a whole number from {least} to {most}"),
            Self::Address => f.write_str("an address such as 192.168.1.201"),
        }
    }
}

impl Setting {
    /// Takes the name and the value of an option that can be written.
    ///
    /// # Errors
    /// [`SettingError`].
    pub fn new(name: &str, value: &str) -> Result<Self, SettingError> {
        let known = WRITABLE.iter().find(|(known, _)| *known == name);
        let unknown = || SettingError::Unknown { name: name.chars().take(40).collect() };
        let (name, kind) = *known.ok_or_else(unknown)?;
        // As it will be read back, without leading zeros or signs.
        let plain = match kind {
            Kind::Switch => matches!(value, "0" | "1"),
            Kind::Number(least, most) => value
                .parse::<u32>()
                .is_ok_and(|number| (least..=most).contains(&number) && number.to_string() == value),
            Kind::Address => value.parse::<Ipv4Addr>().is_ok(),
        };
        if plain {
            Ok(Self { name, value: value.to_owned() })
        } else {
            Err(SettingError::Value { name, kind })
        }
    }

    /// Whether the device may be out of reach once it is effective.
    #[must_use]
    pub fn may_cut_off(&self) -> bool {
        WAYS_TO_IT.contains(&self.name)
    }

    /// The option's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The value that it is to have.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl Session {
    /// Writes an option unless it has that value already, reads it back, and makes it effective in any case. A network
    /// setting ends the session when it becomes effective.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn write_option(&mut self, setting: &Setting, deadline: Deadline) -> Result<(), DeviceError> {
        let wanted = Some(setting.value.clone());
        let before = self.option(setting.name, deadline)?;
        if before == wanted {
            // Perhaps by an attempt that broke before it could do this.
            self.refresh_options(deadline);
            return Ok(());
        }
        let payload = option::write_request(setting.name, &setting.value);
        self.effect(Request::new(Command::OPTIONS_WRQ, payload), deadline)?;
        let now = self.option(setting.name, deadline).map_err(DeviceError::after_effects)?;
        self.refresh_options(deadline);
        DeviceError::unless_kept(Command::OPTIONS_WRQ, &before, &wanted, &now)
    }

    /// Makes options effective. What was written is written, whatever becomes of this.
    pub(super) fn refresh_options(&mut self, deadline: Deadline) {
        self.mention(Phase::Reply, Command::REFRESHOPTION, deadline);
    }

    /// The important options: one small command for each.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn options(&mut self, deadline: Deadline) -> Result<Options, DeviceError> {
        Ok(Options {
            address: self.typed("IPAddress", deadline)?,
            netmask: self.typed("NetMask", deadline)?,
            gateway: self.typed("GATEIPAddress", deadline)?,
            tcp_port: self.typed("TCPPort", deadline)?,
            udp_port: self.typed("UDPPort", deadline)?,
            device_id: self.typed("DeviceID", deadline)?,
            volume: self.typed("VOLUME", deadline)?,
            voice: self.switch("VoiceOn", deadline)?,
            language: self.typed("Language", deadline)?,
            new_language: self.typed("NewLng", deadline)?,
            lock_seconds: self.typed("LockOn", deadline)?,
            fingerprint_version: self.typed("~ZKFPVersion", deadline)?,
            face_version: self.typed("ZKFaceVersion", deadline)?,
            finger_vein_version: self.typed("~ZKFVVersion", deadline)?,
            has_fingerprints: self.switch("FingerFunOn", deadline)?,
            has_faces: self.switch("FaceFunOn", deadline)?,
            user_id_width: self.typed("~PIN2Width", deadline)?,
            user_id_letters: self.switch("IsSupportABCPin", deadline)?,
        })
    }

    fn typed<T: FromStr>(&mut self, name: &str, deadline: Deadline) -> Result<Option<T>, DeviceError> {
        Ok(self.option(name, deadline)?.and_then(|value| value.parse().ok()))
    }

    fn switch(&mut self, name: &str, deadline: Deadline) -> Result<Option<bool>, DeviceError> {
        Ok(self.option(name, deadline)?.and_then(|value| match value.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_written_only_if_it_is_known_and_can_have_the_value() {
        for (name, value) in [("VOLUME", "0"), ("VOLUME", "100"), ("IPAddress", "10.0.0.7"), ("VoiceOn", "1")]
        {
            let setting = Setting::new(name, value).unwrap();
            assert_eq!((setting.name(), setting.value()), (name, value));
        }
        for (name, value) in [
            ("VOLUME", "101"),
            ("VOLUME", "-1"),
            ("VOLUME", "007"),
            ("VOLUME", "5\0"),
            ("VOLUME", ""),
            ("IPAddress", "10.0.0.256"),
            ("IPAddress", "::1"),
            ("VoiceOn", "2"),
        ] {
            assert!(matches!(Setting::new(name, value), Err(SettingError::Value { .. })), "{name}={value}");
        }
        assert!(Setting::new("NetMask", "255.255.0.0").unwrap().may_cut_off());
        assert!(!Setting::new("VOLUME", "5").unwrap().may_cut_off());
        for name in ["~SerialNumber", "COMKey", "MAC", "VOLUME=5\0X", ""] {
            assert!(matches!(Setting::new(name, "1"), Err(SettingError::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn a_name_is_checked_and_a_secret_is_told_by_it() {
        for (name, is) in [("~SerialNumber", true), ("a", true), ("", false), ("a=b", false), ("a\0", false)]
        {
            assert_eq!(is_name(name), is, "{name:?}");
        }
        assert!(is_name(&"n".repeat(NAME_CEILING)) && !is_name(&"n".repeat(NAME_CEILING + 1)));
        for (name, is) in [
            ("COMKey", true),
            ("~ComKey", true),
            ("WifiPassword", true),
            ("AdminPWD", true),
            ("PushToken", true),
            ("CommonKey", true),
            ("VOLUME", false),
            ("KeyPadBeep", false),
        ] {
            assert_eq!(is_secret(name), is, "{name}");
        }
        assert!(WRITABLE.iter().all(|(name, _)| is_name(name) && !is_secret(name)));
    }
}
