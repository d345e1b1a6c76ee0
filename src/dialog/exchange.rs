//! One command and its one reply.

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// What a device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: Command,
    /// The session field, which carries the answer of some commands.
    pub word: u16,
    /// What came with it.
    pub payload: Vec<u8>,
}

impl Reply {
    /// Whether the device did what was asked.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.code, Command::ACK_OK | Command::ACK_DATA)
    }
}

/// A command on its way.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    patience: Patience,
    /// How often it may still be said because nothing came; above 1 only for what is harmless to repeat.
    tries: u32,
    /// Whether it may be said again if the device asks for that.
    again: bool,
    pausing: bool,
    began: Option<Instant>,
}

/// How long a device that says "again" is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

impl Exchange {
    /// A command that is harmless to say twice: it only asks, or sets something to a stated value.
    #[must_use]
    pub fn harmless(request: Request, phase: Phase, manners: &Manners) -> Self {
        let patience = manners.patience(phase);
        Self { request, patience, tries: manners.tries(), again: true, pausing: false, began: None }
    }

    /// A command with an effect: said once, whatever happens.
    #[must_use]
    pub fn effect(request: Request, phase: Phase, manners: &Manners) -> Self {
        let patience = Patience { phase, limit: manners.reply };
        Self { request, patience, tries: 1, again: false, pausing: false, began: None }
    }

    /// A goodbye: the answer is awaited for at most `limit`.
    #[must_use]
    pub const fn farewell(limit: Duration) -> Self {
        let patience = Patience { phase: Phase::Farewell, limit };
        let request = Request::bare(Command::EXIT);
        Self { request, patience, tries: 1, again: false, pausing: false, began: None }
    }

    fn say(&self) -> Step<Reply> {
        Step::Ask(self.request.clone(), self.patience)
    }

    const fn pause(&self) -> Step<Reply> {
        Step::Wait(Patience { phase: self.patience.phase, limit: PAUSE })
    }
}

impl Dialog for Exchange {
    type Outcome = Reply;

    fn open(&mut self, now: Instant) -> Step<Reply> {
        self.began = Some(now);
        self.tries -= 1;
        self.say()
    }

    fn hear(&mut self, packet: &Packet<'_>, _now: Instant) -> Step<Reply> {
        match packet.command {
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            // A device that wants to be asked again gets one chance, and only for what is harmless anyway.
            Command::ACK_RETRY | Command::ACK_REPEAT if self.again => {
                (self.again, self.pausing) = (false, true);
                self.pause()
            }
            // The same answer once more, as datagrams do.
            _ if self.pausing => self.pause(),
            code => Step::Done(Ok(Reply { code, word: packet.session, payload: packet.payload.to_vec() })),
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Reply> {
        if std::mem::take(&mut self.pausing) {
            return self.say();
        }
        if self.tries > 0 {
            self.tries -= 1;
            return self.say();
        }
        let waited = self.began.map_or(Duration::ZERO, |began| now.duration_since(began));
        Step::Done(Err(DialogError::Silent { phase: self.patience.phase, waited }))
    }
}
