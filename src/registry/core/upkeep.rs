//! What the machine does of itself: dialling, resting, backing off, closing, and its timers.

use std::sync::Arc;
use std::time::Instant;

use super::super::error::{Failure, Refusal};
use super::super::job::Ticket;
use super::super::outage::Outage;
use super::super::slot::{Slot, State, Then};
use super::{Core, Effect};
use crate::base::ids::DeviceId;
use crate::store::device::{Device, SessionMode};

impl<S, J> Core<S, J> {
    pub(super) fn add(&mut self, device: &Arc<Device>, now: Instant) {
        let key = self.next_key;
        self.next_key += 1;
        let mut slot = Slot::new(Arc::clone(device), key, self.settings.queue_limit, now);
        if let Some(reason) = Slot::<S, J>::disabled_by(device) {
            slot.enter(State::Disabled { reason }, now);
        }
        self.keys.insert(key, device.id.clone());
        self.slots.insert(device.id.clone(), slot);
        self.settle(&device.id, now);
    }

    pub(super) fn reconfigure(&mut self, device: &Arc<Device>, now: Instant) {
        let Some(slot) = self.slots.get_mut(&device.id) else { return };
        let before = std::mem::replace(&mut slot.device, Arc::clone(device));
        if slot.then == Some(Then::Remove) {
            // It went away and came back while its session was being closed.
            slot.then = Some(Then::Redial);
        }
        let disabled = Slot::<S, J>::disabled_by(device);
        match (disabled, slot.state()) {
            (Some(reason), State::Disabled { .. }) => {
                slot.enter(State::Disabled { reason }, now);
            }
            (Some(reason), _) => self.end(&device.id, Then::Disable { reason }, now),
            (None, State::Disabled { .. }) => {
                slot.enter(State::Absent { parked: false }, now);
                self.settle(&device.id, now);
            }
            (None, _) if matches!(slot.then, Some(Then::Disable { .. })) => slot.then = Some(Then::Redial),
            (None, _) if before.endpoint != device.endpoint => {
                // What was learned about the old address says nothing about the new one.
                (slot.outage, slot.last_error, slot.carrier, slot.suspect) = (None, None, None, false);
                if !matches!(slot.state(), State::Lent { .. })
                    && !matches!(slot.then, Some(Then::Lend { .. }))
                {
                    self.end(&device.id, Then::Redial, now);
                }
            }
            (None, _) => {
                if before.mode != device.mode && matches!(slot.state(), State::Absent { .. }) {
                    self.settle(&device.id, now);
                }
            }
        }
        self.arm(&device.id);
    }

    /// Closes whatever session there is, and then goes on as told.
    pub(super) fn end(&mut self, id: &DeviceId, then: Then, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if then == Then::Park {
            // Whoever waits now goes away empty-handed; whoever comes from now on wants a new session.
            for ticket in slot.queue.drain() {
                self.effects.push(Effect::Answer { ticket, refusal: Refusal::Disconnected });
            }
        }
        slot.then = Some(then);
        self.refuse_waiting(id, now);
        match self.slots.get(id).map(Slot::state) {
            Some(State::Idle { .. }) => self.close(id, now),
            // Whoever has the session, or is making it, hands it in.
            Some(State::Busy { .. } | State::Probing { .. } | State::Closing | State::Connecting) => {}
            _ => self.settle(id, now),
        }
        self.arm(id);
    }

    /// There is no session now: what next?
    pub(super) fn settle(&mut self, id: &DeviceId, now: Instant) {
        let stopping = self.stopping;
        if self.slots.get(id).is_some_and(|slot| slot.then.is_some()) {
            self.refuse_waiting(id, now);
        }
        let Some(slot) = self.slots.get_mut(id) else { return };
        let asked = slot.then.take();
        if asked.is_some() {
            self.effects.push(Effect::Closed { id: id.clone() });
        }
        let asked_for = asked.is_some();
        match asked {
            Some(Then::Remove) => {
                self.effects.push(Effect::NotDialled { id: id.clone(), refusal: Refusal::Unknown });
                let slot = self.slots.remove(id);
                slot.map(|slot| self.keys.remove(&slot.key));
                return self.disarm(id);
            }
            Some(Then::Disable { reason }) => {
                slot.enter(State::Disabled { reason }, now);
            }
            Some(Then::Lend { by, until }) => {
                slot.enter(State::Lent { by, until }, now);
            }
            Some(Then::Park) => {
                let wanted = !slot.queue.is_empty() && !stopping;
                slot.enter(State::Absent { parked: true }, now);
                if wanted {
                    self.dial(id, now);
                }
            }
            Some(Then::Redial) if !stopping => {
                slot.forced = true;
                self.dial(id, now);
            }
            _ => {
                let absent = matches!(slot.state(), State::Absent { .. });
                if absent && !stopping && (slot.is_persistent() || !slot.queue.is_empty()) {
                    self.dial(id, now);
                }
            }
        }
        let idle = self.slots.get(id).filter(|slot| !matches!(slot.state(), State::Connecting));
        if let (true, Some(slot)) = (asked_for, idle) {
            let refusal = slot.barred(now).unwrap_or(Refusal::Disconnected);
            self.effects.push(Effect::NotDialled { id: id.clone(), refusal });
        }
        self.arm(id);
    }

    pub(super) fn dial(&mut self, id: &DeviceId, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.enter(State::Connecting, now);
        let (device, key, prefer) = (Arc::clone(&slot.device), slot.key, slot.carrier);
        self.effects.push(Effect::Dial { device, key, prefer });
        self.arm(id);
    }

    /// A session is free: on with the next job, or let it rest.
    pub(super) fn rest(&mut self, id: &DeviceId, session: S, used: Instant, heard: Instant, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.heard = Some(heard);
        slot.enter(State::Idle { session, used, heard }, now);
        if std::mem::take(&mut slot.retire) || slot.then.is_some() {
            self.close(id, now);
        } else if std::mem::take(&mut slot.noticed) {
            self.overhear(id, now);
        } else if !slot.queue.is_empty() {
            self.list(id);
        }
        self.arm(id);
    }

    /// A session broke. A first failure is most often a session that had gone stale, so a new one is made at once;
    /// after that there is a pause.
    pub(super) fn broken(
        &mut self,
        id: &DeviceId,
        failure: Option<Arc<Failure>>,
        again: Option<Ticket<J>>,
        now: Instant,
    ) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let outage = Outage::after_failure(slot.outage, true, now);
        slot.outage = Some(outage);
        slot.last_error = failure.clone().or(slot.last_error.take());
        if slot.then.is_none() && outage.failures <= 1 && !self.stopping {
            slot.enter(State::Absent { parked: false }, now);
            if let Some(ticket) = again {
                slot.queue.push_front(ticket);
            }
            return self.settle(id, now);
        }
        if let Some(ticket) = again {
            let refusal = failure.map_or(Refusal::Disconnected, Refusal::Failed);
            self.answer(ticket, refusal);
        }
        self.back_off(id, now);
    }

    /// The device is out: whoever waits is told, and it is left alone for a while.
    pub(super) fn back_off(&mut self, id: &DeviceId, now: Instant) {
        let jitter = self.random.f64();
        let Some(slot) = self.slots.get_mut(id) else { return };
        let delay =
            slot.outage.map_or(self.settings.back_off_first, |o| o.delay(&self.settings, jitter, now));
        let hopeless = slot.last_error.as_ref().is_some_and(|failure| failure.needs_a_person);
        let state = if hopeless {
            State::Refused { retry_at: now + self.settings.refused_retry }
        } else {
            State::BackOff { retry_at: now + delay }
        };
        slot.enter(state, now);
        self.tell(id, false);
        self.refuse_waiting(id, now);
        if self.slots.get(id).is_some_and(|slot| slot.then.is_some()) {
            self.settle(id, now);
        }
        self.arm(id);
    }

    pub(super) fn overhear(&mut self, id: &DeviceId, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.noticed = false;
        if let Some(session) = slot.take_session(|used, heard| State::Probing { used, heard }, now) {
            self.effects.push(Effect::Overhear { id: id.clone(), session });
        }
        self.arm(id);
    }

    /// Says goodbye to an idle session; jobs that come meanwhile wait for what follows.
    fn close(&mut self, id: &DeviceId, now: Instant) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Some(session) = slot.take_session(|_, _| State::Closing, now) {
            self.effects.push(Effect::Farewell { id: id.clone(), session });
        }
    }

    /// A slot's time has come.
    pub(super) fn lapse(&mut self, id: &DeviceId, now: Instant) {
        let settings = self.settings;
        let Some(slot) = self.slots.get_mut(id) else { return };
        for ticket in slot.queue.expired(now) {
            let waited = now.saturating_duration_since(ticket.since);
            self.effects.push(Effect::Answer { ticket, refusal: Refusal::DeadlineExceeded { waited } });
        }
        match slot.state() {
            State::BackOff { retry_at } | State::Refused { retry_at } if *retry_at <= now => {
                slot.enter(State::Absent { parked: false }, now);
                self.settle(id, now);
            }
            State::Lent { until, .. } if *until <= now => {
                slot.enter(State::Absent { parked: false }, now);
                self.settle(id, now);
            }
            // A session that is closed without being told what follows is made again if it is wanted.
            State::Idle { .. } if slot.renew_at <= now => self.close(id, now),
            State::Idle { used, .. }
                if slot.device.mode == SessionMode::OnDemand && *used + settings.on_demand_idle <= now =>
            {
                self.close(id, now);
            }
            State::Idle { heard, .. } if *heard + settings.keep_alive <= now => {
                if let Some(session) = slot.take_session(|used, heard| State::Probing { used, heard }, now) {
                    self.effects.push(Effect::KeepAlive { id: id.clone(), session });
                }
            }
            _ => {}
        }
    }

    // --- small things ----------------------------------------------------------------------------------------

    /// Says that a device came up or went down, if that is news.
    pub(super) fn tell(&mut self, id: &DeviceId, up: bool) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.told_up != Some(up) {
            slot.told_up = Some(up);
            self.effects.push(Effect::Changed { id: id.clone(), up });
        }
    }

    pub(super) fn answer(&mut self, ticket: Ticket<J>, refusal: Refusal) {
        self.effects.push(Effect::Answer { ticket, refusal });
    }

    /// Answers everybody who waits for a device that will not serve them, if that is so. Whoever waits while a
    /// session is closed to be made again, or was let in after a disconnect, goes on waiting.
    fn refuse_waiting(&mut self, id: &DeviceId, now: Instant) {
        let stopping = self.stopping;
        let Some(slot) = self.slots.get_mut(id) else { return };
        let refusal = match slot.then {
            _ if stopping => Some(Refusal::Stopping),
            Some(Then::Park | Then::Redial) => None,
            _ => slot.refusal(now),
        };
        let Some(refusal) = refusal else { return };
        for ticket in slot.queue.drain() {
            self.effects.push(Effect::Answer { ticket, refusal: refusal.clone() });
        }
    }

    pub(super) fn arm(&mut self, id: &DeviceId) {
        let due = self.slots.get(id).and_then(|slot| slot.due(&self.settings));
        if self.armed.get(id).copied() == due {
            return;
        }
        self.disarm(id);
        if let Some(due) = due {
            self.timers.insert((due, id.clone()));
            self.armed.insert(id.clone(), due);
        }
    }

    pub(super) fn disarm(&mut self, id: &DeviceId) {
        if let Some(due) = self.armed.remove(id) {
            self.timers.remove(&(due, id.clone()));
        }
    }
}
