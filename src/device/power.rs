//! Restarting and switching off, the voice, and keeping people away from the keypad for a while.

use super::error::{DeviceError, Fault};
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::dialog::error::DialogError;
use crate::transport::TransportError;
use crate::wire::command::Command;

impl Session {
    /// Restarts the device. Some firmware answers first and some does not; both count as done. The session is
    /// over in any case, and doubtful from then on.
    ///
    /// # Errors
    /// [`DeviceError`] when the command did not leave, or the device refused it.
    pub fn restart(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.last_command(Command::RESTART, deadline)
    }

    /// Switches the device off; the session is over in any case, and doubtful from then on.
    ///
    /// # Errors
    /// [`DeviceError`] when the command did not leave, or the device refused it.
    pub fn power_off(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.last_command(Command::POWEROFF, deadline)
    }

    fn last_command(&mut self, command: Command, deadline: Deadline) -> Result<(), DeviceError> {
        self.doubtful = true;
        match self.effect(Request::bare(command), deadline) {
            Err(error) if error.reached != super::Reached::No && went_silent(&error.fault) => Ok(()),
            other => other,
        }
    }

    /// Plays a voice prompt; 0 says "thank you", 10 beeps.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn test_voice(&mut self, index: u32, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::new(Command::TESTVOICE, index.to_le_bytes()), deadline)
    }

    /// Lets people use the device again.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn enable(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        let reply = self.ask(Request::bare(Command::ENABLEDEVICE), deadline)?;
        Self::accepted(Command::ENABLEDEVICE, &reply)
    }

    /// Runs something while the device takes no input, and lets people use it again on every way out. Newer
    /// firmware acknowledges the disabling and ignores it.
    ///
    /// # Errors
    /// [`DeviceError`] of the work, or else of either switch.
    pub fn while_disabled<T>(
        &mut self,
        deadline: Deadline,
        work: impl FnOnce(&mut Self) -> Result<T, DeviceError>,
    ) -> Result<T, DeviceError> {
        let reply = self.ask(Request::bare(Command::DISABLEDEVICE), deadline)?;
        Self::accepted(Command::DISABLEDEVICE, &reply)?;
        let done = work(self);
        let session_lost = done.as_ref().is_err_and(|error| !error.keeps_session());
        if session_lost {
            return done;
        }
        // A deadline that has passed must not leave the device disabled: a moment is always left for this.
        let enabled = self.enable(deadline.max(self.shortly()));
        done.and_then(|value| enabled.map(|()| value))
    }

    fn shortly(&self) -> Deadline {
        Deadline::after(std::time::Instant::now(), self.settings.reply)
    }
}

const fn went_silent(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Dialog(DialogError::Silent { .. })
            | Fault::Transport(TransportError::Closed | TransportError::Reset(_))
    )
}
