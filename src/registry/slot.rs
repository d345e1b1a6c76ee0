//! One device's place in the registry: its state, what waits for it, and what is known of its failures.
//!
//! [`Slot::enter`] is the only way from one state to another. A state carries what belongs to it, its deadline
//! included.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{Failure, Refusal};
use super::job::Priority;
use super::outage::Outage;
use super::queue::Queue;
use super::settings::RegistrySettings;
use super::status::{SlotStatus, StateName};
use crate::base::ids::DeviceId;
use crate::store::device::{Device, SessionMode};
use crate::wire::carrier::Carrier;

/// Where a slot is in its life.
#[derive(Debug)]
pub enum State<S> {
    /// It may not be connected to.
    Disabled {
        /// Why.
        reason: String,
    },
    /// No session. A parked slot makes one only when it is asked for something.
    Absent {
        /// Whether it was disconnected on request.
        parked: bool,
    },
    /// A session is being made.
    Connecting,
    /// A session that nobody uses.
    Idle {
        /// It.
        session: S,
        /// When it was last used for a call.
        used: Instant,
        /// When the device last answered anything.
        heard: Instant,
    },
    /// The session is with a worker, or lent out as a lease.
    Busy {
        /// Whether it counts among those whose last call had failed when it was taken.
        suspect: bool,
    },
    /// The session is with the watcher, which asks the device something or reads what came unasked.
    Probing {
        /// When it was last used for a call.
        used: Instant,
        /// When the device last answered anything.
        heard: Instant,
    },
    /// The watcher says goodbye.
    Closing,
    /// The last attempt failed.
    BackOff {
        /// When the next one is due.
        retry_at: Instant,
    },
    /// The device refused us for a reason that only a person can mend.
    Refused {
        /// When it is tried again all the same.
        retry_at: Instant,
    },
    /// Lent to other software.
    Lent {
        /// To whom.
        by: String,
        /// Until when.
        until: Instant,
    },
}

/// The lines in which slots wait for a worker, the first to be served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Their next job is urgent.
    Urgent,
    /// Somebody waits for the answer to their next job.
    Interactive,
    /// Nobody does.
    Background,
    /// Their last call failed.
    Suspects,
}

/// What follows when the session is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// No session until somebody asks for one; whoever has asked since gets it at once.
    Park,
    /// A new session at once.
    Redial,
    /// The device is lent.
    Lend {
        /// To whom.
        by: String,
        /// Until when.
        until: Instant,
    },
    /// The slot is disabled.
    Disable {
        /// Why.
        reason: String,
    },
    /// The slot goes away.
    Remove,
}

/// One device's place.
#[derive(Debug)]
pub struct Slot<S, J> {
    /// The record.
    pub device: Arc<Device>,
    /// Its number in the readiness list.
    pub key: usize,
    /// What waits for it.
    pub queue: Queue<J>,
    /// What to do once the session is closed; while this is set nothing new is begun.
    pub then: Option<Then>,
    /// Failures in a row, if the last thing that happened was one.
    pub outage: Option<Outage>,
    /// The last failure.
    pub last_error: Option<Arc<Failure>>,
    /// Whether the last call failed and none has gone well since.
    pub suspect: bool,
    /// In which line it waits for a worker; entries in other lines are stale.
    pub listed: Option<Lane>,
    /// Whether something came unasked while the session was in use.
    pub noticed: bool,
    /// Whether the session is to be closed although the last call went well.
    pub retire: bool,
    /// Whether somebody asked for the present attempt to connect, so that calls may wait for it.
    pub forced: bool,
    /// Whether it was last told to be up or down.
    pub told_up: Option<bool>,
    /// When the device last answered anything.
    pub heard: Option<Instant>,
    /// When the present session was made.
    pub opened: Instant,
    /// When it is to be renewed.
    pub renew_at: Instant,
    /// Over what it runs, or the last one ran.
    pub carrier: Option<Carrier>,
    /// Who answered.
    pub serial_number: Option<String>,
    /// Sessions made so far.
    pub sessions_opened: u64,
    /// Calls answered so far.
    pub calls: u64,
    /// Calls failed so far.
    pub calls_failed: u64,
    state: State<S>,
    since: Instant,
}

/// How long calls are told to wait while an attempt is under way to connect to a device that is out.
const SOON: Duration = Duration::from_secs(1);

impl<S, J> Slot<S, J> {
    /// A slot without a session.
    #[must_use]
    pub fn new(device: Arc<Device>, key: usize, queue_limit: usize, now: Instant) -> Self {
        Self {
            device,
            key,
            queue: Queue::new(queue_limit),
            then: None,
            outage: None,
            last_error: None,
            suspect: false,
            listed: None,
            noticed: false,
            retire: false,
            forced: false,
            told_up: None,
            heard: None,
            opened: now,
            renew_at: now,
            carrier: None,
            serial_number: None,
            sessions_opened: 0,
            calls: 0,
            calls_failed: 0,
            state: State::Absent { parked: false },
            since: now,
        }
    }

    /// Goes into a state, and gives the one before.
    pub fn enter(&mut self, state: State<S>, now: Instant) -> State<S> {
        let before = std::mem::replace(&mut self.state, state);
        // Idle, busy and being probed are one to the outside: a session.
        if name_of(&before) != self.name() && !(name_of(&before).is_up() && self.name().is_up()) {
            self.since = now;
        }
        before
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State<S> {
        &self.state
    }

    /// Takes the session of an idle slot, which is `next` from then on; `next` is told when the session was last
    /// used and last heard of.
    pub fn take_session(
        &mut self,
        next: impl FnOnce(Instant, Instant) -> State<S>,
        now: Instant,
    ) -> Option<S> {
        let State::Idle { used, heard, .. } = &self.state else { return None };
        let next = next(*used, *heard);
        match self.enter(next, now) {
            State::Idle { session, .. } => Some(session),
            _ => None,
        }
    }

    /// The device answered: whatever was wrong is over.
    pub fn went_well(&mut self) {
        self.outage = None;
        self.last_error = None;
        self.suspect = false;
    }

    /// Why there may be no session at all, if that is so: nothing that a failure could explain.
    #[must_use]
    pub fn barred(&self, now: Instant) -> Option<Refusal> {
        match (&self.then, &self.state) {
            (Some(Then::Remove), _) => Some(Refusal::Unknown),
            (Some(Then::Disable { reason }), _) | (_, State::Disabled { reason }) => {
                Some(Refusal::Disabled(reason.clone()))
            }
            (Some(Then::Lend { by, until }), _) | (_, State::Lent { by, until }) => {
                Some(Refusal::Lent { by: by.clone(), left: until.saturating_duration_since(now) })
            }
            _ => None,
        }
    }

    /// Why a call cannot be taken now, if it cannot.
    #[must_use]
    pub fn refusal(&self, now: Instant) -> Option<Refusal> {
        if let Some(refusal) = self.barred(now) {
            return Some(refusal);
        }
        let unreachable = |retry_after| {
            let cause = self.last_error.clone()?;
            Some(Refusal::Unreachable { cause, retry_after })
        };
        match &self.state {
            State::BackOff { retry_at } | State::Refused { retry_at } => {
                unreachable(retry_at.saturating_duration_since(now))
            }
            State::Connecting if !self.forced => {
                // An attempt to reach a device that is out: whoever calls now need not wait for it.
                self.outage.filter(|outage| !outage.in_call).and_then(|_| unreachable(SOON))
            }
            _ => None,
        }
    }

    /// The line in which it should wait for a worker, if it has work.
    #[must_use]
    pub fn lane(&self) -> Option<Lane> {
        let lane = match self.queue.next_priority()? {
            _ if self.suspect => Lane::Suspects,
            Priority::Urgent => Lane::Urgent,
            Priority::Interactive => Lane::Interactive,
            Priority::Background => Lane::Background,
        };
        Some(lane)
    }

    /// Whether the slot should have a session at all times.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.device.mode == SessionMode::Persistent && !matches!(self.state, State::Absent { parked: true })
    }

    /// Why the record may not be connected to, if it may not.
    #[must_use]
    pub fn disabled_by(device: &Device) -> Option<String> {
        match &device.endpoint {
            _ if !device.enabled => Some("it is switched off in the device list".to_owned()),
            Ok(_) => None,
            Err(unusable) => Some(unusable.to_string()),
        }
    }

    /// When time alone will next change something.
    #[must_use]
    pub fn due(&self, settings: &RegistrySettings) -> Option<Instant> {
        let state = match &self.state {
            State::BackOff { retry_at } | State::Refused { retry_at } => Some(*retry_at),
            State::Lent { until, .. } => Some(*until),
            State::Idle { used, heard, .. } => {
                let ends = match self.device.mode {
                    SessionMode::Persistent => self.renew_at,
                    SessionMode::OnDemand => self.renew_at.min(*used + settings.on_demand_idle),
                };
                Some(ends.min(*heard + settings.keep_alive))
            }
            _ => None,
        };
        state.into_iter().chain(self.queue.next_deadline()).min()
    }

    /// The state's name for the outside.
    #[must_use]
    pub const fn name(&self) -> StateName {
        name_of(&self.state)
    }

    /// What the slot shows of itself.
    #[must_use]
    pub fn status(&self) -> SlotStatus {
        let (retry_at, lent_to, disabled) = match &self.state {
            State::BackOff { retry_at } | State::Refused { retry_at } => (Some(*retry_at), None, None),
            State::Lent { by, until } => (Some(*until), Some(by.clone()), None),
            State::Disabled { reason } => (None, None, Some(reason.clone())),
            _ => (None, None, None),
        };
        SlotStatus {
            id: self.id().clone(),
            state: self.name(),
            since: self.since,
            last_error: self.last_error.clone(),
            failures: self.outage.map_or(0, |outage| outage.failures),
            retry_at,
            sessions_opened: self.sessions_opened,
            calls: self.calls,
            calls_failed: self.calls_failed,
            queue: self.queue.len(),
            waiting_since: self.queue.oldest(),
            lent_to,
            disabled,
            transport: self.carrier,
            serial_number: self.serial_number.clone(),
            heard: self.heard,
        }
    }

    /// Whose slot it is.
    #[must_use]
    pub fn id(&self) -> &DeviceId {
        &self.device.id
    }
}

const fn name_of<S>(state: &State<S>) -> StateName {
    match state {
        State::Disabled { .. } => StateName::Disabled,
        State::Absent { .. } | State::Closing => StateName::Absent,
        State::Connecting => StateName::Connecting,
        State::Idle { .. } => StateName::Idle,
        State::Busy { .. } | State::Probing { .. } => StateName::Busy,
        State::BackOff { .. } => StateName::BackOff,
        State::Refused { .. } => StateName::Refused,
        State::Lent { .. } => StateName::Lent,
    }
}
