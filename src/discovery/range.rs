//! A range of addresses, as people write it.

use std::net::{IpAddr, Ipv4Addr};

/// Addresses that are looked at, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    count: u32,
}

/// What is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRange {
    /// It is not written as one.
    #[error("a range is written as 192.168.1.0/24, 192.168.1.10-192.168.1.40, or one address")]
    Form,
    /// The second address is before the first.
    #[error("the range ends before it begins")]
    Backwards,
    /// There are too many addresses in it.
    #[error("the range has {0} addresses; at most {ceiling} are looked at", ceiling = Range::CEILING)]
    TooLarge(u64),
}

impl Range {
    /// The most addresses of a range.
    pub const CEILING: u32 = 4096;

    /// Reads a network (`192.168.1.0/24`, without its own and its broadcast address), two addresses
    /// (`192.168.1.10-192.168.1.40`), or one, which may be an IPv6 address.
    ///
    /// # Errors
    /// [`NoRange`].
    pub fn parse(text: &str) -> Result<Self, NoRange> {
        let text = text.trim();
        if let Some((address, prefix)) = text.split_once('/') {
            let address: Ipv4Addr = address.parse().map_err(|_| NoRange::Form)?;
            let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
            let prefix: u32 =
                prefix.parse().ok().filter(|bits| digits && *bits <= 32).ok_or(NoRange::Form)?;
            let size = 1u64 << (32 - prefix);
            let network = u64::from(address.to_bits()) & !(size - 1);
            // A network of one or two addresses has no room for addresses of its own.
            return match size {
                0..=2 => Self::between(network, network + size - 1),
                _ => Self::between(network + 1, network + size - 2),
            };
        }
        if let Some((first, last)) = text.split_once('-') {
            let read = |text: &str| text.trim().parse::<Ipv4Addr>().map_err(|_| NoRange::Form);
            return Self::between(read(first)?.to_bits().into(), read(last)?.to_bits().into());
        }
        text.parse().map(|first| Self { first, count: 1 }).map_err(|_| NoRange::Form)
    }

    fn between(first: u64, last: u64) -> Result<Self, NoRange> {
        let count = (last + 1).checked_sub(first).filter(|count| *count > 0).ok_or(NoRange::Backwards)?;
        let fits = u32::try_from(count).ok().filter(|count| *count <= Self::CEILING);
        let first = u32::try_from(first).map_err(|_| NoRange::Form)?;
        Ok(Self { first: Ipv4Addr::from_bits(first).into(), count: fits.ok_or(NoRange::TooLarge(count))? })
    }

    /// How many addresses.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// All of them, in order.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        (0..self.count).map(move |offset| match self.first {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().saturating_add(offset)).into(),
            IpAddr::V6(first) => first.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(text: &str) -> (String, String, u32) {
        let range = Range::parse(text).unwrap();
        let all: Vec<_> = range.addresses().collect();
        assert_eq!(all.len(), range.count() as usize);
        (all[0].to_string(), all[all.len() - 1].to_string(), range.count())
    }

    #[test]
    fn a_range_is_a_network_two_addresses_or_one() {
        for (text, first, last, count) in [
            ("192.168.1.0/24", "192.168.1.1", "192.168.1.254", 254),
            ("192.168.1.77/24", "192.168.1.1", "192.168.1.254", 254),
            ("10.0.0.4/31", "10.0.0.4", "10.0.0.5", 2),
            ("10.0.0.4/32", "10.0.0.4", "10.0.0.4", 1),
            ("10.0.0.250 - 10.0.1.3", "10.0.0.250", "10.0.1.3", 10),
            ("255.255.255.255", "255.255.255.255", "255.255.255.255", 1),
            ("255.255.255.0/24", "255.255.255.1", "255.255.255.254", 254),
            ("fd00::7", "fd00::7", "fd00::7", 1),
        ] {
            assert_eq!(ends(text), (first.to_owned(), last.to_owned(), count), "{text}");
        }
        for (text, error) in [
            ("", NoRange::Form),
            ("192.168.1", NoRange::Form),
            ("192.168.1.0/33", NoRange::Form),
            ("192.168.1.0/+8", NoRange::Form),
            ("fd00::/120", NoRange::Form),
            ("10.0.0.9-10.0.0.8", NoRange::Backwards),
            ("10.0.0.0/16", NoRange::TooLarge(65_534)),
            ("0.0.0.0/0", NoRange::TooLarge(4_294_967_294)),
        ] {
            assert_eq!(Range::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_range_within_its_bounds_or_none(text in "[0-9./:a-f -]{0,40}") {
            if let Ok(range) = Range::parse(&text) {
                prop_assert!((1..=Range::CEILING).contains(&range.count()));
                prop_assert_eq!(range.addresses().count(), range.count() as usize);
            }
        }
    }
}
