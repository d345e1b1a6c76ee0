//! Trying a receiver once, because somebody wants to know: signed like any delivery, noted like any attempt, and
//! without any effect on the cursor.

use std::sync::Arc;
use std::time::Duration;

use super::batch::test_event;
use super::client::{Parcel, Sent};
use super::house::House;
use super::target::Target;
use super::worker::STACK;
use crate::base::threads::{contained, spawn};
use crate::store::journal::delivery::Webhook;

/// What a receiver did with a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The receiver's status code, if it answered.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// What went wrong; `None` when it was taken.
    pub error: Option<String>,
}

/// Too many tests are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{TRIALS} tests are under way already")]
pub struct Busy;

/// The most tests under way.
pub(super) const TRIALS: usize = 4;

/// Tries a receiver on a thread of its own; `done` is called there.
pub(super) fn start(
    house: &Arc<House>,
    webhook: Arc<Webhook>,
    done: impl FnOnce(Tried) + Send + 'static,
) -> Result<(), Busy> {
    let seat = house.trials.take().ok_or(Busy)?;
    let (mine, thread) = (Arc::clone(house), house.thread());
    let started = spawn("webhook-test", STACK, move || {
        let (_seat, _thread) = (seat, thread);
        contained("webhook-test", || done(attempt(&mine, &webhook)));
    });
    started.map(drop).map_err(|error| {
        log::warn!("a webhook cannot be tested: {error}");
        Busy
    })
}

fn attempt(house: &House, webhook: &Webhook) -> Tried {
    let failed = |error: String| Tried { status: None, took: Duration::ZERO, error: Some(error) };
    let target = match Target::parse(&webhook.url) {
        Ok(target) => target,
        Err(error) => return failed(format!("the URL cannot be used: {error}")),
    };
    let (delivery, body) = match test_event(webhook.id) {
        Ok(event) => event,
        Err(error) => return failed(error.to_string()),
    };
    let parcel = Parcel { webhook: webhook.id, delivery: &delivery, secret: &webhook.secret, body: &body };
    let sent = house.client.send(&target, &parcel);
    note(house, webhook.id, &sent);
    Tried { status: sent.status, took: sent.took, error: sent.error }
}

fn note(house: &House, webhook: u64, sent: &Sent) {
    let attempt = sent.attempt(webhook, None, 0);
    let noted = house.journal.write(house.soon(), move |b| b.note_attempt(&attempt, None, None));
    if let Err(error) = noted {
        log::debug!("webhook {webhook}: a test was not kept: {error}");
    }
}
