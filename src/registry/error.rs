//! Why a job did not run, or how it failed: what the registry tells its callers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::{DeviceError, Reached};

/// A failure as it is remembered and told: the words without the error itself, which is not cloneable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable code of the API.
    pub code: &'static str,
    /// What happened, in words.
    pub detail: String,
    /// What can be done about it.
    pub advice: &'static str,
    /// In which part of the conversation.
    pub phase: &'static str,
    /// When.
    pub at: Instant,
    /// Bytes announced and bytes delivered, if it was a transfer that fell short.
    pub transfer: Option<(u64, u64)>,
    /// The same as the plain verdict of a connection test.
    pub verdict: &'static str,
    /// Whether only a person can mend it.
    pub needs_a_person: bool,
    /// Whether the request reached the device.
    pub reached: Reached,
}

impl Failure {
    /// A device error, to be remembered.
    #[must_use]
    pub fn of(error: &DeviceError, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            code: error.code(),
            detail: error.to_string(),
            advice: error.advice(),
            phase: error.phase.name(),
            at: now,
            transfer: error.transfer(),
            verdict: error.verdict(),
            needs_a_person: error.needs_a_person(),
            reached: error.reached,
        })
    }
}

impl Failure {
    /// Whether it is ours to mend, so that it says nothing about the device.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.code == INTERNAL
    }

    /// A panic in a job: ours to mend, not the device's.
    #[must_use]
    pub fn internal(now: Instant) -> Arc<Self> {
        Arc::new(Self {
            code: INTERNAL,
            detail: "the operation failed inside the service".to_owned(),
            advice: "the service's log says more; please report it",
            phase: "reply",
            at: now,
            transfer: None,
            verdict: "internal",
            needs_a_person: false,
            reached: Reached::Perhaps,
        })
    }
}

/// The code of failures inside the service.
const INTERNAL: &str = "internal";

/// Why a call was not answered by the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such device.
    #[error("there is no such device")]
    Unknown,
    /// The device is switched off in the store, or its record cannot be used.
    #[error("the device is disabled: {0}")]
    Disabled(String),
    /// The device is lent to other software.
    #[error("the device is lent to {by}")]
    Lent {
        /// To whom.
        by: String,
        /// For how much longer.
        left: Duration,
    },
    /// It could not be reached, and is not tried again before some time has passed.
    #[error("the device cannot be reached: {}", cause.detail)]
    Unreachable {
        /// What happened at the last attempt.
        cause: Arc<Failure>,
        /// When it makes sense to ask again.
        retry_after: Duration,
    },
    /// Too many jobs wait for this device.
    #[error("{limit} calls are waiting for this device already")]
    QueueFull {
        /// How many may wait.
        limit: usize,
    },
    /// The call's deadline passed before the device was asked.
    #[error("the deadline passed before the device could be asked ({waited:?} in the queue)")]
    DeadlineExceeded {
        /// How long the call waited.
        waited: Duration,
    },
    /// The session was closed on request while the call waited.
    #[error("the device was disconnected on request")]
    Disconnected,
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The call was made and failed.
    #[error("{}", .0.detail)]
    Failed(Arc<Failure>),
    /// The call was made, has an effect, and nobody knows whether it took place.
    #[error("it is not known whether the device did it: {}", .0.detail)]
    OutcomeUnknown(Arc<Failure>),
}

impl Refusal {
    /// The stable code of the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "not_found",
            Self::Disabled(_) => "device_disabled",
            Self::Lent { .. } => "device_lent",
            Self::Unreachable { cause, .. } => match cause.code {
                // Whatever broke the last session: until there is a new one, the device is not reachable.
                "auth_failed" | "unsupported_handshake" | "not_a_device" | "device_busy" => cause.code,
                _ => "device_unreachable",
            },
            Self::QueueFull { .. } => "queue_full",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::Disconnected => "device_disconnected",
            Self::Stopping => "stopping",
            Self::Failed(failure) => failure.code,
            Self::OutcomeUnknown(_) => "outcome_unknown",
        }
    }

    /// When it makes sense to ask again, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Lent { left, .. } => Some(*left),
            Self::Unreachable { retry_after, .. } => Some(*retry_after),
            Self::QueueFull { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
