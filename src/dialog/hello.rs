//! The beginning of a session: connect, authenticate if asked, say which kind of client we are, and ask who is
//! there.
//!
//! A device that answers `CMD_CONNECT` with "not authenticated" may still want key 0, so that answer is always
//! followed by `CMD_AUTH`. The serial number ends the greeting: it names the device, and it proves that commands
//! are answered. Source: public protocol description, captured exchanges.

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::comm_key::CommKey;
use crate::wire::command::Command;
use crate::wire::option;
use crate::wire::packet::Packet;

/// What a greeting yields; the session id is in the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Greeting {
    /// Option `~SerialNumber`, if the device has one.
    pub serial_number: Option<String>,
    /// How long each phase took.
    pub timings: Vec<(Phase, Duration)>,
}

/// The greeting under way.
#[derive(Debug)]
pub struct Hello {
    comm_key: CommKey,
    manners: Manners,
    state: State,
    tries: u32,
    since: Instant,
    timings: Vec<(Phase, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Authenticating { session: u16 },
    Introducing,
    Identifying,
}

/// The option that the vendor's own software writes after connecting; what it switches is not known.
const SDK_BUILD: (&str, &str) = ("SDKBuild", "1");
/// The option that names a device.
pub const SERIAL_NUMBER: &str = "~SerialNumber";
/// Any byte will do; the device reads it back from the packet.
const TICKS: u8 = 50;

impl Hello {
    /// A greeting with this comm key. `now` only fills a field until the dialog is opened.
    #[must_use]
    pub fn new(comm_key: CommKey, manners: Manners, now: Instant) -> Self {
        Self {
            comm_key,
            manners,
            state: State::Connecting,
            tries: manners.tries(),
            since: now,
            timings: Vec::with_capacity(3),
        }
    }

    /// How long each phase took that has ended.
    #[must_use]
    pub fn timings(&self) -> &[(Phase, Duration)] {
        &self.timings
    }

    /// When the present phase began.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    const fn phase(&self) -> Phase {
        match self.state {
            State::Connecting => Phase::Handshake,
            State::Authenticating { .. } => Phase::Authenticate,
            State::Introducing | State::Identifying => Phase::Identify,
        }
    }

    fn enter(&mut self, state: State, now: Instant) -> Step<Greeting> {
        let before = self.phase();
        self.state = state;
        self.tries = self.manners.tries();
        if self.phase() != before {
            self.timings.push((before, now.duration_since(self.since)));
            self.since = now;
        }
        self.say()
    }

    fn say(&mut self) -> Step<Greeting> {
        let request = match self.state {
            State::Connecting => Request::bare(Command::CONNECT),
            State::Authenticating { session } => {
                Request::new(Command::AUTH, self.comm_key.scramble(session, TICKS))
            }
            State::Introducing => {
                Request::new(Command::OPTIONS_WRQ, option::write_request(SDK_BUILD.0, SDK_BUILD.1))
            }
            State::Identifying => Request::new(Command::OPTIONS_RRQ, option::read_request(SERIAL_NUMBER)),
        };
        self.tries = self.tries.saturating_sub(1);
        Step::Ask(request, self.patience())
    }

    fn patience(&self) -> Patience {
        self.manners.patience(self.phase())
    }

    fn finish(&mut self, serial_number: Option<String>, now: Instant) -> Step<Greeting> {
        self.timings.push((Phase::Identify, now.duration_since(self.since)));
        Step::Done(Ok(Greeting { serial_number, timings: std::mem::take(&mut self.timings) }))
    }
}

impl Dialog for Hello {
    type Outcome = Greeting;

    fn open(&mut self, now: Instant) -> Step<Greeting> {
        self.since = now;
        self.say()
    }

    fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Greeting> {
        match (self.state, packet.command) {
            (State::Connecting, Command::ACK_OK) => self.enter(State::Introducing, now),
            (State::Connecting, Command::ACK_UNAUTH) => {
                self.enter(State::Authenticating { session: packet.session }, now)
            }
            (_, Command::ACK_AUTH_LOCKED) => Step::Done(Err(DialogError::AuthLocked)),
            (State::Connecting, code) => Step::Done(Err(DialogError::UnsupportedHandshake { code })),
            (State::Authenticating { .. }, Command::ACK_OK) => self.enter(State::Introducing, now),
            (State::Authenticating { .. }, _) => Step::Done(Err(DialogError::WrongCommKey)),
            (_, Command::ACK_UNAUTH) => Step::Done(Err(DialogError::SessionLost)),
            // Whatever a device says to the introduction, it goes on.
            (State::Introducing, _) => self.enter(State::Identifying, now),
            (State::Identifying, Command::ACK_OK | Command::ACK_DATA) => {
                self.finish(option::value(packet.payload), now)
            }
            // A model without the option has no serial number, which is no failure.
            (State::Identifying, _) => self.finish(None, now),
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Greeting> {
        if self.tries > 0 {
            return self.say();
        }
        let waited = now.duration_since(self.since);
        Step::Done(Err(DialogError::Silent { phase: self.phase(), waited }))
    }
}
