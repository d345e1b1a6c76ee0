//! Short messages on the display, for everybody or for one person. Written from a description only: no capture
//! exists.

use super::error::{DeviceError, Fault};
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::message::ShortMessage;
use crate::wire::record::user_record::UserRecord;

impl Session {
    /// A message by its number, or `None`.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn message(&mut self, id: u16, deadline: Deadline) -> Result<Option<ShortMessage>, DeviceError> {
        match self.read(Command::SMS_RRQ, &id.to_le_bytes(), deadline, ShortMessage::parse) {
            Ok(message) => Ok(Some(message)),
            Err(DeviceError { fault: Fault::Rejected { code, .. }, .. }) if !code.is_unsupported() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a message, or replaces the one of that number.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn write_message(&mut self, message: &ShortMessage, deadline: Deadline) -> Result<(), DeviceError> {
        self.write(Command::SMS_WRQ, message.emit(), &Some(*message), deadline, |session| {
            session.message(message.id, deadline)
        })
    }

    /// Deletes a message, said once; one that is not there is deleted. A device answers alike that it has no such
    /// message and that it does not want to say, so the deletion is said in any case: two refusals count as "not
    /// there", one does not.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn delete_message(&mut self, id: u16, deadline: Deadline) -> Result<(), DeviceError> {
        let before = self.message(id, deadline)?;
        match self.effect(Request::new(Command::DELETE_SMS, id.to_le_bytes()), deadline) {
            Err(DeviceError { fault: Fault::Rejected { code, .. }, .. })
                if before.is_none() && !code.is_unsupported() => {}
            deleted => deleted?,
        }
        let left = self.message(id, deadline).map_err(DeviceError::after_effects)?;
        self.refresh(deadline);
        DeviceError::unless_kept(Command::DELETE_SMS, &before, &None, &left)
    }

    /// Gives a message to a person. Nothing reads back who has which, so the device's word counts.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn give_message(
        &mut self,
        person: &UserRecord,
        id: u16,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        self.hand(Command::UDATA_WRQ, person, id, deadline)
    }

    /// Takes a message from a person. Nothing reads back who has which, so the device's word counts.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn take_message(
        &mut self,
        person: &UserRecord,
        id: u16,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        self.hand(Command::DELETE_UDATA, person, id, deadline)
    }

    fn hand(
        &mut self,
        command: Command,
        person: &UserRecord,
        id: u16,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let payload = [person.user().uid.to_le_bytes(), id.to_le_bytes()].concat();
        self.effect(Request::new(command, payload), deadline)?;
        self.refresh(deadline);
        Ok(())
    }
}
