//! Who reads the journal as it grows: a bounded number of streams, each with a thread of its own for as long as it
//! lasts, and a bounded number of requests that wait for news without any. What they are told is left to the
//! handlers.

use std::sync::Arc;
use std::time::Duration;

use super::problem::Problem;
use super::reply::Reply;
use crate::base::seats::Seats;
use crate::base::threads::{SMALL_STACK, contained, spawn};

/// How often a stream that has nothing to say shows that it is there. The acceptor must be more patient than this.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// The places of those who follow the journal.
#[derive(Debug)]
pub struct Followers {
    streams: Arc<Seats>,
    waits: Arc<Seats>,
}

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

/// What one more follower is told.
#[must_use]
pub fn too_many() -> Problem {
    let detail = "As many programs follow the journal as there are places (http.followers).";
    Problem { retry_after: Some(TRY_AGAIN), ..Problem::new(503, "too_many_followers", detail) }
}
