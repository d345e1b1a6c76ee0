//! One template: read, written, deleted.

use std::time::Instant;

use super::Fingerprint;
use crate::base::deadline::Deadline;
use crate::base::secret::Secret;
use crate::device::error::{DeviceError, Fault, Reached};
use crate::device::punches::cut_off;
use crate::device::session::Session;
use crate::device::users::Pause;
use crate::dialog::bulk_read::BulkRead;
use crate::dialog::error::DialogError;
use crate::dialog::{Phase, Request};
use crate::wire::command::Command;
use crate::wire::record::UserId;
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
        let stored = self.template(person, print.finger(), deadline).map_err(DeviceError::after_effects)?;
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
                // Whoever repeats what breaks from here on would write it once more.
                self.ask_in(Phase::Release, Request::bare(Command::FREE_DATA), deadline)
                    .map_err(DeviceError::after_effects)?;
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

    /// Deletes a template, said once, verifies that it is gone, and makes that effective. One that is not there is
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
        let was_read = self.template(person, finger, deadline)?.is_some();
        let before = self.count_of_templates(deadline)?;
        if !was_read && before == Some(0) {
            self.refresh(deadline);
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
        let before = match self.effect(request, deadline) {
            // Of what is perhaps not there, a refusal says nothing.
            Err(DeviceError { fault: Fault::Rejected { .. }, .. }) if !was_read => None,
            deleted => deleted.map(|()| before)?,
        };
        let left = self.still_has(person, finger, before, deadline).map_err(DeviceError::after_effects)?;
        self.refresh(deadline);
        if left {
            let fault = Fault::NotStored { asked };
            return Err(DeviceError { fault, phase: Phase::Reply, reached: Reached::Yes });
        }
        Ok(())
    }

    /// Whether a template is there after it was to be deleted. Firmware answers alike that it has none and that it does
    /// not want to say, so that "none" is believed only if one less is counted, or the table of all has it no more.
    fn still_has(
        &mut self,
        person: &UserRecord,
        finger: u8,
        before: Option<u32>,
        deadline: Deadline,
    ) -> Result<bool, DeviceError> {
        if self.template(person, finger, deadline)?.is_some() {
            return Ok(true);
        }
        let now = self.count_of_templates(deadline)?;
        if now.zip(before).is_some_and(|(now, before)| now.checked_add(1) == Some(before)) {
            return Ok(false);
        }
        self.lists_template(person, finger, deadline)
    }

    /// Whether the table of all has a template of this finger: what a device does not want to say it answers as if it had
    /// none.
    pub(in crate::device) fn lists_template(
        &mut self,
        person: &UserRecord,
        finger: u8,
        deadline: Deadline,
    ) -> Result<bool, DeviceError> {
        let uid = person.user().uid;
        Ok(self.templates(deadline)?.iter().any(|template| (template.uid, template.finger) == (uid, finger)))
    }

    /// Whether there are fingerprints of somebody who is there: "none" is said only if the device counts people and
    /// no fingerprints, or if the table of all has none of theirs.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn has_fingerprints(
        &mut self,
        who: &UserId,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<bool, DeviceError> {
        if self.count_of_templates(deadline)? == Some(0) {
            return Ok(false);
        }
        let templates = self.templates_in_pieces(pause, deadline)?;
        // After the pauses, in which others may have changed people.
        let Some(record) = self.user(who, deadline)? else { return Ok(false) };
        Ok(templates.iter().any(|template| template.uid == record.user().uid))
    }

    /// How many templates there are, if the device counts: one that counts no people either, while there are some,
    /// counts nothing.
    fn count_of_templates(&mut self, deadline: Deadline) -> Result<Option<u32>, DeviceError> {
        let sizes = self.free_sizes(deadline)?;
        Ok(sizes.fingerprints.filter(|_| sizes.users.is_some_and(|users| users > 0)))
    }
}

/// A template as one command gives it back.
fn unpadded(template: &[u8]) -> &[u8] {
    template.strip_suffix(&PADDING).unwrap_or(template)
}
