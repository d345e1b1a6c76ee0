//! The right and the duty to carry out one operation. Whoever lets go of it without a word has said: nobody knows.

use std::sync::Arc;

use serde_json::{Value, json};

use super::live::Live;
use super::{Operations, Shown};
use crate::store::ledger::State;

/// An operation in somebody's hand.
#[derive(Clone)]
pub struct Ticket(Arc<Hand>);

struct Hand {
    operations: Arc<Operations>,
    live: Arc<Live>,
}

/// How an operation ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// One of the states in which it is over.
    pub state: State,
    /// What came of it, also of a part.
    pub result: Option<Value>,
    /// Why it is not done.
    pub problem: Option<Value>,
    /// Nothing of it reached a device: its key may be used again.
    pub never_began: bool,
}

impl Ending {
    /// It was done.
    #[must_use]
    pub const fn done(result: Value) -> Self {
        Self { state: State::Done, result: Some(result), problem: None, never_began: false }
    }

    /// It was not done, or not in full.
    #[must_use]
    pub const fn failed(problem: Value) -> Self {
        Self { state: State::Failed, result: None, problem: Some(problem), never_began: false }
    }

    /// Nobody can tell whether it was done.
    #[must_use]
    pub fn unknown(problem: Value) -> Self {
        Self { state: State::OutcomeUnknown, ..Self::failed(problem) }
    }

    /// It was ended early, on request.
    #[must_use]
    pub const fn cancelled(result: Option<Value>) -> Self {
        Self { state: State::Cancelled, result, problem: None, never_began: false }
    }

    /// The same with what came of it nevertheless.
    #[must_use]
    pub fn with_result(self, result: Value) -> Self {
        Self { result: Some(result), ..self }
    }

    /// The same, and nothing of it reached a device.
    #[must_use]
    pub fn before_it_began(self) -> Self {
        Self { never_began: true, ..self }
    }
}

impl Ticket {
    pub(super) fn new(operations: Arc<Operations>, live: Arc<Live>) -> Self {
        Self(Arc::new(Hand { operations, live }))
    }

    /// The operation's number; 0 when it could not be noted.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.live.id()
    }

    /// The device is being asked now.
    pub fn started(&self) {
        self.0.live.started(self.0.operations.now());
    }

    /// So many parts are done, of so many.
    pub fn progress(&self, done: u64, total: u64) {
        self.0.live.progress(done, total);
    }

    /// Something happened that whoever watches wants to know.
    pub fn happened(&self, name: &'static str, detail: Value) {
        self.0.live.happened(name, detail, self.0.operations.now());
    }

    /// Whether it is wished to end early.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.live.is_cancelled()
    }

    /// How it is now.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.0.live.show(self.0.live.operation())
    }

    /// What was done to each of several devices, and how that ended: the audit log has a row for each.
    pub fn touched(&self, devices: Vec<(String, &str)>) {
        self.0.operations.touched(&self.0.live, devices);
    }

    /// It is over. The first word counts.
    pub fn end(&self, ending: Ending) {
        self.0.operations.ended(&self.0.live, ending);
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if self.live.is_over() {
            return;
        }
        let ending = if self.live.has_started() {
            Ending::unknown(told(
                "outcome_unknown",
                "It ended without a word; whether it was done is not known.",
            ))
        } else {
            Ending::failed(told("stopping", "It was not begun: the service was ending.")).before_it_began()
        };
        self.operations.ended(&self.live, ending);
    }
}

fn told(code: &str, detail: &str) -> Value {
    json!({ "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": code, "detail": detail })
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.id())
    }
}
