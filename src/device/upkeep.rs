//! Making changes effective, giving memory back, and clearing whole tables.

use super::clearing::Clearing;
use super::error::{DeviceError, Fault, Reached};
use super::punches::Counted;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::{Phase, Request};
use crate::wire::bulk::Table;
use crate::wire::command::Command;
use crate::wire::sizes::FreeSizes;

/// A table that can be cleared for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// The attendance log.
    Attendance,
    /// All fingerprints.
    Templates,
    /// The operation log.
    Operations,
    /// All people, with their fingerprints.
    Users,
}

impl DataKind {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Attendance => 1,
            Self::Templates => 2,
            Self::Operations => 4,
            Self::Users => 5,
        }
    }

    /// What is counted of it. A log may have got its next entry already.
    fn counted(self, sizes: &FreeSizes) -> Option<u32> {
        match self {
            Self::Templates => sizes.fingerprints,
            // With their fingerprints: one that stays would be that of whoever gets the index next.
            Self::Users => {
                sizes.users.map(|users| users.saturating_add(sizes.fingerprints.unwrap_or_default()))
            }
            Self::Attendance | Self::Operations => None,
        }
    }
}

impl Session {
    /// Makes what was changed effective.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn refresh_data(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let reply = self.ask(Request::bare(Command::REFRESHDATA), deadline)?;
        Self::accepted(Command::REFRESHDATA, &reply)
    }

    /// Has the device give up whatever stands in its transfer buffer.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn free_buffer(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.tenancy = super::log::Tenancy::default();
        let reply = self.ask_in(Phase::Release, Request::bare(Command::FREE_DATA), deadline)?;
        Self::accepted(Command::FREE_DATA, &reply)
    }

    /// Makes every administrator a common user: said once, verified by reading all users.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn clear_administrators(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.clear(Clearing::Administrators, deadline)?;
        let users = self.users(deadline).map_err(already_said)?;
        let left = users.iter().any(|user| user.privilege.name() != "user");
        if left { Err(not_stored(Command::CLEAR_ADMIN)) } else { Ok(()) }
    }

    /// Deletes everything of a kind: said once, and there is no way back.
    ///
    /// # Errors
    /// [`DeviceError`]; also when the device still counts something of a kind that nobody else adds to.
    pub fn clear_data(&mut self, kind: DataKind, deadline: Deadline) -> Result<(), DeviceError> {
        self.clear(Clearing::Data(kind), deadline)?;
        let sizes = self.free_sizes(deadline).map_err(already_said)?;
        if kind.counted(&sizes).unwrap_or_default() > 0 {
            return Err(not_stored(Command::CLEAR_DATA));
        }
        Ok(())
    }

    /// Deletes everything that the device keeps: people, fingerprints and all logs. Said once, and there is no way
    /// back.
    ///
    /// # Errors
    /// [`DeviceError`]; also when the device still counts people or fingerprints.
    pub fn clear_everything(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.clear(Clearing::Everything, deadline)?;
        let sizes = self.free_sizes(deadline).map_err(already_said)?;
        if sizes.users.unwrap_or_default() > 0 || sizes.fingerprints.unwrap_or_default() > 0 {
            return Err(not_stored(Command::CLEAR_DATA));
        }
        Ok(())
    }

    /// A table whose records nobody has described: its bytes, the size word included. 6 are short messages, 7 who
    /// has which of them, 8 work codes.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn raw_table(&mut self, number: u8, deadline: Deadline) -> Result<Vec<u8>, DeviceError> {
        let table = Table { command: Command::DB_RRQ, fct: number.into() };
        self.table(table, Counted::Nothing, deadline, |data, _| Ok::<_, Fault>(data))
    }
}

/// Something that could not be looked at after a clearing: whoever repeats it would clear once more.
fn already_said(error: DeviceError) -> DeviceError {
    let reached = if error.reached == Reached::No { Reached::Perhaps } else { error.reached };
    DeviceError { reached, ..error }
}

const fn not_stored(asked: Command) -> DeviceError {
    DeviceError { fault: Fault::NotStored { asked }, phase: Phase::Reply, reached: Reached::Yes }
}
