//! Terminals: their small numbers, their newest time, and their cursors.

use rusqlite::{Connection, OptionalExtension, params};

use crate::base::ids::DeviceId;
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed, time};
use crate::store::journal::cursor::Cursor;
use crate::wire::clock_word::ClockWord;

/// What placing needs to know of a terminal.
#[derive(Clone, Copy)]
pub(super) struct Terminal {
    pub(super) id: i64,
    pub(super) revision: u64,
    /// No row of it is later.
    pub(super) newest: Option<ClockWord>,
}

pub(super) fn find(connection: &Connection, serial_number: &str) -> Result<Option<Terminal>, StoreError> {
    let found: Option<(i64, i64, Option<i64>)> = connection
        .prepare_cached("select id, revision, newest from terminal where serial_number = ?1")
        .and_then(|mut statement| {
            statement.query_row([serial_number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(failed)?;
    let Some((id, revision, newest)) = found else { return Ok(None) };
    let newest = newest.map(time).transpose()?;
    Ok(Some(Terminal { id, revision: number("revision", revision)?, newest }))
}

pub(super) fn find_or_make(
    connection: &Connection,
    serial_number: &str,
    device: &DeviceId,
) -> Result<Terminal, StoreError> {
    if let Some(known) = find(connection, serial_number)? {
        return Ok(known);
    }
    connection
        .prepare_cached("insert into terminal (serial_number, device_id) values (?1, ?2)")
        .and_then(|mut statement| statement.execute([serial_number, device.as_str()]))
        .map_err(failed)?;
    Ok(Terminal { id: connection.last_insert_rowid(), revision: 0, newest: None })
}

/// Where a terminal was seen last, and its newest time if this one is newer.
pub(super) fn keep_newest(
    connection: &Connection,
    terminal: i64,
    device: &DeviceId,
    newest: Option<ClockWord>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "update terminal set device_id = ?2, newest = coalesce(max(newest, ?3), newest, ?3) where id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![terminal, device.as_str(), newest.map(|time| time.0)])
        })
        .map(drop)
        .map_err(failed)
}

pub(super) fn cursor(connection: &Connection, serial_number: &str) -> Result<Option<Cursor>, StoreError> {
    let mut statement = connection
        .prepare_cached(
            "select revision, pass, stride, records, overlap, digest, last_seq, sought_seq, sought_records, \
             complete, verified_at, verified_time, compared_at, device_count, drift, proved_before \
             from terminal where serial_number = ?1 and revision > 0",
        )
        .map_err(failed)?;
    let mut rows = statement.query([serial_number]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let column = |index: usize| row.get::<_, i64>(index).map_err(failed);
    let perhaps = |index: usize| row.get::<_, Option<i64>>(index).map_err(failed);
    Ok(Some(Cursor {
        revision: number("revision", column(0)?)?,
        pass: number("pass", column(1)?)?,
        stride: number("stride", column(2)?)?,
        records: number("records", column(3)?)?,
        overlap: number("overlap", column(4)?)?,
        digest: row.get(5).map_err(failed)?,
        last_seq: number("last_seq", column(6)?)?,
        sought_seq: number("sought_seq", column(7)?)?,
        sought_records: number("sought_records", column(8)?)?,
        complete: row.get(9).map_err(failed)?,
        verified_at: perhaps(10)?,
        verified_time: perhaps(11)?.map(time).transpose()?,
        compared_at: perhaps(12)?,
        device_count: perhaps(13)?.map(|count| number("device_count", count)).transpose()?,
        drift: perhaps(14)?,
        proved_before: perhaps(15)?.map(time).transpose()?,
    }))
}

pub(super) fn keep_cursor(connection: &Connection, terminal: i64, cursor: &Cursor) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "update terminal set revision = ?2, pass = ?3, stride = ?4, records = ?5, overlap = ?6, digest = ?7, \
             last_seq = ?8, sought_seq = ?9, sought_records = ?10, complete = ?11, verified_at = ?12, \
             verified_time = ?13, compared_at = ?14, device_count = ?15, drift = ?16, proved_before = ?17 \
             where id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                terminal,
                signed(cursor.revision),
                signed(cursor.pass),
                cursor.stride,
                signed(cursor.records),
                cursor.overlap,
                cursor.digest,
                signed(cursor.last_seq),
                signed(cursor.sought_seq),
                signed(cursor.sought_records),
                cursor.complete,
                cursor.verified_at,
                cursor.verified_time.map(|time| time.0),
                cursor.compared_at,
                cursor.device_count,
                cursor.drift,
                cursor.proved_before.map(|time| time.0),
            ])
        })
        .map(drop)
        .map_err(failed)
}
