//! Which device is meant: an address, or one that the local service knows.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::base::ids::DeviceId;

/// A device as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Spoken to directly.
    Address(SocketAddr),
    /// A device of the local service, which is asked instead.
    OfService(DeviceId),
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a device is an address such as 192.168.1.201, 192.168.1.201:4370 or [fd00::1]:4370, or @ID for one that the local service knows"
)]
pub struct NoDevice;

/// The port on which devices listen.
const PORT: u16 = 4370;

impl FromStr for Whom {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        if let Some(id) = text.strip_prefix('@') {
            return DeviceId::parse(id).map(Self::OfService).ok_or(NoDevice);
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let address = text.parse().or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT)));
        address.ok().filter(|address| address.port() > 0).map(Self::Address).ok_or(NoDevice)
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::OfService(id) => write!(f, "@{}", id.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_port_or_gets_one_and_an_id_has_a_sign() {
        for (text, shown) in [
            ("192.168.1.201", "192.168.1.201:4370"),
            ("192.168.1.201:5005", "192.168.1.201:5005"),
            ("fd00::1", "[fd00::1]:4370"),
            ("[fd00::1]", "[fd00::1]:4370"),
            ("[fd00::1]:1", "[fd00::1]:1"),
            ("@12", "@12"),
        ] {
            assert_eq!(text.parse::<Whom>().unwrap().to_string(), shown);
        }
        for text in ["", "@", "entrance", "12", "1.2.3.4:0", "1.2.3.4:99999", "[1.2.3.4", "info"] {
            assert_eq!(text.parse::<Whom>(), Err(NoDevice), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_understood(text in "\\PC{0,20}") {
            if let Ok(whom) = text.parse::<Whom>() {
                prop_assert_eq!(whom.to_string().parse(), Ok(whom));
            }
        }
    }
}
