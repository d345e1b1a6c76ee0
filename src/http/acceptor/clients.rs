//! What happens to a client connection: the transitions between its phases.
//!
//! After each event [`Reactor::settle`] makes interest, deadline and standing follow from the phase; no
//! transition does so by itself.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::SystemTime;

use socket2::SockRef;

use crate::base::readiness::{Interest, Ready};

use super::client::{Answering, Client, Phase, Then, WATCH_AFTER};
use super::intake::{Expiry, Request, Step};
use super::reactor::Reactor;
use super::refusal::Refusal;

impl Reactor {
    /// The socket of a client has something to say.
    pub(super) fn on_client(&mut self, key: usize, ready: Ready) {
        let Some(client) = self.clients.at(key) else { return };
        client.armed = Interest::Nothing;
        if ready.writable && !client.out.is_empty() {
            self.flush(key);
        }
        if ready.readable {
            self.listen(key);
        }
        self.settle(key);
    }

    /// A client's time is up, in one way or another.
    pub(super) fn on_client_due(&mut self, key: usize) {
        let now = self.now;
        let Some(client) = self.clients.at(key) else { return };
        match &mut client.phase {
            Phase::Reading => match client.intake.expiry() {
                Expiry::Close => self.close(key),
                Expiry::Refuse(refusal) => self.refuse(key, refusal),
            },
            Phase::Waiting { .. } => self.refuse(key, Refusal::Overloaded(BUSY)),
            Phase::Sent { until, watched, .. } if now < *until => *watched = true,
            Phase::Sent { link, .. } => {
                let link = *link;
                self.replace_link(link);
                self.refuse(key, Refusal::EngineSilent);
            }
            Phase::Answering(_) => self.cut(key),
            Phase::Lingering { .. } => self.close(key),
        }
        self.settle(key);
    }

    /// Makes interest, deadline and standing follow from the phase.
    pub(super) fn settle(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        let want = client.interest(&self.limits);
        if want != client.armed && want != Interest::Nothing {
            if client.socket.want(want).is_err() {
                return self.close(key);
            }
            client.armed = want;
        }
        self.client_deadlines.set(key, client.due(&self.limits));
        self.standings.set(key, client.near, client.worth());
    }

    /// Sends what is waiting, as far as the socket takes it.
    fn flush(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        let (mut sent, mut failed) = (0, false);
        while !client.out.is_empty() && sent < TURN {
            match write(client.socket.socket(), client.out.front()) {
                Written::Some(count) => {
                    client.out.advance(count);
                    sent += count;
                }
                Written::Full => break,
                Written::Failed => {
                    failed = true;
                    break;
                }
            }
        }
        self.answers = self.answers.saturating_sub(sent);
        if failed {
            return self.close(key);
        }
        if sent > 0
            && let Phase::Answering(answering) = &mut client.phase
        {
            answering.moved = self.now;
        }
        // There may be room again for what the engine has.
        if let Some(link) = client.link() {
            self.settle_link(link);
        }
        self.after_writing(key);
    }

    /// Sends bytes, or keeps what the socket does not take. `false` when the client has gone.
    pub(super) fn deliver(&mut self, key: usize, mut bytes: &[u8]) -> bool {
        let Some(client) = self.clients.at(key) else { return false };
        while client.out.is_empty() && !bytes.is_empty() {
            match write(client.socket.socket(), bytes) {
                Written::Some(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Written::Full => break,
                Written::Failed => {
                    self.close(key);
                    return false;
                }
            }
        }
        if let Phase::Answering(answering) = &mut client.phase
            && client.out.is_empty()
        {
            answering.moved = self.now;
        }
        client.out.push(bytes);
        self.answers += bytes.len();
        true
    }

    /// Goes on with what comes after an answer, if all of it is out.
    pub(super) fn after_writing(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        let Phase::Answering(Answering { link, then, .. }) = &client.phase else { return };
        let (link, then) = (*link, *then);
        if !client.out.is_empty() || link.is_some_and(|link| !self.links.has_all(link, key)) {
            return;
        }
        if let Some(link) = link {
            self.release_link(link);
        }
        match then {
            Then::KeepAlive if !self.draining => self.resume(key),
            Then::Linger => self.linger(key),
            // What was sent and not read would make the kernel throw our answer away.
            _ if self.clients.at(key).is_some_and(|client| client.intake.has_more()) => self.linger(key),
            _ => self.close(key),
        }
    }

    /// Answers with an error and closes.
    pub(super) fn refuse(&mut self, key: usize, refusal: Refusal) {
        let until = self.now + self.limits.answer_time;
        let answering = Answering { link: None, then: Then::Linger, endless: false, moved: self.now, until };
        let Some(client) = self.clients.at(key) else { return };
        let link = client.link();
        let phase = std::mem::replace(&mut client.phase, Phase::Answering(answering));
        let head_only = match &phase {
            Phase::Waiting { request, .. } => request.traits.head_only,
            Phase::Sent { traits, .. } => traits.head_only,
            _ => client.intake.head_only(),
        };
        self.bodies = self.bodies.saturating_sub(std::mem::take(&mut client.charged));
        if let Phase::Waiting { request, .. } = &phase {
            self.waiting(request.traits.health).retain(|waiting| *waiting != key);
        }
        if let Some(link) = link {
            self.abandon_link(link, key);
        }
        self.counters.refuse(refusal);
        self.deliver(key, &refusal.answer(head_only, SystemTime::now()));
        self.after_writing(key);
    }

    /// Closes at once and throws away what was not taken.
    pub(super) fn cut(&mut self, key: usize) {
        if let Some(client) = self.clients.at(key) {
            // Otherwise the kernel would keep megabytes for a client that does not read.
            let _ = SockRef::from(client.socket.socket()).set_linger(Some(std::time::Duration::ZERO));
            self.counters.cut.up();
        }
        self.close(key);
    }

    /// Closes a connection and lets go of all it held.
    pub(super) fn close(&mut self, key: usize) {
        let Some(client) = self.clients.remove(key) else { return };
        self.client_deadlines.set(key, None);
        self.standings.set(key, false, None);
        self.bodies = self.bodies.saturating_sub(client.charged);
        self.answers = self.answers.saturating_sub(client.out.len());
        if let Phase::Waiting { request, .. } = &client.phase {
            self.waiting(request.traits.health).retain(|waiting| *waiting != key);
        }
        if let Some(link) = client.link() {
            self.abandon_link(link, key);
        }
    }

    /// Reads what the client sent, as much as its phase has room for.
    pub(super) fn listen(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        let room = client.room(&self.limits).min(self.scratch.len());
        let Some(buffer) = self.scratch.get_mut(..room).filter(|buffer| !buffer.is_empty()) else { return };
        let mut socket: &TcpStream = client.socket.socket();
        match socket.read(buffer) {
            Ok(0) => self.on_end(key),
            Ok(count) => self.on_bytes(key, count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.close(key),
        }
    }

    fn on_bytes(&mut self, key: usize, count: usize) {
        let Some(client) = self.clients.at(key) else { return };
        let bytes = self.scratch.get(..count).unwrap_or_default();
        if let Phase::Lingering { left, .. } = &mut client.phase {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.close(key);
            }
            return;
        }
        let body = client.intake.put(bytes, self.now);
        client.charged += body;
        self.bodies += body;
        if body > 0 && self.bodies > self.limits.bodies_in_memory {
            return self.refuse(key, Refusal::Overloaded("Too many bodies are being received; try again."));
        }
        if matches!(client.phase, Phase::Reading) {
            self.advance(key);
        }
    }

    /// The client has closed its side.
    fn on_end(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        match &mut client.phase {
            // It may have closed only its own direction and still wait for the answer.
            Phase::Sent { .. } => client.ended = true,
            _ => self.close(key),
        }
    }

    fn resume(&mut self, key: usize) {
        let now = self.now;
        let Some(client) = self.clients.at(key) else { return };
        if client.ended {
            return self.close(key);
        }
        client.phase = Phase::Reading;
        client.intake.resume(now);
        if client.intake.has_more() {
            self.advance(key);
        }
    }

    fn advance(&mut self, key: usize) {
        let Some(client) = self.clients.at(key) else { return };
        match client.intake.step(self.now, client.peer, &self.limits) {
            Step::More => {}
            Step::Continue => drop(self.deliver(key, b"HTTP/1.1 100 Continue\r\n\r\n")),
            Step::Complete(request) => self.submit(key, request),
            Step::Refused(refusal) => self.refuse(key, refusal),
        }
    }

    /// Passes a request to a free link, or makes it wait for one.
    fn submit(&mut self, key: usize, request: Request) {
        let health = request.traits.health;
        let queue = self.waiting(health).len();
        if queue == 0
            && let Some(link) = self.links.take_free(health)
        {
            return self.dispatch(key, link, request);
        }
        let until = self.now + self.limits.waiting_time;
        let Some(client) = self.clients.at(key) else { return };
        client.phase = Phase::Waiting { request, until };
        if queue >= self.limits.waiting_requests {
            return self.refuse(key, Refusal::Overloaded(BUSY));
        }
        self.waiting(health).push_back(key);
    }

    /// Gives free links to those who wait.
    pub(super) fn serve_waiting(&mut self) {
        for health in [true, false] {
            while !self.waiting(health).is_empty() {
                let Some(link) = self.links.take_free(health) else { break };
                let Some(key) = self.waiting(health).pop_front() else { break };
                match self.clients.at(key).map(|client| std::mem::replace(&mut client.phase, Phase::Reading))
                {
                    Some(Phase::Waiting { request, .. }) => {
                        self.dispatch(key, link, request);
                        self.settle(key);
                    }
                    _ => self.links.put_free(link),
                }
            }
        }
    }

    fn dispatch(&mut self, key: usize, link: usize, request: Request) {
        let now = self.now;
        let until = now + self.limits.response_wait;
        let Some(client) = self.clients.at(key) else { return self.links.put_free(link) };
        let charged = std::mem::take(&mut client.charged);
        let traits = request.traits;
        client.phase = Phase::Sent { link, traits, until, watch_at: now + WATCH_AFTER, watched: false };
        self.counters.forwarded.up();
        self.give(link, key, request, charged, until);
    }

    fn linger(&mut self, key: usize) {
        let crowded = self.clients.count() * 4 > self.limits.max_connections * 3;
        let time = self.limits.linger_time / if crowded || self.draining { 10 } else { 1 };
        let phase = Phase::Lingering { until: self.now + time, left: self.limits.linger_bytes };
        let Some(client) = self.clients.at(key) else { return };
        client.phase = phase;
        if client.socket.socket().shutdown(Shutdown::Write).is_err() {
            self.close(key);
        }
    }
}

enum Written {
    Some(usize),
    Full,
    Failed,
}

fn write(mut socket: &TcpStream, bytes: &[u8]) -> Written {
    loop {
        return match socket.write(bytes) {
            Ok(0) => Written::Failed,
            Ok(count) => Written::Some(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Written::Full,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => Written::Failed,
        };
    }
}

/// All client connections, by key.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Option<Client>>,
    vacant: Vec<usize>,
    /// Vacated since the last [`Clients::recycle`]: an event for the old holder may still be on its way.
    vacated: Vec<usize>,
    count: usize,
}

impl Clients {
    pub(super) fn at(&mut self, key: usize) -> Option<&mut Client> {
        self.all.get_mut(key).and_then(Option::as_mut)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn keys(&self) -> Vec<usize> {
        self.all.iter().enumerate().filter(|(_, client)| client.is_some()).map(|(key, _)| key).collect()
    }

    /// The key that the next client gets.
    pub(super) fn next_key(&self) -> usize {
        self.vacant.last().copied().unwrap_or(self.all.len())
    }

    /// Enters a client under [`Clients::next_key`].
    pub(super) fn insert(&mut self, client: Client) {
        self.count += 1;
        match self.vacant.pop().and_then(|key| self.all.get_mut(key)) {
            Some(place) => *place = Some(client),
            None => self.all.push(Some(client)),
        }
    }

    pub(super) fn remove(&mut self, key: usize) -> Option<Client> {
        let client = self.all.get_mut(key)?.take()?;
        self.count -= 1;
        self.vacated.push(key);
        Some(client)
    }

    /// Lets keys be used again; called between two batches of events.
    pub(super) fn recycle(&mut self) {
        self.vacant.append(&mut self.vacated);
    }
}

/// How much is sent to one client before the others have their turn, in bytes.
const TURN: usize = 256 * 1024;
const BUSY: &str = "The service is busy; try again.";
