//! Clearing a device's log: a dry run first, and then with the value that it gave.

use serde::Deserialize;
use serde_json::{Value, json};

use super::collection::civil;
use super::input::given;
use crate::base::confirmations::CONFIRMABLE;
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::Answer;
use crate::journal::clear::{Cleared, Inspection, Unsafe};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Clear {
    dry_run: bool,
    #[serde(deserialize_with = "given")]
    confirmation: Option<String>,
}

/// `POST /devices/{id}/attendance/clear`
pub fn clear(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let body: Clear = call.body()?;
    let device = call.device()?;
    let deadline = call.deadline_or(call.gateway.table_timeout)?;
    let id = device.id.clone();
    match (body.dry_run, body.confirmation) {
        (true, None) => {
            let reply = call.later()?;
            call.gateway.collector.inspect(&device.id, deadline, move |result| {
                reply.result(result.map_err(refused(&id)).and_then(|found| inspected(found, &id)));
            });
            Ok(Outcome::Later)
        }
        (false, Some(value)) => {
            // The way back is taken only once the value is known to count.
            let reply = call.later()?.shared();
            let answer = reply.clone();
            let of = id.clone();
            let begun = call.gateway.collector.clear(&device.id, &value, deadline, move |result| {
                if let Some(reply) = answer.take() {
                    reply.result(result.map_err(refused(&of)).and_then(|cleared| done(cleared, &of)));
                }
            });
            if !begun && let Some(reply) = reply.take() {
                let detail = "The confirmation is not the one of a dry run of this device, or was used, or is too \
                              old. Nothing was cleared.";
                reply.send(Problem::new(409, "not_confirmed", detail).about(&id).answer());
            }
            Ok(Outcome::Later)
        }
        _ => {
            let detail = "Ask for {\"dry_run\": true} first, and then send the confirmation that it gives.";
            Err(Problem::bad_request("invalid_body", detail))
        }
    }
}

fn inspected(found: Result<(Inspection, String), Unsafe>, id: &DeviceId) -> Result<Answer, Problem> {
    let (inspection, confirmation) = found.map_err(|why| not_safe(why, id))?;
    let mut body = shown(&inspection);
    if let Some(members) = body.as_object_mut() {
        members.insert("dry_run".to_owned(), true.into());
        members.insert("confirmation".to_owned(), confirmation.into());
        members.insert("confirm_within_seconds".to_owned(), CONFIRMABLE.as_secs().into());
    }
    Ok(as_json(200, &body))
}

fn done(cleared: Cleared, id: &DeviceId) -> Result<Answer, Problem> {
    match cleared {
        Cleared::Done { inspection, window: (from, to), count_after } => {
            let mut body = shown(&inspection);
            if let Some(members) = body.as_object_mut() {
                members.insert("cleared".to_owned(), true.into());
                members.insert("device_count_after".to_owned(), count_after.into());
                let note = "A punch between these two moments of the device's clock is in the journal only if the \
                            device told it live: some firmware lets people punch while it is disabled.";
                members.insert(
                    "window".to_owned(),
                    json!({ "from": from.map(civil), "to": to.map(civil), "note": note }),
                );
            }
            Ok(as_json(200, &body))
        }
        Cleared::Refused(why) => Err(not_safe(why, id)),
    }
}

fn shown(inspection: &Inspection) -> Value {
    let Inspection { serial_number, records, in_journal, blank, quarantined, device_count } = inspection;
    json!({
        "serial_number": serial_number,
        "records": records,
        "in_journal": in_journal,
        "blank": blank,
        "quarantined": quarantined,
        "device_count": device_count,
    })
}

fn not_safe(why: Unsafe, id: &DeviceId) -> Problem {
    let problem = |code, detail: String| Problem::new(409, code, detail).about(id);
    match why {
        Unsafe::NotRead(why) => {
            problem("log_not_read", format!("Nothing was cleared: the log was not read to its end ({why})."))
        }
        Unsafe::Missing(inspection) => {
            let missing = inspection.records.saturating_sub(
                inspection.in_journal + inspection.blank + inspection.quarantined,
            );
            let detail = format!("Nothing was cleared: {missing} records of the log are not in the journal.");
            let members = shown(&inspection);
            problem("not_in_journal", detail).with("missing", missing).with("log", members)
        }
        Unsafe::PunchMeanwhile => problem(
            "punch_meanwhile",
            "Nothing was cleared: somebody punched while the log was being read. Try again.".into(),
        ),
        Unsafe::NoLiveEvents => problem(
            "no_live_events",
            "Nothing was cleared: the device does not tell punches live, so one in the last moment would be lost."
                .into(),
        ),
        Unsafe::Journal(why) => {
            let problem = Problem::new(503, "journal_unavailable", format!("Nothing was cleared: {why}."));
            problem.about(id)
        }
    }
}
