//! Driving one dialog, for drivers that block and for drivers that wait on readiness: numbering requests,
//! acknowledging events, telling strays from replies, and knowing when patience ends.

use std::time::Instant;

use super::error::DialogError;
use super::line::{Heard, Line};
use super::{Dialog, Patience, Phase, Step};
use crate::wire::carrier::{Carrier, Outbox};
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// A dialog under way.
#[derive(Debug)]
pub struct Talk<D> {
    dialog: D,
    patience: Patience,
    since: Instant,
    /// What was asked last: the answer to `CMD_CONNECT` is special.
    asked: Option<Command>,
    answered: bool,
}

/// What the driver has to do: send what is in the outbox, and then this.
#[derive(Debug)]
pub enum Next<T> {
    /// Listen, at most until [`Talk::due`].
    Listen,
    /// Nothing more.
    Done(Result<T, DialogError>),
}

impl<D: Dialog> Talk<D> {
    /// Opens the dialog; its first request is in the outbox afterwards.
    pub fn open(mut dialog: D, line: &mut Line, out: &mut Outbox, now: Instant) -> (Self, Next<D::Outcome>) {
        let step = dialog.open(now);
        let patience = Patience { phase: Phase::Reply, limit: std::time::Duration::ZERO };
        let mut talk = Self { dialog, patience, since: now, asked: None, answered: false };
        let next = talk.follow(step, line, out, now);
        (talk, next)
    }

    /// Takes a packet from the device, whatever it is.
    pub fn hear(
        &mut self,
        packet: &Packet<'_>,
        line: &mut Line,
        out: &mut Outbox,
        now: Instant,
    ) -> Next<D::Outcome> {
        match line.hear(packet) {
            Heard::Reply => {
                self.answered = true;
                if self.asked == Some(Command::CONNECT) {
                    line.assign(packet.session);
                }
                let step = self.dialog.hear(packet, now);
                self.follow(step, line, out, now)
            }
            Heard::Event => {
                out.push(&line.acknowledgement());
                Next::Listen
            }
            // Datagrams are doubled and delayed, so late ones prove nothing.
            Heard::OutOfStep if out.carrier() == Carrier::Tcp => Next::Done(Err(DialogError::OutOfStep)),
            Heard::Stray | Heard::OutOfStep => Next::Listen,
        }
    }

    /// Takes note that nothing came until [`Talk::due`].
    pub fn lapse(&mut self, line: &mut Line, out: &mut Outbox, now: Instant) -> Next<D::Outcome> {
        let step = self.dialog.lapse(now);
        self.follow(step, line, out, now)
    }

    /// When the dialog's patience ends.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.since + self.patience.limit
    }

    /// Whether the device has said anything to the last request; events and strays are no answer.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// What is being waited for.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.patience.phase
    }

    /// The dialog.
    #[must_use]
    pub const fn dialog(&self) -> &D {
        &self.dialog
    }

    /// The dialog, for what it knows when it is over.
    #[must_use]
    pub fn into_dialog(self) -> D {
        self.dialog
    }

    fn follow(
        &mut self,
        step: Step<D::Outcome>,
        line: &mut Line,
        out: &mut Outbox,
        now: Instant,
    ) -> Next<D::Outcome> {
        match step {
            Step::Ask(request, patience) => {
                (self.asked, self.answered) = (Some(request.command), false);
                out.push(&line.number(&request));
                (self.patience, self.since) = (patience, now);
                Next::Listen
            }
            Step::Wait(patience) => {
                (self.patience, self.since) = (patience, now);
                Next::Listen
            }
            Step::Done(result) => Next::Done(result),
        }
    }
}
