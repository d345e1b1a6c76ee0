//! The way back to one caller, in the words of the API. It answers at most once, and if nobody uses it the caller
//! gets a 500.

use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::problem::Problem;
use super::responder::Responder;
use super::response::{Answer, Body};
use super::stream::Streams;
use crate::base::lock::lock;

/// One caller, waiting.
#[derive(Debug)]
pub struct Reply {
    responder: Responder,
    streams: Arc<Streams>,
}

/// A reply that two may want to send; the first one does.
#[derive(Clone, Debug)]
pub struct SharedReply(Arc<Mutex<Option<Reply>>>);

/// The largest answer that is written by whoever has it, in bytes. It fits the socket's buffer, so the thread that
/// writes it does not wait for the client.
const AT_ONCE: usize = 64 * 1024;

impl Reply {
    pub(super) const fn new(responder: Responder, streams: Arc<Streams>) -> Self {
        Self { responder, streams }
    }

    /// Sends an answer: a small one at once, a large one through the stream threads.
    pub fn send(self, answer: Answer) {
        let small = match &answer.body {
            Body::Empty => true,
            Body::Bytes(bytes) => bytes.len() <= AT_ONCE,
            Body::Stream(_) => false,
        };
        if small {
            self.responder.send(answer);
        } else {
            self.streams.send(self.responder, answer);
        }
    }

    /// Sends a value as JSON.
    pub fn json(self, status: u16, value: &impl Serialize) {
        self.send(json(status, value));
    }

    /// Sends an answer or a problem.
    pub fn result(self, result: Result<Answer, Problem>) {
        self.send(result.unwrap_or_else(Problem::answer));
    }

    /// A reply that a deadline may take away.
    #[must_use]
    pub fn shared(self) -> SharedReply {
        SharedReply(Arc::new(Mutex::new(Some(self))))
    }
}

impl SharedReply {
    /// The reply, for the first who asks.
    #[must_use]
    pub fn take(&self) -> Option<Reply> {
        lock(&self.0).take()
    }
}

/// A value as a JSON answer.
#[must_use]
pub fn json(status: u16, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => Answer::json(status, bytes),
        Err(error) => {
            log::error!("an answer could not be written as JSON: {error}");
            Answer::internal()
        }
    }
}
