//! Deleting old rows.

use rusqlite::{Transaction, params};

use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed};
use crate::store::journal::purge::{LOOK, Looked, READ_CEILING, Round};

pub(super) fn purge(
    transaction: &Transaction<'_>,
    round: Round,
    received_before: i64,
    up_to: u64,
    limit: u32,
) -> Result<(u64, Round), StoreError> {
    let from = signed(round.up_to);
    let (count, last, latest): (i64, i64, i64) = transaction
        .prepare_cached(
            "select count(*), coalesce(max(seq), 0), coalesce(max(received_at), 0) \
             from (select seq, received_at from punch where seq > ?1 and seq <= ?2 order by seq limit ?3)",
        )
        .and_then(|mut statement| {
            statement.query_row(params![from, signed(up_to), LOOK], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
        .map_err(failed)?;
    let deleted = transaction
        .prepare_cached(
            "delete from punch where seq in (select p.seq from punch p cross join terminal t on t.id = p.terminal \
             where p.seq > ?1 and p.seq <= ?2 and p.received_at < ?3 and t.complete and p.pass < t.pass \
             and (p.pass > 0 or p.received_at < t.verified_at - ?4) order by p.seq limit ?5)",
        )
        .and_then(|mut statement| {
            statement.execute(params![from, last, received_before, READ_CEILING, limit])
        })
        .map_err(failed)? as u64;
    let looked = Looked { count, last: number("seq", last)?, latest };
    Ok((deleted, round.next(looked, received_before, deleted, limit)))
}
