//! What the registry's threads share: the machine behind its mutex, and what is done when it wants something done.
//!
//! The mutex is held for a few statements at a time. Sockets, callbacks and the store are never touched under it:
//! what is to be done comes out of the machine as effects, which `Inner::perform` carries out afterwards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use super::core::{Core, Effect};
use super::error::Refusal;
use super::held::Held;
use super::inbox::Inbox;
use super::job::{Terms, Ticket, Work};
use super::listener::Listener;
use super::settings::RegistrySettings;
use crate::base::clock::Clock;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::series::Series;
use crate::base::threads::contained;
use crate::device::amends::Amends;
use crate::store::device::Observation;
use crate::transport::tap::Tap;
use crate::transport::trace::Tracer;

/// Who is told what the registry notices about devices: the store, as a rule.
pub type Recorder = Box<dyn Fn(&DeviceId, Observation) + Send + Sync>;
/// Who is told that a device was disconnected as asked for.
pub(super) type Notice = Box<dyn FnOnce() + Send>;
/// Who waits for that, each with a number by which the request can be withdrawn.
pub(super) type Notices = HashMap<DeviceId, Vec<(u64, Notice)>>;

/// What the registry's threads share.
pub(super) struct Inner {
    pub(super) settings: RegistrySettings,
    pub(super) clock: Arc<dyn Clock>,
    /// guards: all slots and who is next
    pub(super) core: Mutex<Core<Held, Order>>,
    /// A worker has something to do, or the registry stops.
    pub(super) work: Condvar,
    /// A session was closed.
    pub(super) closed: Condvar,
    pub(super) inbox: Inbox,
    /// guards: who waits for a device to be disconnected
    pub(super) notices: Mutex<Notices>,
    pub(super) next_notice: AtomicU64,
    pub(super) recorder: Recorder,
    pub(super) tracer: OnceLock<Arc<Tracer>>,
    /// guards: where the sessions of each device can be heard
    pub(super) taps: Mutex<HashMap<DeviceId, Tap>>,
    /// guards: what each device is still to be told, whatever its sessions come to
    pub(super) amends: Mutex<HashMap<DeviceId, Amends>>,
    /// guards: who is told what happens unasked
    pub(super) listeners: Mutex<Vec<Arc<dyn Listener>>>,
    /// The devices that are down.
    pub(super) outages: Series<DeviceId>,
    pub(super) ended: AtomicBool,
}

/// What waits in a queue.
pub(super) enum Order {
    /// A job for a worker.
    Work(Box<dyn Work>),
    /// Somebody who wants the session itself.
    Lease(Box<dyn FnOnce(Result<Held, Refusal>) + Send>),
}

impl Inner {
    /// Does something to the machine, and then whatever it wants done.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Core<Held, Order>) -> T) -> T {
        let mut core = lock(&self.core);
        let before = core.due();
        let result = change(&mut core);
        let effects = core.effects();
        let due = core.due();
        drop(core);
        self.inbox.hasten(before, due, &*self.clock);
        self.perform(effects);
        result
    }

    /// Puts a job into a device's queue.
    pub(super) fn order(&self, id: &DeviceId, terms: Terms, job: Order) {
        let now = self.clock.now();
        let Terms { priority, deadline, repeat, brief } = terms;
        let ticket = Ticket { priority, deadline, repeat, brief, since: now, attempts: 0, job };
        self.with(|core| core.submit(id, ticket, now));
    }

    /// Forgets what is kept of devices that are gone, as far as it may go.
    pub(super) fn forget<T>(&self, kept: &Mutex<HashMap<DeviceId, T>>, may_go: impl Fn(&T) -> bool) {
        let known = |id: &DeviceId| lock(&self.core).status(id).is_some();
        let ids: Vec<DeviceId> = lock(kept).keys().cloned().collect();
        let gone: Vec<DeviceId> = ids.into_iter().filter(|id| !known(id)).collect();
        let mut kept = lock(kept);
        for id in gone {
            if kept.get(&id).is_some_and(&may_go) {
                kept.remove(&id);
            }
        }
    }

    /// Carries out what the machine wants done. Never under its mutex. What belongs to others may panic: that
    /// must not keep the rest from being done.
    pub(super) fn perform(&self, effects: Vec<Effect<Held, Order>>) {
        for effect in effects {
            match effect {
                Effect::Dial { device, key, prefer } => self.inbox.dial(&device, key, prefer),
                Effect::KeepAlive { id, session } => self.inbox.keep_alive(id, session),
                Effect::Overhear { id, session } => self.inbox.overhear(id, session),
                Effect::Farewell { id, session } => self.inbox.farewell(id, session),
                Effect::Answer { ticket, refusal } => {
                    contained("a caller's answer", || ticket.job.refuse(refusal));
                }
                Effect::NotDialled { id, refusal } => self.inbox.refuse_testers(&id, &refusal),
                Effect::Wake => self.work.notify_one(),
                Effect::Closed { id } => {
                    self.closed.notify_all();
                    let waiting = lock(&self.notices).remove(&id).unwrap_or_default();
                    for (_, notice) in waiting {
                        contained("a notice of a disconnect", notice);
                    }
                }
                Effect::Changed { id, up } => self.observe(&id, up),
            }
        }
    }
}

impl Order {
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Work(work) => work.finish(Some(refusal)),
            Self::Lease(waiting) => waiting(Err(refusal)),
        }
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work(_) => "Work",
            Self::Lease(_) => "Lease",
        })
    }
}
