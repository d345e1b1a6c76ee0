//! One packet: header and payload, the same over TCP and UDP.
//!
//! ```text
//! 0        2        4        6        8
//! +--------+--------+--------+--------+------------
//! |command |checksum|session | reply  | payload …
//! +--------+--------+--------+--------+------------
//! ```
//! In a packet from the device the session field is a general word: the session id, but also a fragment index,
//! a byte total or an event code. Replies are told apart by the reply field alone.

use std::fmt;

use super::bytes::Reader;
use super::checksum::{checksum, folded_sum};
use super::command::Command;

/// The size of a packet without payload, in bytes.
pub const HEADER: usize = 8;

/// A packet's fields, its payload still where it was received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What is asked or answered.
    pub command: Command,
    /// The session id, or another word in packets from the device.
    pub session: u16,
    /// The number of the request that this belongs to; 0 in events.
    pub reply: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Whether a packet whose checksum does not fit its bytes is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksums {
    /// Refused.
    #[default]
    Strict,
    /// Taken all the same, for firmware that fills the field badly.
    Lenient,
}

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Fewer than eight bytes.
    #[error("a packet of {length} bytes has no room for a header")]
    TooShort {
        /// How many there were.
        length: usize,
    },
    /// The sum does not come out.
    #[error("the checksum of a {command} packet does not fit its bytes")]
    Checksum {
        /// What the packet claims to be.
        command: Command,
    },
}

impl<'a> Packet<'a> {
    /// Takes a packet apart.
    ///
    /// # Errors
    /// [`PacketError`] when there is no header, or (strict) the checksum is wrong.
    pub fn parse(bytes: &'a [u8], checksums: Checksums) -> Result<Self, PacketError> {
        let short = |_| PacketError::TooShort { length: bytes.len() };
        let mut reader = Reader::new(bytes);
        let command = Command(reader.u16().map_err(short)?);
        reader.skip(2).map_err(short)?;
        let session = reader.u16().map_err(short)?;
        let reply = reader.u16().map_err(short)?;
        if checksums == Checksums::Strict && folded_sum(bytes) != 0xffff {
            return Err(PacketError::Checksum { command });
        }
        Ok(Self { command, session, reply, payload: reader.rest() })
    }

    /// Appends the packet's bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header());
        out.extend_from_slice(self.payload);
    }

    /// The eight bytes before the payload.
    #[must_use]
    pub fn header(&self) -> [u8; HEADER] {
        let sum = checksum(self.command.0, self.session, self.reply, self.payload);
        let [c0, c1] = self.command.0.to_le_bytes();
        let [k0, k1] = sum.to_le_bytes();
        let [s0, s1] = self.session.to_le_bytes();
        let [r0, r1] = self.reply.to_le_bytes();
        [c0, c1, k0, k1, s0, s1, r0, r1]
    }
}

impl fmt::Display for Packet<'_> {
    /// One line without the payload, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} session {:#06x} reply {} payload {} bytes",
            self.command,
            self.session,
            self.reply,
            self.payload.len()
        )
    }
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `CMD_OPTIONS_RRQ` for `~OS`, captured on an F19.
    const READ_OS: [u8; 12] = [0x0b, 0, 0x58, 0xef, 0xc5, 0xc0, 5, 0, 0x7e, 0x4f, 0x53, 0];

    #[test]
    fn a_captured_packet_is_taken_apart_and_built_again() {
        let packet = Packet::parse(&READ_OS, Checksums::Strict).unwrap();
        assert_eq!((packet.command, packet.session, packet.reply), (Command::OPTIONS_RRQ, 0xc0c5, 5));
        assert_eq!(packet.payload, b"~OS\0");
        let mut out = Vec::new();
        packet.emit(&mut out);
        assert_eq!(out, READ_OS);
    }

    #[test]
    fn a_flipped_bit_is_refused_unless_leniency_was_asked_for() {
        let mut bytes = READ_OS;
        bytes[9] ^= 1;
        assert_eq!(
            Packet::parse(&bytes, Checksums::Strict),
            Err(PacketError::Checksum { command: Command::OPTIONS_RRQ })
        );
        assert!(Packet::parse(&bytes, Checksums::Lenient).is_ok());
    }

    #[test]
    fn a_display_shows_no_payload() {
        let text = format!("{:?}", Packet::parse(&READ_OS, Checksums::Strict).unwrap());
        assert_eq!(text, "OPTIONS_RRQ (11) session 0xc0c5 reply 5 payload 4 bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Packet::parse(&bytes, Checksums::Strict);
            prop_assert_eq!(Packet::parse(&bytes, Checksums::Lenient).is_ok(), bytes.len() >= HEADER);
        }

        #[test]
        fn what_is_built_is_read_back(
            command: u16, session: u16, reply: u16,
            payload in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let packet = Packet { command: Command(command), session, reply, payload: &payload };
            let mut out = Vec::new();
            packet.emit(&mut out);
            prop_assert_eq!(Packet::parse(&out, Checksums::Strict), Ok(packet));
        }
    }
}
