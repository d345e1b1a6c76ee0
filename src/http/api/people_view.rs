//! What came of several devices, and the lists that count for them, as the API shows them.

use serde_json::{Map, Value, json};

use super::user_view::{written, zones};
use super::users_bulk::tell_disturbed;
use super::view::moment;
use crate::device::users::{Field, UserChange};
use crate::fleet::{Aim, Line, Told, What};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::store::ledger::{PeopleList, Standing};

/// How the operation ends.
pub(super) fn ending(aim: Aim, ticket: &Ticket, told: &[Told]) -> Ending {
    let devices: Vec<Value> = told.iter().map(|told| device(aim, told)).collect();
    let count = |state: &str| devices.iter().filter(|device| device["state"] == state).count();
    let (as_wanted, different, failed) = (count("as_wanted"), count("different"), count("failed"));
    let result = json!({
        "devices": devices, "as_wanted": as_wanted, "different": different, "failed": failed,
    });
    if ticket.is_cancelled() && failed > 0 {
        return Ending::cancelled(Some(result));
    }
    if failed == 0 {
        return Ending::done(result);
    }
    let detail = format!(
        "{failed} of {} devices could not be looked at, or not all was done; the result says why for each.",
        told.len()
    );
    let problem = Problem::new(502, "devices_failed", detail).to_json();
    let ending = if is_unknown(told) { Ending::unknown(problem) } else { Ending::failed(problem) };
    ending.with_result(result)
}

/// Whether nobody can tell what became of somebody.
pub(super) fn is_unknown(told: &[Told]) -> bool {
    told.iter().any(|told| told.counts.unknown > 0)
}

/// What came of one device.
pub(super) fn device(aim: Aim, told: &Told) -> Value {
    let counts = told.counts;
    let open = aim == Aim::Compare && counts.add + counts.change + counts.remove > 0;
    let state = match &told.problem {
        Some(_) => "failed",
        None if counts.failed > 0 => "failed",
        None if open => "different",
        None => "as_wanted",
    };
    let mut shown = json!({
        "device_id": told.id.as_str(),
        "state": state,
        "unchanged": counts.unchanged,
        "others": counts.others,
        "failed": counts.failed,
        "rows": told.lines.iter().map(line).collect::<Vec<_>>(),
        "rows_left_out": told.lines_left_out,
        "problem": told.problem.as_ref().map(|trouble| json!({ "code": trouble.code, "detail": trouble.detail })),
    });
    let numbers = match aim {
        Aim::Compare => [("add", counts.add), ("change", counts.change), ("remove", counts.remove)],
        Aim::Apply => [("created", counts.created), ("updated", counts.updated), ("deleted", counts.deleted)],
    };
    if let Some(members) = shown.as_object_mut() {
        members.extend(numbers.map(|(name, number)| (name.to_owned(), number.into())));
    }
    tell_disturbed(&mut shown, &told.disturbed);
    shown
}

fn line(line: &Line) -> Value {
    let user_id = line.user_id.to_text();
    match &line.what {
        What::Add => json!({ "user_id": user_id, "step": "add" }),
        What::Remove => json!({ "user_id": user_id, "step": "remove" }),
        What::Change(fields) => {
            let fields: Vec<_> = fields.iter().map(|field| Field::name(*field)).collect();
            json!({ "user_id": user_id, "step": "change", "fields": fields })
        }
        What::Done(done) => written(&user_id, *done),
        What::Failed(error) => {
            json!({ "user_id": user_id, "code": error.code(), "detail": error.to_string() })
        }
    }
}

/// The list that counts for a device, without its people.
pub(super) fn kept(row: &PeopleList) -> Value {
    let PeopleList {
        device_id,
        list_id,
        put_at,
        token,
        people,
        remove_at_most,
        remove_administrators,
        serial_number,
        standing,
    } = row;
    json!({
        "device_id": device_id,
        "serial_number": serial_number,
        "list": list_id,
        "put_at": moment(*put_at),
        "token": token,
        "people": people,
        "remove_at_most": remove_at_most,
        "remove_administrators": remove_administrators,
        "last": standing.as_ref().map(last),
    })
}

fn last(standing: &Standing) -> Value {
    let Standing { looked_at, operation_id, state, missing, different, extra, failed, problem } = standing;
    json!({
        "at": moment(*looked_at),
        "operation_id": operation_id,
        "state": state.name(),
        "missing": missing,
        "different": different,
        "extra": extra,
        "failed": failed,
        "problem": problem,
    })
}

/// Somebody on a list. Passwords never leave: only whether one is wanted.
pub(super) fn person(change: &UserChange) -> Value {
    let mut members = Map::new();
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    say("user_id", Some(change.user_id.to_text().into()));
    say("name", change.name.as_deref().map(Value::from));
    say("has_password", change.password.as_ref().map(|password| (!password.expose().is_empty()).into()));
    say("privilege", change.level.map(|level| level.name().into()));
    say("enabled", change.disabled.map(|disabled| (!disabled).into()));
    say("card_number", change.card_number.map(Value::from));
    say("group", change.group.map(Value::from));
    say("time_zones", change.time_zones.map(zones));
    Value::Object(members)
}
