//! What a database must be able to do. Called by the store's thread only; may block, must not hide an error.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::desk::Permit;
use super::device::{Device, DevicePatch, NewDevice, Observation};
use super::error::StoreError;
use crate::base::ids::DeviceId;

/// A place where devices are kept.
pub(super) trait Backend: Send {
    /// Whether something may have changed since the last [`Backend::load`]; cheap.
    fn changed(&mut self) -> Result<bool, StoreError>;

    /// How often [`Backend::changed`] is worth asking.
    fn poll_interval(&self) -> Duration;

    /// All devices, in any order, each id once.
    fn load(&mut self) -> Result<Vec<Device>, StoreError>;

    /// Keeps a new device. Nothing is committed without the permit.
    fn create(&mut self, new: &NewDevice, now: SystemTime, permit: &Permit<'_>)
    -> Result<Device, StoreError>;

    /// Changes a device. Nothing is committed without the permit.
    fn update(
        &mut self,
        id: &DeviceId,
        patch: &DevicePatch,
        now: SystemTime,
        permit: &Permit<'_>,
    ) -> Result<Device, StoreError>;

    /// Deletes a device and tells what it was. Nothing is committed without the permit.
    fn delete(&mut self, id: &DeviceId, permit: &Permit<'_>) -> Result<Device, StoreError>;

    /// Remembers what was observed; devices that are gone are no error.
    fn save(&mut self, batch: &BTreeMap<DeviceId, Observation>) -> Saved;

    /// After a failed write: whether writing works again.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// Whether a loaded device carries everything that was ever saved of it.
    fn remembers(&self) -> bool {
        true
    }
}

/// What came of saving a batch.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// The devices whose observations need not be saved again.
    pub(super) done: Vec<DeviceId>,
    /// Why the others were not saved.
    pub(super) error: Option<StoreError>,
}

impl Saved {
    /// All or nothing.
    pub(super) fn whole(batch: &BTreeMap<DeviceId, Observation>, result: Result<(), StoreError>) -> Self {
        match result {
            Ok(()) => Self { done: batch.keys().cloned().collect(), error: None },
            Err(error) => Self { done: Vec::new(), error: Some(error) },
        }
    }
}
