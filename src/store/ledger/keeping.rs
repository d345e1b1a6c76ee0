//! What is kept for how long. Old rows are cleared away by the ledger's own thread, at its start and about once an
//! hour, a portion at a time, so that a door does not wait for it.
//!
//! An idempotency key must not be forgotten early, or a door opens twice; so no calendar has a say in it. What counts
//! are the hours that the service has run: the host's clock may be wrong at its start, jump ahead and come back.

use std::time::{Duration, Instant};

use rusqlite::{TransactionBehavior, params};

use super::Book;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For how many hours, in which the service runs, an operation is kept.
    pub(super) hours: u32,
    /// The most operations without an idempotency key.
    pub(super) unkeyed: u32,
    /// The most with one.
    pub(super) keyed: u32,
    /// The most bytes of large results.
    pub(super) large: u64,
    /// Rows of the audit log; the trigger in the schema names the same number.
    pub(super) audit: u32,
}

/// When the next portion is due.
#[derive(Debug)]
pub(super) struct Keeping {
    /// When the hour is over.
    hour_ends: Instant,
    /// Whether there is more to clear away.
    more: bool,
}

const HOUR: Duration = Duration::from_secs(3600);
/// Rows that are cleared away in one portion.
const PORTION: u32 = 500;
/// Large results that are cleared away in one portion.
const LARGE_PORTION: u32 = 50;
/// When so many bytes of large results were added, nobody waits for the end of the hour.
const GROWN: u64 = 8 * 1024 * 1024;

impl Limits {
    /// Those of the service.
    pub(super) const USUAL: Self =
        Self { hours: 30 * 24, unkeyed: 100_000, keyed: 1_000_000, large: 64 * 1024 * 1024, audit: 500_000 };
}

impl Keeping {
    /// The first portion is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { hour_ends: now + HOUR, more: true }
    }

    /// For how long somebody's task may be waited for.
    pub(super) const fn wait(&self, otherwise: Duration) -> Duration {
        if self.more { Duration::ZERO } else { otherwise }
    }

    /// Does what is due. A failure is told, and tried again when more is due.
    pub(super) fn turn(&mut self, book: &mut Book, now: Instant) -> Option<Result<(), StoreError>> {
        let hour_is_over = now >= self.hour_ends;
        if !hour_is_over && !self.more && book.grown < GROWN {
            return None;
        }
        if hour_is_over {
            self.hour_ends = now + HOUR;
        }
        (self.more, book.grown) = (false, 0);
        let noted = if hour_is_over { book.end_hour() } else { Ok(()) };
        let swept = noted.and_then(|()| book.sweep());
        self.more = *swept.as_ref().unwrap_or(&false);
        Some(swept.map(drop))
    }
}

impl Book {
    /// Notes that the service has run for another hour.
    fn end_hour(&mut self) -> Result<(), StoreError> {
        let sql = "insert into hour (operation_id) select coalesce(max(id), 0) from operation";
        self.connection.execute(sql, []).map_err(failed)?;
        Ok(())
    }

    /// Clears away one portion of what may go. Gives whether there may be more.
    ///
    /// # Errors
    /// Whatever the file says.
    pub(super) fn sweep(&mut self) -> Result<bool, StoreError> {
        let Limits { hours, unkeyed, keyed, large, audit } = self.limits;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut more = false;
        for (sql, limit, portion) in [
            (OLD_HOURS, i64::from(hours), PORTION),
            (OLD, i64::from(hours), PORTION),
            (UNKEYED, i64::from(unkeyed), PORTION),
            (KEYED, i64::from(keyed), PORTION),
            (LARGE, i64::try_from(large).unwrap_or(i64::MAX), LARGE_PORTION),
            (AUDIT, i64::from(audit), PORTION),
        ] {
            let gone = transaction.execute(sql, params![limit, portion]).map_err(failed)?;
            more |= gone >= portion as usize;
        }
        transaction.commit().map_err(failed)?;
        Ok(more)
    }
}

const OLD_HOURS: &str = "delete from hour where number in
    (select number from hour where number < (select max(number) from hour) - ?1 limit ?2)";

/// Those that had begun when the hour ended that lies so many hours back.
const OLD: &str = "delete from operation where id in
    (select id from operation where finished_at is not null
     and id <= (select operation_id from hour order by number desc limit 1 offset ?1) limit ?2)";

const UNKEYED: &str = "delete from operation where id in
    (select id from operation where idempotency_key is null and finished_at is not null
     and id <= (select id from operation where idempotency_key is null order by id desc limit 1 offset ?1)
     order by id limit ?2)";

const KEYED: &str = "delete from operation where id in
    (select id from operation where idempotency_key is not null and finished_at is not null
     and id <= (select id from operation where idempotency_key is not null order by id desc limit 1 offset ?1)
     order by id limit ?2)";

/// The oldest, as far as all that are newer fill the room.
const LARGE: &str = "delete from large_result where operation_id in
    (select operation_id from
     (select operation_id, sum(bytes) over (order by operation_id desc) as total from large_result)
     where total > ?1 order by operation_id limit ?2)";

const AUDIT: &str = "delete from audit where seq in
    (select seq from audit where seq <= (select max(seq) from audit) - ?1 order by seq limit ?2)";
