//! What collecting shows of itself, device by device.

use std::time::Instant;

use super::settings::{DeviceSettings, Effective};
use crate::wire::clock_word::ClockWord;

/// How it is with one device.
#[derive(Clone, Debug)]
pub struct CollectionStatus {
    /// What was set for it.
    pub settings: DeviceSettings,
    /// What holds.
    pub effective: Effective,
    /// Whose log it is, once somebody has answered.
    pub serial_number: Option<String>,
    /// Whether a read is under way.
    pub reading: bool,
    /// When the next one is due; `None` where collecting is off.
    pub next_read: Option<Instant>,
    /// The last one.
    pub last: Option<LastRead>,
    /// Whether the device tells punches at once.
    pub live: Live,
    /// Live punches since the service started.
    pub live_punches: u64,
    /// What was proved last: everything that the device recorded before this is in the journal.
    pub proved: Option<Proved>,
    /// How far the device's clock was ahead of ours at the last read, in seconds.
    pub drift: Option<i64>,
}

/// What a read has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proved {
    /// All that was recorded before this, by the device's clock; `None` where its clock shows no time.
    pub until: Option<ClockWord>,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// Records in the log, blank ones counted.
    pub records: u64,
    /// How many the device counts itself.
    pub device_count: Option<u32>,
    /// The pass in which they were met.
    pub pass: u64,
}

/// One read that is over.
#[derive(Clone, Debug)]
pub struct LastRead {
    /// When it began, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// How it ended.
    pub result: ReadResult,
    /// What went wrong, in words.
    pub detail: Option<String>,
    /// New rows in the journal.
    pub added: u64,
    /// Rows of live events that were completed.
    pub completed: u64,
    /// Records in the log.
    pub records: u64,
    /// Blank ones among those that were looked at.
    pub blank: u64,
    /// Ones that were put in quarantine.
    pub quarantined: u64,
    /// Bytes of the log that were fetched.
    pub fetched: u64,
    /// What the device counted before and after.
    pub device_count: (Option<u32>, Option<u32>),
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// The device counts no more than before.
    NothingNew,
    /// The journal has the whole log.
    Complete,
    /// It was put off: enough large reads are under way.
    PutOff,
    /// The device could not be asked, or failed.
    DeviceFailed,
    /// The journal could not take it.
    JournalFailed,
    /// Another device answered, or another gateway was at it; it is begun again.
    Again,
}

impl ReadResult {
    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NothingNew => "nothing_new",
            Self::Complete => "complete",
            Self::PutOff => "put_off",
            Self::DeviceFailed => "device_failed",
            Self::JournalFailed => "journal_failed",
            Self::Again => "begun_again",
        }
    }

    /// Whether the journal has everything after it.
    #[must_use]
    pub const fn is_proof(self) -> bool {
        matches!(self, Self::NothingNew | Self::Complete)
    }
}

/// Whether a device tells punches at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Live {
    /// It was not asked to: it is not to be, or its session is not kept.
    #[default]
    Off,
    /// It said that it would.
    On,
    /// It refused.
    Refused,
}

impl Live {
    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Refused => "refused",
        }
    }
}
