//! Who a device is and how full it is. What a model lacks is absent, not an error.

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::dialog::hello::SERIAL_NUMBER;
use crate::wire::command::Command;
use crate::wire::option;
use crate::wire::sizes::FreeSizes;
use crate::wire::text::until_nul;

/// What a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Option `~SerialNumber`.
    pub serial_number: Option<String>,
    /// Option `~DeviceName`.
    pub device_name: Option<String>,
    /// The answer to `CMD_GET_VERSION`.
    pub firmware_version: Option<String>,
    /// Option `~Platform`.
    pub platform: Option<String>,
    /// Option `MAC`.
    pub mac_address: Option<String>,
    /// Option `~OEMVendor`.
    pub vendor: Option<String>,
    /// Option `~ZKFPVersion`.
    pub fingerprint_version: Option<String>,
    /// Option `ZKFaceVersion`.
    pub face_version: Option<String>,
    /// Counts and capacities.
    pub sizes: FreeSizes,
}

impl Session {
    /// Everything a device says of itself: nine small commands.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails; a refused command only leaves its field empty.
    pub fn info(&mut self, deadline: Deadline) -> Result<Info, DeviceError> {
        Ok(Info {
            serial_number: self.option(SERIAL_NUMBER, deadline)?,
            device_name: self.option("~DeviceName", deadline)?,
            firmware_version: self.firmware_version(deadline)?,
            platform: self.option("~Platform", deadline)?,
            mac_address: self.option("MAC", deadline)?,
            vendor: self.option("~OEMVendor", deadline)?,
            fingerprint_version: self.option("~ZKFPVersion", deadline)?,
            face_version: self.option("ZKFaceVersion", deadline)?,
            sizes: self.free_sizes(deadline)?,
        })
    }

    /// The value of a named option, or `None` where the model has none: firmware says that in five ways.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn option(&mut self, name: &str, deadline: Deadline) -> Result<Option<String>, DeviceError> {
        let reply = self.ask(Request::new(Command::OPTIONS_RRQ, option::read_request(name)), deadline)?;
        Ok(reply.is_ok().then(|| option::value(&reply.payload)).flatten())
    }

    /// The firmware version, e.g. `Ver 6.60 (build39)`.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn firmware_version(&mut self, deadline: Deadline) -> Result<Option<String>, DeviceError> {
        let reply = self.ask(Request::bare(Command::GET_VERSION), deadline)?;
        let text = until_nul(&reply.payload).trim().to_owned();
        Ok((reply.is_ok() && !text.is_empty()).then_some(text))
    }

    /// Counts and capacities, as far as the device tells them.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn free_sizes(&mut self, deadline: Deadline) -> Result<FreeSizes, DeviceError> {
        let reply = self.ask(Request::bare(Command::GET_FREE_SIZES), deadline)?;
        Ok(if reply.is_ok() { FreeSizes::parse(&reply.payload) } else { FreeSizes::default() })
    }
}
