//! One connection with its numbering and its buffers: what dialogs are driven over.
//!
//! There are two drivers, because a session is used in two ways: [`Link::converse`] blocks a worker for one call,
//! [`Link::pump`] takes what has come for a thread that waits on many links.

use std::sync::Arc;
use std::time::Instant;

use super::error::{DeviceError, Fault, Reached};
use crate::base::deadline::Deadline;
use crate::dialog::line::{Line, Matching};
use crate::dialog::talk::{Next, Talk};
use crate::dialog::{Dialog, Phase};
use crate::transport::socket::DATAGRAM_CEILING;
use crate::transport::tap::{Tap, TappedSession};
use crate::transport::{Socket, TransportError};
use crate::wire::carrier::{Carrier, Outbox};
use crate::wire::command::Command;
use crate::wire::frame::{FrameBuffer, FrameError};
use crate::wire::packet::{Checksums, Packet};

/// A connection that speaks packets.
#[derive(Debug)]
pub(super) struct Link {
    socket: Arc<Socket>,
    line: Line,
    inbox: Inbox,
    out: Outbox,
    checksums: Checksums,
    tap: TappedSession,
}

/// What came and is not understood yet.
#[derive(Debug)]
enum Inbox {
    Stream(FrameBuffer),
    /// One datagram, and how long it is; no memory while there is none.
    Datagram {
        bytes: Vec<u8>,
        length: Option<usize>,
    },
}

/// How often a thread that waits on many links reads from one of them before it looks at the others: a device that
/// never stops talking must not keep it.
const FILLS_AT_ONCE: u32 = 32;
/// Room for one read during a transfer, in bytes.
const TRANSFER_ROOM: usize = 128 * 1024;

impl Link {
    pub(super) fn new(socket: Arc<Socket>, matching: Matching, checksums: Checksums, tap: &Tap) -> Self {
        let carrier = socket.carrier();
        let tap = tap.session(carrier);
        let inbox = match carrier {
            Carrier::Tcp => Inbox::Stream(FrameBuffer::new()),
            Carrier::Udp => Inbox::Datagram { bytes: Vec::new(), length: None },
        };
        Self { socket, line: Line::new(matching), inbox, out: Outbox::new(carrier), checksums, tap }
    }

    pub(super) const fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    pub(super) const fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// Holds a whole conversation, waiting for it. The socket is in blocking mode.
    pub(super) fn converse<D: Dialog>(
        &mut self,
        dialog: D,
        deadline: Deadline,
    ) -> Result<D::Outcome, DeviceError> {
        self.converse_with(dialog, deadline).map(|(outcome, _)| outcome).map_err(|(error, _)| error)
    }

    /// The same, giving back the dialog for what it knows of a failure.
    pub(super) fn converse_with<D: Dialog>(
        &mut self,
        dialog: D,
        deadline: Deadline,
    ) -> Result<(D::Outcome, D), (DeviceError, D)> {
        self.converse_in_part(dialog, deadline).inspect(|_| self.inbox.rest())
    }

    /// The same as part of something longer: what memory it needed, the next part will need too.
    pub(super) fn converse_in_part<D: Dialog>(
        &mut self,
        dialog: D,
        deadline: Deadline,
    ) -> Result<(D::Outcome, D), (DeviceError, D)> {
        let (mut talk, mut next) = Talk::open(dialog, &mut self.line, &mut self.out, Instant::now());
        let mut reached = Reached::No;
        let fault = loop {
            if !self.out.is_empty() {
                self.tap.sending(&self.out);
                match self.socket.send(&mut self.out, deadline) {
                    Ok(()) => reached = Reached::Perhaps,
                    Err(error) => break Self::timed(error),
                }
            }
            match next {
                Next::Done(Ok(outcome)) => return Ok((outcome, talk.into_dialog())),
                Next::Done(Err(error)) => break error.into(),
                Next::Listen => {}
            }
            next = match self.inbox.next(self.checksums, &self.tap) {
                Ok(Some(packet)) => {
                    let next = talk.hear(&packet, &mut self.line, &mut self.out, Instant::now());
                    if talk.is_answered() {
                        reached = Reached::Yes;
                    }
                    next
                }
                Ok(None) => {
                    let until = deadline.min(Deadline::at(talk.due()));
                    match self.inbox.fill(&self.socket, talk.phase(), until) {
                        Ok(()) => Next::Listen,
                        Err(TransportError::TimedOut) if deadline.passed(Instant::now()) => {
                            break Fault::DeadlineExceeded;
                        }
                        Err(TransportError::TimedOut) => {
                            talk.lapse(&mut self.line, &mut self.out, Instant::now())
                        }
                        Err(error) => break error.into(),
                    }
                }
                Err(error) => break error.into(),
            };
        };
        let phase = talk.phase();
        Err((self.noted(DeviceError { fault, phase, reached }), talk.into_dialog()))
    }

    /// Opens a conversation without waiting. The socket is in non-blocking mode.
    pub(super) fn open<D: Dialog>(&mut self, dialog: D, now: Instant) -> Result<Talk<D>, DeviceError> {
        let (talk, _) = Talk::open(dialog, &mut self.line, &mut self.out, now);
        self.send_now(talk.phase(), Reached::No)?;
        Ok(talk)
    }

    /// Takes what has come, and the passing of time, without waiting: the outcome once there is one.
    pub(super) fn pump<D: Dialog>(
        &mut self,
        talk: &mut Talk<D>,
        now: Instant,
    ) -> Result<Option<D::Outcome>, DeviceError> {
        self.pump_on(talk, now).map_err(|error| self.noted(error))
    }

    fn pump_on<D: Dialog>(
        &mut self,
        talk: &mut Talk<D>,
        now: Instant,
    ) -> Result<Option<D::Outcome>, DeviceError> {
        let failed = |talk: &Talk<D>, fault: Fault| DeviceError {
            fault,
            phase: talk.phase(),
            reached: Reached::Perhaps,
        };
        let mut fills = 0;
        loop {
            let next = match self.inbox.next(self.checksums, &self.tap) {
                Ok(Some(packet)) => talk.hear(&packet, &mut self.line, &mut self.out, now),
                Ok(None) if fills == FILLS_AT_ONCE && now < talk.due() => return Ok(None),
                Ok(None) if fills == FILLS_AT_ONCE => {
                    fills = 0;
                    talk.lapse(&mut self.line, &mut self.out, now)
                }
                Ok(None) => match self.inbox.fill_now(&self.socket) {
                    Ok(true) => {
                        fills += 1;
                        continue;
                    }
                    Ok(false) if now >= talk.due() => talk.lapse(&mut self.line, &mut self.out, now),
                    Ok(false) => return Ok(None),
                    Err(error) => return Err(failed(talk, error.into())),
                },
                Err(error) => return Err(failed(talk, error.into())),
            };
            self.send_now(talk.phase(), Reached::Perhaps)?;
            if let Next::Done(result) = next {
                self.inbox.rest();
                return result.map(Some).map_err(|error| failed(talk, error.into()));
            }
        }
    }

    /// Takes what came although nothing was asked: events are set aside and acknowledged, anything else ends the
    /// session. The socket is in non-blocking mode.
    pub(super) fn overhear(&mut self) -> Result<(), DeviceError> {
        self.overhear_on().map_err(|error| self.noted(error))
    }

    fn overhear_on(&mut self) -> Result<(), DeviceError> {
        let failed = |fault| DeviceError { fault, phase: Phase::Reply, reached: Reached::No };
        let mut fills = 0;
        loop {
            match self.inbox.next(self.checksums, &self.tap) {
                Ok(Some(packet)) if packet.command == Command::REG_EVENT => {
                    self.line.hear(&packet);
                    let acknowledgement = self.line.acknowledgement();
                    self.out.push(&acknowledgement);
                }
                // Late datagrams are ordinary; a stream that talks out of turn is not.
                Ok(Some(_)) if self.out.carrier() == Carrier::Udp => {}
                Ok(Some(_)) => return Err(failed(Fault::OutOfTurn)),
                // The rest is there at the next look.
                Ok(None) if fills == FILLS_AT_ONCE => break,
                Ok(None) => match self.inbox.fill_now(&self.socket) {
                    Ok(true) => fills += 1,
                    Ok(false) => break,
                    Err(error) => return Err(failed(error.into())),
                },
                Err(error) => return Err(failed(error.into())),
            }
        }
        self.inbox.rest();
        self.send_now(Phase::Reply, Reached::No)
    }

    /// Waits for an event and sets it aside, acknowledged; `false` when none comes in time. The socket is in
    /// blocking mode.
    pub(super) fn listen(&mut self, until: Deadline) -> Result<bool, DeviceError> {
        self.listen_on(until).map_err(|error| self.noted(error))
    }

    fn listen_on(&mut self, until: Deadline) -> Result<bool, DeviceError> {
        let failed = |fault| DeviceError { fault, phase: Phase::Reply, reached: Reached::No };
        loop {
            match self.inbox.next(self.checksums, &self.tap) {
                Ok(Some(packet)) if packet.command == Command::REG_EVENT => {
                    self.line.hear(&packet);
                    let acknowledgement = self.line.acknowledgement();
                    self.out.push(&acknowledgement);
                    self.tap.sending(&self.out);
                    self.socket.send(&mut self.out, until).map_err(|error| failed(Self::timed(error)))?;
                    return Ok(true);
                }
                Ok(Some(_)) if self.out.carrier() == Carrier::Udp => {}
                Ok(Some(_)) => return Err(failed(Fault::OutOfTurn)),
                Ok(None) => match self.inbox.fill(&self.socket, Phase::Reply, until) {
                    Ok(()) => {}
                    Err(TransportError::TimedOut) => return Ok(false),
                    Err(error) => return Err(failed(error.into())),
                },
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    fn send_now(&mut self, phase: Phase, reached: Reached) -> Result<(), DeviceError> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.tap.sending(&self.out);
        self.socket.send_now(&mut self.out).map_err(|error| DeviceError {
            fault: error.into(),
            phase,
            reached,
        })
    }

    /// An error on its way out; if it ends the session, that is how the session ended.
    fn noted(&mut self, error: DeviceError) -> DeviceError {
        if !error.keeps_session() {
            let how = match &error.fault {
                Fault::Transport(TransportError::Closed) => "closed",
                Fault::Transport(TransportError::Reset(_)) => "reset",
                _ => error.code(),
            };
            self.tap.fails(how);
        }
        error
    }

    fn timed(error: TransportError) -> Fault {
        match error {
            TransportError::TimedOut => Fault::DeadlineExceeded,
            error => error.into(),
        }
    }
}

impl Inbox {
    /// The next packet. A damaged datagram is dropped as if it had been lost.
    fn next(&mut self, checksums: Checksums, tap: &TappedSession) -> Result<Option<Packet<'_>>, FrameError> {
        let packet = match self {
            Self::Stream(buffer) => buffer.next_packet(checksums)?,
            Self::Datagram { bytes, length } => {
                let datagram = length.take().and_then(|length| bytes.get(..length));
                datagram.and_then(|datagram| Packet::parse(datagram, checksums).ok())
            }
        };
        Ok(packet.inspect(|packet| tap.heard(packet)))
    }

    fn fill(&mut self, socket: &Socket, phase: Phase, until: Deadline) -> Result<(), TransportError> {
        let count = socket.receive(self.room(phase), until)?;
        self.filled(count);
        Ok(())
    }

    fn fill_now(&mut self, socket: &Socket) -> Result<bool, TransportError> {
        let count = socket.receive_now(self.room(Phase::Reply))?;
        count.inspect(|count| self.filled(*count));
        Ok(count.is_some())
    }

    fn room(&mut self, phase: Phase) -> &mut [u8] {
        match self {
            Self::Stream(buffer) => buffer.room(if phase == Phase::Transfer { TRANSFER_ROOM } else { 0 }),
            Self::Datagram { bytes, .. } => {
                bytes.resize(DATAGRAM_CEILING, 0);
                bytes
            }
        }
    }

    fn filled(&mut self, count: usize) {
        match self {
            Self::Stream(buffer) => buffer.filled(count),
            Self::Datagram { length, .. } => *length = Some(count),
        }
    }

    /// Gives back memory between conversations.
    fn rest(&mut self) {
        match self {
            Self::Stream(buffer) => buffer.shrink(),
            Self::Datagram { bytes, .. } => *bytes = Vec::new(),
        }
    }
}
