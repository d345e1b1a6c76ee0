//! What the gateway itself must not forget: tokens, operations and the audit log.
//!
//! It is a file of its own in the state directory, whatever database the devices are in: a door must be opened once
//! and not twice also while PostgreSQL is away. One thread owns its only connection.

mod audit;
mod device_settings;
mod handle;
mod keeping;
#[cfg(test)]
mod keeping_tests;
mod listing;
mod operations;
mod people;
mod request_key;
#[cfg(test)]
mod tests;
mod tokens;

pub use audit::{AuditQuery, AuditRow, NewAudit};
pub use device_settings::DeviceSettings;
pub use handle::Ledger;
pub use listing::OperationQuery;
pub use operations::{Begun, Finished, LeftOut, NewOperation, Once, Operation, SMALL, State};
pub use people::{NewPeopleList, PeopleList, Standing, StandingState};
pub use tokens::{NewToken, Token};

use std::path::Path;

use rusqlite::Connection;

use super::embedded;
use super::error::StoreError;
use super::migrate;
use keeping::Limits;
use request_key::RequestKey;

const FILE: &str = "ledger.db";

/// The open file. What can be asked of it stands with its subject: tokens, operations, the audit log.
pub struct Book {
    connection: Connection,
    request_key: RequestKey,
    limits: Limits,
    /// Bytes of large results that were added since old ones were last cleared away.
    grown: u64,
}

impl Book {
    /// The file in this directory, and the key beside it.
    fn open(directory: &Path) -> Result<Self, StoreError> {
        let connection = embedded::open(&directory.join(FILE), migrate::LEDGER_SQLITE)?;
        let request_key = RequestKey::open(&directory.join("request.key"))
            .map_err(|error| StoreError::Unusable { cause: format!("no key for requests: {error}") })?;
        Ok(Self { connection, request_key, limits: Limits::USUAL, grown: 0 })
    }
}

impl std::fmt::Debug for Book {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Book")
    }
}
