//! How far a terminal's log is in the journal, and what is known to be missing.
//!
//! A log is read in *passes*. A pass begins with the log's first record and goes on, read after read, as long as
//! the log only grows; when it was cleared, has wrapped or is another one, a new pass begins. Each row remembers
//! the last pass that met it, so equal records are told apart across reads and crashes, and a row that the newest
//! complete pass did not meet is not in the device's log any more.

use crate::base::ids::DeviceId;
use crate::wire::clock_word::ClockWord;

/// How far the log of one terminal is in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Counts changes of this cursor; a batch that was made for another revision is refused.
    pub revision: u64,
    /// The pass, 1 and up; 0 when nothing was read yet.
    pub pass: u64,
    /// Bytes from one record to the next; 0 when that is not known.
    pub stride: u16,
    /// The records of the log, from its first, that are in the journal (blank ones counted).
    pub records: u64,
    /// How many of the last of them `digest` is about.
    pub overlap: u32,
    /// SHA-256 of their bytes.
    pub digest: Vec<u8>,
    /// The row of the last of them; 0 for none.
    pub last_seq: u64,
    /// The row that has to be met if nothing was lost, the last one known of an earlier pass; 0 for none, or when this
    /// pass has met it.
    pub sought_seq: u64,
    /// The largest `sought_seq` was the end of a log of so many records.
    pub sought_records: u64,
    /// Whether the pass has been to the end of the log.
    pub complete: bool,
    /// When it last was, in milliseconds since 1970 (UTC).
    pub verified_at: Option<i64>,
    /// What the device's clock showed when that read began: all that was recorded before is in the journal.
    pub verified_time: Option<ClockWord>,
    /// When the bytes of the log were last compared, not only its count, in milliseconds since 1970.
    pub compared_at: Option<i64>,
    /// How many records the device counted then.
    pub device_count: Option<u32>,
    /// How far the device's clock was ahead of ours then, in seconds.
    pub drift: Option<i64>,
    /// Until when the read before had proved the log, kept while a new pass has not been to the end.
    pub proved_before: Option<ClockWord>,
}

impl Cursor {
    /// Whether a device that counts so many records has none that the journal lacks. A count is believed where it
    /// was true when the whole log was read.
    #[must_use]
    pub fn says_nothing_new(&self, count: Option<u32>) -> bool {
        self.complete && self.count_was_true() && count == self.device_count
    }

    /// Whether the device counted the records that there were, so that its count can be believed.
    #[must_use]
    pub fn count_was_true(&self) -> bool {
        self.device_count.is_some_and(|then| then > 0 && u64::from(then) == self.records)
    }

    /// The cursor at the beginning of the next pass, through records of this length.
    #[must_use]
    pub fn next_pass(&self, stride: u16) -> Self {
        let (sought_seq, sought_records, proved_before) = match self.sought_seq {
            // As far as this pass came, nothing was lost: the log has to go on from there.
            0 => (self.last_seq, self.records, self.verified_time),
            // It was broken off before it met what it was looking for, which is looked for still.
            sought_seq => (sought_seq, self.sought_records, self.proved_before),
        };
        Self {
            pass: self.pass + 1,
            stride,
            records: 0,
            overlap: 0,
            digest: Vec::new(),
            last_seq: 0,
            sought_seq,
            sought_records,
            proved_before,
            complete: false,
            ..self.clone()
        }
    }
}

/// Something that the journal cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its number.
    pub id: u64,
    /// The device under which it was noticed.
    pub device_id: DeviceId,
    /// The device itself.
    pub serial_number: String,
    /// Up to here the journal had everything, by the device's clock; `None` when that was never so.
    pub from: Option<ClockWord>,
    /// From here on it has again.
    pub to: ClockWord,
    /// Why.
    pub reason: GapReason,
    /// When it was noticed, in milliseconds since 1970 (UTC).
    pub noticed_at: i64,
}

/// Why punches may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The log was emptied by somebody else, with whatever had come since the last read.
    Cleared,
    /// The log was full and its oldest records gave way to newer ones before they were read.
    Wrapped,
    /// The log is another one than before.
    Replaced,
}

impl GapReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cleared, Self::Wrapped, Self::Replaced];

    /// The word in the API and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cleared => "log_cleared_elsewhere",
            Self::Wrapped => "log_wrapped",
            Self::Replaced => "log_replaced",
        }
    }

    /// The reason with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_pass_looks_for_the_last_row_that_is_known_of_the_log() {
        let known = Cursor {
            pass: 3,
            records: 90,
            last_seq: 17,
            complete: true,
            verified_time: Some(ClockWord(5)),
            ..Cursor::default()
        };
        let sought = |cursor: &Cursor| {
            let next = cursor.next_pass(40);
            assert_eq!((next.pass, next.records, next.last_seq, next.complete), (4, 0, 0, false));
            (next.sought_seq, next.sought_records, next.proved_before)
        };
        assert_eq!(sought(&known), (17, 90, Some(ClockWord(5))), "the log was read to its end");
        let broken = Cursor { complete: false, ..known.clone() };
        assert_eq!(sought(&broken), (17, 90, Some(ClockWord(5))), "it grew, and that read was broken off");
        let seeking =
            Cursor { sought_seq: 9, sought_records: 50, proved_before: Some(ClockWord(4)), ..broken };
        assert_eq!(sought(&seeking), (9, 50, Some(ClockWord(4))), "it has not met the end before it yet");
        assert_eq!(Cursor::default().next_pass(40).sought_seq, 0, "nothing is known");
    }
}
