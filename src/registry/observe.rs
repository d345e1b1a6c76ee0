//! What the registry tells the log and the store of what it notices.

use std::collections::HashSet;

use super::inner::Inner;
use super::status::SlotStatus;
use crate::base::clock::wall_of;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::threads::contained;
use crate::store::device::{Facts, Observation, Status, TransportChoice};
use crate::wire::carrier::Carrier;

impl Inner {
    /// Tells the log and the store that a device came up or went down, and over what it was reached.
    pub(super) fn observe(&self, id: &DeviceId, up: bool) {
        let Some(status) = lock(&self.core).status(id) else { return };
        self.say(id, up, &status);
        let cause = status.last_error.as_ref().filter(|_| !up).map(|error| error.code);
        self.tell_changed(id, up, cause);
        let seen = status.heard.map(|heard| wall_of(heard, &*self.clock));
        let transport_used = status.transport.filter(|_| up).map(|carrier| match carrier {
            Carrier::Tcp => TransportChoice::Tcp,
            Carrier::Udp => TransportChoice::Udp,
        });
        // Who answered is known from the greeting; a record that says otherwise is left to people to settle.
        let known = status.known_serial_number.is_some();
        let serial_number = status.serial_number.clone().filter(|_| up && !known);
        let facts = Facts { transport_used, serial_number, ..Facts::default() };
        let status = Some(if up { Status::Up } else { Status::Down });
        self.record(id, Observation { facts, status, seen });
    }

    fn record(&self, id: &DeviceId, observation: Observation) {
        contained("an observation for the store", || (self.recorder)(id, observation));
    }

    /// The first failure of a series is a warning and its end is said once; what lies between is for the curious.
    fn say(&self, id: &DeviceId, up: bool, status: &SlotStatus) {
        let now = self.clock.now();
        if up {
            match self.outages.recovered(id, now) {
                Some(ended) => log::info!("device {id} is back after {:.1} s", ended.lasted.as_secs_f64()),
                None => log::debug!("device {id} is up"),
            }
            return;
        }
        match &status.last_error {
            Some(error) => {
                let level = self.outages.failed(id.clone(), now);
                log::log!(level, "device {id} is down: {}; {}", error.detail, error.advice);
            }
            None => log::debug!("device {id} is down"),
        }
    }

    /// Tells the store when the devices that are up last answered.
    pub(super) fn observe_all(&self) {
        let statuses: Vec<SlotStatus> = lock(&self.core).statuses().collect();
        let known: HashSet<&DeviceId> = statuses.iter().map(|status| &status.id).collect();
        self.outages.keep(|id| known.contains(id));
        for status in statuses.iter().filter(|status| status.state.is_up()) {
            let seen = status.heard.map(|heard| wall_of(heard, &*self.clock));
            let observation = Observation { seen, status: Some(Status::Up), ..Observation::default() };
            self.record(&status.id, observation);
        }
    }
}
