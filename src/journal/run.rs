//! The steps of one read: is this the log that is known, what of it is new, and was that all?

use std::sync::Arc;

use super::body::{Body, Foreknown};
use super::decode::{Decoded, Decoder};
use super::errand::look_up;
use super::keeping::{Keeping, Stop};
use super::overlap::{OVERLAP, Overlap};
use super::reading::{Effort, End, Place, Reading, Report};
use crate::base::deadline::Deadline;
use crate::device::{DeviceError, Session};
use crate::registry::Between;
use crate::store::journal::placing::NewGap;
use crate::store::journal::quarantine::Strange;
use crate::store::journal::{Cursor, GapReason, LogBatch, Record};
use crate::wire::clock_word::ClockWord;
use crate::wire::record::punch::PunchLayout;

/// A read under way.
pub(super) struct Run<'r, 's, 'b, 'w> {
    pub(super) reading: &'r Reading,
    pub(super) session: &'s mut Session,
    pub(super) deadline: Deadline,
    pub(super) between: &'b mut Between<'w>,
    /// `None` once it was given back.
    pub(super) body: Option<Body>,
    pub(super) keeping: Keeping,
    pub(super) report: Report,
    decoder: Decoder,
    /// Whether the session broke: nothing is said on it any more.
    broken: bool,
    /// Held while much is read.
    place: Option<Place>,
}

/// Records that were read and not sent yet.
struct Pending {
    records: Vec<Record>,
    strange: Vec<Strange>,
    overlap: Overlap,
    /// Where in the log they end.
    slot: u64,
}

/// Records in one transaction.
const BATCH: usize = 8192;
/// Bytes from which on a read is large.
const LARGE: u64 = 1 << 20;
/// How often it is noted that nothing was new, in milliseconds.
const NOTED: i64 = 10 * 60 * 1000;

impl<'r, 's, 'b, 'w> Run<'r, 's, 'b, 'w> {
    pub(super) fn new(
        reading: &'r Reading,
        session: &'s mut Session,
        deadline: Deadline,
        between: &'b mut Between<'w>,
        body: Body,
        keeping: Keeping,
        report: Report,
    ) -> Self {
        let (body, decoder) = (Some(body), reading.decoder.clone());
        let (broken, place) = (false, None);
        Self { reading, session, deadline, between, body, keeping, report, decoder, broken, place }
    }

    pub(super) fn all(&mut self, foreknown: &Foreknown) -> Result<End, Stop> {
        let known = self.reading.cursor.clone();
        let mut overlap = Overlap::default();
        let goes_on = self.reading.effort != Effort::Everything && self.recognise(&known, &mut overlap)?;
        let base = if goes_on {
            known
        } else {
            overlap = Overlap::default();
            self.find_layout(foreknown)?;
            self.new_pass(&known)
        };
        let (slots, layout) = self.body.as_ref().map_or((0, None), |body| (body.slots(), body.layout()));
        (self.report.slots, self.report.layout) = (slots, layout);
        let stride = layout.map_or(0, PunchLayout::stride) as u64;
        if (slots - base.records.min(slots)) * stride > LARGE {
            self.place = (self.reading.may_be_large)();
            if self.place.is_none() {
                return Ok(End::PutOff);
            }
        }
        self.name_people(base.records < slots)?;
        let pending = Pending { records: Vec::new(), strange: Vec::new(), overlap, slot: base.records };
        let pending = self.read(&base, slots, pending)?;
        self.release()?;
        if self.report.cut_short {
            self.send(&base, pending, None)?;
            self.keeping.wait(&mut || Ok(()))?;
            return Ok(End::PutOff);
        }
        // Said before the read counts as complete, and it tells whether more has come meanwhile.
        match self.session.free_sizes(self.deadline) {
            Ok(after) => self.report.count_after = after.punches,
            Err(error) => return Err(self.break_off(&base, pending, error)),
        }
        self.complete(&base, pending)
    }

    /// Whether the log goes on from what is known of it: as long or longer, and with the same end up to there.
    fn recognise(&mut self, known: &Cursor, overlap: &mut Overlap) -> Result<bool, Stop> {
        let Some(body) = &mut self.body else { return Ok(false) };
        if known.records == 0 {
            // The first records after none begin a pass, for their layout to be found out.
            return Ok(known.pass > 0 && body.length() == 0);
        }
        if !body.assume(known.stride) {
            return Ok(false);
        }
        let begin = known.records.saturating_sub(known.overlap.into());
        // A log that is shorter, or memory of no use, is not recognised.
        if body.slots() < known.records || known.overlap == 0 || body.layout().is_none() {
            return Ok(false);
        }
        let mut slot = begin;
        while slot < known.records {
            let bytes = body.read(self.session, slot..known.records, self.deadline)?;
            let before = slot;
            for record in bytes.chunks_exact(known.stride.into()) {
                overlap.push(record);
                slot += 1;
            }
            if slot == before {
                return Ok(false);
            }
        }
        Ok(overlap.digest() == (known.overlap, known.digest.clone()))
    }

    fn find_layout(&mut self, known: &Foreknown) -> Result<(), Stop> {
        match &mut self.body {
            Some(body) => Ok(body.find_layout(self.session, known, self.deadline)?),
            None => Ok(()),
        }
    }

    /// The cursor at the beginning of a new pass.
    fn new_pass(&self, known: &Cursor) -> Cursor {
        let layout = self.body.as_ref().and_then(Body::layout);
        let stride = layout.map_or(0, |layout| u16::try_from(layout.stride()).unwrap_or(0));
        known.next_pass(stride)
    }

    /// Looks up who is behind the indices of new records: an index may have passed to somebody else just now. Not
    /// where the log stands in the device's transfer buffer, which the users would take.
    fn name_people(&mut self, are_new: bool) -> Result<(), Stop> {
        let by_index = self.report.layout == Some(PunchLayout::Short);
        let in_memory = self.body.as_ref().is_some_and(Body::is_in_memory);
        if are_new && by_index && in_memory && !self.reading.people_are_fresh {
            self.report.people = look_up(self.session, self.deadline)?;
            if let Some(people) = &self.report.people {
                self.decoder.people = Arc::clone(people);
            }
        }
        Ok(())
    }

    /// Reads up to the end, sending whole batches; gives what is left over.
    fn read(&mut self, base: &Cursor, slots: u64, mut pending: Pending) -> Result<Pending, Stop> {
        while pending.slot < slots {
            if self.between.is_wanted_back() {
                self.report.cut_short = true;
                break;
            }
            let piece = match &mut self.body {
                Some(body) => body.read(self.session, pending.slot..slots, self.deadline),
                None => break,
            };
            let bytes = match piece {
                Ok(bytes) => bytes,
                Err(error) => {
                    if error.keeps_session() {
                        self.release()?;
                    }
                    return Err(self.break_off(base, pending, error));
                }
            };
            let before = pending.slot;
            self.take(&bytes, &mut pending);
            if pending.slot == before {
                break;
            }
            if pending.records.len() + pending.strange.len() >= BATCH {
                let overlap = std::mem::take(&mut pending.overlap);
                let slot = pending.slot;
                let full = Pending { overlap, ..pending };
                let overlap = self.send(base, full, None)?;
                pending = Pending { records: Vec::with_capacity(BATCH), strange: Vec::new(), overlap, slot };
            }
            self.pause()?;
        }
        Ok(pending)
    }

    fn take(&mut self, bytes: &[u8], pending: &mut Pending) {
        let Some(layout) = self.report.layout else { return };
        for raw in bytes.chunks_exact(layout.stride()) {
            match self.decoder.log(raw, layout) {
                Decoded::Record(record) => pending.records.push(record),
                Decoded::Strange(strange) => {
                    self.report.strange += 1;
                    pending.strange.push(strange);
                }
                Decoded::Blank => self.report.blank += 1,
            }
            pending.overlap.push(raw);
            pending.slot += 1;
        }
    }

    /// The log is in the journal to its end: the last batch says so, and names what is missing.
    fn complete(&mut self, base: &Cursor, pending: Pending) -> Result<End, Stop> {
        let nothing = pending.records.is_empty() && pending.strange.is_empty();
        if nothing && pending.slot == base.records && self.is_noted(base) {
            return Ok(End::Complete);
        }
        if self.keeping.cursor.sought_seq == 0 && base.sought_seq == 0 {
            self.send(base, pending, Some(None))?;
            self.wait()?;
            return Ok(End::Complete);
        }
        // Only when all is placed it is known whether the old end of the log was met.
        let nothing = Pending {
            records: Vec::new(),
            strange: Vec::new(),
            overlap: Overlap::default(),
            slot: pending.slot,
        };
        let overlap = self.send(base, pending, None)?;
        self.wait()?;
        let missing = if self.keeping.cursor.sought_seq == 0 { None } else { Some(self.gap()?) };
        self.report.gap = missing;
        self.send(base, Pending { overlap, ..nothing }, Some(missing))?;
        self.wait()?;
        Ok(End::Complete)
    }

    /// Whether the journal says already what this read found: that nothing was new is noted now and then only.
    fn is_noted(&self, base: &Cursor) -> bool {
        let recently = base.compared_at.is_some_and(|then| self.report.began_at - then < NOTED);
        base.complete && recently && base.device_count == self.report.sizes.punches
    }

    /// What is missing when the old end of the log was not met.
    fn gap(&mut self) -> Result<NewGap, DeviceError> {
        // Of an empty log nothing but the present can be said, and that has moved on since the beginning.
        let now = match self.report.first_time {
            Some(_) => None,
            None => match self.session.time(self.deadline) {
                Err(error) if !error.keeps_session() => return Err(error),
                told => told.ok(),
            },
        };
        let kept = &self.keeping.cursor;
        let to = self
            .report
            .first_time
            .or(now)
            .or(self.report.device_time)
            .or(kept.proved_before)
            .unwrap_or(ClockWord::MAX);
        let full = self.report.sizes.punch_capacity.is_some_and(|room| self.report.slots >= u64::from(room));
        let reason = if self.report.slots < kept.sought_records {
            GapReason::Cleared
        } else if full {
            GapReason::Wrapped
        } else {
            GapReason::Replaced
        };
        Ok(NewGap::between(kept.proved_before, to, reason))
    }

    /// Sends what is pending and gives back its overlap. `closing` makes the pass complete, with or without a gap.
    fn send(
        &mut self,
        base: &Cursor,
        pending: Pending,
        closing: Option<Option<NewGap>>,
    ) -> Result<Overlap, Stop> {
        let Pending { records, strange, overlap, slot } = pending;
        if self.report.first_time.is_none() {
            let possible = records.iter().find(|record| record.time.time().is_ok());
            self.report.first_time = possible.map(|record| record.time);
        }
        let (count, digest) = overlap.digest();
        debug_assert!(count as usize <= OVERLAP);
        let closes = closing.is_some();
        let (reading, report) = (self.reading, &self.report);
        let batch = |kept: &Cursor| {
            let mut cursor = Cursor {
                records: slot,
                overlap: count,
                digest,
                complete: closes,
                last_seq: kept.last_seq,
                sought_seq: kept.sought_seq,
                ..base.clone()
            };
            if kept.pass != base.pass {
                (cursor.last_seq, cursor.sought_seq) = (base.last_seq, base.sought_seq);
            }
            if closes {
                cursor = Cursor {
                    sought_seq: 0,
                    sought_records: 0,
                    proved_before: None,
                    verified_at: Some(report.began_at),
                    verified_time: report.device_time.filter(|time| time.time().is_ok()),
                    compared_at: Some(report.began_at),
                    device_count: report.sizes.punches,
                    drift: report.drift,
                    ..cursor
                };
            }
            LogBatch {
                device_id: reading.device_id.clone(),
                serial_number: reading.serial_number.clone(),
                continues: kept.revision,
                cursor,
                records,
                strange,
                gap: closing.flatten(),
                received_at: crate::base::clock::millis(reading.clock.wall()),
            }
        };
        let (session, between, serve) = (&mut *self.session, &mut *self.between, self.reading.serve);
        let broken = self.broken;
        self.keeping.send(batch, &mut || if broken { Ok(()) } else { pause(session, between, serve) })?;
        Ok(overlap)
    }

    /// The device failed. What has come is worth keeping: the next read goes on from there.
    fn break_off(&mut self, base: &Cursor, pending: Pending, error: DeviceError) -> Stop {
        self.broken = !error.keeps_session();
        match self.send(base, pending, None).and_then(|_| self.wait()) {
            Err(stop) if !self.broken => stop,
            _ => error.into(),
        }
    }

    fn wait(&mut self) -> Result<(), Stop> {
        let (session, between, serve) = (&mut *self.session, &mut *self.between, self.reading.serve);
        let broken = self.broken;
        self.keeping.wait(&mut || if broken { Ok(()) } else { pause(session, between, serve) })
    }

    fn pause(&mut self) -> Result<(), DeviceError> {
        pause(self.session, self.between, self.reading.serve)
    }

    fn release(&mut self) -> Result<(), DeviceError> {
        match self.body.take() {
            Some(body) => {
                self.report.fetched += body.fetched;
                body.release(self.session, self.deadline)
            }
            None => Ok(()),
        }
    }

    /// After whatever went wrong: the device should not keep a table that nobody fetches.
    pub(super) fn give_back(&mut self) {
        if self.broken {
            return;
        }
        if let Err(error) = self.release() {
            log::debug!("device {}: its transfer buffer was not given back: {error}", self.reading.device_id);
        }
    }
}

fn pause(session: &mut Session, between: &mut Between<'_>, serve: bool) -> Result<(), DeviceError> {
    if serve {
        between.pause(session)
    } else {
        between.hand_on_events(session);
        Ok(())
    }
}
