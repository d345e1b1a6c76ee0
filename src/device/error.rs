//! What went wrong between us and a device, and the three questions that a caller asks next: whose fault, did it
//! reach the device, may I repeat?

use std::fmt;

use crate::dialog::Phase;
use crate::dialog::error::DialogError;
use crate::transport::TransportError;
use crate::wire::command::Command;
use crate::wire::frame::FrameError;
use crate::wire::record::table::TableError;
use crate::wire::record::template::TemplateError;

/// A failed call or a failed attempt to connect.
#[derive(Debug)]
pub struct DeviceError {
    /// What happened.
    pub fault: Fault,
    /// In which part of the conversation.
    pub phase: Phase,
    /// Whether the request reached the device.
    pub reached: Reached,
}

/// Whether a request reached the device. `Perhaps` is never repeated for anything that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// No byte of it did.
    No,
    /// It was sent, and nothing is known since.
    Perhaps,
    /// The device answered.
    Yes,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The connection failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What came is not this protocol, or is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The conversation failed.
    #[error(transparent)]
    Dialog(#[from] DialogError),
    /// A table that cannot be believed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The device refused the command.
    #[error("the device refused {asked} with {code}")]
    Rejected {
        /// What was asked.
        asked: Command,
        /// Its answer.
        code: Command,
    },
    /// The call's own deadline passed.
    #[error("the call's deadline passed")]
    DeadlineExceeded,
    /// The connection ended in the middle of a transfer.
    #[error("the connection ended after {received} of {announced} bytes")]
    CutOff {
        /// Bytes announced, 0 when not even that came.
        announced: u64,
        /// Bytes delivered.
        received: u64,
    },
    /// What stood in the device's transfer buffer is not there any more: it was given back, or another table was
    /// prepared since.
    #[error("the log does not stand in the device's transfer buffer any more")]
    BufferGone,
    /// Bytes were asked for that the prepared log does not have.
    #[error("the prepared log has {size} bytes; {length} from {start} on are not among them")]
    BeyondLog {
        /// The first byte asked for.
        start: u32,
        /// How many were asked for.
        length: u32,
        /// How many there are.
        size: u32,
    },
    /// The call names something that no device has.
    #[error("there is no such {what}")]
    NoSuch {
        /// What it names.
        what: &'static str,
    },
    /// The device said that it is done, and what was written is not there.
    #[error("the device acknowledged {asked} and has not kept what was written")]
    NotStored {
        /// What was asked.
        asked: Command,
    },
    /// The device said that it is done, and something else is there.
    #[error("the device acknowledged {asked} and keeps something else")]
    StoredDifferently {
        /// What was asked.
        asked: Command,
    },
    /// Nobody is on the device, and what it says of itself does not tell how long its records are.
    #[error("the device's user table is empty and its family unknown, so the form of its records is too")]
    NoLayout,
    /// A template table that cannot be believed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Work in pieces was ended early, on request, between two of them.
    #[error("the call was ended early, on request")]
    Stopped,
    /// The device said something although it was not asked, or the end of its stream was reached.
    #[error("the device talked out of turn")]
    OutOfTurn,
}

impl DeviceError {
    /// A connection that failed outside any conversation.
    #[must_use]
    pub const fn from_transport(error: TransportError) -> Self {
        Self { fault: Fault::Transport(error), phase: Phase::Reply, reached: Reached::No }
    }

    /// The operating system refused something.
    #[must_use]
    pub const fn from_io(error: std::io::Error) -> Self {
        Self::from_transport(TransportError::Io(error))
    }

    /// Work in pieces that is to go no further: what a pause says to end it. The session stays.
    #[must_use]
    pub const fn stopped() -> Self {
        Self { fault: Fault::Stopped, phase: Phase::Reply, reached: Reached::Yes }
    }

    /// What broke a call that had done something before: the exchange that broke may not have reached the device, but
    /// the call has.
    pub(super) fn after_effects(self) -> Self {
        let reached = if self.reached == Reached::No { Reached::Perhaps } else { self.reached };
        Self { reached, ..self }
    }

    pub(super) const fn no_such(what: &'static str) -> Self {
        Self { fault: Fault::NoSuch { what }, phase: Phase::Reply, reached: Reached::No }
    }

    /// What a comparison of what was there before, what was wanted, and what is there now comes to.
    pub(super) fn unless_kept<T: PartialEq>(
        asked: Command,
        before: &T,
        wanted: &T,
        now: &T,
    ) -> Result<(), Self> {
        let fault = match now {
            now if now == wanted => return Ok(()),
            now if now == before => Fault::NotStored { asked },
            _ => Fault::StoredDifferently { asked },
        };
        Err(Self { fault, phase: Phase::Reply, reached: Reached::Yes })
    }

    /// Whether the session can be used for another call.
    #[must_use]
    pub fn keeps_session(&self) -> bool {
        match &self.fault {
            Fault::Dialog(error) => error.leaves_session_usable(),
            Fault::Table(_)
            | Fault::Template(_)
            | Fault::Rejected { .. }
            | Fault::NotStored { .. }
            | Fault::StoredDifferently { .. }
            | Fault::NoLayout
            | Fault::NoSuch { .. }
            | Fault::BufferGone
            | Fault::Stopped
            | Fault::BeyondLog { .. } => true,
            Fault::Transport(_)
            | Fault::Frame(_)
            | Fault::DeadlineExceeded
            | Fault::CutOff { .. }
            | Fault::OutOfTurn => false,
        }
    }

    /// Whether asking again soon is pointless: only a person can mend it.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(
            &self.fault,
            Fault::Dialog(
                DialogError::UnsupportedHandshake { .. }
                    | DialogError::WrongCommKey
                    | DialogError::AuthLocked
            ) | Fault::Frame(FrameError::Encrypted | FrameError::Panel)
        )
    }

    /// The stable code of the API.
    #[must_use]
    pub fn code(&self) -> &'static str {
        let connecting =
            matches!(self.phase, Phase::Reach | Phase::Handshake | Phase::Authenticate | Phase::Identify);
        match &self.fault {
            Fault::Dialog(DialogError::WrongCommKey | DialogError::AuthLocked) => "auth_failed",
            Fault::Dialog(DialogError::UnsupportedHandshake { .. })
            | Fault::Frame(FrameError::Encrypted | FrameError::Panel) => "unsupported_handshake",
            Fault::Frame(FrameError::Prefix { .. }) if self.phase == Phase::Handshake => "not_a_device",
            Fault::Transport(TransportError::Closed | TransportError::Reset(_))
                if connecting && self.phase != Phase::Reach =>
            {
                "device_busy"
            }
            Fault::Transport(_) | Fault::Dialog(DialogError::Silent { .. }) if connecting => {
                "device_unreachable"
            }
            Fault::Dialog(
                DialogError::Incomplete { .. } | DialogError::Overrun { .. } | DialogError::Stalled { .. },
            )
            | Fault::Table(TableError::Incomplete { .. } | TableError::Missing { .. })
            | Fault::Template(_)
            | Fault::CutOff { .. }
            | Fault::BufferGone
            | Fault::BeyondLog { .. } => "incomplete_read",
            Fault::Table(TableError::Unknown(_)) | Fault::NoLayout => "unknown_layout",
            Fault::NoSuch { .. } => "invalid_request",
            Fault::NotStored { .. } => "not_stored",
            Fault::StoredDifferently { .. } => "stored_differently",
            Fault::DeadlineExceeded => "deadline_exceeded",
            Fault::Stopped => "device_disconnected",
            Fault::Dialog(DialogError::Silent { .. }) => "device_silent",
            Fault::Rejected { code, .. } if code.is_unsupported() => "unsupported_command",
            Fault::Rejected { .. } | Fault::Dialog(DialogError::TransferRefused { .. }) => "device_rejected",
            Fault::Transport(_) | Fault::Dialog(DialogError::SessionLost) => "connection_lost",
            Fault::Frame(_)
            | Fault::OutOfTurn
            | Fault::Dialog(
                DialogError::Malformed { .. } | DialogError::OutOfStep | DialogError::TooLarge(_),
            ) => "protocol_error",
        }
    }

    /// Bytes announced and bytes delivered, if it was a transfer that fell short.
    #[must_use]
    pub fn transfer(&self) -> Option<(u64, u64)> {
        match &self.fault {
            Fault::Dialog(
                DialogError::Incomplete { announced, received }
                | DialogError::Overrun { announced, received }
                | DialogError::Stalled { announced, received, .. },
            )
            | Fault::CutOff { announced, received } => Some((*announced, *received)),
            Fault::Table(TableError::Incomplete { announced, received, .. }) => {
                Some((u64::from(*announced), *received as u64))
            }
            _ => None,
        }
    }

    /// The plain verdict of a connection test.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match (self.code(), &self.fault) {
            ("auth_failed", _) => "wrong_comm_key",
            (code @ ("unsupported_handshake" | "not_a_device"), _) => code,
            ("device_busy", _) => "busy",
            (_, Fault::Transport(TransportError::Refused(_))) => "refused",
            (_, Fault::Dialog(DialogError::Silent { .. })) => "silent",
            (_, Fault::DeadlineExceeded) if self.phase != Phase::Reach => "silent",
            _ => "unreachable",
        }
    }

    /// What the person on site can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self.code() {
            "auth_failed" => {
                "check the comm key: on the device it stands in the menu under Comm. > PC connection"
            }
            "unsupported_handshake" => {
                "switch the device to its legacy (stand-alone) communication in its menu, or use its push mode"
            }
            "not_a_device" => "something else listens on this address and port; check both",
            "device_busy" => {
                "another program probably holds the device's one session; close it there or lend the device"
            }
            "device_unreachable" => "check power, cable or Wi-Fi, address and port",
            "incomplete_read" => {
                "nothing was delivered; try again, and look at the device's network if it persists"
            }
            "unknown_layout" => {
                "this firmware stores records in a layout that is not known yet; please report it"
            }
            "device_silent" | "connection_lost" => "the session is renewed by itself; try again",
            "deadline_exceeded" => "ask with a longer timeout, or look at the device's network",
            "unsupported_command" => "this model does not have the function",
            "invalid_request" => "correct the request",
            "not_stored" | "stored_differently" => {
                "read the device again; if it persists, restart the device or enter this at its keypad"
            }
            "device_rejected" => "the device does not want to do this now; look at its screen",
            _ => "try again; if it persists, look at the device's firmware version",
        }
    }
}

impl fmt::Display for DeviceError {
    /// What happened, with every cause behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        let mut source = std::error::Error::source(&self.fault);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for DeviceError {}
