//! Between the pieces of a long job: others are served on the same session, and events are handed on.
//!
//! A door must not wait until a hundred thousand records have been read. Only brief jobs are served here; whatever
//! breaks the session under them breaks it for the long job too.

use super::inner::{Inner, Order};
use super::workers::{Attempt, Attempted, Next};
use crate::base::ids::DeviceId;
use crate::base::liveness::Pulse;
use crate::base::lock::lock;
use crate::base::threads::contained;
use crate::device::{DeviceError, Fault, Reached, Session};
use crate::dialog::Phase;
use crate::transport::TransportError;

/// The pauses of a long job.
pub struct Between<'w> {
    inner: &'w Inner,
    id: &'w DeviceId,
    /// The worker's: a long job is no silence.
    pulse: &'w Pulse,
    /// Whether others are served at all: not inside a job that is served in a pause itself.
    pausing: bool,
    punches: u64,
}

/// How many are served in one pause: the long job goes on too.
const SERVED: usize = 16;

impl<'w> Between<'w> {
    pub(super) const fn new(inner: &'w Inner, id: &'w DeviceId, pulse: &'w Pulse, pausing: bool) -> Self {
        Self { inner, id, pulse, pausing, punches: 0 }
    }

    /// Hands on the events that have come, without serving anybody.
    pub fn hand_on_events(&mut self, session: &mut Session) {
        self.punches += self.inner.pass_on_events(self.id, session);
    }

    /// How many punches were handed on in these pauses.
    #[must_use]
    pub const fn punches(&self) -> u64 {
        self.punches
    }

    /// Whether the session is wanted back: it is to be closed, and a long job should come to an early end.
    #[must_use]
    pub fn is_wanted_back(&self) -> bool {
        lock(&self.inner.core).is_wanted_back(self.id)
    }

    /// The same for a job that may end early: it does when the session is wanted back, or `end` says so.
    ///
    /// # Errors
    /// When the session broke meanwhile, or [`DeviceError::stopped`].
    pub fn pause_unless(&mut self, session: &mut Session, end: bool) -> Result<(), DeviceError> {
        if end || self.is_wanted_back() {
            return Err(DeviceError::stopped());
        }
        self.pause(session)
    }

    /// Serves the brief jobs that wait for this device, and hands on events.
    ///
    /// # Errors
    /// When the session broke meanwhile.
    pub fn pause(&mut self, session: &mut Session) -> Result<(), DeviceError> {
        self.pulse.beat(self.inner.clock.now());
        self.hand_on_events(session);
        if !self.pausing {
            return Ok(());
        }
        for _ in 0..SERVED {
            let now = self.inner.clock.now();
            let Some(ticket) = self.inner.with(|core| core.take_between(self.id, now)) else { break };
            let (this, job) = Attempt::of(ticket);
            // Who wants the session itself is never brief.
            let Order::Work(work) = job else { break };
            let Attempted { keeps_session, punches, next, .. } =
                this.make(self.inner, self.id, session, work, (self.pulse, false));
            self.punches += punches;
            match next {
                Next::Again(ticket) => self.inner.with(|core| core.put_back(self.id, ticket)),
                Next::Tell(work, refusal) => {
                    contained("a caller's answer", || work.finish(refusal));
                }
            }
            if !keeps_session {
                let fault = Fault::Transport(TransportError::Closed);
                return Err(DeviceError { fault, phase: Phase::Reply, reached: Reached::Yes });
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Between<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Between({:?})", self.id)
    }
}
