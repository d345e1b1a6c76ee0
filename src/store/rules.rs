//! What a device record may hold, the same for every kind of store: names, addresses, zones, and the facts that
//! a device tells about itself. Foreign text enters here and leaves as something that every database can keep.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::device::Facts;
use super::error::StoreError;
use crate::base::clock;

/// The longest name, in characters.
const NAME_CEILING: usize = 100;
/// The longest text fact, in characters.
const FACT_CEILING: usize = 128;

/// A name: 1 to 100 characters, something to see among them, none of them a control character.
pub(super) fn name(text: &str) -> Result<String, StoreError> {
    let length = text.chars().count();
    let reason = if length > NAME_CEILING {
        format!("a name has at most {NAME_CEILING} characters, this one has {length}")
    } else if text.trim().is_empty() {
        "a name needs at least one character that can be seen".to_owned()
    } else if text.chars().any(char::is_control) {
        "a name cannot contain control characters".to_owned()
    } else {
        return Ok(text.to_owned());
    };
    Err(StoreError::Invalid { field: "name", reason })
}

/// An address at which one single device can be.
pub(super) fn address(ip: IpAddr, port: u16) -> Result<SocketAddr, StoreError> {
    let ip = ip.to_canonical();
    let everyone = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || everyone {
        let reason = format!("{ip} is not the address of one device");
        return Err(StoreError::Invalid { field: "ip_address", reason });
    }
    if port == 0 {
        return Err(StoreError::Invalid {
            field: "port",
            reason: "a port is a number from 1 to 65535".into(),
        });
    }
    Ok(SocketAddr::new(ip, port))
}

/// The IANA name of a time zone.
pub(super) fn timezone(text: &str) -> Result<String, StoreError> {
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            let reason = format!("{} is not the name of an IANA time zone", shown(text));
            Err(StoreError::Invalid { field: "timezone", reason })
        }
    }
}

/// Foreign text made fit for a message: quoted, without control characters, short.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{short:?}{dots}")
}

/// The facts in a form that every store can keep: no control characters, bounded length, nothing empty.
pub(super) fn tidy(facts: &mut Facts) {
    let texts = [
        &mut facts.serial_number,
        &mut facts.device_name,
        &mut facts.firmware_version,
        &mut facts.platform,
        &mut facts.mac_address,
        &mut facts.fingerprint_version,
        &mut facts.face_version,
    ];
    for fact in texts {
        let tidied = fact.take().map(|text| {
            let clean: String = text.chars().filter(|c| !c.is_control()).take(FACT_CEILING).collect();
            clean.trim().to_owned()
        });
        *fact = tidied.filter(|text| !text.is_empty());
    }
}

/// A point in calendar time as the stores keep it: whole milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> i64 {
    clock::millis(time).min(MILLIS_CEILING)
}

/// The point in calendar time that [`millis`] told; what lies before 1970 becomes 1970.
pub(super) fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.clamp(0, MILLIS_CEILING).unsigned_abs())
}

/// The last millisecond of the year 9999.
const MILLIS_CEILING: i64 = 253_402_300_799_999;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::ids::DeviceId;
    use crate::store::device::{Device, Endpoint, SessionMode, Status, TransportChoice};
    use crate::wire::comm_key::CommKey;

    /// A device for tests.
    pub(in crate::store) fn device(id: &str, ip: &str) -> Device {
        Device {
            id: DeviceId::parse(id).unwrap(),
            name: format!("{ip}:4370"),
            ip_address: ip.to_owned(),
            port: 4370,
            endpoint: Ok(Endpoint {
                address: SocketAddr::new(ip.parse().unwrap(), 4370),
                comm_key: CommKey::default(),
                transport: TransportChoice::Auto,
            }),
            mode: SessionMode::Persistent,
            timezone: None,
            enabled: true,
            facts: Facts::default(),
            status: Status::Unknown,
            last_seen: None,
            created_at: None,
            updated_at: None,
        }
    }

    #[test]
    fn names_are_any_visible_text_of_a_hundred_characters() {
        let (full, over) = ("é".repeat(100), "é".repeat(101));
        for good in ["x", "Hall 2 / north", "入口", full.as_str()] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "   ", "a\nb", "a\0", over.as_str()] {
            assert!(matches!(name(bad), Err(StoreError::Invalid { field: "name", .. })), "{bad:?}");
        }
    }

    #[test]
    fn an_address_belongs_to_one_device() {
        assert_eq!(
            address("::ffff:10.0.0.1".parse().unwrap(), 4370),
            Ok("10.0.0.1:4370".parse().unwrap()),
            "one device, one spelling"
        );
        for bad in ["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"] {
            assert!(address(bad.parse().unwrap(), 4370).is_err(), "{bad}");
        }
        assert!(address("10.0.0.1".parse().unwrap(), 0).is_err());
    }

    #[test]
    fn zones_are_iana_names() {
        assert!(timezone("Asia/Ho_Chi_Minh").is_ok());
        assert!(timezone("UTC").is_ok());
        for bad in ["", "Mars/Olympus", "+07:00", "../../etc/passwd"] {
            assert!(timezone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn facts_from_a_device_are_made_fit_to_keep() {
        let mut facts = Facts {
            serial_number: Some(" A8N5\0\n".into()),
            platform: Some("\u{7f}".into()),
            device_name: Some("x".repeat(1000)),
            ..Facts::default()
        };
        tidy(&mut facts);
        assert_eq!(facts.serial_number.as_deref(), Some("A8N5"));
        assert_eq!(facts.platform, None);
        assert_eq!(facts.device_name.map(|name| name.len()), Some(FACT_CEILING));
    }

    #[test]
    fn time_is_kept_in_whole_milliseconds() {
        let odd = UNIX_EPOCH + Duration::from_nanos(1_764_000_000_123_456_789);
        assert_eq!(from_millis(millis(odd)), UNIX_EPOCH + Duration::from_millis(1_764_000_000_123));
        assert_eq!(from_millis(-5), UNIX_EPOCH);
    }
}
