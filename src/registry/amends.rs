//! What devices are still to be told, from one session to the next: each device's first call makes amends, and where
//! nobody calls, a call of its own does.

use std::time::{Duration, Instant};

use super::between::Between;
use super::error::Refusal;
use super::inner::{Inner, Order};
use super::job::{Call, Terms, Ticket};
use super::shell::Registry;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::device::amends::{Amends, Owed};
use crate::device::{DeviceError, Session};

/// How long the call of its own may wait and take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What such a call does by itself.
fn nothing(_: &mut Session, _: Deadline, _: &mut Between<'_>) -> Result<(), DeviceError> {
    Ok(())
}

impl Registry {
    /// Notes that a device is to be told something before anything else.
    pub fn owe(&self, id: &DeviceId, owed: Owed) {
        self.inner().amends(id).owe(owed);
    }
}

impl Inner {
    /// What a device is still to be told.
    pub(super) fn amends(&self, id: &DeviceId) -> Amends {
        lock(&self.amends).entry(id.clone()).or_insert_with(Amends::of_a_stranger).clone()
    }

    /// Has it told, even if nobody calls.
    pub(super) fn make_amends(&self, id: &DeviceId, now: Instant) {
        let Terms { priority, deadline, repeat, brief } = Terms::background(Deadline::after(now, PATIENCE));
        // Whatever is done on a session begins with that.
        let nothing = Call::new(nothing, |_: Result<(), Refusal>| {});
        let job = Order::Work(Box::new(nothing));
        let ticket = Ticket { priority, deadline, repeat, brief, since: now, attempts: 0, job };
        self.with(|core| core.submit(id, ticket, now));
    }

    /// Forgets the devices that are gone, or are not there yet, unless something must be told to them.
    pub(super) fn forget_amends(&self) {
        let ids: Vec<DeviceId> = lock(&self.amends).keys().cloned().collect();
        let gone: Vec<DeviceId> =
            ids.into_iter().filter(|id| lock(&self.core).status(id).is_none()).collect();
        let mut amends = lock(&self.amends);
        for id in gone {
            if amends.get(&id).is_some_and(|amends| !amends.is_urgent()) {
                amends.remove(&id);
            }
        }
    }
}
