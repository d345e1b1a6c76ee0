//! One operation asked of a device, on its way through a queue.

use std::time::Instant;

use super::between::Between;
use super::error::Refusal;
use crate::base::deadline::Deadline;
use crate::device::{DeviceError, Session};

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A door.
    Urgent,
    /// Somebody waits for the answer.
    Interactive,
    /// Nobody does.
    Background,
}

impl Priority {
    /// All of them, the first to go first.
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Interactive, Self::Background];
}

/// Whether an operation that failed may be made again on a fresh session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It only asks: within its deadline, once more.
    Harmless,
    /// It has an effect: only if no byte of it reached the device.
    IfNotReached,
}

/// What a job does; it is told exactly one of the two, once.
pub trait Work: Send {
    /// Makes one attempt. The result is kept inside until [`Work::finish`].
    ///
    /// # Errors
    /// What went wrong with the device.
    fn attempt(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<(), DeviceError>;

    /// Ends it: the caller is answered, with the kept result or with the refusal.
    fn finish(self: Box<Self>, refusal: Option<Refusal>);
}

/// A job with everything that the queue has to know of it.
#[derive(Debug)]
pub struct Ticket<J> {
    /// Who goes first.
    pub priority: Priority,
    /// When it must be answered.
    pub deadline: Deadline,
    /// Whether it may be made again.
    pub repeat: Repeat,
    /// Whether it may run between the pieces of a long job, on the same session.
    pub brief: bool,
    /// When it was submitted.
    pub since: Instant,
    /// How many attempts have been made.
    pub attempts: u32,
    /// The job itself.
    pub job: J,
}

/// What a caller asks for besides the operation itself.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Who goes first.
    pub priority: Priority,
    /// When it must be answered.
    pub deadline: Deadline,
    /// Whether it may be made again.
    pub repeat: Repeat,
    /// Whether it may run between the pieces of a long job, on the same session: a few small commands, and none
    /// that puts a table into the device's transfer buffer.
    pub brief: bool,
}

impl Terms {
    /// Somebody waits for something that only asks.
    #[must_use]
    pub const fn read(deadline: Deadline) -> Self {
        Self { priority: Priority::Interactive, deadline, repeat: Repeat::Harmless, brief: false }
    }

    /// Somebody waits for something that has an effect.
    #[must_use]
    pub const fn effect(deadline: Deadline) -> Self {
        Self { repeat: Repeat::IfNotReached, ..Self::read(deadline) }
    }

    /// Nobody waits for something that only asks.
    #[must_use]
    pub const fn background(deadline: Deadline) -> Self {
        Self { priority: Priority::Background, ..Self::read(deadline) }
    }

    /// The same before all others.
    #[must_use]
    pub const fn urgent(self) -> Self {
        Self { priority: Priority::Urgent, ..self }
    }

    /// The same for a few small commands, which need not wait for the end of a long job.
    #[must_use]
    pub const fn brief(self) -> Self {
        Self { brief: true, ..self }
    }
}

/// An operation and whoever is to be told its result.
pub(super) struct Call<T, O, A> {
    operation: O,
    result: Option<T>,
    answer: A,
}

impl<T, O, A> Call<T, O, A> {
    pub(super) const fn new(operation: O, answer: A) -> Self {
        Self { operation, result: None, answer }
    }
}

impl<T, O, A> Work for Call<T, O, A>
where
    T: Send,
    O: FnMut(&mut Session, Deadline, &mut Between<'_>) -> Result<T, DeviceError> + Send,
    A: FnOnce(Result<T, Refusal>) + Send,
{
    fn attempt(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<(), DeviceError> {
        self.result = Some((self.operation)(session, deadline, between)?);
        Ok(())
    }

    fn finish(self: Box<Self>, refusal: Option<Refusal>) {
        let result = match (refusal, self.result) {
            (None, Some(result)) => Ok(result),
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(Refusal::Disconnected),
        };
        (self.answer)(result);
    }
}
