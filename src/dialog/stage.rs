//! A stage for dialogs in tests: a line, a clock that is moved by hand, and somebody who plays the device.

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::line::{Line, Matching};
use super::talk::{Next, Talk};
use super::{Dialog, Manners, Request};
use crate::wire::carrier::{Carrier, Outbox};
use crate::wire::command::Command;
use crate::wire::frame::FrameBuffer;
use crate::wire::packet::{Checksums, Packet};

/// A session id that is no small number.
pub(super) const SESSION: u16 = 0x2a31;

/// What was said to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) command: Command,
    pub(super) session: u16,
    pub(super) reply: u16,
    pub(super) payload: Vec<u8>,
    /// The bytes as they go to the carrier.
    pub(super) bytes: Vec<u8>,
}

/// What the device says: code, session field, payload.
pub(super) type Said = (Command, u16, Vec<u8>);

pub(super) struct Stage<D: Dialog> {
    pub(super) line: Line,
    pub(super) talk: Talk<D>,
    pub(super) now: Instant,
    pub(super) done: Option<Result<D::Outcome, DialogError>>,
    /// Requests and acknowledgements, in order.
    pub(super) sent: Vec<Sent>,
    out: Outbox,
}

pub(super) const REPLY: Duration = Duration::from_secs(6);
pub(super) const PROGRESS: Duration = Duration::from_secs(10);

pub(super) const fn manners(carrier: Carrier) -> Manners {
    Manners { carrier, reply: REPLY, progress: PROGRESS }
}

/// A line in the middle of a session, the next request of which has this number.
pub(super) fn line_at(session: u16, next: u16) -> Line {
    let mut line = Line::new(Matching::Strict);
    line.number(&Request::bare(Command::CONNECT));
    line.assign(session);
    for _ in 1..next {
        line.number(&Request::bare(Command::GET_TIME));
    }
    line
}

impl<D: Dialog> Stage<D> {
    /// Opens a dialog in the middle of a session.
    pub(super) fn open(carrier: Carrier, dialog: D) -> Self {
        Self::open_on(line_at(SESSION, 4), carrier, dialog)
    }

    /// Opens a dialog on this line.
    pub(super) fn open_on(mut line: Line, carrier: Carrier, dialog: D) -> Self {
        let now = Instant::now();
        let mut out = Outbox::new(carrier);
        let (talk, next) = Talk::open(dialog, &mut line, &mut out, now);
        let mut stage = Self { line, talk, now, done: None, sent: Vec::new(), out };
        stage.take(next);
        stage
    }

    /// The device answers the last request.
    pub(super) fn say(&mut self, command: Command, session: u16, payload: &[u8]) {
        let reply = self.asked().reply;
        self.hear(&Packet { command, session, reply, payload });
    }

    /// The device says all of these to the last request, unless the dialog is over or goes on to another one.
    pub(super) fn say_all(&mut self, said: &[Said]) {
        let reply = self.asked().reply;
        for (command, session, payload) in said {
            self.hear(&Packet { command: *command, session: *session, reply, payload });
        }
    }

    /// A packet comes, whatever it is.
    pub(super) fn hear(&mut self, packet: &Packet<'_>) {
        if self.done.is_none() {
            let next = self.talk.hear(packet, &mut self.line, &mut self.out, self.now);
            self.take(next);
        }
    }

    /// Nothing comes for as long as the dialog waits; gives how long that was.
    pub(super) fn wait(&mut self) -> Duration {
        let waited = self.talk.due().saturating_duration_since(self.now);
        self.now += waited;
        let next = self.talk.lapse(&mut self.line, &mut self.out, self.now);
        self.take(next);
        waited
    }

    /// The last request.
    pub(super) fn asked(&self) -> &Sent {
        let requests = self.sent.iter().rev();
        requests.into_iter().find(|sent| sent.command != Command::ACK_OK).expect("something was asked")
    }

    /// All requests, by their codes.
    pub(super) fn requests(&self) -> Vec<Command> {
        self.sent.iter().map(|sent| sent.command).filter(|command| *command != Command::ACK_OK).collect()
    }

    fn take(&mut self, next: Next<D::Outcome>) {
        let carrier = self.out.carrier();
        for bytes in self.out.datagrams() {
            let mut stream = FrameBuffer::new();
            stream.push(bytes);
            let packet = match carrier {
                Carrier::Tcp => stream.next_packet(Checksums::Strict).unwrap().unwrap(),
                Carrier::Udp => Packet::parse(bytes, Checksums::Strict).unwrap(),
            };
            self.sent.push(Sent {
                command: packet.command,
                session: packet.session,
                reply: packet.reply,
                payload: packet.payload.to_vec(),
                bytes: bytes.to_vec(),
            });
        }
        self.out.clear();
        if let Next::Done(result) = next {
            self.done = Some(result);
        }
    }
}
