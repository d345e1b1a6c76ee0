//! A capture: what was said between us and one device for a limited time, as text that can be read, sent to
//! somebody and served again by the simulator.
//!
//! The form is NDJSON: a [`Header`], then a [`Line`] for each packet, for the beginning and the end of each session,
//! for what is missing, and for the end of the capture. Secrets are masked before anything is written, see
//! [`mask`]: masked bytes keep their number and their place, so the packets still have their structure. Checksums are
//! not kept; they follow from the bytes.

mod classes;
mod format;
mod held;
pub mod mask;
mod secrets;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::carrier::Carrier;
use super::command::Command;
use super::packet::Packet;

pub use format::CaptureError;

/// What stands in the first line of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the program that wrote it.
    pub zkgate: String,
    /// The device, by its id in that program.
    pub device: String,
    /// The device's serial number, if it was known at the start.
    pub serial_number: Option<String>,
    /// How the device is spoken to: `tcp`, `udp` or `auto`.
    pub transport: String,
    /// When it was begun: RFC 3339, UTC.
    pub started_at: String,
}

/// Time since the start of a capture, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u64);

/// One line behind the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A session begins.
    Begin {
        /// When.
        at: Micros,
        /// Its number, from 1.
        session: u32,
        /// Over what it runs.
        carrier: Carrier,
        /// Whether it had begun before the capture did.
        joined: bool,
    },
    /// A packet.
    Frame {
        /// When.
        at: Micros,
        /// In which session.
        session: u32,
        /// The packet.
        frame: Frame,
    },
    /// A session ends.
    End {
        /// When.
        at: Micros,
        /// Which.
        session: u32,
        /// How: `exit`, or the code of what went wrong.
        how: String,
    },
    /// Packets are missing here, because they came faster than they could be written.
    Gap {
        /// When that was noticed.
        at: Micros,
        /// How many.
        frames: u64,
    },
    /// The end of the capture.
    Stop {
        /// When.
        at: Micros,
        /// Why: `asked`, `duration`, `bytes` or `stopping`.
        why: String,
        /// How many packets were written.
        frames: u64,
        /// How many are missing.
        lost: u64,
    },
}

/// A packet as a capture keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it went.
    pub direction: Direction,
    /// What is asked or answered.
    pub command: Command,
    /// The session field.
    pub session: u16,
    /// The reply field.
    pub reply: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
    /// Which bytes of the payload are not what they were: in order, apart from each other.
    pub masked: Vec<Range<usize>>,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the device.
    Out,
    /// From the device.
    In,
}

/// A whole capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its first line.
    pub header: Header,
    /// The others.
    pub lines: Vec<Line>,
    /// Whether its last line breaks off: the program that wrote it was killed.
    pub breaks_off: bool,
}

impl Capture {
    /// The version of the form that is written and read.
    pub const VERSION: u64 = 1;

    /// Reads a capture.
    ///
    /// # Errors
    /// [`CaptureError`], which names the line.
    pub fn parse(text: &str) -> Result<Self, CaptureError> {
        let mut lines = text.split_inclusive('\n');
        let header = Header::parse(lines.next().unwrap_or_default().trim_end())?;
        let mut capture = Self { header, lines: Vec::new(), breaks_off: false };
        for (text, number) in lines.zip(2..) {
            let whole = text.ends_with('\n');
            match Line::parse(text.trim_end(), number) {
                Ok(line) => capture.lines.push(line),
                Err(_) if !whole => capture.breaks_off = true,
                Err(error) => return Err(error),
            }
        }
        Ok(capture)
    }
}

impl Frame {
    /// A packet with nothing masked yet.
    #[must_use]
    pub fn of(direction: Direction, packet: &Packet<'_>) -> Self {
        let Packet { command, session, reply, payload } = *packet;
        Self { direction, command, session, reply, payload: payload.to_vec(), masked: Vec::new() }
    }

    /// Whether a payload is this one, as far as this one is not masked.
    #[must_use]
    pub fn is_like(&self, payload: &[u8]) -> bool {
        if payload.len() != self.payload.len() {
            return false;
        }
        let mut from = 0;
        let plain = self.masked.iter().map(|masked| {
            let plain = from..masked.start;
            from = masked.end;
            plain
        });
        let mut plain: Vec<Range<usize>> = plain.collect();
        plain.push(from..payload.len());
        plain.into_iter().all(|range| self.payload.get(range.clone()) == payload.get(range))
    }

    /// Makes these bytes zero and notes that.
    pub(super) fn hide(&mut self, range: Range<usize>) {
        self.overwrite(range, 0);
    }

    /// Makes all bytes from here on zero and notes that.
    pub(super) fn hide_from(&mut self, start: usize) {
        self.hide(start..self.payload.len());
    }

    /// Puts this byte over a range, behind those that are masked already.
    pub(super) fn overwrite(&mut self, range: Range<usize>, with: u8) {
        let end = range.end.min(self.payload.len());
        let start = range.start.max(self.masked.last().map_or(0, |last| last.end));
        let Some(bytes) = self.payload.get_mut(start..end).filter(|bytes| !bytes.is_empty()) else { return };
        bytes.fill(with);
        match self.masked.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.masked.push(start..end),
        }
    }
}

impl Line {
    /// When it was written of.
    #[must_use]
    pub const fn at(&self) -> Micros {
        match self {
            Self::Begin { at, .. }
            | Self::Frame { at, .. }
            | Self::End { at, .. }
            | Self::Gap { at, .. }
            | Self::Stop { at, .. } => *at,
        }
    }
}
