//! What a device has been through, counted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::wire::command::Command;

/// Counts since the start of one device; they survive its reboots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u64,
    /// TCP connections open now.
    pub open: u64,
    /// Sessions opened with `CMD_CONNECT`.
    pub sessions: u64,
    /// Sessions ended with `CMD_EXIT`.
    pub exits: u64,
    /// Wrong comm keys.
    pub auth_failures: u64,
    /// Packets that were dropped: a wrong checksum, an unknown session.
    pub ignored: u64,
    /// Door openings.
    pub unlocks: u64,
    /// Tables cleared.
    pub clears: u64,
    /// Restarts, on command or by hand.
    pub restarts: u64,
    /// Events sent, repetitions included.
    pub events: u64,
    /// Events acknowledged.
    pub event_acks: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Punches recorded since the start.
    pub punches: u64,
    /// Packets received, by command code.
    pub commands: BTreeMap<u16, u64>,
    /// Bytes sent in answer, frames included, by the code of the command; events under 500.
    pub bytes: BTreeMap<u16, u64>,
}

impl Counters {
    /// How often a command came.
    #[must_use]
    pub fn command(&self, code: u16) -> u64 {
        self.commands.get(&code).copied().unwrap_or_default()
    }

    /// How many bytes a command was answered with altogether.
    #[must_use]
    pub fn bytes(&self, code: u16) -> u64 {
        self.bytes.get(&code).copied().unwrap_or_default()
    }

    pub(crate) fn sent(&mut self, code: Command, bytes: usize) {
        *self.bytes.entry(code.0).or_default() += bytes as u64;
    }
}
