//! Clearing a device's log: only what is proved to be in the journal, only after a dry run, never twice.
//!
//! The device is disabled from the read to the clearing, live events are on, and its count (or, where that means
//! nothing, the size of its log) is looked at once more immediately before. Some firmware ignores the disabling: a punch in the moment between that look and the
//! clearing is lost from the log, and only its live event brings it to the journal. The answer names that moment.

use std::sync::Arc;
use std::time::Duration;

use super::collector::Collector;
use super::decode::Decoder;
use super::errand::listen;
use super::reading::{Effort, End, Place, Reading, Report};
use super::status::Live;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::power::Left;
use crate::device::{DeviceError, OpenLog, Session};
use crate::registry::{Between, Refusal, Terms};
use crate::store::StoreError;
use crate::store::journal::placing::LogOutcome;
use crate::store::journal::{Cursor, LogBatch};
use crate::wire::clock_word::ClockWord;

/// What a dry run found, and what a clearing needs to be confirmed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Whose log it is.
    pub serial_number: String,
    /// Records in it.
    pub records: u64,
    /// How many of them are rows of the journal.
    pub in_journal: u64,
    /// How many are blank.
    pub blank: u64,
    /// How many are in quarantine, with their bytes.
    pub quarantined: u64,
    /// What the device counts.
    pub device_count: Option<u32>,
}

/// What came of a clearing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleared {
    /// The log is empty.
    Done {
        /// What was in it.
        inspection: Inspection,
        /// When it was looked at last before the clearing, and first after it, by the device's clock: a punch in
        /// between is only in the journal if the device told it live.
        window: (Option<ClockWord>, Option<ClockWord>),
        /// What the device counts now.
        count_after: Option<u32>,
    },
    /// Nothing was cleared.
    Refused(Unsafe),
}

/// Why a log is not cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// The log could not be read to its end.
    NotRead(String),
    /// Not all of it is in the journal.
    Missing(Inspection),
    /// Something was recorded while it was being read.
    PunchMeanwhile,
    /// The device does not tell punches live, so one in the last moment would be lost.
    NoLiveEvents,
    /// The journal could not be asked, or could not note what was to be done.
    Journal(String),
}

/// How long the journal may take while a device is disabled.
const PATIENCE: Duration = Duration::from_secs(10);

impl Collector {
    /// Reads a device's whole log and says whether it could be cleared. The value in the answer confirms a clearing
    /// within [`CONFIRMABLE`](crate::base::confirmations::CONFIRMABLE).
    pub fn inspect(
        self: &Arc<Self>,
        id: &DeviceId,
        deadline: Deadline,
        answer: impl FnOnce(Result<Result<(Inspection, String), Unsafe>, Refusal>) + Send + 'static,
    ) {
        let (collector, of) = (Arc::clone(self), id.clone());
        let work = self.clearing(id);
        self.registry.submit_long(
            id,
            Terms::read(deadline),
            move |session, deadline, between| {
                work.inspect(session, deadline, between).map(|found| found.map(|(inspection, _)| inspection))
            },
            move |result| {
                let result = result.map(|found| {
                    found.and_then(|inspection| match inspection.is_whole() {
                        true => collector.shown(&of, inspection),
                        false => Err(Unsafe::Missing(inspection)),
                    })
                });
                collector.look_again(&of);
                answer(result);
            },
        );
    }

    /// Clears a device's log if that is safe. `confirmed` tells whether the value came from a dry run of this
    /// device; if not, nothing is done and `answer` is not called.
    pub fn clear(
        self: &Arc<Self>,
        id: &DeviceId,
        value: &str,
        deadline: Deadline,
        answer: impl FnOnce(Result<Cleared, Refusal>) + Send + 'static,
    ) -> bool {
        let Some(serial_number) = self.confirmations.take(id, value, self.clock.now()) else { return false };
        let (collector, of) = (Arc::clone(self), id.clone());
        let work = Clearing { serial_number: Some(serial_number), ..self.clearing(id) };
        self.registry.submit_long(
            id,
            Terms::effect(deadline),
            move |session, deadline, between| work.run(session, deadline, between),
            move |result| {
                match &result {
                    Ok(Cleared::Done { inspection, .. }) => log::warn!(
                        "device {of}: its log of {} records was cleared on request",
                        inspection.records
                    ),
                    Ok(Cleared::Refused(why)) => log::warn!("device {of}: its log was not cleared: {why:?}"),
                    Err(refusal) => log::warn!("device {of}: its log was not cleared: {refusal}"),
                }
                collector.look_again(&of);
                answer(result);
            },
        );
        true
    }

    fn clearing(&self, id: &DeviceId) -> Clearing {
        let known = self.with(id, |device| (device.serial_number(), device.decoder()));
        let (serial_number, decoder) = match known {
            Some((serial_number, decoder)) => (Some(serial_number), Some(decoder)),
            None => (None, None),
        };
        Clearing {
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.clock),
            id: id.clone(),
            serial_number,
            decoder,
        }
    }

    /// The collector's own picture is renewed, and a device that was left disabled is enabled by that.
    fn look_again(&self, id: &DeviceId) {
        let now = self.clock.now();
        self.with(id, |device| {
            device.cursor = None;
            device.want(Effort::Compare, now);
            device.waiters.push(Box::new(|_| {}));
        });
    }

    /// A dry run with the value that confirms it.
    fn shown(&self, id: &DeviceId, inspection: Inspection) -> Result<(Inspection, String), Unsafe> {
        let serial_number = inspection.serial_number.clone();
        let value = self.confirmations.show(id.clone(), serial_number, self.clock.now());
        value.map(|value| (inspection, value)).map_err(|error| Unsafe::Journal(error.to_string()))
    }
}

impl Inspection {
    /// Whether everything in the log is kept: as a row, or with its bytes.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.in_journal + self.blank + self.quarantined == self.records
    }
}

/// The work on a device's session.
struct Clearing {
    journal: Arc<crate::store::journal::Journal>,
    clock: Arc<dyn crate::base::clock::Clock>,
    id: DeviceId,
    serial_number: Option<String>,
    decoder: Option<Decoder>,
}

impl Clearing {
    /// Reads everything and counts what of it the journal has.
    fn inspect(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Result<(Inspection, Report), Unsafe>, DeviceError> {
        let unknown = || Unsafe::NotRead("the device is not known yet".into());
        let (Some(serial_number), Some(decoder)) = (self.serial_number.clone(), self.decoder.clone()) else {
            return Ok(Err(unknown()));
        };
        let wait = Deadline::after(self.clock.now(), PATIENCE);
        let cursor = match self.journal.cursor(&serial_number, wait) {
            Ok(cursor) => cursor.unwrap_or_default(),
            Err(error) => return Ok(Err(Unsafe::Journal(error.to_string()))),
        };
        let mut reading = Reading {
            journal: Arc::clone(&self.journal),
            clock: Arc::clone(&self.clock),
            device_id: self.id.clone(),
            serial_number: serial_number.clone(),
            cursor,
            decoder,
            people_are_fresh: false,
            effort: Effort::Everything,
            serve: true,
            may_be_large: Arc::new(|| Some(Place::free())),
        };
        let report = reading.run(session, deadline, between)?;
        let failed = match &report.end {
            End::Complete => None,
            End::Unkept(error) => Some(Unsafe::Journal(error.to_string())),
            End::Nameless => Some(Unsafe::NotRead("the device does not tell its serial number".into())),
            End::Another(_) => Some(Unsafe::NotRead("another device answered".into())),
            End::Outdated => Some(Unsafe::NotRead("another gateway reads this device too".into())),
            End::PutOff | End::NothingNew => Some(Unsafe::NotRead("the read was broken off".into())),
        };
        if let Some(failed) = failed {
            return Ok(Err(failed));
        }
        let wait = Deadline::after(self.clock.now(), PATIENCE);
        let (of, pass) = (serial_number.clone(), report.cursor.pass);
        let in_journal = match self.journal.read(wait, move |backend| backend.met_by(&of, pass)) {
            Ok(count) => count,
            Err(error) => return Ok(Err(Unsafe::Journal(error.to_string()))),
        };
        let inspection = Inspection {
            serial_number,
            records: report.slots,
            in_journal,
            blank: report.blank,
            quarantined: report.strange,
            device_count: report.count_after,
        };
        if inspection.is_whole() {
            self.settle(report.began_at);
        }
        Ok(Ok((inspection, report)))
    }

    fn run(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Cleared, DeviceError> {
        if listen(session, deadline)? != Live::On {
            return Ok(Cleared::Refused(Unsafe::NoLiveEvents));
        }
        let mut done = None;
        let (result, left) = session.while_disabled(deadline, |session| {
            let cleared = self.while_nobody_can_punch(session, deadline, between)?;
            done = Some(cleared.clone());
            Ok(cleared)
        });
        if left == Left::Disabled {
            log::warn!("device {}: it may be left disabled; the next session enables it", self.id);
        }
        // What was done is done, even if the device cannot be enabled afterwards.
        done.map_or(result, Ok)
    }

    fn while_nobody_can_punch(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Cleared, DeviceError> {
        between.hand_on_events(session);
        let punches = between.punches();
        let (inspection, report) = match self.inspect(session, deadline, between)? {
            Ok(found) => found,
            Err(why) => return Ok(Cleared::Refused(why)),
        };
        if !inspection.is_whole() {
            return Ok(Cleared::Refused(Unsafe::Missing(inspection)));
        }
        // Noted first: a log that is found empty afterwards is then no loss, whatever happens in between, and one
        // that is found as it was is met again row by row.
        if let Err(error) = self.forget_the_end(&report.cursor) {
            return Ok(Cleared::Refused(Unsafe::Journal(error.to_string())));
        }
        let before = session.time(deadline)?;
        let count = session.free_sizes(deadline)?.punches;
        let grown = match count.filter(|count| *count > 0) {
            Some(count) => u64::from(count) != inspection.records,
            None => length(session, deadline)? != inspection.records * stride(&report),
        };
        between.hand_on_events(session);
        if grown || count != report.sizes.punches || between.punches() != punches {
            return Ok(Cleared::Refused(Unsafe::PunchMeanwhile));
        }
        session.clear_punches(deadline)?;
        let after = session.time(deadline).ok();
        let count_after = session.free_sizes(deadline).ok().and_then(|sizes| sizes.punches);
        Ok(Cleared::Done { inspection, window: (Some(before), after), count_after })
    }

    /// What the device told live before this moment is in the log or nowhere; once that is cleared, no read tells.
    fn settle(&self, before: i64) {
        let (serial_number, now) =
            (self.serial_number.clone().unwrap_or_default(), millis(self.clock.wall()));
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let asked = self.journal.write_then(
            deadline,
            move |backend| backend.settle_live(&serial_number, before, now),
            |result| {
                if let Err(error) = result {
                    log::debug!("the quarantine was not settled: {error}");
                }
            },
        );
        if let Err(error) = asked {
            log::debug!("the quarantine was not settled: {error}");
        }
    }

    /// Has the journal expect a log that begins anew.
    fn forget_the_end(&self, kept: &Cursor) -> Result<(), StoreError> {
        let cursor = Cursor {
            records: 0,
            overlap: 0,
            digest: Vec::new(),
            last_seq: 0,
            sought_seq: 0,
            sought_records: 0,
            proved_before: None,
            device_count: None,
            ..kept.clone()
        };
        let batch = LogBatch {
            device_id: self.id.clone(),
            serial_number: self.serial_number.clone().unwrap_or_default(),
            continues: kept.revision,
            cursor,
            records: Vec::new(),
            strange: Vec::new(),
            gap: None,
            received_at: millis(self.clock.wall()),
        };
        let (tell, told) = crossbeam_channel::bounded(1);
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        self.journal.place_log(batch, deadline, move |result| drop(tell.send(result)))?;
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(LogOutcome::Placed(_))) => Ok(()),
            Ok(Ok(LogOutcome::Outdated)) => {
                Err(StoreError::Unusable { cause: "another gateway reads this device too".into() })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::TimedOut { outcome_unknown: true }),
        }
    }
}

fn stride(report: &Report) -> u64 {
    report.layout.map_or(0, |layout| layout.stride() as u64)
}

/// How many bytes of records the log has now.
fn length(session: &mut Session, deadline: Deadline) -> Result<u64, DeviceError> {
    let size = match session.open_log(None, deadline)? {
        OpenLog::Empty => 0,
        OpenLog::Whole(data) => data.len() as u64,
        OpenLog::Prepared(buffer) => {
            let size = u64::from(buffer.size());
            buffer.release(session, deadline)?;
            size
        }
    };
    // Its size word is no record.
    Ok(size.saturating_sub(4))
}
