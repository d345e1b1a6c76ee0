//! Writing people: each with one command, all of them verified by one read at the end.

use super::change::UserChange;
use super::plan::{Roster, Row};
use super::report::{Field, Progress, Report, UserError, Written};
use super::{Pause, UserTable};
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::user_record::UserRecord;

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
        let Report { mut rows, broke } =
            self.write_users(changes, mode, encoding, &mut |_| Ok(()), &mut |_| {}, deadline)?;
        broke.map_or_else(|| Ok(rows.pop().unwrap_or(Err(UserError::NotTried))), Err)
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
        let table = self.users(deadline)?;
        let mut work = Work::new(changes, mode, encoding);
        let broke = work.write(self, table, pause, progress, deadline).err();
        let mut broke = if work.has_acknowledged() { broke.map(DeviceError::after_effects) } else { broke };
        if broke.as_ref().is_none_or(DeviceError::keeps_session) && work.concerns_people() {
            if work.has_acknowledged() {
                // What was written before something else went wrong is looked at all the same.
                let verified = self.users(deadline.max(self.shortly())).map(|table| work.verify(&table));
                broke = broke.or(verified.err().map(DeviceError::after_effects));
            }
            if broke.as_ref().is_none_or(DeviceError::keeps_session) {
                // Who is as wanted is so perhaps by a call that broke before it could do this.
                self.refresh(deadline.max(self.shortly()));
            }
        }
        Ok(Report { rows: work.into_rows(), broke })
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
        table: UserTable,
        pause: Pause<'_>,
        progress: &mut dyn FnMut(Progress),
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let layout = session.layout_of(&table, deadline)?;
        let mut roster = Roster::new(&table);
        drop(table);
        let (changes, total) = (self.changes, self.changes.len());
        for ((change, state), before) in changes.iter().zip(&mut self.rows).zip(0..) {
            if !matches!(state, State::Waiting) {
                continue;
            }
            match roster.plan(change, self.mode, layout, self.encoding) {
                Row::Settled(result) => *state = State::Settled(result),
                Row::Write(record, written) => {
                    match session.write_record(&record, deadline) {
                        Ok(()) => *state = State::Acknowledged(record, written),
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
                        roster = Roster::new(&session.users(deadline)?);
                    }
                }
            }
        }
        progress(Progress { done: total, total });
        Ok(())
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
