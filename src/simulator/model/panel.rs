//! The door, its sensor, and the display.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{DeviceModel, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::simulator::tables::Operation;
use crate::wire::bytes::Reader;
use crate::wire::command::Command;

/// What the door's sensor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensor {
    /// Closed.
    #[default]
    Closed,
    /// Open.
    Open,
    /// There is none, and the answer is empty.
    Missing,
}

#[derive(Debug, Default)]
pub(super) struct Panel {
    sensor: Sensor,
    /// The number in the last command to open, in whatever unit.
    opened_for: Option<u32>,
    lines: BTreeMap<u16, Vec<u8>>,
}

/// The most lines that are remembered.
const LINES: usize = 64;

impl DeviceModel {
    pub(super) fn unlock(&mut self, ex: Exchange, payload: &[u8], now: Instant, out: &mut Vec<Outgoing>) {
        let delay = Reader::new(payload).u32().ok();
        if let Some(delay) = delay {
            self.panel.opened_for = Some(delay);
            self.counters.unlocks += 1;
            self.log_operation(Operation::UNLOCK, now);
        }
        ex.done(delay.is_some(), out);
    }

    pub(super) fn tell_door(&self, ex: Exchange, out: &mut Vec<Outgoing>) {
        match self.panel.sensor {
            Sensor::Closed => ex.give(vec![0], out),
            Sensor::Open => ex.give(vec![1], out),
            Sensor::Missing => ex.say(Command::ACK_OK, out),
        }
    }

    pub(super) fn show(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        if ex.request == Command::CLEAR_LCD {
            self.panel.lines.clear();
            ex.say(Command::ACK_OK, out);
            return;
        }
        let mut reader = Reader::new(payload);
        let line = reader.u16().ok().filter(|_| reader.skip(2).is_ok() && self.panel.lines.len() < LINES);
        if let Some(line) = line {
            let text = reader.rest().split(|byte| *byte == 0).next().unwrap_or_default();
            self.panel.lines.insert(line, text.to_vec());
        }
        ex.done(line.is_some(), out);
    }

    pub(crate) fn set_sensor(&mut self, sensor: Sensor) {
        self.panel.sensor = sensor;
    }

    pub(crate) fn opened_for(&self) -> Option<u32> {
        self.panel.opened_for
    }

    pub(crate) fn lines(&self) -> BTreeMap<u16, Vec<u8>> {
        self.panel.lines.clone()
    }
}
