//! The people that a device knows: reading them, and changing them so that nothing is lost that was not meant.

mod change;
mod compare;
mod delete;
mod left_behind;
mod plan;
mod report;
mod watch;
mod write;

pub use change::{Likeness, UserChange};
pub use compare::{Comparison, Other, Step};
pub use report::{Field, Progress, Report, UserError, Written};
pub use write::Mode;

pub(super) use plan::Row;
pub(super) use watch::Watch;
pub(super) use write::verify;

use super::error::{DeviceError, Fault, Reached};
use super::punches::Counted;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Phase;
use crate::wire::bulk::Table;
use crate::wire::record::UserId;
use crate::wire::record::table::UserTable;
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;
use crate::wire::sizes::FreeSizes;

/// What long work calls between its pieces, so that a door need not wait for it; its error ends the work.
pub type Pause<'p> = &'p mut dyn FnMut(&mut Session) -> Result<(), DeviceError>;

impl Session {
    /// All users, proved complete.
    ///
    /// # Errors
    /// [`DeviceError`]; a table that cannot be believed to be whole is an error, never a short list.
    pub fn users(&mut self, deadline: Deadline) -> Result<UserTable, DeviceError> {
        self.counted_users(deadline).map(|(users, _)| users)
    }

    /// The same, with what the device counted just before.
    fn counted_users(&mut self, deadline: Deadline) -> Result<(UserTable, FreeSizes), DeviceError> {
        let (users, sizes) = self.counted_table(Table::USERS, Counted::Users, deadline, UserTable::parse)?;
        self.last_index = self.last_index.max(users.last_index());
        Ok((users, sizes))
    }

    /// One user, or `None`. There is no command that asks for one by their id, so the whole table is read.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn user(&mut self, user_id: &UserId, deadline: Deadline) -> Result<Option<UserRecord>, DeviceError> {
        let users = self.users(deadline)?;
        Ok(users.raw().find(|record| record.user().user_id == *user_id))
    }

    /// The layout in which users are written: the one they were read in or, of an empty table, the one of the
    /// device's family.
    pub(super) fn layout_of(
        &mut self,
        users: &UserTable,
        deadline: Deadline,
    ) -> Result<UserLayout, DeviceError> {
        if let Some(layout) = users.layout() {
            return Ok(layout);
        }
        let platform = self.option("~Platform", deadline)?;
        let unknown = DeviceError { fault: Fault::NoLayout, phase: Phase::Reply, reached: Reached::No };
        UserLayout::of_empty(self.carrier(), platform.as_deref()).ok_or(unknown)
    }

    /// Notes that the table of users is another one than before, for work that was interrupted for it.
    pub(super) const fn people_changed(&mut self) {
        self.people_edition = self.people_edition.wrapping_add(1);
    }
}
