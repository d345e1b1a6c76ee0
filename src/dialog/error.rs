//! How a conversation can fail, sorted by what it means for the session and the caller.

use std::time::Duration;

use super::Phase;
use crate::wire::bulk::BulkTooLarge;
use crate::wire::command::Command;

/// Why a conversation did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// Nothing came for as long as this phase may take.
    #[error("the device was silent for {waited:?} (phase {})", phase.name())]
    Silent {
        /// What was waited for.
        phase: Phase,
        /// For how long.
        waited: Duration,
    },
    /// The device wants another handshake than this protocol has.
    #[error("the device answered CMD_CONNECT with {code}: it wants another handshake")]
    UnsupportedHandshake {
        /// Its answer.
        code: Command,
    },
    /// The comm key is wrong.
    #[error("the device refused the comm key")]
    WrongCommKey,
    /// The device has locked authentication after failures.
    #[error("the device has locked authentication for a while after failures")]
    AuthLocked,
    /// The device does not know this session any more.
    #[error("the device has forgotten the session")]
    SessionLost,
    /// A transfer delivered another number of bytes than it announced.
    #[error("a transfer announced {announced} bytes and delivered {received}")]
    Incomplete {
        /// Bytes announced.
        announced: u64,
        /// Bytes delivered.
        received: u64,
    },
    /// A transfer stopped half-way.
    #[error("a transfer of {announced} bytes stopped after {received} for {waited:?}")]
    Stalled {
        /// Bytes announced.
        announced: u64,
        /// Bytes delivered.
        received: u64,
        /// For how long nothing came.
        waited: Duration,
    },
    /// A transfer went on after all announced bytes: nothing on this stream can be trusted any more.
    #[error("a transfer announced {announced} bytes and went on after them ({received} so far)")]
    Overrun {
        /// Bytes announced.
        announced: u64,
        /// Bytes delivered so far.
        received: u64,
    },
    /// A transfer that cannot be that large.
    #[error(transparent)]
    TooLarge(#[from] BulkTooLarge),
    /// The device lost its transfer buffer, or refused a part of it.
    #[error("the device answered a transfer with {code}")]
    TransferRefused {
        /// Its answer.
        code: Command,
    },
    /// A reply whose payload is not what the command yields.
    #[error("the answer to {asked} makes no sense")]
    Malformed {
        /// What was asked.
        asked: Command,
    },
    /// Too many packets that belong to no request: the stream is one reply behind.
    #[error("the device answers other requests than the one asked")]
    OutOfStep,
}

impl DialogError {
    /// Whether the session can be used for another conversation.
    #[must_use]
    pub const fn leaves_session_usable(&self) -> bool {
        match self {
            Self::Incomplete { .. } | Self::TransferRefused { .. } | Self::Malformed { .. } => true,
            // What is too large to be taken may already be on its way.
            Self::TooLarge(_)
            | Self::Silent { .. }
            | Self::Stalled { .. }
            | Self::Overrun { .. }
            | Self::UnsupportedHandshake { .. }
            | Self::WrongCommKey
            | Self::AuthLocked
            | Self::SessionLost
            | Self::OutOfStep => false,
        }
    }
}
