//! What stands outside on a backup: whose it is, and what is in it.

use serde::{Deserialize, Serialize};

/// Whose backup it is, and what is in it. Anybody who has the file can read this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// When it was made, in milliseconds since 1970.
    pub made_at: i64,
    /// The device's id here.
    pub device_id: String,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its model.
    pub device_name: Option<String>,
    /// Its firmware.
    pub firmware_version: Option<String>,
    /// The version of its fingerprint templates.
    pub fingerprint_version: Option<String>,
    /// In which encoding the names in it are.
    pub name_encoding: String,
    /// People in it.
    pub users: usize,
    /// Fingerprint templates in it; `None` if they were left out.
    pub templates: Option<usize>,
    /// Settings of the device in it; `None` if they were left out.
    pub settings: Option<Settings>,
}

/// How many settings of each kind are in it, and which are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Options.
    pub options: usize,
    /// Time zones.
    pub time_zones: usize,
    /// Access groups.
    pub groups: usize,
    /// Unlock combinations.
    pub combinations: usize,
    /// What the device has, and what could not be read of it.
    pub not_read: Vec<NotRead>,
    /// What the device refused twice, as one does that does not have it.
    pub not_told: Vec<String>,
}

/// A setting that is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// Its name.
    pub name: String,
    /// Why, as a code of the API.
    pub code: String,
}
