//! The faults of one device, and what they do to its answers.

use fastrand::Rng;

use super::{Fault, Kind, Step};
use crate::simulator::model::DeviceModel;
use crate::simulator::net::Doors;
use crate::simulator::outgoing::{Outgoing, Peer};
use crate::wire::command::Command;

/// Everything that is wrong with a device.
#[derive(Debug)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    rng: Rng,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
}

/// Whether a packet reaches the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Answer,
    Ignore,
}

impl Faults {
    pub(crate) fn new(faults: &[Fault], seed: u64) -> Self {
        let mut new = Self { armed: Vec::new(), rng: Rng::with_seed(seed) };
        faults.iter().for_each(|fault| new.add(fault.clone()));
        new
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.armed.push(Armed { fault });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

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

    pub(crate) fn silences_connection(&mut self) -> bool {
        self.armed.iter().any(|armed| armed.fault.kind == Kind::SilentAccept)
    }

    pub(crate) fn before(&mut self, _peer: Peer, _request: Command, _model: &mut DeviceModel) -> Before {
        Before::Answer
    }

    pub(crate) fn script(
        &mut self,
        _peer: Peer,
        _request: Command,
        answer: Vec<Outgoing>,
        _model: &mut DeviceModel,
    ) -> Vec<Step> {
        answer.iter().map(|packet| Step::Send(packet.to_bytes())).collect()
    }

    pub(crate) fn forget(&mut self, _peer: Peer) {}

    pub(crate) fn restart(&mut self) {}
}
