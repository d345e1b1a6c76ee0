//! What workers and the watcher report: what they took, and what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::error::{Failure, Refusal};
use super::super::job::Ticket;
use super::super::outage::Outage;
use super::super::slot::{Slot, State};
use super::{Assignment, Core, Effect, Finished};
use crate::base::ids::DeviceId;
use crate::wire::carrier::Carrier;

/// A session that ends by itself after less than this was no success.
const YOUNG: Duration = Duration::from_secs(10);

impl<S, J> Core<S, J> {
    /// The next job for a worker, if there is one.
    pub fn take(&mut self, now: Instant) -> Option<Assignment<S, J>> {
        while let Some(id) = self.pick() {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if !matches!(slot.state(), State::Idle { .. }) {
                continue;
            }
            while let Some(ticket) = slot.queue.pop() {
                if ticket.deadline.passed(now) {
                    let waited = now.saturating_duration_since(ticket.since);
                    self.effects
                        .push(Effect::Answer { ticket, refusal: Refusal::DeadlineExceeded { waited } });
                    continue;
                }
                let suspect = slot.suspect;
                let Some(session) = slot.take_session(|_, _| State::Busy { suspect }, now) else {
                    slot.queue.push_front(ticket);
                    break;
                };
                self.suspects_busy += usize::from(suspect);
                self.arm(&id);
                return Some(Assignment { id, session, ticket });
            }
            self.arm(&id);
        }
        None
    }

    /// A job for the worker that has this device's session and is in the middle of a long one.
    pub fn take_between(&mut self, id: &DeviceId, now: Instant) -> Option<Ticket<J>> {
        let slot = self.slots.get_mut(id)?;
        if !matches!(slot.state(), State::Busy { .. }) || slot.then.is_some() {
            return None;
        }
        let ticket = slot.queue.pop_brief(now)?;
        slot.calls += 1;
        self.arm(id);
        Some(ticket)
    }

    /// A job that was taken in between goes back to the head of its line: the session broke under it.
    pub fn put_back(&mut self, id: &DeviceId, ticket: Ticket<J>) {
        match self.slots.get_mut(id) {
            Some(slot) => {
                slot.queue.push_front(ticket);
                self.arm(id);
            }
            None => self.answer(ticket, Refusal::Unknown),
        }
    }

    /// A worker is done with a job.
    pub fn finish(&mut self, id: &DeviceId, finished: Finished<S, J>, now: Instant) {
        let Finished { session, retire, failure, again } = finished;
        let Some(slot) = self.slots.get_mut(id) else {
            if let Some(ticket) = again {
                self.answer(ticket, Refusal::Unknown);
            }
            return;
        };
        // What counts is what it was when it was taken: its record may have changed since.
        if matches!(slot.state(), State::Busy { suspect: true }) {
            self.suspects_busy = self.suspects_busy.saturating_sub(1);
            // A suspect that had to wait for this one may be served now.
            self.effects.push(Effect::Wake);
        }
        match (session, failure) {
            (Some(session), _) => {
                slot.calls += 1;
                slot.went_well();
                slot.retire = retire;
                self.rest(id, session, now, now, now);
            }
            (None, Some(failure)) if failure.is_internal() => {
                // The session cannot be trusted any more, but the device did nothing wrong.
                slot.calls_failed += 1;
                slot.enter(State::Absent { parked: false }, now);
                self.settle(id, now);
            }
            (None, failure) => {
                slot.calls_failed += 1;
                slot.suspect = true;
                self.broken(id, failure, again, now);
            }
        }
    }

    /// The watcher has made a session, or could not.
    pub fn dialed(
        &mut self,
        id: &DeviceId,
        result: Result<(S, Carrier, Option<String>), Arc<Failure>>,
        now: Instant,
    ) {
        let lifetime = self.settings.lifetime;
        let shortened = lifetime.mul_f64(1.0 - self.random.f64() / 10.0);
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.forced = false;
        match result {
            Ok((session, carrier, serial_number)) => {
                slot.sessions_opened += 1;
                slot.outage = Outage::after_connecting(slot.outage);
                if slot.outage.is_none() {
                    slot.last_error = None;
                    slot.suspect = false;
                }
                (slot.opened, slot.renew_at) = (now, now + shortened);
                if slot.carrier.replace(carrier) != Some(carrier) {
                    // Another carrier than before is news.
                    slot.told_up = None;
                }
                slot.serial_number = serial_number;
                slot.noticed = false;
                self.tell(id, true);
                self.rest(id, session, now, now, now);
            }
            Err(failure) => {
                slot.outage = Some(Outage::after_failure(slot.outage, false, now));
                slot.last_error = Some(failure);
                self.back_off(id, now);
            }
        }
    }

    /// The watcher gives a session back; `answered` when the device said something that was asked for.
    pub fn returned(&mut self, id: &DeviceId, session: S, answered: bool, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (used, heard) = match slot.state() {
            State::Probing { used, heard } => (*used, *heard),
            _ => (now, now),
        };
        if answered {
            slot.went_well();
        }
        self.rest(id, session, used, if answered { now } else { heard }, now);
    }

    /// The watcher has lost a session: the device closed it, or said nothing any more.
    pub fn lost(&mut self, id: &DeviceId, failure: Arc<Failure>, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let lived = now.saturating_duration_since(slot.opened);
        if lived >= YOUNG && failure.code != "device_silent" {
            // Devices do end sessions now and then; that alone is no outage.
            slot.last_error = Some(failure);
            slot.enter(State::Absent { parked: false }, now);
            return self.settle(id, now);
        }
        self.broken(id, Some(failure), None, now);
    }

    /// The watcher has closed a session.
    pub fn closed(&mut self, id: &DeviceId, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.enter(State::Absent { parked: false }, now);
        self.settle(id, now);
    }

    /// The watcher could not hold a conversation: what it was about decides what that means.
    pub fn gave_up(&mut self, id: &DeviceId, failure: Arc<Failure>, now: Instant) {
        match self.slots.get(id).map(Slot::state) {
            Some(State::Closing) => self.closed(id, now),
            Some(State::Connecting) => self.dialed(id, Err(failure), now),
            Some(State::Probing { .. }) => self.lost(id, failure, now),
            _ => {}
        }
    }

    /// Something came on an idle session.
    pub fn readable(&mut self, key: usize, now: Instant) {
        let Some(id) = self.keys.get(&key).cloned() else { return };
        let Some(slot) = self.slots.get_mut(&id) else { return };
        match slot.state() {
            State::Idle { .. } => self.overhear(&id, now),
            State::Busy { .. } | State::Probing { .. } => slot.noticed = true,
            _ => {}
        }
    }
}
