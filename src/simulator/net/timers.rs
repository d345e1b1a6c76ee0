//! Everything that happens after a while, in the order in which it is due.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What is due; devices by their place in the shard.
#[derive(Debug)]
pub(super) enum Due {
    /// A connection goes on with its script: its key, and its number to tell it from a later one.
    Resume(usize, u64),
    /// A datagram leaves.
    Datagram(usize, SocketAddr, Vec<u8>),
    /// A device looks whether it is here.
    Settle(usize),
    /// A device looks for events to send.
    Tell(usize),
    /// A device goes away for this long.
    Reboot(usize, Duration),
}

/// The timers of one shard.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    next: u64,
}

#[derive(Debug)]
struct Timer {
    at: Instant,
    /// Keeps timers of the same instant in the order in which they were set.
    order: u64,
    due: Due,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse(Timer { at, order: self.next, due }));
        self.next += 1;
    }

    /// How long until something is due.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.heap.peek().map(|Reverse(timer)| timer.at.saturating_duration_since(now))
    }

    /// The next that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.heap.peek()?.0.at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer.due)
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_due_in_order_and_not_before() {
        let now = Instant::now();
        let mut timers = Timers::default();
        timers.set(now + Duration::from_secs(2), Due::Settle(2));
        timers.set(now + Duration::from_secs(1), Due::Settle(1));
        timers.set(now + Duration::from_secs(1), Due::Settle(10));
        assert!(timers.pop(now).is_none());
        assert_eq!(timers.wait(now), Some(Duration::from_secs(1)));
        let later = now + Duration::from_secs(3);
        let order: Vec<_> = std::iter::from_fn(|| match timers.pop(later)? {
            Due::Settle(place) => Some(place),
            _ => None,
        })
        .collect();
        assert_eq!(order, [1, 10, 2]);
    }
}
