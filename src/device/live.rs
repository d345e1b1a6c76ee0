//! Asking a device to tell what happens as it happens. What it tells is set aside and taken with
//! [`Session::take_events`](super::Session::take_events).

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;

impl Session {
    /// Registers for the events in `mask`, a sum of the codes in [`event`](crate::wire::event), for as long as the
    /// session lasts. Harmless to repeat.
    ///
    /// # Errors
    /// [`DeviceError`]; some firmware has no events and refuses.
    pub fn register_events(&mut self, mask: u32, deadline: Deadline) -> Result<(), DeviceError> {
        let reply = self.ask(Request::new(Command::REG_EVENT, mask.to_le_bytes()), deadline)?;
        Self::accepted(Command::REG_EVENT, &reply)?;
        self.events = Some(mask);
        Ok(())
    }

    /// The events that this session registered for; `None` when it has not.
    #[must_use]
    pub const fn registered_events(&self) -> Option<u32> {
        self.events
    }

    /// Wants no more events. Those that are on their way still come.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn unregister_events(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.register_events(0, deadline)
    }

    /// Waits until the device tells something or the time has come, and says which. What it tells is acknowledged
    /// and taken with [`Session::take_events`](super::Session::take_events). For programs that hold a session
    /// themselves.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed.
    pub fn wait_for_events(&mut self, until: Deadline) -> Result<bool, DeviceError> {
        self.link.listen(until)
    }
}
