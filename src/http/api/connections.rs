//! The sessions: who is connected, connecting, disconnecting, lending.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::input::given;
use super::view::ConnectionView;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome, invalid, refused};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::{Reply, json as as_json};
use crate::registry::{Priority, Refusal, Repeat, StateName, Terms};

/// How long a device is lent when the request does not say.
const LEND: Duration = Duration::from_secs(15 * 60);

/// `GET /devices/{id}/connection`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let device = call.device()?;
    Ok(Outcome::Now(as_json(200, &connection(&call.gateway, &device.id)?)))
}

/// `GET /connections?state=`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["state"])?;
    let state = state_of(call)?;
    let devices = call.gateway.store.devices();
    let clock = &*call.gateway.clock;
    let mut all = call.gateway.registry.statuses();
    // In the order of the device list.
    all.sort_by_cached_key(|slot| devices.up_to(&slot.id));
    let mut states: Map<String, Value> = Map::new();
    for name in StateName::ALL {
        let count = all.iter().filter(|slot| slot.state == name).count();
        states.insert(name.as_str().to_owned(), count.into());
    }
    let data: Vec<ConnectionView> = all
        .into_iter()
        .filter(|slot| state.is_none_or(|state| slot.state == state))
        .map(|slot| {
            let device = devices.get(&slot.id).cloned();
            ConnectionView::new(slot, device.as_deref(), clock)
        })
        .collect();
    Ok(Outcome::Now(as_json(200, &json!({ "count": data.len(), "states": states, "data": data }))))
}

/// The parameter `state`, for lists.
pub(super) fn state_of(call: &Call) -> Result<Option<StateName>, Problem> {
    let Some(text) = call.parameter("state") else { return Ok(None) };
    let found = StateName::ALL.into_iter().find(|name| name.as_str() == text);
    found.map(Some).ok_or_else(|| {
        let names = StateName::ALL.map(StateName::as_str).join(", ");
        invalid("state", &format!("it is one of {names}"))
    })
}

/// `POST /devices/{id}/connect`
pub fn connect(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let device = call.device()?;
    let deadline = call.deadline()?;
    let gateway = Arc::clone(&call.gateway);
    gateway.registry.connect(&device.id).map_err(refused(&device.id))?;
    let reply = call.later()?;
    let (registry, id) = (Arc::clone(&gateway.registry), device.id.clone());
    let terms = Terms { priority: Priority::Urgent, deadline, repeat: Repeat::Harmless, brief: true };
    // Nothing is asked; being run at all means that there is a session.
    registry.submit(
        &device.id,
        terms,
        |_, _| Ok(()),
        move |result| {
            let shown = result.map_err(refused(&id)).and_then(|()| connection(&gateway, &id));
            reply.result(shown.map(|view| as_json(200, &view)));
        },
    );
    Ok(Outcome::Later)
}

/// `POST /devices/{id}/disconnect`
pub fn disconnect(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let device = call.device()?;
    let (deadline, reply) = (call.deadline()?, call.later()?);
    let gateway = Arc::clone(&call.gateway);
    let registry = Arc::clone(&gateway.registry);
    closing(&gateway, &device.id, deadline, reply, |done| registry.disconnect(&device.id, done));
    Ok(Outcome::Later)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lend {
    #[serde(default, deserialize_with = "given")]
    minutes: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    seconds: Option<u64>,
    #[serde(default)]
    to: Option<String>,
}

/// `POST /devices/{id}/lend`
pub fn lend(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let lend: Lend = call.body()?;
    let device = call.device()?;
    let ceiling = call.gateway.registry.settings().lend_max;
    let asked = match (lend.minutes, lend.seconds) {
        (None, None) => LEND,
        (Some(minutes), None) => Duration::from_secs(minutes.saturating_mul(60)),
        (None, Some(seconds)) => Duration::from_secs(seconds),
        // Both are refused below.
        (Some(_), Some(_)) => Duration::ZERO,
    };
    if asked.is_zero() || asked > ceiling {
        let detail =
            format!("A device is lent for 1 to {} seconds (give minutes or seconds).", ceiling.as_secs());
        return Err(Problem::bad_request("invalid_body", detail));
    }
    let to = lend.to.unwrap_or_else(|| "other software".to_owned());
    if to.trim().is_empty() || to.chars().count() > 100 || to.chars().any(char::is_control) {
        return Err(Problem::bad_request("invalid_body", "The field \"to\" has 1 to 100 characters."));
    }
    let (deadline, reply) = (call.deadline()?, call.later()?);
    let gateway = Arc::clone(&call.gateway);
    let registry = Arc::clone(&gateway.registry);
    closing(&gateway, &device.id, deadline, reply, |done| registry.lend(&device.id, to, asked, done));
    Ok(Outcome::Later)
}

/// `POST /devices/{id}/resume`
pub fn resume(call: &mut Call) -> Handled {
    call.allow(&[])?;
    call.no_body()?;
    let device = call.device()?;
    call.gateway.registry.resume(&device.id).map_err(refused(&device.id))?;
    Ok(Outcome::Now(as_json(200, &connection(&call.gateway, &device.id)?)))
}

/// `POST /connections/disconnect-all`
pub fn disconnect_all(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let (deadline, reply) = (call.deadline()?, call.later()?.shared());
    let gateway = Arc::clone(&call.gateway);
    let late = reply.clone();
    gateway.alarms.at(deadline.instant(), move || {
        if let Some(reply) = late.take() {
            let detail = "Not every session was closed in time; the rest follow when their calls are done.";
            reply.send(Problem::new(504, "deadline_exceeded", detail).answer());
        }
    });
    let open = gateway.registry.up().0;
    gateway.registry.disconnect_all(move || {
        if let Some(reply) = reply.take() {
            reply.json(200, &json!({ "disconnected": open }));
        }
    });
    Ok(Outcome::Later)
}

/// Begins to close a session and answers when it is closed, or when the deadline passes.
fn closing(
    gateway: &Arc<Gateway>,
    id: &DeviceId,
    deadline: Deadline,
    reply: Reply,
    begin: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<(), Refusal>,
) {
    let reply = reply.shared();
    let (late, closed) = (reply.clone(), reply.clone());
    let device = id.clone();
    gateway.alarms.at(deadline.instant(), move || {
        if let Some(reply) = late.take() {
            let detail = "A call is still using the session; it is closed when that is done.";
            reply.send(Problem::new(504, "deadline_exceeded", detail).about(&device).answer());
        }
    });
    let (shown, device) = (Arc::clone(gateway), id.clone());
    let begun = begin(Box::new(move || {
        if let Some(reply) = closed.take() {
            reply.result(connection(&shown, &device).map(|view| as_json(200, &view)));
        }
    }));
    if let Err(refusal) = begun
        && let Some(reply) = reply.take()
    {
        reply.send(Problem::of_refusal(&refusal, id).answer());
    }
}

fn connection(gateway: &Gateway, id: &DeviceId) -> Result<ConnectionView, Problem> {
    let device = gateway.store.devices().get(id).cloned();
    let slot = gateway.registry.status(id).ok_or_else(|| Problem::no_device(id.as_str()))?;
    Ok(ConnectionView::new(slot, device.as_deref(), &*gateway.clock))
}
