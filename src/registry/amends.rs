//! What devices are still to be told, from one session to the next: each device's first call makes amends, and where
//! nobody calls, a call of its own does: as soon as the session is lost, and with the next one.

use std::time::{Duration, Instant};

use super::between::Between;
use super::error::Refusal;
use super::inner::{Inner, Order};
use super::job::{Call, Terms};
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
        // Whatever is done on a session begins with that.
        let job = Call::new(nothing, |_: Result<(), Refusal>| {});
        self.order(id, Terms::background(Deadline::after(now, PATIENCE)), Order::Work(Box::new(job)));
    }

    /// Forgets the devices that are gone, or are not there yet, unless something must be told to them.
    pub(super) fn forget_amends(&self) {
        self.forget(&self.amends, |amends| !amends.is_urgent());
    }
}
