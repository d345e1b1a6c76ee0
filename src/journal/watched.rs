//! One device as the collector sees it: what is known, what is due, what is asked for. No thread, no socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::civil::zone_of;
use super::decode::{Decoder, People};
use super::dispatch::SLOW;
use super::reading::Effort;
use super::settings::{CollectorSettings, DeviceSettings, Effective};
use super::status::{CollectionStatus, LastRead, Live, Proved, ReadResult};
use crate::base::ids::DeviceId;
use crate::registry::Refusal;
use crate::store::device::{Device, SessionMode};
use crate::store::journal::Cursor;

/// Who waits for a read.
pub(super) type Waiter = Box<dyn FnOnce(Result<LastRead, Refusal>) + Send>;

/// One device.
pub(super) struct Watched {
    pub(super) device: Arc<Device>,
    pub(super) settings: DeviceSettings,
    pub(super) general: CollectorSettings,
    /// Who answered the last time.
    pub(super) answered: Option<String>,
    /// The cursor as it was last kept, with the serial number that it is about.
    pub(super) cursor: Option<(String, Cursor)>,
    pub(super) short_log: Option<bool>,
    pub(super) people: People,
    pub(super) people_at: Option<Instant>,
    /// Whether an event named somebody by index.
    pub(super) names_by_index: bool,
    pub(super) stage: Stage,
    /// When the next read is due.
    pub(super) due: Instant,
    /// What was asked for since the read under way began.
    pub(super) wanted: Option<Effort>,
    /// Who waits for the next read.
    pub(super) waiters: Vec<Waiter>,
    /// What is done in the read under way, and who waits for it.
    pub(super) trying: Effort,
    pub(super) served: Vec<Waiter>,
    /// Whether the last read was.
    pub(super) slow: bool,
    /// Sessions since the log was last proved.
    pub(super) sessions: u32,
    /// When the end of the log is compared next, whatever the count says.
    pub(super) compare_at: Instant,
    /// Whether something of this device waits in quarantine for its log.
    pub(super) unsettled: bool,
    pub(super) live: Live,
    pub(super) live_punches: u64,
    pub(super) proved: Option<Proved>,
    pub(super) drift: Option<i64>,
    pub(super) last: Option<LastRead>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing.
    Resting,
    /// The journal is asked for the cursor.
    Asking {
        /// Since then.
        since: Instant,
    },
    /// The device is being read, or waits for its turn.
    Reading {
        /// Since then.
        since: Instant,
    },
}

/// How soon a read that should be begun anew is.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon what was put off is tried again.
const PUT_OFF: Duration = Duration::from_secs(2);
/// How soon after a failure of the journal.
const JOURNAL_RETRY: Duration = Duration::from_secs(3);
/// How soon after the third session in a row in which the log was not read; doubled with each further one.
const REOPENED: Duration = Duration::from_millis(500);
/// How soon an event that asks for a read gets one: others may follow.
const SOON: Duration = Duration::from_millis(200);

impl Watched {
    pub(super) fn new(
        device: Arc<Device>,
        settings: DeviceSettings,
        general: CollectorSettings,
        now: Instant,
    ) -> Self {
        Self {
            device,
            settings,
            general,
            answered: None,
            cursor: None,
            short_log: None,
            people: Arc::new(HashMap::new()),
            people_at: None,
            names_by_index: false,
            stage: Stage::Resting,
            due: now,
            wanted: None,
            waiters: Vec::new(),
            trying: Effort::Count,
            served: Vec::new(),
            slow: false,
            sessions: 0,
            compare_at: now,
            unsettled: true,
            live: Live::Off,
            live_punches: 0,
            proved: None,
            drift: None,
            last: None,
        }
    }

    /// What holds for it.
    pub(super) fn effective(&self) -> Effective {
        self.settings.with(&self.general)
    }

    /// Whether its log is to be read at all.
    pub(super) fn is_on(&self) -> bool {
        self.device.enabled && self.device.endpoint.is_ok() && self.effective().enabled
    }

    /// Whether a read should begin.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.is_to_be_read() && self.due <= now
    }

    /// When a read should begin that should not yet.
    pub(super) fn due_after(&self, now: Instant) -> Option<Instant> {
        (self.is_to_be_read() && self.due > now).then_some(self.due)
    }

    fn is_to_be_read(&self) -> bool {
        self.stage == Stage::Resting && (self.is_on() || !self.waiters.is_empty())
    }

    /// The serial number under which its punches are kept: its own, or a name of ours for one that has none.
    pub(super) fn serial_number(&self) -> String {
        let known = self.answered.as_ref().or(self.device.facts.serial_number.as_ref());
        known.cloned().unwrap_or_else(|| stand_in(&self.device.id))
    }

    /// A read begins: for all who wait now, and for nobody who comes later.
    pub(super) fn begin(&mut self, now: Instant) {
        self.stage = Stage::Asking { since: now };
        self.served.append(&mut self.waiters);
    }

    /// Everybody who waits.
    pub(super) fn all_waiters(&mut self) -> Vec<Waiter> {
        self.served.drain(..).chain(self.waiters.drain(..)).collect()
    }

    /// How much is to be read now.
    pub(super) fn effort(&mut self, now: Instant) -> Effort {
        let due = if self.compare_at <= now || self.unsettled { Effort::Compare } else { Effort::Count };
        self.trying = self.wanted.take().map_or(due, |wanted| wanted.max(due));
        self.trying
    }

    /// What has to be known to understand it.
    pub(super) fn decoder(&self) -> Decoder {
        Decoder {
            zone: zone_of(self.device.timezone.as_deref()),
            short_log: self.short_log,
            people: Arc::clone(&self.people),
        }
    }

    /// Asks for a read soon.
    pub(super) fn want(&mut self, effort: Effort, now: Instant) {
        self.wanted = Some(self.wanted.map_or(effort, |wanted| wanted.max(effort)));
        self.due = self.due.min(now + SOON);
    }

    /// A session was made: what happened while there was none is in the log.
    pub(super) fn opened(&mut self, serial_number: Option<String>, now: Instant) {
        if self.answered.is_some() && serial_number.is_some() && self.answered != serial_number {
            self.forget();
        }
        self.answered = serial_number.or_else(|| Some(stand_in(&self.device.id)));
        self.live = Live::Off;
        let before = self.sessions;
        self.sessions = before.saturating_add(1);
        if matches!(self.stage, Stage::Reading { .. }) {
            // That read goes over this session. Where it only counts, a session that is kept has the end compared.
            if self.trying < Effort::Compare && self.device.mode == SessionMode::Persistent {
                self.wanted = self.wanted.max(Some(Effort::Compare));
            }
            return;
        }
        self.wanted = self.wanted.max(Some(Effort::Compare));
        // A device whose sessions end before its log is read is not hurried into the next one.
        let pause = match before {
            0 | 1 => Duration::ZERO,
            more => REOPENED.saturating_mul(1 << (more - 2).min(16)).min(self.effective().poll_interval),
        };
        self.due = if before < 2 { now } else { self.due.min(now + pause) };
    }

    /// Another device is there now: nothing that is known is about it.
    pub(super) fn forget(&mut self) {
        (self.cursor, self.short_log, self.people_at, self.proved) = (None, None, None, None);
        (self.names_by_index, self.unsettled) = (false, true);
        self.people = Arc::new(HashMap::new());
    }

    /// A read is over. `jitter` is a random number from 0 to 1.
    pub(super) fn rest(&mut self, read: LastRead, jitter: f64, now: Instant) {
        self.stage = Stage::Resting;
        let interval = self.effective().poll_interval.mul_f64(0.9 + jitter.clamp(0.0, 1.0) / 5.0);
        let more = read.result.is_proof()
            && read.device_count.1.is_some_and(|count| u64::from(count) > read.records);
        let pause = match read.result {
            // The count grew while the log was read.
            ReadResult::Complete if more && honest(&read) => SOON,
            ReadResult::NothingNew | ReadResult::Complete | ReadResult::DeviceFailed => interval,
            ReadResult::PutOff => PUT_OFF.min(interval),
            ReadResult::JournalFailed => JOURNAL_RETRY,
            ReadResult::Again => AGAIN.min(interval).mul_f64(jitter.max(0.05)),
        };
        let hurry = self.wanted.is_some() && read.result != ReadResult::PutOff;
        self.due = now + if hurry { SOON.min(pause) } else { pause };
        if read.result.is_proof() {
            self.sessions = 0;
        }
        self.slow = u128::from(read.took) >= SLOW.as_millis();
        if !read.result.is_proof() && read.result != ReadResult::PutOff {
            // What was kept of it is known to the journal only.
            self.cursor = None;
        }
        if read.result == ReadResult::Complete {
            self.compare_at = now + self.general.compare_interval.mul_f64(0.9 + jitter.clamp(0.0, 1.0) / 5.0);
            // What came during the read is settled by the next one, which was asked for when it came.
            self.unsettled = self.wanted.is_some();
        }
        self.last = Some(read);
    }

    pub(super) fn status(&self) -> CollectionStatus {
        CollectionStatus {
            settings: self.settings,
            effective: self.effective(),
            serial_number: self.answered.clone(),
            reading: self.stage != Stage::Resting,
            next_read: (self.is_on() && self.stage == Stage::Resting).then_some(self.due),
            last: self.last.clone(),
            live: self.live,
            live_punches: self.live_punches,
            proved: self.proved,
            drift: self.drift,
        }
    }
}

/// Whether the device's count was as large as its log before, so that its growth means something.
fn honest(read: &LastRead) -> bool {
    read.device_count.0.is_some_and(|count| u64::from(count) == read.records)
}

/// What a device without a serial number is called.
pub(super) fn stand_in(id: &DeviceId) -> String {
    format!("device:{id}")
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
