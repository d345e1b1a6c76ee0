//! Who reads the journal as it grows: a bounded number of streams, each with a thread of its own for as long as it
//! lasts, and a bounded number of requests that wait for news without any. What they are told is left to the
//! handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::problem::Problem;
use super::reply::Reply;
use crate::base::threads::{SMALL_STACK, contained, spawn};

/// How often a stream that has nothing to say shows that it is there. The acceptor must be more patient than this.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// The places of those who follow the journal.
#[derive(Debug)]
pub struct Followers {
    streams: Arc<Seats>,
    waits: Arc<Seats>,
}

/// A bounded number of places.
#[derive(Debug)]
pub struct Seats {
    limit: usize,
    taken: AtomicUsize,
}

/// One place, free again when this is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Seats>);

/// When a follower that found no place may try again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl Followers {
    /// Room for this many streams and this many waiting requests.
    #[must_use]
    pub fn new(streams: usize, waits: usize) -> Self {
        Self { streams: Seats::new(streams), waits: Seats::new(waits) }
    }

    /// The places of the streams.
    #[must_use]
    pub fn streams(&self) -> &Seats {
        &self.streams
    }

    /// The places of the requests that wait.
    #[must_use]
    pub const fn waits(&self) -> &Arc<Seats> {
        &self.waits
    }

    /// Lets a stream have its thread, or refuses it when there are too many.
    pub(super) fn follow(&self, reply: Reply, stream: impl FnOnce(Reply) + Send + 'static) {
        let Some(seat) = self.streams.take() else { return reply.send(too_many().answer()) };
        let reply = reply.shared();
        let own = reply.clone();
        let started = spawn("follower", SMALL_STACK, move || {
            let _seat = seat;
            if let Some(reply) = own.take() {
                contained("a follower", || stream(reply));
            }
        });
        if let Err(error) = started {
            log::error!("a follower could not be given a thread: {error}");
            if let Some(reply) = reply.take() {
                reply.send(too_many().answer());
            }
        }
    }
}

impl Seats {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicUsize::new(0) })
    }

    /// Takes a place, if there is one.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Option<Seat> {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.is_ok().then(|| Seat(Arc::clone(self)))
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// How many there are.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What one more follower is told.
#[must_use]
pub fn too_many() -> Problem {
    let detail = "As many programs follow the journal as there are places (http.followers).";
    Problem { retry_after: Some(TRY_AGAIN), ..Problem::new(503, "too_many_followers", detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_places_as_there_are_and_one_that_is_left_is_free() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take(), seats.take());
        assert!(first.is_some() && second.is_some() && seats.take().is_none());
        drop(first);
        assert_eq!(seats.taken(), 1);
        assert!(seats.take().is_some());
    }
}
