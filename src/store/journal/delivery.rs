//! Webhook subscriptions as they are kept: who is told what, and how far. An outbox is the journal plus a cursor.

use super::query::Filter;
use crate::base::secret::Secret;

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, 1 and up, never used again.
    pub id: u64,
    /// What people call it.
    pub name: String,
    /// Where to.
    pub url: String,
    /// The key of the signatures.
    pub secret: Secret<String>,
    /// Which rows. Only `devices` and `users` are used.
    pub filter: Filter,
    /// The most rows in one request.
    pub batch: u32,
    /// Whether it is on.
    pub enabled: bool,
    /// Why it was switched off by zkgate, if it was: `gone` after a 410.
    pub disabled_because: Option<String>,
    /// All rows up to this one were taken by the receiver.
    pub cursor: u64,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When it was made, in milliseconds since 1970 (UTC).
    pub created_at: i64,
    /// When it was last changed by somebody, likewise.
    pub updated_at: i64,
}

impl Webhook {
    /// Changed by somebody, now.
    pub(super) fn patched(self, patch: &WebhookPatch, now: i64) -> Self {
        let WebhookPatch { name, url, secret, filter, batch, enabled, cursor } = patch.clone();
        let on = enabled == Some(true);
        Self {
            id: self.id,
            name: name.unwrap_or(self.name),
            url: url.unwrap_or(self.url),
            secret: secret.unwrap_or(self.secret),
            filter: filter.unwrap_or(self.filter),
            batch: batch.unwrap_or(self.batch),
            enabled: enabled.unwrap_or(self.enabled),
            disabled_because: if on { None } else { self.disabled_because },
            cursor: cursor.unwrap_or(self.cursor),
            failures: if on { 0 } else { self.failures },
            created_at: self.created_at,
            updated_at: now,
        }
    }
}

/// A subscription to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// What people call it.
    pub name: String,
    /// Where to.
    pub url: String,
    /// The key of the signatures.
    pub secret: Secret<String>,
    /// Which rows.
    pub filter: Filter,
    /// The most rows in one request.
    pub batch: u32,
    /// Whether it is on.
    pub enabled: bool,
    /// Rows after this one are delivered.
    pub cursor: u64,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    /// A new name.
    pub name: Option<String>,
    /// Another place.
    pub url: Option<String>,
    /// Another key.
    pub secret: Option<Secret<String>>,
    /// Other rows.
    pub filter: Option<Filter>,
    /// Another size.
    pub batch: Option<u32>,
    /// On or off; switching on forgets failures and why it was off.
    pub enabled: Option<bool>,
    /// Where to go on, backwards or forwards: a replay.
    pub cursor: Option<u64>,
}

/// One attempt to deliver, kept for people: the last [`ATTEMPTS_KEPT`] of each subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, 1 and up.
    pub id: u64,
    /// Whose.
    pub webhook: u64,
    /// When it began, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// How long it took, in milliseconds.
    pub took: u32,
    /// The first and the last row in it; `None` for a test.
    pub rows: Option<(u64, u64)>,
    /// How many rows.
    pub count: u32,
    /// The receiver's status code, if it answered.
    pub status: Option<u16>,
    /// What went wrong, in words that show no secret; `None` when it was taken.
    pub error: Option<String>,
}

/// How many attempts are kept for each subscription.
pub const ATTEMPTS_KEPT: u32 = 200;
/// The most subscriptions.
pub const WEBHOOKS_CEILING: usize = 32;
