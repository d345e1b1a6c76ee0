//! One operation while it is under way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::Shown;
use super::ticket::Ending;
use crate::base::lock::lock;
use crate::base::scope::Scope;
use crate::store::ledger::{Finished, NewAudit, NewOperation, Operation, State};

/// Something that happened in an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// What: a name, such as `finger_placed`.
    pub name: &'static str,
    /// More about it, if there is more to say.
    pub detail: Value,
}

/// Whether there is something to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// There is; the callback will come.
    Waiting,
    /// There is news already; the callback will not come.
    News,
    /// It has ended; the callback will not come.
    Over,
}

pub(super) struct Live {
    id: u64,
    new: NewOperation,
    created_at: i64,
    /// guards: how far it is
    state: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    started_at: Option<i64>,
    done: u64,
    total: u64,
    told: u64,
    events: VecDeque<Event>,
    cancelling: bool,
    /// How it ended, and when.
    finished: Option<(Finished, i64)>,
    watchers: Vec<Box<dyn FnOnce() + Send>>,
}

/// The latest events that are kept of one operation.
const EVENTS: usize = 100;

impl Live {
    pub(super) fn new(id: u64, new: NewOperation, created_at: i64) -> Arc<Self> {
        Arc::new(Self { id, new, created_at, state: Mutex::default() })
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn started(&self, now: i64) {
        self.change(|state| {
            // A read that is repeated on another session began once.
            state.started_at.get_or_insert(now);
        });
    }

    pub(super) fn has_started(&self) -> bool {
        lock(&self.state).started_at.is_some()
    }

    pub(super) fn progress(&self, done: u64, total: u64) {
        let mut state = lock(&self.state);
        (state.done, state.total) = (done, total);
    }

    pub(super) fn happened(&self, name: &'static str, detail: Value, at: i64) {
        self.change(|state| {
            state.told += 1;
            let number = state.told;
            state.events.push_back(Event { number, at, name, detail });
            while state.events.len() > EVENTS {
                state.events.pop_front();
            }
        });
    }

    /// What is needed to end it early.
    pub(super) const fn scope(&self) -> Scope {
        self.new.scope
    }

    /// Gives whether it was still under way.
    pub(super) fn cancel(&self) -> bool {
        self.change(|state| {
            state.cancelling |= state.finished.is_none();
            state.finished.is_none()
        })
    }

    pub(super) fn is_cancelled(&self) -> bool {
        lock(&self.state).cancelling
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.state).finished.is_some()
    }

    pub(super) fn watch(&self, after: u64, told: Box<dyn FnOnce() + Send>) -> Watched {
        let mut state = lock(&self.state);
        if state.finished.is_some() {
            return Watched::Over;
        }
        if state.told > after {
            return Watched::News;
        }
        state.watchers.push(told);
        Watched::Waiting
    }

    /// Gives what is to be noted, for the first word only.
    pub(super) fn finish(&self, ending: Ending, now: i64) -> Option<Finished> {
        let audit = self.audit(self.new.device_id.clone(), ending.state.name(), now);
        let Ending { state: end, result, problem, never_began } = ending;
        self.change(|state| {
            if state.finished.is_some() {
                return None;
            }
            let finished = Finished {
                state: end,
                started_at: state.started_at,
                done: state.done,
                total: state.total,
                result: result.map(|value| value.to_string()),
                problem: problem.map(|value| value.to_string()),
                never_began,
                audit: Some(audit),
            };
            state.finished = Some((finished.clone(), now));
            Some(finished)
        })
    }

    /// What the audit log is to say of what it did to a device.
    pub(super) fn audit(&self, device_id: Option<String>, result: &str, now: i64) -> NewAudit {
        let NewOperation { kind, subject, token, token_id, .. } = &self.new;
        NewAudit {
            at: now,
            token: token.clone(),
            token_id: Some(*token_id),
            action: format!("operation {kind}"),
            device_id,
            subject: subject.clone(),
            operation_id: Some(self.id),
            result: result.to_owned(),
            ..NewAudit::default()
        }
    }

    /// What the ledger has, and what is known better here.
    pub(super) fn show(&self, operation: Operation) -> Shown {
        let state = lock(&self.state);
        let mut operation = operation;
        operation.started_at = state.started_at;
        (operation.done, operation.total) = (state.done, state.total);
        match &state.finished {
            Some((finished, at)) => {
                operation.state = finished.state;
                operation.finished_at = Some(*at);
                operation.result.clone_from(&finished.result);
                operation.problem.clone_from(&finished.problem);
            }
            None if state.started_at.is_some() => operation.state = State::Running,
            None => {}
        }
        let events = state.events.iter().cloned().collect();
        Shown { operation, events, cancelling: state.cancelling }
    }

    /// As it is at its beginning, for those who do not ask the ledger.
    pub(super) fn operation(&self) -> Operation {
        let NewOperation { kind, device_id, subject, token, deadline, .. } = self.new.clone();
        Operation {
            id: self.id,
            kind: kind.to_owned(),
            device_id,
            subject,
            token,
            state: State::Queued,
            created_at: self.created_at,
            started_at: None,
            finished_at: None,
            deadline,
            done: 0,
            total: 0,
            result: None,
            left_out: None,
            problem: None,
        }
    }

    /// Changes something and tells whoever watches.
    fn change<T>(&self, body: impl FnOnce(&mut Progress) -> T) -> T {
        let (value, watchers) = {
            let mut state = lock(&self.state);
            let value = body(&mut state);
            (value, std::mem::take(&mut state.watchers))
        };
        for told in watchers {
            told();
        }
        value
    }
}
