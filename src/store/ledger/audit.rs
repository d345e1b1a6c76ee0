//! The audit log: who did what to which device, when, and how that ended. Rows are added and never changed; the
//! database itself refuses to lose any of the last 500,000.

use rusqlite::{Connection, TransactionBehavior, params};

use super::Book;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// Something that somebody did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAudit {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The name of the token.
    pub token: String,
    /// Its number, which no other ever has; 0 for the main token, and where none is needed.
    pub token_id: Option<u64>,
    /// What: the method and pattern of the request, or `operation` and its kind.
    pub action: String,
    /// The path of the request, without its query.
    pub path: Option<String>,
    /// To which device.
    pub device_id: Option<String>,
    /// To what of it or with what: a person, a finger.
    pub subject: Option<String>,
    /// The operation that came of it.
    pub operation_id: Option<u64>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// `ok`, the code of the problem, or the state in which the operation ended.
    pub result: String,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; later ones are greater.
    pub seq: u64,
    /// What it says.
    pub said: NewAudit,
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Those after this one, oldest first.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
    /// Only those of this device.
    pub device_id: Option<String>,
    /// Only those of this token.
    pub token: Option<String>,
}

impl Book {
    /// Adds a row.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn audit(&mut self, row: &NewAudit) -> Result<(), StoreError> {
        add(&self.connection, row)
    }

    /// Adds several rows, or none.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn audit_all(&mut self, rows: &[NewAudit]) -> Result<(), StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for row in rows {
            add(&transaction, row)?;
        }
        transaction.commit().map_err(failed)
    }

    /// The rows that are wanted, oldest first, and whether there are more.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn audit_rows(&mut self, query: &AuditQuery) -> Result<(Vec<AuditRow>, bool), StoreError> {
        let sql =
            "select seq, at, token, action, path, device_id, subject, operation_id, status, result, token_id
             from audit where seq > ?1 and (?2 is null or device_id = ?2) and (?3 is null or token = ?3)
             order by seq limit ?4";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let wanted = params![query.after, query.device_id, query.token, query.limit.saturating_add(1)];
        let rows = statement.query_map(wanted, |row| {
            let said = NewAudit {
                at: row.get(1)?,
                token: row.get(2)?,
                action: row.get(3)?,
                path: row.get(4)?,
                device_id: row.get(5)?,
                subject: row.get(6)?,
                operation_id: row.get(7)?,
                status: row.get(8)?,
                result: row.get(9)?,
                token_id: row.get(10)?,
            };
            Ok(AuditRow { seq: row.get(0)?, said })
        });
        let mut rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failed)?;
        let more = rows.len() > query.limit as usize;
        rows.truncate(query.limit as usize);
        Ok((rows, more))
    }
}

pub(super) fn add(connection: &Connection, row: &NewAudit) -> Result<(), StoreError> {
    let sql = "insert into audit (at, token, action, path, device_id, subject, operation_id, status, result,
               token_id) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let NewAudit { at, token, token_id, action, path, device_id, subject, operation_id, status, result } =
        row;
    let values = params![at, token, action, path, device_id, subject, operation_id, status, result, token_id];
    connection.prepare_cached(sql).and_then(|mut insert| insert.execute(values)).map_err(failed)?;
    Ok(())
}
