//! Placing: what the log or a live event told becomes rows. A batch costs a handful of statements, whatever its size.

use std::collections::{BTreeMap, HashMap};

use postgres::Transaction;
use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::Type;

use super::{aside, reading, terminal};
use crate::store::error::StoreError;
use crate::store::journal::columns::{number, signed, user_id_text};
use crate::store::journal::placing::{
    self, LivePlaced, LivePlacement, LiveRecord, LogBatch, LogOutcome, LogPlaced, Present, Spot,
};
use crate::store::journal::plan::{self, LivePresent};
use crate::store::journal::row::{Record, Row, Source};
use crate::store::postgres::failed;

pub(super) fn place_log(
    transaction: &mut Transaction<'_>,
    batch: &LogBatch,
) -> Result<LogOutcome, StoreError> {
    let terminal = match terminal::find(transaction, &batch.serial_number)? {
        Some(known) => known,
        None if batch.continues != 0 => return Ok(LogOutcome::Outdated),
        None => terminal::find_or_make(transaction, &batch.serial_number, &batch.device_id)?,
    };
    if terminal.revision != batch.continues {
        return Ok(LogOutcome::Outdated);
    }
    let spots = placing::spots_to_look_at(&batch.records, terminal.newest);
    let spots: Vec<_> = spots.into_iter().map(|spot| (terminal.id, spot)).collect();
    let mut present: HashMap<Spot, Vec<Present>> = HashMap::new();
    for ((_, spot), row) in rows_at(transaction, &spots)? {
        present.entry(spot).or_default().push(row);
    }
    let pass = batch.cursor.pass;
    let placements = placing::place_log(&batch.records, &present, pass);
    let last = take_numbers(transaction, plan::count_new(&placements))?;
    let plan = plan::plan_log(batch, &placements, last);
    meet(transaction, &plan.met, pass)?;
    complete(transaction, &plan.completed, pass)?;
    keep_users(transaction, plan.met.iter().copied(), false)?;
    keep_users(transaction, plan.completed.iter().map(|(seq, _, record)| (*seq, *record)), true)?;
    insert(transaction, plan.rows.iter().map(|row| (terminal.id, row)), pass)?;
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
    transaction: &mut Transaction<'_>,
    events: &[LiveRecord],
) -> Result<LivePlaced, StoreError> {
    let mut terminals = BTreeMap::new();
    for event in events {
        terminals.insert(event.serial_number.as_str(), (&event.device_id, 0));
    }
    for (serial_number, (device, id)) in &mut terminals {
        *id = terminal::find_or_make(transaction, serial_number, device)?.id;
    }
    let id_of = |serial_number: &str| terminals.get(serial_number).map_or(0, |(_, id)| *id);
    let spot = |event: &LiveRecord| (event.record.time, event.record.person);
    let spots: Vec<_> = events.iter().map(|event| (id_of(&event.serial_number), spot(event))).collect();
    let mut there: HashMap<Place, Vec<Present>> = HashMap::new();
    for (spot, row) in rows_at(transaction, &spots)? {
        there.entry(spot).or_default().push(row);
    }
    let mut present = LivePresent::new();
    for (event, spot) in events.iter().zip(&spots) {
        if let Some(rows) = there.get(spot) {
            present.insert((event.serial_number.as_str(), spot.1), rows.clone());
        }
    }
    let outcomes = plan::place_live(events, &mut present);
    let new = outcomes.iter().filter(|outcome| **outcome == LivePlacement::New).count() as u64;
    let last = take_numbers(transaction, new)?;
    let placed = plan::live_placed(events, outcomes, last);
    insert(transaction, placed.rows.iter().map(|row| (id_of(&row.serial_number), row)), 0)?;
    for (serial_number, (device, id)) in &terminals {
        let own = placed.rows.iter().filter(|row| row.serial_number == *serial_number);
        if let Some(newest) = own.map(|row| row.record.time).max() {
            terminal::keep_newest(transaction, *id, device, Some(newest))?;
        }
    }
    for (event, outcome) in events.iter().zip(&placed.outcomes) {
        if *outcome == LivePlacement::Conflict {
            let id = id_of(&event.serial_number);
            aside::put(transaction, id, &event.device_id, &plan::conflict(event), event.received_at)?;
        }
    }
    Ok(placed)
}

/// Takes this many numbers and gives the one before them. From here to the commit nobody else can, so this comes
/// after whatever else takes time.
fn take_numbers(transaction: &mut Transaction<'_>, count: u64) -> Result<u64, StoreError> {
    if count == 0 {
        return reading::head(transaction);
    }
    let last: i64 = transaction
        .query_one(
            "update zkgate.journal_head set last_seq = last_seq + $1 returning last_seq",
            &[&signed(count)],
        )
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    number("last_seq", last.saturating_sub(signed(count)))
}

/// A terminal and a spot of it.
type Place = (i32, Spot);

/// The rows at spots, in one question.
fn rows_at(transaction: &mut Transaction<'_>, spots: &[Place]) -> Result<Vec<(Place, Present)>, StoreError> {
    if spots.is_empty() {
        return Ok(Vec::new());
    }
    let terminals: Vec<i32> = spots.iter().map(|(terminal, _)| *terminal).collect();
    let times: Vec<i64> = spots.iter().map(|(_, (time, _))| i64::from(time.0)).collect();
    let persons: Vec<_> = spots.iter().map(|(_, (_, person))| person.key()).collect();
    let found = transaction
        .query(
            "select s.spot, p.seq, p.punch_state, p.verify_mode, p.work_code, p.ordinal, p.pass \
             from unnest($1::integer[], $2::bigint[], $3::text[]) \
             with ordinality as s (terminal, time, person, spot) \
             join zkgate.punch p on p.terminal = s.terminal and p.time = s.time and p.person = s.person",
            &[&terminals, &times, &persons],
        )
        .map_err(failed)?;
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let column = |index: usize| row.try_get::<_, i64>(index).map_err(failed);
        let small = |index: usize| row.try_get::<_, i16>(index).map(i64::from).map_err(failed);
        let work_code: Option<i64> = row.try_get(4).map_err(failed)?;
        let which: usize = number("spot", column(0)? - 1)?;
        let Some(spot) = spots.get(which) else { continue };
        let present = Present {
            seq: number("seq", column(1)?)?,
            punch_state: number("punch_state", small(2)?)?,
            verify_mode: number("verify_mode", small(3)?)?,
            work_code: work_code.map(|code| number("work_code", code)).transpose()?,
            ordinal: number("ordinal", column(5)?)?,
            pass: number("pass", column(6)?)?,
        };
        rows.push((*spot, present));
    }
    Ok(rows)
}

fn insert<'r>(
    transaction: &mut Transaction<'_>,
    rows: impl Iterator<Item = (i32, &'r Row)>,
    pass: u64,
) -> Result<(), StoreError> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let into = transaction
        .copy_in(
            "copy zkgate.punch (seq, terminal, time, instant, received_at, pass, work_code, ordinal, certainty, \
             punch_state, verify_mode, source, device_id, person, user_id) from stdin binary",
        )
        .map_err(failed)?;
    let mut into = BinaryCopyInWriter::new(
        into,
        &[
            Type::INT8,
            Type::INT4,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::INT8,
            Type::INT2,
            Type::INT2,
            Type::INT2,
            Type::INT2,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
        ],
    );
    for (terminal, row) in rows {
        let record = &row.record;
        into.write(&[
            &signed(row.seq),
            &terminal,
            &i64::from(record.time.0),
            &record.moment.instant,
            &row.received_at,
            &signed(pass),
            &record.work_code.map(i64::from),
            &i64::from(row.ordinal),
            &record.moment.certainty.number(),
            &i16::from(record.punch_state),
            &i16::from(record.verify_mode),
            &row.source.number(),
            &row.device_id.as_str(),
            &record.person.key(),
            &user_id_text(record.user_id.as_ref()),
        ])
        .map_err(failed)?;
    }
    into.finish().map(drop).map_err(failed)
}

fn meet(transaction: &mut Transaction<'_>, met: &[(u64, &Record)], pass: u64) -> Result<(), StoreError> {
    if met.is_empty() {
        return Ok(());
    }
    let seqs: Vec<_> = met.iter().map(|(seq, _)| signed(*seq)).collect();
    transaction
        .execute("update zkgate.punch set pass = $2 where seq = any($1::bigint[])", &[&seqs, &signed(pass)])
        .map(drop)
        .map_err(failed)
}

fn complete(
    transaction: &mut Transaction<'_>,
    completed: &[(u64, u32, &Record)],
    pass: u64,
) -> Result<(), StoreError> {
    if completed.is_empty() {
        return Ok(());
    }
    let seqs: Vec<_> = completed.iter().map(|(seq, ..)| signed(*seq)).collect();
    let ordinals: Vec<_> = completed.iter().map(|(_, ordinal, _)| i64::from(*ordinal)).collect();
    let states: Vec<_> = completed.iter().map(|(.., record)| i16::from(record.punch_state)).collect();
    let modes: Vec<_> = completed.iter().map(|(.., record)| i16::from(record.verify_mode)).collect();
    let codes: Vec<_> = completed.iter().map(|(.., record)| record.work_code.map(i64::from)).collect();
    transaction
        .execute(
            "update zkgate.punch p set punch_state = s.punch_state, verify_mode = s.verify_mode, \
             work_code = s.work_code, ordinal = s.ordinal, pass = $6, source = $7 \
             from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::bigint[]) \
             as s (seq, ordinal, punch_state, verify_mode, work_code) where p.seq = s.seq",
            &[&seqs, &ordinals, &states, &modes, &codes, &signed(pass), &Source::Both.number()],
        )
        .map(drop)
        .map_err(failed)
}

/// Whoever is known by an internal index only may have become known since. `anew`: whoever was named by a live event
/// is who the log's reader found behind the index.
fn keep_users<'r>(
    transaction: &mut Transaction<'_>,
    rows: impl Iterator<Item = (u64, &'r Record)>,
    anew: bool,
) -> Result<(), StoreError> {
    let by_index = rows.filter(|(_, record)| record.person.uid().is_some());
    let known =
        by_index.filter_map(|(seq, record)| Some((signed(seq), user_id_text(record.user_id.as_ref())?)));
    let (seqs, users): (Vec<i64>, Vec<&str>) = known.unzip();
    if seqs.is_empty() {
        return Ok(());
    }
    transaction
        .execute(
            "update zkgate.punch p set user_id = s.user_id \
             from unnest($1::bigint[], $2::text[]) as s (seq, user_id) \
             where p.seq = s.seq and ($3 or p.user_id is null)",
            &[&seqs, &users, &anew],
        )
        .map(drop)
        .map_err(failed)
}
