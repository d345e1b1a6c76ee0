//! One thread and the devices it serves: the loop, and the keys under which sockets are watched. What happens at
//! a socket is in `tcp` and `udp`, what happens to a device as a whole in `presence`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::port::Port;
use super::timers::{Due, Timers};
use super::{Bound, Order, ShardLink, Shared};
use crate::base::readiness::{Interest, Readiness, Ready, ReadyList};
use crate::simulator::outgoing::Outgoing;

/// The sockets and timers of a share of the devices.
pub(crate) struct Shard {
    pub(super) readiness: Readiness,
    link: Arc<ShardLink>,
    pub(super) ports: Vec<Port>,
    pub(super) entries: Vec<Entry>,
    free: Vec<usize>,
    pub(super) timers: Timers,
    pub(super) next_connection: u64,
    /// Reused for every answer.
    pub(super) answer: Vec<Outgoing>,
    /// Room for one datagram.
    pub(super) datagram: Vec<u8>,
}

/// What a key stands for.
#[derive(Debug)]
pub(super) enum Entry {
    Free,
    Listener(usize),
    Udp(usize),
    Connection(Box<Connection>),
}

/// Answers taken from one socket before the others have their turn.
pub(super) const TURN: usize = 64;
/// After how long something that the operating system refused is tried again.
pub(super) const RETRY: Duration = Duration::from_millis(50);

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
            Order::Tell(place) => self.tell(place, now),
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
            Due::Tell(place) => {
                let Some(port) = self.ports.get_mut(place) else { return };
                port.tells_at = None;
                self.tell(place, now);
            }
            Due::Reboot(place, away) => self.reboot(place, away, now),
        }
    }

    pub(super) fn enter(&mut self, entry: Entry) -> usize {
        if let Some(key) = self.free.pop() {
            self.put(key, entry);
            return key;
        }
        self.entries.push(entry);
        self.entries.len() - 1
    }

    pub(super) fn put(&mut self, key: usize, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(key) {
            *slot = entry;
        }
    }

    /// Takes what a key stands for out; the key stays reserved.
    pub(super) fn lift(&mut self, key: usize) -> Option<Entry> {
        self.entries.get_mut(key).map(|slot| std::mem::replace(slot, Entry::Free))
    }

    pub(super) fn leave(&mut self, key: usize) {
        self.put(key, Entry::Free);
        self.free.push(key);
    }
}
