//! Fingerprints of a device, through the service. Templates themselves are asked for nowhere and shown nowhere.

use std::time::Duration;

use crossbeam_channel::Receiver;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::access::Asked;
use super::client::Client;
use super::operations::is_over;
use crate::cli::device::fingers::{TemplateRow, deleted, ended, news, no_template};
use crate::cli::device::grammar::Finger;
use crate::cli::failure::{Done, Failure};
use crate::cli::interrupt::interrupts;
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::table::text;
use crate::device::enrolment::{Happening, Outcome};

/// For how long one answer about an enrolment is waited for, in seconds, and so how long it takes at most until Ctrl-C
/// is noticed.
const GLANCE: u64 = 1;

/// Whatever broke: the session, or the service in the middle of it.
const UNKNOWN: &str =
    "whether the finger was enrolled is not known: look at its templates before you repeat it";

#[derive(Deserialize)]
struct Listed {
    data: Vec<Template>,
}

/// A template as the API lists it.
#[derive(Deserialize)]
struct Template {
    user_id: Option<String>,
    uid: u16,
    finger: u8,
    r#use: String,
    bytes: usize,
}

pub(super) fn list(asked: Asked<'_>, user_id: Option<&str>) -> Done {
    asked.out.list(&rows(asked, user_id)?)
}

/// The fingerprints of all people, or those of one who must be there.
fn rows(asked: Asked<'_>, user_id: Option<&str>) -> Done<Vec<TemplateRow>> {
    let _bar = Bar::waiting("reading templates");
    let listed: Listed = asked.client.get(&asked.of("/templates"), asked.timeout)?;
    let wanted = |row: &TemplateRow| user_id.is_none() || row.user_id.as_deref() == user_id;
    let rows: Vec<_> = listed.data.into_iter().map(row).filter(wanted).collect();
    if let (Some(user_id), true) = (user_id, rows.is_empty()) {
        // Somebody without fingerprints is not nobody.
        asked.client.get::<IgnoredAny>(&asked.person(user_id, ""), asked.timeout)?;
    }
    Ok(rows)
}

fn row(template: Template) -> TemplateRow {
    let Template { user_id, uid, finger, r#use: validity, bytes: size } = template;
    TemplateRow { user_id, uid, finger, validity, size }
}

pub(super) fn delete(asked: Asked<'_>, of: &Finger) -> Done {
    // To the service one that is not there is as wanted. The list tells it without what is in a template.
    if !rows(asked, Some(&of.user_id))?.iter().any(|row| row.finger == of.finger) {
        return Err(no_template(of));
    }
    let path = asked.person(&of.user_id, &format!("/templates/{}", of.finger));
    asked.client.delete_told(&path, asked.timeout)?;
    deleted(asked.out, of)
}

/// Follows an enrolment to its end, also after Ctrl-C: then it is asked to end early.
pub(super) fn enrol(asked: Asked<'_>, of: &Finger, limit: Duration) -> Done {
    let interrupted = interrupts()?;
    let body = json!({ "finger": of.finger });
    let path = asked.person(&of.user_id, "/enrol");
    let begun = asked.client.post(&path, Some(&body), asked.timeout.or(Some(limit)))?;
    let shown = follow(asked.client, asked.out, begun, &interrupted)?;
    ended(asked.out, of, outcome(&shown)?)
}

/// Tells what happens until the operation has ended.
fn follow(client: &Client, out: Output, mut shown: Value, interrupted: &Receiver<()>) -> Done<Value> {
    let path = format!("/api/v1/operations/{}", text(shown.get("id")));
    let (mut after, mut gone, mut cancelled) = (0, false, false);
    loop {
        for event in shown.get("events").and_then(Value::as_array).into_iter().flatten() {
            let number = event.get("number").and_then(Value::as_u64).unwrap_or_default();
            if number > after {
                after = number;
                // Whoever does not read any more has also gone.
                gone = gone || happening(event).is_some_and(|happening| news(out, happening).is_err());
            }
        }
        if is_over(&shown) {
            return Ok(shown);
        }
        if !cancelled && (gone || !interrupted.is_empty()) {
            client.post(&format!("{path}/cancel"), None, None)?;
            cancelled = true;
        }
        shown = client.get(&format!("{path}?wait={GLANCE}&after_event={after}"), None)?;
    }
}

fn happening(event: &Value) -> Option<Happening> {
    match event.get("event")?.as_str()? {
        "finger_placed" => Some(Happening::FingerPlaced),
        "score" => {
            let score = event.get("detail")?.get("score")?.as_u64()?;
            Some(Happening::Score(u8::try_from(score).ok()?))
        }
        _ => None,
    }
}

/// How an operation ended, as a device says it; what the device did not say is a failure.
fn outcome(shown: &Value) -> Done<Outcome> {
    let problem = shown.get("problem").filter(|problem| !problem.is_null());
    let (code, detail) = (
        text(problem.and_then(|problem| problem.get("code"))),
        text(problem.and_then(|problem| problem.get("detail"))),
    );
    let state = text(shown.get("state"));
    match (state.as_str(), code.as_str()) {
        ("done", _) => {
            let bytes = shown.get("result").and_then(|result| result.get("bytes")?.as_u64());
            let template_size = bytes.and_then(|bytes| u16::try_from(bytes).ok()).unwrap_or_default();
            Ok(Outcome::Done { template_size })
        }
        ("cancelled", _) => Ok(Outcome::Cancelled),
        ("failed", "already_enrolled") => Ok(Outcome::AlreadyEnrolled),
        ("failed", "not_stored") => Ok(Outcome::NotStored),
        // Before it began it was the device that could not be had in time.
        ("failed", "deadline_exceeded") if shown.get("started_at").is_some_and(|at| !at.is_null()) => {
            Ok(Outcome::TimedOut)
        }
        ("failed", "enrolment_failed") => Err(Failure::new(&code, detail.trim_end_matches('.'))
            .advise("place the same finger three times, firmly")),
        ("outcome_unknown", _) => Err(Failure::new("outcome_unknown", UNKNOWN).advise(detail)),
        (_, "") => Err(Failure::new(&state, "nothing more is known of the enrolment")),
        _ => Err(Failure::new(&code, detail.trim_end_matches('.'))),
    }
}
