//! How the store is, readable at any time, also while its thread waits for a frozen database.
//!
//! A fault is entered once with its cause and taken out once it is over; both are said in the log once.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::base::clock::{Clock, wall_of};
use crate::base::deadline::Deadline;
use crate::base::lock::{lock, wait_for};

/// What kind of store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// The embedded database.
    Sqlite,
    /// Our own schema in PostgreSQL.
    Postgres,
    /// Somebody else's table in PostgreSQL.
    Attached,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// What kind it is.
    pub kind: StoreKind,
    /// Which one, without any secret: a path, or host and database.
    pub place: String,
    /// Whether it works.
    pub condition: Condition,
    /// When the database last answered.
    pub last_success: Option<SystemTime>,
    /// Whether the device list came from the database in this run (not only from the last known copy).
    pub loaded: bool,
}

/// Whether the store works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Good,
    /// It serves what it last knew.
    Degraded {
        /// Since when.
        since: SystemTime,
        /// Why, in words for the operator.
        cause: String,
    },
}

/// Which part of the store's work a fault concerns, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Area {
    /// Reading the device list.
    Reading,
    /// Writing devices or observations.
    Writing,
    /// The last known copy on disk.
    Snapshot,
}

/// The health, shared between the store's thread and whoever looks.
pub(super) struct Health {
    kind: StoreKind,
    place: String,
    opened: SystemTime,
    /// guards: all that changes
    inner: Mutex<Inner>,
    loaded: Condvar,
}

#[derive(Default)]
struct Inner {
    faults: BTreeMap<Area, Fault>,
    last_success: Option<SystemTime>,
    loaded: bool,
    /// When the database call that is running now began.
    calling: Option<Instant>,
    /// Whether the log has been told that this call takes too long.
    stall_told: bool,
}

struct Fault {
    since: SystemTime,
    cause: String,
}

/// How long one database call may take before the store counts as degraded.
const STALL: Duration = Duration::from_secs(3);

impl Health {
    pub(super) fn new(kind: StoreKind, place: String, opened: SystemTime) -> Self {
        Self { kind, place, opened, inner: Mutex::default(), loaded: Condvar::new() }
    }

    pub(super) fn look(&self, clock: &dyn Clock) -> StoreHealth {
        let now = clock.now();
        let inner = lock(&self.inner);
        let stall = inner.calling.filter(|began| now.saturating_duration_since(*began) > STALL);
        let condition = match (inner.faults.values().next(), stall) {
            (Some(fault), _) => Condition::Degraded { since: fault.since, cause: fault.cause.clone() },
            (None, Some(began)) => {
                Condition::Degraded { since: wall_of(began, clock), cause: NO_ANSWER.to_owned() }
            }
            (None, None) if !inner.loaded => {
                Condition::Degraded { since: self.opened, cause: NOT_YET.to_owned() }
            }
            (None, None) => Condition::Good,
        };
        StoreHealth {
            kind: self.kind,
            place: self.place.clone(),
            condition,
            last_success: inner.last_success,
            loaded: inner.loaded,
        }
    }

    /// Whether nothing went wrong the last time, and no call takes too long.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        let inner = lock(&self.inner);
        let stalled = inner.calling.is_some_and(|began| now.saturating_duration_since(began) > STALL);
        inner.faults.is_empty() && !stalled
    }

    /// A database call begins.
    pub(super) fn call_began(&self, now: Instant) {
        lock(&self.inner).calling = Some(now);
    }

    /// The database call has ended, one way or another.
    pub(super) fn call_ended(&self) {
        let told = {
            let mut inner = lock(&self.inner);
            inner.calling = None;
            std::mem::take(&mut inner.stall_told)
        };
        if told {
            log::info!("store {}: the database answers again", self.place);
        }
    }

    /// Says once in the log when the running call takes too long.
    pub(super) fn watch_for_stall(&self, now: Instant) {
        let tell = {
            let mut inner = lock(&self.inner);
            let stalled = inner.calling.is_some_and(|began| now.saturating_duration_since(began) > STALL);
            let tell = stalled && !inner.stall_told && inner.faults.is_empty();
            inner.stall_told |= tell;
            tell
        };
        if tell {
            log::warn!("store {}: degraded: {NO_ANSWER}", self.place);
        }
    }

    pub(super) fn fault(&self, area: Area, cause: &str, wall: SystemTime) {
        let first = {
            let mut inner = lock(&self.inner);
            let first = inner.faults.is_empty();
            match inner.faults.get_mut(&area) {
                Some(known) => cause.clone_into(&mut known.cause),
                None => {
                    inner.faults.insert(area, Fault { since: wall, cause: cause.to_owned() });
                }
            }
            first
        };
        if first {
            log::warn!("store {}: degraded: {cause}", self.place);
        } else {
            log::debug!("store {}: {area:?}: {cause}", self.place);
        }
    }

    pub(super) fn well(&self, area: Area, wall: SystemTime) {
        let recovered = {
            let mut inner = lock(&self.inner);
            inner.last_success = Some(wall);
            inner.faults.remove(&area).is_some() && inner.faults.is_empty()
        };
        if recovered {
            log::info!("store {}: works again", self.place);
        }
    }

    pub(super) fn has_fault(&self, area: Area) -> bool {
        lock(&self.inner).faults.contains_key(&area)
    }

    pub(super) fn set_loaded(&self) {
        lock(&self.inner).loaded = true;
        self.loaded.notify_all();
    }

    /// Waits until the list came from the database, or the deadline. Whether it did.
    pub(super) fn wait_loaded(&self, deadline: Deadline, clock: &dyn Clock) -> bool {
        let mut inner = lock(&self.inner);
        while !inner.loaded {
            let Some(left) = deadline.remaining(clock.now()) else { return false };
            inner = wait_for(&self.loaded, inner, left.min(Duration::from_secs(1)));
        }
        true
    }
}

const NO_ANSWER: &str = "the database does not answer";
const NOT_YET: &str = "the database has not answered yet";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;

    #[test]
    fn the_gravest_fault_is_shown_and_health_returns_when_all_are_over() {
        let clock = ManualClock::new();
        let health = Health::new(StoreKind::Sqlite, "here".into(), clock.wall());
        health.set_loaded();
        let began = clock.wall();
        health.fault(Area::Writing, "disk full", began);
        clock.advance(Duration::from_secs(9));
        health.fault(Area::Reading, "gone", clock.wall());
        health.fault(Area::Writing, "still full", clock.wall());
        let since = clock.wall();
        assert_eq!(health.look(&clock).condition, Condition::Degraded { since, cause: "gone".into() });
        health.well(Area::Reading, clock.wall());
        let writing = Condition::Degraded { since: began, cause: "still full".into() };
        assert_eq!(health.look(&clock).condition, writing, "the beginning of a fault stays");
        health.well(Area::Writing, clock.wall());
        assert_eq!(health.look(&clock).condition, Condition::Good);
    }

    #[test]
    fn a_call_that_hangs_is_a_fault_while_it_hangs() {
        let clock = ManualClock::new();
        let health = Health::new(StoreKind::Postgres, "there".into(), clock.wall());
        assert!(
            matches!(health.look(&clock).condition, Condition::Degraded { .. }),
            "nothing came from it yet"
        );
        health.set_loaded();
        health.call_began(clock.now());
        assert_eq!(health.look(&clock).condition, Condition::Good);
        let since = clock.wall();
        clock.advance(Duration::from_secs(60));
        let cause = NO_ANSWER.to_owned();
        assert_eq!(health.look(&clock).condition, Condition::Degraded { since, cause });
        health.call_ended();
        assert_eq!(health.look(&clock).condition, Condition::Good);
    }
}
