//! What could not be placed, and what is missing: the quarantine and the gaps.

use rusqlite::{Connection, Transaction, params};

use crate::base::ids::DeviceId;
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{
    VERSION, device_id, gap_reason, number, origin, origin_words, reason, signed, time,
};
use crate::store::journal::cursor::Gap;
use crate::store::journal::placing::NewGap;
use crate::store::journal::quarantine::{Quarantined, Strange};

/// Puts something aside, unless the same bytes wait.
pub(super) fn put(
    transaction: &Transaction<'_>,
    terminal: i64,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
) -> Result<(), StoreError> {
    put_unless(transaction, terminal, device, strange, now, false)
}

/// Puts a record of the log aside, unless the same bytes are there, settled or not: whole logs are read again.
pub(super) fn put_from_log(
    transaction: &Transaction<'_>,
    terminal: i64,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
) -> Result<(), StoreError> {
    put_unless(transaction, terminal, device, strange, now, true)
}

fn put_unless(
    transaction: &Transaction<'_>,
    terminal: i64,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
    or_settled: bool,
) -> Result<(), StoreError> {
    let (word, stride) = origin_words(strange.origin);
    transaction
        .prepare_cached(
            "insert into quarantine (terminal, device_id, origin, stride, reason, raw, noticed_at, tried_version) \
             select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 where not exists (select 1 from quarantine \
             where terminal = ?1 and origin = ?3 and raw = ?6 and (?9 or settled_at is null))",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                terminal,
                device.as_str(),
                word,
                stride,
                strange.reason.word(),
                strange.raw,
                now,
                VERSION,
                or_settled,
            ])
        })
        .map(drop)
        .map_err(failed)
}

pub(super) fn quarantined(
    connection: &Connection,
    after: u64,
    limit: u32,
    device: Option<&DeviceId>,
    settled: Option<bool>,
) -> Result<Vec<Quarantined>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "select q.id, q.device_id, t.serial_number, q.origin, q.stride, q.reason, q.raw, q.noticed_at, \
             q.tried_version, q.settled_at, q.settled_as from quarantine q join terminal t on t.id = q.terminal \
             where q.id > ?1 and (?2 is null or q.device_id = ?2) \
             and (?3 is null or (q.settled_at is not null) = ?3) order by q.id limit ?4",
        )
        .map_err(failed)?;
    let device = device.map(DeviceId::as_str);
    let mut rows = statement.query(params![signed(after), device, settled, limit]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let word = |index: usize| row.get::<_, String>(index).map_err(failed);
        found.push(Quarantined {
            id: number("id", row.get(0).map_err(failed)?)?,
            device_id: device_id(&word(1)?)?,
            serial_number: word(2)?,
            strange: Strange {
                origin: origin(&word(3)?, row.get(4).map_err(failed)?)?,
                reason: reason(&word(5)?)?,
                raw: row.get(6).map_err(failed)?,
            },
            noticed_at: row.get(7).map_err(failed)?,
            tried_version: word(8)?,
            settled_at: row.get(9).map_err(failed)?,
            settled_as: row.get(10).map_err(failed)?,
        });
    }
    Ok(found)
}

pub(super) fn size(connection: &Connection) -> Result<u64, StoreError> {
    let count = connection
        .prepare_cached("select count(*) from quarantine where settled_at is null")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    number("count", count)
}

pub(super) fn settle(
    connection: &Connection,
    id: u64,
    settled_as: &str,
    now: i64,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "update quarantine set settled_at = ?3, settled_as = ?2 where id = ?1 and settled_at is null",
        )
        .and_then(|mut statement| statement.execute(params![signed(id), settled_as, now]))
        .map(|count| count > 0)
        .map_err(failed)
}

pub(super) fn settle_live(
    connection: &Connection,
    serial_number: &str,
    noticed_before: i64,
    now: i64,
) -> Result<u64, StoreError> {
    connection
        .prepare_cached(
            "update quarantine set settled_at = ?3, settled_as = 'in_log' where settled_at is null \
             and origin = 'live' and noticed_at < ?2 \
             and terminal = (select id from terminal where serial_number = ?1)",
        )
        .and_then(|mut statement| statement.execute(params![serial_number, noticed_before, now]))
        .map(|count| count as u64)
        .map_err(failed)
}

pub(super) fn tried(connection: &Connection, id: u64, version: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("update quarantine set tried_version = ?2 where id = ?1")
        .and_then(|mut statement| statement.execute(params![signed(id), version]))
        .map(drop)
        .map_err(failed)
}

pub(super) fn note_gap(
    transaction: &Transaction<'_>,
    terminal: i64,
    device: &DeviceId,
    gap: &NewGap,
    now: i64,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "insert into gap (terminal, device_id, from_time, to_time, reason, noticed_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                terminal,
                device.as_str(),
                gap.from.map(|time| time.0),
                gap.to.0,
                gap.reason.word(),
                now,
            ])
        })
        .map(drop)
        .map_err(failed)
}

pub(super) fn gaps(connection: &Connection, device: &DeviceId) -> Result<Vec<Gap>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "select g.id, g.device_id, t.serial_number, g.from_time, g.to_time, g.reason, g.noticed_at \
             from gap g join terminal t on t.id = g.terminal where g.device_id = ?1 order by g.id",
        )
        .map_err(failed)?;
    let mut rows = statement.query([device.as_str()]).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let word = |index: usize| row.get::<_, String>(index).map_err(failed);
        found.push(Gap {
            id: number("id", row.get(0).map_err(failed)?)?,
            device_id: device_id(&word(1)?)?,
            serial_number: word(2)?,
            from: row.get::<_, Option<i64>>(3).map_err(failed)?.map(time).transpose()?,
            to: time(row.get(4).map_err(failed)?)?,
            reason: gap_reason(&word(5)?)?,
            noticed_at: row.get(6).map_err(failed)?,
        });
    }
    Ok(found)
}
