//! The shard's TCP side: who is let in, what they are answered, and how they leave.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Stop};
use super::port::Doors;
use super::shard::{Entry, RETRY, Shard, TURN};
use super::timers::Due;
use super::{How, Outcome};
use crate::base::lock::lock;
use crate::base::readiness::Interest;
use crate::simulator::config::Concurrency;
use crate::simulator::fault::Step;
use crate::simulator::model::Effect;
use crate::simulator::outgoing::Outgoing;
use crate::simulator::profile::Answering;
use crate::wire::frame::{FrameBuffer, FrameError};
use crate::wire::packet::Checksums;

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const PANEL_ANSWER: &[u8] = &[0xaa, 0x01, 0xc9, 0x01, 0x00, 0xf3, 0x13, 0xd9, 0x55];

impl Shard {
    pub(super) fn accept(&mut self, place: usize, now: Instant) {
        for _ in 0..TURN {
            let Some(port) = self.ports.get(place) else { return };
            if port.doors != Doors::Open {
                return;
            }
            match port.listener.socket().accept() {
                Ok((stream, from)) => self.welcome(place, stream, from, now),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    log::debug!("a simulated device could not accept a connection: {error}");
                    self.timers.set(now + RETRY, Due::Settle(place));
                    return;
                }
            }
        }
        if let Some(port) = self.ports.get(place).filter(|port| port.doors == Doors::Open)
            && let Err(error) = port.listener.want(Interest::Read)
        {
            log::warn!("a simulated device cannot wait for connections: {error}");
        }
    }

    pub(super) fn welcome(&mut self, place: usize, stream: TcpStream, from: SocketAddr, now: Instant) {
        let Some(port) = self.ports.get_mut(place) else { return };
        if port.filler_addresses.remove(&from) {
            return;
        }
        let shared = Arc::clone(&port.shared);
        let occupied = !port.connections.is_empty();
        let mut silent = {
            let mut state = lock(&shared.state);
            state.model.counters_mut().connections += 1;
            let mute = state.model.traits().tcp == Answering::Nobody;
            state.faults.silences_connection() | mute
        };
        if occupied {
            match shared.concurrency {
                Concurrency::Unlimited => {}
                Concurrency::RefuseSecond => {
                    // It came in the moment before the door was shut.
                    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    return;
                }
                Concurrency::IgnoreSecond => silent = true,
                Concurrency::DropFirst => self.drop_connections(place, How::Fin),
            }
        }
        let key = self.enter(Entry::Free);
        let number = self.next_connection;
        self.next_connection += 1;
        let watched = stream
            .set_nonblocking(true)
            .and_then(|()| stream.set_nodelay(true))
            .and_then(|()| self.readiness.watch(stream, key, Interest::Read));
        match watched {
            Ok(stream) => {
                let mut connection = Box::new(Connection::new(stream, place, number));
                connection.silent = silent;
                self.put(key, Entry::Connection(connection));
                if let Some(port) = self.ports.get_mut(place) {
                    port.connections.insert(key);
                }
                lock(&shared.state).model.counters_mut().open += 1;
                if shared.concurrency == Concurrency::RefuseSecond {
                    self.settle(place, now);
                }
            }
            Err(error) => {
                log::debug!("a connection to a simulated device is given up: {error}");
                self.leave(key);
            }
        }
    }

    pub(super) fn on_connection(&mut self, key: usize, readable: bool, now: Instant) {
        let Some(Entry::Connection(mut connection)) = self.lift(key) else { return };
        let dark = self.ports.get(connection.device).is_some_and(|port| port.doors == Doors::Dark);
        let mut open = true;
        if readable && !dark {
            open = connection.read() && self.answer_all(&mut connection, now);
        }
        let stop = if open && !dark { connection.go_on(now) } else { Stop::Done };
        match stop {
            Stop::Until(at) => self.timers.set(at, Due::Resume(key, connection.number)),
            Stop::Closed => open = false,
            Stop::Reboot(away) => self.timers.set(now, Due::Reboot(connection.device, away)),
            Stop::Done | Stop::Blocked => {}
        }
        // In the dark nothing is heard; the doors' next move listens again.
        if open && (dark || connection.rearm(stop).is_ok()) {
            self.put(key, Entry::Connection(connection));
        } else {
            self.close(key, *connection, now);
        }
    }

    /// Answers every packet that is complete; `false` when the stream is out of step.
    pub(super) fn answer_all(&mut self, connection: &mut Connection, now: Instant) -> bool {
        let Some(port) = self.ports.get(connection.device) else { return false };
        let shared = Arc::clone(&port.shared);
        if connection.silent {
            return true;
        }
        let strangers = lock(&shared.state).model.traits().tcp;
        if let Some(bytes) = match strangers {
            Answering::Http => Some(HTTP_ANSWER),
            Answering::Panel => Some(PANEL_ANSWER),
            Answering::Device | Answering::Nobody => None,
        } {
            connection.buffer = FrameBuffer::new();
            connection.push(Step::Send(bytes.to_vec()));
            if strangers == Answering::Http {
                connection.push(Step::Fin);
            }
            return true;
        }
        let mut effect = Effect::Nothing;
        let mut intruded = false;
        loop {
            let outcome = match connection.buffer.next_packet(Checksums::Strict) {
                Ok(None) => break,
                Ok(Some(packet)) => shared.serve(connection.peer, &packet, now, &mut self.answer),
                Err(FrameError::Packet(_)) => {
                    lock(&shared.state).model.counters_mut().ignored += 1;
                    continue;
                }
                Err(_) => return false,
            };
            match outcome {
                Outcome::Plain(then) => {
                    send_plainly(connection, &mut self.answer);
                    effect = if effect == Effect::Nothing { then } else { effect };
                }
                Outcome::Script(steps, then) => {
                    steps.into_iter().for_each(|step| connection.push(step));
                    effect = if effect == Effect::Nothing { then } else { effect };
                    intruded = true;
                }
            }
        }
        connection.buffer.shrink();
        if intruded {
            self.arm_events(connection.device);
        }
        self.take_effect(connection.device, effect, now);
        true
    }

    pub(super) fn close(&mut self, key: usize, connection: Connection, now: Instant) {
        self.leave(key);
        let Some(port) = self.ports.get_mut(connection.device) else { return };
        port.connections.remove(&key);
        {
            let mut state = lock(&port.shared.state);
            state.model.forget(connection.peer);
            state.faults.forget(connection.peer);
            let open = &mut state.model.counters_mut().open;
            *open = open.saturating_sub(1);
        }
        let reopens = port.shared.concurrency == Concurrency::RefuseSecond;
        let place = connection.device;
        drop(connection);
        if reopens {
            self.settle(place, now);
        }
    }

    pub(super) fn drop_connections(&mut self, place: usize, how: How) {
        let Some(port) = self.ports.get(place) else { return };
        let now = Instant::now();
        for key in port.connections.clone() {
            if let Some(Entry::Connection(connection)) = self.lift(key) {
                if how == How::Rst {
                    connection.reset_on_close();
                }
                self.close(key, *connection, now);
            }
        }
    }
}

/// Writes the answer behind whatever is still to be sent.
fn send_plainly(connection: &mut Connection, answer: &mut Vec<Outgoing>) {
    match connection.direct() {
        Some(out) => answer.iter().for_each(|packet| packet.emit(out)),
        None => answer.iter().for_each(|packet| connection.push(Step::Send(packet.to_bytes()))),
    }
    answer.clear();
}
