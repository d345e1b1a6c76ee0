//! The shard's UDP side: datagrams in and out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Outcome;
use super::port::Doors;
use super::shard::{Shard, TURN};
use super::timers::Due;
use crate::base::lock::lock;
use crate::base::readiness::Interest;
use crate::simulator::fault::Step;
use crate::simulator::outgoing::Peer;
use crate::wire::packet::{Checksums, Packet};

impl Shard {
    pub(super) fn receive(&mut self, place: usize, now: Instant) {
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
                    self.arm_events(place);
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
    pub(super) fn play_datagrams(&mut self, place: usize, to: SocketAddr, steps: Vec<Step>, now: Instant) {
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

    pub(super) fn send_datagram(&self, place: usize, to: SocketAddr, bytes: &[u8]) {
        let Some(port) = self.ports.get(place) else { return };
        if let Some(udp) = port.udp.as_ref().filter(|_| port.doors != Doors::Dark)
            && let Err(error) = udp.socket().send_to(bytes, to)
        {
            log::debug!("a datagram of a simulated device was lost: {error}");
        }
    }
}
