//! Requests that do something to one device: noted before the device is asked, done once, and answered with what came
//! of it.
//!
//! With an `Idempotency-Key` the same request is carried out once, also across a restart of the service: whoever asks
//! again is told what the first one came to. What nobody can know is `outcome_unknown`, and never tried again here.

use std::sync::Arc;

use serde_json::{Value, json};

use super::operations::view;
use crate::base::clock::{millis, wall_of};
use crate::base::deadline::Deadline;
use crate::base::scope::Scope;
use crate::device::{DeviceError, Reached, Session};
use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::{Reply, json as as_json};
use crate::http::response::{Answer, ContentType, Location};
use crate::operations::{Ending, Opened, Shown, Ticket};
use crate::registry::{Between, Refusal, Terms};
use crate::store::StoreError;
use crate::store::device::Device;
use crate::store::ledger::{NewOperation, Once, State};

/// What is done.
#[derive(Debug)]
pub struct Act {
    /// Its name, which is that of the operation.
    pub kind: &'static str,
    /// With what of the device: a person, a finger.
    pub subject: Option<String>,
    /// Until when.
    pub deadline: Deadline,
}

/// The only operation that is done even if it cannot be noted.
const UNNOTED: &str = "unlock";

/// Something of a few small commands, whose caller waits for it. `shape` says what came of it.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn quick<T, O, S>(call: &mut Call, act: Act, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    S: FnOnce(T) -> Result<Value, Problem> + Send + 'static,
{
    quick_apart(call, act, operation, shape, Value::clone)
}

/// The same before everybody who waits for the device, and in a queue that is full for others: a door.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn urgent<T, O, S>(call: &mut Call, act: Act, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    S: FnOnce(T) -> Result<Value, Problem> + Send + 'static,
{
    let terms = Terms::effect(act.deadline).brief().urgent();
    waited(call, act, terms, operation, (shape, Value::clone))
}

/// The same as [`quick`] where not everything that the caller is told belongs into the books: `keep` says what does.
/// Whoever asks again under the same key is told that.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn quick_apart<T, O, S>(
    call: &mut Call,
    act: Act,
    operation: O,
    shape: S,
    keep: fn(&Value) -> Value,
) -> Handled
where
    T: Send + 'static,
    O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    S: FnOnce(T) -> Result<Value, Problem> + Send + 'static,
{
    let terms = Terms::effect(act.deadline).brief();
    waited(call, act, terms, operation, (shape, keep))
}

/// Something that reads a table before or after it, whose caller waits for it. Otherwise like [`quick`].
///
/// # Errors
/// Whatever is wrong with the request.
pub fn thorough<T, O, S>(call: &mut Call, act: Act, operation: O, shape: S) -> Handled
where
    T: Send + 'static,
    O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    S: FnOnce(T) -> Result<Value, Problem> + Send + 'static,
{
    let terms = Terms::effect(act.deadline);
    waited(call, act, terms, operation, (shape, Value::clone))
}

fn waited<T, O, S>(
    call: &mut Call,
    act: Act,
    terms: Terms,
    operation: O,
    (shape, keep): (S, fn(&Value) -> Value),
) -> Handled
where
    T: Send + 'static,
    O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    S: FnOnce(T) -> Result<Value, Problem> + Send + 'static,
{
    let mut operation = operation;
    begin(call, act, true, move |ticket, device, gateway, reply| {
        let (id, begun, whose) = (device.id.clone(), ticket.clone(), device.id.clone());
        let registry = Arc::clone(&gateway.registry);
        registry.submit(
            &id,
            terms,
            move |session, deadline| {
                begun.started();
                operation(session, deadline)
            },
            move |result| {
                let (ending, answer) =
                    settled(&ticket, result.map_err(|refusal| (refusal, &whose)), shape, keep);
                ticket.end(ending);
                reply.send(answer);
            },
        );
    })
}

/// Something that takes its time: the caller is told its number at once, and looks how far it is.
///
/// `operation` says how it ended when the session lasted; otherwise the error does.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn long<O>(call: &mut Call, act: Act, operation: O) -> Handled
where
    O: FnMut(&mut Session, Deadline, &mut Between<'_>, &Ticket) -> Result<Ending, DeviceError>
        + Send
        + 'static,
{
    let mut operation = operation;
    let terms = Terms::effect(act.deadline);
    begin(call, act, false, move |ticket, device, gateway, reply| {
        reply.send(accepted(&ticket.shown()));
        let (id, begun, whose) = (device.id.clone(), ticket.clone(), device.id.clone());
        gateway.registry.submit_long(
            &id,
            terms,
            move |session, deadline, between| {
                begun.started();
                operation(session, deadline, between, &begun)
            },
            move |result| {
                ticket.end(
                    result
                        .unwrap_or_else(|refusal| ending_of(&refusal, Problem::of_refusal(&refusal, &whose))),
                )
            },
        );
    })
}

/// Notes an operation on the device that the path names, and lets `go` do it.
///
/// # Errors
/// Whatever is wrong with the request.
fn begin<G>(call: &mut Call, act: Act, waits: bool, go: G) -> Handled
where
    G: FnOnce(Ticket, Arc<Device>, Arc<crate::http::gateway::Gateway>, Reply) + Send + 'static,
{
    let device = call.device()?;
    let subject = Some(device.id.to_string());
    open(call, act, subject, waits, move |ticket, gateway, reply| go(ticket, device, gateway, reply))
}

/// Notes an operation, and lets `go` do it. Only a door is opened even if that cannot be noted, unless it has a key:
/// one that does not open because a card is full helps nobody. Everything else can wait for the card.
///
/// # Errors
/// Whatever is wrong with the request.
pub fn open<G>(call: &mut Call, act: Act, device_id: Option<String>, waits: bool, go: G) -> Handled
where
    G: FnOnce(Ticket, Arc<crate::http::gateway::Gateway>, Reply) + Send + 'static,
{
    let Act { kind, subject, deadline } = act;
    let gateway = Arc::clone(&call.gateway);
    let new = NewOperation {
        kind,
        device_id,
        subject,
        token: call.who.name.to_string(),
        token_id: call.who.id,
        scope: call.scope.unwrap_or(Scope::Admin),
        once: call.idempotency_key()?.map(|key| Once { key, request: call.digest(kind) }),
        deadline: millis(wall_of(deadline.instant(), &*gateway.clock)),
    };
    let reply = call.later()?;
    let operations = Arc::clone(&gateway.operations);
    let again = Arc::clone(&operations);
    let spare = new.clone();
    operations.begin(new, deadline, move |opened| match opened {
        Ok(Opened::New(ticket)) => go(ticket, gateway, reply),
        Ok(Opened::Earlier(earlier)) => reply.send(replayed(&earlier, waits)),
        Ok(Opened::KeyTaken(id)) => reply.send(key_taken(id).answer()),
        Err(error) if kind == UNNOTED && spare.once.is_none() && !matches!(error, StoreError::Closed) => {
            // What comes too late to be noted comes too late for the device as well, and is told so.
            if !deadline.passed(gateway.clock.now()) {
                let (token, device) = (&spare.token, spare.device_id.as_deref().unwrap_or("none"));
                log::error!(
                    "{kind} is done without a note of it: {error}; token {token:?}, device {device:?}"
                );
            }
            go(again.unrecorded(spare), gateway, reply);
        }
        Err(error) => reply.send(Problem::of_store(&error).answer()),
    });
    Ok(Outcome::Later)
}

/// How it ended, for the books and for the caller.
fn settled<T>(
    ticket: &Ticket,
    result: Result<T, (Refusal, &crate::base::ids::DeviceId)>,
    shape: impl FnOnce(T) -> Result<Value, Problem>,
    keep: fn(&Value) -> Value,
) -> (Ending, Answer) {
    let number = ticket.id();
    let (ending, problem) = match result {
        Ok(value) => match shape(value) {
            Ok(value) => {
                let value = with_number(value, number);
                return (Ending::done(keep(&value)), as_json(200, &value));
            }
            Err(problem) => {
                let problem = numbered(problem, number);
                let told = problem.to_json();
                // What the device acknowledged and nobody could look at afterwards is as uncertain as silence.
                let is_known = !matches!(problem.code, "outcome_unknown" | "not_verified");
                (if is_known { Ending::failed(told) } else { Ending::unknown(told) }, problem)
            }
        },
        Err((refusal, id)) => {
            let problem = numbered(Problem::of_refusal(&refusal, id), number);
            (ending_of(&refusal, problem.clone()), problem)
        }
    };
    (ending, problem.answer())
}

fn ending_of(refusal: &Refusal, problem: Problem) -> Ending {
    let told = problem.to_json();
    match refusal {
        Refusal::OutcomeUnknown(_) => Ending::unknown(told),
        Refusal::Failed(failure) if failure.reached != Reached::No => Ending::failed(told),
        _ => Ending::failed(told).before_it_began(),
    }
}

/// How a long one ended after something of it was said. A session that broke is given up, and nothing is repeated.
pub(super) fn over(ticket: &Ticket, ending: Ending, error: DeviceError) -> Result<Ending, DeviceError> {
    if error.keeps_session() {
        return Ok(ending);
    }
    ticket.end(ending);
    Err(DeviceError { reached: Reached::Perhaps, ..error })
}

fn with_number(value: Value, number: u64) -> Value {
    let mut value = value;
    if let (Value::Object(members), true) = (&mut value, number != 0) {
        members.insert("operation_id".to_owned(), number.into());
    }
    value
}

fn numbered(problem: Problem, number: u64) -> Problem {
    if number == 0 { problem } else { problem.with("operation_id", number) }
}

/// The answer for something that goes on.
pub fn accepted(shown: &Shown) -> Answer {
    let location = Location::parse(&format!("/api/v1/operations/{}", shown.operation.id));
    Answer { location, ..as_json(202, &view(shown)) }
}

/// The answer for whoever asks for the same once more: what the first request came to or, for what is not waited
/// for, how far it is.
fn replayed(earlier: &Shown, waits: bool) -> Answer {
    let operation = &earlier.operation;
    let answer = match operation.state {
        _ if !waits => accepted(earlier),
        State::Queued | State::Running => still_running(operation.id).answer(),
        State::Done => match operation.result.clone() {
            Some(result) => Answer::json(200, result),
            // What it came to gave way to newer results; that it was done is known.
            None => as_json(200, &with_number(json!({}), operation.id)),
        },
        State::Failed | State::OutcomeUnknown | State::Cancelled => {
            match problem_of(operation.problem.as_deref()) {
                Some((status, text)) => Answer::bytes(status, ContentType::ProblemJson, text),
                None => Answer::internal(),
            }
        }
    };
    Answer { replayed: true, ..answer }
}

fn still_running(id: u64) -> Problem {
    let detail =
        format!("The first request with this Idempotency-Key is still being carried out, as operation {id}.");
    Problem::new(409, "operation_running", detail).with("operation_id", id)
}

fn problem_of(text: Option<&str>) -> Option<(u16, String)> {
    let mut problem: Value = serde_json::from_str(text?).ok()?;
    let status = u16::try_from(problem.get("status")?.as_u64()?).ok()?;
    // It is told once more; nothing is to be gained from asking again.
    problem.as_object_mut()?.remove("retry_after");
    Some((status, problem.to_string()))
}

fn key_taken(id: u64) -> Problem {
    let detail = format!(
        "This Idempotency-Key belongs to another request, operation {id}; a new request needs a new key."
    );
    Problem::new(409, "idempotency_key_taken", detail).with("operation_id", id)
}

/// Nothing but the word for what was done.
#[must_use]
pub fn only(done: &'static str) -> Value {
    json!({ done: true })
}
