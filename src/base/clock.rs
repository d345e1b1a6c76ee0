//! Where time comes from: the operating system, or a test that turns the hands itself.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::lock::lock;

/// A source of both kinds of time: one that only moves forward, and the calendar's.
pub trait Clock: Send + Sync {
    /// Monotonic time, for deadlines and timers.
    fn now(&self) -> Instant;
    /// Calendar time, for what people read.
    fn wall(&self) -> SystemTime;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock {
    /// guards: both hands, so that they move together
    hands: Mutex<(Instant, SystemTime)>,
}

impl ManualClock {
    /// A clock that starts at the present and stays there.
    #[must_use]
    pub fn new() -> Self {
        Self { hands: Mutex::new((Instant::now(), SystemTime::now())) }
    }

    /// Moves both hands forward.
    pub fn advance(&self, by: Duration) {
        let mut hands = lock(&self.hands);
        hands.0 += by;
        hands.1 += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        lock(&self.hands).0
    }

    fn wall(&self) -> SystemTime {
        lock(&self.hands).1
    }
}

/// Milliseconds since 1970 (UTC).
#[must_use]
pub fn millis(wall: SystemTime) -> i64 {
    let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An instant told as calendar time: what `wall` shows when the monotonic clock shows `then`.
#[must_use]
pub fn wall_of(then: Instant, clock: &dyn Clock) -> SystemTime {
    let (now, wall) = (clock.now(), clock.wall());
    match then.checked_duration_since(now) {
        Some(ahead) => wall + ahead,
        None => wall.checked_sub(now.duration_since(then)).unwrap_or(SystemTime::UNIX_EPOCH),
    }
}
