//! Fingerprint templates: biometric, opaque, never printed, and of use only to devices with the same algorithm
//! (option `~ZKFPVersion`), which whoever moves them has to compare first.

mod people;
mod single;

pub use people::PersonWrite;
pub use single::UploadForm;

use std::time::Instant;

use super::error::{DeviceError, Fault, Reached};
use super::log::Tenancy;
use super::punches::Counted;
use super::session::Session;
use super::users::Pause;
use crate::base::deadline::Deadline;
use crate::base::secret::Secret;
use crate::dialog::upload::{Upload, Uploaded};
use crate::dialog::{Phase, Request};
use crate::wire::bulk::Table;
use crate::wire::command::Command;
use crate::wire::record::template::{Template, TemplateTable, Validity};

/// One finger of one person, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    finger: u8,
    validity: Validity,
    bytes: Secret<Vec<u8>>,
}

/// A finger or a template that no device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no finger {finger} with a template of {length} bytes: fingers are 0 to 9, templates 1 to {}",
    Template::CEILING
)]
pub struct NoFingerprint {
    /// The finger's number.
    pub finger: u8,
    /// Bytes in the template.
    pub length: usize,
}

impl Fingerprint {
    /// Takes a template for a finger, 0 to 9.
    ///
    /// # Errors
    /// [`NoFingerprint`].
    pub fn new(finger: u8, validity: Validity, bytes: Vec<u8>) -> Result<Self, NoFingerprint> {
        if finger > 9 || bytes.is_empty() || bytes.len() > Template::CEILING {
            return Err(NoFingerprint { finger, length: bytes.len() });
        }
        Ok(Self { finger, validity, bytes: Secret::new(bytes) })
    }

    /// Which finger.
    #[must_use]
    pub const fn finger(&self) -> u8 {
        self.finger
    }

    /// What it is good for.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The template.
    #[must_use]
    pub const fn bytes(&self) -> &Secret<Vec<u8>> {
        &self.bytes
    }

    /// The same as an entry of a table.
    fn entry(&self, uid: u16) -> Result<Template<'_>, DeviceError> {
        Template::new(uid, self.finger, self.validity, self.bytes.expose())
            .map_err(|_| DeviceError::no_such("template"))
    }
}

impl Session {
    /// All fingerprint templates, proved complete.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn templates(&mut self, deadline: Deadline) -> Result<TemplateTable, DeviceError> {
        self.table(Table::TEMPLATES, Counted::Templates, deadline, TemplateTable::parse)
    }

    /// The same, with pauses between the pieces in which others may be served, as long as they leave the device's
    /// transfer buffer alone.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn templates_in_pieces(
        &mut self,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<TemplateTable, DeviceError> {
        let count = self.free_sizes(deadline)?.fingerprints;
        let mut pause = |session: &mut Self, _, _| pause(session);
        self.table_in_pieces(Table::TEMPLATES, count, &mut pause, deadline, TemplateTable::parse)
    }

    /// Sends a block and has it stored, once.
    fn upload(
        &mut self,
        block: Vec<u8>,
        store: Request,
        checks: bool,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        // The device has one buffer for both directions.
        self.tenancy = Tenancy::default();
        let upload = Upload::new(block, store, checks, self.manners(), Instant::now());
        match self.link.converse_with(upload, deadline) {
            Ok((Uploaded::Stored, _)) => Ok(()),
            Ok((Uploaded::Refused { asked, code, storing }, _)) => {
                // What was sent is not wanted, and takes up memory.
                self.mention(Phase::Release, Command::FREE_DATA, deadline);
                let reached = if storing { Reached::Yes } else { Reached::No };
                Err(DeviceError { fault: Fault::Rejected { asked, code }, phase: Phase::Transfer, reached })
            }
            // Before the last request nothing of it counts.
            Err((error, upload)) if !upload.is_storing() => {
                Err(DeviceError { reached: Reached::No, ..error })
            }
            Err((error, _)) => Err(error),
        }
    }
}
