//! Writing people: each with one command, all of them verified by one read at the end.

use super::change::UserChange;
use super::plan::{Roster, Row};
use super::report::{Field, Progress, Report, UserError, Written};
use super::watch::Watch;
use super::{Pause, UserTable};
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::user_record::UserRecord;
use crate::wire::sizes::FreeSizes;

/// What may happen to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They must not be there yet.
    Create,
    /// They must be there.
    Update,
    /// Either.
    Upsert,
}

/// People under way to the device.
struct Work<'c> {
    changes: &'c [UserChange],
    mode: Mode,
    encoding: NameEncoding,
    rows: Vec<State>,
}

/// How far one person has got.
#[derive(Clone, Debug)]
enum State {
    /// To be worked out and written.
    Waiting,
    /// Acknowledged by the device.
    Acknowledged(UserRecord, Written),
    /// Over.
    Settled(Result<Written, UserError>),
}

impl Session {
    /// Creates a person, or is told that they are there.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed; what is wrong with the person is in the row.
    pub fn create_user(
        &mut self,
        change: &UserChange,
        encoding: NameEncoding,
        deadline: Deadline,
    ) -> Result<Result<Written, UserError>, DeviceError> {
        self.write_one(change, Mode::Create, encoding, deadline)
    }

    /// Changes a person who is there.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed; what is wrong with the person is in the row.
    pub fn update_user(
        &mut self,
        change: &UserChange,
        encoding: NameEncoding,
        deadline: Deadline,
    ) -> Result<Result<Written, UserError>, DeviceError> {
        self.write_one(change, Mode::Update, encoding, deadline)
    }

    fn write_one(
        &mut self,
        change: &UserChange,
        mode: Mode,
        encoding: NameEncoding,
        deadline: Deadline,
    ) -> Result<Result<Written, UserError>, DeviceError> {
        let changes = std::slice::from_ref(change);
        self.write_users(changes, mode, encoding, &mut |_| Ok(()), &mut |_| {}, deadline)?.only()
    }

    /// Writes many people: one read before, one command for each who is not as wanted, one read after, and
    /// `CMD_REFRESHDATA`. Doing the same once more changes nothing, so a call that broke is simply repeated.
    ///
    /// `pause` is called after every command; it may use the session, and may change people too: then the rest is
    /// worked out anew.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed before anything was written. What broke it later is in the report,
    /// together with what is known of each row.
    pub fn write_users(
        &mut self,
        changes: &[UserChange],
        mode: Mode,
        encoding: NameEncoding,
        pause: Pause<'_>,
        progress: &mut dyn FnMut(Progress),
        deadline: Deadline,
    ) -> Result<Report, DeviceError> {
        let (mut watch, table, sizes) = Watch::begin(self, deadline)?;
        let mut work = Work::new(changes, mode, encoding);
        let broke = work.write(self, (table, &sizes), &mut watch, pause, progress, deadline).err();
        let mut broke = if work.has_acknowledged() { broke.map(DeviceError::after_effects) } else { broke };
        let mut disturbed = Vec::new();
        if broke.as_ref().is_none_or(DeviceError::keeps_session) && work.concerns_people() {
            if work.has_acknowledged() {
                // What was written before something else went wrong is looked at all the same.
                match self.users(deadline.max(self.shortly())) {
                    Ok(table) => {
                        work.verify(&table);
                        disturbed = watch.end(&table);
                    }
                    Err(error) => broke = broke.or(Some(error.after_effects())),
                }
            }
            if broke.as_ref().is_none_or(DeviceError::keeps_session) {
                // Who is as wanted is so perhaps by a call that broke before it could do this.
                self.refresh(deadline.max(self.shortly()));
            }
        }
        Ok(Report { rows: work.into_rows(), broke, disturbed })
    }

    /// Writes one record, said once.
    pub(in crate::device) fn write_record(
        &mut self,
        record: &UserRecord,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        self.people_changed();
        self.effect(Request::new(Command::USER_WRQ, record.bytes().expose().as_slice()), deadline)
    }
}

impl<'c> Work<'c> {
    fn new(changes: &'c [UserChange], mode: Mode, encoding: NameEncoding) -> Self {
        let mut seen = std::collections::HashSet::new();
        let rows = changes.iter().map(|change| match seen.insert(change.user_id) {
            true => State::Waiting,
            false => State::Settled(Err(UserError::Twice)),
        });
        Self { changes, mode, encoding, rows: rows.collect() }
    }

    fn write(
        &mut self,
        session: &mut Session,
        (table, sizes): (UserTable, &FreeSizes),
        watch: &mut Watch,
        pause: Pause<'_>,
        progress: &mut dyn FnMut(Progress),
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let layout = session.layout_of(&table, deadline)?;
        let mut roster = watch.roster(&table);
        if self.creates(&roster) {
            let edition = session.people_edition;
            watch.reserve(session.left_behind(&table, sizes, pause, deadline)?);
            let ours = session.people_edition != edition;
            let table = if ours { watch.begin_anew(session, deadline)? } else { table };
            roster = watch.roster(&table);
        }
        let (changes, total) = (self.changes, self.changes.len());
        for ((change, state), before) in changes.iter().zip(&mut self.rows).zip(0..) {
            if !matches!(state, State::Waiting) {
                continue;
            }
            let mut row = roster.plan(change, self.mode, layout, self.encoding);
            if let Row::Write(_, written) = row
                && let Some(table) = watch.look(session, written, deadline)?
            {
                roster = watch.roster(&table);
                row = roster.plan(change, self.mode, layout, self.encoding);
            }
            match row {
                Row::Settled(result) => *state = State::Settled(result),
                Row::Write(record, written) => {
                    match session.write_record(&record, deadline) {
                        Ok(()) => {
                            watch.wrote(&record, written);
                            *state = State::Acknowledged(record, written);
                        }
                        Err(error) => {
                            let (row, ended) = UserError::of(error);
                            *state = State::Settled(Err(row));
                            if let Some(error) = ended {
                                return Err(error);
                            }
                        }
                    }
                    progress(Progress { done: before + 1, total });
                    let edition = session.people_edition;
                    pause(session)?;
                    if session.people_edition != edition {
                        // Somebody else was served who changed people: an index may be taken by now.
                        let table = watch.begin_anew(session, deadline)?;
                        roster = watch.roster(&table);
                    }
                }
            }
        }
        progress(Progress { done: total, total });
        Ok(())
    }

    /// Whether somebody is to be created.
    fn creates(&self, roster: &Roster) -> bool {
        let is_new = |change: &UserChange| matches!(roster.find(&change.user_id), Ok(None));
        self.mode != Mode::Update && self.changes.iter().any(is_new)
    }

    fn has_acknowledged(&self) -> bool {
        self.rows.iter().any(|state| matches!(state, State::Acknowledged(..)))
    }

    /// Whether somebody was written, or is as wanted without that.
    fn concerns_people(&self) -> bool {
        self.has_acknowledged() || self.rows.iter().any(|state| matches!(state, State::Settled(Ok(_))))
    }

    /// Compares what the device has with what it acknowledged.
    fn verify(&mut self, table: &UserTable) {
        let read: std::collections::HashMap<u16, UserRecord> =
            table.raw().map(|record| (record.user().uid, record)).collect();
        for state in &mut self.rows {
            let State::Acknowledged(record, written) = state else { continue };
            let verified = verify(record, read.get(&record.user().uid)).map(|()| *written);
            *state = State::Settled(verified);
        }
    }

    fn into_rows(self) -> Vec<Result<Written, UserError>> {
        let row = |state| match state {
            State::Waiting => Err(UserError::NotTried),
            State::Acknowledged(..) => Err(UserError::NotVerified),
            State::Settled(result) => result,
        };
        self.rows.into_iter().map(row).collect()
    }
}

/// Whether a record is there as it was written. Bytes that mean nothing may be another firmware's business.
pub(in crate::device) fn verify(written: &UserRecord, read: Option<&UserRecord>) -> Result<(), UserError> {
    let read = read.ok_or(UserError::NotStored)?;
    let fields = Field::differing(written, read);
    if fields.is_empty() { Ok(()) } else { Err(UserError::StoredDifferently { fields }) }
}
