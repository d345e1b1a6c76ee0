//! The rules of the registry, without sockets, threads or clock.
//!
//! The contract: call one method (`now` is an argument), then carry out everything in [`Core::effects`], outside
//! of any lock. What an effect begins is reported back with [`Core::dialed`], [`Core::returned`], [`Core::lost`] or
//! [`Core::closed`]. Every job that was submitted is answered exactly once: by the worker that took it, or by an
//! [`Effect::Answer`]. A slot never has two sessions: a new one is begun only when the old one is closed.

mod reports;
#[cfg(test)]
mod tests;
mod turns;
mod upkeep;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{Failure, Refusal};
use super::job::Ticket;
use super::settings::RegistrySettings;
use super::slot::{Slot, State, Then};
use super::status::SlotStatus;
use crate::base::ids::DeviceId;
use crate::store::device::Device;
use crate::wire::carrier::Carrier;

/// Something to be done outside of the machine.
#[derive(Debug)]
pub enum Effect<S, J> {
    /// Make a session, and report with [`Core::dialed`].
    Dial {
        /// For whom.
        device: Arc<Device>,
        /// Its number in the readiness list.
        key: usize,
        /// What worked the last time.
        prefer: Option<Carrier>,
    },
    /// Ask the device whether it is still there, and report with [`Core::returned`] or [`Core::lost`].
    KeepAlive {
        /// Whose session.
        id: DeviceId,
        /// The session.
        session: S,
    },
    /// Read what came unasked, and report with [`Core::returned`] or [`Core::lost`].
    Overhear {
        /// Whose session.
        id: DeviceId,
        /// The session.
        session: S,
    },
    /// Say goodbye and close, and report with [`Core::closed`].
    Farewell {
        /// Whose session.
        id: DeviceId,
        /// The session.
        session: S,
    },
    /// Answer a job that will not be done.
    Answer {
        /// The job.
        ticket: Ticket<J>,
        /// Why.
        refusal: Refusal,
    },
    /// No attempt to connect follows, though somebody may wait for one: something else was asked for since.
    NotDialled {
        /// Of which device.
        id: DeviceId,
        /// Why.
        refusal: Refusal,
    },
    /// A worker has something to do.
    Wake,
    /// A device was disconnected as asked for.
    Closed {
        /// Which.
        id: DeviceId,
    },
    /// A device came up or went down.
    Changed {
        /// Which.
        id: DeviceId,
        /// Whether it is up.
        up: bool,
    },
}

/// A job for a worker, with the session to do it on.
#[derive(Debug)]
pub struct Assignment<S, J> {
    /// Whose session.
    pub id: DeviceId,
    /// The session.
    pub session: S,
    /// The job.
    pub ticket: Ticket<J>,
}

/// What a worker reports after a job.
#[derive(Debug)]
pub struct Finished<S, J> {
    /// The session, if it can be used again.
    pub session: Option<S>,
    /// Whether it should be closed all the same.
    pub retire: bool,
    /// What went wrong, if anything did.
    pub failure: Option<Arc<Failure>>,
    /// The job, if it may be made again on a fresh session.
    pub again: Option<Ticket<J>>,
}

/// All slots, and who is next.
#[derive(Debug)]
pub struct Core<S, J> {
    settings: RegistrySettings,
    slots: HashMap<DeviceId, Slot<S, J>>,
    keys: HashMap<usize, DeviceId>,
    next_key: usize,
    /// Slots with work and a session, in the lines of [`Lane`](super::slot::Lane); stale entries are passed over.
    lanes: [VecDeque<DeviceId>; 4],
    suspects_busy: usize,
    picks: u32,
    timers: BTreeSet<(Instant, DeviceId)>,
    armed: HashMap<DeviceId, Instant>,
    effects: Vec<Effect<S, J>>,
    random: fastrand::Rng,
    stopping: bool,
}

impl<S, J> Core<S, J> {
    /// A registry without devices. The seed decides all delays.
    #[must_use]
    pub fn new(settings: RegistrySettings, seed: u64) -> Self {
        Self {
            settings,
            slots: HashMap::new(),
            keys: HashMap::new(),
            next_key: 0,
            lanes: Default::default(),
            suspects_busy: 0,
            picks: 0,
            timers: BTreeSet::new(),
            armed: HashMap::new(),
            effects: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            stopping: false,
        }
    }

    /// What is to be done now.
    pub fn effects(&mut self) -> Vec<Effect<S, J>> {
        std::mem::take(&mut self.effects)
    }

    /// When [`Core::tick`] has something to do next.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    // --- what is asked for -----------------------------------------------------------------------------------

    /// Takes over the list of devices: new ones get a slot, changed ones a new session, missing ones go.
    pub fn configure<'d>(&mut self, devices: impl Iterator<Item = &'d Arc<Device>>, now: Instant) {
        let mut gone: BTreeSet<DeviceId> = self.slots.keys().cloned().collect();
        let mut seen = HashSet::new();
        for device in devices {
            if !seen.insert(device.id.clone()) {
                // Two records with one id would take the session from each other at every reload: the first counts.
                continue;
            }
            gone.remove(&device.id);
            if self.slots.contains_key(&device.id) {
                self.reconfigure(device, now);
            } else {
                self.add(device, now);
            }
        }
        for id in gone {
            self.end(&id, Then::Remove, now);
        }
    }

    /// Takes a job, or answers it at once.
    pub fn submit(&mut self, id: &DeviceId, ticket: Ticket<J>, now: Instant) {
        let stopping = self.stopping;
        let limit = self.settings.queue_limit;
        let Some(slot) = self.slots.get_mut(id) else {
            return self.answer(ticket, Refusal::Unknown);
        };
        if stopping {
            return self.answer(ticket, Refusal::Stopping);
        }
        if ticket.deadline.passed(now) {
            return self.answer(ticket, Refusal::DeadlineExceeded { waited: Duration::ZERO });
        }
        if let Some(refusal) = slot.refusal(now) {
            return self.answer(ticket, refusal);
        }
        if let Err(ticket) = slot.queue.push(ticket) {
            return self.answer(ticket, Refusal::QueueFull { limit });
        }
        match slot.state() {
            State::Absent { .. } => self.dial(id, now),
            State::Idle { .. } => self.list(id),
            _ => {}
        }
        self.arm(id);
    }

    /// Makes a session now, whatever the back-off says.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn connect(&mut self, id: &DeviceId, now: Instant) -> Result<(), Refusal> {
        let slot = self.slots.get_mut(id).ok_or(Refusal::Unknown)?;
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        if let Some(refusal) = slot.barred(now) {
            return Err(refusal);
        }
        if slot.then == Some(Then::Park) {
            // It is being disconnected; whoever waits for that is told, and then it is connected again.
            slot.then = Some(Then::Redial);
        }
        match slot.state() {
            State::Absent { .. } | State::BackOff { .. } | State::Refused { .. } => {
                slot.forced = true;
                self.dial(id, now);
            }
            State::Connecting => slot.forced = true,
            _ => {}
        }
        Ok(())
    }

    /// Closes the session, and then does what is asked for. [`Effect::Closed`] tells when that is done.
    ///
    /// # Errors
    /// [`Refusal::Unknown`]; [`Refusal::Lent`] unless it is lent once more; [`Refusal::Disabled`] and
    /// [`Refusal::Stopping`] for lending or redialling.
    pub fn disconnect(&mut self, id: &DeviceId, then: Then, now: Instant) -> Result<(), Refusal> {
        let slot = self.slots.get(id).ok_or(Refusal::Unknown)?;
        match slot.barred(now) {
            Some(Refusal::Lent { .. }) if matches!(then, Then::Lend { .. }) => {}
            Some(Refusal::Disabled(_)) if then == Then::Park => {
                // What is being disabled is being disconnected anyway.
                if matches!(slot.state(), State::Disabled { .. }) {
                    self.effects.push(Effect::Closed { id: id.clone() });
                }
                return Ok(());
            }
            Some(refusal) => return Err(refusal),
            None if self.stopping && then != Then::Park => return Err(Refusal::Stopping),
            None => {}
        }
        self.end(id, then, now);
        Ok(())
    }

    /// Ends the lending of a device before its time.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn resume(&mut self, id: &DeviceId, now: Instant) -> Result<(), Refusal> {
        let slot = self.slots.get_mut(id).ok_or(Refusal::Unknown)?;
        if matches!(slot.then, Some(Then::Lend { .. })) {
            slot.then = Some(Then::Redial);
        } else if matches!(slot.state(), State::Lent { .. }) {
            slot.enter(State::Absent { parked: false }, now);
            self.settle(id, now);
        }
        Ok(())
    }

    /// Takes no more jobs, refuses those that wait and closes every session that is not in use.
    pub fn stop(&mut self, now: Instant) {
        self.stopping = true;
        let ids: Vec<DeviceId> = self.slots.keys().cloned().collect();
        for id in ids {
            let waiting = self.slots.get_mut(&id).map(|slot| slot.queue.drain()).unwrap_or_default();
            for ticket in waiting {
                self.answer(ticket, Refusal::Stopping);
            }
            let barred = self.slots.get(&id).is_some_and(|slot| slot.barred(now).is_some());
            if !barred {
                self.end(&id, Then::Park, now);
            }
            self.arm(&id);
        }
    }

    /// Whether no session is open. One that is being made does not count: an address that does not answer must
    /// not hold up a stop.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let quiet = |state: &State<S>| {
            !matches!(state, State::Idle { .. } | State::Busy { .. } | State::Probing { .. } | State::Closing)
        };
        self.slots.values().all(|slot| quiet(slot.state()))
    }

    /// Whether a device's session is to be closed as soon as whoever has it hands it in.
    #[must_use]
    pub fn is_wanted_back(&self, id: &DeviceId) -> bool {
        self.stopping || self.slots.get(id).is_none_or(|slot| slot.then.is_some())
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        while let Some((_, id)) = self.timers.first().filter(|(due, _)| *due <= now).cloned() {
            self.disarm(&id);
            self.lapse(&id, now);
            self.arm(&id);
        }
    }

    // --- what is shown ---------------------------------------------------------------------------------------

    /// One slot as it is now.
    #[must_use]
    pub fn status(&self, id: &DeviceId) -> Option<SlotStatus> {
        self.slots.get(id).map(Slot::status)
    }

    /// All slots as they are now.
    pub fn statuses(&self) -> impl Iterator<Item = SlotStatus> + '_ {
        self.slots.values().map(Slot::status)
    }
}
