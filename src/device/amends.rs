//! What a device is still to be told: a session that breaks may leave it disabled, or in the middle of an enrolment,
//! where the next finger that somebody places becomes somebody's credential.
//!
//! It is noted before the device is told to do such a thing, and struck off when the device has been told to stop;
//! so whatever ends in between, the note is there. All sessions with one device share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::error::{DeviceError, Reached};
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;

/// What one device is still to be told.
#[derive(Clone, Debug, Default)]
pub struct Amends(Arc<AtomicU8>);

/// In what state a device may have been left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// It may take no input.
    Enabling,
    /// It may wait for somebody's finger.
    EndOfEnrolment,
}

/// Enabling, for no better reason than that nobody knows.
const STRANGER: u8 = 4;

impl Owed {
    const fn bit(self) -> u8 {
        match self {
            Self::Enabling => 1,
            Self::EndOfEnrolment => 2,
        }
    }

    /// The ways in which it is noted.
    const fn bits(self) -> u8 {
        match self {
            Self::Enabling => Self::Enabling.bit() | STRANGER,
            Self::EndOfEnrolment => Self::EndOfEnrolment.bit(),
        }
    }
}

impl Amends {
    /// For a device of which nothing is known: whoever was there before may have left it disabled.
    #[must_use]
    pub fn of_a_stranger() -> Self {
        Self(Arc::new(AtomicU8::new(STRANGER)))
    }

    /// Notes something.
    pub fn owe(&self, owed: Owed) {
        self.0.fetch_or(owed.bit(), Ordering::AcqRel);
    }

    /// Whether there is something that must not wait until somebody happens to call.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.0.load(Ordering::Acquire) & !STRANGER != 0
    }

    fn has(&self, owed: Owed) -> bool {
        self.0.load(Ordering::Acquire) & owed.bits() != 0
    }

    /// Strikes something off.
    pub(super) fn settle(&self, owed: Owed) {
        self.0.fetch_and(!owed.bits(), Ordering::AcqRel);
    }
}

impl Session {
    /// What its device is still to be told.
    #[must_use]
    pub const fn amends(&self) -> &Amends {
        &self.amends
    }

    /// Takes over what the sessions before it left to be told.
    pub fn share_amends(&mut self, amends: Amends) {
        self.amends = amends;
    }

    /// Tells the device what it is still to be told. What it refuses is told once.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed; nothing else has reached the device then.
    pub fn make_amends(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        if self.amends.has(Owed::EndOfEnrolment) {
            for command in [Command::CANCELCAPTURE, Command::STARTVERIFY] {
                self.tell_whatever(command, deadline)?;
            }
            self.amends.settle(Owed::EndOfEnrolment);
        }
        if self.amends.has(Owed::Enabling) {
            self.make_sure_enabled(deadline)
                .map_err(|error| DeviceError { reached: Reached::No, ..error })?;
            self.amends.settle(Owed::Enabling);
        }
        Ok(())
    }

    fn tell_whatever(&mut self, command: Command, deadline: Deadline) -> Result<(), DeviceError> {
        match self.ask(Request::bare(command), deadline) {
            Err(error) if !error.keeps_session() => Err(DeviceError { reached: Reached::No, ..error }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_shared_and_struck_off_one_by_one() {
        let amends = Amends::default();
        let shared = amends.clone();
        assert!(!shared.is_urgent());
        amends.owe(Owed::Enabling);
        amends.owe(Owed::EndOfEnrolment);
        shared.settle(Owed::Enabling);
        assert!(amends.is_urgent() && amends.has(Owed::EndOfEnrolment) && !amends.has(Owed::Enabling));
        amends.settle(Owed::EndOfEnrolment);
        assert!(!shared.is_urgent());
        let stranger = Amends::of_a_stranger();
        assert!(!stranger.is_urgent() && stranger.has(Owed::Enabling));
        stranger.settle(Owed::Enabling);
        assert!(!stranger.has(Owed::Enabling));
    }
}
