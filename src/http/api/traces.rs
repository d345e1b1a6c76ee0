//! Traces: a record of what is said to a device, begun and ended here, and the files that come of it.

use std::io::{self, Read};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::view::rfc3339;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::{Answer, ContentType};
use crate::registry::trace::{NotTraced, TraceError, TraceLimits, TraceName, TraceState, Tracer};
use crate::store::device::TransportChoice;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    seconds: Option<u64>,
    max_bytes: Option<u64>,
}

/// `POST /devices/{id}/trace`
pub fn begin(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let Begin { seconds, max_bytes } = call.body()?;
    let device = call.device()?;
    let standard = TraceLimits::default();
    let duration = seconds.map_or(standard.duration, Duration::from_secs);
    if duration.is_zero() || duration > TraceLimits::LONGEST {
        let detail = format!("The field \"seconds\" is 1 to {}.", TraceLimits::LONGEST.as_secs());
        return Err(Problem::bad_request("invalid_body", detail));
    }
    let bytes = max_bytes.unwrap_or(standard.bytes);
    if !(TraceLimits::SMALLEST..=TraceLimits::LARGEST).contains(&bytes) {
        let (least, most) = (TraceLimits::SMALLEST, TraceLimits::LARGEST);
        let detail = format!("The field \"max_bytes\" is {least} to {most}.");
        return Err(Problem::bad_request("invalid_body", detail));
    }
    let transport = match device.endpoint.as_ref().map(|endpoint| endpoint.transport) {
        Ok(TransportChoice::Tcp) => "tcp",
        Ok(TransportChoice::Udp) => "udp",
        Ok(TransportChoice::Auto) | Err(_) => "auto",
    };
    let serial_number = device.facts.serial_number.clone();
    let limits = TraceLimits { duration, bytes };
    match call.gateway.registry.begin_trace(&device.id, serial_number, transport, limits) {
        Ok((new, state)) => Ok(Outcome::Now(as_json(if new { 201 } else { 200 }, &shown(&state)))),
        Err(NotTraced::Refused(refusal)) => Err(refused(&device.id)(refusal)),
        Err(NotTraced::Failed(error @ TraceError::TooMany)) => {
            Err(Problem::new(409, "too_many_traces", format!("{error}.")).about(&device.id))
        }
        Err(NotTraced::Failed(TraceError::File(error))) => Err(Problem::of_disk("make", &error)),
        Err(NotTraced::Nobody) => Err(Problem::new(500, "internal", "Nothing is traced here.")),
    }
}

/// `GET /devices/{id}/trace`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let device = call.device()?;
    let state = tracer(call)?.state(&device.id);
    Ok(Outcome::Now(as_json(200, &state.as_ref().map_or_else(nothing, shown))))
}

/// `DELETE /devices/{id}/trace`
pub fn stop(call: &mut Call) -> Handled {
    call.allow(&[])?;
    call.no_body()?;
    let device = call.device()?;
    let state = tracer(call)?.stop(&device.id);
    Ok(Outcome::Now(as_json(200, &state.as_ref().map_or_else(nothing, shown))))
}

/// `GET /traces`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let tracer = tracer(call)?;
    let files = tracer.files().map_err(|error| Problem::of_disk("list", &error))?;
    let data: Vec<Value> = files
        .into_iter()
        .map(|file| {
            json!({
                "id": file.name.as_str(),
                "bytes": file.bytes,
                "modified_at": rfc3339(file.modified),
                "running": tracer.is_running(&file.name),
            })
        })
        .collect();
    Ok(Outcome::Now(as_json(200, &json!({ "count": data.len(), "kept": Tracer::KEPT, "data": data }))))
}

/// `GET /traces/{id}`
pub fn download(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let name = call.trace()?;
    let file = tracer(call)?.open(&name).map_err(|error| of_file(&name, "read", &error))?;
    let length = file.metadata().map_err(|error| of_file(&name, "read", &error))?.len();
    // A file that still grows is given as far as it has got.
    Ok(Outcome::Now(Answer::stream(200, ContentType::NdJson, file.take(length))))
}

/// `DELETE /traces/{id}`
pub fn remove(call: &mut Call) -> Handled {
    call.allow(&[])?;
    call.no_body()?;
    let name = call.trace()?;
    let tracer = tracer(call)?;
    if tracer.is_running(&name) {
        let detail = "This trace is still running; stop it first.";
        return Err(Problem::new(409, "trace_running", detail));
    }
    tracer.remove(&name).map_err(|error| of_file(&name, "delete", &error))?;
    Ok(Outcome::Now(Answer::empty(204)))
}

fn tracer(call: &Call) -> Result<&Tracer, Problem> {
    let tracer = call.gateway.registry.tracer().map(|tracer| &**tracer);
    tracer.ok_or_else(|| Problem::new(500, "internal", "Nothing is traced here."))
}

fn of_file(name: &TraceName, what: &str, error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => Problem::no_trace(name.as_str()),
        _ => Problem::of_disk(what, error),
    }
}

fn nothing() -> Value {
    json!({ "running": false })
}

fn shown(state: &TraceState) -> Value {
    json!({
        "running": state.ended.is_none(),
        "id": state.name.as_str(),
        "file": state.name.file_name(),
        "started_at": rfc3339(state.started_at),
        "ends_at": rfc3339(state.ends_at),
        "ended": state.ended,
        "frames": state.frames,
        "lost": state.lost,
        "bytes": state.bytes,
        "max_bytes": state.max_bytes,
    })
}
