//! The sockets of the devices: a fixed number of threads, each waiting on the sockets of its share.
//!
//! This room only moves bytes and keeps time. What is answered is the model's business; what goes wrong is
//! decided by the faults, and arrives here as a script of steps to carry out. No lock is held during I/O.

mod bind;
mod connection;
mod port;
mod presence;
mod shard;
mod tcp;
mod timers;
mod udp;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

pub(crate) use bind::{Bound, bind};
pub(crate) use port::Doors;
pub(crate) use shard::Shard;

use super::config::{Concurrency, Config};
use super::fault::{Before, Faults, Step};
use super::model::{DeviceModel, Effect};
use super::outgoing::{Outgoing, Peer};
use crate::base::lock::lock;
use crate::base::readiness::Readiness;
use crate::wire::packet::Packet;

/// What the threads and the handles know of one device.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Its place among the devices of its shard.
    pub(crate) place: usize,
    pub(crate) address: SocketAddr,
    pub(crate) udp: bool,
    pub(crate) latency: Duration,
    pub(crate) restart_time: Duration,
    pub(crate) concurrency: Concurrency,
    /// guards: the device and what is wrong with it
    pub(crate) state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) model: DeviceModel,
    pub(crate) faults: Faults,
}

/// What a packet leads to.
pub(crate) enum Outcome {
    /// The answer is in the list, to be sent as it is.
    Plain(Effect),
    /// The answer is this script.
    Script(Vec<Step>, Effect),
}

impl Shared {
    pub(crate) fn new(config: &Config, place: usize, bound: &Bound, state: State) -> Self {
        Self {
            place,
            address: bound.address,
            udp: bound.udp.is_some(),
            latency: config.latency,
            restart_time: config.restart_time,
            concurrency: config.concurrency,
            state: Mutex::new(state),
        }
    }

    /// Answers one packet; `answer` is empty before, and after unless the outcome is plain.
    fn serve(&self, peer: Peer, packet: &Packet<'_>, now: Instant, answer: &mut Vec<Outgoing>) -> Outcome {
        let mut state = lock(&self.state);
        let State { model, faults } = &mut *state;
        if faults.is_empty() && self.latency.is_zero() && !model.is_replaying() {
            let effect = model.handle(peer, packet, now, answer);
            let bytes = answer.iter().map(Outgoing::length).sum();
            model.counters_mut().sent(packet.command, bytes);
            return Outcome::Plain(effect);
        }
        if faults.before(peer, packet.command, model) == Before::Ignore {
            return Outcome::Plain(Effect::Nothing);
        }
        faults.intrude(packet.command, false, model, now);
        let effect = model.handle(peer, packet, now, answer);
        faults.intrude(packet.command, true, model, now);
        let mut steps = Vec::new();
        if !self.latency.is_zero() && !answer.is_empty() {
            steps.push(Step::Wait(self.latency));
        }
        let answer = std::mem::take(answer);
        steps.extend(faults.script(peer, packet.command, answer, model));
        if let Some((pause, how)) = model.take_ending() {
            let end = match how {
                How::Fin => Step::Fin,
                How::Rst => Step::Rst,
            };
            steps.extend([Step::Wait(pause), end]);
        }
        model.counters_mut().sent(packet.command, steps.iter().map(Step::length).sum());
        Outcome::Script(steps, effect)
    }
}

/// How handles reach the thread that owns the sockets.
#[derive(Debug)]
pub(crate) struct ShardLink {
    readiness: Readiness,
    /// guards: what is to be done next
    orders: Mutex<Vec<(Order, Option<Sender<()>>)>>,
}

/// What a handle asks of a thread; devices by their place.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send the events that are due.
    Tell(usize),
    /// Look at the faults anew.
    Settle(usize),
    /// Close everything, be away, come back.
    Reboot(usize, Duration),
    /// Close all connections.
    Drop(usize, How),
    /// End the thread.
    Stop,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// In order.
    Fin,
    /// With a reset.
    Rst,
}

impl ShardLink {
    pub(crate) fn new(readiness: Readiness) -> Self {
        Self { readiness, orders: Mutex::default() }
    }

    /// Asks and does not wait.
    pub(crate) fn order(&self, order: Order) {
        lock(&self.orders).push((order, None));
        self.readiness.wake();
    }

    /// Asks and waits until it is done, or the thread has ended.
    pub(crate) fn order_and_wait(&self, order: Order) {
        let (done, waiting) = crossbeam_channel::bounded(1);
        lock(&self.orders).push((order, Some(done)));
        self.readiness.wake();
        if waiting.recv_timeout(Self::PATIENCE).is_err() {
            log::debug!("a simulator thread did not say that an order was carried out");
        }
    }

    fn take(&self) -> Vec<(Order, Option<Sender<()>>)> {
        std::mem::take(&mut lock(&self.orders))
    }

    /// A thread looks at its orders within microseconds; this only keeps a caller from waiting for ever.
    const PATIENCE: Duration = Duration::from_secs(5);
}
