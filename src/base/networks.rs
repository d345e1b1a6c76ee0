//! The networks that this host is a part of.

use std::io;
use std::net::IpAddr;

/// An address of this host, and how many of its leading bits its neighbours share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// How many bits.
    pub prefix: u8,
}

impl Network {
    /// Whether this address is a neighbour's.
    #[must_use]
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), self.prefix),
            _ => false,
        }
    }
}

/// Every network that an interface of this host is in, loopback included.
///
/// # Errors
/// When the operating system does not tell.
pub fn own_networks() -> io::Result<Vec<Network>> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(io::Error::from)?;
    Ok(interfaces
        .filter_map(|interface| {
            let (address, mask) = (interface.address?, interface.netmask?);
            if let (Some(address), Some(mask)) = (address.as_sockaddr_in(), mask.as_sockaddr_in()) {
                let prefix = leading_ones(u128::from(mask.ip().to_bits()) << 96);
                return Some(Network { address: address.ip().into(), prefix });
            }
            let (address, mask) = (address.as_sockaddr_in6()?, mask.as_sockaddr_in6()?);
            let prefix = leading_ones(mask.ip().to_bits());
            Some(Network { address: address.ip().into(), prefix })
        })
        .collect())
}

fn same(one: u128, other: u128, prefix: u8) -> bool {
    prefix == 0 || (one ^ other).leading_zeros() >= u32::from(prefix)
}

fn leading_ones(mask: u128) -> u8 {
    u8::try_from(mask.leading_ones()).unwrap_or(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_shares_the_leading_bits() {
        let of = |address: &str, prefix| Network { address: address.parse().unwrap(), prefix };
        for (network, other, is) in [
            (of("192.168.1.7", 24), "192.168.1.250", true),
            (of("192.168.1.7", 24), "192.168.2.7", false),
            (of("192.168.1.7", 32), "192.168.1.7", true),
            (of("10.0.0.1", 0), "8.8.8.8", true),
            (of("fd00::1", 64), "fd00::2:3", true),
            (of("fd00::1", 64), "fd01::2", false),
            (of("10.0.0.1", 8), "::1", false),
        ] {
            assert_eq!(network.contains(other.parse().unwrap()), is, "{network:?} {other}");
        }
    }

    #[test]
    fn this_host_is_its_own_neighbour() {
        let own = own_networks().unwrap();
        assert!(own.iter().any(|network| network.contains("127.0.0.9".parse().unwrap())), "{own:?}");
    }
}
