//! Whether every loop of the process still turns: each beats, one table knows who has fallen silent.
//!
//! The watchdog reads the table. A loop that waits must wake up more often than its own limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock::lock;

/// The table of all loops.
#[derive(Clone, Debug)]
pub struct Liveness {
    origin: Instant,
    /// guards: the list of loops, which only grows at start and shrinks at stop
    loops: Arc<Mutex<Vec<Arc<Loop>>>>,
}

/// One loop's pulse; dropped when the loop has ended as it should.
#[derive(Debug)]
pub struct Pulse {
    origin: Instant,
    me: Arc<Loop>,
    table: Arc<Mutex<Vec<Arc<Loop>>>>,
}

/// A loop that has not beaten within its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// The loop's name.
    pub name: String,
    /// For how long it has been silent.
    pub silence: Duration,
}

#[derive(Debug)]
struct Loop {
    name: String,
    limit: Duration,
    /// Milliseconds from the origin to the last beat.
    last: AtomicU64,
}

impl Liveness {
    /// An empty table.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { origin: now, loops: Arc::default() }
    }

    /// Enters a loop that promises to beat at least once per `limit`.
    #[must_use]
    pub fn enter(&self, name: impl Into<String>, limit: Duration, now: Instant) -> Pulse {
        let me = Arc::new(Loop { name: name.into(), limit, last: AtomicU64::new(0) });
        let pulse = Pulse { origin: self.origin, me: Arc::clone(&me), table: Arc::clone(&self.loops) };
        pulse.beat(now);
        lock(&self.loops).push(me);
        pulse
    }

    /// The loops that have been silent for longer than they promised.
    #[must_use]
    pub fn silent(&self, now: Instant) -> Vec<Silent> {
        let now = now.saturating_duration_since(self.origin);
        lock(&self.loops)
            .iter()
            .filter_map(|entry| {
                let silence = now.saturating_sub(Duration::from_millis(entry.last.load(Ordering::Relaxed)));
                (silence > entry.limit).then(|| Silent { name: entry.name.clone(), silence })
            })
            .collect()
    }
}

impl Pulse {
    /// Says that the loop turns.
    pub fn beat(&self, now: Instant) {
        let at = now.saturating_duration_since(self.origin).as_millis();
        self.me.last.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        // A loop that is unwinding has not ended as it should: it stays in the table and falls silent there.
        if !std::thread::panicking() {
            lock(&self.table).retain(|other| !Arc::ptr_eq(other, &self.me));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stops_beating_is_named() {
        let start = Instant::now();
        let table = Liveness::new(start);
        let quick = table.enter("watcher", Duration::from_secs(1), start);
        let _slow = table.enter("store", Duration::from_secs(60), start);
        let later = start + Duration::from_secs(5);
        assert_eq!(table.silent(later), [Silent { name: "watcher".into(), silence: Duration::from_secs(5) }]);
        quick.beat(later);
        assert_eq!(table.silent(later), []);
    }

    #[test]
    fn a_loop_that_ended_in_order_is_forgotten_and_one_that_panicked_is_not() {
        let start = Instant::now();
        let table = Liveness::new(start);
        drop(table.enter("ended", Duration::from_secs(1), start));
        let broken = table.clone();
        let panicked = std::thread::spawn(move || {
            let _pulse = broken.enter("broken", Duration::from_secs(1), start);
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        let names: Vec<_> =
            table.silent(start + Duration::from_secs(9)).into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["broken"]);
    }
}
