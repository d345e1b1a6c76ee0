//! Asking the journal on behalf of a caller: no HTTP worker waits for it, and the caller is answered by its deadline
//! whatever the database does. A change that was not begun by then is never made, and the answer says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::base::deadline::Deadline;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::SharedReply;
use crate::http::response::Answer;
use crate::store::StoreError;
use crate::store::journal::backend::Backend;
use crate::store::journal::feed::Feed;

/// Reads something. `shape` makes the answer, on the journal's thread: it must be quick.
///
/// # Errors
/// When the call was answered already: a defect of the handler.
pub fn read<T: Send + 'static>(
    call: &mut Call,
    deadline: Deadline,
    job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    shape: impl FnOnce(T) -> Result<Answer, Problem> + Send + 'static,
) -> Handled {
    let question = Question::new(call, deadline, false)?;
    let (job, answer, asked) = question.parts(job, shape);
    let taken = call.gateway.journal.read_then(deadline, job, answer);
    asked.0.refused(taken);
    Ok(Outcome::Later)
}

/// Changes something; otherwise like [`read`]. `shape` also sees to what follows from the change.
///
/// # Errors
/// When the call was answered already: a defect of the handler.
pub fn write<T: Send + 'static>(
    call: &mut Call,
    deadline: Deadline,
    job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    shape: impl FnOnce(T) -> Result<Answer, Problem> + Send + 'static,
) -> Handled {
    let question = Question::new(call, deadline, true)?;
    let (job, answer, asked) = question.parts(job, shape);
    let taken = call.gateway.journal.write_then(deadline, job, answer);
    asked.0.refused(taken);
    Ok(Outcome::Later)
}

/// One question, and how far it has come.
#[derive(Clone)]
struct Question {
    reply: SharedReply,
    stage: Arc<AtomicU8>,
    writes: bool,
    feed: Arc<Feed>,
}

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const OVER: u8 = 2;

impl Question {
    fn new(call: &mut Call, deadline: Deadline, writes: bool) -> Result<Self, Problem> {
        let feed = Arc::clone(call.gateway.journal.feed());
        let question = Self { reply: call.later()?.shared(), stage: Arc::default(), writes, feed };
        let late = question.clone();
        call.gateway.alarms.at(deadline.instant(), move || {
            let timed_out = |outcome_unknown| StoreError::TimedOut { outcome_unknown };
            late.end(&timed_out(false), &timed_out(late.writes));
        });
        Ok(question)
    }

    /// What the journal is to do, what it is to say, and what is left to refuse with.
    #[allow(clippy::type_complexity)]
    fn parts<T: Send + 'static>(
        self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
        shape: impl FnOnce(T) -> Result<Answer, Problem> + Send + 'static,
    ) -> (
        impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
        impl FnOnce(Result<T, StoreError>) + Send + 'static,
        Arc<Unanswered>,
    ) {
        let doing = self.clone();
        let job = move |backend: &mut dyn Backend| {
            if doing.leave_for(BEGUN).is_ok() {
                job(backend)
            } else {
                Err(StoreError::TimedOut { outcome_unknown: false })
            }
        };
        let asked = Arc::new(Unanswered(self));
        let unanswered = Arc::clone(&asked);
        let answer = move |result: Result<T, StoreError>| {
            // Also when nobody waits any more: what was changed has consequences.
            let shaped = result.map_err(|error| Problem::of_store(&error)).and_then(shape);
            if let Some(reply) = unanswered.0.reply.take() {
                reply.result(shaped);
            }
        };
        (job, answer, asked)
    }

    /// Answers when the journal took no question.
    fn refused(&self, taken: Result<(), StoreError>) {
        if let Err(error) = taken {
            self.end(&error, &error);
        }
    }

    /// Answers with an error, if nobody has answered yet: the first one if the question was never begun, and then
    /// it never will be. Whoever ended it first answers, also where somebody else is quicker with what comes then.
    fn end(&self, not_begun: &StoreError, begun: &StoreError) {
        let error = match self.leave_for(OVER) {
            Ok(()) => not_begun,
            Err(BEGUN) => begun,
            Err(_) => return,
        };
        if let Some(reply) = self.reply.take() {
            reply.send(Problem::of_store(error).answer());
        }
    }

    /// Leaves the wait, or tells how it was left already.
    fn leave_for(&self, stage: u8) -> Result<(), u8> {
        self.stage.compare_exchange(WAITING, stage, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }
}

/// Let go of by everybody without an answer, it says why there is none: the journal was closed, was too late, or
/// broke on it.
struct Unanswered(Question);

impl Drop for Unanswered {
    fn drop(&mut self) {
        let late = StoreError::TimedOut { outcome_unknown: false };
        let not_begun = if self.0.feed.is_closed() { StoreError::Closed } else { late };
        self.0.end(&not_begun, &StoreError::Internal { outcome_unknown: self.0.writes });
    }
}
