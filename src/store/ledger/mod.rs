//! What the gateway itself must not forget: tokens, operations and the audit log.
//!
//! It is a file of its own in the state directory, whatever database the devices are in: a door must be opened once
//! and not twice also while PostgreSQL is away. One thread owns its only connection.

mod audit;
mod device_settings;
mod handle;
mod operations;
mod people;
#[cfg(test)]
mod tests;
mod tokens;

pub use audit::{AuditQuery, AuditRow, NewAudit};
pub use device_settings::DeviceSettings;
pub use handle::Ledger;
pub use operations::{Begun, Finished, NewOperation, Operation, OperationQuery, State};
pub use people::{NewPeopleList, PeopleList, Standing, StandingState};
pub use tokens::{NewToken, Token};

use std::path::Path;

use rusqlite::Connection;

use super::embedded;
use super::error::StoreError;
use super::migrate;

/// The open file. What can be asked of it stands with its subject: tokens, operations, the audit log.
pub struct Book {
    connection: Connection,
    /// Operations begun since old ones were last cleared away.
    begun: u32,
}

impl Book {
    fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: embedded::open(path, migrate::LEDGER_SQLITE)?, begun: 0 })
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Book")
    }
}
