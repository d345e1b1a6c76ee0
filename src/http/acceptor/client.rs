//! One client connection: its phase, and what follows from the phase: what it waits for, until when, and
//! whether it may be asked to go. The transitions are in [`super::clients`].

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::base::readiness::{Interest, Watched};

use super::head::Traits;
use super::intake::{Intake, Request};
use super::limits::Limits;
use super::outgoing::Outgoing;
use super::standing::Worth;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: Watched<TcpStream>,
    /// What the poller will tell of the socket.
    pub(super) armed: Interest,
    pub(super) peer: SocketAddr,
    pub(super) near: bool,
    pub(super) phase: Phase,
    pub(super) intake: Intake,
    pub(super) out: Outgoing,
    /// Body bytes that count against the common budget.
    pub(super) charged: usize,
    /// It has closed its side.
    pub(super) ended: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// The next request is coming in.
    Reading,
    /// A request is complete and no link is free.
    Waiting { request: Request, until: Instant },
    /// A request is with the engine. From `watch_at` on we notice when the client leaves.
    Sent { link: usize, traits: Traits, until: Instant, watch_at: Instant, watched: bool },
    /// An answer is going out.
    Answering(Answering),
    /// An error has been said; what the client still sends is thrown away so that it can read it.
    Lingering { until: Instant, left: usize },
}

#[derive(Debug)]
pub(super) struct Answering {
    /// Where the rest comes from; `None` when all of it is here.
    pub(super) link: Option<usize>,
    pub(super) then: Then,
    /// It is a stream of events, which ends when it likes.
    pub(super) endless: bool,
    /// Since when this answer, or the client's taking of it, has not moved.
    pub(super) moved: Instant,
    /// When all of it must be out.
    pub(super) until: Instant,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    KeepAlive,
    Close,
    Linger,
}

impl Client {
    pub(super) fn new(socket: Watched<TcpStream>, peer: SocketAddr, near: bool, now: Instant) -> Self {
        Self {
            socket,
            armed: Interest::Read,
            peer,
            near,
            phase: Phase::Reading,
            intake: Intake::new(now),
            out: Outgoing::default(),
            charged: 0,
            ended: false,
        }
    }

    /// How many bytes may be read now; none when reading must wait.
    pub(super) fn room(&self, limits: &Limits) -> usize {
        match &self.phase {
            Phase::Reading => self.intake.appetite(limits),
            Phase::Sent { watched, .. } if *watched && !self.ended => self.intake.appetite(limits),
            Phase::Answering(answering) if answering.endless => self.intake.appetite(limits),
            Phase::Lingering { left, .. } => *left,
            Phase::Waiting { .. } | Phase::Sent { .. } | Phase::Answering(_) => 0,
        }
    }

    /// What to be told of the socket.
    pub(super) fn interest(&self, limits: &Limits) -> Interest {
        match (self.room(limits) > 0, !self.out.is_empty()) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => Interest::Nothing,
        }
    }

    /// When to look at it again if nothing happens.
    pub(super) fn due(&self, limits: &Limits) -> Option<Instant> {
        match &self.phase {
            Phase::Reading => self.intake.due(limits),
            Phase::Waiting { until, .. } | Phase::Lingering { until, .. } => Some(*until),
            Phase::Sent { until, watched: true, .. } => Some(*until),
            Phase::Sent { until, watch_at, .. } => Some(*until.min(watch_at)),
            Phase::Answering(answering) => {
                let wait = if self.out.is_empty() { limits.response_wait } else { limits.answer_progress };
                let moves = answering.moved + wait;
                Some(if answering.endless { moves } else { moves.min(answering.until) })
            }
        }
    }

    /// What it is worth when another needs its place; `None` when it must be left alone.
    pub(super) fn worth(&self) -> Option<(Worth, Instant)> {
        match &self.phase {
            Phase::Lingering { until, .. } => Some((Worth::Lingering, *until)),
            Phase::Reading => {
                let (body, since) = self.intake.owing()?;
                Some((if body { Worth::Sending } else { Worth::Idle }, since))
            }
            Phase::Answering(Answering { link: None, moved, .. }) => Some((Worth::Reading, *moved)),
            Phase::Waiting { .. } | Phase::Sent { .. } | Phase::Answering(_) => None,
        }
    }

    /// The link that works for it.
    pub(super) fn link(&self) -> Option<usize> {
        match &self.phase {
            Phase::Sent { link, .. } => Some(*link),
            Phase::Answering(answering) => answering.link,
            Phase::Reading | Phase::Waiting { .. } | Phase::Lingering { .. } => None,
        }
    }
}

/// How long a request may be with the engine before we look whether its client is still there.
pub(super) const WATCH_AFTER: Duration = Duration::from_millis(250);
