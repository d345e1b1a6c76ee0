//! The desk between callers and the store's thread: a bounded queue, and every caller's deadline.
//!
//! Each answer is given exactly once: by the store's thread when the work is done, or by the desk's own thread
//! when the deadline passes, whatever the database is doing. A change is committed only with a [`Permit`],
//! which is refused once its caller has been told that time was up: what was not done in time is not done later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::device::{Device, DevicePatch, NewDevice, Observation};
use super::error::StoreError;
use super::observations;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::{lock, wait_for};
use crate::base::threads::contained;

/// What a caller gets, and how.
pub(super) type Answer = Box<dyn FnOnce(Result<Arc<Device>, StoreError>) + Send>;

/// A change that a caller wants.
#[derive(Debug)]
pub(super) enum Job {
    Create(NewDevice),
    Update(DeviceId, DevicePatch),
    Delete(DeviceId),
}

/// What the store's thread is woken for.
#[derive(Debug)]
pub(super) enum Work {
    Job(Box<Job>),
    /// Something periodic may be due, or there are observations.
    Look,
    /// Stop.
    Close,
}

/// The desk.
pub(super) struct Desk {
    clock: Arc<dyn Clock>,
    capacity: usize,
    /// guards: everything on the desk
    state: Mutex<State>,
    /// The store's thread waits here.
    work: Condvar,
    /// The desk's thread waits here, and whoever waits for the end.
    time: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    running: Option<Running>,
    /// At most one per device that exists.
    observed: BTreeMap<DeviceId, Observation>,
    reload: bool,
    look: bool,
    closing: bool,
    ended: bool,
}

struct Request {
    job: Job,
    deadline: Deadline,
    answer: Answer,
}

struct Running {
    deadline: Deadline,
    /// `None` once it was given.
    answer: Option<Answer>,
    committing: bool,
}

/// The right to commit the change that runs now.
pub(super) struct Permit<'a> {
    desk: &'a Desk,
}

/// The longest sleep of either thread, so that both show that they live.
const NAP: Duration = Duration::from_secs(1);

impl Desk {
    pub(super) fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self { clock, capacity, state: Mutex::default(), work: Condvar::new(), time: Condvar::new() }
    }

    /// Lays a request on the desk, or answers at once why not.
    pub(super) fn submit(&self, job: Job, deadline: Deadline, answer: Answer) {
        let now = self.clock.now();
        let refused = {
            let mut state = lock(&self.state);
            let refusal = if state.closing {
                Some(StoreError::Closed)
            } else if deadline.passed(now) {
                Some(StoreError::TimedOut { outcome_unknown: false })
            } else if state.waiting.len() >= self.capacity {
                Some(StoreError::Busy)
            } else {
                None
            };
            match refusal {
                Some(error) => Some((answer, error)),
                None => {
                    state.waiting.push_back(Request { job, deadline, answer });
                    None
                }
            }
        };
        match refused {
            Some((answer, error)) => give(answer, Err(error)),
            None => {
                self.work.notify_one();
                self.time.notify_all();
            }
        }
    }

    /// Adds an observation to what waits of this device.
    pub(super) fn observe(&self, id: DeviceId, observation: Observation) {
        let first = {
            let mut state = lock(&self.state);
            let first = state.observed.is_empty();
            observations::merge(state.observed.entry(id).or_default(), observation);
            state.look |= first;
            first
        };
        if first {
            self.work.notify_one();
        }
    }

    /// Takes all observations that wait.
    pub(super) fn take_observed(&self) -> BTreeMap<DeviceId, Observation> {
        std::mem::take(&mut lock(&self.state).observed)
    }

    pub(super) fn has_observed(&self) -> bool {
        !lock(&self.state).observed.is_empty()
    }

    /// Asks the store's thread to read the devices again.
    pub(super) fn ask_reload(&self) {
        {
            let mut state = lock(&self.state);
            state.reload = true;
            state.look = true;
        }
        self.work.notify_one();
    }

    pub(super) fn take_reload(&self) -> bool {
        std::mem::take(&mut lock(&self.state).reload)
    }

    /// Asks the store's thread to look round.
    pub(super) fn ask_look(&self) {
        lock(&self.state).look = true;
        self.work.notify_one();
    }

    /// The store's thread asks what to do next; returns by `until`, and never sleeps longer than a second.
    pub(super) fn next(&self, until: Instant) -> Work {
        let nap = self.clock.now() + NAP;
        let mut state = lock(&self.state);
        loop {
            if state.closing {
                return Work::Close;
            }
            let now = self.clock.now();
            // The expired ones are the other thread's business; it is awake already.
            let ready = state.waiting.iter().position(|request| !request.deadline.passed(now));
            if let Some(request) = ready.and_then(|place| state.waiting.remove(place)) {
                let Request { job, deadline, answer } = request;
                state.running = Some(Running { deadline, answer: Some(answer), committing: false });
                return Work::Job(Box::new(job));
            }
            let left = until.min(nap).saturating_duration_since(now);
            if std::mem::take(&mut state.look) || left.is_zero() {
                return Work::Look;
            }
            state = wait_for(&self.work, state, left);
        }
    }

    /// The right to commit the running change.
    pub(super) fn permit(&self) -> Permit<'_> {
        Permit { desk: self }
    }

    /// The running change has ended. `None`: by a panic.
    pub(super) fn finish(&self, result: Option<Result<Arc<Device>, StoreError>>) {
        let running = lock(&self.state).running.take();
        let Some(Running { answer: Some(answer), committing, .. }) = running else { return };
        give(answer, result.unwrap_or(Err(StoreError::Internal { outcome_unknown: committing })));
    }

    /// No further requests; the store's thread will end.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
        self.work.notify_all();
        self.time.notify_all();
    }

    /// The store's thread has ended: nothing that waits will be done.
    pub(super) fn end(&self) {
        let (waiting, running) = {
            let mut state = lock(&self.state);
            state.closing = true;
            state.ended = true;
            (std::mem::take(&mut state.waiting), state.running.take())
        };
        for request in waiting {
            give(request.answer, Err(StoreError::Closed));
        }
        if let Some(Running { answer: Some(answer), committing, .. }) = running {
            give(answer, Err(StoreError::Internal { outcome_unknown: committing }));
        }
        self.time.notify_all();
    }

    /// Waits until the store's thread has ended. Whether it did by then.
    pub(super) fn wait_end(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        while !state.ended {
            let Some(left) = deadline.remaining(self.clock.now()) else { return false };
            state = wait_for(&self.time, state, left.min(NAP));
        }
        true
    }

    /// One turn of the desk's thread: answers what has expired, then sleeps until the next deadline, at most a
    /// second. `false` once there is nothing left to guard.
    pub(super) fn keep_time(&self) -> bool {
        for (answer, error) in self.take_expired() {
            give(answer, Err(error));
        }
        let state = lock(&self.state);
        if state.ended {
            return false;
        }
        let now = self.clock.now();
        let running = state.running.iter().filter(|running| running.answer.is_some()).map(|r| r.deadline);
        let nearest = state.waiting.iter().map(|request| request.deadline).chain(running).min();
        let left = nearest.map_or(NAP, |deadline| deadline.remaining(now).unwrap_or(Duration::ZERO).min(NAP));
        if !left.is_zero() {
            drop(wait_for(&self.time, state, left));
        }
        true
    }

    fn take_expired(&self) -> Vec<(Answer, StoreError)> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let mut expired = Vec::new();
        let (late, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.waiting).into_iter().partition(|request| request.deadline.passed(now));
        state.waiting = waiting;
        for request in late {
            expired.push((request.answer, StoreError::TimedOut { outcome_unknown: false }));
        }
        if let Some(running) = state.running.as_mut().filter(|running| running.deadline.passed(now)) {
            let outcome_unknown = running.committing;
            if let Some(answer) = running.answer.take() {
                expired.push((answer, StoreError::TimedOut { outcome_unknown }));
            }
        }
        expired
    }
}

impl Permit<'_> {
    /// From here on the change may become true. To be asked directly before the commit.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] when the caller has been told, or must be told now, that it was not done.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        let now = self.desk.clock.now();
        match lock(&self.desk.state).running.as_mut() {
            Some(running) if running.answer.is_some() && !running.deadline.passed(now) => {
                running.committing = true;
                Ok(())
            }
            _ => Err(StoreError::TimedOut { outcome_unknown: false }),
        }
    }

    /// What is left of the caller's time.
    pub(super) fn remaining(&self) -> Duration {
        let now = self.desk.clock.now();
        let state = lock(&self.desk.state);
        let left = state.running.as_ref().and_then(|running| running.deadline.remaining(now));
        left.unwrap_or(Duration::ZERO)
    }
}

fn give(answer: Answer, result: Result<Arc<Device>, StoreError>) {
    contained("the store's callers", || answer(result));
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
