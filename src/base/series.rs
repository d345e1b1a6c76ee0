//! Failures come in series: the first is a warning, the rest are for those who look closely, the end is news.
//!
//! A `Series` only decides what deserves to be said; who fails says it, in its own words.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock::lock;

/// Remembers which things are failing, each under a key such as a device and what was tried.
#[derive(Debug)]
pub struct Series<K> {
    /// guards: since when and how often each key has been failing
    running: Mutex<HashMap<K, Run>>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    since: Instant,
    failures: u64,
}

/// A series that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How many failures it had.
    pub failures: u64,
    /// How long it lasted.
    pub lasted: Duration,
}

impl<K: Eq + Hash> Series<K> {
    /// The most series that run at a time; a failure beyond is said as if it were a repetition.
    pub const CEILING: usize = 16_384;

    /// Nothing is failing.
    #[must_use]
    pub fn new() -> Self {
        Self { running: Mutex::default() }
    }

    /// Counts a failure and says at which level it should be told.
    pub fn failed(&self, key: K, now: Instant) -> log::Level {
        let mut running = lock(&self.running);
        if let Some(run) = running.get_mut(&key) {
            run.failures += 1;
            return log::Level::Debug;
        }
        if running.len() >= Self::CEILING {
            return log::Level::Debug;
        }
        running.insert(key, Run { since: now, failures: 1 });
        log::Level::Warn
    }

    /// Ends a series; `None` when there was none, and so nothing to tell.
    pub fn recovered(&self, key: &K, now: Instant) -> Option<Ended> {
        let run = lock(&self.running).remove(key)?;
        Some(Ended { failures: run.failures, lasted: now.saturating_duration_since(run.since) })
    }

    /// Forgets the series of everything that is not there any more.
    pub fn keep(&self, there: impl Fn(&K) -> bool) {
        lock(&self.running).retain(|key, _| there(key));
    }
}

impl<K: Eq + Hash> Default for Series<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_a_warning_the_rest_debug_and_recovery_is_said_once() {
        let (series, start) = (Series::new(), Instant::now());
        let later = start + Duration::from_secs(9);
        assert_eq!(series.failed(("7", "dial"), start), log::Level::Warn);
        assert_eq!(series.failed(("7", "dial"), later), log::Level::Debug);
        assert_eq!(series.failed(("8", "dial"), later), log::Level::Warn, "another device, another series");
        let ended = Ended { failures: 2, lasted: Duration::from_secs(9) };
        assert_eq!(series.recovered(&("7", "dial"), later), Some(ended));
        assert_eq!(series.recovered(&("7", "dial"), later), None);
        assert_eq!(series.failed(("7", "dial"), later), log::Level::Warn, "a new series");
    }

    #[test]
    fn the_memory_of_series_is_bounded() {
        let (series, now) = (Series::new(), Instant::now());
        for key in 0..Series::<usize>::CEILING {
            assert_eq!(series.failed(key, now), log::Level::Warn);
        }
        assert_eq!(series.failed(usize::MAX, now), log::Level::Debug);
        assert_eq!(series.recovered(&usize::MAX, now), None);
    }
}
