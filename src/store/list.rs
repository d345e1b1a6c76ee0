//! The last good copy of all devices: immutable, shared, in a stable order.

use std::collections::HashMap;
use std::sync::Arc;

use super::device::Device;
use crate::base::ids::DeviceId;

/// All devices at one moment, ordered by id: numbers by value, then texts by alphabet.
#[derive(Clone, Debug, Default)]
pub struct DeviceList {
    revision: u64,
    devices: Vec<Arc<Device>>,
    places: HashMap<DeviceId, usize>,
}

impl DeviceList {
    /// The most devices that one gateway keeps.
    pub const CEILING: usize = 10_000;

    pub(super) fn new(revision: u64, mut devices: Vec<Arc<Device>>) -> Self {
        devices.sort_by(|a, b| rank(&a.id).cmp(&rank(&b.id)));
        let places = devices.iter().enumerate().map(|(place, device)| (device.id.clone(), place)).collect();
        Self { revision, devices, places }
    }

    /// Grows with every change, within one run of the process.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The device with this id.
    #[must_use]
    pub fn get(&self, id: &DeviceId) -> Option<&Arc<Device>> {
        self.devices.get(*self.places.get(id)?)
    }

    /// All devices in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Device>> + DoubleEndedIterator {
        self.devices.iter()
    }

    /// How many come before and with this id in the order of the list, whether or not it is there.
    #[must_use]
    pub fn up_to(&self, id: &DeviceId) -> usize {
        self.devices.partition_point(|device| rank(&device.id) <= rank(id))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The next revision, with this device added or replaced.
    pub(super) fn with(&self, device: Arc<Device>) -> Self {
        self.with_all(vec![device])
    }

    /// The next revision, with these devices added or replaced.
    pub(super) fn with_all(&self, changed: Vec<Arc<Device>>) -> Self {
        let mut devices = self.devices.clone();
        for device in changed {
            match self.places.get(&device.id).and_then(|&place| devices.get_mut(place)) {
                Some(old) => *old = device,
                None => devices.push(device),
            }
        }
        Self::new(self.revision + 1, devices)
    }

    /// The next revision, without this device.
    pub(super) fn without(&self, id: &DeviceId) -> Self {
        let devices = self.devices.iter().filter(|device| device.id != *id).cloned().collect();
        Self::new(self.revision + 1, devices)
    }

    /// The next revision, holding exactly these; `None` when nothing differs. Equal devices stay shared.
    pub(super) fn replaced_by(&self, devices: Vec<Device>) -> Option<Self> {
        let fresh: Vec<Arc<Device>> = devices
            .into_iter()
            .map(|device| match self.get(&device.id) {
                Some(old) if **old == device => Arc::clone(old),
                _ => Arc::new(device),
            })
            .collect();
        let next = Self::new(self.revision + 1, fresh);
        let same = next.devices.len() == self.devices.len()
            && next.devices.iter().zip(&self.devices).all(|(new, old)| Arc::ptr_eq(new, old));
        (!same).then_some(next)
    }
}

/// Where an id stands: numbers by value, then texts by alphabet.
pub(super) fn rank(id: &DeviceId) -> (bool, u64, &str) {
    match id.as_str().parse::<u64>() {
        Ok(number) => (false, number, id.as_str()),
        Err(_) => (true, 0, id.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rules::tests::device;

    #[test]
    fn numbers_are_ordered_by_value_and_texts_follow() {
        let devices = ["b", "10", "9", "a"].map(|id| Arc::new(device(id, "10.0.0.1"))).to_vec();
        let list = DeviceList::new(1, devices);
        let ids: Vec<_> = list.iter().map(|d| d.id.to_string()).collect();
        assert_eq!(ids, ["9", "10", "a", "b"]);
        assert_eq!(list.get(&DeviceId::from(10)).map(|d| d.id.to_string()).as_deref(), Some("10"));
    }

    #[test]
    fn a_reload_that_brings_nothing_new_is_no_change_and_equal_devices_stay_shared() {
        let list =
            DeviceList::new(4, vec![Arc::new(device("1", "10.0.0.1")), Arc::new(device("2", "10.0.0.2"))]);
        assert!(list.replaced_by(vec![device("2", "10.0.0.2"), device("1", "10.0.0.1")]).is_none());
        let next = list.replaced_by(vec![device("1", "10.0.0.1"), device("2", "10.0.0.3")]).unwrap();
        assert_eq!(next.revision(), 5);
        let id = DeviceId::from(1);
        assert!(Arc::ptr_eq(list.get(&id).unwrap(), next.get(&id).unwrap()));
        assert!(list.replaced_by(vec![]).is_some_and(|gone| gone.is_empty()));
    }
}
