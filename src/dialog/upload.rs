//! Sending a block of bytes to a device, and having it stored.
//!
//! Until the last request nothing is changed on the device, so over datagrams the whole upload is begun anew when
//! one gets lost. The last one has the effect: it is said once. Source: public protocol description, and one public
//! client that writes to real devices this way.

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// An upload under way.
#[derive(Debug)]
pub struct Upload {
    block: Vec<u8>,
    /// What stores the block.
    store: Request,
    /// Whether the device is asked for a checksum first, as the vendor's software does.
    checks: bool,
    manners: Manners,
    state: State,
    tries: u32,
    since: Instant,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The device acknowledged that it stored the block.
    Stored,
    /// The device refused a step.
    Refused {
        /// Which.
        asked: Command,
        /// With what.
        code: Command,
        /// Whether it was the one that stores.
        storing: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Freeing,
    Announcing,
    /// Everything before this byte has been taken.
    Sending(usize),
    Checking,
    Storing,
}

/// The most bytes in one packet.
const FRAGMENT: usize = 1024;

impl Upload {
    /// An upload of this block, which `store` stores.
    #[must_use]
    pub const fn new(block: Vec<u8>, store: Request, checks: bool, manners: Manners, now: Instant) -> Self {
        Self { block, store, checks, manners, state: State::Freeing, tries: 0, since: now }
    }

    /// Whether the request that stores the block was said.
    #[must_use]
    pub fn is_storing(&self) -> bool {
        self.state == State::Storing
    }

    fn begin(&mut self) -> Step<Uploaded> {
        self.tries += 1;
        self.state = State::Freeing;
        self.ask(Request::bare(Command::FREE_DATA))
    }

    fn ask(&self, request: Request) -> Step<Uploaded> {
        let storing = self.state == State::Storing;
        let limit = if storing { self.manners.reply } else { self.patience() };
        Step::Ask(request, Patience { phase: Phase::Transfer, limit })
    }

    fn patience(&self) -> Duration {
        self.manners.patience(Phase::Transfer).limit
    }

    /// The part of the block from this byte on, or what follows when there is none.
    fn send(&mut self, from: usize) -> Step<Uploaded> {
        let rest = self.block.get(from..).unwrap_or_default();
        if rest.is_empty() {
            return if self.checks { self.check() } else { self.store() };
        }
        self.state = State::Sending(from);
        let part = rest.get(..FRAGMENT).unwrap_or(rest);
        self.ask(Request::new(Command::DATA, part))
    }

    fn check(&mut self) -> Step<Uploaded> {
        self.state = State::Checking;
        self.ask(Request::bare(Command::CHECKSUM_BUFFER))
    }

    fn store(&mut self) -> Step<Uploaded> {
        self.state = State::Storing;
        self.ask(self.store.clone())
    }

    fn accepted(&mut self) -> Step<Uploaded> {
        match self.state {
            State::Freeing => {
                self.state = State::Announcing;
                let size = u32::try_from(self.block.len()).unwrap_or(u32::MAX);
                self.ask(Request::new(Command::PREPARE_DATA, size.to_le_bytes()))
            }
            State::Announcing => self.send(0),
            State::Sending(from) => self.send(from + FRAGMENT),
            State::Checking => self.store(),
            State::Storing => Step::Done(Ok(Uploaded::Stored)),
        }
    }
}

impl Dialog for Upload {
    type Outcome = Uploaded;

    fn open(&mut self, now: Instant) -> Step<Uploaded> {
        self.since = now;
        self.begin()
    }

    fn hear(&mut self, packet: &Packet<'_>, _now: Instant) -> Step<Uploaded> {
        match packet.command {
            Command::ACK_OK | Command::ACK_DATA => self.accepted(),
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            // Whatever these two say, it is not needed.
            _ if matches!(self.state, State::Freeing | State::Checking) => self.accepted(),
            code => {
                let asked = match self.state {
                    State::Storing => self.store.command,
                    State::Sending(_) => Command::DATA,
                    _ => Command::PREPARE_DATA,
                };
                Step::Done(Ok(Uploaded::Refused { asked, code, storing: self.is_storing() }))
            }
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Uploaded> {
        if !self.is_storing() && self.tries < self.manners.tries() {
            return self.begin();
        }
        let waited = now.duration_since(self.since);
        Step::Done(Err(DialogError::Silent { phase: Phase::Transfer, waited }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{SESSION, Stage, manners};
    use super::*;
    use crate::wire::carrier::Carrier::{self, Tcp, Udp};

    fn upload(carrier: Carrier, checks: bool) -> Stage<Upload> {
        let block = (0..2500u32).map(|n| n as u8).collect();
        let store = Request::new(Command::TMP_WRITE, [3, 0, 6, 1, 10, 0]);
        Stage::open(carrier, Upload::new(block, store, checks, manners(carrier), Instant::now()))
    }

    fn ok(stage: &mut Stage<Upload>, times: usize) {
        (0..times).for_each(|_| stage.say(Command::ACK_OK, SESSION, &[]));
    }

    #[test]
    fn a_block_is_announced_sent_in_pieces_and_stored() {
        for (checks, middle) in [(true, vec![119]), (false, vec![])] {
            let mut stage = upload(Tcp, checks);
            ok(&mut stage, 6 + usize::from(checks));
            assert_eq!(stage.done, Some(Ok(Uploaded::Stored)));
            let codes: Vec<u16> = stage.requests().iter().map(|command| command.0).collect();
            assert_eq!(codes, [vec![1502, 1500, 1501, 1501, 1501], middle, vec![87]].concat());
            let data = stage.sent.iter().filter(|sent| sent.command == Command::DATA);
            let lengths: Vec<usize> = data.clone().map(|sent| sent.payload.len()).collect();
            assert_eq!(lengths, [1024, 1024, 452]);
            let bytes: Vec<u8> = data.flat_map(|sent| sent.payload.clone()).collect();
            assert_eq!(bytes, (0..2500u32).map(|n| n as u8).collect::<Vec<_>>());
            assert_eq!(stage.sent[1].payload, 2500u32.to_le_bytes());
        }
    }

    #[test]
    fn a_lost_datagram_begins_the_upload_anew_but_never_once_it_may_be_stored() {
        let mut stage = upload(Udp, false);
        ok(&mut stage, 3);
        stage.wait();
        assert_eq!(stage.asked().command, Command::FREE_DATA, "from the beginning");
        ok(&mut stage, 5);
        assert_eq!(stage.asked().command, Command::TMP_WRITE);
        stage.wait();
        assert!(matches!(stage.done, Some(Err(DialogError::Silent { .. }))));
        assert!(stage.talk.dialog().is_storing());
        let stored = stage.requests().iter().filter(|command| **command == Command::TMP_WRITE).count();
        assert_eq!(stored, 1);
    }

    #[test]
    fn over_a_stream_silence_is_the_end() {
        let mut stage = upload(Tcp, true);
        ok(&mut stage, 3);
        stage.wait();
        assert!(matches!(stage.done, Some(Err(DialogError::Silent { .. }))));
        assert!(!stage.talk.dialog().is_storing());
    }

    #[test]
    fn a_refusal_is_told_with_its_step_and_the_first_and_the_checksum_may_be_refused() {
        let mut stage = upload(Tcp, true);
        stage.say(Command::ACK_ERROR, SESSION, &[]);
        ok(&mut stage, 4);
        assert_eq!(stage.asked().command, Command::CHECKSUM_BUFFER);
        stage.say(Command::ACK_UNKNOWN, SESSION, &[]);
        stage.say(Command::ERR_FULL, SESSION, &[]);
        let refused = Uploaded::Refused { asked: Command::TMP_WRITE, code: Command::ERR_FULL, storing: true };
        assert_eq!(stage.done, Some(Ok(refused)));
        let mut stage = upload(Tcp, true);
        ok(&mut stage, 2);
        stage.say(Command::ACK_ERROR, SESSION, &[]);
        let refused = Uploaded::Refused { asked: Command::DATA, code: Command::ACK_ERROR, storing: false };
        assert_eq!(stage.done, Some(Ok(refused)));
        let mut stage = upload(Udp, true);
        stage.say(Command::ACK_UNAUTH, SESSION, &[]);
        assert_eq!(stage.done, Some(Err(DialogError::SessionLost)));
    }
}
