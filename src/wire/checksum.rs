//! The 16-bit ones' complement sum that guards every packet.
//!
//! Source: public protocol descriptions, confirmed on captured packets.

/// The folded sum of all little-endian 16-bit words; a last odd byte counts as a word with a zero above it.
///
/// A packet whose checksum field is filled in correctly sums to `0xffff`.
#[must_use]
pub fn folded_sum(bytes: &[u8]) -> u16 {
    // In ones' complement the width of the words does not matter before the fold; four bytes at a time let the
    // compiler use vector instructions. 2^32 words fit the accumulator, more than any packet has.
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_le_bytes(*word))).sum();
    for (position, byte) in rest.iter().enumerate() {
        sum += u64::from(*byte) << (8 * position);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop leaves at most sixteen bits.
    (sum & 0xffff) as u16
}

/// The checksum of a packet: header (with whatever stands in its checksum field taken as zero) and payload.
#[must_use]
pub fn checksum(command: u16, session: u16, reply: u16, payload: &[u8]) -> u16 {
    let header = u32::from(command) + u32::from(session) + u32::from(reply);
    let mut sum = header + u32::from(folded_sum(payload));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !((sum & 0xffff) as u16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_the_book(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) + (u32::from(*pair.get(1).unwrap_or(&0)) << 8);
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
        }
        sum as u16
    }

    #[test]
    fn the_worked_examples_hold() {
        assert_eq!(checksum(1000, 0, 0, &[]), 0xfc17);
        assert_eq!(checksum(11, 0xc0c5, 5, b"~OS\0"), 0xef58);
        assert_eq!(checksum(11, 0x8df3, 3, b"ZKFaceVersion\0"), 0x175a);
        assert_eq!(checksum(2000, 0x8df3, 10, &[9]), 0x6a29);
        assert_eq!(checksum(1100, 0x1b5f, 1, &[]), 0xe053);
        assert_eq!(checksum(1000, 0xfc17, 0, &[]), 0, "a word sum of 0xffff gives 0");
    }

    proptest! {
        #[test]
        fn the_wide_sum_is_the_sum_of_words(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(folded_sum(&bytes), by_the_book(&bytes));
        }
    }
}
