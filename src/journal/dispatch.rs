//! Beginning reads and taking in what came of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::collector::{Collector, Told};
use super::errand::{Errand, Fetched};
use super::reading::{Effort, End, Place, Reading, Report};
use super::status::{LastRead, Proved, ReadResult};
use super::watched::{Stage, Waiter};
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::threads::contained;
use crate::registry::{Refusal, Terms};
use crate::store::StoreError;
use crate::store::device::SessionMode;
use crate::store::journal::Cursor;
use crate::wire::record::punch::PunchLayout;

/// Reads of quick devices under way at a time; one that takes longer than [`SLOW`] does not count any more.
const READS: usize = 8;
/// The same of devices whose last read was slow.
const SLOW_READS: usize = 16;
/// All reads together take at most so many of the registry's workers, and at most half of them.
const ALL_READS: usize = 32;
/// What is slow.
pub(super) const SLOW: Duration = Duration::from_secs(20);
/// A large read does not count as one any more after this long.
const LARGE_PATIENCE: Duration = Duration::from_secs(60);
/// How long the journal may take to say where a log was left.
const ASKING: Duration = Duration::from_secs(10);
/// What is said of a device that does not say who it is.
const NAMELESS: &str = "the device does not tell its serial number, and the one that is known did; if it was replaced by \
     one that has none, register that as a new device";
/// How long people that were looked up are known.
const PEOPLE: Duration = Duration::from_secs(60);

/// The journal's answer to a question for a cursor, or that there was none.
struct Answer {
    collector: Arc<Collector>,
    id: DeviceId,
    serial_number: String,
    answer: Option<Result<Option<Cursor>, StoreError>>,
}

impl Answer {
    fn give(mut self, answer: Result<Option<Cursor>, StoreError>) {
        self.answer = Some(answer);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let (id, serial_number) = (self.id.clone(), self.serial_number.clone());
        self.collector.tell(Told::Known { id, serial_number, answer: self.answer.take() });
    }
}

impl Collector {
    /// Begins what is due, the longest due first, as far as there is room. Slow devices have places of their own, so
    /// that they take none from the others.
    pub(super) fn begin_reads(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut due: Vec<(Instant, DeviceId, bool)> = Vec::new();
        let (mut quick, mut slow) = (0, 0);
        for (id, device) in &*lock(&self.devices) {
            match device.stage {
                Stage::Resting if device.is_due(now) => due.push((device.due, id.clone(), device.slow)),
                Stage::Resting => {}
                Stage::Asking { since } | Stage::Reading { since } if device.slow || now >= since + SLOW => {
                    slow += 1;
                }
                Stage::Asking { .. } | Stage::Reading { .. } => quick += 1,
            }
        }
        due.sort_unstable();
        let all = ALL_READS.min(self.registry.settings().workers / 2).max(1);
        for (_, id, is_slow) in due {
            let (under_way, most) =
                if is_slow { (&mut slow, SLOW_READS.min(all / 2)) } else { (&mut quick, READS) };
            if *under_way < most.max(1) {
                *under_way += 1;
                if quick + slow > all {
                    break;
                }
                self.begin(&id, now);
            }
        }
    }

    fn begin(self: &Arc<Self>, id: &DeviceId, now: Instant) {
        let known = self.with(id, |device| {
            let serial_number = device.serial_number();
            let cursor = device.cursor.take().filter(|(of, _)| *of == serial_number);
            device.begin(now);
            (serial_number, cursor)
        });
        let Some((serial_number, cursor)) = known else { return };
        if !self.journal.takes_rows() {
            // What the device has stays with it, and nobody holds it up.
            return self.failed(id, ReadResult::JournalFailed, "the journal cannot be written now".into());
        }
        if let Some((_, cursor)) = cursor {
            return self.submit(id, serial_number, cursor);
        }
        let answer = Answer {
            collector: Arc::clone(self),
            id: id.clone(),
            serial_number: serial_number.clone(),
            answer: None,
        };
        let deadline = Deadline::after(now, ASKING);
        // Refused or too late, the answer is dropped, which tells.
        let _ = self.journal.read_then(
            deadline,
            move |backend| backend.cursor(&serial_number),
            move |result| answer.give(result),
        );
    }

    pub(super) fn known(
        self: &Arc<Self>,
        id: &DeviceId,
        serial_number: String,
        answer: Option<Result<Option<Cursor>, StoreError>>,
    ) {
        match answer {
            Some(Ok(cursor)) => self.submit(id, serial_number, cursor.unwrap_or_default()),
            Some(Err(error)) => self.failed(id, ReadResult::JournalFailed, error.to_string()),
            None => self.failed(id, ReadResult::JournalFailed, "the journal did not answer in time".into()),
        }
    }

    fn failed(&self, id: &DeviceId, result: ReadResult, detail: String) {
        let read = LastRead::failed(millis(self.clock.wall()), result, detail);
        self.over(id, read, None);
    }

    fn submit(self: &Arc<Self>, id: &DeviceId, serial_number: String, cursor: Cursor) {
        let now = self.clock.now();
        let gate = Arc::clone(self);
        let errand = self.with(id, |device| {
            device.stage = Stage::Reading { since: now };
            let effective = device.effective();
            let by_index = device.short_log == Some(true) || device.names_by_index;
            let asked = !device.served.is_empty();
            let errand = Errand {
                live: effective.live && effective.enabled && device.device.mode == SessionMode::Persistent,
                people: by_index && device.people_at.is_none_or(|then| now >= then + PEOPLE),
                correction: effective.correction,
                reading: Reading {
                    journal: Arc::clone(&self.journal),
                    clock: Arc::clone(&self.clock),
                    device_id: id.clone(),
                    serial_number: serial_number.clone(),
                    cursor,
                    decoder: device.decoder(),
                    people_are_fresh: false,
                    effort: device.effort(now),
                    serve: effective.calls_between_pieces,
                    may_be_large: Arc::new(move || gate.enter_large()),
                },
            };
            (errand, asked)
        });
        let Some((mut errand, asked)) = errand else { return };
        let deadline = Deadline::after(now, self.settings.read_timeout);
        let terms = if asked { Terms::read(deadline) } else { Terms::background(deadline) };
        let (collector, of) = (Arc::clone(self), id.clone());
        self.registry.submit_long(
            id,
            terms,
            move |session, deadline, between| errand.run(session, deadline, between),
            move |result| {
                let result = Box::new(result);
                collector.tell(Told::Fetched { id: of, serial_number, began: now, result });
            },
        );
    }

    pub(super) fn fetched(
        self: &Arc<Self>,
        id: &DeviceId,
        serial_number: &str,
        began: Instant,
        result: Result<Fetched, Refusal>,
    ) {
        let now = self.clock.now();
        let fetched = match result {
            Ok(fetched) => fetched,
            Err(refusal) => {
                let wall = self.clock.wall().checked_sub(now.saturating_duration_since(began));
                let at = millis(wall.unwrap_or(std::time::UNIX_EPOCH));
                let took = now.saturating_duration_since(began).as_millis() as u64;
                let read = LastRead::failed(at, ReadResult::DeviceFailed, refusal.to_string());
                return self.over(id, LastRead { took, ..read }, Some(refusal));
            }
        };
        let Fetched { report, live, people, corrected, correct_later } = fetched;
        self.say_drift(id, &report, corrected.as_deref(), correct_later);
        if let Some(gap) = &report.gap {
            log::warn!("device {id}: punches may be missing: {}", gap.reason.word());
        }
        let took = now.saturating_duration_since(began).as_millis() as u64;
        let read = report.last(took);
        if let End::Another(answered) = &report.end {
            self.say_stranger(id, answered);
        }
        let settles = read.result.is_proof() && report.slots > 0;
        let settles = self.with(id, |device| {
            let settles = settles && device.unsettled.is_some_and(|since| since < report.began_at);
            device.live = live;
            if report.new_pass {
                // It is begun, and need only go on.
                device.doing = device.doing.min(Effort::Compare);
            }
            if let Some(people) = people {
                (device.people, device.people_at) = (people, Some(now));
            }
            if report.layout.is_some() {
                device.short_log = Some(report.layout == Some(PunchLayout::Short));
            }
            device.drift = report.drift.or(device.drift);
            if let End::Another(answered) = &report.end {
                device.forget();
                device.answered = Some(answered.clone());
                device.wanted = Some(Effort::Compare);
            }
            if read.result.is_proof() {
                // That nothing was new is noted now and then only; what it proves is known at once.
                let (verified_at, proved) = (Some(report.began_at), report.device_time);
                let verified_time = proved.filter(|time| time.time().is_ok());
                let cursor = Cursor { verified_at, verified_time, ..report.cursor.clone() };
                device.cursor = Some((serial_number.to_owned(), cursor));
                device.proved = Some(Proved {
                    until: report.device_time.filter(|time| time.time().is_ok()),
                    at: report.began_at,
                    records: report.slots,
                    device_count: report.sizes.punches,
                    pass: report.cursor.pass,
                });
            }
            settles
        });
        if settles == Some(true) {
            self.settle(id, serial_number, report.began_at);
        }
        self.over(id, read, None);
    }

    /// Lets a device rest, and tells those who waited for its read.
    fn over(&self, id: &DeviceId, read: LastRead, refusal: Option<Refusal>) {
        let now = self.clock.now();
        let waiters: Vec<Waiter> = self
            .with(id, |device| {
                device.rest(read.clone(), fastrand::f64(), now);
                device.dismiss(read.result)
            })
            .unwrap_or_default();
        for waiter in waiters {
            let answer = refusal.clone().map_or_else(|| Ok(read.clone()), Err);
            contained("who waits for a read", || waiter(answer));
        }
    }

    /// Takes a place among the large reads, if there is one.
    fn enter_large(self: &Arc<Self>) -> Option<Place> {
        let now = self.clock.now();
        let mut large = lock(&self.large);
        large.retain(|(_, began)| now < *began + LARGE_PATIENCE);
        if large.len() >= self.settings.large_reads {
            return None;
        }
        let number = large.last().map_or(0, |(number, _)| number + 1);
        large.push((number, now));
        let collector = Arc::clone(self);
        Some(Place::new(move || lock(&collector.large).retain(|(of, began)| (*of, *began) != (number, now))))
    }

    /// Says when another device answers than the one in the record, once, and when that is over.
    pub(super) fn say_stranger(&self, id: &DeviceId, answered: &str) {
        let now = self.clock.now();
        let known = self.store.devices().get(id).and_then(|device| device.facts.serial_number.clone());
        match known.filter(|known| known != answered) {
            Some(known) => {
                let level = self.strangers.failed(id.clone(), now);
                log::log!(
                    level,
                    "device {id}: {answered} answers where {known} was expected; their punches are kept apart"
                );
            }
            None if self.strangers.recovered(id, now).is_some() => {
                log::info!("device {id}: {answered} answers again");
            }
            None => {}
        }
    }

    /// What waited in quarantine for the log is settled: it was read to its end since.
    fn settle(self: &Arc<Self>, id: &DeviceId, serial_number: &str, before: i64) {
        let (serial_number, now) = (serial_number.to_owned(), millis(self.clock.wall()));
        let (collector, id) = (Arc::clone(self), id.clone());
        let deadline = Deadline::after(self.clock.now(), ASKING);
        let asked = self.journal.write_then(
            deadline,
            move |backend| backend.settle_live(&serial_number, before, now),
            move |result| match result {
                Ok(_) => drop(collector.with(&id, |device| device.settled(before))),
                Err(error) => log::debug!("the quarantine was not settled: {error}"),
            },
        );
        if let Err(error) = asked {
            log::debug!("the quarantine was not settled: {error}");
        }
    }

    fn say_drift(&self, id: &DeviceId, report: &Report, corrected: Option<&str>, later: bool) {
        let now = self.clock.now();
        if let Some(time) = corrected {
            log::info!("device {id}: its clock was set to {time}");
        }
        let Some(drift) = report.drift else { return };
        let limit = i64::try_from(self.settings.drift_warning.as_secs()).unwrap_or(i64::MAX);
        if drift.abs() > limit && corrected.is_none() {
            let level = self.drifting.failed(id.clone(), now);
            let when = if later { "; it is set back in the quiet hours" } else { "" };
            let side = if drift < 0 { "behind" } else { "ahead of" };
            let zone = "; is its time zone right in its record?";
            let zone = if drift.abs() >= 1800 { zone } else { "" };
            log::log!(level, "device {id}: its clock is {} s {side} this host's{zone}{when}", drift.abs());
        } else if self.drifting.recovered(id, now).is_some() {
            log::info!("device {id}: its clock is right again");
        }
    }
}

impl LastRead {
    pub(super) fn failed(at: i64, result: ReadResult, detail: String) -> Self {
        Self {
            at,
            took: 0,
            result,
            detail: Some(detail),
            added: 0,
            completed: 0,
            records: 0,
            blank: 0,
            quarantined: 0,
            fetched: 0,
            device_count: (None, None),
        }
    }
}

impl Report {
    fn last(&self, took: u64) -> LastRead {
        let (result, detail) = match &self.end {
            End::NothingNew => (ReadResult::NothingNew, None),
            End::Complete => (ReadResult::Complete, None),
            End::PutOff => (ReadResult::PutOff, None),
            End::Another(_) => (ReadResult::Again, Some("another device answered".to_owned())),
            End::Nameless => (ReadResult::DeviceFailed, Some(NAMELESS.to_owned())),
            End::Outdated => (ReadResult::Again, Some("another gateway reads this device too".to_owned())),
            End::Unkept(error) => (ReadResult::JournalFailed, Some(error.to_string())),
        };
        LastRead {
            at: self.began_at,
            took,
            result,
            detail,
            added: self.added,
            completed: self.completed,
            records: self.slots,
            blank: self.blank,
            quarantined: self.strange,
            fetched: self.fetched,
            device_count: (self.sizes.punches, self.count_after),
        }
    }
}
