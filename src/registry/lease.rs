//! A borrowed session. The guard is the lease: dropping it gives the session back, or condemns it.

use std::sync::Arc;

use super::core::Finished;
use super::error::Failure;
use super::held::Held;
use super::inner::Inner;
use crate::base::ids::DeviceId;
use crate::base::readiness::Interest;
use crate::device::{DeviceError, Fault, Reached, Session};
use crate::dialog::Phase;
use crate::transport::TransportError;

/// The right to use a device's session, until it is dropped.
pub struct Lease {
    id: DeviceId,
    inner: Arc<Inner>,
    held: Option<Held>,
    failure: Option<Arc<Failure>>,
}

impl Lease {
    pub(super) const fn new(id: DeviceId, inner: Arc<Inner>, held: Held) -> Self {
        Self { id, inner, held: Some(held), failure: None }
    }

    /// Whose session it is.
    #[must_use]
    pub const fn device(&self) -> &DeviceId {
        &self.id
    }

    /// Uses the session. After a failure that the session does not survive every further use fails.
    ///
    /// # Errors
    /// What went wrong with the device.
    pub fn run<T>(
        &mut self,
        operation: impl FnOnce(&mut Session) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let Some(held) = &mut self.held else {
            let fault = Fault::Transport(TransportError::Closed);
            return Err(DeviceError { fault, phase: Phase::Reply, reached: Reached::No });
        };
        operation(&mut held.session).inspect_err(|error| {
            if !error.keeps_session() {
                self.held = None;
                self.failure = Some(Failure::of(error, self.inner.clock.now()));
            }
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.held.take().filter(|_| !std::thread::panicking());
        if let Some(held) = &mut held {
            self.inner.pass_on_events(&self.id, &mut held.session);
        }
        // What cannot be watched any more is of no use.
        let session = held.filter(|held| held.watch.want(Interest::Read).is_ok());
        let retire = session.as_ref().is_some_and(|held| held.session.is_doubtful());
        let now = self.inner.clock.now();
        let failure = match &session {
            Some(_) => None,
            None => self.failure.take().or_else(|| Some(Failure::internal(now))),
        };
        self.inner
            .with(|core| core.finish(&self.id, Finished { session, retire, failure, again: None }, now));
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({:?})", self.id)
    }
}
