//! Counting the rows that a filter takes without showing them: an index is gone through that tells the most of them.

use postgres::Transaction;

use super::reading::{Parameters, Search};
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed};
use crate::store::journal::query::{Filter, LOOK, NUMBERS, Survey};
use crate::store::journal::way::{self, Way};
use crate::store::postgres::failed;

pub(super) fn survey(
    transaction: &mut Transaction<'_>,
    filter: &Filter,
    after: u64,
) -> Result<Survey, StoreError> {
    way::survey(filter, |way| walk(transaction, filter, way, after))
}

/// Goes along one index; `None` when that is too far.
fn walk(
    transaction: &mut Transaction<'_>,
    filter: &Filter,
    way: Way,
    after: u64,
) -> Result<Option<Survey>, StoreError> {
    let search = Search::new(filter, after);
    let (low, high) = way::span(filter);
    let after = signed(after);
    let mut values = Parameters::default();
    let behind = values.add(&after);
    let taken = search.taken(&mut values);
    let rows = match way {
        Way::Users { .. } => format!("p.user_id = any({}::text[])", values.add(&search.users)),
        Way::Devices { .. } => format!("p.device_id = any({}::text[])", values.add(&search.devices)),
        Way::Terminals { .. } => {
            let terminals = search.terminals(&mut values);
            format!("p.terminal in {terminals} and {}", span(&low, &high, &mut values))
        }
        Way::Time { .. } => format!("{} order by p.time", span(&low, &high, &mut values)),
    };
    let limit = match way {
        // This index does not hold the numbers.
        Way::Terminals { .. } => LOOK,
        way => way.limit(),
    };
    let sql = format!(
        "with met as materialized (select p.seq, (true {taken}) as taken from zkgate.punch p where {rows} limit {}) \
         select count(*), count(*) filter (where taken), min(seq) filter (where taken and seq > {behind}), \
         case when count(*) filter (where taken) <= {NUMBERS} then array_agg(seq) filter (where taken) end from met",
        limit + 1
    );
    let met = transaction.query_one(&sql, &values.0).map_err(failed)?;
    let looked: i64 = met.try_get(0).map_err(failed)?;
    if looked > limit as i64 {
        return Ok(None);
    }
    let count: u64 = number("count", met.try_get(1).map_err(failed)?)?;
    let first: Option<i64> = met.try_get(2).map_err(failed)?;
    let numbers = if count <= NUMBERS as u64 {
        let seqs: Option<Vec<i64>> = met.try_get(3).map_err(failed)?;
        let seqs = seqs.unwrap_or_default().into_iter();
        let mut numbers = seqs.map(|seq| number("seq", seq)).collect::<Result<Vec<u64>, _>>()?;
        numbers.sort_unstable();
        Some(numbers)
    } else {
        None
    };
    let first = first.map(|first| number("seq", first)).transpose()?;
    Ok(Some(Survey { count: Some(count), first, numbers }))
}

fn span<'p>(low: &'p i64, high: &'p i64, values: &mut Parameters<'p>) -> String {
    format!("p.time >= {} and p.time < {}", values.add(low), values.add(high))
}
