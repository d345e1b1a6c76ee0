//! Punches: the attendance records of 8, 16, 40, 49 and more bytes.
//!
//! The 40-byte record begins with a running record number that is *not* a person; captured sequences show
//! consecutive numbers for one user. Longer records are a 40-byte record with something after it.
//! Source: captured records for 8, 16 and 40 bytes; several clients agree on 49.

use super::UserId;
use crate::wire::bytes::{EndOfBytes, Reader};
use crate::wire::clock_word::ClockWord;

/// One attendance record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Punch {
    /// Who, where the record says so.
    pub user_id: UserId,
    /// Who by internal index: only the 8-byte record has it instead of a user id.
    pub uid: Option<u16>,
    /// When, by the device's clock; not necessarily a time that exists.
    pub time: ClockWord,
    /// In, out, …: 0 to 5, or 255 for "none".
    pub punch_state: u8,
    /// How the person was verified; the meaning differs between families.
    pub verify_mode: u8,
    /// The work code entered, 0 for none.
    pub work_code: u32,
}

/// Which of the known layouts a record has, and how many bytes it takes in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PunchLayout {
    /// 8 bytes: internal index, flags, time.
    Short,
    /// 16 bytes: numeric user id, time, state, verify mode, work code.
    Numeric,
    /// 40 bytes and whatever follows up to the stride: text user id.
    Text {
        /// Bytes from one record to the next, at least 40.
        stride: u16,
    },
}

impl PunchLayout {
    /// The layout of most devices.
    pub const TEXT: Self = Self::Text { stride: 40 };

    /// The layout for a record of this many bytes.
    #[must_use]
    pub fn for_stride(stride: usize) -> Option<Self> {
        match stride {
            8 => Some(Self::Short),
            16 => Some(Self::Numeric),
            40.. => u16::try_from(stride).ok().map(|stride| Self::Text { stride }),
            _ => None,
        }
    }

    /// Bytes from one record to the next.
    #[must_use]
    pub const fn stride(self) -> usize {
        match self {
            Self::Short => 8,
            Self::Numeric => 16,
            Self::Text { stride } => stride as usize,
        }
    }
}

impl Punch {
    /// Reads one record.
    ///
    /// # Errors
    /// [`EndOfBytes`] when there are fewer bytes than the layout has.
    #[inline]
    pub fn parse(record: &[u8], layout: PunchLayout) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(record);
        match layout {
            PunchLayout::Short => {
                let uid = reader.u16()?;
                let flags = reader.u8()?;
                reader.skip(1)?;
                Ok(Self {
                    user_id: UserId::default(),
                    uid: Some(uid),
                    time: ClockWord(reader.u32()?),
                    punch_state: flags >> 5,
                    verify_mode: (flags >> 3) & 0b11,
                    work_code: 0,
                })
            }
            PunchLayout::Numeric => {
                let user_id = UserId::from_number(reader.u32()?);
                let time = ClockWord(reader.u32()?);
                let (punch_state, verify_mode) = (reader.u8()?, reader.u8()?);
                reader.skip(2)?;
                Ok(Self { user_id, uid: None, time, punch_state, verify_mode, work_code: reader.u32()? })
            }
            PunchLayout::Text { .. } => {
                reader.skip(2)?;
                let user_id = UserId::from_field(&reader.array()?);
                let verify_mode = reader.u8()?;
                let time = ClockWord(reader.u32()?);
                let punch_state = reader.u8()?;
                // Only one source places the work code here; captured records hold 0.
                let work_code = u32::from(reader.u8()?);
                reader.skip(7)?;
                Ok(Self { user_id, uid: None, time, punch_state, verify_mode, work_code })
            }
        }
    }

    /// Appends the record as a device stores it. `number` is the running number of the 40-byte layout.
    ///
    /// What the layout cannot hold is left out: a short record has no user id, a numeric one no letters.
    pub fn emit(&self, layout: PunchLayout, number: u16, out: &mut Vec<u8>) {
        let end = out.len() + layout.stride();
        match layout {
            PunchLayout::Short => {
                out.extend_from_slice(&self.uid.unwrap_or_default().to_le_bytes());
                out.extend_from_slice(&[(self.punch_state << 5) | ((self.verify_mode & 0b11) << 3), 0]);
                out.extend_from_slice(&self.time.0.to_le_bytes());
            }
            PunchLayout::Numeric => {
                out.extend_from_slice(&self.user_id.to_number().unwrap_or_default().to_le_bytes());
                out.extend_from_slice(&self.time.0.to_le_bytes());
                out.extend_from_slice(&[self.punch_state, self.verify_mode, 0, 0]);
                out.extend_from_slice(&self.work_code.to_le_bytes());
            }
            PunchLayout::Text { stride } => {
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(self.user_id.field());
                out.push(self.verify_mode);
                out.extend_from_slice(&self.time.0.to_le_bytes());
                out.extend_from_slice(&[self.punch_state, self.work_code.to_le_bytes()[0]]);
                out.resize(end - layout.stride() + 40, 0);
                if stride == 49 {
                    out.extend_from_slice(&[0xff, b'2', b'5', b'5']);
                }
            }
        }
        out.resize(end, 0);
    }

    /// Whether the record names nobody: a slot that a power loss left blank.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.user_id.is_empty() && self.uid.unwrap_or_default() == 0
    }
}

/// The records of a table, or of a part of it that begins and ends with a record, each with its bytes. Blank ones
/// are among them; bytes behind the last whole record are not.
pub fn slots(records: &[u8], layout: PunchLayout) -> impl Iterator<Item = (&[u8], Punch)> {
    records
        .chunks_exact(layout.stride())
        .filter_map(move |record| Some((record, Punch::parse(record, layout).ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_give_a_punch_or_an_error(
            record in proptest::collection::vec(any::<u8>(), 0..80), stride in 0usize..80,
        ) {
            if let Some(layout) = PunchLayout::for_stride(stride) {
                let cut: Vec<_> = slots(&record, layout).collect();
                prop_assert_eq!(cut.len(), record.len() / stride);
                prop_assert!(cut.iter().all(|(raw, punch)| Punch::parse(raw, layout) == Ok(*punch)));
                prop_assert!(cut.iter().flat_map(|(raw, _)| raw.iter()).eq(record.iter().take(cut.len() * stride)));
                let needed = stride.min(40);
                prop_assert_eq!(Punch::parse(&record, layout).is_ok(), record.len() >= needed);
            }
        }

        #[test]
        fn what_is_emitted_is_read_back(
            id in 1u32.., time: u32, state in 0u8..6, verify in 0u8..4, code: u8, number: u16, stride in 40usize..80,
        ) {
            let punch = Punch {
                user_id: UserId::from_number(id), uid: None, time: ClockWord(time),
                punch_state: state, verify_mode: verify, work_code: u32::from(code),
            };
            for layout in [PunchLayout::Numeric, PunchLayout::for_stride(stride).unwrap()] {
                let mut record = Vec::new();
                punch.emit(layout, number, &mut record);
                prop_assert_eq!(record.len(), layout.stride());
                prop_assert_eq!(Punch::parse(&record, layout), Ok(punch));
            }
            let short = Punch { user_id: UserId::default(), uid: Some(number), work_code: 0, ..punch };
            let mut record = Vec::new();
            short.emit(PunchLayout::Short, 0, &mut record);
            prop_assert_eq!(Punch::parse(&record, PunchLayout::Short), Ok(short));
        }
    }
}
