//! Deleting old rows.

use postgres::Transaction;

use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed};
use crate::store::journal::purge::{LOOK, Looked, READ_CEILING, Round};
use crate::store::postgres::failed;

pub(super) fn purge(
    transaction: &mut Transaction<'_>,
    round: Round,
    received_before: i64,
    up_to: u64,
    limit: u32,
) -> Result<(u64, Round), StoreError> {
    let from = signed(round.up_to);
    let row = transaction
        .query_one(
            "select count(*), coalesce(max(seq), 0), coalesce(max(received_at), 0) from \
             (select seq, received_at from zkgate.punch where seq > $1 and seq <= $2 order by seq limit $3) s",
            &[&from, &signed(up_to), &LOOK],
        )
        .map_err(failed)?;
    let last: i64 = row.try_get(1).map_err(failed)?;
    let looked = Looked {
        count: row.try_get(0).map_err(failed)?,
        last: number("seq", last)?,
        latest: row.try_get(2).map_err(failed)?,
    };
    let gone = "p.received_at < $1 and t.complete and p.pass < t.pass \
         and (p.pass > 0 or p.received_at < t.verified_at - $2)";
    let found = transaction
        .query(
            &format!(
                "select p.seq, p.terminal from (select seq, terminal, pass, received_at from zkgate.punch \
                 where seq > $3 and seq <= $4 order by seq offset 0) p \
                 join zkgate.terminal t on t.id = p.terminal where {gone} limit $5"
            ),
            &[&received_before, &READ_CEILING, &from, &last, &i64::from(limit)],
        )
        .map_err(failed)?;
    let mut seqs: Vec<i64> = Vec::with_capacity(found.len());
    let mut terminals: Vec<i32> = Vec::new();
    for row in found {
        seqs.push(row.try_get(0).map_err(failed)?);
        terminals.push(row.try_get(1).map_err(failed)?);
    }
    terminals.sort_unstable();
    terminals.dedup();
    // Whoever reads such a log at this moment must not find rows that go away; nor can they have come back.
    transaction
        .execute(
            "select from zkgate.terminal where id = any($1::integer[]) order by serial_number \
             for no key update",
            &[&terminals],
        )
        .map_err(failed)?;
    let deleted = transaction
        .execute(
            &format!(
                "delete from zkgate.punch p using zkgate.terminal t \
                 where t.id = p.terminal and p.seq = any($3::bigint[]) and {gone}"
            ),
            &[&received_before, &READ_CEILING, &seqs],
        )
        .map_err(failed)?;
    // Whether there may be more is a matter of what was found.
    Ok((deleted, round.next(looked, received_before, seqs.len() as u64, limit)))
}
