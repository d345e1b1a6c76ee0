//! The operation log: 16 bytes for each thing that somebody did in the device's menu, or that happened to it.
//!
//! Every field is kept as it came, so that a record is built again byte for byte; what an unnamed action or
//! parameter means is left to whoever knows the firmware.
//! Source: one captured record; the actions are those of the vendor's manual of 2006, newer firmware has more.

use std::fmt;

use crate::wire::bytes::{EndOfBytes, Reader};
use crate::wire::clock_word::ClockWord;

/// One entry of the operation log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationEntry {
    /// The uid of the administrator who did it; 0 for nobody.
    pub administrator: u16,
    /// What was done.
    pub action: Action,
    /// A byte that no source explains.
    pub unknown: u8,
    /// When, by the device's clock; not necessarily a time that exists.
    pub time: ClockWord,
    /// By the manual the affected uid, then 1 for success or 0 for failure; captured entries show other values.
    pub parameters: [u16; 4],
}

/// What an entry of the operation log says was done: a number, of which some have names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Action(pub u8);

impl OperationEntry {
    /// Bytes from one entry to the next.
    pub const STRIDE: usize = 16;

    /// Reads one entry.
    ///
    /// # Errors
    /// [`EndOfBytes`] when there are fewer than [`OperationEntry::STRIDE`] bytes.
    pub fn parse(record: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(record);
        Ok(Self {
            administrator: reader.u16()?,
            action: Action(reader.u8()?),
            unknown: reader.u8()?,
            time: ClockWord(reader.u32()?),
            parameters: [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?],
        })
    }

    /// Appends the entry as a device stores it.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.administrator.to_le_bytes());
        out.extend_from_slice(&[self.action.0, self.unknown]);
        out.extend_from_slice(&self.time.0.to_le_bytes());
        for parameter in self.parameters {
            out.extend_from_slice(&parameter.to_le_bytes());
        }
    }
}

impl Action {
    /// The name of a known action.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "power_on",
            1 => "power_off",
            2 => "verification_failed",
            3 => "tamper",
            4 => "menu_entered",
            5 => "option_changed",
            6 => "finger_enrolled",
            7 => "password_added",
            8 => "card_registered",
            9 => "user_deleted",
            10 => "finger_deleted",
            11 => "password_deleted",
            12 => "card_deleted",
            13 => "data_cleared",
            14..=20 => "card_operation",
            21 => "time_set",
            22 => "factory_reset",
            23 => "punches_cleared",
            24 => "administrators_cleared",
            25 => "access_options_changed",
            26 => "user_access_changed",
            27 => "time_zones_changed",
            28 => "unlock_combinations_changed",
            29 => "unlocked",
            30 => "user_enrolled",
            _ => return None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "action {}", self.0),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A finger was enrolled, captured on an F19.
    const ENROLLED: [u8; 16] = [0, 0, 6, 0x2a, 0xc2, 0x9b, 0x68, 0x23, 3, 0, 0, 0, 7, 0, 2, 5];

    fn enrolled() -> OperationEntry {
        OperationEntry {
            administrator: 0,
            action: Action(6),
            unknown: 0x2a,
            time: ClockWord(594_058_178),
            parameters: [3, 0, 7, 0x0502],
        }
    }

    #[test]
    fn a_captured_entry_is_taken_apart() {
        let entry = OperationEntry::parse(&ENROLLED).unwrap();
        assert_eq!(entry, enrolled());
        assert_eq!(entry.time.fields().to_string(), "2018-06-25T16:09:38");
    }

    #[test]
    fn its_meaning_is_built_into_the_same_bytes() {
        let mut out = vec![9];
        enrolled().emit(&mut out);
        assert_eq!(out.split_first(), Some((&9, &ENROLLED[..])), "it is appended");
    }

    #[test]
    fn known_actions_have_names_and_others_stay_numbers() {
        assert_eq!(Action(6).to_string(), "finger_enrolled (6)");
        assert_eq!((Action(14).name(), Action(20).name()), (Some("card_operation"), Some("card_operation")));
        assert_eq!((Action(30).name(), Action(31).name()), (Some("user_enrolled"), None));
        assert_eq!(Action(107).to_string(), "action 107");
    }

    #[test]
    fn a_short_entry_is_none_and_an_impossible_time_is_kept() {
        assert_eq!(OperationEntry::parse(&ENROLLED[..15]), Err(EndOfBytes));
        let entry = OperationEntry::parse(&[0xff; 16]).unwrap();
        assert_eq!(entry.time, ClockWord(u32::MAX));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_entry_or_an_error_and_an_entry_gives_its_bytes(
            record in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let entry = OperationEntry::parse(&record);
            prop_assert_eq!(entry.is_ok(), record.len() >= OperationEntry::STRIDE);
            if let Ok(entry) = entry {
                let mut out = Vec::new();
                entry.emit(&mut out);
                prop_assert_eq!(&out[..], &record[..OperationEntry::STRIDE]);
            }
        }
    }
}
