//! Threads for answers that are large or endless: how fast those go is up to the client, so they get a fixed
//! number of threads of their own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::problem::Problem;
use super::responder::Responder;
use super::response::Answer;
use crate::base::threads::{SMALL_STACK, contained, spawn};

/// The stream threads.
#[derive(Debug)]
pub struct Streams {
    queue: Sender<(Responder, Answer)>,
}

/// How many answers may wait for a thread, for each thread.
const WAITING_PER_THREAD: usize = 16;

impl Streams {
    /// Starts this many threads. They end when this is dropped and what waits has been sent.
    ///
    /// # Errors
    /// When the operating system grants no thread.
    pub fn start(threads: usize) -> io::Result<Arc<Self>> {
        let (queue, work) = bounded(threads * WAITING_PER_THREAD);
        for number in 1..=threads {
            let work: Receiver<(Responder, Answer)> = work.clone();
            spawn(format!("stream-{number}"), SMALL_STACK, move || {
                for (responder, answer) in work {
                    contained("a stream", || responder.send(answer));
                }
            })?;
        }
        Ok(Arc::new(Self { queue }))
    }

    /// Sends an answer as fast as its client takes it; refuses it when too many wait already.
    pub(super) fn send(&self, responder: Responder, answer: Answer) {
        match self.queue.try_send((responder, answer)) {
            Ok(()) => {}
            Err(TrySendError::Full((responder, _)) | TrySendError::Disconnected((responder, _))) => {
                let problem = Problem::new(503, "overloaded", "Too many large answers are under way.");
                responder.send(Problem { retry_after: Some(Duration::from_secs(1)), ..problem }.answer());
            }
        }
    }
}
