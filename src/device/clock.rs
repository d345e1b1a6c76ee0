//! The device's clock: civil time without a zone.

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::bytes::Reader;
use crate::wire::clock_word::{ClockWord, PossibleTime};
use crate::wire::command::Command;

impl Session {
    /// What the device's clock shows; not necessarily a time that exists.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn time(&mut self, deadline: Deadline) -> Result<ClockWord, DeviceError> {
        let reply = self.ask(Request::bare(Command::GET_TIME), deadline)?;
        Self::accepted(Command::GET_TIME, &reply)?;
        let word = Reader::new(&reply.payload).u32().map_err(|_| Self::malformed(Command::GET_TIME))?;
        Ok(ClockWord(word))
    }

    /// Sets the device's clock and makes it effective. Setting it to a stated time is harmless to repeat only for
    /// that second, so it counts as an effect.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_time(&mut self, time: PossibleTime, deadline: Deadline) -> Result<(), DeviceError> {
        let word = ClockWord::pack(time).0.to_le_bytes();
        self.effect(Request::new(Command::SET_TIME, word), deadline)?;
        self.refresh(deadline);
        Ok(())
    }
}
