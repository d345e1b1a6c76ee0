//! One thread and the devices it serves.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, Stop};
use super::port::{Doors, Port, Presence};
use super::timers::{Due, Timers};
use super::{Bound, How, Order, Outcome, ShardLink, Shared};
use crate::base::lock::lock;
use crate::base::readiness::{Interest, Readiness, Ready, ReadyList};
use crate::simulator::config::Concurrency;
use crate::simulator::fault::Step;
use crate::simulator::model::Effect;
use crate::simulator::outgoing::{Outgoing, Peer};
use crate::simulator::profile::Answering;
use crate::wire::frame::FrameError;
use crate::wire::packet::{Checksums, Packet};

/// The sockets and timers of a share of the devices.
pub(crate) struct Shard {
    readiness: Readiness,
    link: Arc<ShardLink>,
    ports: Vec<Port>,
    entries: Vec<Entry>,
    free: Vec<usize>,
    timers: Timers,
    next_connection: u64,
    /// Reused for every answer.
    answer: Vec<Outgoing>,
    datagram: Vec<u8>,
}

/// What a key stands for.
#[derive(Debug)]
enum Entry {
    Free,
    Listener(usize),
    Udp(usize),
    Connection(Box<Connection>),
}

/// Answers taken from one socket before the others have their turn.
const TURN: usize = 64;
/// How long after its answer a restarted device goes away.
const LAST_WORD: Duration = Duration::from_millis(100);
/// After how long something that the operating system refused is tried again.
const RETRY: Duration = Duration::from_millis(50);

const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const PANEL_ANSWER: &[u8] = &[0xaa, 0x01, 0xc9, 0x01, 0x00, 0xf3, 0x13, 0xd9, 0x55];

impl Shard {
    pub(crate) fn new(readiness: Readiness, link: Arc<ShardLink>) -> Self {
        Self {
            readiness,
            link,
            ports: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
            timers: Timers::default(),
            next_connection: 0,
            answer: Vec::new(),
            datagram: vec![0; 65_536],
        }
    }

    /// Takes on a device; its place is the number of devices before it.
    pub(crate) fn adopt(&mut self, shared: Arc<Shared>, bound: Bound) -> io::Result<()> {
        let place = self.ports.len();
        let key = self.enter(Entry::Listener(place));
        let listener = self.readiness.watch(bound.tcp, key, Interest::Read)?;
        let udp_key = self.enter(Entry::Udp(place));
        let udp = match bound.udp {
            Some(socket) => Some(self.readiness.watch(socket, udp_key, Interest::Read)?),
            None => None,
        };
        self.ports.push(Port::new(shared, listener, udp, udp_key));
        self.settle(place, Instant::now());
        Ok(())
    }

    /// Serves until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut ready = ReadyList::new();
        loop {
            let limit = self.timers.wait(Instant::now());
            if let Err(error) = self.readiness.wait(&mut ready, limit) {
                log::error!("a simulator thread ends, as it cannot wait any more: {error}");
                return;
            }
            let now = Instant::now();
            for (order, done) in self.link.take() {
                if matches!(order, Order::Stop) {
                    return;
                }
                self.carry_out(order, now);
                if let Some(done) = done {
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                }
            }
            for event in ready.iter() {
                self.on_ready(event, now);
            }
            for _ in 0..TURN * TURN {
                let Some(due) = self.timers.pop(now) else { break };
                self.on_due(due, now);
            }
        }
    }

    fn carry_out(&mut self, order: Order, now: Instant) {
        match order {
            Order::Send(place, packets) => {
                self.send(place, &packets, now);
                self.arm_repeat(place);
            }
            Order::Settle(place) => self.settle(place, now),
            Order::Reboot(place, away) => self.reboot(place, away, now),
            Order::Drop(place, how) => self.drop_connections(place, how),
            Order::Stop => {}
        }
    }

    fn on_ready(&mut self, ready: Ready, now: Instant) {
        match self.entries.get(ready.key) {
            Some(Entry::Listener(place)) => self.accept(*place, now),
            Some(Entry::Udp(place)) => self.receive(*place, now),
            Some(Entry::Connection(_)) => self.on_connection(ready.key, ready.readable, now),
            Some(Entry::Free) | None => {}
        }
    }

    fn on_due(&mut self, due: Due, now: Instant) {
        match due {
            Due::Resume(key, number) => match self.entries.get_mut(key) {
                Some(Entry::Connection(connection)) if connection.number == number => {
                    connection.resume_at(now);
                    self.on_connection(key, false, now);
                }
                _ => {}
            },
            Due::Datagram(place, to, bytes) => self.send_datagram(place, to, &bytes),
            Due::Settle(place) => self.settle(place, now),
            Due::Repeat(place) => {
                let Some(port) = self.ports.get_mut(place) else { return };
                port.repeat = None;
                let mut packets = Vec::new();
                lock(&port.shared.state).model.repeat_events(now, &mut packets);
                self.send(place, &packets, now);
                self.arm_repeat(place);
            }
            Due::Reboot(place, away) => self.reboot(place, away, now),
        }
    }

    // ---- TCP ----

    fn accept(&mut self, place: usize, now: Instant) {
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

    fn welcome(&mut self, place: usize, stream: TcpStream, from: SocketAddr, now: Instant) {
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

    fn on_connection(&mut self, key: usize, readable: bool, now: Instant) {
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
    fn answer_all(&mut self, connection: &mut Connection, now: Instant) -> bool {
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
            connection.buffer = crate::wire::frame::FrameBuffer::new();
            connection.push(Step::Send(bytes.to_vec()));
            if strangers == Answering::Http {
                connection.push(Step::Fin);
            }
            return true;
        }
        let mut effect = Effect::Nothing;
        let mut repeats = false;
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
                    repeats = true;
                }
            }
        }
        connection.buffer.shrink();
        if repeats {
            self.arm_repeat(connection.device);
        }
        self.take_effect(connection.device, effect, now);
        true
    }

    fn close(&mut self, key: usize, connection: Connection, now: Instant) {
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

    fn drop_connections(&mut self, place: usize, how: How) {
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

    // ---- UDP ----

    fn receive(&mut self, place: usize, now: Instant) {
        for _ in 0..TURN {
            let Some(port) = self.ports.get(place) else { return };
            let Some(udp) = &port.udp else { return };
            let (shared, dark) = (Arc::clone(&port.shared), port.doors == Doors::Dark);
            let (length, from) = match udp.socket().recv_from(&mut self.datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An earlier answer found nobody; that is the sender's affair.
                Err(_) => continue,
            };
            if dark {
                continue;
            }
            let bytes = self.datagram.get(..length).unwrap_or_default();
            let Ok(packet) = Packet::parse(bytes, Checksums::Strict) else {
                lock(&shared.state).model.counters_mut().ignored += 1;
                continue;
            };
            let peer = Peer::Udp(from);
            match shared.serve(peer, &packet, now, &mut self.answer) {
                Outcome::Plain(effect) => {
                    let answer = std::mem::take(&mut self.answer);
                    for packet in &answer {
                        self.send_datagram(place, from, &packet.to_bytes());
                    }
                    self.answer = answer;
                    self.answer.clear();
                    self.take_effect(place, effect, now);
                }
                Outcome::Script(steps, effect) => {
                    self.play_datagrams(place, from, steps, now);
                    self.take_effect(place, effect, now);
                }
            }
        }
        if let Some(udp) = self.ports.get(place).and_then(|port| port.udp.as_ref())
            && let Err(error) = udp.want(Interest::Read)
        {
            log::warn!("a simulated device cannot wait for datagrams: {error}");
        }
    }

    /// Carries out a script over UDP: each send is a datagram, each wait moves what follows.
    fn play_datagrams(&mut self, place: usize, to: SocketAddr, steps: Vec<Step>, now: Instant) {
        let mut at = now;
        for step in steps {
            match step {
                Step::Send(bytes) | Step::Pieces { bytes, .. } if at == now => {
                    self.send_datagram(place, to, &bytes);
                }
                Step::Send(bytes) | Step::Pieces { bytes, .. } => {
                    self.timers.set(at, Due::Datagram(place, to, bytes));
                }
                Step::Wait(pause) => at += pause,
                Step::Reboot(away) => self.timers.set(at, Due::Reboot(place, away)),
                // There is no connection to close; what would have followed does not come.
                Step::Fin | Step::Rst | Step::Mute => return,
            }
        }
    }

    fn send_datagram(&self, place: usize, to: SocketAddr, bytes: &[u8]) {
        let Some(port) = self.ports.get(place) else { return };
        if let Some(udp) = port.udp.as_ref().filter(|_| port.doors != Doors::Dark)
            && let Err(error) = udp.socket().send_to(bytes, to)
        {
            log::debug!("a datagram of a simulated device was lost: {error}");
        }
    }

    // ---- the device as a whole ----

    /// Sends packets that nobody asked for.
    fn send(&mut self, place: usize, packets: &[Outgoing], now: Instant) {
        let Some(port) = self.ports.get(place) else { return };
        let mut numbers = std::collections::HashMap::new();
        for key in &port.connections {
            if let Some(Entry::Connection(connection)) = self.entries.get(*key) {
                numbers.insert(connection.number, *key);
            }
        }
        for packet in packets {
            match packet.peer {
                Peer::Udp(to) => self.send_datagram(place, to, &packet.to_bytes()),
                Peer::Tcp(number) => {
                    let Some(key) = numbers.get(&number).copied() else { continue };
                    if let Some(Entry::Connection(connection)) = self.entries.get_mut(key) {
                        connection.push(Step::Send(packet.to_bytes()));
                    }
                    self.on_connection(key, false, now);
                }
            }
        }
    }

    fn take_effect(&mut self, place: usize, effect: Effect, now: Instant) {
        let Some(port) = self.ports.get(place) else { return };
        let away = match effect {
            Effect::Nothing => return,
            Effect::Restart => port.shared.restart_time,
            Effect::PowerOff => Duration::MAX,
        };
        self.timers.set(now + LAST_WORD, Due::Reboot(place, away));
    }

    /// Closes everything and is away; `Duration::MAX` is for good.
    fn reboot(&mut self, place: usize, away: Duration, now: Instant) {
        self.drop_connections(place, How::Rst);
        let Some(port) = self.ports.get_mut(place) else { return };
        {
            let mut state = lock(&port.shared.state);
            state.model.restart(now);
            state.faults.restart();
        }
        port.presence = if away == Duration::MAX { Presence::Off } else { Presence::Away(now + away) };
        if let Presence::Away(until) = port.presence {
            self.timers.set(until, Due::Settle(place));
        }
        self.settle(place, now);
    }

    /// Opens or closes the doors as presence, faults and guests demand.
    fn settle(&mut self, place: usize, now: Instant) {
        let Some(port) = self.ports.get_mut(place) else { return };
        if matches!(port.presence, Presence::Away(until) if until <= now) {
            port.presence = Presence::Here;
        }
        let faulty = lock(&port.shared.state).faults.doors();
        let full = port.shared.concurrency == Concurrency::RefuseSecond && !port.connections.is_empty();
        let doors = match port.presence {
            Presence::Away(_) => Doors::Closed,
            Presence::Off => Doors::Dark,
            Presence::Here if faulty == Doors::Open && full => Doors::TcpRefused,
            Presence::Here => faulty,
        };
        let was_dark = port.doors == Doors::Dark && doors != Doors::Dark;
        if !port.set_doors(doors, &self.readiness) {
            self.timers.set(now + RETRY, Due::Settle(place));
        }
        if doors == Doors::Open
            && let Some(port) = self.ports.get(place)
        {
            // Harmless if it is waited for already; needed after an accept that failed.
            let _ = port.listener.want(Interest::Read);
        }
        if was_dark {
            // What came in the dark is read now.
            let keys: Vec<_> = self
                .ports
                .get(place)
                .map(|port| port.connections.iter().copied().collect())
                .unwrap_or_default();
            for key in keys {
                self.on_connection(key, false, now);
            }
        }
    }

    fn arm_repeat(&mut self, place: usize) {
        let Some(port) = self.ports.get_mut(place) else { return };
        let due = lock(&port.shared.state).model.next_repeat();
        if let Some(due) = due.filter(|due| port.repeat.is_none_or(|set| *due < set)) {
            port.repeat = Some(due);
            self.timers.set(due, Due::Repeat(place));
        }
    }

    // ---- keys ----

    fn enter(&mut self, entry: Entry) -> usize {
        if let Some(key) = self.free.pop() {
            self.put(key, entry);
            return key;
        }
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn put(&mut self, key: usize, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(key) {
            *slot = entry;
        }
    }

    /// Takes what a key stands for out; the key stays reserved.
    fn lift(&mut self, key: usize) -> Option<Entry> {
        self.entries.get_mut(key).map(|slot| std::mem::replace(slot, Entry::Free))
    }

    fn leave(&mut self, key: usize) {
        self.put(key, Entry::Free);
        self.free.push(key);
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
