//! A table as it was read: proved complete, cut into records of one length.
//!
//! Three witnesses tell how long it is: the bytes that came (which the transfer has counted against what was
//! announced), the size word in front of the records, and the device's own count. The word and the count are
//! known to lie on some firmware; two of the three must agree, and no byte is ever made up.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::UserId;
use super::punch::{Punch, PunchLayout, slots};
use super::stride::{UnknownLayout, plausible_punch, punch_layout, user_layout};
use super::user::{User, UserLayout};
use super::user_record::UserRecord;
use crate::wire::clock_word::ClockWord;

/// A table that cannot be believed to be whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The size word and the bytes differ, and the count supports neither.
    #[error("the device announces {announced} bytes of records and sent {received}")]
    Incomplete {
        /// What the size word says, in bytes.
        announced: u32,
        /// What came, in bytes.
        received: usize,
        /// How many records the device counts.
        count: Option<u32>,
    },
    /// The device counts records and sent none.
    #[error("the device counts {count} records and sent none")]
    Missing {
        /// How many it counts.
        count: u32,
    },
    /// The records have no length that makes sense.
    #[error(transparent)]
    Unknown(#[from] UnknownLayout),
}

/// A complete attendance log.
#[derive(Clone, Default)]
pub struct PunchTable {
    /// What the transfer delivered.
    data: Vec<u8>,
    /// Where in it the records are.
    body: Range<usize>,
    /// `None` for an empty log.
    layout: Option<PunchLayout>,
    /// Who is behind an internal index, for the layout that has no user id.
    people: HashMap<u16, UserId>,
}

/// A complete user table.
#[derive(Clone, Default)]
pub struct UserTable {
    /// What the transfer delivered.
    data: Vec<u8>,
    /// Where in it the records are.
    body: Range<usize>,
    /// `None` for an empty table.
    layout: Option<UserLayout>,
}

impl PunchTable {
    /// Reads what a transfer delivered: the size word and the records behind it.
    ///
    /// `count` is the device's own; `latest` the latest time that a record can believably show.
    ///
    /// # Errors
    /// [`TableError`] when it is not proved complete or not understood.
    pub fn parse(data: Vec<u8>, count: Option<u32>, latest: ClockWord) -> Result<Self, TableError> {
        let layout_of = |records: &[u8]| punch_layout(records, count, latest);
        let sound = |record: &[u8], layout| {
            Punch::parse(record, layout).is_ok_and(|punch| plausible_punch(&punch, record, layout, latest))
        };
        let settled = settle(&data, count, layout_of, PunchLayout::stride, sound)?;
        let Some((body, layout)) = settled else { return Ok(Self::default()) };
        Ok(Self { data, body, layout: Some(layout), people: HashMap::new() })
    }

    /// The same log, naming the people whose internal index stands in its records instead of a user id.
    #[must_use]
    pub fn with_people(mut self, people: impl Iterator<Item = (u16, UserId)>) -> Self {
        self.people = people.collect();
        self
    }

    /// The records' layout, unless there are none.
    #[must_use]
    pub const fn layout(&self) -> Option<PunchLayout> {
        self.layout
    }

    /// The punches in the device's order; blank slots, which name nobody, are passed over.
    pub fn iter(&self) -> impl Iterator<Item = Punch> + '_ {
        let punches = slots(self.records(), self.layout.unwrap_or(PunchLayout::TEXT)).map(|(_, punch)| punch);
        punches.filter(|punch| !punch.is_blank()).map(|punch| self.named(punch))
    }

    /// The same, taking the table along: for whoever sends them bit by bit.
    pub fn into_punches(self) -> impl Iterator<Item = Punch> + Send {
        let layout = self.layout.unwrap_or(PunchLayout::TEXT);
        let (slots, stride) = (self.slots(), layout.stride());
        (0..slots).filter_map(move |slot| {
            let record = self.records().get(slot * stride..(slot + 1) * stride)?;
            let punch = Punch::parse(record, layout).ok().filter(|punch| !punch.is_blank())?;
            Some(self.named(punch))
        })
    }

    fn named(&self, punch: Punch) -> Punch {
        match punch.uid.and_then(|uid| self.people.get(&uid)) {
            Some(user_id) => Punch { user_id: *user_id, ..punch },
            None => punch,
        }
    }

    /// How many record slots there are, blank ones included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.body.len() / self.layout.unwrap_or(PunchLayout::TEXT).stride()
    }

    /// The bytes of the records, one after the other.
    #[must_use]
    pub fn records(&self) -> &[u8] {
        self.data.get(self.body.clone()).unwrap_or_default()
    }
}

impl UserTable {
    /// Reads what a transfer delivered: the size word and the records behind it.
    ///
    /// # Errors
    /// [`TableError`] when it is not proved complete or not understood.
    pub fn parse(data: Vec<u8>, count: Option<u32>) -> Result<Self, TableError> {
        let layout_of = |records: &[u8]| user_layout(records, count);
        let sound =
            |record: &[u8], layout| User::parse(record, layout).is_ok_and(|user| user.plausibility() == 3);
        let settled = settle(&data, count, layout_of, UserLayout::stride, sound)?;
        let Some((body, layout)) = settled else { return Ok(Self::default()) };
        Ok(Self { data, body, layout: Some(layout) })
    }

    /// The records' layout, unless there are none.
    #[must_use]
    pub const fn layout(&self) -> Option<UserLayout> {
        self.layout
    }

    /// The users in the device's order; blank slots are passed over.
    pub fn iter(&self) -> impl Iterator<Item = User> + '_ {
        let layout = self.layout.unwrap_or(UserLayout::FULL);
        self.records()
            .chunks_exact(layout.stride())
            .filter_map(move |record| User::parse(record, layout).ok())
            .filter(User::is_somebody)
    }

    /// The same, taking the table along: for whoever sends them bit by bit.
    pub fn into_users(self) -> impl Iterator<Item = User> + Send {
        let layout = self.layout.unwrap_or(UserLayout::FULL);
        let stride = layout.stride();
        (0..self.body.len() / stride)
            .filter_map(move |slot| {
                let record = self.records().get(slot * stride..(slot + 1) * stride)?;
                User::parse(record, layout).ok()
            })
            .filter(User::is_somebody)
    }

    /// The same, byte for byte, for whoever changes a user and keeps what they do not understand.
    pub fn raw(&self) -> impl Iterator<Item = UserRecord> + '_ {
        let layout = self.layout.unwrap_or(UserLayout::FULL);
        self.records()
            .chunks_exact(layout.stride())
            .filter_map(move |record| UserRecord::new(record, layout).ok())
            .filter(|record| record.user().is_somebody())
    }

    /// The highest index that somebody has, 0 if nobody is there; 65535 is none.
    #[must_use]
    pub fn last_index(&self) -> u16 {
        self.iter().map(|user| user.uid).filter(|uid| *uid != u16::MAX).max().unwrap_or_default()
    }

    /// Where the records are in what the transfer delivered.
    pub(crate) fn body(&self) -> Range<usize> {
        self.body.clone()
    }

    fn records(&self) -> &[u8] {
        self.data.get(self.body.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for PunchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PunchTable").field("layout", &self.layout).field("slots", &self.slots()).finish()
    }
}

impl fmt::Debug for UserTable {
    /// Without the records: they hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTable").field("layout", &self.layout).field("bytes", &self.body.len()).finish()
    }
}

/// Where the records of a table stand that is proved complete, behind the size word, and their layout; `None` for
/// no records.
fn settle<L: Copy>(
    data: &[u8],
    count: Option<u32>,
    layout_of: impl Fn(&[u8]) -> Result<L, UnknownLayout>,
    stride: impl Fn(L) -> usize,
    sound: impl Fn(&[u8], L) -> bool,
) -> Result<Option<(Range<usize>, L)>, TableError> {
    let counted = count.filter(|count| *count > 0);
    let Some((word, records)) = data.split_first_chunk::<4>() else {
        return if data.is_empty() { empty(counted) } else { Err(short(0, data, counted)) };
    };
    let announced = u32::from_le_bytes(*word);
    let promised = usize::try_from(announced).unwrap_or(usize::MAX);
    if promised == records.len() {
        if records.is_empty() {
            return empty(counted);
        }
        return Ok(Some((4..data.len(), layout_of(records)?)));
    }
    // The size word contradicts the bytes. The count decides, if records of the layout that the bytes show are
    // as many as it says: of all that came, or of what the word promises. Every one of them must make sense,
    // because part of a table of long records can be as long as the same number of short ones.
    let counted_as = counted.and_then(|count| usize::try_from(count).ok());
    for body in [Some(records), records.get(..promised)].into_iter().flatten() {
        if let Ok(layout) = layout_of(body)
            && counted_as.is_some_and(|count| count.checked_mul(stride(layout)) == Some(body.len()))
            && body.chunks_exact(stride(layout)).all(|record| sound(record, layout))
        {
            return Ok(Some((4..4 + body.len(), layout)));
        }
    }
    Err(short(announced, records, counted))
}

fn empty<L>(count: Option<u32>) -> Result<Option<(Range<usize>, L)>, TableError> {
    // "Empty" in spite of a count must not pass for success: a caller would believe that everything was read.
    count.map_or(Ok(None), |count| Err(TableError::Missing { count }))
}

fn short(announced: u32, records: &[u8], count: Option<u32>) -> TableError {
    TableError::Incomplete { announced, received: records.len(), count }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(records: u16) -> Vec<u8> {
        let mut body = Vec::new();
        for number in 1..=records {
            let punch = Punch {
                user_id: UserId::from_number(1000 + u32::from(number)),
                uid: None,
                time: ClockWord(852_883_200 + u32::from(number)),
                punch_state: 0,
                verify_mode: 1,
                work_code: 0,
            };
            punch.emit(PunchLayout::TEXT, number, &mut body);
        }
        body
    }

    fn parse(word: usize, body: &[u8], count: Option<u32>) -> Result<usize, TableError> {
        let data = [&(word as u32).to_le_bytes(), body].concat();
        PunchTable::parse(data, count, ClockWord::MAX).map(|table| table.iter().count())
    }

    #[test]
    fn two_of_three_witnesses_must_agree() {
        let body = log(10);
        for (name, word, count, expected) in [
            ("all three agree", 400, Some(10), Some(10)),
            ("no count", 400, None, Some(10)),
            ("a lying count", 400, Some(7), Some(10)),
            ("a count of zero", 400, Some(0), Some(10)),
            ("a lying word", 4000, Some(10), Some(10)),
            ("a small word, the count with the bytes", 40, Some(10), Some(10)),
            ("a small word, the count with the word", 200, Some(5), Some(5)),
            ("a small word, nobody with it", 200, None, None),
            ("a large word, nobody with it", 4000, None, None),
            ("a large word, the count with the word", 800, Some(20), Some(10)),
            ("three different stories", 4000, Some(7), None),
        ] {
            // 20 x 20 bytes is no usual length, so "20 records" supports nothing here.
            let expected = if name == "a large word, the count with the word" { None } else { expected };
            assert_eq!(parse(word, &body, count).ok(), expected, "{name}");
        }
    }

    #[test]
    fn an_empty_table_is_empty_only_if_nothing_is_counted() {
        assert_eq!(parse(0, &[], None), Ok(0));
        assert_eq!(parse(0, &[], Some(0)), Ok(0));
        assert_eq!(parse(0, &[], Some(3)), Err(TableError::Missing { count: 3 }));
        assert_eq!(
            PunchTable::parse(vec![], Some(3), ClockWord::MAX).map(|_| ()),
            Err(TableError::Missing { count: 3 })
        );
        assert!(PunchTable::parse(vec![1, 0], None, ClockWord::MAX).is_err(), "half a size word");
    }

    #[test]
    fn part_of_a_log_that_is_as_long_as_as_many_shorter_records_is_no_whole_log() {
        for (records, length) in [(10, 28), (10, 16), (11, 16), (20, 8)] {
            let body = log(records);
            let part = &body[..usize::from(records) * length];
            let read = parse(body.len(), part, Some(u32::from(records)));
            assert!(matches!(read, Err(TableError::Incomplete { .. })), "{records} x {length}: {read:?}");
        }
    }

    #[test]
    fn blank_slots_are_counted_and_passed_over() {
        let mut body = log(10);
        body[80..120].fill(0);
        let data = [&400u32.to_le_bytes(), &body[..]].concat();
        let table = PunchTable::parse(data, Some(10), ClockWord::MAX).unwrap();
        assert_eq!((table.slots(), table.iter().count()), (10, 9));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_an_error(
            data in proptest::collection::vec(any::<u8>(), 0..400), count in proptest::option::of(0u32..20),
        ) {
            if let Ok(table) = PunchTable::parse(data.clone(), count, ClockWord::MAX) {
                prop_assert!(table.iter().count() <= data.len());
            }
            if let Ok(table) = UserTable::parse(data.clone(), count) {
                prop_assert!(table.iter().count() <= data.len());
            }
        }

        #[test]
        fn a_truncated_log_is_never_taken_for_a_whole_one(records in 2u16..60, cut in 1usize..2000) {
            let body = log(records);
            let whole = body.len();
            let rest = &body[..whole.saturating_sub(cut)];
            prop_assert!(parse(whole, rest, Some(u32::from(records))).is_err());
            prop_assert!(parse(whole, rest, None).is_err());
        }
    }
}
