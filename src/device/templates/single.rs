//! One template: read, written, deleted.

use std::time::Instant;

use super::Fingerprint;
use crate::base::deadline::Deadline;
use crate::base::secret::Secret;
use crate::device::error::{DeviceError, Fault, Reached};
use crate::device::punches::cut_off;
use crate::device::session::Session;
use crate::dialog::bulk_read::BulkRead;
use crate::dialog::error::DialogError;
use crate::dialog::{Phase, Request};
use crate::wire::command::Command;
use crate::wire::record::people_block::PeopleBlock;
use crate::wire::record::template::Validity;
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;

/// The two ways in which a template is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadForm {
    /// The template alone.
    Single,
    /// In a block with its person. It has no place for what the finger is good for: valid, always.
    Block,
}

/// Zeros that one command may add to the end of a template, and clients cut off.
const PADDING: [u8; 6] = [0; 6];

impl Session {
    /// The template of a person's finger, or `None`. It may lack zeros at its end, where the device's answer does
    /// not tell them from padding; the table of all templates has them.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn template(
        &mut self,
        person: &UserRecord,
        finger: u8,
        deadline: Deadline,
    ) -> Result<Option<Secret<Vec<u8>>>, DeviceError> {
        if finger > 9 {
            return Err(DeviceError::no_such("finger"));
        }
        match self.read_template(Command::TEMPLATE_RRQ, person, finger, deadline) {
            Err(DeviceError { fault: Fault::Dialog(DialogError::TransferRefused { code }), .. })
                if code.is_unsupported() =>
            {
                // Old firmware has another command for it, which adds nothing.
                self.read_template(Command::USERTEMP_RRQ, person, finger, deadline)
            }
            Ok(Some(mut bytes)) => {
                // Behind the template stands one byte.
                bytes.pop();
                bytes.truncate(unpadded(&bytes).len());
                Ok(Some(bytes))
            }
            other => other,
        }
        .map(|bytes| bytes.map(Secret::new))
    }

    fn read_template(
        &mut self,
        command: Command,
        person: &UserRecord,
        finger: u8,
        deadline: Deadline,
    ) -> Result<Option<Vec<u8>>, DeviceError> {
        let [low, high] = person.user().uid.to_le_bytes();
        let session = self.link.line().session();
        let read = BulkRead::single(command, [low, high, finger], self.manners(), Instant::now());
        match self.link.converse_with(read.in_session(session), deadline) {
            Ok((bulk, _)) => Ok(Some(bulk.data).filter(|data| !data.is_empty())),
            Err((error, read)) => Err(cut_off(error, read.progress())),
        }
    }

    /// Writes one template, said once, reads it back, and makes it effective.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn write_template(
        &mut self,
        person: &UserRecord,
        print: &Fingerprint,
        form: UploadForm,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let asked = self.send_template(person, print, form, deadline)?;
        let stored = self.template(person, print.finger(), deadline)?;
        self.refresh(deadline);
        let fault = match stored {
            Some(stored) if *stored.expose() == unpadded(print.bytes().expose()) => return Ok(()),
            Some(_) => Fault::StoredDifferently { asked },
            None => Fault::NotStored { asked },
        };
        Err(DeviceError { fault, phase: Phase::Transfer, reached: Reached::Yes })
    }

    /// Sends one template; gives the command that stored it.
    pub(super) fn send_template(
        &mut self,
        person: &UserRecord,
        print: &Fingerprint,
        form: UploadForm,
        deadline: Deadline,
    ) -> Result<Command, DeviceError> {
        let uid = person.user().uid;
        let entry = print.entry(uid)?;
        match form {
            UploadForm::Single => {
                let bytes = print.bytes().expose();
                // A template's ceiling lies below sixteen bits.
                let size = bytes.len() as u16;
                let head =
                    [uid.to_le_bytes(), [print.finger(), print.validity().to_byte()], size.to_le_bytes()];
                let store = Request::new(Command::TMP_WRITE, head.concat());
                self.upload(bytes.clone(), store, true, deadline)?;
                self.ask_in(Phase::Release, Request::bare(Command::FREE_DATA), deadline)?;
                Ok(Command::TMP_WRITE)
            }
            UploadForm::Block => {
                if print.validity() != Validity::Valid {
                    return Err(DeviceError::no_such("fingerprint in a block: only valid ones"));
                }
                let mut block = PeopleBlock::default();
                block.push_user(person);
                block.push_template(&entry);
                self.save_block(&block, deadline)?;
                Ok(Command::SAVE_USERTEMPS)
            }
        }
    }

    /// Has a block of people stored.
    pub(super) fn save_block(&mut self, block: &PeopleBlock, deadline: Deadline) -> Result<(), DeviceError> {
        self.people_changed();
        let store = Request::new(Command::SAVE_USERTEMPS, PeopleBlock::REQUEST);
        self.upload(block.emit(), store, false, deadline)
    }

    /// Deletes a template, said once, verifies that it is gone, and makes it effective. One that is not there is
    /// deleted already.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn delete_template(
        &mut self,
        person: &UserRecord,
        finger: u8,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        if self.template(person, finger, deadline)?.is_none() {
            return Ok(());
        }
        let user = person.user();
        let request = match person.layout() {
            // On newer firmware this one deletes all fingers of a person, whichever is named.
            UserLayout::Compact => {
                let payload = [&user.uid.to_le_bytes()[..], &[finger]].concat();
                Request::new(Command::DELETE_USERTEMP, payload)
            }
            UserLayout::Full { .. } => {
                let payload = [&user.user_id.field()[..], &[finger]].concat();
                Request::new(Command::DELETE_FINGER, payload)
            }
        };
        let asked = request.command;
        self.effect(request, deadline)?;
        let left = self.template(person, finger, deadline)?;
        self.refresh(deadline);
        if left.is_some() {
            let fault = Fault::NotStored { asked };
            return Err(DeviceError { fault, phase: Phase::Reply, reached: Reached::Yes });
        }
        Ok(())
    }
}

/// A template as one command gives it back.
fn unpadded(template: &[u8]) -> &[u8] {
    template.strip_suffix(&PADDING).unwrap_or(template)
}
