//! Any command with any payload, for support: what the other verbs do not know yet.
//!
//! Nobody can know what such a command does to the session, so the session is doubtful afterwards and closed: the next
//! call has a new one.

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::exchange::Exchange;
pub use crate::dialog::exchange::Reply;
use crate::dialog::{Phase, Request};
use crate::wire::command::Command;

/// Writes one template in the way of old firmware.
const TEMPLATE_WRITE: u16 = 10;

/// A command that can be sent raw.
#[derive(Clone, PartialEq, Eq)]
pub struct RawCommand {
    command: Command,
    payload: Vec<u8>,
}

/// Why a command cannot be sent raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRaw {
    /// It opens, authenticates or ends a session.
    #[error("{0} belongs to the session itself")]
    Session(Command),
    /// Its answer is a transfer of several packets, or it is one of them.
    #[error("{0} is part of the transfer of a table or a template")]
    Transfer(Command),
    /// It is what a device answers.
    #[error("{0} is an answer and no command")]
    Answer(Command),
    /// Nobody could use the device afterwards.
    #[error("{0} would leave the device disabled")]
    Disables(Command),
    /// It writes, deletes or enrols a finger, which is allowed device by device.
    #[error("{0} is about fingerprints, for which there are verbs of their own")]
    Template(Command),
    /// It deletes a table, which is done with a proof or after a dry run.
    #[error("{0} deletes a table; to clear something there are verbs of their own")]
    Clears(Command),
    /// Too many bytes.
    #[error("a raw command takes at most {} bytes", RawCommand::PAYLOAD_CEILING)]
    TooLong,
}

impl RawCommand {
    /// The most bytes of a payload: more than any known command of one packet has.
    pub const PAYLOAD_CEILING: usize = 1024;

    /// Takes a command by its code.
    ///
    /// # Errors
    /// [`NotRaw`].
    pub fn new(code: u16, payload: Vec<u8>) -> Result<Self, NotRaw> {
        let command = Command(code);
        match command {
            Command::CONNECT | Command::EXIT | Command::AUTH => Err(NotRaw::Session(command)),
            Command::DB_RRQ
            | Command::USERTEMP_RRQ
            | Command::ATTLOG_RRQ
            | Command::OPLOG_RRQ
            | Command::TMP_WRITE
            | Command::TEMPLATE_RRQ
            | Command::SAVE_USERTEMPS
            | Command::CHECKSUM_BUFFER
            // Pictures of fingers and of people, and a template to compare with: data of bodies, in transfers.
            | Command(1009 | 1011 | 1012 | 1500..=1504) => Err(NotRaw::Transfer(command)),
            Command(2000..=2999 | 65_531..) => Err(NotRaw::Answer(command)),
            Command::DISABLEDEVICE => Err(NotRaw::Disables(command)),
            Command(TEMPLATE_WRITE)
            | Command::DELETE_USERTEMP
            | Command::STARTENROLL
            | Command::DELETE_FINGER => Err(NotRaw::Template(command)),
            Command::CLEAR_DATA
            | Command::CLEAR_ATTLOG
            | Command::CLEAR_ADMIN
            | Command::CLEAR_ACC
            | Command::CLEAR_OPLOG => Err(NotRaw::Clears(command)),
            _ if payload.len() > Self::PAYLOAD_CEILING => Err(NotRaw::TooLong),
            _ => Ok(Self { command, payload }),
        }
    }

    /// The command.
    #[must_use]
    pub const fn command(&self) -> Command {
        self.command
    }
}

impl std::fmt::Debug for RawCommand {
    /// Without the payload, which may be anything.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawCommand({}, {} bytes)", self.command, self.payload.len())
    }
}

impl Session {
    /// Sends a command, once, and gives the device's answer, whatever it says. The session is doubtful from then on.
    ///
    /// # Errors
    /// [`DeviceError`]; a refusal is an answer here, and no error.
    pub fn raw(&mut self, raw: &RawCommand, deadline: Deadline) -> Result<Reply, DeviceError> {
        self.people_changed();
        self.doubtful = true;
        let request = Request::new(raw.command, raw.payload.clone());
        self.said_once(Exchange::effect(request, Phase::Reply, &self.manners()), deadline)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_put_the_session_out_of_step_is_refused() {
        let refusal = |code| RawCommand::new(code, Vec::new()).err();
        for code in [1000, 1001, 1102] {
            assert_eq!(refusal(code), Some(NotRaw::Session(Command(code))));
        }
        for code in [7, 9, 13, 34, 87, 88, 110, 119, 1009, 1011, 1012, 1500, 1501, 1502, 1503, 1504] {
            assert_eq!(refusal(code), Some(NotRaw::Transfer(Command(code))));
        }
        for code in [2000, 2005, 65_535] {
            assert_eq!(refusal(code), Some(NotRaw::Answer(Command(code))));
        }
        assert_eq!(refusal(1003), Some(NotRaw::Disables(Command::DISABLEDEVICE)));
        for code in [10, 19, 61, 134] {
            assert_eq!(refusal(code), Some(NotRaw::Template(Command(code))));
        }
        for code in [14, 15, 20, 32, 33] {
            assert_eq!(refusal(code), Some(NotRaw::Clears(Command(code))));
        }
        assert_eq!(RawCommand::new(31, vec![0; 1025]), Err(NotRaw::TooLong));
        let unlock = RawCommand::new(31, vec![5, 0, 0, 0]).unwrap();
        assert!(!format!("{unlock:?}").contains("[5"), "{unlock:?}");
    }

    proptest! {
        #[test]
        fn any_code_is_a_raw_command_or_refused(code: u16, length in 0usize..1100) {
            if let Ok(raw) = RawCommand::new(code, vec![0; length]) {
                prop_assert_eq!(raw.command(), Command(code));
                prop_assert!(length <= RawCommand::PAYLOAD_CEILING);
            }
        }
    }
}
