//! The fixed number of connections to the engine, and what happens to each.
//!
//! They are opened one at a time, and the next only after the last has answered a first request: so tiny_http
//! has a thread for each (its pool promises one thread to two connections that come together). They stay open;
//! one that broke, or whose answer nobody waits for any more, is replaced in the same way. What they carry is in
//! [`super::errands`].

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::readiness::{Interest, Ready, Watched};

use super::super::engine::HELLO_TARGET;
use super::errands::Errand;
use super::reactor::Reactor;
use super::relay::Relay;

#[derive(Debug)]
pub(super) struct Links {
    path: SockAddr,
    pub(super) all: Vec<Link>,
    /// The first so many are for health requests.
    reserve: usize,
    free: Vec<usize>,
    free_reserve: Vec<usize>,
    absent: VecDeque<usize>,
    opening: bool,
    open_at: Instant,
    failures: u32,
}

#[derive(Debug)]
pub(super) enum Link {
    Absent,
    Open { socket: Watched<UnixStream>, armed: Interest, task: Task },
}

#[derive(Debug)]
pub(super) enum Task {
    /// It has been asked for a first answer.
    Proving(Relay),
    Free,
    Busy(Errand),
}

impl Links {
    pub(super) fn new(path: &Path, count: usize, reserve: usize, now: Instant) -> io::Result<Self> {
        Ok(Self {
            path: SockAddr::unix(path)?,
            all: (0..count).map(|_| Link::Absent).collect(),
            reserve,
            free: Vec::new(),
            free_reserve: Vec::new(),
            absent: (0..count).collect(),
            opening: false,
            open_at: now,
            failures: 0,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Links that are free or in use.
    pub(super) fn up(&self) -> usize {
        self.all.len() - self.absent.len() - usize::from(self.opening)
    }

    /// Links in use.
    pub(super) fn busy(&self) -> usize {
        self.up() - self.free.len() - self.free_reserve.len()
    }

    /// Takes a free link, the most recently used first; the reserve is for health requests only.
    pub(super) fn take_free(&mut self, health: bool) -> Option<usize> {
        let reserved = if health { self.free_reserve.pop() } else { None };
        reserved.or_else(|| self.free.pop())
    }

    pub(super) fn put_free(&mut self, link: usize) {
        if link < self.reserve { self.free_reserve.push(link) } else { self.free.push(link) }
    }

    /// Whether all that this link brings for this client is here.
    pub(super) fn has_all(&self, link: usize, key: usize) -> bool {
        match self.all.get(link) {
            Some(Link::Open { task: Task::Busy(errand), .. }) => {
                errand.client != Some(key) || errand.relay.is_done()
            }
            _ => true,
        }
    }

    /// When the next one may be opened; `None` while there is nothing to open or one is being opened.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        (!self.opening && !self.absent.is_empty()).then_some(self.open_at)
    }

    pub(super) fn errand(&mut self, link: usize) -> Option<&mut Errand> {
        match self.all.get_mut(link) {
            Some(Link::Open { task: Task::Busy(errand), .. }) => Some(errand),
            _ => None,
        }
    }

    fn forget_free(&mut self, link: usize) {
        self.free.retain(|free| *free != link);
        self.free_reserve.retain(|free| *free != link);
    }
}

impl Reactor {
    /// The socket of a link has something to say.
    pub(super) fn on_link(&mut self, link: usize, ready: Ready) {
        let Some(Link::Open { armed, task, .. }) = self.links.all.get_mut(link) else { return };
        *armed = Interest::Nothing;
        match task {
            Task::Proving(_) => self.prove(link),
            // It talks out of turn, or has ended.
            Task::Free => self.replace_link(link),
            Task::Busy(errand) => {
                if ready.writable && errand.sent < errand.bytes.len() {
                    self.send(link);
                }
                if ready.readable {
                    self.receive(link);
                }
            }
        }
        self.settle_link(link);
    }

    /// A link's time is up: no first answer, or none for a client that has gone.
    pub(super) fn on_link_due(&mut self, link: usize) {
        match self.links.all.get(link) {
            Some(Link::Open { task: Task::Proving(_), .. }) => self.open_failed(link, "it does not answer"),
            Some(Link::Open { task: Task::Busy(Errand { client: None, .. }), .. }) => self.replace_link(link),
            _ => {}
        }
    }

    /// Opens the next link, if there is one to open and it is time.
    pub(super) fn open_next(&mut self) {
        if self.is_short() || self.links.opens_at().is_none_or(|at| at > self.now) {
            return;
        }
        let Some(link) = self.links.absent.pop_front() else { return };
        self.links.opening = true;
        match self.connect(link) {
            Ok(socket) => {
                let task = Task::Proving(Relay::new(false, false));
                if let Some(place) = self.links.all.get_mut(link) {
                    *place = Link::Open { socket, armed: Interest::Read, task };
                }
                self.link_deadlines.set(link, Some(self.now + PROOF_TIME));
            }
            Err(error) => self.open_failed(link, &error.to_string()),
        }
    }

    fn connect(&self, link: usize) -> io::Result<Watched<UnixStream>> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // With a dead engine the backlog fills up; then this must fail and not wait.
        socket.set_nonblocking(true)?;
        socket.connect(&self.links.path)?;
        let mut stream = UnixStream::from(OwnedFd::from(socket));
        stream.write_all(format!("GET {HELLO_TARGET} HTTP/1.1\r\nHost: zkgate\r\n\r\n").as_bytes())?;
        self.readiness.watch(stream, self.link_key(link), Interest::Read)
    }

    fn prove(&mut self, link: usize) {
        let Some(Link::Open { socket, task: Task::Proving(relay), .. }) = self.links.all.get_mut(link) else {
            return;
        };
        let mut stream: &UnixStream = socket.socket();
        let failure = match stream.read(&mut self.scratch) {
            Ok(0) => "it closes the connection",
            Ok(count) => {
                self.staging.clear();
                let bytes = self.scratch.get(..count).unwrap_or_default();
                match relay.pass(bytes, false, &mut self.staging) {
                    Ok(()) if relay.is_done() => return self.proved(link),
                    Ok(()) => return,
                    Err(_) => "it does not answer as it should",
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(_) => "the connection breaks",
        };
        self.open_failed(link, failure);
    }

    fn proved(&mut self, link: usize) {
        if let Some(Link::Open { task, .. }) = self.links.all.get_mut(link) {
            *task = Task::Free;
        }
        self.link_deadlines.set(link, None);
        self.links.opening = false;
        if std::mem::take(&mut self.links.failures) > 0 {
            log::info!("the HTTP engine can be reached again");
        }
        self.links.put_free(link);
        self.serve_waiting();
        self.open_next();
    }

    fn open_failed(&mut self, link: usize, why: &str) {
        if let Some(place) = self.links.all.get_mut(link) {
            *place = Link::Absent;
        }
        self.link_deadlines.set(link, None);
        self.links.absent.push_front(link);
        self.links.opening = false;
        if self.links.failures == 0 {
            log::warn!("the HTTP engine cannot be reached: {why}");
        }
        self.links.open_at = self.now + (FIRST_PAUSE * (1 << self.links.failures.min(7))).min(LAST_PAUSE);
        self.links.failures = self.links.failures.saturating_add(1);
    }

    /// Closes a link; another will be opened in its place.
    pub(super) fn replace_link(&mut self, link: usize) {
        let Some(place) = self.links.all.get_mut(link) else { return };
        let Link::Open { task, .. } = std::mem::replace(place, Link::Absent) else { return };
        self.link_deadlines.set(link, None);
        match task {
            Task::Proving(_) => self.links.opening = false,
            Task::Free => self.links.forget_free(link),
            Task::Busy(errand) => self.bodies = self.bodies.saturating_sub(errand.charged),
        }
        self.links.absent.push_back(link);
        self.counters.links_lost.up();
        self.open_next();
    }

    /// Makes a link's interest follow from its task.
    pub(super) fn settle_link(&mut self, link: usize) {
        let room = self.has_room(link);
        let Some(Link::Open { socket, armed, task }) = self.links.all.get_mut(link) else { return };
        let unsent = matches!(task, Task::Busy(errand) if !errand.bytes.is_empty());
        let want = match (room, unsent) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => Interest::Nothing,
        };
        if want != *armed && want != Interest::Nothing {
            if socket.want(want).is_err() {
                return self.link_failed(link);
            }
            *armed = want;
        }
    }
}

/// How long a new link may take for its first answer.
const PROOF_TIME: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
