//! A device as a whole: its doors, its reboots, and what it says unasked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::How;
use super::port::{Doors, Presence};
use super::shard::{Entry, RETRY, Shard};
use super::timers::Due;
use crate::base::lock::lock;
use crate::base::readiness::Interest;
use crate::simulator::config::Concurrency;
use crate::simulator::fault::Step;
use crate::simulator::model::Effect;
use crate::simulator::outgoing::{Outgoing, Peer};

/// How long after its answer a restarted device goes away.
const LAST_WORD: Duration = Duration::from_millis(100);

impl Shard {
    /// Sends the events that are due, and sees to it that the others are sent in time.
    pub(super) fn tell(&mut self, place: usize, now: Instant) {
        let Some(port) = self.ports.get(place) else { return };
        let mut events = Vec::new();
        lock(&port.shared.state).model.due_events(now, &mut events);
        self.send(place, &events, now);
        self.arm_events(place);
    }

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

    pub(super) fn take_effect(&mut self, place: usize, effect: Effect, now: Instant) {
        let Some(port) = self.ports.get(place) else { return };
        let away = match effect {
            Effect::Nothing => return,
            Effect::Restart => port.shared.restart_time,
            Effect::PowerOff => Duration::MAX,
        };
        self.timers.set(now + LAST_WORD, Due::Reboot(place, away));
    }

    /// Closes everything and is away; `Duration::MAX` is for good.
    pub(super) fn reboot(&mut self, place: usize, away: Duration, now: Instant) {
        // The doors first: whoever sees its connection break must not find them still open.
        let Some(port) = self.ports.get_mut(place) else { return };
        let shared = Arc::clone(&port.shared);
        port.presence = if away == Duration::MAX { Presence::Off } else { Presence::Away(now + away) };
        if let Presence::Away(until) = port.presence {
            self.timers.set(until, Due::Settle(place));
        }
        self.settle(place, now);
        {
            let mut state = lock(&shared.state);
            state.model.restart(now);
            state.faults.restart();
        }
        self.drop_connections(place, How::Rst);
        self.settle(place, now);
    }

    /// Opens or closes the doors as presence, faults and guests demand.
    pub(super) fn settle(&mut self, place: usize, now: Instant) {
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

    pub(super) fn arm_events(&mut self, place: usize) {
        let Some(port) = self.ports.get_mut(place) else { return };
        let due = lock(&port.shared.state).model.next_event();
        if let Some(due) = due.filter(|due| port.tells_at.is_none_or(|set| *due < set)) {
            port.tells_at = Some(due);
            self.timers.set(due, Due::Tell(place));
        }
    }
}
