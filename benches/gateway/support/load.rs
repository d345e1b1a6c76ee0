//! Many clients at once from one thread: each asks, takes its answer, and asks again at its own pace.
//!
//! One edge-triggered registration per connection, one write and one read per call: what is measured is the other
//! side. Clients that ask at a pace do not hurry after a slow answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::http::{Head, Url};

/// One client with one kept connection.
pub struct Caller {
    /// With whom it is counted.
    pub group: usize,
    /// What it asks, one after the other.
    pub urls: Vec<Url>,
    /// From one question to the next; zero: as soon as it is answered.
    pub pace: Duration,
}

/// What the clients of one group saw.
#[derive(Default)]
pub struct Group {
    /// Milliseconds from question to answer, in order.
    pub latencies: Vec<f64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Answers per second.
    pub rate: f64,
}

impl Group {
    pub fn p(&self, share: f64) -> f64 {
        super::of_sorted(&self.latencies, share)
    }

    /// What share of the answers was 200, in percent.
    pub fn good(&self) -> f64 {
        let all: usize = self.statuses.values().sum();
        100.0 * self.statuses.get(&200).copied().unwrap_or(0) as f64 / all.max(1) as f64
    }
}

struct Connection {
    caller: Caller,
    stream: TcpStream,
    next: usize,
    asked: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

/// Lets the callers call for so long; what happens in the first part, `warm`, is not counted.
pub fn load(address: SocketAddr, callers: Vec<Caller>, warm: Duration, length: Duration) -> Vec<Group> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let mut groups: Vec<Group> = Vec::new();
    let mut due = BTreeSet::new();
    let start = Instant::now();
    let mut connections = Vec::new();
    for (key, caller) in callers.into_iter().enumerate() {
        while groups.len() <= caller.group {
            groups.push(Group::default());
        }
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(key as u64), flags).unwrap();
        // Spread over one pace, so that they do not ask in chorus.
        let first = start + caller.pace.mul_f64(fastrand::f64());
        due.insert((first, key));
        let buffer = vec![0; 16 * 1024];
        connections.push(Connection { caller, stream, next: 0, asked: start, buffer, filled: 0 });
    }
    let counted_from = start + warm;
    let end = counted_from + length;
    let mut events = Vec::with_capacity(256);
    loop {
        let mut now = Instant::now();
        if now >= end {
            break;
        }
        while let Some((at, key)) = due.first().copied().filter(|(at, _)| *at <= now) {
            due.remove(&(at, key));
            connections[key].ask();
            now = Instant::now();
        }
        let wait = due.first().map_or(end, |(at, _)| end.min(*at)).saturating_duration_since(now);
        let wait = Timespec::try_from(wait).unwrap();
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("waiting fails: {error}"),
        }
        for event in &events {
            let key = event.data.u64() as usize;
            let connection = &mut connections[key];
            let Some(status) = connection.hear() else { continue };
            let now = Instant::now();
            if connection.asked >= counted_from {
                let group = &mut groups[connection.caller.group];
                group.latencies.push(super::ms(now - connection.asked));
                *group.statuses.entry(status).or_default() += 1;
            }
            if connection.caller.pace.is_zero() {
                connection.ask();
            } else {
                due.insert((now.max(connection.asked + connection.caller.pace), key));
            }
        }
    }
    for group in &mut groups {
        group.latencies.sort_by(f64::total_cmp);
        group.rate = group.latencies.len() as f64 / length.as_secs_f64();
    }
    groups
}

impl Connection {
    fn ask(&mut self) {
        let url = &self.caller.urls[self.next % self.caller.urls.len()];
        self.next += 1;
        self.asked = Instant::now();
        self.filled = 0;
        self.stream.write_all(&url.0).expect("a request fits the socket's buffer");
    }

    /// The status of an answer that is complete.
    fn hear(&mut self) -> Option<u16> {
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => panic!("the service closed a connection"),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("the service broke a connection: {error}"),
            }
            if let Some(head) = Head::of(&self.buffer[..self.filled]).filter(|head| self.filled >= head.end) {
                return Some(head.status);
            }
        }
    }
}
