//! The faults of one device: which of them strike now, and what they leave behind.
//!
//! An *occasion* is a moment at which a fault could strike; the fault counts them, passes over as many as it was
//! told to, and strikes until it is spent.

use std::collections::{HashMap, HashSet};

use fastrand::Rng;

use super::script::{Frame, Stream, assemble};
use super::shape::shape;
use super::{Fault, Kind, Phase, Scope, Step};
use crate::simulator::model::{DeviceModel, Spoiled, is_change};
use crate::simulator::net::Doors;
use crate::simulator::outgoing::{Outgoing, Peer, Role};
use crate::wire::command::Command;

/// Everything that is wrong with a device.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(super) armed: Vec<Armed>,
    pub(super) rng: Rng,
    /// UDP clients that are not answered any more; a TCP connection knows for itself.
    muted: HashSet<Peer>,
    /// The end of each client's last answer, kept while it may have to come again.
    previous: HashMap<Peer, Outgoing>,
    /// What is told of punches together with the next one.
    pub(super) batch: Vec<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Armed {
    pub(super) fault: Fault,
    /// Occasions so far.
    seen: u32,
    struck: u32,
}

/// Whether a packet reaches the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Answer,
    Ignore,
}

impl Armed {
    fn is_spent(&self) -> bool {
        self.fault.times.is_some_and(|times| self.struck >= times)
    }

    /// Counts an occasion and says whether the fault strikes.
    pub(super) fn strikes(&mut self) -> bool {
        if self.is_spent() {
            return false;
        }
        self.seen = self.seen.saturating_add(1);
        let strikes = self.seen > self.fault.skip;
        self.struck = self.struck.saturating_add(u32::from(strikes));
        strikes
    }
}

impl Faults {
    pub(crate) fn new(faults: &[Fault], seed: u64) -> Self {
        let mut new = Self {
            armed: Vec::new(),
            rng: Rng::with_seed(seed),
            muted: HashSet::new(),
            previous: HashMap::new(),
            batch: Vec::new(),
        };
        faults.iter().for_each(|fault| new.add(fault.clone()));
        new
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.armed.push(Armed { fault, seen: 0, struck: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
        self.muted.clear();
        self.previous.clear();
        self.batch.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// What the faults want of the doors.
    pub(crate) fn doors(&self) -> Doors {
        let any = |kind| self.armed.iter().any(|armed| armed.fault.kind == kind);
        if any(Kind::Blackhole) {
            Doors::Dark
        } else if any(Kind::Refuse) {
            Doors::Closed
        } else {
            Doors::Open
        }
    }

    /// Whether a new connection is never answered.
    pub(crate) fn silences_connection(&mut self) -> bool {
        let silent = |armed: &&mut Armed| armed.fault.kind == Kind::SilentAccept;
        // Every one of them counts the occasion.
        self.armed.iter_mut().filter(silent).fold(false, |silent, armed| armed.strikes() | silent)
    }

    /// What happens before the model sees a packet.
    pub(crate) fn before(&mut self, peer: Peer, request: Command, model: &mut DeviceModel) -> Before {
        if peer.is_udp() && request == Command::CONNECT {
            self.muted.remove(&peer);
            if self.silences_connection() {
                self.muted.insert(peer);
            }
        }
        if self.muted.contains(&peer) {
            return Before::Ignore;
        }
        model.heal();
        for armed in &mut self.armed {
            if !reaches(armed.fault.scope, request) {
                continue;
            }
            let kind = armed.fault.kind;
            match kind {
                Kind::Table(warp) if is_table_request(request) && armed.strikes() => {
                    model.warps.push(warp);
                }
                Kind::Forget { unauth } if request != Command::CONNECT && armed.strikes() => {
                    model.forget(peer);
                    model.answers_strangers = unauth;
                }
                Kind::IgnoreDisable if request == Command::DISABLEDEVICE && armed.strikes() => {
                    model.ignores_disabling = true;
                }
                Kind::NoBuffer(code) if request == Command::DATA_WRRQ && armed.strikes() => {
                    model.refuses_buffer = Some(code);
                }
                Kind::Reject(code) if !is_of_session(request) && armed.strikes() => {
                    model.spoiled = Spoiled::Rejected(code);
                }
                Kind::NotKept if is_change(request) && armed.strikes() => {
                    model.spoiled = Spoiled::NotKept;
                }
                Kind::KeptOtherwise if is_change(request) && armed.strikes() => {
                    model.spoiled = Spoiled::KeptOtherwise;
                }
                _ => continue,
            }
            model.counters_mut().faults += 1;
        }
        Before::Answer
    }

    /// What becomes of an answer on its way out.
    pub(crate) fn script(
        &mut self,
        peer: Peer,
        request: Command,
        answer: Vec<Outgoing>,
        model: &mut DeviceModel,
    ) -> Vec<Step> {
        let Some(last) = answer.last() else { return Vec::new() };
        let last = last.clone();
        let is_transfer = answer.iter().any(|packet| packet.role == Role::Announce);
        let mut struck = 0;
        let mut packets = answer;
        let mut stream = Stream::Whole;
        let mut datagrams = Vec::new();
        for armed in &mut self.armed {
            let kind = armed.fault.kind;
            let possible = match kind {
                Kind::LyingCounts(_) => request == Command::GET_FREE_SIZES,
                Kind::LateDuplicate => self.previous.contains_key(&peer),
                Kind::StrayEvent(_) | Kind::Split(_) | Kind::Merge | Kind::Drip(_) => true,
                Kind::UdpDrop(_) | Kind::UdpDuplicate | Kind::UdpReorder => peer.is_udp(),
                _ => kind.needs_transfer() && is_transfer,
            };
            let here = reaches(armed.fault.scope, request) && has_packet(armed.fault.scope, &packets);
            if !(possible && here && armed.strikes()) {
                continue;
            }
            struck += 1;
            match kind {
                Kind::Split(most) => stream = Stream::Split(most),
                Kind::Drip(pause) => stream = Stream::Drip(pause),
                Kind::UdpDrop(_) | Kind::UdpDuplicate | Kind::UdpReorder => datagrams.push(kind),
                Kind::Merge => packets.push(model.stray_event(peer)),
                Kind::StrayEvent(place) => {
                    let event = model.stray_event(peer);
                    super::shape::stray_events(&mut packets, place, &event);
                }
                Kind::LateDuplicate => {
                    if let Some(previous) = self.previous.get(&peer) {
                        packets.insert(0, previous.clone());
                    }
                }
                _ => shape(kind, &mut packets),
            }
        }
        let mut frames: Vec<Frame> =
            packets.into_iter().map(|packet| Frame { packet, faults: Vec::new() }).collect();
        for armed in &mut self.armed {
            let Fault { kind, scope, .. } = armed.fault;
            if !strikes_at_packet(kind, peer) || !reaches(scope, request) {
                continue;
            }
            for frame in frames.iter_mut().filter(|frame| is_occasion(scope, frame, last.reply)) {
                if armed.strikes() {
                    struck += 1;
                    frame.faults.push(kind);
                }
                if !matches!(scope, Scope::Packet(_)) {
                    break;
                }
            }
            let swallowed = frames.iter().position(|frame| frame.faults.contains(&Kind::Swallow));
            if let Some(first) = swallowed.filter(|_| !matches!(scope, Scope::Packet(_))) {
                // The answer as a whole is not sent.
                frames.iter_mut().skip(first).for_each(|frame| frame.faults.push(Kind::Swallow));
            }
        }
        if peer.is_udp() && frames.iter().any(|frame| frame.faults.contains(&Kind::Silent)) {
            self.muted.insert(peer);
        }
        if self.armed.iter().any(|armed| armed.fault.kind == Kind::LateDuplicate) {
            self.previous.insert(peer, last);
        }
        model.counters_mut().faults += struck;
        assemble(frames, stream, &datagrams, peer.is_udp(), &mut self.rng)
    }

    /// A conversation is over.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.muted.remove(&peer);
        self.previous.remove(&peer);
    }

    /// The device has restarted: what is wrong with it stays, its conversations are gone.
    pub(crate) fn restart(&mut self) {
        self.muted.clear();
        self.previous.clear();
    }
}

pub(super) fn reaches(scope: Scope, request: Command) -> bool {
    match scope {
        Scope::Any | Scope::Packet(_) => true,
        Scope::Phase(phase) => Phase::of(request) == Some(phase),
        Scope::Code(code) => request.0 == code,
    }
}

fn has_packet(scope: Scope, packets: &[Outgoing]) -> bool {
    match scope {
        Scope::Packet(role) => packets.iter().any(|packet| packet.role == role),
        _ => true,
    }
}

/// Faults that strike at one packet: the first of the answer, or those of a kind.
fn strikes_at_packet(kind: Kind, peer: Peer) -> bool {
    match kind {
        Kind::Oversize { .. } => !peer.is_udp(),
        Kind::Silent
        | Kind::Swallow
        | Kind::Close(_)
        | Kind::Rst(_)
        | Kind::Reboot(_)
        | Kind::Delay(_)
        | Kind::WrongChecksum
        | Kind::WrongReply => true,
        _ => false,
    }
}

fn is_occasion(scope: Scope, frame: &Frame, reply: u16) -> bool {
    match scope {
        Scope::Packet(role) => frame.packet.role == role,
        // What was put before the answer is not its first packet.
        _ => frame.packet.role != Role::Event && frame.packet.reply == reply,
    }
}

/// Whether a request belongs to the session itself.
fn is_of_session(request: Command) -> bool {
    matches!(request, Command::CONNECT | Command::AUTH | Command::EXIT | Command::ACK_OK)
}

fn is_table_request(request: Command) -> bool {
    matches!(
        request,
        Command::DATA_WRRQ
            | Command::USERTEMP_RRQ
            | Command::ATTLOG_RRQ
            | Command::DB_RRQ
            | Command::OPLOG_RRQ
    )
}
