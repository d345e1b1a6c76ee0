//! Terminals: their small numbers, their newest time, and their cursors.

use postgres::{GenericClient, Row, Transaction};

use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed, time};
use crate::store::journal::cursor::Cursor;
use crate::store::postgres::failed;
use crate::wire::clock_word::ClockWord;

/// What placing needs to know of a terminal.
#[derive(Clone, Copy)]
pub(super) struct Terminal {
    pub(super) id: i32,
    pub(super) revision: u64,
    /// No row of it is later.
    pub(super) newest: Option<ClockWord>,
}

/// Locks a terminal: nobody else places anything of it until the transaction ends.
pub(super) fn find(
    transaction: &mut Transaction<'_>,
    serial_number: &str,
) -> Result<Option<Terminal>, StoreError> {
    let row = transaction
        .query_opt(
            "select id, revision, newest from zkgate.terminal where serial_number = $1 for no key update",
            &[&serial_number],
        )
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Terminal {
        id: row.try_get(0).map_err(failed)?,
        revision: number("revision", row.try_get(1).map_err(failed)?)?,
        newest: perhaps_time(&row, 2)?,
    }))
}

/// Locks a terminal, and makes it if it is new.
pub(super) fn find_or_make(
    transaction: &mut Transaction<'_>,
    serial_number: &str,
    device: &DeviceId,
) -> Result<Terminal, StoreError> {
    if let Some(known) = find(transaction, serial_number)? {
        return Ok(known);
    }
    // Somebody else may make it at the same time, and is waited for then.
    transaction
        .execute(
            "insert into zkgate.terminal (serial_number, device_id) values ($1, $2) \
             on conflict (serial_number) do nothing",
            &[&serial_number, &device.as_str()],
        )
        .map_err(failed)?;
    find(transaction, serial_number)?.ok_or(StoreError::Internal { outcome_unknown: false })
}

/// Where a terminal was seen last, and its newest time if this one is newer.
pub(super) fn keep_newest(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    device: &DeviceId,
    newest: Option<ClockWord>,
) -> Result<(), StoreError> {
    transaction
        .execute(
            "update zkgate.terminal set device_id = $2, newest = greatest(newest, $3) where id = $1",
            &[&terminal, &device.as_str(), &newest.map(|time| i64::from(time.0))],
        )
        .map(drop)
        .map_err(failed)
}

pub(super) fn newest(
    client: &mut impl GenericClient,
    serial_number: &str,
) -> Result<Option<ClockWord>, StoreError> {
    let row = client
        .query_opt("select newest from zkgate.terminal where serial_number = $1", &[&serial_number])
        .map_err(failed)?;
    row.map_or(Ok(None), |row| perhaps_time(&row, 0))
}

pub(super) fn cursor(
    client: &mut impl GenericClient,
    serial_number: &str,
) -> Result<Option<Cursor>, StoreError> {
    let row = client
        .query_opt(
            "select revision, pass, stride, records, overlap, digest, last_seq, sought_seq, sought_records, \
             complete, verified_at, verified_time, compared_at, device_count, drift, proved_before \
             from zkgate.terminal where serial_number = $1 and revision > 0",
            &[&serial_number],
        )
        .map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let column = |index: usize| row.try_get::<_, i64>(index).map_err(failed);
    let perhaps = |index: usize| row.try_get::<_, Option<i64>>(index).map_err(failed);
    let stride: i32 = row.try_get(2).map_err(failed)?;
    Ok(Some(Cursor {
        revision: number("revision", column(0)?)?,
        pass: number("pass", column(1)?)?,
        stride: number("stride", stride.into())?,
        records: number("records", column(3)?)?,
        overlap: number("overlap", column(4)?)?,
        digest: row.try_get(5).map_err(failed)?,
        last_seq: number("last_seq", column(6)?)?,
        sought_seq: number("sought_seq", column(7)?)?,
        sought_records: number("sought_records", column(8)?)?,
        complete: row.try_get(9).map_err(failed)?,
        verified_at: perhaps(10)?,
        verified_time: perhaps_time(&row, 11)?,
        compared_at: perhaps(12)?,
        device_count: perhaps(13)?.map(|count| number("device_count", count)).transpose()?,
        drift: perhaps(14)?,
        proved_before: perhaps_time(&row, 15)?,
    }))
}

pub(super) fn keep_cursor(
    transaction: &mut Transaction<'_>,
    terminal: i32,
    cursor: &Cursor,
) -> Result<(), StoreError> {
    let word = |time: Option<ClockWord>| time.map(|time| i64::from(time.0));
    transaction
        .execute(
            "update zkgate.terminal set revision = $2, pass = $3, stride = $4, records = $5, overlap = $6, \
             digest = $7, last_seq = $8, sought_seq = $9, sought_records = $10, complete = $11, \
             verified_at = $12, verified_time = $13, compared_at = $14, device_count = $15, drift = $16, \
             proved_before = $17 where id = $1",
            &[
                &terminal,
                &signed(cursor.revision),
                &signed(cursor.pass),
                &i32::from(cursor.stride),
                &signed(cursor.records),
                &i64::from(cursor.overlap),
                &cursor.digest,
                &signed(cursor.last_seq),
                &signed(cursor.sought_seq),
                &signed(cursor.sought_records),
                &cursor.complete,
                &cursor.verified_at,
                &word(cursor.verified_time),
                &cursor.compared_at,
                &cursor.device_count.map(i64::from),
                &cursor.drift,
                &word(cursor.proved_before),
            ],
        )
        .map(drop)
        .map_err(failed)
}

fn perhaps_time(row: &Row, index: usize) -> Result<Option<ClockWord>, StoreError> {
    row.try_get::<_, Option<i64>>(index).map_err(failed)?.map(time).transpose()
}
