//! One read of a device's log into the journal: only what is new, if what is known can be recognised; all of it,
//! in a new pass, if not.
//!
//! The device says what it has (count, size), and what came is weighed against that before the read counts as
//! complete. Batches are kept while the read goes on, so one that breaks off is continued and not repeated.

use std::sync::Arc;

use super::body::Body;
use super::civil::{civil_now, drift, millis, possible};
use super::decode::Decoder;
use super::keeping::{Keeping, Stop};
use super::run::Run;
use crate::base::clock::Clock;
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
    pub(super) effort: Effort,
    /// Whether others are served between the pieces.
    pub(super) serve: bool,
    /// Asked before much is read; `false` puts the read off.
    pub(super) may_be_large: Arc<dyn Fn() -> bool + Send + Sync>,
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
    /// The time of the first record of the log that has one, if the read began there.
    pub(super) first_time: Option<ClockWord>,
    /// Whether the session was wanted back before the end.
    pub(super) cut_short: bool,
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
    Another(Option<String>),
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
    /// What went wrong with the device. What had come by then is kept.
    pub(super) fn run(
        &self,
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
            first_time: None,
            cut_short: false,
            gap: None,
        };
        let answered = session.serial_number().map(str::to_owned);
        if answered.as_deref().is_some_and(|answered| answered != self.serial_number) {
            report.end = End::Another(answered);
            return Ok(report);
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
        let body = Body::open(session, report.sizes.punches, latest, deadline)?;
        let keeping = Keeping::new(Arc::clone(&self.journal), Arc::clone(&self.clock), self.cursor.clone());
        let mut run = Run { reading: self, session, deadline, between, body: Some(body), keeping, report };
        let end = run.all(latest);
        run.give_back();
        let Run { keeping, mut report, .. } = run;
        (report.added, report.completed) = (keeping.added, keeping.completed);
        report.cursor = keeping.cursor;
        report.end = match end {
            Ok(end) => end,
            Err(Stop::Device(error)) => return Err(error),
            Err(Stop::Store(error)) => End::Unkept(error),
            Err(Stop::Outdated) => End::Outdated,
        };
        Ok(report)
    }
}
