//! Webhooks: who is told of punches.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::ask_journal::{read, write};
use super::webhook_input::{Change, Create, Replay, Start};
use super::webhook_view::{AttemptView, TriedView, WebhookView};
use crate::base::clock::millis;
use crate::base::scope::Scope;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::http::response::{Answer, Location};
use crate::http::tokens::Who;
use crate::store::StoreError;
use crate::store::journal::backend::Backend;
use crate::store::journal::delivery::{
    ATTEMPTS_KEPT, Attempt, NewWebhook, WEBHOOKS_CEILING, Webhook, WebhookPatch,
};

/// What the journal's thread finds, or why it did not do it.
type Decided<T> = Result<T, Refused>;

enum Refused {
    Unknown(u64),
    Full,
    /// The journal is not as far as the caller thinks.
    Beyond(u64),
}

/// `GET /webhooks`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let deadline = call.deadline()?;
    let (gateway, who) = (Arc::clone(&call.gateway), call.who.clone());
    let all = |backend: &mut dyn Backend| {
        let webhooks = backend.webhooks()?;
        webhooks.into_iter().map(|webhook| with_last(backend, webhook)).collect::<Result<Vec<_>, _>>()
    };
    read(call, deadline, all, move |webhooks| {
        let data: Vec<_> =
            webhooks.into_iter().map(|(webhook, last)| shown(webhook, last, &gateway, &who)).collect();
        Ok(as_json(200, &json!({ "count": data.len(), "data": data })))
    })
}

/// `GET /webhooks/{id}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let (id, deadline) = (call.webhook()?, call.deadline()?);
    let (gateway, who) = (Arc::clone(&call.gateway), call.who.clone());
    let look = move |backend: &mut dyn Backend| {
        let found = find(backend, id)?;
        known(backend, id, found)
    };
    read(call, deadline, look, move |found| {
        let (webhook, last) = found.map_err(problem)?;
        Ok(as_json(200, &shown(webhook, last, &gateway, &who)))
    })
}

/// A webhook as this caller may see it.
fn shown(webhook: Webhook, last: Option<Attempt>, gateway: &Gateway, who: &Who) -> WebhookView {
    let view = WebhookView::new(webhook, last, gateway);
    if who.may(Scope::Admin) { view } else { view.without_query() }
}

/// `POST /webhooks`
pub fn create(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let create: Create = call.body()?;
    let deadline = call.deadline()?;
    let start = create.after;
    let new = create.into_new()?;
    let gateway = Arc::clone(&call.gateway);
    let now = millis(gateway.clock.wall());
    let make = move |backend: &mut dyn Backend| {
        if backend.webhooks()?.len() >= WEBHOOKS_CEILING {
            return Ok(Err(Refused::Full));
        }
        match begin(backend, start)? {
            Ok(cursor) => backend.create_webhook(&NewWebhook { cursor, ..new }, now).map(Ok),
            Err(refused) => Ok(Err(refused)),
        }
    };
    write(call, deadline, make, move |made| {
        let webhook = made.map_err(problem)?;
        gateway.deliveries.changed(webhook.clone(), true);
        let location = Location::parse(&format!("/api/v1/webhooks/{}", webhook.id));
        let secret = webhook.secret.clone();
        let view = WebhookView::new(webhook, None, &gateway).with_secret(Some(&secret));
        Ok(Answer { location, ..as_json(201, &view) })
    })
}

/// `PATCH /webhooks/{id}`
pub fn change(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let id = call.webhook()?;
    let mut changed = call.body::<Change>()?.into_changed()?;
    let deadline = call.deadline()?;
    let told = changed.told.take();
    let gateway = Arc::clone(&call.gateway);
    let now = millis(gateway.clock.wall());
    let patch = move |backend: &mut dyn Backend| {
        let Some(webhook) = find(backend, id)? else { return Ok(Err(Refused::Unknown(id))) };
        let patched = backend.update_webhook(id, &changed.patch(&webhook), now)?;
        known(backend, id, patched)
    };
    write(call, deadline, patch, move |done| {
        let (webhook, last) = done.map_err(problem)?;
        gateway.deliveries.changed(webhook.clone(), false);
        Ok(as_json(200, &WebhookView::new(webhook, last, &gateway).with_secret(told.as_ref())))
    })
}

/// `DELETE /webhooks/{id}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let (id, deadline) = (call.webhook()?, call.deadline()?);
    let gateway = Arc::clone(&call.gateway);
    write(
        call,
        deadline,
        move |backend| backend.delete_webhook(id),
        move |there| {
            if !there {
                return Err(problem(Refused::Unknown(id)));
            }
            gateway.deliveries.removed(id);
            Ok(Answer::empty(204))
        },
    )
}

/// `POST /webhooks/{id}/replay`
pub fn replay(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let id = call.webhook()?;
    let Replay { after } = call.body()?;
    let deadline = call.deadline()?;
    let gateway = Arc::clone(&call.gateway);
    let now = millis(gateway.clock.wall());
    let set = move |backend: &mut dyn Backend| {
        let cursor = match begin(backend, after)? {
            Ok(cursor) => cursor,
            Err(refused) => return Ok(Err(refused)),
        };
        let patch = WebhookPatch { cursor: Some(cursor), ..WebhookPatch::default() };
        let patched = backend.update_webhook(id, &patch, now)?;
        known(backend, id, patched)
    };
    write(call, deadline, set, move |done| {
        let (webhook, last) = done.map_err(problem)?;
        gateway.deliveries.changed(webhook.clone(), true);
        Ok(as_json(200, &WebhookView::new(webhook, last, &gateway)))
    })
}

/// `POST /webhooks/{id}/test`
pub fn test(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let (id, deadline) = (call.webhook()?, call.deadline()?);
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?.shared();
    let (late, answered) = (reply.clone(), reply.clone());
    gateway.alarms.at(deadline.instant(), move || {
        if let Some(reply) = late.take() {
            let detail = "The receiver did not answer within the request's deadline; what becomes of the test is \
                          among the webhook's deliveries.";
            reply.send(Problem::new(504, "deadline_exceeded", detail).answer());
        }
    });
    let started = gateway.deliveries.test(id, move |tried| {
        if let Some(reply) = answered.take() {
            reply.json(200, &TriedView::new(tried));
        }
    });
    let refused = match started {
        Some(Ok(())) => None,
        Some(Err(busy)) => {
            let problem = Problem::new(503, "too_many_tests", format!("{busy}."));
            Some(Problem { retry_after: Some(Duration::from_secs(1)), ..problem })
        }
        None if gateway.deliveries.loaded() => Some(problem(Refused::Unknown(id))),
        None => Some(Problem::of_store(&StoreError::TimedOut { outcome_unknown: false })),
    };
    if let Some(problem) = refused
        && let Some(reply) = reply.take()
    {
        reply.send(problem.answer());
    }
    Ok(Outcome::Later)
}

/// `GET /webhooks/{id}/deliveries?limit=`
pub fn deliveries(call: &mut Call) -> Handled {
    call.allow(&["limit", "timeout"])?;
    let (id, deadline) = (call.webhook()?, call.deadline()?);
    let limit = u32::try_from(call.number("limit", 50, 1, ATTEMPTS_KEPT.into())?).unwrap_or(ATTEMPTS_KEPT);
    let look = move |backend: &mut dyn Backend| match find(backend, id)? {
        Some(_) => backend.attempts(id, limit).map(Ok),
        None => Ok(Err(Refused::Unknown(id))),
    };
    read(call, deadline, look, move |found| {
        let data: Vec<_> = found.map_err(problem)?.into_iter().map(AttemptView::new).collect();
        Ok(as_json(200, &json!({ "count": data.len(), "data": data })))
    })
}

fn find(backend: &mut dyn Backend, id: u64) -> Result<Option<Webhook>, StoreError> {
    Ok(backend.webhooks()?.into_iter().find(|webhook| webhook.id == id))
}

fn with_last(backend: &mut dyn Backend, webhook: Webhook) -> Result<(Webhook, Option<Attempt>), StoreError> {
    let last = backend.attempts(webhook.id, 1)?.into_iter().next();
    Ok((webhook, last))
}

/// A webhook that may be there, with its last attempt.
fn known(
    backend: &mut dyn Backend,
    id: u64,
    found: Option<Webhook>,
) -> Result<Decided<(Webhook, Option<Attempt>)>, StoreError> {
    match found {
        Some(webhook) => with_last(backend, webhook).map(Ok),
        None => Ok(Err(Refused::Unknown(id))),
    }
}

/// The cursor to begin with.
fn begin(backend: &mut dyn Backend, start: Start) -> Result<Decided<u64>, StoreError> {
    let head = backend.head()?;
    Ok(match start {
        Start::Now => Ok(head),
        Start::After(seq) if seq <= head => Ok(seq),
        Start::After(_) => Err(Refused::Beyond(head)),
    })
}

fn problem(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown(id) => Problem::no_webhook(&id.to_string()),
        Refused::Full => {
            let detail = format!("There are {WEBHOOKS_CEILING} webhooks, which is the limit.");
            Problem::new(409, "too_many_webhooks", detail)
        }
        Refused::Beyond(head) => {
            let detail = format!("The field after: the journal goes up to {head}.");
            Problem::new(422, "invalid_value", detail).with("field", "after")
        }
    }
}
