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
    /// What the read under way is to do.
    pub(super) doing: Effort,
    /// Who waits for a read that has not begun.
    pub(super) waiters: Vec<Waiter>,
    /// Who waits for the read under way.
    pub(super) served: Vec<Waiter>,
    /// Whether the last read was.
    pub(super) slow: bool,
    /// Sessions since the log was last proved.
    pub(super) sessions: u32,
    /// Whether a session was made since the read under way began.
    pub(super) reopened: bool,
    /// When the end of the log is compared next, whatever the count says.
    pub(super) compare_at: Instant,
    /// Something of this device may wait in quarantine for its log: since when at the latest, in milliseconds since
    /// 1970 (UTC).
    pub(super) unsettled: Option<i64>,
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

/// What waits from before the start waits since then.
const LONG_AGO: i64 = 0;
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
            doing: Effort::Count,
            waiters: Vec::new(),
            served: Vec::new(),
            slow: false,
            sessions: 0,
            reopened: false,
            compare_at: now,
            unsettled: Some(LONG_AGO),
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
        let due =
            if self.compare_at <= now || self.unsettled.is_some() { Effort::Compare } else { Effort::Count };
        self.doing = self.wanted.take().map_or(due, |wanted| wanted.max(due));
        // Whoever has come since it was decided to read is served by it too: what they asked for was just taken.
        self.served.append(&mut self.waiters);
        self.doing
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
        // A device that did not say this time who it is, is who it was: a serial number is not lost, an answer is.
        self.answered = serial_number.or_else(|| Some(self.serial_number()));
        self.live = Live::Off;
        let pause = self.pause_before_next();
        self.sessions = self.sessions.saturating_add(1);
        if matches!(self.stage, Stage::Reading { .. }) {
            // That read goes over this session. Where it only counts, a session that is kept has the end compared.
            self.reopened = true;
            if self.doing < Effort::Compare && self.device.mode == SessionMode::Persistent {
                self.wanted = self.wanted.max(Some(Effort::Compare));
            }
            return;
        }
        self.wanted = self.wanted.max(Some(Effort::Compare));
        self.due = if pause.is_zero() { now } else { self.due.min(now + pause) };
    }

    /// A device whose sessions end before its log is read is not hurried into the next read.
    fn pause_before_next(&self) -> Duration {
        match self.sessions {
            0 | 1 => Duration::ZERO,
            more => REOPENED.saturating_mul(1 << (more - 2).min(16)).min(self.effective().poll_interval),
        }
    }

    /// Another device is there now: nothing that is known is about it.
    pub(super) fn forget(&mut self) {
        (self.cursor, self.short_log, self.people_at, self.proved) = (None, None, None, None);
        (self.names_by_index, self.unsettled) = (false, Some(LONG_AGO));
        self.people = Arc::new(HashMap::new());
    }

    /// What waits in quarantine from before this moment is settled.
    pub(super) fn settled(&mut self, before: i64) {
        self.unsettled = self.unsettled.filter(|since| *since >= before);
    }

    /// Who is to be told of the read that is over. What was put off or is begun anew is not over for them.
    pub(super) fn dismiss(&mut self, result: ReadResult) -> Vec<Waiter> {
        let mut served = std::mem::take(&mut self.served);
        if matches!(result, ReadResult::PutOff | ReadResult::Again) {
            self.waiters.append(&mut served);
        }
        served
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
        let asked = self.wanted.is_some() || !self.waiters.is_empty();
        let hurry = asked && read.result != ReadResult::PutOff;
        self.due = now + if hurry { SOON.min(pause) } else { pause };
        if std::mem::take(&mut self.reopened) && read.result == ReadResult::DeviceFailed {
            // The session that it failed on is not the one that there is now.
            self.due = self.due.min(now + self.pause_before_next().max(SOON));
        }
        if read.result.is_proof() {
            self.sessions = 0;
        }
        self.slow = u128::from(read.took) >= SLOW.as_millis();
        let undone = match read.result {
            ReadResult::NothingNew | ReadResult::Complete => None,
            ReadResult::PutOff | ReadResult::Again => Some(self.doing),
            // What had come is kept, so that comparing goes on with it; everything would begin anew.
            ReadResult::DeviceFailed | ReadResult::JournalFailed => Some(self.doing.min(Effort::Compare)),
        };
        let undone = undone.filter(|undone| *undone > Effort::Count);
        if !read.result.is_proof() && read.result != ReadResult::PutOff {
            // What was kept of it is known to the journal only.
            self.cursor = None;
        }
        if read.result == ReadResult::Complete {
            self.compare_at = now + self.general.compare_interval.mul_f64(0.9 + jitter.clamp(0.0, 1.0) / 5.0);
        }
        self.wanted = self.wanted.max(undone);
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
