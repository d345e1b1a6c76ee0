//! What has to be known of a device besides its record, which may be in somebody else's table.

use rusqlite::params;

use super::Book;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// The settings of one device; without any of them it is like every other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceSettings {
    /// In which encoding its names are; UTF-8 if nothing is said.
    pub name_encoding: Option<String>,
    /// Whether its firmware counts the time of a door in tenths of a second instead of seconds.
    pub unlock_in_tenths: bool,
    /// Whether fingerprint templates may be read from it and written to it.
    pub biometrics: bool,
    /// Whether raw commands may be sent to it.
    pub raw_commands: bool,
}

impl Book {
    /// The settings of all devices that have any.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn device_settings(&mut self) -> Result<Vec<(String, DeviceSettings)>, StoreError> {
        let sql =
            "select device_id, name_encoding, unlock_unit, biometrics, raw_commands from device_setting";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| {
            let unit: Option<String> = row.get(2)?;
            let settings = DeviceSettings {
                name_encoding: row.get(1)?,
                unlock_in_tenths: unit.as_deref() == Some(TENTHS),
                biometrics: row.get(3)?,
                raw_commands: row.get(4)?,
            };
            Ok((row.get(0)?, settings))
        });
        rows.and_then(Iterator::collect).map_err(failed)
    }

    /// Sets those of one device.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn set_device_settings(
        &mut self,
        device_id: &str,
        settings: &DeviceSettings,
    ) -> Result<(), StoreError> {
        let DeviceSettings { name_encoding, unlock_in_tenths, biometrics, raw_commands } = settings;
        let sql = "insert or replace into device_setting
                   (device_id, name_encoding, unlock_unit, biometrics, raw_commands) values (?, ?, ?, ?, ?)";
        let unit = unlock_in_tenths.then_some(TENTHS);
        let values = params![device_id, name_encoding, unit, biometrics, raw_commands];
        self.connection.execute(sql, values).map_err(failed)?;
        Ok(())
    }

    /// Forgets those of a device that is gone.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn forget_device_settings(&mut self, device_id: &str) -> Result<(), StoreError> {
        self.connection
            .execute("delete from device_setting where device_id = ?", [device_id])
            .map_err(failed)?;
        Ok(())
    }
}

const TENTHS: &str = "tenths";
