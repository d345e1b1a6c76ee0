//! What a caller may say of a device, as types that cannot be wrong. A comm key that is none is refused without
//! being repeated.

use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::{Deserialize, Deserializer, de};

use crate::http::problem::Problem;
use crate::store::device::{DEFAULT_PORT, DevicePatch, Facts, NewDevice, SessionMode, TransportChoice};
use crate::wire::comm_key::CommKey;

/// `POST /devices`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    name: Option<Name>,
    ip_address: Address,
    #[serde(default = "default_port")]
    port: NonZeroU16,
    #[serde(default)]
    comm_key: Key,
    #[serde(default)]
    transport: TransportChoice,
    #[serde(default)]
    mode: SessionMode,
    #[serde(default)]
    timezone: Option<Zone>,
    #[serde(default = "yes")]
    enabled: bool,
    /// Whether to connect at once and fill in what the device says of itself.
    #[serde(default)]
    pub probe: bool,
}

/// `PATCH /devices/{id}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default, deserialize_with = "given")]
    name: Option<Name>,
    #[serde(default, deserialize_with = "given")]
    ip_address: Option<Address>,
    #[serde(default, deserialize_with = "given")]
    port: Option<NonZeroU16>,
    #[serde(default, deserialize_with = "given")]
    comm_key: Option<Key>,
    #[serde(default, deserialize_with = "given")]
    transport: Option<TransportChoice>,
    #[serde(default, deserialize_with = "given")]
    mode: Option<SessionMode>,
    #[serde(default, deserialize_with = "given")]
    timezone: Option<Option<Zone>>,
    #[serde(default, deserialize_with = "given")]
    enabled: Option<bool>,
}

/// `POST /devices/test-connection`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Somewhere {
    /// Whom to connect to.
    pub ip_address: Address,
    /// Where.
    #[serde(default = "default_port")]
    pub port: NonZeroU16,
    /// The device's communication password.
    #[serde(default)]
    pub comm_key: Key,
    /// Over which transport.
    #[serde(default)]
    pub transport: TransportChoice,
}

/// A device's name: 1 to 100 characters, none of them a control character.
#[derive(Debug)]
pub struct Name(pub String);
/// An IP address.
#[derive(Debug)]
pub struct Address(pub IpAddr);
/// A comm key, as a number or as the text of one.
#[derive(Debug, Default)]
pub struct Key(pub CommKey);
/// The name of a zone that exists.
#[derive(Debug)]
pub struct Zone(String);

impl Create {
    /// The device to be made.
    #[must_use]
    pub fn into_new(self) -> NewDevice {
        NewDevice {
            name: self.name.map(|name| name.0),
            ip_address: self.ip_address.0,
            port: self.port.get(),
            comm_key: self.comm_key.0,
            transport: self.transport,
            mode: self.mode,
            timezone: self.timezone.map(|zone| zone.0),
            enabled: self.enabled,
            facts: Facts::default(),
        }
    }
}

impl Change {
    /// The patch to be applied.
    ///
    /// # Errors
    /// 400 when nothing is to be changed.
    pub fn into_patch(self) -> Result<DevicePatch, Problem> {
        let patch = DevicePatch {
            name: self.name.map(|name| name.0),
            ip_address: self.ip_address.map(|address| address.0),
            port: self.port.map(NonZeroU16::get),
            comm_key: self.comm_key.map(|key| key.0),
            transport: self.transport,
            mode: self.mode,
            timezone: self.timezone.map(|zone| zone.map(|zone| zone.0)),
            enabled: self.enabled,
        };
        let DevicePatch { name, ip_address, port, comm_key, transport, mode, timezone, enabled } = &patch;
        let nothing = name.is_none() && ip_address.is_none() && port.is_none() && comm_key.is_none();
        if nothing && transport.is_none() && mode.is_none() && timezone.is_none() && enabled.is_none() {
            return Err(Problem::bad_request("invalid_body", "The body changes nothing."));
        }
        Ok(patch)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let name = text.trim();
        let fits = (1..=100).contains(&name.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(name.to_owned()))
        } else {
            Err(de::Error::custom("a name has 1 to 100 characters"))
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("ip_address must be an IPv4 or IPv6 address, not a host name");
        text.trim().parse().map(Self).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Through a value: serde's own messages repeat what they do not like.
        let key = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(CommKey::default()),
            serde_json::Value::Number(number) => match number.as_u64() {
                Some(number) => CommKey::new(number).map_err(|error| error.to_string()),
                None => Err("comm_key must be a whole number from 0 to 999999999".to_owned()),
            },
            serde_json::Value::String(text) => CommKey::parse(&text).map_err(|error| error.to_string()),
            _ => Err("comm_key must be a number or the text of one".to_owned()),
        };
        key.map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match jiff::tz::TimeZone::get(&text) {
            Ok(zone) => Ok(Self(zone.iana_name().map_or(text, str::to_owned))),
            Err(_) => Err(de::Error::custom("timezone must be an IANA name such as Asia/Baghdad")),
        }
    }
}

/// A field that is there, even as `null`.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

const fn yes() -> bool {
    true
}

fn default_port() -> NonZeroU16 {
    NonZeroU16::new(DEFAULT_PORT).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comm_key_is_a_number_or_its_text_and_is_never_repeated() {
        let parse = |key: &str| {
            let body = format!(r#"{{"ip_address":"10.0.0.1","comm_key":{key}}}"#);
            serde_json::from_str::<Create>(&body).map(|create| create.comm_key.0.expose())
        };
        for (key, number) in
            [("0", 0), ("123456", 123_456), ("\"123456\"", 123_456), ("null", 0), ("\"\"", 0)]
        {
            assert_eq!(parse(key).unwrap(), number, "{key}");
        }
        for key in ["-7351", "7351.5", "73519999990", "\"7351x\"", "[7351]", "true"] {
            let error = parse(key).unwrap_err().to_string();
            assert!(error.contains("comm key") || error.contains("comm_key"), "{error}");
            assert!(!error.contains("7351"), "{error}");
        }
    }

    #[test]
    fn null_takes_a_time_zone_away_and_silence_leaves_it() {
        let zone = |body: &str| serde_json::from_str::<Change>(body).unwrap().into_patch().unwrap().timezone;
        assert_eq!(zone(r#"{"timezone":null}"#), Some(None));
        assert_eq!(zone(r#"{"enabled":true}"#), None);
        assert_eq!(zone(r#"{"timezone":"Asia/Baghdad"}"#), Some(Some("Asia/Baghdad".into())));
        assert!(serde_json::from_str::<Change>(r#"{"timezone":"Mars/Olympus"}"#).is_err());
        assert!(serde_json::from_str::<Change>("{}").unwrap().into_patch().is_err());
        for nothing in ["name", "ip_address", "port", "transport", "mode", "enabled"] {
            let body = format!(r#"{{"{nothing}":null,"timezone":null}}"#);
            assert!(serde_json::from_str::<Change>(&body).is_err(), "{body}: what null means is not known");
        }
    }
}
