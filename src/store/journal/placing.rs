//! Which row of the journal is this? The identity of punches, without a database.
//!
//! A punch is who, when (by the device's clock), punch state, verify mode, work code, and which one of several that
//! are equal in all of these. The log is the truth, a live event only news of it:
//!
//! * A record of the log is the row that an earlier pass met under the same identity, or else the row that a live
//!   event made for that person and second, which it completes, or else a new row.
//! * A live event makes a row only where that person has none in that second. One that says what a row there says
//!   tells nothing new; devices repeat events. One that says something else waits until the log has told whether
//!   it is one more.
//!
//! Rows that this pass has met are never met again in it, so equal records make as many rows as there are.

use std::collections::HashMap;

use super::cursor::{Cursor, GapReason};
use super::quarantine::Strange;
use super::row::{Person, Record, Row};
use crate::base::ids::DeviceId;
use crate::wire::clock_word::ClockWord;

/// Consecutive records of a terminal's log, and where that leaves its cursor: kept together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatch {
    /// The device under which they came.
    pub device_id: DeviceId,
    /// The device itself.
    pub serial_number: String,
    /// The revision of the cursor that this continues; 0 when there is none.
    pub continues: u64,
    /// The cursor afterwards. Its revision, `last_seq` and `sought_seq` are filled in when it is kept.
    pub cursor: Cursor,
    /// The records that can be placed, in the order of the log.
    pub records: Vec<Record>,
    /// Those that cannot.
    pub strange: Vec<Strange>,
    /// What turned out to be missing.
    pub gap: Option<NewGap>,
    /// When they came, in milliseconds since 1970 (UTC).
    pub received_at: i64,
}

/// A gap to be noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewGap {
    /// Up to here everything is there.
    pub from: Option<ClockWord>,
    /// From here on it is again.
    pub to: ClockWord,
    /// Why.
    pub reason: GapReason,
}

impl NewGap {
    /// What lies between the last moment that is proved and the first that is there again. A clock that was set
    /// back shows them the other way round.
    #[must_use]
    pub fn between(from: Option<ClockWord>, to: ClockWord, reason: GapReason) -> Self {
        match from {
            Some(from) if from > to => Self { from: Some(to), to: from, reason },
            _ => Self { from, to, reason },
        }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOutcome {
    /// It is kept.
    Placed(LogPlaced),
    /// Somebody else has moved the cursor meanwhile; nothing was kept.
    Outdated,
}

/// A batch that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPlaced {
    /// The cursor as it is kept.
    pub cursor: Cursor,
    /// The new rows, by sequence number; they go to the journal's followers.
    pub rows: Vec<Row>,
    /// How many they are.
    pub added: u64,
    /// How many rows of live events were completed.
    pub completed: u64,
    /// How many rows were met that earlier passes had met.
    pub met: u64,
}

/// A live event to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRecord {
    /// The device under which it came.
    pub device_id: DeviceId,
    /// The device itself.
    pub serial_number: String,
    /// What it says.
    pub record: Record,
    /// Its bytes.
    pub raw: Vec<u8>,
    /// When it came, in milliseconds since 1970 (UTC).
    pub received_at: i64,
}

/// What became of live events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePlaced {
    /// The new rows, by sequence number.
    pub rows: Vec<Row>,
    /// Where each event went, in their order.
    pub outcomes: Vec<LivePlacement>,
}

/// One second of one person: where rows are looked for.
pub type Spot = (ClockWord, Person);

/// A row that stands at a spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// Its sequence number.
    pub seq: u64,
    /// In, out, …
    pub punch_state: u8,
    /// How the person was verified.
    pub verify_mode: u8,
    /// The work code; `None` where only a live event told of it.
    pub work_code: Option<u32>,
    /// Which one it is of those that are equal.
    pub ordinal: u32,
    /// The last pass that met it; 0 for a row that only a live event told of.
    pub pass: u64,
}

/// What a record of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// A new row, with this ordinal.
    New {
        /// Which one it is of those that are equal.
        ordinal: u32,
    },
    /// A row that an earlier pass met: only its pass changes.
    Met {
        /// Which.
        seq: u64,
    },
    /// A row of a live event: it takes the record's punch state, verify mode and work code, its user id if that is
    /// known, its pass, this ordinal and [`Source::Both`](super::row::Source::Both).
    Completes {
        /// Which.
        seq: u64,
        /// Which one it is now of those that are equal.
        ordinal: u32,
    },
}

/// What a live event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LivePlacement {
    /// A new row, [`Source::Live`](super::row::Source::Live), pass 0, ordinal 0.
    New,
    /// Nothing new.
    Known,
    /// Perhaps one more punch in the same second: to be put in quarantine until the log has told.
    Conflict,
}

/// The spots of records at which rows have to be looked for. No row of the terminal is later than `newest`.
#[must_use]
pub fn spots_to_look_at(records: &[Record], newest: Option<ClockWord>) -> Vec<Spot> {
    let Some(newest) = newest else { return Vec::new() };
    let mut spots: Vec<Spot> = records.iter().filter(|record| record.time <= newest).map(spot_of).collect();
    spots.sort_unstable();
    spots.dedup();
    spots
}

/// Places records of one pass, in the order of the log. `present` holds every row at [`spots_to_look_at`]. The
/// result has one placement per record.
#[must_use]
pub fn place_log(records: &[Record], present: &HashMap<Spot, Vec<Present>>, pass: u64) -> Vec<Placement> {
    // Spots have nothing to do with each other; at each, the order of the log counts.
    let mut sorted: Vec<(usize, &Record)> = records.iter().enumerate().collect();
    sorted.sort_by_key(|(_, record)| spot_of(record));
    let mut placed: Vec<(usize, Placement)> = Vec::with_capacity(records.len());
    let (mut rows, mut left) = (Vec::new(), Vec::new());
    for here in sorted.chunk_by(|(_, one), (_, next)| spot_of(one) == spot_of(next)) {
        let known = here.first().and_then(|(_, record)| present.get(&spot_of(record)));
        rows.clear();
        rows.extend_from_slice(known.map_or(&[], Vec::as_slice));
        left.clear();
        // First those that are a row or say what one says, so that no record takes another's row.
        for &(index, record) in here {
            match meet(&mut rows, record, pass) {
                Some(placement) => placed.push((index, placement)),
                None => left.push((index, record)),
            }
        }
        for &(index, record) in &left {
            let placement = complete(&mut rows, record, pass, |_| true);
            placed.push((index, placement.unwrap_or_else(|| add(&mut rows, record, pass))));
        }
    }
    placed.sort_unstable_by_key(|(index, _)| *index);
    placed.into_iter().map(|(_, placement)| placement).collect()
}

/// Places one live event among the rows of its spot.
#[must_use]
pub fn place_live(record: &Record, present: &[Present]) -> LivePlacement {
    if present.is_empty() {
        LivePlacement::New
    } else if present.iter().any(|row| says_the_same(row, record)) {
        LivePlacement::Known
    } else {
        LivePlacement::Conflict
    }
}

/// The cursor of a batch as it is kept: `seqs` are the rows of its records, in their order.
#[must_use]
pub fn kept_cursor(batch: &LogBatch, seqs: &[u64]) -> Cursor {
    let mut cursor = batch.cursor.clone();
    cursor.revision = batch.continues + 1;
    if let Some(last) = seqs.last() {
        cursor.last_seq = *last;
    }
    if cursor.sought_seq != 0 && seqs.contains(&cursor.sought_seq) {
        cursor.sought_seq = 0;
    }
    cursor
}

fn equal(row: &Present, record: &Record) -> bool {
    (row.punch_state, row.verify_mode, row.work_code)
        == (record.punch_state, record.verify_mode, record.work_code)
}

/// Whether a live event and a row say the same. Records of 8 bytes hold three bits of punch state and two of
/// verify mode; events of old firmware hold four of the punch state.
fn says_the_same(row: &Present, record: &Record) -> bool {
    let short = record.person.uid().is_some();
    let state = row.punch_state == record.punch_state
        || (short && row.punch_state & 0b111 == record.punch_state & 0b111);
    let mode = row.verify_mode == record.verify_mode
        || (short && row.verify_mode & 0b11 == record.verify_mode & 0b11);
    state && mode
}

const fn spot_of(record: &Record) -> Spot {
    (record.time, record.person)
}

/// Lets a record be the row that it is exactly, or complete one that says the same.
fn meet(rows: &mut [Present], record: &Record, pass: u64) -> Option<Placement> {
    let exact = rows
        .iter_mut()
        .filter(|row| row.pass != pass && row.pass != 0 && equal(row, record))
        .min_by_key(|row| row.ordinal);
    match exact {
        Some(row) => {
            row.pass = pass;
            Some(Placement::Met { seq: row.seq })
        }
        None => complete(rows, record, pass, |row| says_the_same(row, record)),
    }
}

/// Lets a record be a new row.
fn add(rows: &mut Vec<Present>, record: &Record, pass: u64) -> Placement {
    let ordinal = next_ordinal(rows, record);
    let Record { punch_state, verify_mode, work_code, .. } = *record;
    rows.push(Present { seq: 0, punch_state, verify_mode, work_code, ordinal, pass });
    Placement::New { ordinal }
}

/// Lets a record complete a live row that fits.
fn complete(
    rows: &mut [Present],
    record: &Record,
    pass: u64,
    fits: impl Fn(&Present) -> bool,
) -> Option<Placement> {
    let ordinal = next_ordinal(rows, record);
    let row = rows.iter_mut().filter(|row| row.pass == 0 && fits(row)).min_by_key(|row| row.seq)?;
    let Record { punch_state, verify_mode, work_code, .. } = *record;
    *row = Present { seq: row.seq, punch_state, verify_mode, work_code, ordinal, pass };
    Some(Placement::Completes { seq: row.seq, ordinal })
}

fn next_ordinal(rows: &[Present], record: &Record) -> u32 {
    let known = rows.iter().filter(|row| row.pass != 0 && equal(row, record)).map(|row| row.ordinal).max();
    known.map_or(0, |known| known.saturating_add(1))
}

#[cfg(test)]
#[path = "placing_tests.rs"]
mod tests;
