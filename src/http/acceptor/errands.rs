//! What a link carries: one request to the engine and its answer back to the client.
//!
//! A link is free again when the whole answer is here, however slowly the client takes it; more than a bounded
//! part of a long answer is not taken in, so that the engine's side waits for the client.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use socket2::SockRef;

use super::client::{Answering, Phase, Then};
use super::intake::Request;
use super::links::{Link, Task};
use super::reactor::Reactor;
use super::refusal::Refusal;
use super::relay::Relay;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Errand {
    /// Who waits for the answer; `None` when it has gone.
    pub(super) client: Option<usize>,
    pub(super) relay: Relay,
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
    pub(super) charged: usize,
    until: Instant,
}

impl Reactor {
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
    pub(super) fn send(&mut self, link: usize) {
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
    pub(super) fn receive(&mut self, link: usize) {
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
                if endless {
                    // A client that does not read is noticed soon, and the kernel keeps little for it until then.
                    let _ = SockRef::from(client.socket.socket()).set_send_buffer_size(ENDLESS_BUFFER);
                }
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
    pub(super) fn has_room(&mut self, link: usize) -> bool {
        let Some(errand) = self.links.errand(link) else { return true };
        if errand.relay.is_done() {
            return false;
        }
        let Some(key) = errand.client else { return true };
        let Some(client) = self.clients.at(key) else { return true };
        // A stream has time: it never takes of what others need.
        let common = !errand.relay.is_endless() && self.answers < self.limits.answers_in_memory;
        client.out.len() < self.limits.answer_buffer || common
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
    pub(super) fn link_failed(&mut self, link: usize) {
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
}

/// What the kernel keeps of a stream that its client has not taken, in bytes.
const ENDLESS_BUFFER: usize = 64 * 1024;

fn will_keep_alive(phase: &Phase) -> bool {
    match phase {
        Phase::Sent { traits, .. } => traits.keep_alive,
        Phase::Answering(answering) => answering.then == Then::KeepAlive,
        Phase::Reading | Phase::Waiting { .. } | Phase::Lingering { .. } => false,
    }
}
