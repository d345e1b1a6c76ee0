//! The way back to one caller, in the words of the API. It answers at most once, and if nobody uses it the caller
//! gets a 500.

use std::io;
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::admission::{self, Admission};
use super::note::Note;
use super::problem::Problem;
use super::responder::{AnswerStream, Responder};
use super::response::{Answer, Body};
use super::stream::Streams;
use crate::base::lock::lock;

/// One caller, waiting.
#[derive(Debug)]
pub struct Reply {
    responder: Responder,
    streams: Arc<Streams>,
    note: Option<Note>,
    /// Until when there is an answer to be had.
    admission: Option<Admission>,
    /// How answers are put for whoever does not speak the API's own language.
    dialect: Option<fn(Answer) -> Answer>,
}

/// A reply that two may want to send; the first one does.
#[derive(Clone, Debug)]
pub struct SharedReply(Arc<Mutex<Option<Reply>>>);

/// The largest answer that is written by whoever has it, in bytes. It fits the socket's buffer, so the thread that
/// writes it does not wait for the client.
const AT_ONCE: usize = 64 * 1024;

impl Reply {
    pub(super) const fn new(responder: Responder, streams: Arc<Streams>) -> Self {
        Self { responder, streams, note: None, admission: None, dialect: None }
    }

    /// The same, and the answer is noted in the audit log.
    pub(super) fn noted(self, note: Note) -> Self {
        Self { note: Some(note), ..self }
    }

    /// What the note is to say besides.
    pub(super) fn note(&mut self, device_id: Option<String>, subject: Option<String>) {
        if let Some(note) = &mut self.note {
            note.about(device_id, subject);
        }
    }

    /// The same, and nothing is handed out to somebody who is not admitted any more.
    pub(super) fn while_admitted(self, admission: Admission) -> Self {
        Self { admission: Some(admission), ..self }
    }

    /// Whether whoever asked may still be told something, for those who tell more than once; always where nobody asks
    /// for that.
    #[must_use]
    pub fn admission(&self) -> Admission {
        self.admission.clone().unwrap_or_else(|| Admission::while_so(|| true))
    }

    /// The same, and the answer is put so.
    pub(super) fn in_dialect(self, dialect: fn(Answer) -> Answer) -> Self {
        Self { dialect: Some(dialect), ..self }
    }

    /// Sends an answer: a small one at once, a large one through the stream threads. What must not be seen without a
    /// note of it is sent once there is one.
    pub fn send(mut self, answer: Answer) {
        let answer = match &self.admission {
            Some(admission) if !admission.lasts() => admission::over().answer(),
            _ => answer,
        };
        match self.note.take() {
            Some(note) if note.comes_first(&answer) => {
                let told = (answer.status, answer.code);
                note.write_before(told, move |noted| {
                    self.put(noted.map_or_else(|error| Problem::of_store(&error).answer(), |()| answer));
                });
            }
            Some(note) => {
                note.write((answer.status, answer.code));
                self.put(answer);
            }
            None => self.put(answer),
        }
    }

    fn put(self, answer: Answer) {
        let mut answer = match self.dialect {
            Some(put) => put(answer),
            None => answer,
        };
        if let Some(admission) = &self.admission {
            answer.body = admission.bounds(answer.body);
        }
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

    /// Whether only the head is asked for.
    #[must_use]
    pub const fn is_head_only(&self) -> bool {
        self.responder.is_head_only()
    }

    /// Sends the head and what body there already is; the rest is written as it comes, from a thread that may wait
    /// for the client.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn into_stream(self, answer: Answer) -> io::Result<AnswerStream> {
        if let Some(note) = self.note {
            note.write((answer.status, answer.code));
        }
        self.responder.into_stream(answer)
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

    /// Whether nobody has asked yet.
    #[must_use]
    pub fn is_there(&self) -> bool {
        lock(&self.0).is_some()
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
