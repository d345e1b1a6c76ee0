//! What the health requests look at: the loops, the store, the journal and the ledger. Never a device, never a database.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::liveness::Liveness;
use crate::http::gateway::HealthView;
use crate::ops::health::{Health, Reason, Report};
use crate::store::journal::Journal;
use crate::store::ledger::Ledger;
use crate::store::{Condition, Store};

/// The answers to `/healthz` and `/readyz`.
pub(super) fn views(
    liveness: &Liveness,
    store: &Arc<Store>,
    journal: &Arc<Journal>,
    ledger: &Arc<Ledger>,
    clock: &Arc<dyn Clock>,
) -> (HealthView, HealthView) {
    let judge = {
        let (liveness, clock) = (liveness.clone(), Arc::clone(clock));
        let (store, journal, ledger) = (Arc::clone(store), Arc::clone(journal), Arc::clone(ledger));
        Arc::new(move || Health::judge(&liveness.silent(clock.now()), degraded(&store, &journal, &ledger)))
    };
    let again = Arc::clone(&judge);
    (Box::new(move || sent(&judge().alive())), Box::new(move || sent(&again().ready())))
}

fn degraded(store: &Store, journal: &Journal, ledger: &Ledger) -> Vec<Reason> {
    let health = store.health();
    let mut reasons = Vec::new();
    if let Condition::Degraded { since, cause } = health.condition {
        reasons.push(Reason::new("store_degraded", cause, Some(since)));
    }
    if !health.loaded {
        let detail = "the device list has not been read from the database yet";
        reasons.push(Reason::new("devices_not_loaded", detail, None));
    }
    if let Condition::Degraded { since, cause } = journal.health().condition {
        reasons.push(Reason::new("journal_degraded", cause, Some(since)));
    }
    if let Condition::Degraded { since, cause } = ledger.health().condition {
        reasons.push(Reason::new("ledger_degraded", cause, Some(since)));
    }
    reasons
}

fn sent(report: &Report) -> (u16, Vec<u8>) {
    match serde_json::to_vec(report) {
        Ok(body) => (report.code, body),
        Err(error) => {
            log::error!("a health report could not be written: {error}");
            (500, Vec::new())
        }
    }
}
