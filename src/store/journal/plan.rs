//! What placing changes in a database: worked out once, written by each kind of database in its own way.

use std::collections::HashMap;

use super::placing::{self, LivePlaced, LivePlacement, LiveRecord, LogBatch, Placement, Present, Spot};
use super::quarantine::{Origin, Reason, Strange};
use super::row::{Record, Row, Source};

/// What a batch of the log changes. To be written in the order of the fields: a new row may be what a live one was
/// until the log completed it.
pub(super) struct LogPlan<'b> {
    /// Rows that were met: their pass changes.
    pub(super) met: Vec<(u64, &'b Record)>,
    /// Live rows that the log completes, and their ordinals.
    pub(super) completed: Vec<(u64, u32, &'b Record)>,
    /// New rows, in the order of the log.
    pub(super) rows: Vec<Row>,
    /// The row of each record.
    pub(super) seqs: Vec<u64>,
}

/// How many rows are new.
pub(super) fn count_new(placements: &[Placement]) -> u64 {
    placements.iter().filter(|placement| matches!(placement, Placement::New { .. })).count() as u64
}

/// New rows get the numbers after `last`.
pub(super) fn plan_log<'b>(batch: &'b LogBatch, placements: &[Placement], last: u64) -> LogPlan<'b> {
    let rows = Vec::with_capacity(count_new(placements) as usize);
    let mut plan =
        LogPlan { met: vec![], completed: vec![], rows, seqs: Vec::with_capacity(placements.len()) };
    let mut last = last;
    for (record, placement) in batch.records.iter().zip(placements) {
        plan.seqs.push(match *placement {
            Placement::Met { seq } => {
                plan.met.push((seq, record));
                seq
            }
            Placement::Completes { seq, ordinal } => {
                plan.completed.push((seq, ordinal, record));
                seq
            }
            Placement::New { ordinal } => {
                last += 1;
                plan.rows.push(Row {
                    seq: last,
                    device_id: batch.device_id.clone(),
                    serial_number: batch.serial_number.clone(),
                    record: *record,
                    ordinal,
                    source: Source::Log,
                    received_at: batch.received_at,
                });
                last
            }
        });
    }
    plan
}

/// The rows at the spots of live events, by serial number and spot.
pub(super) type LivePresent<'e> = HashMap<(&'e str, Spot), Vec<Present>>;

/// Where each event goes, the earlier ones being there for the later ones.
pub(super) fn place_live<'e>(events: &'e [LiveRecord], present: &mut LivePresent<'e>) -> Vec<LivePlacement> {
    let place = |event: &'e LiveRecord| {
        let record = &event.record;
        let spot = (event.serial_number.as_str(), (record.time, record.person));
        let rows = present.entry(spot).or_default();
        let outcome = placing::place_live(record, rows);
        if outcome == LivePlacement::New {
            let Record { punch_state, verify_mode, work_code, .. } = *record;
            rows.push(Present { seq: 0, punch_state, verify_mode, work_code, ordinal: 0, pass: 0 });
        }
        outcome
    };
    events.iter().map(place).collect()
}

/// The rows that events make; they get the numbers after `last`.
pub(super) fn live_placed(events: &[LiveRecord], outcomes: Vec<LivePlacement>, last: u64) -> LivePlaced {
    let new = events.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == LivePlacement::New);
    let rows = new.zip(last + 1..).map(|((event, _), seq)| Row {
        seq,
        device_id: event.device_id.clone(),
        serial_number: event.serial_number.clone(),
        record: event.record,
        ordinal: 0,
        source: Source::Live,
        received_at: event.received_at,
    });
    LivePlaced { rows: rows.collect(), outcomes }
}

/// An event that has to wait for the log.
pub(super) fn conflict(event: &LiveRecord) -> Strange {
    Strange { origin: Origin::Live, reason: Reason::Conflict, raw: event.raw.clone() }
}
