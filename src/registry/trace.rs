//! Traces of devices: each device has a tap that outlives its sessions, so that a trace goes on through reconnects.

use std::sync::Arc;

use super::error::Refusal;
use super::inner::Inner;
use super::shell::Registry;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::transport::tap::Tap;
use crate::transport::trace::Subject;
pub use crate::transport::trace::{
    Limits as TraceLimits, TraceError, TraceFile, TraceName, TraceState, Tracer,
};

/// Why a device is not traced.
#[derive(Debug, thiserror::Error)]
pub enum NotTraced {
    /// There is no such device.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The trace could not be begun.
    #[error(transparent)]
    Failed(#[from] TraceError),
    /// This registry was given nobody who traces.
    #[error("nothing is traced here")]
    Nobody,
}

impl Registry {
    /// Has this one keep the traces. The first one does, any further one is not asked.
    pub fn trace_with(&self, tracer: Arc<Tracer>) {
        if self.inner().tracer.set(tracer).is_err() {
            log::error!("the registry has a tracer already");
        }
    }

    /// Begins to trace a device, or gives the trace that runs already: `true` for a new one. `serial_number` and
    /// `transport` (`tcp`, `udp` or `auto`) are what is known of it.
    ///
    /// # Errors
    /// [`NotTraced`].
    pub fn begin_trace(
        &self,
        id: &DeviceId,
        serial_number: Option<String>,
        transport: &'static str,
        limits: TraceLimits,
    ) -> Result<(bool, TraceState), NotTraced> {
        let inner = self.inner();
        let tracer = inner.tracer.get().ok_or(NotTraced::Nobody)?;
        let status = self.status(id).ok_or(Refusal::Unknown)?;
        // Who answers now, rather than who is recorded to.
        let serial_number = status.serial_number.or(serial_number);
        let subject = Subject { device: id.clone(), serial_number, transport };
        Ok(tracer.begin(subject, &inner.tap(id), limits, &*inner.clock)?)
    }

    /// Who keeps the traces.
    #[must_use]
    pub fn tracer(&self) -> Option<&Arc<Tracer>> {
        self.inner().tracer.get()
    }
}

impl Inner {
    /// Where a device's sessions can be heard.
    pub(super) fn tap(&self, id: &DeviceId) -> Tap {
        lock(&self.taps).entry(id.clone()).or_default().clone()
    }

    /// Forgets the taps of devices that are gone and that nobody listens to.
    pub(super) fn forget_taps(&self) {
        self.forget(&self.taps, |tap| !tap.is_on());
    }
}
