//! The acceptor's counts: written by its one thread, read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

use super::refusal::Refusal;

/// The acceptor's counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptorStats {
    /// Client connections now.
    pub connections_open: u64,
    /// Client connections since the start.
    pub connections_accepted: u64,
    /// Client connections that had to make room for newer ones.
    pub connections_evicted: u64,
    /// Client connections that were closed at once because nobody could make room.
    pub connections_refused: u64,
    /// Failures to accept.
    pub accept_errors: u64,
    /// Requests in the engine and the workers now.
    pub requests_in_flight: u64,
    /// Requests that wait for a place in flight now.
    pub requests_waiting: u64,
    /// Requests passed to the engine since the start.
    pub requests_forwarded: u64,
    /// Answers cut because the client did not take them in time, or because they broke off.
    pub answers_cut: u64,
    /// Connections to the engine that are ready or in use now.
    pub links_up: u64,
    /// Connections to the engine that there should be; fewer for long means that the engine takes no more.
    pub links_wanted: u64,
    /// Connections to the engine that broke or had to be closed since the start.
    pub links_lost: u64,
    /// Requests that the acceptor answered itself, by problem code.
    pub refused: Vec<(&'static str, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) open: Count,
    pub(super) accepted: Count,
    pub(super) evicted: Count,
    pub(super) turned_away: Count,
    pub(super) accept_errors: Count,
    pub(super) in_flight: Count,
    pub(super) waiting: Count,
    pub(super) forwarded: Count,
    pub(super) cut: Count,
    pub(super) links_up: Count,
    pub(super) links_wanted: Count,
    pub(super) links_lost: Count,
    refused: [Count; Refusal::CODES.len()],
}

/// A number that one thread changes.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Counters {
    pub(super) fn refuse(&self, refusal: Refusal) {
        if let Some(count) = self.refused.get(refusal.index()) {
            count.up();
        }
    }

    pub(super) fn snapshot(&self) -> AcceptorStats {
        AcceptorStats {
            connections_open: self.open.now(),
            connections_accepted: self.accepted.now(),
            connections_evicted: self.evicted.now(),
            connections_refused: self.turned_away.now(),
            accept_errors: self.accept_errors.now(),
            requests_in_flight: self.in_flight.now(),
            requests_waiting: self.waiting.now(),
            requests_forwarded: self.forwarded.now(),
            answers_cut: self.cut.now(),
            links_up: self.links_up.now(),
            links_wanted: self.links_wanted.now(),
            links_lost: self.links_lost.now(),
            refused: Refusal::CODES.iter().copied().zip(self.refused.iter().map(Count::now)).collect(),
        }
    }
}

impl Count {
    pub(super) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: usize) {
        self.0.store(value as u64, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
