//! Reading a device's attendance log, and the way in which any table is read.

use std::time::Instant;

use super::error::{DeviceError, Fault, Reached};
use super::log::Tenancy;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Phase;
use crate::dialog::bulk_read::{Buffer, Bulk, BulkRead, Method};
use crate::transport::TransportError;
use crate::wire::bulk::Table;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::punch::PunchLayout;
use crate::wire::record::table::PunchTable;
use crate::wire::sizes::FreeSizes;

/// Which count of the device belongs to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Users,
    Punches,
    Templates,
    Nothing,
}

/// Two days, as a difference of clock words within a month: how far ahead of us a device's clock may believably be.
const TWO_DAYS: u32 = 2 * 86_400;

impl Session {
    /// The whole attendance log, proved complete. `today` is the latest time that a record can believably show
    /// by our own clock; the device's clock is asked for its opinion too.
    ///
    /// Old firmware stores the person's internal index instead of the user id; the users are read as well then,
    /// and whoever is still among them is named.
    ///
    /// # Errors
    /// [`DeviceError`]; a log that cannot be believed to be whole is an error, never a short list.
    pub fn punches(&mut self, today: ClockWord, deadline: Deadline) -> Result<PunchTable, DeviceError> {
        let latest = self.latest_believable(today, deadline)?;
        let table = self.table(Table::ATTENDANCE, Counted::Punches, deadline, |data, count| {
            PunchTable::parse(data, count, latest)
        })?;
        self.with_people(table, deadline)
    }

    /// The same, telling between its pieces how many bytes are there, and of how many.
    ///
    /// # Errors
    /// As [`Session::punches`].
    pub fn punches_in_pieces(
        &mut self,
        today: ClockWord,
        told: &mut dyn FnMut(u32, u32),
        deadline: Deadline,
    ) -> Result<PunchTable, DeviceError> {
        let latest = self.latest_believable(today, deadline)?;
        let count = self.free_sizes(deadline)?.punches;
        let mut pause = |_: &mut Self, there, all| {
            told(there, all);
            Ok(())
        };
        let parse = |data, count| PunchTable::parse(data, count, latest);
        let table = self.table_in_pieces(Table::ATTENDANCE, count, &mut pause, deadline, parse)?;
        self.with_people(table, deadline)
    }

    /// The latest time that a record can believably show, by our own clock and the device's.
    fn latest_believable(&mut self, today: ClockWord, deadline: Deadline) -> Result<ClockWord, DeviceError> {
        let clock = match self.time(deadline) {
            Ok(clock) if clock.time().is_ok() => clock,
            Err(error) if !error.keeps_session() => return Err(error),
            _ => today,
        };
        Ok(ClockWord(clock.max(today).0.saturating_add(TWO_DAYS)))
    }

    /// Names whoever stands in a log by internal index.
    fn with_people(&mut self, table: PunchTable, deadline: Deadline) -> Result<PunchTable, DeviceError> {
        if table.layout() != Some(PunchLayout::Short) {
            return Ok(table);
        }
        match self.users(deadline) {
            Ok(users) => Ok(table.with_people(users.iter().map(|user| (user.uid, user.user_id)))),
            // A device that does not hand out its users has at least their indices.
            Err(error) if matches!(error.code(), "unknown_layout" | "device_rejected") => Ok(table),
            Err(error) => Err(error),
        }
    }

    /// Reads a table: the device's count first, then the bytes, then the proof that they are all there.
    pub(super) fn table<T, E: Into<Fault>>(
        &mut self,
        table: Table,
        counted: Counted,
        deadline: Deadline,
        parse: impl FnOnce(Vec<u8>, Option<u32>) -> Result<T, E>,
    ) -> Result<T, DeviceError> {
        self.counted_table(table, counted, deadline, parse).map(|(table, _)| table)
    }

    /// The same, with what the device counted just before.
    pub(super) fn counted_table<T, E: Into<Fault>>(
        &mut self,
        table: Table,
        counted: Counted,
        deadline: Deadline,
        parse: impl FnOnce(Vec<u8>, Option<u32>) -> Result<T, E>,
    ) -> Result<(T, FreeSizes), DeviceError> {
        let sizes = self.free_sizes(deadline)?;
        let count = match counted {
            Counted::Users => sizes.users,
            Counted::Punches => sizes.punches,
            Counted::Templates => sizes.fingerprints,
            Counted::Nothing => None,
        };
        let read = BulkRead::new(table, self.method, count, self.manners(), Instant::now());
        let bulk = self.bulk(read, deadline)?;
        Ok((self.believe(parse(bulk.data, count), bulk.method)?, sizes))
    }

    /// Prepares a table and reads of it what is to be read now; whatever stood in the transfer buffer is gone.
    pub(super) fn bulk(&mut self, read: BulkRead, deadline: Deadline) -> Result<Bulk, DeviceError> {
        self.tenancy = Tenancy::default();
        let read = read.in_session(self.link.line().session());
        let bulk = match self.link.converse_with(read, deadline) {
            Ok((bulk, _)) => bulk,
            Err((error, read)) => return Err(cut_off(error, read.progress())),
        };
        self.doubtful |= bulk.buffer == Buffer::Doubtful;
        Ok(bulk)
    }

    /// A table as it was understood. Only a method that yielded something believable is worth remembering.
    pub(super) fn believe<T, E: Into<Fault>>(
        &mut self,
        parsed: Result<T, E>,
        method: Method,
    ) -> Result<T, DeviceError> {
        let parsed = parsed.map_err(|error| DeviceError {
            fault: error.into(),
            phase: Phase::Transfer,
            reached: Reached::Yes,
        })?;
        self.method = method;
        Ok(parsed)
    }
}

/// A connection that ended in the middle of a transfer is told with its numbers.
pub(super) fn cut_off(error: DeviceError, (announced, received): (u64, u64)) -> DeviceError {
    let ended = matches!(error.fault, Fault::Transport(TransportError::Closed | TransportError::Reset(_)));
    if ended && error.phase == Phase::Transfer {
        return DeviceError { fault: Fault::CutOff { announced, received }, ..error };
    }
    error
}
