//! The payloads of data exchange: which table to prepare, how large it is, which chunk to read.
//!
//! A length on the wire is a claim: [`BulkSize`] holds only lengths below the ceiling.
//! Source: public protocol descriptions and captured exchanges.

use super::bytes::{EndOfBytes, Reader};
use super::command::Command;

/// The most bytes asked for in one chunk over TCP.
pub const CHUNK_TCP: u32 = 0xffc0;
/// The most bytes asked for in one chunk over UDP.
pub const CHUNK_UDP: u32 = 16_384;
/// The most bytes in one `CMD_DATA` packet over UDP.
pub const FRAGMENT_UDP: u32 = 1024;

/// A size announced by a device, below the ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BulkSize(u32);

/// An announced size beyond the ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device announces {declared} bytes; the ceiling is {}", BulkSize::CEILING)]
pub struct BulkTooLarge {
    /// What it announces.
    pub declared: u32,
}

impl BulkSize {
    /// 64 MiB: eight times the largest table a device can hold.
    pub const CEILING: u32 = 64 << 20;

    /// Takes a declared size.
    ///
    /// # Errors
    /// [`BulkTooLarge`] beyond the ceiling.
    pub const fn new(declared: u32) -> Result<Self, BulkTooLarge> {
        if declared <= Self::CEILING { Ok(Self(declared)) } else { Err(BulkTooLarge { declared }) }
    }

    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// A table of the device, as named in `CMD_DATA_WRRQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The command that reads it in the direct form.
    pub command: Command,
    /// The table number (`FCT`) that goes with it.
    pub fct: i32,
}

impl Table {
    /// All users.
    pub const USERS: Self = Self { command: Command::USERTEMP_RRQ, fct: 5 };
    /// The attendance log.
    pub const ATTENDANCE: Self = Self { command: Command::ATTLOG_RRQ, fct: 0 };
    /// All fingerprint templates.
    pub const TEMPLATES: Self = Self { command: Command::DB_RRQ, fct: 2 };
    /// The operation log.
    pub const OPERATIONS: Self = Self { command: Command::OPLOG_RRQ, fct: 0 };

    /// The payload of `CMD_DATA_WRRQ`.
    #[must_use]
    pub fn request(self) -> [u8; 11] {
        let [c0, c1] = self.command.0.to_le_bytes();
        let [f0, f1, f2, f3] = self.fct.to_le_bytes();
        [1, c0, c1, f0, f1, f2, f3, 0, 0, 0, 0]
    }

    /// The table that a `CMD_DATA_WRRQ` asks for, as a device reads it.
    ///
    /// # Errors
    /// [`EndOfBytes`] when the payload is too short.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        reader.skip(1)?;
        let command = Command(reader.u16()?);
        let fct = reader.u32()?.cast_signed();
        Ok(Self { command, fct })
    }

    /// The payload of the direct form: a `FCT` byte for users and tables, nothing for logs.
    #[must_use]
    pub fn direct_request(self) -> Vec<u8> {
        u8::try_from(self.fct).ok().filter(|fct| *fct != 0).into_iter().collect()
    }
}

/// The size in the reply to `CMD_DATA_WRRQ` when the table was put into the transfer buffer.
///
/// # Errors
/// [`EndOfBytes`] when the payload is too short to be one.
pub fn buffered_size(payload: &[u8]) -> Result<u32, EndOfBytes> {
    let mut reader = Reader::new(payload);
    reader.skip(1)?;
    let size = reader.u32()?;
    reader.skip(4)?;
    Ok(size)
}

/// The reply to `CMD_DATA_WRRQ`, as a device gives it.
#[must_use]
pub fn buffered_reply(size: u32, opaque: u32) -> [u8; 13] {
    let mut reply = [0; 13];
    let fields = [size.to_le_bytes(), size.to_le_bytes(), opaque.to_le_bytes()];
    for (to, from) in reply.iter_mut().skip(1).zip(fields.iter().flatten()) {
        *to = *from;
    }
    reply
}

/// A part of the transfer buffer: the payload of `CMD_DATA_RDY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of its first byte.
    pub start: u32,
    /// Bytes.
    pub size: u32,
}

impl Chunk {
    /// Reads a request, as a device does.
    ///
    /// # Errors
    /// [`EndOfBytes`] when the payload is too short.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        Ok(Self { start: reader.u32()?, size: reader.u32()? })
    }

    /// The payload.
    #[must_use]
    pub fn emit(self) -> [u8; 8] {
        pair(self.start, self.size)
    }
}

/// What `CMD_PREPARE_DATA` announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Bytes that follow.
    pub total: u32,
    /// The most bytes in one packet, if it says so.
    pub fragment: Option<u32>,
}

impl Announcement {
    /// Reads it.
    ///
    /// # Errors
    /// [`EndOfBytes`] when not even the total is there.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        Ok(Self { total: reader.u32()?, fragment: reader.u32().ok().filter(|most| *most > 0) })
    }

    /// The payload, as a device sends it.
    #[must_use]
    pub fn emit(total: u32, fragment: u32) -> [u8; 8] {
        pair(total, fragment)
    }
}

fn pair(a: u32, b: u32) -> [u8; 8] {
    let [a0, a1, a2, a3] = a.to_le_bytes();
    let [b0, b1, b2, b3] = b.to_le_bytes();
    [a0, a1, a2, a3, b0, b1, b2, b3]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_four_tables_are_asked_for_as_captured() {
        for (table, expected) in [
            (Table::USERS, [1, 9, 0, 5, 0, 0, 0, 0, 0, 0, 0]),
            (Table::ATTENDANCE, [1, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Table::TEMPLATES, [1, 7, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
            (Table::OPERATIONS, [1, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(table.request(), expected);
            assert_eq!(Table::parse(&expected), Ok(table));
        }
        assert_eq!(Table::USERS.direct_request(), [5]);
        assert!(Table::ATTENDANCE.direct_request().is_empty());
    }

    #[test]
    fn an_announced_size_beyond_the_ceiling_is_no_size() {
        assert_eq!(BulkSize::new(u32::MAX), Err(BulkTooLarge { declared: u32::MAX }));
        assert_eq!(BulkSize::new(BulkSize::CEILING).map(BulkSize::bytes), Ok(BulkSize::CEILING));
    }

    proptest! {
        #[test]
        fn any_payload_gives_a_value_or_an_error(payload in proptest::collection::vec(any::<u8>(), 0..32)) {
            let _ = (Table::parse(&payload), Chunk::parse(&payload));
            let _ = (Announcement::parse(&payload), buffered_size(&payload));
        }

        #[test]
        fn what_is_emitted_is_read_back(a: u32, b in 1u32..) {
            prop_assert_eq!(Chunk::parse(&Chunk { start: a, size: b }.emit()), Ok(Chunk { start: a, size: b }));
            prop_assert_eq!(
                Announcement::parse(&Announcement::emit(a, b)),
                Ok(Announcement { total: a, fragment: Some(b) })
            );
            prop_assert_eq!(buffered_size(&buffered_reply(a, b)), Ok(a));
        }
    }
}
