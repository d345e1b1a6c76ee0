//! One read of a device's log into the journal: only what is new, if what is known can be recognised; all of it,
//! in a new pass, if not.
//!
//! The device says what it has (count, size), and what came is weighed against that before the read counts as
//! complete. Batches are kept while the read goes on, so one that breaks off is continued and not repeated.

use std::sync::Arc;

use super::body::{Body, Foreknown};
use super::civil::{civil_now, drift, possible};
use super::decode::{Decoder, People};
use super::keeping::{Keeping, Stop};
use super::run::Run;
use super::watched::stand_in;
use crate::base::clock::Clock;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::{DeviceError, Session};
use crate::registry::Between;
use crate::store::StoreError;
use crate::store::journal::placing::NewGap;
use crate::store::journal::{Cursor, Journal};
use crate::wire::clock_word::ClockWord;
use crate::wire::record::punch::PunchLayout;
use crate::wire::sizes::FreeSizes;

/// What is to be read, and what is known.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) journal: Arc<Journal>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) device_id: DeviceId,
    /// Whose log `cursor` is about.
    pub(super) serial_number: String,
    pub(super) cursor: Cursor,
    pub(super) decoder: Decoder,
    /// Whether the decoder's people were looked up just now.
    pub(super) people_are_fresh: bool,
    pub(super) effort: Effort,
    /// Whether others are served between the pieces.
    pub(super) serve: bool,
    /// Asked for a place before much is read; `None` puts the read off.
    pub(super) may_be_large: Arc<dyn Fn() -> Option<Place> + Send + Sync>,
}

/// A place among those who read much, until it is dropped.
pub(super) struct Place {
    leave: Option<Box<dyn FnOnce() + Send>>,
}

/// How much is read, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// Nothing, if the device's count says that there is nothing new.
    Count,
    /// At least the end of what is known is compared.
    Compare,
    /// Everything, in a new pass.
    Everything,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) end: End,
    /// What the device's clock showed at the beginning, if it told.
    pub(super) device_time: Option<ClockWord>,
    /// How far that was ahead of ours, in seconds.
    pub(super) drift: Option<i64>,
    /// When the read began, in milliseconds since 1970 (UTC).
    pub(super) began_at: i64,
    /// What the device counted before and after.
    pub(super) sizes: FreeSizes,
    pub(super) count_after: Option<u32>,
    /// Records that the log has, blank and strange ones among those that were looked at.
    pub(super) slots: u64,
    pub(super) blank: u64,
    pub(super) strange: u64,
    /// New rows in the journal, and rows of live events that were completed.
    pub(super) added: u64,
    pub(super) completed: u64,
    /// Bytes of the log that were fetched.
    pub(super) fetched: u64,
    /// The cursor as it was last kept.
    pub(super) cursor: Cursor,
    pub(super) layout: Option<PunchLayout>,
    /// The people, if they were looked up.
    pub(super) people: Option<People>,
    /// The time of the first record of the log that has one, if the read began there.
    pub(super) first_time: Option<ClockWord>,
    /// Whether the session was wanted back before the end.
    pub(super) cut_short: bool,
    /// Whether a new pass was begun.
    pub(super) new_pass: bool,
    /// What was found to be missing.
    pub(super) gap: Option<NewGap>,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// The count says that there is nothing new.
    NothingNew,
    /// The journal has the whole log.
    Complete,
    /// Much is to be read, and enough others are at it.
    PutOff,
    /// Another device answered than the one that is known: its serial number.
    Another(String),
    /// A device answered that does not say who it is, where one is known that did: perhaps it is another one.
    Nameless,
    /// The cursor was moved by somebody else.
    Outdated,
    /// The journal could not take it.
    Unkept(StoreError),
}

/// Two days, as a difference of clock words within a month: how far ahead of us a device's clock may believably be.
const TWO_DAYS: u32 = 2 * 86_400;

impl Reading {
    /// Reads.
    ///
    /// # Errors
    /// What went wrong with the device. What had come by then is kept, and another attempt goes on from there.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<Report, DeviceError> {
        let wall = self.clock.wall();
        let told = match session.time(deadline) {
            Ok(word) => Some(word),
            Err(error) if !error.keeps_session() => return Err(error),
            Err(_) => None,
        };
        let mut report = Report {
            end: End::NothingNew,
            device_time: told,
            drift: told.and_then(|told| drift(told, wall, &self.decoder.zone)),
            began_at: millis(wall),
            sizes: session.free_sizes(deadline)?,
            count_after: None,
            slots: self.cursor.records,
            blank: 0,
            strange: 0,
            added: 0,
            completed: 0,
            fetched: 0,
            cursor: self.cursor.clone(),
            layout: PunchLayout::for_stride(self.cursor.stride.into()),
            people: None,
            first_time: None,
            cut_short: false,
            new_pass: false,
            gap: None,
        };
        // A device that has no serial number is never taken for one that has.
        match session.who_is_there(deadline)? {
            Some(answered) if answered != self.serial_number => {
                report.end = End::Another(answered.to_owned());
                return Ok(report);
            }
            None if self.serial_number != stand_in(&self.device_id) => {
                report.end = End::Nameless;
                return Ok(report);
            }
            _ => {}
        }
        let FreeSizes { punches, punch_capacity, .. } = report.sizes;
        // A full log makes room for new records without counting more.
        let full = punch_capacity.is_some_and(|room| punches >= Some(room));
        if self.effort == Effort::Count && !full && self.cursor.says_nothing_new(punches) {
            return Ok(report);
        }
        let today = ClockWord::pack(possible(civil_now(wall, &self.decoder.zone)));
        let clock = told.filter(|told| told.time().is_ok()).map_or(today, |told| told.max(today));
        let latest = ClockWord(clock.0.saturating_add(TWO_DAYS));
        let had_some = self.cursor.records > 0 && !self.cursor.count_was_true();
        let known = Foreknown {
            count: report.sizes.punches,
            uncounted: had_some || report.sizes.punches.is_none(),
            stride: self.cursor.stride,
            latest,
        };
        let body = Body::open(session, &known, deadline)?;
        let keeping = Keeping::new(Arc::clone(&self.journal), Arc::clone(&self.clock), self.cursor.clone());
        let mut run = Run::new(self, session, deadline, between, body, keeping, report);
        let end = run.all(&known);
        if !end.as_ref().is_err_and(Stop::breaks_session) {
            run.give_back();
        }
        let Run { keeping, mut report, .. } = run;
        (report.added, report.completed) = (keeping.added, keeping.completed);
        report.new_pass = keeping.cursor.pass > self.cursor.pass;
        report.cursor = keeping.cursor;
        report.end = match end {
            Ok(end) => end,
            Err(Stop::Device(error)) => {
                if report.new_pass {
                    // It is begun, and need only go on.
                    self.effort = self.effort.min(Effort::Compare);
                }
                self.cursor = report.cursor;
                return Err(error);
            }
            Err(Stop::Store(error)) => End::Unkept(error),
            Err(Stop::Outdated) => End::Outdated,
        };
        Ok(report)
    }
}

impl Place {
    /// One that is given back like this.
    pub(super) fn new(leave: impl FnOnce() + Send + 'static) -> Self {
        Self { leave: Some(Box::new(leave)) }
    }

    /// One of which there are any number.
    pub(super) const fn free() -> Self {
        Self { leave: None }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            leave();
        }
    }
}
