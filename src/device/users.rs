//! Reading the people that a device knows.

use super::error::DeviceError;
use super::punches::Counted;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::wire::bulk::Table;
use crate::wire::record::table::UserTable;

impl Session {
    /// All users, proved complete.
    ///
    /// # Errors
    /// [`DeviceError`]; a table that cannot be believed to be whole is an error, never a short list.
    pub fn users(&mut self, deadline: Deadline) -> Result<UserTable, DeviceError> {
        self.table(Table::USERS, Counted::Users, deadline, UserTable::parse)
    }
}
