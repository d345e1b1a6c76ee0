//! Operations: what was asked of devices that has an effect, and what became of it. Noted before anything is sent,
//! so that the same key opens no door twice, whatever ends the service in between.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::Book;
use super::audit::{self, NewAudit};
use crate::base::scope::Scope;
use crate::base::secret::Secret;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It was not done, or only in part; the problem says what.
    Failed,
    /// It was cancelled before its end.
    Cancelled,
    /// Nobody can tell whether it was done.
    OutcomeUnknown,
}

/// An operation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub kind: String,
    /// With which device; none when it is about several.
    pub device_id: Option<String>,
    /// With what of it: a person, a finger.
    pub subject: Option<String>,
    /// The name of the token with which it was asked for.
    pub token: String,
    /// Where it is.
    pub state: State,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: i64,
    /// When it began, if it has ended since.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// When it must have ended.
    pub deadline: i64,
    /// Parts of it that are done.
    pub done: u64,
    /// All its parts; 0 when it has none.
    pub total: u64,
    /// What came of it, as JSON.
    pub result: Option<String>,
    /// Why the result is not here although there was one.
    pub left_out: Option<LeftOut>,
    /// Why it failed, as JSON.
    pub problem: Option<String>,
}

/// Why a result is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It is too large for a list.
    Large,
    /// It was large and gave way to newer ones.
    GivenUp,
}

/// An operation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOperation {
    /// What it does.
    pub kind: &'static str,
    /// With which device.
    pub device_id: Option<String>,
    /// With what of it.
    pub subject: Option<String>,
    /// Who asks.
    pub token: String,
    /// The number of that token; 0 for the main one, and where none is needed.
    pub token_id: u64,
    /// What was needed to ask for it, and is needed to end it early.
    pub scope: Scope,
    /// Under what it is done once, if at all.
    pub once: Option<Once>,
    /// When it must have ended, in milliseconds since 1970.
    pub deadline: i64,
}

/// A key under which one request is carried out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The idempotency key.
    pub key: String,
    /// SHA-256 of the request.
    pub request: Secret<[u8; 32]>,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is noted under this number, and may be done.
    New(u64),
    /// It was asked for before under the same key.
    Earlier(Box<Operation>),
    /// Something else was asked for under the same key.
    KeyTaken(u64),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// One of the last four states.
    pub state: State,
    /// When it began.
    pub started_at: Option<i64>,
    /// Parts that are done.
    pub done: u64,
    /// All parts.
    pub total: u64,
    /// What came of it, as JSON.
    pub result: Option<String>,
    /// Why it failed, as JSON.
    pub problem: Option<String>,
    /// Nothing of it reached a device: the same key may be used again.
    pub never_began: bool,
    /// What the audit log is to say.
    pub audit: Option<NewAudit>,
}

/// A result with more bytes is large: it is left out of lists, and kept only as long as there is room.
pub const SMALL: usize = 1024;

/// Everything of an operation but what came of it.
pub(super) const COLUMNS: &str =
    "id, kind, device_id, subject, token, state, created_at, started_at, finished_at, deadline,
     done, total, problem,
     iif(result_is_large, iif(exists(select 1 from large_result where operation_id = id), 'large', 'given_up'), null)";
/// What came of it.
const RESULT: &str = "coalesce(result, (select content from large_result where operation_id = id))";

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        use State::{Cancelled, Done, Failed, OutcomeUnknown, Queued, Running};
        [Queued, Running, Done, Failed, Cancelled, OutcomeUnknown]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl Book {
    /// Notes an operation, unless its key was used before.
    ///
    /// # Errors
    /// Whatever the file says; then it is not to be done.
    pub fn begin(&mut self, new: &NewOperation, now: i64) -> Result<Begun, StoreError> {
        let NewOperation { kind, device_id, subject, token, token_id, scope: _, once, deadline } = new;
        let request = once.as_ref().and_then(|once| self.request_key.mark(&once.request));
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let key = once.as_ref().map(|once| &once.key);
        if let Some(key) = key
            && let Some((earlier, noted)) = earlier(&transaction, token, *token_id, key)?
        {
            // What cannot be compared is taken for another request: a door that stays shut can be asked for again.
            let same = noted.is_some() && noted == request;
            return Ok(if same { Begun::Earlier(Box::new(earlier)) } else { Begun::KeyTaken(earlier.id) });
        }
        let sql = "insert into operation
                   (kind, device_id, subject, token, token_id, idempotency_key, request, state, created_at, deadline)
                   values (?, ?, ?, ?, ?, ?, ?, 'queued', ?, ?)";
        let values = params![kind, device_id, subject, token, token_id, key, request, now, deadline];
        transaction.execute(sql, values).map_err(failed)?;
        let id = u64::try_from(transaction.last_insert_rowid()).unwrap_or_default();
        transaction.commit().map_err(failed)?;
        Ok(Begun::New(id))
    }

    /// Notes how an operation ended.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn finish(&mut self, id: u64, finished: &Finished, now: i64) -> Result<(), StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let sql = "update operation set state = ?, started_at = ?, finished_at = ?, done = ?, total = ?,
                   result = ?, result_is_large = ?, problem = ?, idempotency_key = iif(?, null, idempotency_key),
                   request = iif(?, null, request) where id = ?";
        let Finished { state, started_at, done, total, result, problem, never_began, audit } = finished;
        let large = result.as_ref().filter(|result| result.len() > SMALL);
        let small = result.as_ref().filter(|_| large.is_none());
        let (state, is_large) = (state.name(), large.is_some());
        let values = params![
            state,
            started_at,
            now,
            done,
            total,
            small,
            is_large,
            problem,
            never_began,
            never_began,
            id
        ];
        transaction.execute(sql, values).map_err(failed)?;
        if let Some(content) = large {
            let sql = "insert into large_result (operation_id, bytes, content) values (?, ?, ?)";
            transaction.execute(sql, params![id, content.len(), content]).map_err(failed)?;
        }
        if let Some(row) = audit {
            audit::add(&transaction, row)?;
        }
        transaction.commit().map_err(failed)?;
        self.grown += large.map_or(0, |content| content.len() as u64);
        Ok(())
    }

    /// One operation.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn operation(&mut self, id: u64) -> Result<Option<Operation>, StoreError> {
        let sql = format!("select {COLUMNS}, {RESULT} from operation where id = ?");
        self.connection.query_row(&sql, [id], read).optional().map_err(failed)
    }

    /// Ends everything that a run before left open. Gives how much that was.
    pub(super) fn end_what_was_left(&mut self, now: i64) -> Result<usize, StoreError> {
        let sql = "update operation set state = 'outcome_unknown', finished_at = ?, problem = ?
                   where finished_at is null";
        self.connection.execute(sql, params![now, INTERRUPTED]).map_err(failed)
    }

    /// The devices on which an operation of this kind was under way when a run before ended, since this time in
    /// milliseconds.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn interrupted(&mut self, kind: &str, since: i64) -> Result<Vec<String>, StoreError> {
        let sql = "select distinct device_id from operation where state = 'outcome_unknown' and kind = ?
                   and finished_at >= ? and problem = ? and device_id is not null";
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map(params![kind, since, INTERRUPTED], |row| row.get(0));
        rows.and_then(Iterator::collect).map_err(failed)
    }
}

/// What is said of an operation in whose middle the service ended.
const INTERRUPTED: &str = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"code":"outcome_unknown","detail":"The service ended while this was under way; whether it was done is not known."}"#;

/// An operation and what was noted of its request.
type Keyed = (Operation, Option<[u8; 32]>);

fn earlier(
    connection: &Connection,
    token: &str,
    token_id: u64,
    key: &str,
) -> Result<Option<Keyed>, StoreError> {
    let sql = format!(
        "select {COLUMNS}, {RESULT}, request from operation
         where token = ? and token_id = ? and idempotency_key = ?"
    );
    let values = params![token, token_id, key];
    let found = connection.query_row(&sql, values, |row| Ok((read(row)?, row.get(15)?)));
    found.optional().map_err(failed)
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Operation> {
    let state: String = row.get(5)?;
    let result: Option<String> = row.get(14)?;
    let left_out: Option<String> = row.get(13)?;
    let left_out = left_out.filter(|_| result.is_none());
    Ok(Operation {
        id: row.get(0)?,
        kind: row.get(1)?,
        device_id: row.get(2)?,
        subject: row.get(3)?,
        token: row.get(4)?,
        // A state that is unknown here says nothing of what was done.
        state: State::parse(&state).unwrap_or(State::OutcomeUnknown),
        created_at: row.get(6)?,
        started_at: row.get(7)?,
        finished_at: row.get(8)?,
        deadline: row.get(9)?,
        done: row.get(10)?,
        total: row.get(11)?,
        problem: row.get(12)?,
        left_out: left_out.map(|word| if word == "large" { LeftOut::Large } else { LeftOut::GivenUp }),
        result,
    })
}
