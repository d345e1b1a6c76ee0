//! A device as a row of our own schema: the one form between the two databases and [`Device`].
//!
//! A row that was edited by hand into nonsense still becomes a [`Device`], one that says why it cannot be used.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use super::device::{
    Device, DevicePatch, Endpoint, Facts, NewDevice, SessionMode, Status, TransportChoice, Unusable,
};
use super::error::StoreError;
use super::rules;
use crate::base::ids::DeviceId;
use crate::wire::comm_key::CommKey;

/// One row of table `device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The number that the database gave; 0 before it did.
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) ip_address: String,
    pub(super) port: i64,
    pub(super) comm_key: Result<CommKey, Unusable>,
    pub(super) transport: TransportChoice,
    pub(super) mode: SessionMode,
    pub(super) timezone: Option<String>,
    pub(super) enabled: bool,
    pub(super) facts: Facts,
    pub(super) status: Status,
    pub(super) last_seen: Option<SystemTime>,
    pub(super) created_at: SystemTime,
    pub(super) updated_at: SystemTime,
}

impl Row {
    /// # Errors
    /// [`StoreError::Invalid`] when a value is none that a device can have.
    pub(super) fn new(new: &NewDevice, now: SystemTime) -> Result<Self, StoreError> {
        let address = rules::address(new.ip_address, new.port)?;
        let now = rules::from_millis(rules::millis(now));
        let mut facts = new.facts.clone();
        rules::tidy(&mut facts);
        Ok(Self {
            id: 0,
            name: new.name.as_deref().map_or_else(|| Ok(address.to_string()), rules::name)?,
            ip_address: address.ip().to_string(),
            port: i64::from(address.port()),
            comm_key: Ok(new.comm_key.clone()),
            transport: new.transport,
            mode: new.mode,
            timezone: new.timezone.as_deref().map(rules::timezone).transpose()?,
            enabled: new.enabled,
            facts,
            status: Status::Unknown,
            last_seen: None,
            created_at: now,
            updated_at: now,
        })
    }

    /// The row with the patch applied. A name that was only the address follows the address.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the result would be none that a device can have.
    pub(super) fn patched(&self, patch: &DevicePatch, now: SystemTime) -> Result<Self, StoreError> {
        let mut row = self.clone();
        let ip = match patch.ip_address {
            Some(ip) => ip,
            None => {
                self.ip_address.parse().map_err(|_| invalid("ip_address", "the stored one is no address"))?
            }
        };
        let port = match patch.port {
            Some(port) => port,
            None => u16::try_from(self.port).map_err(|_| invalid("port", "the stored one is no port"))?,
        };
        let address = rules::address(ip, port)?;
        row.ip_address = address.ip().to_string();
        row.port = i64::from(address.port());
        if let Some(name) = &patch.name {
            row.name = rules::name(name)?;
        } else if self.address().is_ok_and(|old| self.name == old.to_string()) {
            row.name = address.to_string();
        }
        if let Some(key) = &patch.comm_key {
            row.comm_key = Ok(key.clone());
        }
        if let Some(zone) = &patch.timezone {
            row.timezone = zone.as_deref().map(rules::timezone).transpose()?;
        }
        row.transport = patch.transport.unwrap_or(row.transport);
        row.mode = patch.mode.unwrap_or(row.mode);
        row.enabled = patch.enabled.unwrap_or(row.enabled);
        if row != *self {
            row.updated_at = rules::from_millis(rules::millis(now));
        }
        Ok(row)
    }

    /// Where the device is.
    ///
    /// # Errors
    /// When the row was edited into nonsense.
    pub(super) fn address(&self) -> Result<SocketAddr, Unusable> {
        let ip: IpAddr = self.ip_address.parse().map_err(|_| {
            Unusable(format!("ip_address {} is no IP address", rules::shown(&self.ip_address)))
        })?;
        let port = u16::try_from(self.port)
            .map_err(|_| Unusable(format!("port {} is not between 1 and 65535", self.port)))?;
        rules::address(ip, port).map_err(|error| Unusable(error.to_string()))
    }

    pub(super) fn into_device(self) -> Device {
        let endpoint = self.address().and_then(|address| {
            let comm_key = self.comm_key.clone()?;
            Ok(Endpoint { address, comm_key, transport: self.transport })
        });
        Device {
            id: DeviceId::from(self.id.unsigned_abs()),
            name: self.name,
            ip_address: self.ip_address.chars().take(64).collect(),
            port: self.port,
            endpoint,
            mode: self.mode,
            timezone: self.timezone,
            enabled: self.enabled,
            facts: self.facts,
            status: self.status,
            last_seen: self.last_seen,
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
        }
    }

    /// The comm key as the database keeps it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when the row was edited into nonsense and the patch did not mend it.
    pub(super) fn key(&self) -> Result<i64, StoreError> {
        match &self.comm_key {
            Ok(key) => Ok(i64::from(key.expose())),
            Err(_) => Err(invalid("comm_key", "the stored one is no comm key")),
        }
    }
}

/// The comm key from a number column.
pub(super) fn comm_key(number: i64) -> Result<CommKey, Unusable> {
    let key = u64::try_from(number).ok().and_then(|number| CommKey::new(number).ok());
    key.ok_or_else(|| Unusable("the comm key is not between 0 and 999999999".into()))
}

/// The number of our own row behind an id, if it can be one.
pub(super) fn number(id: &DeviceId) -> Result<i64, StoreError> {
    let number = id.as_str().parse::<i64>().ok().filter(|number| number.to_string() == id.as_str());
    number.ok_or_else(|| StoreError::NotFound { id: id.clone() })
}

/// The other device that stands in the way.
pub(super) fn conflict(other: i64, name: String, address: SocketAddr) -> StoreError {
    StoreError::Conflict { other: DeviceId::from(other.unsigned_abs()), name, address }
}

fn invalid(field: &'static str, reason: &str) -> StoreError {
    StoreError::Invalid { field, reason: reason.into() }
}

/// A word of a text column; an unknown one counts as the default.
pub(super) trait Word: Sized + Copy + Default + PartialEq + 'static {
    /// Every value with its word.
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }

    fn from_word(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word)| text.eq_ignore_ascii_case(word)).map(|(value, _)| *value)
    }
}

impl Word for TransportChoice {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Auto, "auto"), (Self::Tcp, "tcp"), (Self::Udp, "udp")];
}

impl Word for SessionMode {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Persistent, "persistent"), (Self::OnDemand, "on_demand")];
}

impl Word for Status {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Unknown, "unknown"), (Self::Up, "up"), (Self::Down, "down")];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_device() -> NewDevice {
        NewDevice {
            name: None,
            ip_address: "10.0.0.9".parse().unwrap(),
            port: 4370,
            comm_key: CommKey::new(7).unwrap(),
            transport: TransportChoice::Auto,
            mode: SessionMode::Persistent,
            timezone: Some("Europe/Vienna".into()),
            enabled: true,
            facts: Facts::default(),
        }
    }

    #[test]
    fn a_name_that_was_only_the_address_follows_it_and_a_given_one_stays() {
        let now = SystemTime::now();
        let row = Row::new(&new_device(), now).unwrap();
        assert_eq!(row.name, "10.0.0.9:4370");
        let moved = DevicePatch { ip_address: Some("10.0.0.10".parse().unwrap()), ..DevicePatch::default() };
        assert_eq!(row.patched(&moved, now).unwrap().name, "10.0.0.10:4370");
        let named = Row { name: "gate".into(), ..row };
        assert_eq!(named.patched(&moved, now).unwrap().name, "gate");
    }

    #[test]
    fn an_empty_patch_changes_nothing_at_all() {
        let row = Row::new(&new_device(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(row.patched(&DevicePatch::default(), SystemTime::now()).unwrap(), row);
    }

    #[test]
    fn a_row_edited_into_nonsense_becomes_a_device_that_says_why() {
        let good = Row::new(&new_device(), SystemTime::now()).unwrap();
        for (name, row, reason) in [
            ("address", Row { ip_address: "gate.local".into(), ..good.clone() }, "no IP address"),
            ("port", Row { port: 70_000, ..good.clone() }, "between 1 and 65535"),
            ("port 0", Row { port: 0, ..good.clone() }, "from 1 to 65535"),
            ("key", Row { comm_key: comm_key(-1), ..good.clone() }, "comm key"),
        ] {
            let why = row.into_device().endpoint.unwrap_err().to_string();
            assert!(why.contains(reason), "{name}: {why}");
        }
    }

    #[test]
    fn only_plain_numbers_are_ids_of_our_own_rows() {
        assert_eq!(number(&DeviceId::from(12)), Ok(12));
        for text in ["abc", "012", "99999999999999999999"] {
            assert!(number(&DeviceId::parse(text).unwrap()).is_err(), "{text}");
        }
    }
}
