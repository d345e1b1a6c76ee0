//! What waits in quarantine, looked at by a version that may understand it.

use super::backend::Backend;
use super::placing::{LivePlacement, LiveRecord};
use super::quarantine::Quarantined;
use super::row::{Record, Row};
use crate::store::error::StoreError;

/// How much is looked at in one go.
const LOOKED_AT: u32 = 500;

/// Places what is understood now; gives the new rows.
pub(super) fn look_through(
    backend: &mut dyn Backend,
    version: &str,
    decode: &dyn Fn(&Quarantined) -> Option<Record>,
    now: i64,
) -> Result<Vec<Row>, StoreError> {
    let (mut rows, mut after, mut looked_at) = (Vec::new(), 0, 0);
    while looked_at < LOOKED_AT {
        let page = backend.quarantined(after, 100, None, Some(false))?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for waiting in page.iter().filter(|waiting| waiting.tried_version != version) {
            looked_at += 1;
            let Some(record) = decode(waiting) else {
                backend.tried(waiting.id, version)?;
                continue;
            };
            let event = LiveRecord {
                device_id: waiting.device_id.clone(),
                serial_number: waiting.serial_number.clone(),
                record,
                raw: waiting.strange.raw.clone(),
                received_at: now,
            };
            let placed = backend.place_live(&[event])?;
            rows.extend(placed.rows);
            match placed.outcomes.first() {
                Some(LivePlacement::New | LivePlacement::Known) => {
                    backend.settle(waiting.id, "placed", now)?;
                }
                _ => backend.tried(waiting.id, version)?,
            }
        }
    }
    Ok(rows)
}
