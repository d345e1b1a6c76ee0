//! Making a session without blocking: one attempt after another, each with a report of its steps.
//!
//! A [`Dial`] is driven by readiness: it says which socket it waits on and until when, and is told when either
//! has happened. One thread can drive hundreds. [`Session::connect`] drives a single one and waits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{DeviceError, Fault, Reached};
use super::link::Link;
use super::session::{Session, SessionSettings};
use crate::base::deadline::Deadline;
use crate::base::readiness::{Interest, Readiness, ReadyList};
use crate::dialog::Phase;
use crate::dialog::hello::Hello;
use crate::dialog::talk::Talk;
use crate::transport::socket::Opening;
use crate::transport::tap::Tap;
use crate::transport::{Socket, TransportError};
use crate::wire::carrier::Carrier;
use crate::wire::comm_key::CommKey;
use crate::wire::frame::FrameError;

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Address and port, the same for both carriers.
    pub address: SocketAddr,
    /// The device's communication password.
    pub comm_key: CommKey,
    /// What to try, in this order.
    pub carriers: Vec<Carrier>,
}

/// What one step of an attempt took, and whether it went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTaken {
    /// Over what.
    pub carrier: Carrier,
    /// Which step.
    pub phase: Phase,
    /// How long it took.
    pub took: Duration,
    /// Whether it went well.
    pub ok: bool,
}

/// An attempt to connect.
#[derive(Debug)]
pub struct Dial {
    target: Target,
    settings: SessionSettings,
    tap: Tap,
    /// How many of the target's carriers have been tried, the present one included.
    tried: usize,
    stage: Stage,
    steps: Vec<StepTaken>,
    /// Why the first carrier failed: what is reported if all do.
    first_failure: Option<DeviceError>,
}

#[derive(Debug)]
enum Stage {
    Reaching { socket: Arc<Socket>, since: Instant },
    Greeting(Box<(Link, Talk<Hello>)>),
    Over,
}

/// What a driver has to do next.
#[derive(Debug)]
pub enum DialStep {
    /// Wait on [`Dial::socket`] for [`Dial::interest`], at most until [`Dial::due`]. The socket may be another one
    /// than before.
    Wait,
    /// It is over.
    Done(Result<Box<Session>, DeviceError>),
}

/// How long the second carrier is tried for: it is a guess, and a wrong one must not cost much.
const GUESS: Duration = Duration::from_secs(2);

impl Dial {
    /// Begins.
    #[must_use]
    pub fn begin(target: Target, settings: SessionSettings, now: Instant) -> (Self, DialStep) {
        Self::begin_tapped(target, settings, Tap::default(), now)
    }

    /// The same, showing every packet of the session to a tap.
    #[must_use]
    pub fn begin_tapped(
        target: Target,
        settings: SessionSettings,
        tap: Tap,
        now: Instant,
    ) -> (Self, DialStep) {
        let (steps, first_failure) = (Vec::new(), None);
        let mut dial = Self { target, settings, tap, tried: 0, stage: Stage::Over, steps, first_failure };
        let step = dial.try_next(now);
        (dial, step)
    }

    /// The socket to wait on, while there is one.
    #[must_use]
    pub const fn socket(&self) -> Option<&Arc<Socket>> {
        match &self.stage {
            Stage::Reaching { socket, .. } => Some(socket),
            Stage::Greeting(parts) => Some(parts.0.socket()),
            Stage::Over => None,
        }
    }

    /// What to wait for.
    #[must_use]
    pub const fn interest(&self) -> Interest {
        match &self.stage {
            Stage::Reaching { .. } => Interest::Write,
            Stage::Greeting(_) => Interest::Read,
            Stage::Over => Interest::Nothing,
        }
    }

    /// Until when to wait.
    #[must_use]
    pub fn due(&self, now: Instant) -> Instant {
        match &self.stage {
            Stage::Reaching { since, .. } => *since + self.settings.connect,
            Stage::Greeting(parts) => parts.1.due(),
            Stage::Over => now,
        }
    }

    /// What it is doing.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Greeting(parts) => parts.1.phase(),
            Stage::Reaching { .. } | Stage::Over => Phase::Reach,
        }
    }

    /// The steps taken so far, of all attempts.
    #[must_use]
    pub fn steps(&self) -> &[StepTaken] {
        &self.steps
    }

    /// Goes on: the socket is ready, or the time has come.
    pub fn advance(&mut self, now: Instant) -> DialStep {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reaching { socket, since } => match socket.opened() {
                Ok(Opening::Open) => self.greet(socket, since, now),
                Ok(Opening::Pending) if now < since + self.settings.connect => {
                    self.stage = Stage::Reaching { socket, since };
                    DialStep::Wait
                }
                Ok(Opening::Pending) => {
                    let silence = io::Error::new(io::ErrorKind::TimedOut, "nothing answers there");
                    self.not_reached(TransportError::Unreachable(silence), since, now)
                }
                Err(error) => self.not_reached(error, since, now),
            },
            Stage::Greeting(parts) => self.go_on(parts, now),
            Stage::Over => DialStep::Wait,
        }
    }

    /// Ends it before its time: what it was doing did not go well.
    pub fn abandon(&mut self, now: Instant) -> DeviceError {
        let phase = self.phase();
        let since = match &self.stage {
            Stage::Reaching { since, .. } => *since,
            Stage::Greeting(parts) => {
                let hello = parts.1.dialog();
                let (timings, since) = (hello.timings().to_vec(), hello.since());
                timings.into_iter().for_each(|(phase, took)| self.note(phase, took, true));
                since
            }
            Stage::Over => now,
        };
        self.note(phase, now.saturating_duration_since(since), false);
        self.stage = Stage::Over;
        failure(Fault::DeadlineExceeded, phase)
    }

    fn try_next(&mut self, now: Instant) -> DialStep {
        let Some(carrier) = self.target.carriers.get(self.tried).copied() else {
            let nothing = TransportError::Unreachable(io::Error::other("no transport to try"));
            let failure = self.first_failure.take().unwrap_or_else(|| failure(nothing.into(), Phase::Reach));
            return DialStep::Done(Err(failure));
        };
        self.tried += 1;
        match Socket::open(self.target.address, carrier) {
            Ok((socket, Opening::Open)) => self.greet(Arc::new(socket), now, now),
            Ok((socket, Opening::Pending)) => {
                self.stage = Stage::Reaching { socket: Arc::new(socket), since: now };
                DialStep::Wait
            }
            Err(error) => self.not_reached(error, now, now),
        }
    }

    fn greet(&mut self, socket: Arc<Socket>, since: Instant, now: Instant) -> DialStep {
        let carrier = socket.carrier();
        self.note(Phase::Reach, now.duration_since(since), true);
        let mut manners = self.settings.manners(carrier);
        if self.tried > 1 {
            manners.reply = manners.reply.min(GUESS);
        }
        let mut link = Link::new(socket, self.settings.matching, self.settings.checksums, &self.tap);
        match link.open(Hello::new(self.target.comm_key.clone(), manners, now), now) {
            Ok(talk) => {
                self.stage = Stage::Greeting(Box::new((link, talk)));
                DialStep::Wait
            }
            Err(error) => self.failed(DeviceError { phase: Phase::Handshake, ..error }, now),
        }
    }

    fn go_on(&mut self, mut parts: Box<(Link, Talk<Hello>)>, now: Instant) -> DialStep {
        let (link, talk) = &mut *parts;
        match link.pump(talk, now) {
            Ok(None) => {
                self.stage = Stage::Greeting(parts);
                DialStep::Wait
            }
            Ok(Some(greeting)) => {
                for (phase, took) in greeting.timings {
                    self.note(phase, took, true);
                }
                // From here on the session is used by workers that wait.
                if let Err(error) = link.socket().set_blocking(true) {
                    return self.failed(failure(error.into(), Phase::Identify), now);
                }
                let session = Session::new(parts.0, self.settings, greeting.serial_number);
                DialStep::Done(Ok(Box::new(session)))
            }
            Err(error) => {
                for (phase, took) in talk.dialog().timings().to_vec() {
                    self.note(phase, took, true);
                }
                let took = now.duration_since(talk.dialog().since());
                self.note(error.phase, took, false);
                self.failed(error, now)
            }
        }
    }

    fn not_reached(&mut self, error: TransportError, since: Instant, now: Instant) -> DialStep {
        self.note(Phase::Reach, now.duration_since(since), false);
        self.failed(failure(error.into(), Phase::Reach), now)
    }

    /// One carrier failed: the next one, unless the answer would be the same.
    fn failed(&mut self, error: DeviceError, now: Instant) -> DialStep {
        self.stage = Stage::Over;
        let final_word =
            error.needs_a_person() || matches!(error.fault, Fault::Frame(FrameError::Prefix { .. }));
        if final_word {
            return DialStep::Done(Err(error));
        }
        self.first_failure.get_or_insert(error);
        self.try_next(now)
    }

    fn note(&mut self, phase: Phase, took: Duration, ok: bool) {
        let last = self.tried.saturating_sub(1);
        let carrier = self.target.carriers.get(last).copied().unwrap_or(Carrier::Tcp);
        self.steps.push(StepTaken { carrier, phase, took, ok });
    }
}

const fn failure(fault: Fault, phase: Phase) -> DeviceError {
    DeviceError { fault, phase, reached: Reached::No }
}

impl Session {
    /// Connects, waiting for it.
    ///
    /// # Errors
    /// [`DeviceError`]; [`Fault::DeadlineExceeded`] when the deadline passes before the attempt has ended.
    pub fn connect(
        target: Target,
        settings: SessionSettings,
        deadline: Deadline,
    ) -> Result<Self, DeviceError> {
        Self::connect_tapped(target, settings, Tap::default(), deadline)
    }

    /// The same, showing every packet of the session to a tap.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn connect_tapped(
        target: Target,
        settings: SessionSettings,
        tap: Tap,
        deadline: Deadline,
    ) -> Result<Self, DeviceError> {
        let refused = |error: io::Error| failure(TransportError::Io(error).into(), Phase::Reach);
        let readiness = Readiness::new().map_err(refused)?;
        let mut ready = ReadyList::new();
        let (mut dial, mut step) = Dial::begin_tapped(target, settings, tap, Instant::now());
        loop {
            if let DialStep::Done(result) = step {
                return result.map(|session| *session);
            }
            let now = Instant::now();
            let Some(left) = deadline.remaining(now) else {
                return Err(failure(Fault::DeadlineExceeded, dial.phase()));
            };
            let patience = dial.due(now).saturating_duration_since(now);
            if let Some(socket) = dial.socket() {
                let watch = readiness.watch(Arc::clone(socket), 0, dial.interest()).map_err(refused)?;
                readiness.wait(&mut ready, Some(left.min(patience))).map_err(refused)?;
                drop(watch);
            }
            step = dial.advance(Instant::now());
        }
    }
}
