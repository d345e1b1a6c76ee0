//! Webhooks and their deliveries as the API shows them: never with a secret, except to whoever has just been given
//! it.

use serde::Serialize;

use super::view::{moment, rfc3339};
use super::webhook_input::PUNCH;
use crate::base::clock::wall_of;
use crate::base::secret::Secret;
use crate::delivery::{Phase, Target, Tried};
use crate::http::gateway::Gateway;
use crate::store::journal::delivery::{Attempt, Webhook};

/// Stands where a query is not shown.
const HIDDEN: &str = "?***";

/// A webhook.
#[derive(Debug, Serialize)]
pub struct WebhookView {
    id: u64,
    name: String,
    url: String,
    events: [&'static str; 1],
    devices: Vec<String>,
    users: Vec<String>,
    batch: u32,
    enabled: bool,
    state: &'static str,
    cursor: u64,
    pending: u64,
    failures: u32,
    next_attempt: Option<String>,
    last_error: Option<String>,
    last_attempt: Option<AttemptView>,
    created_at: String,
    updated_at: String,
    /// Only where it was made just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// One attempt to deliver, or one test.
#[derive(Debug, Serialize)]
pub struct AttemptView {
    id: u64,
    at: String,
    ms: u32,
    test: bool,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    count: u32,
    status: Option<u16>,
    error: Option<String>,
}

/// What a receiver did with a test.
#[derive(Debug, Serialize)]
pub struct TriedView {
    ok: bool,
    status: Option<u16>,
    ms: f64,
    error: Option<String>,
}

impl WebhookView {
    /// The view of a webhook and its last attempt, with how far it is by now.
    #[must_use]
    pub fn new(webhook: Webhook, last: Option<Attempt>, gateway: &Gateway) -> Self {
        let progress = gateway.deliveries.progress(webhook.id);
        let failures = progress.as_ref().map_or(webhook.failures, |progress| progress.failures);
        let cursor = progress.as_ref().map_or(webhook.cursor, |progress| progress.cursor);
        let clock = &*gateway.clock;
        let next = progress.as_ref().and_then(|progress| progress.retry_at);
        let failed = last.as_ref().filter(|_| failures > 0).and_then(|attempt| attempt.error.clone());
        Self {
            id: webhook.id,
            state: Phase::of(&webhook, failures).word(),
            name: webhook.name,
            url: webhook.url,
            events: [PUNCH],
            devices: webhook.filter.devices.iter().map(ToString::to_string).collect(),
            users: webhook.filter.users.iter().map(|user| user.to_text().into_owned()).collect(),
            batch: webhook.batch,
            enabled: webhook.enabled,
            cursor,
            pending: gateway.journal.feed().head().saturating_sub(cursor),
            failures,
            next_attempt: next.map(|next| rfc3339(wall_of(next, clock))),
            last_error: progress.and_then(|progress| progress.last_error).or(failed),
            last_attempt: last.map(AttemptView::new),
            created_at: moment(webhook.created_at),
            updated_at: moment(webhook.updated_at),
            secret: None,
        }
    }

    /// The same for somebody who may see webhooks and not change them. Many URLs are all that it takes to write to
    /// their receiver, so what may hold a token is left out.
    #[must_use]
    pub fn without_query(self) -> Self {
        let shown =
            Target::parse(&self.url).map_or_else(|_| String::new(), |target| target.shown().to_owned());
        let url = if self.url.contains('?') { shown + HIDDEN } else { shown };
        Self { url, ..self }
    }

    /// The same with its secret, which is never shown again.
    #[must_use]
    pub fn with_secret(self, secret: Option<&Secret<String>>) -> Self {
        Self { secret: secret.map(|secret| secret.expose().clone()), ..self }
    }
}

impl AttemptView {
    /// The view of an attempt.
    #[must_use]
    pub fn new(attempt: Attempt) -> Self {
        Self {
            id: attempt.id,
            at: moment(attempt.at),
            ms: attempt.took,
            test: attempt.rows.is_none(),
            first_seq: attempt.rows.map(|(first, _)| first),
            last_seq: attempt.rows.map(|(_, last)| last),
            count: attempt.count,
            status: attempt.status,
            error: attempt.error,
        }
    }
}

impl TriedView {
    /// The view of a test.
    #[must_use]
    pub fn new(tried: Tried) -> Self {
        let ms = (tried.took.as_secs_f64() * 100_000.0).round() / 100.0;
        Self { ok: tried.error.is_none(), status: tried.status, ms, error: tried.error }
    }
}
