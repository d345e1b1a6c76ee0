//! Placing: what the log or a live event told becomes rows.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, Transaction, params};

use super::{aside, reading, terminal};
use crate::store::embedded::failed;
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed, user_id_text};
use crate::store::journal::placing::{
    self, LivePlaced, LivePlacement, LiveRecord, LogBatch, LogOutcome, LogPlaced, Present, Spot,
};
use crate::store::journal::plan::{self, LivePresent};
use crate::store::journal::row::{Record, Row, Source};

pub(super) fn place_log(transaction: &Transaction<'_>, batch: &LogBatch) -> Result<LogOutcome, StoreError> {
    let known = terminal::find(transaction, &batch.serial_number)?;
    if known.map_or(0, |known| known.revision) != batch.continues {
        return Ok(LogOutcome::Outdated);
    }
    let terminal = match known {
        Some(known) => known,
        None => terminal::find_or_make(transaction, &batch.serial_number, &batch.device_id)?,
    };
    let mut present = HashMap::new();
    let mut look = transaction.prepare_cached(LOOK).map_err(failed)?;
    for spot in placing::spots_to_look_at(&batch.records, terminal.newest) {
        let rows = rows_at(&mut look, terminal.id, spot)?;
        if !rows.is_empty() {
            present.insert(spot, rows);
        }
    }
    let pass = batch.cursor.pass;
    let placements = placing::place_log(&batch.records, &present, pass);
    let last = reading::head(transaction)?;
    let plan = plan::plan_log(batch, &placements, last);
    meet(transaction, &plan.met, pass)?;
    complete(transaction, &plan.completed, pass)?;
    insert(transaction, terminal.id, &plan.rows, pass)?;
    keep_head(transaction, last + plan.rows.len() as u64)?;
    let newest = batch.records.iter().map(|record| record.time).max();
    terminal::keep_newest(transaction, terminal.id, &batch.device_id, newest)?;
    let cursor = placing::kept_cursor(batch, &plan.seqs);
    terminal::keep_cursor(transaction, terminal.id, &cursor)?;
    for strange in &batch.strange {
        aside::put_from_log(transaction, terminal.id, &batch.device_id, strange, batch.received_at)?;
    }
    if let Some(gap) = &batch.gap {
        aside::note_gap(transaction, terminal.id, &batch.device_id, gap, batch.received_at)?;
    }
    let (met, completed) = (plan.met.len() as u64, plan.completed.len() as u64);
    let added = plan.rows.len() as u64;
    Ok(LogOutcome::Placed(LogPlaced { cursor, rows: plan.rows, added, completed, met }))
}

pub(super) fn place_live(
    transaction: &Transaction<'_>,
    events: &[LiveRecord],
) -> Result<LivePlaced, StoreError> {
    let mut terminals = HashMap::new();
    let mut present = LivePresent::new();
    let mut look = transaction.prepare_cached(LOOK).map_err(failed)?;
    for event in events {
        let serial_number = event.serial_number.as_str();
        let id = match terminals.get(serial_number) {
            Some(id) => *id,
            None => terminal::find_or_make(transaction, serial_number, &event.device_id)?.id,
        };
        terminals.insert(serial_number, id);
        let spot = (event.record.time, event.record.person);
        present.insert((serial_number, spot), rows_at(&mut look, id, spot)?);
    }
    let outcomes = plan::place_live(events, &mut present);
    let last = reading::head(transaction)?;
    let placed = plan::live_placed(events, outcomes, last);
    for row in &placed.rows {
        let Some(id) = terminals.get(row.serial_number.as_str()) else { continue };
        insert(transaction, *id, std::slice::from_ref(row), 0)?;
        terminal::keep_newest(transaction, *id, &row.device_id, Some(row.record.time))?;
    }
    keep_head(transaction, last + placed.rows.len() as u64)?;
    for (event, outcome) in events.iter().zip(&placed.outcomes) {
        let Some(id) = terminals.get(event.serial_number.as_str()) else { continue };
        if *outcome == LivePlacement::Conflict {
            aside::put(transaction, *id, &event.device_id, &plan::conflict(event), event.received_at)?;
        }
    }
    Ok(placed)
}

fn keep_head(transaction: &Transaction<'_>, last: u64) -> Result<(), StoreError> {
    transaction
        .prepare_cached("update journal_head set last_seq = ?1 where last_seq < ?1")
        .and_then(|mut statement| statement.execute([signed(last)]))
        .map(drop)
        .map_err(failed)
}

const LOOK: &str = "select seq, punch_state, verify_mode, work_code, ordinal, pass from punch \
     where terminal = ?1 and time = ?2 and person = ?3";

fn rows_at(
    look: &mut CachedStatement<'_>,
    terminal: i64,
    (time, person): Spot,
) -> Result<Vec<Present>, StoreError> {
    let mut rows = look.query(params![terminal, time.0, person.key()]).map_err(failed)?;
    let mut present = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let column = |index: usize| row.get::<_, i64>(index).map_err(failed);
        let work_code: Option<i64> = row.get(3).map_err(failed)?;
        present.push(Present {
            seq: number("seq", column(0)?)?,
            punch_state: number("punch_state", column(1)?)?,
            verify_mode: number("verify_mode", column(2)?)?,
            work_code: work_code.map(|code| number("work_code", code)).transpose()?,
            ordinal: number("ordinal", column(4)?)?,
            pass: number("pass", column(5)?)?,
        });
    }
    Ok(present)
}

fn insert(connection: &Connection, terminal: i64, rows: &[Row], pass: u64) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached(
            "insert into punch (seq, terminal, device_id, person, user_id, time, instant, certainty, punch_state, \
             verify_mode, work_code, ordinal, pass, source, received_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )
        .map_err(failed)?;
    for row in rows {
        let record = &row.record;
        statement
            .execute(params![
                signed(row.seq),
                terminal,
                row.device_id.as_str(),
                record.person.key(),
                user_id_text(record.user_id.as_ref()),
                record.time.0,
                record.moment.instant,
                record.moment.certainty.number(),
                record.punch_state,
                record.verify_mode,
                record.work_code,
                row.ordinal,
                signed(pass),
                row.source.number(),
                row.received_at,
            ])
            .map_err(failed)?;
    }
    Ok(())
}

fn meet(connection: &Connection, met: &[(u64, &Record)], pass: u64) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("update punch set pass = ?2 where seq = ?1").map_err(failed)?;
    for (seq, record) in met {
        statement.execute([signed(*seq), signed(pass)]).map_err(failed)?;
        keep_user(connection, *seq, record, false)?;
    }
    Ok(())
}

fn complete(connection: &Connection, completed: &[(u64, u32, &Record)], pass: u64) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached(
            "update punch set punch_state = ?2, verify_mode = ?3, work_code = ?4, ordinal = ?5, pass = ?6, \
             source = ?7 where seq = ?1",
        )
        .map_err(failed)?;
    for (seq, ordinal, record) in completed {
        statement
            .execute(params![
                signed(*seq),
                record.punch_state,
                record.verify_mode,
                record.work_code,
                ordinal,
                signed(pass),
                Source::Both.number(),
            ])
            .map_err(failed)?;
        keep_user(connection, *seq, record, true)?;
    }
    Ok(())
}

/// Whoever is known by an internal index only may have become known since. `anew`: whoever was named by a live event
/// is who the log's reader found behind the index.
fn keep_user(connection: &Connection, seq: u64, record: &Record, anew: bool) -> Result<(), StoreError> {
    let Some(user_id) = user_id_text(record.user_id.as_ref()) else { return Ok(()) };
    if record.person.uid().is_none() {
        return Ok(());
    }
    connection
        .prepare_cached("update punch set user_id = ?2 where seq = ?1 and (?3 or user_id is null)")
        .and_then(|mut statement| statement.execute(params![signed(seq), user_id, anew]))
        .map(drop)
        .map_err(failed)
}
