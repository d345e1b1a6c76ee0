//! What could not be placed, and what is missing: the quarantine and the gaps.

use postgres::{GenericClient, Transaction};

use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::store::journal::columns::{
    VERSION, device_id, gap_reason, number, origin, origin_words, reason, signed, time,
};
use crate::store::journal::cursor::Gap;
use crate::store::journal::placing::NewGap;
use crate::store::journal::quarantine::{Quarantined, Strange};
use crate::store::postgres::failed;

/// Puts something of a locked terminal aside, unless the same bytes wait.
pub(super) fn put(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
) -> Result<(), StoreError> {
    put_unless(transaction, terminal, device, strange, now, false)
}

/// Puts a record of the log aside, unless the same bytes are there, settled or not: whole logs are read again.
pub(super) fn put_from_log(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
) -> Result<(), StoreError> {
    put_unless(transaction, terminal, device, strange, now, true)
}

fn put_unless(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    device: &DeviceId,
    strange: &Strange,
    now: i64,
    or_settled: bool,
) -> Result<(), StoreError> {
    let (word, stride) = origin_words(strange.origin);
    transaction
        .execute(
            "insert into zkgate.quarantine \
             (terminal, device_id, origin, stride, reason, raw, noticed_at, tried_version) \
             select $1, $2, $3, $4, $5, $6, $7, $8 where not exists (select from zkgate.quarantine \
             where terminal = $1 and origin = $3 and sha256(raw) = sha256($6) and ($9 or settled_at is null))",
            &[
                &terminal,
                &device.as_str(),
                &word,
                &stride.map(i32::from),
                &strange.reason.word(),
                &strange.raw,
                &now,
                &VERSION,
                &or_settled,
            ],
        )
        .map(drop)
        .map_err(failed)
}

pub(super) fn quarantined(
    client: &mut impl GenericClient,
    after: u64,
    limit: u32,
    device: Option<&DeviceId>,
    settled: Option<bool>,
) -> Result<Vec<Quarantined>, StoreError> {
    let rows = client
        .query(
            "select q.id, q.device_id, t.serial_number, q.origin, q.stride, q.reason, q.raw, q.noticed_at, \
             q.tried_version, q.settled_at, q.settled_as \
             from zkgate.quarantine q join zkgate.terminal t on t.id = q.terminal \
             where q.id > $1 and ($2::text is null or q.device_id = $2) \
             and ($3::boolean is null or (q.settled_at is not null) = $3) order by q.id limit $4",
            &[&signed(after), &device.map(DeviceId::as_str), &settled, &i64::from(limit)],
        )
        .map_err(failed)?;
    let one = |row: &postgres::Row| {
        let word = |index: usize| row.try_get::<_, &str>(index).map_err(failed);
        let stride: Option<i32> = row.try_get(4).map_err(failed)?;
        Ok(Quarantined {
            id: number("id", row.try_get(0).map_err(failed)?)?,
            device_id: device_id(word(1)?)?,
            serial_number: word(2)?.to_owned(),
            strange: Strange {
                origin: origin(word(3)?, stride.map(i64::from))?,
                reason: reason(word(5)?)?,
                raw: row.try_get(6).map_err(failed)?,
            },
            noticed_at: row.try_get(7).map_err(failed)?,
            tried_version: word(8)?.to_owned(),
            settled_at: row.try_get(9).map_err(failed)?,
            settled_as: row.try_get(10).map_err(failed)?,
        })
    };
    rows.iter().map(one).collect()
}

pub(super) fn size(client: &mut impl GenericClient) -> Result<u64, StoreError> {
    let count = client
        .query_one("select count(*) from zkgate.quarantine where settled_at is null", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    number("count", count)
}

pub(super) fn settle(
    transaction: &mut Transaction<'_>,
    id: u64,
    settled_as: &str,
    now: i64,
) -> Result<bool, StoreError> {
    transaction
        .execute(
            "update zkgate.quarantine set settled_at = $3, settled_as = $2 \
             where id = $1 and settled_at is null",
            &[&signed(id), &settled_as, &now],
        )
        .map(|count| count > 0)
        .map_err(failed)
}

pub(super) fn settle_live(
    transaction: &mut Transaction<'_>,
    serial_number: &str,
    noticed_before: i64,
    now: i64,
) -> Result<u64, StoreError> {
    transaction
        .execute(
            "update zkgate.quarantine set settled_at = $3, settled_as = 'in_log' where settled_at is null \
             and origin = 'live' and noticed_at < $2 \
             and terminal = (select id from zkgate.terminal where serial_number = $1)",
            &[&serial_number, &noticed_before, &now],
        )
        .map_err(failed)
}

pub(super) fn tried(transaction: &mut Transaction<'_>, id: u64, version: &str) -> Result<(), StoreError> {
    transaction
        .execute("update zkgate.quarantine set tried_version = $2 where id = $1", &[&signed(id), &version])
        .map(drop)
        .map_err(failed)
}

pub(super) fn note_gap(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    device: &DeviceId,
    gap: &NewGap,
    now: i64,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "insert into zkgate.gap (terminal, device_id, from_time, to_time, reason, noticed_at) \
             values ($1, $2, $3, $4, $5, $6)",
            &[
                &terminal,
                &device.as_str(),
                &gap.from.map(|time| i64::from(time.0)),
                &i64::from(gap.to.0),
                &gap.reason.word(),
                &now,
            ],
        )
        .map(drop)
        .map_err(failed)
}

pub(super) fn gaps(client: &mut impl GenericClient, device: &DeviceId) -> Result<Vec<Gap>, StoreError> {
    let rows = client
        .query(
            "select g.id, g.device_id, t.serial_number, g.from_time, g.to_time, g.reason, g.noticed_at \
             from zkgate.gap g join zkgate.terminal t on t.id = g.terminal where g.device_id = $1 order by g.id",
            &[&device.as_str()],
        )
        .map_err(failed)?;
    let one = |row: &postgres::Row| {
        let word = |index: usize| row.try_get::<_, &str>(index).map_err(failed);
        let from: Option<i64> = row.try_get(3).map_err(failed)?;
        Ok(Gap {
            id: number("id", row.try_get(0).map_err(failed)?)?,
            device_id: device_id(word(1)?)?,
            serial_number: word(2)?.to_owned(),
            from: from.map(time).transpose()?,
            to: time(row.try_get(4).map_err(failed)?)?,
            reason: gap_reason(word(5)?)?,
            noticed_at: row.try_get(6).map_err(failed)?,
        })
    };
    rows.iter().map(one).collect()
}
