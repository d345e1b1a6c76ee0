//! Counting the rows that a filter takes without reading them: an index is gone through that holds what is compared.

use rusqlite::{ToSql, Transaction};

use super::reading::{TERMINALS, Values};
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed};
use crate::store::journal::query::{Filter, NUMBERS, Survey};
use crate::store::journal::way::{self, Way};

pub(super) fn survey(
    transaction: &Transaction<'_>,
    filter: &Filter,
    after: u64,
) -> Result<Survey, StoreError> {
    way::survey(filter, |way| walk(transaction, filter, way, after))
}

/// Goes along one index; `None` when that is too far.
fn walk(
    transaction: &Transaction<'_>,
    filter: &Filter,
    way: Way,
    after: u64,
) -> Result<Option<Survey>, StoreError> {
    let values = Values::new(filter, after);
    let (low, high) = way::span(filter);
    let span = "p.time >= :low and p.time < :high";
    let (index, rows) = match way {
        Way::Users { .. } => ("punch_user", "p.user_id in (select value from json_each(:users))".to_owned()),
        Way::Terminals { .. } => ("punch_identity", format!("p.terminal in {TERMINALS} and {span}")),
        Way::Time { .. } => ("punch_time", span.to_owned()),
        Way::Devices { .. } => {
            ("punch_device", "p.device_id in (select value from json_each(:devices))".to_owned())
        }
    };
    let mut parameters: Vec<(&str, &dyn ToSql)> = values.with(None);
    // Only a number that the statement names may be given to it.
    parameters.retain(|(name, _)| *name != ":after");
    if rows.contains(":low") {
        parameters.extend([(":low", &low as &dyn ToSql), (":high", &high)]);
    }
    let sql = format!("select p.seq, {} from punch p indexed by {index} where {rows}", values.taken());
    let mut statement = transaction.prepare_cached(&sql).map_err(failed)?;
    let mut entries = statement.query(&*parameters).map_err(failed)?;
    let (mut looked, mut count, mut first, mut numbers) = (0, 0, None, Vec::new());
    let after = signed(after);
    while let Some(entry) = entries.next().map_err(failed)? {
        looked += 1;
        if looked > way.limit() {
            return Ok(None);
        }
        if entry.get::<_, Option<bool>>(1).map_err(failed)? != Some(true) {
            continue;
        }
        let seq: i64 = entry.get(0).map_err(failed)?;
        count += 1;
        if seq > after && first.is_none_or(|first| seq < first) {
            first = Some(seq);
        }
        if count <= NUMBERS {
            numbers.push(number("seq", seq)?);
        }
    }
    numbers.sort_unstable();
    Ok(Some(Survey {
        count: Some(count as u64),
        first: first.map(|first| number("seq", first)).transpose()?,
        numbers: (count <= NUMBERS).then_some(numbers),
    }))
}
