//! The fixed number of connections to the engine, and what happens to each.
//!
//! They are opened one at a time, and the next only after the last has answered a first request: so tiny_http
//! has a thread for each (its pool promises one thread to two connections that come together). They stay open;
//! one that broke, or whose answer nobody waits for any more, is replaced in the same way.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::readiness::{Interest, Ready, Watched};

use super::super::engine::HELLO_TARGET;
use super::client::{Answering, Phase, Then};
use super::intake::Request;
use super::reactor::Reactor;
use super::refusal::Refusal;
use super::relay::Relay;

#[derive(Debug)]
pub(super) struct Links {
    path: SockAddr,
    all: Vec<Link>,
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
enum Link {
    Absent,
    Open { socket: Watched<UnixStream>, armed: Interest, task: Task },
}

#[derive(Debug)]
enum Task {
    /// It has been asked for a first answer.
    Proving(Relay),
    Free,
    Busy(Errand),
}

/// One request and its answer.
#[derive(Debug)]
struct Errand {
    /// Who waits for the answer; `None` when it has gone.
    client: Option<usize>,
    relay: Relay,
    bytes: Vec<u8>,
    sent: usize,
    charged: usize,
    until: Instant,
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

    fn errand(&mut self, link: usize) -> Option<&mut Errand> {
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
        let pressed = self.pressed_until.is_some_and(|until| self.now < until);
        if pressed || self.links.opens_at().is_none_or(|at| at > self.now) {
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

    /// Gives a link a request of this client.
    pub(super) fn give(&mut self, link: usize, key: usize, request: Request, charged: usize, until: Instant) {
        let relay = Relay::new(request.traits.head_only, request.traits.http_1_0);
        let errand = Errand { client: Some(key), relay, bytes: request.bytes, sent: 0, charged, until };
        if let Some(Link::Open { task, .. }) = self.links.all.get_mut(link) {
            *task = Task::Busy(errand);
        }
        self.send(link);
        self.settle_link(link);
    }

    /// Sends what the engine has not got yet of a request.
    fn send(&mut self, link: usize) {
        let Some(Link::Open { socket, task: Task::Busy(errand), .. }) = self.links.all.get_mut(link) else {
            return;
        };
        let mut stream: &UnixStream = socket.socket();
        while let Some(rest) = errand.bytes.get(errand.sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(count) if count > 0 => errand.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return self.link_failed(link),
            }
        }
        errand.bytes = Vec::new();
        errand.sent = 0;
        self.bodies = self.bodies.saturating_sub(std::mem::take(&mut errand.charged));
    }

    /// Passes on what the engine sent, as far as there is room for it.
    fn receive(&mut self, link: usize) {
        if !self.has_room(link) {
            return;
        }
        let Some(Link::Open { socket, task: Task::Busy(errand), .. }) = self.links.all.get_mut(link) else {
            return;
        };
        let mut stream: &UnixStream = socket.socket();
        let count = match stream.read(&mut self.scratch) {
            Ok(count) if count > 0 => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            _ => return self.link_failed(link),
        };
        let bytes = self.scratch.get(..count).unwrap_or_default();
        let key = errand.client;
        let client = key.and_then(|key| self.clients.at(key));
        let close =
            self.draining || client.is_none_or(|client| !will_keep_alive(&client.phase) || client.ended);
        let mut staging = std::mem::take(&mut self.staging);
        staging.clear();
        let sound = errand.relay.pass(bytes, close, &mut staging).is_ok() && errand.bytes.is_empty();
        let (begun, done, endless) =
            (errand.relay.has_begun(), errand.relay.is_done(), errand.relay.is_endless());
        match key {
            Some(key) if begun => {
                self.begin_answer(key, link, close, endless);
                if self.deliver(key, &staging) {
                    self.after_receiving(link, key, sound, done);
                }
            }
            _ if !sound => self.link_failed(link),
            None if done => self.release_link(link),
            None if endless => self.replace_link(link),
            _ => {}
        }
        self.staging = staging;
    }

    fn begin_answer(&mut self, key: usize, link: usize, close: bool, endless: bool) {
        let (now, until) = (self.now, self.now + self.limits.answer_time);
        let Some(client) = self.clients.at(key) else { return };
        match &mut client.phase {
            Phase::Answering(answering) => {
                if client.out.is_empty() {
                    answering.moved = now;
                }
            }
            phase => {
                let then = if close { Then::Close } else { Then::KeepAlive };
                *phase = Phase::Answering(Answering { link: Some(link), then, endless, moved: now, until });
            }
        }
    }

    fn after_receiving(&mut self, link: usize, key: usize, sound: bool, done: bool) {
        if !sound {
            return self.link_failed(link);
        }
        // A small answer frees its link at once, however slowly the client reads it.
        if done && self.answers <= self.limits.answers_in_memory {
            if let Some(client) = self.clients.at(key)
                && let Phase::Answering(answering) = &mut client.phase
            {
                answering.link = None;
            }
            self.release_link(link);
        }
        self.after_writing(key);
        self.settle(key);
    }

    /// Whether the client of a link can take more.
    fn has_room(&mut self, link: usize) -> bool {
        let Some(errand) = self.links.errand(link) else { return true };
        if errand.relay.is_done() {
            return false;
        }
        let Some(key) = errand.client else { return true };
        let Some(client) = self.clients.at(key) else { return true };
        client.out.len() < self.limits.answer_buffer || self.answers < self.limits.answers_in_memory
    }

    /// A link has done its errand and may be given another.
    pub(super) fn release_link(&mut self, link: usize) {
        let Some(Link::Open { task, .. }) = self.links.all.get_mut(link) else { return };
        if !matches!(task, Task::Busy(_)) {
            return;
        }
        *task = Task::Free;
        self.link_deadlines.set(link, None);
        self.links.put_free(link);
        self.settle_link(link);
        self.serve_waiting();
    }

    /// The client of a link has gone.
    pub(super) fn abandon_link(&mut self, link: usize, key: usize) {
        let Some(errand) = self.links.errand(link).filter(|errand| errand.client == Some(key)) else {
            return;
        };
        if errand.relay.is_done() {
            self.release_link(link);
        } else if errand.relay.has_begun() {
            // Whoever is writing the answer learns at once that nobody reads it.
            self.replace_link(link);
        } else {
            // The request is with a worker and cannot be called back. The link stays taken, so that the
            // requests in flight are never more than they seem.
            errand.client = None;
            let until = errand.until;
            self.link_deadlines.set(link, Some(until));
        }
    }

    /// A link broke, or what came over it is no answer.
    fn link_failed(&mut self, link: usize) {
        let errand = self.links.errand(link);
        let waiting = errand.and_then(|errand| errand.client.map(|key| (key, errand.relay.has_begun())));
        self.replace_link(link);
        match waiting {
            Some((key, true)) => self.cut(key),
            Some((key, false)) => {
                self.refuse(key, Refusal::EngineFailed);
                self.settle(key);
            }
            None => {}
        }
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

fn will_keep_alive(phase: &Phase) -> bool {
    match phase {
        Phase::Sent { traits, .. } => traits.keep_alive,
        Phase::Answering(answering) => answering.then == Then::KeepAlive,
        Phase::Reading | Phase::Waiting { .. } | Phase::Lingering { .. } => false,
    }
}

/// How long a new link may take for its first answer.
const PROOF_TIME: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
