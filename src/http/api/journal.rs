//! How the journal itself is, and what it could make nothing of.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::ask_journal;
use super::view::{moment, rfc3339};
use crate::base::clock::millis;
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::store::Condition;
use crate::store::journal::quarantine::{Origin, Quarantined};

/// How long the database is waited for when the rest is known without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /journal`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let deadline = call.deadline_or(PATIENCE)?;
    let reply = call.later()?.shared();
    let gateway = Arc::clone(&call.gateway);
    let answer = {
        let gateway = Arc::clone(&gateway);
        move |waiting: Option<u64>| {
            if let Some(reply) = reply.take() {
                reply.send(as_json(200, &shown(&gateway, waiting)));
            }
        }
    };
    let (late, refused) = (answer.clone(), answer.clone());
    gateway.alarms.at(deadline.instant(), move || late(None));
    let size = gateway.journal.read_then(
        deadline,
        |backend| backend.quarantine_size(),
        move |size| answer(size.ok()),
    );
    if size.is_err() {
        refused(None);
    }
    Ok(Outcome::Later)
}

fn shown(gateway: &Gateway, in_quarantine: Option<u64>) -> Value {
    let (journal, followers) = (&gateway.journal, &gateway.followers);
    let health = journal.health();
    let (state, since, cause) = match health.condition {
        Condition::Good => ("good", None, None),
        Condition::Degraded { since, cause } => ("degraded", Some(rfc3339(since)), Some(cause)),
    };
    let (requests, live_events) = journal.waiting();
    let (streams, waits) = (followers.streams(), followers.waits());
    json!({
        "head": journal.feed().head(),
        "kind": health.kind,
        "place": health.place,
        "state": state,
        "since": since,
        "cause": cause,
        "last_success": health.last_success.map(rfc3339),
        "waiting": { "requests": requests, "live_events": live_events },
        "quarantine": in_quarantine,
        "followers": { "used": streams.taken(), "limit": streams.limit() },
        "long_polls": { "used": waits.taken(), "limit": waits.limit() },
    })
}

/// `GET /quarantine?after=`
pub fn quarantine(call: &mut Call) -> Handled {
    call.allow(&["after", "limit", "device", "settled", "timeout"])?;
    let after = call.number("after", 0, 0, i64::MAX as u64)?;
    let limit = u32::try_from(call.number("limit", 100, 1, 1000)?).unwrap_or(u32::MAX);
    let device = call
        .parameter("device")
        .map(|text| DeviceId::parse(text).ok_or_else(|| invalid("device", "a device id is needed")));
    let device = device.transpose()?;
    let settled = call.flag("settled")?;
    let deadline = call.deadline()?;
    ask_journal::read(
        call,
        deadline,
        move |backend| backend.quarantined(after, limit, device.as_ref(), settled),
        move |found| {
            let next_after = found.last().map_or(after, |last| last.id);
            let data: Vec<Value> = found.iter().map(entry).collect();
            Ok(as_json(200, &json!({ "data": data, "next_after": next_after })))
        },
    )
}

fn entry(found: &Quarantined) -> Value {
    let mut entry = json!({
        "id": found.id,
        "device_id": found.device_id.as_str(),
        "serial_number": found.serial_number,
        "origin": "live",
        "reason": found.strange.reason.word(),
        "raw": hex(&found.strange.raw),
        "noticed_at": moment(found.noticed_at),
        "settled_at": found.settled_at.map(moment),
        "settled_as": found.settled_as,
    });
    if let (Origin::Log { stride }, Some(members)) = (found.strange.origin, entry.as_object_mut()) {
        members.insert("origin".to_owned(), "log".into());
        members.insert("stride".to_owned(), stride.into());
    }
    entry
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `POST /quarantine/{id}/dismiss`
pub fn dismiss(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let id = call.quarantined()?;
    let deadline = call.deadline()?;
    let now = millis(call.gateway.clock.wall());
    ask_journal::write(
        call,
        deadline,
        move |backend| backend.settle(id, "dismissed", now),
        move |there| match there {
            true => Ok(as_json(200, &json!({ "id": id, "settled_as": "dismissed" }))),
            false => Err(Problem::nothing_in_quarantine(&id.to_string())),
        },
    )
}
