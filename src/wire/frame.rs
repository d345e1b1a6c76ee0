//! Packets on a TCP stream: a prefix of eight bytes with the length before each, and the buffer that cuts them
//! out of whatever segments arrive. (A UDP datagram is a packet as it is.)
//!
//! ```text
//! 0           4          8
//! +-----------+----------+----------
//! |50 50 82 7d| length   | packet …      length counts the packet, so it is at least 8
//! +-----------+----------+----------
//! ```
//! A wrong prefix means that the stream is out of step. It is never searched for the next prefix: record bytes
//! can contain one.

use super::packet::{Checksums, HEADER, Packet, PacketError};

/// The bytes before the packet.
pub const PREFIX: usize = 8;
/// The longest packet taken from a stream, in bytes: captured ones reach 65,536.
pub const PACKET_CEILING: usize = 1 << 20;

const MAGIC: [u8; 4] = [0x50, 0x50, 0x82, 0x7d];
/// Newer firmware's encrypted frames.
const MAGIC_SECURE: [u8; 4] = [0x50, 0x50, 0x83, 0x7c];
/// What C3 and inBio access panels begin with: the PULL protocol on the same port.
const MAGIC_PANEL: [u8; 2] = [0xaa, 0x01];

/// Why a stream cannot be read any further. All but [`FrameError::Packet`] leave it out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The stream does not speak this protocol, or is out of step.
    #[error("a frame began with {found:02x?} instead of the protocol's prefix")]
    Prefix {
        /// What stood there.
        found: [u8; 4],
    },
    /// An encrypted frame.
    #[error("the device sends encrypted frames, which only its vendor's software can read")]
    Encrypted,
    /// Another protocol: a PULL access panel.
    #[error("an access panel answered, which speaks another protocol (PULL)")]
    Panel,
    /// A length that leaves no room for a header.
    #[error("a frame declares {declared} bytes, too few for a header")]
    TooShort {
        /// What it declares.
        declared: u32,
    },
    /// A length beyond any real packet.
    #[error("a frame declares {declared} bytes; the ceiling is {PACKET_CEILING}")]
    TooLong {
        /// What it declares.
        declared: u32,
    },
    /// The packet inside is damaged.
    #[error(transparent)]
    Packet(#[from] PacketError),
}

/// Appends prefix and packet.
pub fn emit(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let length = HEADER + packet.payload.len();
    out.reserve(PREFIX + length);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    packet.emit(out);
}

/// The bytes received and not yet understood.
///
/// It starts small and grows only to the length that a believable prefix declares.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    /// Where they end; behind it is room.
    end: usize,
}

impl FrameBuffer {
    /// The room offered for one read when nothing larger is expected, in bytes.
    const SMALL: usize = 1024;

    /// An empty buffer, without memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0 }
    }

    /// Room to read into: at least `wanted` bytes, at most [`PACKET_CEILING`].
    pub fn room(&mut self, wanted: usize) -> &mut [u8] {
        let wanted = wanted.clamp(Self::SMALL, PACKET_CEILING);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.len() - self.end < wanted && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < wanted {
            self.bytes.resize(self.end + wanted, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says how many bytes of the room were filled.
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Puts bytes in, for whoever has them already.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = self.room(bytes.len());
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.filled(bytes.len());
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The next packet, or `None` while it is incomplete.
    ///
    /// # Errors
    /// [`FrameError`]; except for a damaged packet the stream must not be read any further.
    pub fn next_packet(&mut self, checksums: Checksums) -> Result<Option<Packet<'_>>, FrameError> {
        let Some(length) = self.declared()? else { return Ok(None) };
        let begin = self.start + PREFIX;
        let Some(packet) = self.bytes.get(begin..self.end).and_then(|rest| rest.get(..length)) else {
            return Ok(None);
        };
        self.start = begin + length;
        Ok(Some(Packet::parse(packet, checksums)?))
    }

    /// How many bytes are still missing from the frame that has begun, or `None` when that is not known yet.
    #[must_use]
    pub fn missing(&self) -> Option<usize> {
        let length = self.declared().ok()??;
        Some((PREFIX + length).saturating_sub(self.end - self.start))
    }

    /// Gives back memory that a large transfer needed.
    pub fn shrink(&mut self) {
        if self.is_empty() && self.bytes.capacity() > 2 * Self::SMALL {
            *self = Self::new();
        }
    }

    /// The length declared by the prefix, once that is complete and believable.
    fn declared(&self) -> Result<Option<usize>, FrameError> {
        let unread = self.bytes.get(self.start..self.end).unwrap_or_default();
        let known = unread.get(..unread.len().min(4)).unwrap_or_default();
        if !MAGIC.starts_with(known) {
            // Four bytes name the stranger; a panel gives itself away with two.
            if known.starts_with(&MAGIC_PANEL) {
                return Err(FrameError::Panel);
            }
            let Some((found, _)) = unread.split_first_chunk::<4>() else {
                // Not enough to say what it is, but enough to know that it is not ours.
                return if MAGIC_SECURE.starts_with(known) || MAGIC_PANEL.starts_with(known) {
                    Ok(None)
                } else {
                    Err(FrameError::Prefix { found: padded(known) })
                };
            };
            return Err(match *found {
                MAGIC_SECURE => FrameError::Encrypted,
                found => FrameError::Prefix { found },
            });
        }
        let Some((prefix, _)) = unread.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [.., l0, l1, l2, l3] = *prefix;
        let declared = u32::from_le_bytes([l0, l1, l2, l3]);
        match usize::try_from(declared) {
            Ok(length) if length < HEADER => Err(FrameError::TooShort { declared }),
            Ok(length) if length <= PACKET_CEILING => Ok(Some(length)),
            _ => Err(FrameError::TooLong { declared }),
        }
    }
}

fn padded(bytes: &[u8]) -> [u8; 4] {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(bytes) {
        *to = *from;
    }
    four
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::command::Command;

    /// The reply to `CMD_CONNECT`, captured on a D2.
    const CONNECTED: [u8; 16] = [0x50, 0x50, 0x82, 0x7d, 8, 0, 0, 0, 0xd0, 7, 0xf2, 0x7a, 0x3d, 0x7d, 0, 0];

    fn buffer(bytes: &[u8]) -> FrameBuffer {
        let mut buffer = FrameBuffer::new();
        buffer.push(bytes);
        buffer
    }

    #[test]
    fn a_captured_frame_is_taken_apart_and_built_again() {
        let mut stream = buffer(&CONNECTED);
        let packet = stream.next_packet(Checksums::Strict).unwrap().unwrap();
        assert_eq!((packet.command, packet.session), (Command::ACK_OK, 0x7d3d));
        let mut out = Vec::new();
        emit(&packet, &mut out);
        assert_eq!(out, CONNECTED);
        assert!(stream.is_empty());
    }

    #[test]
    fn foreign_streams_are_named_as_early_as_they_can_be() {
        for (name, bytes, expected) in [
            (
                "wrong last byte",
                &[0x50, 0x50, 0x82, 0x7e][..],
                Some(FrameError::Prefix { found: [0x50, 0x50, 0x82, 0x7e] }),
            ),
            ("HTTP", b"HTTP/1.1 400", Some(FrameError::Prefix { found: *b"HTTP" })),
            ("one foreign byte", b"H", Some(FrameError::Prefix { found: [b'H', 0, 0, 0] })),
            ("encrypted", &[0x50, 0x50, 0x83, 0x7c, 0x10, 0, 0, 0], Some(FrameError::Encrypted)),
            ("half of encrypted", &[0x50, 0x50, 0x83], None),
            ("panel", &[0xaa, 0x01, 0xc9, 0x01], Some(FrameError::Panel)),
            ("half of panel", &[0xaa], None),
            ("length 7", &[0x50, 0x50, 0x82, 0x7d, 7, 0, 0, 0], Some(FrameError::TooShort { declared: 7 })),
            (
                "length 2 GiB",
                &[0x50, 0x50, 0x82, 0x7d, 0xff, 0xff, 0xff, 0x7f],
                Some(FrameError::TooLong { declared: 0x7fff_ffff }),
            ),
            ("incomplete", &CONNECTED[..15], None),
        ] {
            assert_eq!(buffer(bytes).next_packet(Checksums::Strict).err(), expected, "{name}");
        }
    }

    #[test]
    fn a_damaged_packet_leaves_the_stream_in_step() {
        let mut bytes = CONNECTED.to_vec();
        bytes[12] ^= 1;
        bytes.extend_from_slice(&CONNECTED);
        let mut stream = buffer(&bytes);
        assert!(matches!(stream.next_packet(Checksums::Strict), Err(FrameError::Packet(_))));
        assert!(stream.next_packet(Checksums::Strict).unwrap().is_some());
    }

    #[test]
    fn a_huge_declared_length_reserves_nothing() {
        let mut stream = buffer(&[0x50, 0x50, 0x82, 0x7d, 0xff, 0xff, 0xff, 0x7f]);
        assert!(stream.next_packet(Checksums::Strict).is_err());
        assert!(stream.bytes.capacity() <= 2 * FrameBuffer::SMALL);
    }

    #[test]
    fn memory_of_a_large_transfer_is_given_back() {
        let mut stream = FrameBuffer::new();
        assert!(stream.room(1 << 18).len() >= 1 << 18);
        stream.shrink();
        assert_eq!(stream.bytes.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_give_packets_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut stream = buffer(&bytes);
            while let Ok(Some(_)) = stream.next_packet(Checksums::Lenient) {}
        }

        #[test]
        fn any_split_of_the_stream_gives_the_same_packets(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 1..6),
            pieces in proptest::collection::vec(1usize..1500, 1..40),
        ) {
            let mut stream = Vec::new();
            for (reply, payload) in payloads.iter().enumerate() {
                emit(&Packet { command: Command::DATA, session: 7, reply: reply as u16, payload }, &mut stream);
            }
            let mut rest = stream.as_slice();
            let mut sizes = pieces.iter().cycle();
            let mut buffer = FrameBuffer::new();
            let mut seen = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                rest = after;
                buffer.push(piece);
                while let Some(packet) = buffer.next_packet(Checksums::Strict).unwrap() {
                    seen.push(packet.payload.to_vec());
                }
            }
            prop_assert_eq!(seen, payloads);
        }
    }
}
