//! What a slot shows of itself.

use std::sync::Arc;
use std::time::Instant;

use super::error::Failure;
use crate::base::ids::DeviceId;
use crate::wire::carrier::Carrier;

/// The states that the outside tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// No session, and none is being made.
    Absent,
    /// A session is being made.
    Connecting,
    /// A session that nobody uses.
    Idle,
    /// A session in use.
    Busy,
    /// The last attempt failed; the next one is due later.
    BackOff,
    /// The device refused us for a reason that only a person can mend.
    Refused,
    /// Lent to other software.
    Lent,
    /// Switched off, or its record cannot be used.
    Disabled,
}

impl StateName {
    /// All states.
    pub const ALL: [Self; 8] = [
        Self::Absent,
        Self::Connecting,
        Self::Idle,
        Self::Busy,
        Self::BackOff,
        Self::Refused,
        Self::Lent,
        Self::Disabled,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Connecting => "connecting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::BackOff => "back_off",
            Self::Refused => "refused",
            Self::Lent => "lent",
            Self::Disabled => "disabled",
        }
    }

    /// Whether there is a session.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Idle | Self::Busy)
    }
}

/// One slot, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// Whose slot.
    pub id: DeviceId,
    /// Its state.
    pub state: StateName,
    /// Since when it is in that state. Idle and busy count as one.
    pub since: Instant,
    /// The last failure, until a call succeeds.
    pub last_error: Option<Arc<Failure>>,
    /// Failures in a row.
    pub failures: u32,
    /// When the next attempt is due, or a lent device comes back.
    pub retry_at: Option<Instant>,
    /// Sessions made since the service started.
    pub sessions_opened: u64,
    /// Calls answered by the device since the service started.
    pub calls: u64,
    /// Calls that failed since the service started.
    pub calls_failed: u64,
    /// Jobs that wait.
    pub queue: usize,
    /// For how long the first of them has waited.
    pub waiting_since: Option<Instant>,
    /// To whom it is lent.
    pub lent_to: Option<String>,
    /// Why it is disabled.
    pub disabled: Option<String>,
    /// Over what the session runs, or the last one ran.
    pub transport: Option<Carrier>,
    /// Who answered the last time.
    pub serial_number: Option<String>,
    /// Who should answer, according to the record.
    pub known_serial_number: Option<String>,
    /// When the device last answered anything.
    pub heard: Option<Instant>,
}
