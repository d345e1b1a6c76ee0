//! Playing a script: each request gets the answer that the capture has for it.
//!
//! The same request gets the captured answers in their order, and the last of them from then on. What was never asked
//! gets what a device says to a command that it does not know.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Exchange, Replay};
use crate::simulator::net::How;
use crate::simulator::outgoing::{Body, Outgoing, Peer, Role};
use crate::wire::bulk::{Announcement, Chunk, FRAGMENT_UDP};
use crate::wire::bytes::Reader;
use crate::wire::capture::Frame;
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::option;
use crate::wire::packet::Packet;

/// One device that plays a script.
#[derive(Debug)]
pub(crate) struct Player {
    replay: Arc<Replay>,
    /// Which exchanges were played.
    played: Vec<bool>,
    /// Which events were told, or are about to be.
    told: Vec<bool>,
    talks: HashMap<Peer, Talk>,
    next_session: u16,
    waiting: Vec<(Instant, Outgoing)>,
    ending: Option<(Duration, How)>,
}

/// One conversation.
#[derive(Clone, Copy, Debug)]
struct Talk {
    id: u16,
    /// The exchange that prepared what stands in the transfer buffer.
    prepared: Option<usize>,
}

/// The most conversations that are remembered.
const TALKS: usize = 64;
/// The most bytes in one packet over TCP, of a chunk that nobody had asked for in the capture.
const FRAGMENT_TCP: usize = 32 * 1024;
const SERIAL_NUMBER: &str = "~SerialNumber";

impl Player {
    /// A device whose first session has this id.
    pub(crate) fn new(replay: Arc<Replay>, first_session: u16) -> Self {
        Self {
            played: vec![false; replay.exchanges.len()],
            told: vec![false; replay.events.len()],
            replay,
            talks: HashMap::new(),
            next_session: first_session.max(1),
            waiting: Vec::new(),
            ending: None,
        }
    }

    /// Answers one packet.
    pub(crate) fn handle(&mut self, peer: Peer, packet: &Packet<'_>, now: Instant, out: &mut Vec<Outgoing>) {
        let say = |command, session| plain(peer, command, session, packet.reply, Vec::new());
        if packet.command == Command::CONNECT {
            return self.connect(peer, packet, out);
        }
        let Some(talk) = self.talks.get(&peer).copied().filter(|talk| talk.id == packet.session) else {
            if packet.session == 0 && packet.command != Command::ACK_OK {
                out.push(say(Command::ACK_UNAUTH, 0));
            }
            return;
        };
        match packet.command {
            // It acknowledges an event.
            Command::ACK_OK => return,
            Command::AUTH if self.replay.accepts_keys => return out.push(say(Command::ACK_OK, talk.id)),
            _ => {}
        }
        let found = self.find(peer, packet, talk.prepared);
        match found {
            Some(place) => self.play(place, peer, packet, talk.id, out),
            None => self.improvise(peer, packet, talk, out),
        }
        match packet.command {
            Command::EXIT => drop(self.talks.remove(&peer)),
            Command::DATA_WRRQ => {
                self.talks.insert(peer, Talk { prepared: found, ..talk });
            }
            Command::REG_EVENT if Reader::new(packet.payload).u32().is_ok_and(|mask| mask != 0) => {
                self.promise_events(found, peer, now);
            }
            _ => {}
        }
    }

    /// How the connection on which was answered last comes to its end, if it does.
    pub(crate) fn take_ending(&mut self) -> Option<(Duration, How)> {
        self.ending.take()
    }

    pub(crate) fn session_count(&self) -> usize {
        self.talks.len()
    }

    /// Forgets a conversation: its connection is gone.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.talks.remove(&peer);
        self.waiting.retain(|(_, event)| event.peer != peer);
    }

    pub(crate) fn restart(&mut self) {
        self.talks.clear();
        self.waiting.clear();
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.waiting.iter().map(|(due, _)| *due).min()
    }

    pub(crate) fn due_events(&mut self, now: Instant, out: &mut Vec<Outgoing>) {
        out.extend(self.waiting.extract_if(.., |(due, _)| *due <= now).map(|(_, event)| event));
    }

    fn connect(&mut self, peer: Peer, packet: &Packet<'_>, out: &mut Vec<Outgoing>) {
        let id = self.talks.get(&peer).map_or(self.next_session, |talk| talk.id);
        if id == self.next_session {
            self.next_session = id.checked_add(1).unwrap_or(1);
        }
        if self.talks.len() >= TALKS {
            self.talks.clear();
        }
        self.talks.insert(peer, Talk { id, prepared: None });
        match self.find(peer, packet, None) {
            Some(place) => self.play(place, peer, packet, id, out),
            // The capture begins in the middle of a session.
            None => out.push(plain(peer, Command::ACK_OK, id, packet.reply, Vec::new())),
        }
    }

    /// The next exchange that begins with this request, or the last of them if all were played.
    fn find(&self, peer: Peer, packet: &Packet<'_>, prepared: Option<usize>) -> Option<usize> {
        let carrier = if peer.is_udp() { Carrier::Udp } else { Carrier::Tcp };
        let fits = |exchange: &Exchange| {
            exchange.carrier == carrier
                && exchange.request.is_like(packet.payload)
                && (packet.command != Command::DATA_RDY || exchange.prepared == prepared)
        };
        let all = || self.replay.of_command(packet.command).filter(|(_, exchange)| fits(exchange));
        let fresh = all().find(|(place, _)| self.played.get(*place) == Some(&false));
        fresh.or_else(|| all().next_back()).map(|(place, _)| place)
    }

    fn play(&mut self, place: usize, peer: Peer, packet: &Packet<'_>, id: u16, out: &mut Vec<Outgoing>) {
        if let Some(played) = self.played.get_mut(place) {
            *played = true;
        }
        let Some(exchange) = self.replay.exchanges.get(place) else { return };
        let mut transfer = false;
        for answer in &exchange.answers {
            transfer |= matches!(answer.command, Command::PREPARE_DATA | Command::DATA);
            let announced = exchange.answers.first().is_some_and(|a| a.command == Command::PREPARE_DATA);
            // In an event it is a code, in a transfer a number or a size; elsewhere it is the session.
            let keeps = answer.command == Command::REG_EVENT
                || (transfer && announced && answer.command != Command::PREPARE_DATA)
                || packet.command == Command::STATE_RRQ;
            let session = if !keeps && answer.session == exchange.id { id } else { answer.session };
            let reply = match answer.command {
                Command::REG_EVENT => answer.reply,
                // Usually 0; an answer with another's number keeps its distance.
                _ => packet.reply.wrapping_add(answer.reply.wrapping_sub(exchange.request.reply)),
            };
            out.push(Outgoing { role: role(answer, transfer), ..of(peer, answer, session, reply) });
        }
        self.ending = exchange.ending;
    }

    /// What is said to a request that the capture does not have.
    fn improvise(&self, peer: Peer, packet: &Packet<'_>, talk: Talk, out: &mut Vec<Outgoing>) {
        let answer = |command, payload| plain(peer, command, talk.id, packet.reply, payload);
        let done = match packet.command {
            Command::EXIT => Some(Vec::new()),
            Command::REG_EVENT => {
                self.replay.events.iter().any(|told| told.registered.is_none()).then(Vec::new)
            }
            Command::OPTIONS_RRQ if option::requested_name(packet.payload) == SERIAL_NUMBER => {
                self.replay.serial_number().map(|number| option::write_request(SERIAL_NUMBER, number))
            }
            Command::DATA_RDY => {
                let part = Chunk::parse(packet.payload).ok().zip(talk.prepared);
                if let Some(bytes) = part.and_then(|(part, prepared)| self.replay.part_of(prepared, part)) {
                    return send_chunk(peer, packet.reply, talk.id, &bytes, out);
                }
                None
            }
            _ => None,
        };
        out.push(match done {
            Some(payload) => answer(Command::ACK_OK, payload),
            None => answer(Command::ACK_UNKNOWN, Vec::new()),
        });
    }

    /// Has those events told that the captured session got after it had registered, each once.
    fn promise_events(&mut self, found: Option<usize>, peer: Peer, now: Instant) {
        let exchange = found.and_then(|place| self.replay.exchanges.get(place));
        for (event, told) in self.replay.events.iter().zip(&mut self.told) {
            let mine = match exchange {
                Some(exchange) => event.session == exchange.session && event.registered == found,
                // The capture began when the session had registered already.
                None => event.registered.is_none(),
            };
            if !mine || std::mem::replace(told, true) {
                continue;
            }
            let since = exchange.map_or(event.at.0, |exchange| event.at.0.saturating_sub(exchange.at.0));
            let due = now + Duration::from_micros(since.min(LONGEST));
            let Frame { session, reply, .. } = event.frame;
            let event = Outgoing { role: Role::Event, ..of(peer, &event.frame, session, reply) };
            self.waiting.push((due, event));
        }
        self.waiting.sort_by_key(|(due, _)| *due);
    }
}

/// No event is told later than this after its registration, in microseconds: a day.
const LONGEST: u64 = 86_400_000_000;

fn plain(peer: Peer, command: Command, session: u16, reply: u16, payload: Vec<u8>) -> Outgoing {
    Outgoing { peer, role: Role::Reply, command, session, reply, body: Body::Bytes(payload) }
}

fn of(peer: Peer, frame: &Frame, session: u16, reply: u16) -> Outgoing {
    plain(peer, frame.command, session, reply, frame.payload.clone())
}

const fn role(answer: &Frame, transfer: bool) -> Role {
    match answer.command {
        Command::REG_EVENT => Role::Event,
        Command::PREPARE_DATA => Role::Announce,
        Command::DATA => Role::Data,
        Command::ACK_OK if transfer => Role::Closing,
        _ => Role::Reply,
    }
}

/// A chunk as a device sends it: announced, in parts, closed.
fn send_chunk(peer: Peer, reply: u16, id: u16, bytes: &[u8], out: &mut Vec<Outgoing>) {
    let fragment = if peer.is_udp() { FRAGMENT_UDP as usize } else { FRAGMENT_TCP };
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let announcement = Announcement::emit(word(bytes.len()), word(fragment)).to_vec();
    out.push(Outgoing {
        role: Role::Announce,
        ..plain(peer, Command::PREPARE_DATA, id, reply, announcement)
    });
    for (part, index) in bytes.chunks(fragment).zip(0u16..) {
        out.push(Outgoing { role: Role::Data, ..plain(peer, Command::DATA, index, reply, part.to_vec()) });
    }
    let sent = (bytes.len() & 0xffff) as u16;
    out.push(Outgoing { role: Role::Closing, ..plain(peer, Command::ACK_OK, sent, reply, Vec::new()) });
}
