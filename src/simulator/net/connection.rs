//! One TCP connection: bytes in, and a script of steps to carry out on the way back.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::base::readiness::{Interest, Watched};
use crate::simulator::fault::Step;
use crate::simulator::outgoing::Peer;
use crate::wire::frame::FrameBuffer;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Watched<TcpStream>,
    /// The place of its device.
    pub(super) device: usize,
    pub(super) peer: Peer,
    /// Counts connections; no two have the same.
    pub(super) number: u64,
    pub(super) buffer: FrameBuffer,
    /// Nothing that comes is answered.
    pub(super) silent: bool,
    /// What is being written, and how much of it has been.
    out: Vec<u8>,
    written: usize,
    steps: VecDeque<Step>,
    resume: Option<Instant>,
}

/// How carrying out a script came to a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Everything is done.
    Done,
    /// The socket takes no more for now.
    Blocked,
    /// The rest is due then.
    Until(Instant),
    /// The device goes away for this long.
    Reboot(Duration),
    /// The connection is finished.
    Closed,
}

impl Connection {
    /// Bytes waiting to be written beyond which nothing more is read.
    const OUT_CEILING: usize = 1 << 20;
    /// Steps waiting beyond which nothing more is read.
    const STEPS_CEILING: usize = 4096;

    pub(super) fn new(stream: Watched<TcpStream>, device: usize, number: u64) -> Self {
        Self {
            stream,
            device,
            peer: Peer::Tcp(number),
            number,
            buffer: FrameBuffer::new(),
            silent: false,
            out: Vec::new(),
            written: 0,
            steps: VecDeque::new(),
            resume: None,
        }
    }

    /// Reads once; `false` at the end of the stream.
    pub(super) fn read(&mut self) -> bool {
        let room = self.buffer.missing().unwrap_or_default();
        match self.stream.socket().read(self.buffer.room(room)) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.filled(count);
                if self.silent {
                    self.buffer = FrameBuffer::new();
                }
                true
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// The place to write an answer to that is sent as it is, if nothing else has to be done first.
    pub(super) fn direct(&mut self) -> Option<&mut Vec<u8>> {
        (self.steps.is_empty() && self.resume.is_none()).then_some(&mut self.out)
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    /// Whether the script stands still until a time.
    pub(super) fn resume_at(&mut self, now: Instant) {
        if self.resume.is_some_and(|at| at <= now) {
            self.resume = None;
        }
    }

    /// Carries out what can be done now.
    pub(super) fn go_on(&mut self, now: Instant) -> Stop {
        loop {
            if let Some(at) = self.resume {
                return Stop::Until(at);
            }
            match self.write() {
                Ok(true) => {}
                Ok(false) => return Stop::Blocked,
                Err(_) => return Stop::Closed,
            }
            match self.steps.front_mut() {
                None => return Stop::Done,
                Some(Step::Pieces { bytes, at, most, exact, pause, rng }) => {
                    let most = (*most).max(1);
                    let length = if *exact { most } else { rng.usize(1..=most) };
                    let end = bytes.len().min(*at + length);
                    self.out.extend_from_slice(bytes.get(*at..end).unwrap_or_default());
                    *at = end;
                    let pause = *pause;
                    if end == bytes.len() {
                        self.steps.pop_front();
                    }
                    match self.write() {
                        Ok(true) if pause.is_zero() => {}
                        Ok(_) => self.resume = Some(now + pause),
                        Err(_) => return Stop::Closed,
                    }
                }
                Some(_) => match self.steps.pop_front() {
                    Some(Step::Send(bytes)) => self.out = bytes,
                    Some(Step::Wait(pause)) => self.resume = Some(now + pause),
                    Some(Step::Mute) => self.silent = true,
                    Some(Step::Fin) => {
                        // The client's end of stream closes this side; until then nothing is answered.
                        self.silent = true;
                        self.steps.clear();
                        if self.stream.socket().shutdown(Shutdown::Write).is_err() {
                            return Stop::Closed;
                        }
                    }
                    Some(Step::Rst) => {
                        self.reset_on_close();
                        return Stop::Closed;
                    }
                    Some(Step::Reboot(away)) => return Stop::Reboot(away),
                    Some(Step::Pieces { .. }) | None => {}
                },
            }
        }
    }

    /// Makes closing the connection a reset.
    pub(super) fn reset_on_close(&self) {
        if let Err(error) = SockRef::from(self.stream.socket()).set_linger(Some(Duration::ZERO)) {
            log::debug!("a connection cannot be reset: {error}");
        }
    }

    /// Asks to be told when there is something to do.
    pub(super) fn rearm(&self, stop: Stop) -> io::Result<()> {
        let full =
            self.out.len() - self.written > Self::OUT_CEILING || self.steps.len() > Self::STEPS_CEILING;
        self.stream.want(match (stop, full) {
            (Stop::Blocked, true) => Interest::Write,
            (Stop::Blocked, false) => Interest::Both,
            (_, true) => Interest::Nothing,
            (_, false) => Interest::Read,
        })
    }

    /// `true` when everything is written.
    fn write(&mut self) -> io::Result<bool> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.socket().write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        self.out.clear();
        // A large transfer's memory is not kept for the next small answer.
        self.out.shrink_to(Self::KEPT);
        Ok(true)
    }

    const KEPT: usize = 4096;
}
