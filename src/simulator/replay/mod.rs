//! A capture as a script: what was asked, and what was answered to it.
//!
//! The packets are those of the device that was captured. Only what belongs to a conversation is made anew when they
//! are played: session ids, the numbers of replies, checksums. What was masked in a request matches anything.

mod image;
mod player;
#[cfg(test)]
mod tests;

pub(crate) use player::Player;

use std::collections::HashMap;
use std::time::Duration;

use super::net::How;
use crate::wire::capture::{Capture, Direction, Frame, Line, Micros};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;

/// A capture, ready to be played by any number of devices.
#[derive(Debug)]
pub struct Replay {
    serial_number: Option<String>,
    exchanges: Vec<Exchange>,
    /// The places of the exchanges that begin with a command.
    by_command: HashMap<Command, Vec<usize>>,
    /// What was told unasked, in the order in which it came.
    events: Vec<Told>,
    /// Whether a comm key was asked for and one was accepted.
    accepts_keys: bool,
    carriers: Vec<Carrier>,
}

/// A request and what came of it.
#[derive(Debug)]
struct Exchange {
    request: Frame,
    at: Micros,
    /// In which session of the capture.
    session: u32,
    carrier: Carrier,
    /// The id that the device had given this session.
    id: u16,
    answers: Vec<Frame>,
    /// The request that had prepared what stood in the transfer buffer.
    prepared: Option<usize>,
    /// How the device ended the connection, how long after its last word.
    ending: Option<(Duration, How)>,
}

/// An event between two exchanges.
#[derive(Debug)]
struct Told {
    session: u32,
    at: Micros,
    /// The exchange in which the session had registered for events.
    registered: Option<usize>,
    frame: Frame,
}

/// One session while the capture is read.
#[derive(Debug)]
struct Reading {
    carrier: Carrier,
    id: u16,
    /// The exchange under way.
    open: Option<usize>,
    prepared: Option<usize>,
    registered: Option<usize>,
    /// Events that have come since the last answer.
    waiting: Vec<(Micros, Frame)>,
    last: Micros,
}

/// A connection that ended later than this after the last answer ended for another reason than that.
const ENDING: Duration = Duration::from_secs(2);

impl Replay {
    /// Makes a script of a capture.
    #[must_use]
    pub fn new(capture: Capture) -> Self {
        let mut replay = Self {
            serial_number: capture.header.serial_number,
            exchanges: Vec::new(),
            by_command: HashMap::new(),
            events: Vec::new(),
            accepts_keys: false,
            carriers: Vec::new(),
        };
        let mut sessions: HashMap<u32, Reading> = HashMap::new();
        for line in capture.lines {
            match line {
                Line::Begin { session, carrier, at, .. } => {
                    if !replay.carriers.contains(&carrier) {
                        replay.carriers.push(carrier);
                    }
                    sessions.insert(session, Reading::new(carrier, at));
                }
                Line::Frame { at, session, frame } => {
                    let reading = sessions.entry(session).or_insert_with(|| Reading::new(Carrier::Tcp, at));
                    reading.last = at;
                    replay.take(session, reading, at, frame);
                }
                Line::End { at, session, how } => {
                    let Some(mut reading) = sessions.remove(&session) else { continue };
                    replay.set_aside(session, &mut reading);
                    replay.end(&reading, at, &how);
                }
                Line::Gap { .. } | Line::Stop { .. } => {}
            }
        }
        for (session, mut reading) in sessions {
            replay.set_aside(session, &mut reading);
        }
        replay.events.sort_by_key(|told| told.at);
        let accepted = |exchange: &Exchange| exchange.answers.iter().any(|a| a.command == Command::ACK_OK);
        let accepts_keys = replay.of_command(Command::AUTH).any(|(_, exchange)| accepted(exchange));
        Self { accepts_keys, ..replay }
    }

    /// Who was captured.
    pub(super) fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }

    /// Whether the device was spoken to in this way; one of which nothing was captured is spoken to in any.
    pub(super) fn speaks(&self, carrier: Carrier) -> bool {
        self.carriers.is_empty() || self.carriers.contains(&carrier)
    }

    fn of_command(&self, command: Command) -> impl DoubleEndedIterator<Item = (usize, &Exchange)> {
        let places = self.by_command.get(&command).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| Some((*place, self.exchanges.get(*place)?)))
    }

    fn take(&mut self, session: u32, reading: &mut Reading, at: Micros, frame: Frame) {
        match (frame.direction, frame.command) {
            // It acknowledges an event.
            (Direction::Out, Command::ACK_OK) => {}
            (Direction::Out, command) => {
                self.set_aside(session, reading);
                let place = self.exchanges.len();
                if reading.id == 0 {
                    // The capture begins in the middle of a session.
                    reading.id = frame.session;
                }
                match command {
                    Command::DATA_WRRQ => reading.prepared = Some(place),
                    Command::REG_EVENT => reading.registered = Some(place),
                    _ => {}
                }
                reading.open = Some(place);
                self.by_command.entry(command).or_default().push(place);
                self.exchanges.push(Exchange {
                    request: frame,
                    at,
                    session,
                    carrier: reading.carrier,
                    id: reading.id,
                    answers: Vec::new(),
                    prepared: reading.prepared,
                    ending: None,
                });
            }
            (Direction::In, Command::REG_EVENT) => reading.waiting.push((at, frame)),
            (Direction::In, _) => {
                let Some(exchange) = reading.open.and_then(|open| self.exchanges.get_mut(open)) else {
                    return;
                };
                if exchange.request.command == Command::CONNECT && exchange.request.reply == frame.reply {
                    reading.id = frame.session;
                    exchange.id = frame.session;
                }
                // What came in the middle of an answer is told in the middle of it.
                exchange.answers.extend(reading.waiting.drain(..).map(|(_, event)| event));
                exchange.answers.push(frame);
            }
        }
    }

    /// Events that came behind an answer are told in their own time.
    fn set_aside(&mut self, session: u32, reading: &mut Reading) {
        let registered = reading.registered;
        let events = reading.waiting.drain(..);
        self.events.extend(events.map(|(at, frame)| Told { session, at, registered, frame }));
    }

    fn end(&mut self, reading: &Reading, at: Micros, how: &str) {
        let how = match how {
            "closed" => How::Fin,
            "reset" => How::Rst,
            _ => return,
        };
        let pause = Duration::from_micros(at.0.saturating_sub(reading.last.0));
        let last = reading.open.and_then(|open| self.exchanges.get_mut(open));
        if let Some(last) = last.filter(|_| pause <= ENDING) {
            last.ending = Some((pause, how));
        }
    }
}

impl Reading {
    const fn new(carrier: Carrier, at: Micros) -> Self {
        Self { carrier, id: 0, open: None, prepared: None, registered: None, waiting: Vec::new(), last: at }
    }
}
