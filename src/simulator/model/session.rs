//! How a conversation begins: session ids, the comm key, and who has to give way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::bulk::Upload;
use super::{DeviceModel, Exchange, Session};
use crate::simulator::config::Concurrency;
use crate::simulator::outgoing::{Body, Outgoing};
use crate::wire::command::Command;

impl DeviceModel {
    /// The most sessions remembered; the one silent for longest gives way.
    pub(super) const SESSIONS_CEILING: usize = 64;
    /// After this long a silent UDP client no longer keeps others from connecting.
    const UDP_PATIENCE: Duration = Duration::from_secs(60);

    pub(super) fn connect(&mut self, ex: Exchange, now: Instant, out: &mut Vec<Outgoing>) {
        if self.traits.secure {
            out.push(ex.packet(Command::ACK_SECURE, 0, Body::Bytes(Vec::new())));
            return;
        }
        if ex.peer.is_udp() && !self.sessions.contains_key(&ex.peer) && !self.makes_room(now) {
            return;
        }
        let known = self.sessions.get(&ex.peer).map(|session| session.id);
        let id = known.unwrap_or_else(|| self.fresh_id());
        let asks = self.traits.asks_key || self.key.is_set();
        self.sessions.insert(ex.peer, Session::new(id, !asks, now));
        self.counters.sessions += 1;
        let ex = Exchange { session: id, ..ex };
        ex.say(if asks { Command::ACK_UNAUTH } else { Command::ACK_OK }, out);
    }

    pub(super) fn fresh_id(&mut self) -> u16 {
        let id = self.next_session;
        // 0 is what a client without a session sends.
        self.next_session = id.checked_add(1).unwrap_or(1);
        id
    }

    /// Whether a further UDP client may connect; forgets whoever has to give way.
    pub(super) fn makes_room(&mut self, now: Instant) -> bool {
        let alone = self.concurrency != Concurrency::Unlimited;
        let polite = matches!(self.concurrency, Concurrency::RefuseSecond | Concurrency::IgnoreSecond);
        if polite {
            let recent = |s: &Session| now.saturating_duration_since(s.last_heard) < Self::UDP_PATIENCE;
            self.sessions.retain(|peer, session| !peer.is_udp() || recent(session));
            return self.sessions.is_empty();
        }
        while self.sessions.len() >= if alone { 1 } else { Self::SESSIONS_CEILING } {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_heard);
            let Some(peer) = oldest.map(|(peer, _)| *peer) else { break };
            self.sessions.remove(&peer);
        }
        true
    }

    pub(super) fn stranger(&mut self, ex: Exchange, out: &mut Vec<Outgoing>) {
        // Session 0 is a command before `CMD_CONNECT`; another number is a session that is not known any more.
        let silent = ex.session != 0 && !self.answers_strangers;
        if silent || self.traits.secure || ex.request == Command::ACK_OK {
            self.counters.ignored += 1;
        } else {
            ex.say(Command::ACK_UNAUTH, out);
        }
    }

    pub(super) fn authenticate(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let scrambled = payload.first_chunk::<4>();
        let right = scrambled.is_some_and(|bytes| self.key.accepts(ex.session, *bytes));
        if let Some(session) = self.sessions.get_mut(&ex.peer) {
            session.authenticated |= right;
        }
        self.counters.auth_failures += u64::from(!right);
        ex.say(if right { Command::ACK_OK } else { Command::ACK_UNAUTH }, out);
    }
}

impl Session {
    fn new(id: u16, authenticated: bool, now: Instant) -> Self {
        Self {
            id,
            authenticated,
            last_heard: now,
            mask: 0,
            unacknowledged: VecDeque::new(),
            buffer: None,
            upload: Upload::None,
        }
    }
}
