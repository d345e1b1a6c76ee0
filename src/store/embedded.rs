//! What every embedded database of ours has in common: a file that is readable by its owner only, commits that are
//! on the disk (WAL, `synchronous=FULL`), a numbered schema, and our words for SQLite's errors.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::error::StoreError;
use super::migrate::{self, Migration};

/// How long another process may hold the file before we give up.
const BUSY: Duration = Duration::from_secs(2);

/// Opens the file, makes it if it is missing, and brings its schema up to date.
///
/// # Errors
/// When the file cannot be used, or is newer than this program.
pub(super) fn open(path: &Path, steps: &'static [Migration]) -> Result<Connection, StoreError> {
    let unusable = |error: io::Error| StoreError::Unusable { cause: format!("{}: {error}", path.display()) };
    // SQLite gives its side files the mode of the database itself.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(unusable)?;
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode();
    if mode & 0o077 != 0 {
        log::warn!("{} was readable by others (mode {:o}); now it is not", path.display(), mode & 0o777);
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(unusable)?;
    }
    let mut connection = Connection::open(path).map_err(failed)?;
    prepare(&mut connection).map_err(failed)?;
    migrate_up(&mut connection, steps)?;
    Ok(connection)
}

/// Whether the file can be written: nothing less than writing shows that there is room.
///
/// # Errors
/// Whatever a write meets.
pub(super) fn probe(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Writes a page that says what it said before.
    let version: i64 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    transaction.pragma_update(None, "user_version", version).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// The store's word for SQLite's error.
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    let cause = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let cause = format!("another program holds it ({cause})");
            StoreError::Unavailable { cause, outcome_unknown: false }
        }
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen,
        ) => StoreError::NotWritable { cause },
        _ => StoreError::Unusable { cause },
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // Two processes that start together may both want to switch to WAL, and SQLite does not wait for that lock.
    let mut tries = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if tries < 20 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            result => break result?,
        }
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)
}

fn migrate_up(connection: &mut Connection, steps: &'static [Migration]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    for step in migrate::missing(steps, found)? {
        log::info!("the database gets schema version {} ({})", step.version, step.name);
        transaction.execute_batch(step.sql).map_err(failed)?;
        transaction.pragma_update(None, "user_version", step.version).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
