//! Conversations with a device as machines: no socket, no clock, no thread.
//!
//! The contract: a driver *opens* a dialog once, then feeds it every reply that belongs to it ([`Dialog::hear`])
//! and tells it when its patience has run out ([`Dialog::lapse`]); after each of the three the dialog says what
//! to do next ([`Step`]). `now` is an argument everywhere. [`talk::Talk`] does the numbering and sets events
//! aside, for drivers that block and for drivers that do not.

pub mod bulk_read;
mod collect;
pub mod error;
pub mod exchange;
pub mod hello;
pub mod line;
#[cfg(test)]
mod stage;
pub mod talk;
#[cfg(test)]
mod transcripts;
mod transfer;
pub mod upload;

use std::time::{Duration, Instant};

use self::error::DialogError;
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// One conversation: a request and everything that belongs to its answer.
pub trait Dialog {
    /// What it yields.
    type Outcome;

    /// Begins.
    fn open(&mut self, now: Instant) -> Step<Self::Outcome>;

    /// Takes a reply to the last request.
    fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Self::Outcome>;

    /// Takes note that nothing came for as long as the last step allowed.
    fn lapse(&mut self, now: Instant) -> Step<Self::Outcome>;
}

/// What a driver has to do next.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this as a new request and wait.
    Ask(Request, Patience),
    /// Wait for more of the answer.
    Wait(Patience),
    /// It is over.
    Done(Result<T, DialogError>),
}

/// A request that has no number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// What goes with it.
    pub payload: Vec<u8>,
}

impl Request {
    /// A request without payload.
    #[must_use]
    pub const fn bare(command: Command) -> Self {
        Self { command, payload: Vec::new() }
    }

    /// A request with payload.
    #[must_use]
    pub fn new(command: Command, payload: impl Into<Vec<u8>>) -> Self {
        Self { command, payload: payload.into() }
    }
}

/// For how long to wait, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// What is waited for.
    pub phase: Phase,
    /// For how long.
    pub limit: Duration,
}

/// The parts of a conversation that can run out of time, each named in the error it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Opening the connection.
    Reach,
    /// The answer to `CMD_CONNECT`.
    Handshake,
    /// The answer to `CMD_AUTH`.
    Authenticate,
    /// The first commands of a session: who is there?
    Identify,
    /// The answer to a command.
    Reply,
    /// The answer to the request that prepares a table.
    Prepare,
    /// The bytes of a table.
    Transfer,
    /// Giving back the device's transfer buffer.
    Release,
    /// The answer to `CMD_EXIT`.
    Farewell,
}

impl Phase {
    /// The phase in words, for errors and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Handshake => "handshake",
            Self::Authenticate => "authenticate",
            Self::Identify => "identify",
            Self::Reply => "reply",
            Self::Prepare => "prepare",
            Self::Transfer => "transfer",
            Self::Release => "release",
            Self::Farewell => "farewell",
        }
    }
}

/// How long the machines wait, and whether what they say may be lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Over which kind of transport they talk.
    pub carrier: Carrier,
    /// For the first reply to a request.
    pub reply: Duration,
    /// For the next packet of a transfer.
    pub progress: Duration,
}

impl Manners {
    /// How often a harmless request is said before silence counts: datagrams are lost, segments are not.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        match self.carrier {
            Carrier::Tcp => 1,
            Carrier::Udp => 3,
        }
    }

    /// The patience of one of these tries.
    #[must_use]
    pub fn patience(&self, phase: Phase) -> Patience {
        Patience { phase, limit: self.reply / self.tries() }
    }
}
