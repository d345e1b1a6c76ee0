//! Operations: how far they are, what became of them, and ending one early.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::view::moment;
use crate::base::deadline::Deadline;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::{SharedReply, json as as_json};
use crate::operations::{Shown, Watched};
use crate::store::ledger::{LeftOut, OperationQuery, SMALL, State};

/// `GET /operations`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["limit", "before", "device", "state"])?;
    let state = match call.parameter("state") {
        None => None,
        Some(name) => Some(State::parse(name).ok_or_else(|| {
            invalid("state", "it is queued, running, done, failed, cancelled or outcome_unknown")
        })?),
    };
    let query = OperationQuery {
        before: call.number("before", 0, 0, i64::MAX as u64)?,
        limit: u32::try_from(call.number("limit", 100, 1, 1000)?).unwrap_or(100),
        device_id: call.parameter("device").map(str::to_owned),
        // What is under way is not in the book as running.
        state: state.map(|state| if state == State::Running { State::Queued } else { state }),
    };
    let (deadline, gateway, reply) = (call.deadline()?, Arc::clone(&call.gateway), call.later()?);
    let ledger = Arc::clone(gateway.operations.ledger());
    ledger.read_then(
        deadline,
        move |book| book.operations(&query),
        move |found| {
            let answer = found.map(|(operations, more)| {
                let before = operations.last().map(|last| last.id);
                let all = operations.into_iter().map(|operation| gateway.operations.shown(operation));
                let wanted = all.filter(|shown| state.is_none_or(|state| shown.operation.state == state));
                let wanted: Vec<Shown> = wanted.collect();
                let data = wanted.iter().map(in_list).collect();
                as_json(200, &Page { data, more, next_before: before.filter(|_| more) })
            });
            reply.result(answer.map_err(|error| Problem::of_store(&error)));
        },
    );
    Ok(Outcome::Later)
}

/// `GET /operations/{id}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&["wait", "after_event"])?;
    let id = number(call)?;
    let wait = Duration::from_secs(call.number("wait", 0, 0, 60)?);
    let after = call.number("after_event", u64::MAX, 0, u64::MAX)?;
    let (gateway, reply) = (Arc::clone(&call.gateway), call.later()?.shared());
    if wait.is_zero() {
        tell(&gateway, id, &reply);
        return Ok(Outcome::Later);
    }
    let (late_gateway, late) = (Arc::clone(&gateway), reply.clone());
    gateway.alarms.at(call.since + wait, move || tell(&late_gateway, id, &late));
    look(&gateway, id, after, &reply);
    Ok(Outcome::Later)
}

/// Answers when there is news, or waits for it.
fn look(gateway: &Arc<Gateway>, id: u64, after: u64, reply: &SharedReply) {
    let (again, next) = (Arc::clone(gateway), reply.clone());
    let watched = gateway.operations.watch(id, after, move || {
        if next.is_there() {
            look(&again, id, after, &next);
        }
    });
    if watched != Watched::Waiting {
        tell(gateway, id, reply);
    }
}

/// Answers with how it is now.
fn tell(gateway: &Arc<Gateway>, id: u64, reply: &SharedReply) {
    let Some(reply) = reply.take() else { return };
    let deadline = Deadline::after(gateway.clock.now(), gateway.default_timeout);
    let shown = Arc::clone(gateway);
    gateway.operations.ledger().read_then(
        deadline,
        move |book| book.operation(id),
        move |found| {
            let answer = found.map_err(|error| Problem::of_store(&error)).and_then(|operation| {
                let operation = operation.ok_or_else(|| Problem::none("operation", &id.to_string()))?;
                Ok(as_json(200, &view(&shown.operations.shown(operation))))
            });
            reply.result(answer);
        },
    );
}

/// `POST /operations/{id}/cancel`
pub fn cancel(call: &mut Call) -> Handled {
    call.allow(&[])?;
    call.no_body()?;
    let id = number(call)?;
    let gateway = Arc::clone(&call.gateway);
    gateway.operations.cancel(id, call.who.scopes).map_err(|scope| {
        let detail =
            format!("It was begun with the scope {0}; to cancel it, {0} is needed too.", scope.name());
        Problem::new(403, "scope_needed", detail).with("scope", scope.name())
    })?;
    // Whether it had ended already is what the answer shows.
    tell(&gateway, id, &call.later()?.shared());
    Ok(Outcome::Later)
}

fn number(call: &Call) -> Result<u64, Problem> {
    call.number_in_path().map_err(|text| Problem::none("operation", text))
}

#[derive(Serialize)]
struct Page<'s> {
    data: Vec<View<'s>>,
    more: bool,
    next_before: Option<u64>,
}

/// An operation as the API shows it. What came of it is handed on as it was noted.
#[derive(Serialize)]
pub struct View<'s> {
    cancelling: bool,
    created_at: String,
    deadline: String,
    device_id: Option<&'s str>,
    events: Vec<Value>,
    finished_at: Option<String>,
    id: u64,
    kind: &'s str,
    problem: Option<&'s RawValue>,
    progress: Option<Value>,
    result: Option<&'s RawValue>,
    result_left_out: Option<&'static str>,
    started_at: Option<String>,
    state: &'static str,
    subject: Option<&'s str>,
    token: &'s str,
}

/// An operation with all that there is of it.
#[must_use]
pub fn view(shown: &Shown) -> View<'_> {
    let events = shown.events.iter().map(|event| {
        json!({ "number": event.number, "at": moment(event.at), "event": event.name, "detail": event.detail })
    });
    View { events: events.collect(), ..without_events(shown) }
}

/// An operation as it is in a list, which stays small: without events, and without a large result. The ledger leaves
/// those out; what has just ended comes from elsewhere.
fn in_list(shown: &Shown) -> View<'_> {
    let view = without_events(shown);
    match view.result {
        Some(result) if result.get().len() > SMALL => {
            View { result: None, result_left_out: Some(word(LeftOut::Large)), ..view }
        }
        _ => view,
    }
}

fn without_events(shown: &Shown) -> View<'_> {
    let operation = &shown.operation;
    let progress = (operation.total > 0).then(|| json!({ "done": operation.done, "total": operation.total }));
    View {
        cancelling: shown.cancelling,
        created_at: moment(operation.created_at),
        deadline: moment(operation.deadline),
        device_id: operation.device_id.as_deref(),
        events: Vec::new(),
        finished_at: operation.finished_at.map(moment),
        id: operation.id,
        kind: &operation.kind,
        problem: raw(operation.problem.as_deref()),
        progress,
        result: raw(operation.result.as_deref()),
        result_left_out: operation.left_out.map(word),
        started_at: operation.started_at.map(moment),
        state: operation.state.name(),
        subject: operation.subject.as_deref(),
        token: &operation.token,
    }
}

/// JSON as it was noted; nothing of it is built anew.
fn raw(text: Option<&str>) -> Option<&RawValue> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

const fn word(left_out: LeftOut) -> &'static str {
    match left_out {
        LeftOut::Large => "large",
        LeftOut::GivenUp => "given_up",
    }
}
