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

#[cfg(test)]
mod tests {
    use super::super::line::{Line, Matching};
    use super::super::stage::{REPLY, SESSION, Stage, manners};
    use super::*;
    use crate::wire::carrier::Carrier::{self, Tcp, Udp};

    fn greeting(carrier: Carrier, key: u64) -> Stage<Hello> {
        let hello = Hello::new(CommKey::new(key).unwrap(), manners(carrier), Instant::now());
        Stage::open_on(Line::new(Matching::Strict), carrier, hello)
    }

    fn introduced(stage: &mut Stage<Hello>) {
        stage.say(Command::ACK_OK, SESSION, &[]);
        assert_eq!(stage.asked().command, Command::OPTIONS_RRQ);
        stage.say(Command::ACK_OK, SESSION, b"~SerialNumber=ABC123\0");
    }

    #[test]
    fn a_device_without_a_key_is_greeted_in_three_steps() {
        let mut stage = greeting(Tcp, 0);
        stage.say(Command::ACK_OK, SESSION, &[]);
        assert_eq!((stage.asked().session, stage.asked().reply), (SESSION, 1));
        introduced(&mut stage);
        let greeting = stage.done.unwrap().unwrap();
        assert_eq!(greeting.serial_number.as_deref(), Some("ABC123"));
        let phases: Vec<Phase> = greeting.timings.iter().map(|(phase, _)| *phase).collect();
        assert_eq!(phases, [Phase::Handshake, Phase::Identify]);
    }

    #[test]
    fn the_key_is_sent_whenever_it_is_asked_for_even_when_it_is_0() {
        for key in [0, 123_456] {
            let mut stage = greeting(Tcp, key);
            stage.say(Command::ACK_UNAUTH, SESSION, &[]);
            let expected = CommKey::new(key).unwrap().scramble(SESSION, TICKS);
            let asked = stage.asked();
            assert_eq!(
                (asked.command, asked.session, &asked.payload[..]),
                (Command::AUTH, SESSION, &expected[..])
            );
            stage.say(Command::ACK_OK, SESSION, &[]);
            introduced(&mut stage);
            assert_eq!(stage.done.unwrap().unwrap().timings.len(), 3, "key {key}");
        }
    }

    #[test]
    fn what_a_device_says_against_a_greeting_has_a_name() {
        let unauth = (Command::ACK_UNAUTH, SESSION);
        for (name, said, expected) in [
            ("wrong key", vec![unauth, unauth], DialogError::WrongCommKey),
            ("locked at once", vec![(Command::ACK_AUTH_LOCKED, 0)], DialogError::AuthLocked),
            ("locked after the key", vec![unauth, (Command::ACK_AUTH_LOCKED, 0)], DialogError::AuthLocked),
            (
                "secure firmware",
                vec![(Command::ACK_SECURE, 0)],
                DialogError::UnsupportedHandshake { code: Command::ACK_SECURE },
            ),
            (
                "unknown code",
                vec![(Command(7777), 0)],
                DialogError::UnsupportedHandshake { code: Command(7777) },
            ),
            ("forgotten", vec![(Command::ACK_OK, SESSION), unauth], DialogError::SessionLost),
        ] {
            let mut stage = greeting(Tcp, 5);
            said.into_iter().for_each(|(code, session)| stage.say(code, session, &[]));
            assert_eq!(stage.done, Some(Err(expected)), "{name}");
        }
    }

    #[test]
    fn a_model_that_refuses_the_options_is_greeted_all_the_same() {
        for code in [Command::ACK_ERROR, Command::ACK_UNKNOWN, Command::ERR_OPTION_READ] {
            let mut stage = greeting(Tcp, 0);
            stage.say(Command::ACK_OK, SESSION, &[]);
            stage.say(code, SESSION, &[]);
            stage.say(code, SESSION, &[]);
            assert_eq!(stage.done.unwrap().unwrap().serial_number, None);
        }
    }

    #[test]
    fn silence_is_told_with_the_phase_in_which_it_fell() {
        for carrier in [Tcp, Udp] {
            let steps = [
                (vec![], Phase::Handshake),
                (vec![Command::ACK_UNAUTH], Phase::Authenticate),
                (vec![Command::ACK_OK], Phase::Identify),
                (vec![Command::ACK_UNAUTH, Command::ACK_OK], Phase::Identify),
            ];
            for (said, phase) in steps {
                let mut stage = greeting(carrier, 5);
                said.iter().for_each(|code| stage.say(*code, SESSION, &[]));
                let before = stage.sent.len();
                while stage.done.is_none() {
                    stage.wait();
                }
                assert_eq!(
                    stage.done,
                    Some(Err(DialogError::Silent { phase, waited: REPLY })),
                    "{carrier:?}"
                );
                let tries = stage.sent.len() - before + 1;
                assert_eq!(tries, if carrier == Udp { 3 } else { 1 }, "{carrier:?} {phase:?}");
            }
        }
    }

    #[test]
    fn lost_datagrams_are_said_again_and_doubled_answers_change_nothing() {
        let mut stage = greeting(Udp, 5);
        stage.wait();
        assert_eq!((stage.asked().command, stage.asked().reply), (Command::CONNECT, 0), "a new beginning");
        stage.say(Command::ACK_UNAUTH, SESSION, &[]);
        stage.hear(&Packet { command: Command::ACK_UNAUTH, session: SESSION, reply: 0, payload: &[] });
        assert_eq!((stage.asked().command, stage.done.is_none()), (Command::AUTH, true));
        stage.wait();
        stage.say(Command::ACK_OK, SESSION, &[]);
        introduced(&mut stage);
        assert!(stage.done.unwrap().is_ok());
    }
}
