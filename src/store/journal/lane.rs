//! A thread that owns one connection to the journal's database, and the queue before it.
//!
//! Who asks waits no longer than its deadline, whatever the database does; what has not begun by then is not begun
//! any more. The lane that writes also takes live events, which go first and are kept in memory while the database
//! cannot take them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use super::backend::Backend;
use super::feed::Feed;
use super::placing::{LivePlacement, LiveRecord};
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;
use crate::base::lock::{lock, wait_for};
use crate::base::threads::{LARGE_STACK, contained, spawn};
use crate::store::error::StoreError;
use crate::store::health::{Area, Health};

/// One thread with one connection.
pub(super) struct Lane {
    name: &'static str,
    area: Area,
    clock: Arc<dyn Clock>,
    capacity: usize,
    pub(super) health: Health,
    /// guards: the terminals with live events that wait for their log
    conflicts: Mutex<BTreeSet<String>>,
    /// guards: what waits
    state: Mutex<State>,
    work: Condvar,
    over: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Task>,
    live: VecDeque<LiveRecord>,
    /// Live events are not tried again before this.
    not_before: Option<Instant>,
    closing: bool,
    ended: bool,
}

struct Task {
    deadline: Deadline,
    run: Job,
}

type Job = Box<dyn FnOnce(&Lane, &mut dyn Backend) + Send>;

/// Live events that may wait for the database.
const LIVE_CEILING: usize = 16_384;
/// Live events placed in one transaction.
const LIVE_BATCH: usize = 512;
/// The longest sleep.
const NAP: Duration = Duration::from_secs(1);
/// How soon the thread promises to beat outside database calls.
const PULSE: Duration = Duration::from_secs(15);
/// How soon live events that could not be kept are tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Lane {
    pub(super) fn new(
        name: &'static str,
        area: Area,
        clock: Arc<dyn Clock>,
        capacity: usize,
        health: Health,
    ) -> Self {
        let (state, work, over) = (Mutex::default(), Condvar::new(), Condvar::new());
        Self { name, area, clock, capacity, health, conflicts: Mutex::default(), state, work, over }
    }

    /// Asks something and waits for the answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = bounded(1);
        self.ask_then(deadline, job, move |result| drop(tell.send(result)))?;
        let limit = deadline.remaining(self.clock.now()).unwrap_or_default();
        match told.recv_timeout(limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                Err(StoreError::TimedOut { outcome_unknown: self.area == Area::Writing })
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(StoreError::Internal { outcome_unknown: self.area == Area::Writing })
            }
        }
    }

    /// Asks something; the answer comes on the lane's thread, if it comes in time: a question that was not begun
    /// by its deadline is dropped with its answer.
    pub(super) fn ask_then<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        // What the call says of the database is noted before anybody is told the result.
        let run = Box::new(move |lane: &Self, backend: &mut dyn Backend| answer(lane.call(backend, job)));
        let mut state = lock(&self.state);
        if state.closing {
            return Err(StoreError::Closed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(StoreError::Busy);
        }
        state.waiting.push_back(Task { deadline, run });
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Lays live events on the desk. Gives how many found no room.
    pub(super) fn lay(&self, events: Vec<LiveRecord>) -> u64 {
        let mut state = lock(&self.state);
        let mut lost = 0;
        for event in events {
            if state.closing || state.live.len() >= LIVE_CEILING {
                lost += 1;
            } else {
                state.live.push_back(event);
            }
        }
        drop(state);
        self.work.notify_one();
        lost
    }

    /// The terminals of live events that were put in quarantine since the last call.
    pub(super) fn take_conflicts(&self) -> BTreeSet<String> {
        std::mem::take(&mut lock(&self.conflicts))
    }

    /// How many requests and live events wait.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.waiting.len(), state.live.len())
    }

    /// Starts the thread. `idle` is what it does when it has nothing to do, at most every `NAP`.
    pub(super) fn start(
        self: &Arc<Self>,
        mut backend: Box<dyn Backend>,
        feed: Arc<Feed>,
        idle: fn(&mut dyn Backend) -> Result<Option<u64>, StoreError>,
        liveness: &Liveness,
    ) -> std::io::Result<()> {
        let (lane, liveness) = (Arc::clone(self), liveness.clone());
        spawn(self.name, LARGE_STACK, move || {
            let mut open = true;
            let mut pulse = None;
            while open {
                // Without a pulse while the database is called: a frozen one is no reason to restart the service.
                let beating =
                    pulse.take().unwrap_or_else(|| liveness.enter(lane.name, PULSE, lane.clock.now()));
                beating.beat(lane.clock.now());
                let next = lane.next();
                if matches!(next, Next::Idle) && lane.health.has_fault(lane.area) {
                    contained(lane.name, || lane.probe(&mut *backend));
                }
                drop(beating);
                contained(lane.name, || open = lane.turn(next, &mut *backend, &feed, idle));
            }
            lock(&lane.state).ended = true;
            lane.over.notify_all();
        })
        .map(drop)
    }

    /// No more requests; what waits is refused, live events are kept if the database takes them.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
        self.work.notify_all();
    }

    /// Waits until the thread has ended; whether it has.
    pub(super) fn wait_end(&self, deadline: Deadline) -> bool {
        let mut state = lock(&self.state);
        while !state.ended {
            let Some(left) = deadline.remaining(self.clock.now()) else { return false };
            state = wait_for(&self.over, state, left.min(NAP));
        }
        true
    }

    fn next(&self) -> Next {
        let until = self.clock.now() + NAP;
        let mut state = lock(&self.state);
        loop {
            let now = self.clock.now();
            let held_back = state.not_before.is_some_and(|then| now < then) && !state.closing;
            if !state.live.is_empty() && !held_back {
                let count = state.live.len().min(LIVE_BATCH);
                return Next::Live(state.live.drain(..count).collect());
            }
            if state.closing {
                state.waiting.clear();
                return Next::Close;
            }
            if let Some(task) = state.waiting.pop_front() {
                return Next::Task(task);
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Next::Idle;
            }
            state = wait_for(&self.work, state, left);
        }
    }

    fn turn(
        &self,
        next: Next,
        backend: &mut dyn Backend,
        feed: &Feed,
        idle: fn(&mut dyn Backend) -> Result<Option<u64>, StoreError>,
    ) -> bool {
        match next {
            Next::Live(events) => self.place(events, backend, feed),
            Next::Task(task) => {
                if !task.deadline.passed(self.clock.now()) {
                    (task.run)(self, backend);
                }
                true
            }
            Next::Idle => {
                if let Ok(Some(head)) = self.call(backend, idle) {
                    feed.publish(Vec::new(), head);
                }
                true
            }
            Next::Close => false,
        }
    }

    fn place(&self, events: Vec<LiveRecord>, backend: &mut dyn Backend, feed: &Feed) -> bool {
        match self.call(backend, |backend| backend.place_live(&events)) {
            Ok(placed) => {
                feed.publish(placed.rows, 0);
                let unclear = events.iter().zip(placed.outcomes);
                let unclear = unclear.filter(|(_, outcome)| *outcome == LivePlacement::Conflict);
                let serial_numbers: BTreeSet<_> =
                    unclear.map(|(event, _)| event.serial_number.clone()).collect();
                if !serial_numbers.is_empty() {
                    lock(&self.conflicts).extend(serial_numbers);
                }
                true
            }
            Err(error) => {
                let mut state = lock(&self.state);
                if state.closing {
                    let count = events.len() + state.live.len();
                    log::warn!("{count} live events were not kept ({error}); the devices' logs have them");
                    return false;
                }
                state.not_before = Some(self.clock.now() + RETRY);
                for event in events.into_iter().rev() {
                    state.live.push_front(event);
                }
                true
            }
        }
    }

    fn probe(&self, backend: &mut dyn Backend) {
        let _ = self.call(backend, |backend| match self.area {
            Area::Writing => backend.probe(),
            _ => backend.head().map(drop),
        });
    }

    /// One database call, watched for taking too long; what it says of the database is noted.
    fn call<T>(
        &self,
        backend: &mut dyn Backend,
        body: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.health.call_began(self.clock.now());
        let result = body(backend);
        self.health.call_ended();
        match &result {
            Ok(_) => {
                self.health.set_loaded();
                self.health.well(self.area, self.clock.wall());
            }
            Err(error) if error.blames_the_database() => {
                self.health.fault(self.area, &error.to_string(), self.clock.wall());
            }
            Err(_) => {}
        }
        result
    }
}

enum Next {
    Live(Vec<LiveRecord>),
    Task(Task),
    Idle,
    Close,
}
