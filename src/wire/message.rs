//! Short messages: what the display tells everybody, or one person when they are verified.
//! Source: the vendor's old manual; no capture exists.

use super::bytes::{EndOfBytes, Reader};
use super::clock_word::ClockWord;
use super::text::FixedText;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortMessage {
    /// Whom it is for, by the manual's letter.
    pub tag: u8,
    /// Its number.
    pub id: u16,
    /// For how many minutes it is shown, 0 for always.
    pub minutes: u16,
    /// From when on.
    pub start: ClockWord,
    /// What it says, in the device's encoding.
    pub text: FixedText<61>,
}

impl ShortMessage {
    /// Bytes of a record.
    pub const SIZE: usize = 72;

    /// Reads a record.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(record: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(record);
        let (tag, id, minutes) = (reader.u8()?, reader.u16()?, reader.u16()?);
        reader.skip(2)?;
        let start = ClockWord(reader.u32()?);
        Ok(Self { tag, id, minutes, start, text: FixedText::from_field(&reader.array()?) })
    }

    /// The record as it is sent.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut record = vec![self.tag];
        record.extend_from_slice(&self.id.to_le_bytes());
        record.extend_from_slice(&self.minutes.to_le_bytes());
        record.extend_from_slice(&[0, 0]);
        record.extend_from_slice(&self.start.0.to_le_bytes());
        record.extend_from_slice(self.text.field());
        record
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_record_is_a_message_or_too_short(record in proptest::collection::vec(any::<u8>(), 0..90)) {
            let read = ShortMessage::parse(&record);
            prop_assert_eq!(read.is_ok(), record.len() >= ShortMessage::SIZE);
            if let Ok(message) = read {
                prop_assert_eq!(message.emit().len(), ShortMessage::SIZE);
                prop_assert_eq!(ShortMessage::parse(&message.emit()), Ok(message));
            }
        }
    }
}
