//! The settings of every device that has any, at hand.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::store::ledger::DeviceSettings;
use crate::wire::encoding::NameEncoding;

/// All of them.
#[derive(Debug, Default)]
pub struct AllDeviceSettings(Mutex<HashMap<String, DeviceSettings>>);

impl AllDeviceSettings {
    /// These.
    #[must_use]
    pub fn new(all: Vec<(String, DeviceSettings)>) -> Self {
        Self(Mutex::new(all.into_iter().collect()))
    }

    /// Those of this device.
    #[must_use]
    pub fn of(&self, id: &DeviceId) -> DeviceSettings {
        lock(&self.0).get(id.as_str()).cloned().unwrap_or_default()
    }

    /// In which encoding this device's names are.
    #[must_use]
    pub fn encoding(&self, id: &DeviceId) -> NameEncoding {
        let name = self.of(id).name_encoding;
        name.as_deref().and_then(|name| NameEncoding::parse(name).ok()).unwrap_or(NameEncoding::UTF_8)
    }

    /// Sets those of this device.
    pub fn set(&self, id: &DeviceId, settings: DeviceSettings) {
        lock(&self.0).insert(id.as_str().to_owned(), settings);
    }

    /// Forgets those of this device.
    pub fn forget(&self, id: &DeviceId) {
        lock(&self.0).remove(id.as_str());
    }
}
