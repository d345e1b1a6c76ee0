//! Taking the secrets out of a conversation before it is written: comm keys, passwords, templates, secret options,
//! and everything that nobody has described.
//!
//! A [`Masker`] follows one session, because what a packet carries follows from what was asked. Masked bytes keep
//! their number and their place; where a table of users or templates is proved complete, its records keep their
//! structure. When something was missed, or what comes belongs to no request, it is hidden: a mask that is too large
//! costs a detail, one that is too small costs a secret.

use super::classes::{Class, Kind};
use super::held::{TableRead, hide_part};
use super::secrets::{hide_in_event, hide_in_request, hide_value};
use super::{Direction, Frame};
use crate::wire::bulk::{Announcement, Chunk, buffered_size};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::sizes::FreeSizes;

/// One session, on its way into a capture. `T` is what is kept with each packet, such as its time.
#[derive(Debug)]
pub struct Masker<T> {
    carrier: Carrier,
    asked: Option<Asked>,
    /// Secrets were asked for, or something was missed: what answers no request may be one.
    wary: bool,
    /// How many users the device counts.
    users: Option<u32>,
    buffer: Buffer,
    read: Option<TableRead>,
    held: Vec<Held<T>>,
    held_bytes: usize,
    ceiling: usize,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    command: Command,
    reply: u16,
    class: Class,
}

/// What stands in the device's transfer buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buffer {
    /// Nobody knows, or nothing.
    Unknown,
    /// This.
    Holds(Kind),
}

#[derive(Debug)]
struct Held<T> {
    tag: T,
    frame: Frame,
    /// Whether it is a part of the table that is waited for.
    part: bool,
}

/// What a packet takes besides its payload, in bytes, roughly.
const OVERHEAD: usize = 128;
/// The bytes of an announcement that are understood.
const ANNOUNCED: usize = 8;
/// The bytes that say how large a prepared table is.
const PREPARED: usize = 13;

impl<T> Masker<T> {
    /// A session that begins now, or one that was `joined` in its middle. At most `ceiling` bytes are held while a
    /// table comes; a larger one is hidden whole.
    #[must_use]
    pub const fn new(carrier: Carrier, joined: bool, ceiling: usize) -> Self {
        Self {
            carrier,
            asked: None,
            wary: joined,
            users: None,
            buffer: Buffer::Unknown,
            read: None,
            held: Vec::new(),
            held_bytes: 0,
            ceiling,
        }
    }

    /// Takes a packet. What can be written now is in `out` afterwards, in the order in which it came.
    pub fn hear(&mut self, tag: T, frame: Frame, out: &mut Vec<(T, Frame)>) {
        match frame.direction {
            Direction::Out => self.request(tag, frame, out),
            Direction::In => self.answer(tag, frame, out),
        }
    }

    /// Takes note that something was missed.
    pub fn gap(&mut self, out: &mut Vec<(T, Frame)>) {
        self.release(out);
        (self.asked, self.wary, self.users, self.buffer) = (None, true, None, Buffer::Unknown);
    }

    /// Gives what is still held.
    pub fn finish(mut self, out: &mut Vec<(T, Frame)>) {
        self.release(out);
    }

    fn request(&mut self, tag: T, mut frame: Frame, out: &mut Vec<(T, Frame)>) {
        if frame.command == Command::ACK_OK {
            // It acknowledges an event and asks for nothing.
            frame.hide_from(0);
            return self.write(tag, frame, out);
        }
        let mut class = Class::of(frame.command, &frame.payload);
        match (frame.command, class) {
            (Command::CONNECT, _) => {
                self.release(out);
                (self.buffer, self.users) = (Buffer::Unknown, None);
            }
            (Command::EXIT | Command::FREE_DATA, _) => {
                self.release(out);
                self.buffer = Buffer::Unknown;
            }
            (_, Class::Table(kind)) => {
                self.release(out);
                if frame.command == Command::DATA_WRRQ {
                    self.buffer = Buffer::Unknown;
                }
                if kind != Kind::Harmless {
                    self.wary = true;
                    let mut read = TableRead::new(kind);
                    read.ask(0, None);
                    self.read = Some(read);
                }
            }
            (_, Class::Chunk) => {
                class = match self.buffer {
                    Buffer::Holds(kind) => Class::Table(kind),
                    Buffer::Unknown => Class::Hidden,
                };
                let chunk = Chunk::parse(&frame.payload).ok();
                match (self.read.as_mut(), chunk) {
                    (Some(read), Some(chunk)) => read.ask(chunk.start, Some(chunk.size)),
                    _ if class == Class::Table(Kind::Harmless) => {}
                    _ => class = Class::Hidden,
                }
            }
            _ => {}
        }
        self.wary |= matches!(class, Class::Hidden | Class::Template | Class::Option { secret: true });
        self.asked = Some(Asked { command: frame.command, reply: frame.reply, class });
        hide_in_request(&mut frame);
        self.write(tag, frame, out);
    }

    fn answer(&mut self, tag: T, mut frame: Frame, out: &mut Vec<(T, Frame)>) {
        if frame.command == Command::REG_EVENT {
            hide_in_event(&mut frame);
            return self.write(tag, frame, out);
        }
        let belongs = |asked: &Asked| asked.reply == frame.reply || !self.wary;
        let Some(asked) = self.asked.filter(belongs) else {
            frame.hide_from(0);
            return self.write(tag, frame, out);
        };
        match asked.class {
            Class::Open => {
                if asked.command == Command::GET_FREE_SIZES && !frame.payload.is_empty() {
                    self.users = FreeSizes::parse(&frame.payload).users;
                }
            }
            Class::Option { secret } => hide_value(&mut frame, secret),
            Class::Table(kind) => return self.table(asked, kind, tag, frame, out),
            Class::Template if frame.command == Command::PREPARE_DATA => frame.hide_from(ANNOUNCED),
            Class::Template | Class::Chunk | Class::Hidden => frame.hide_from(0),
        }
        self.write(tag, frame, out);
    }

    /// A part of the answer to a request for a table.
    fn table(&mut self, asked: Asked, kind: Kind, tag: T, mut frame: Frame, out: &mut Vec<(T, Frame)>) {
        let done = matches!(frame.command, Command::ACK_OK | Command::ACK_DATA);
        let size = buffered_size(&frame.payload).ok().filter(|_| done && asked.command == Command::DATA_WRRQ);
        if let Some(size) = size {
            self.buffer = Buffer::Holds(kind);
            if let Some(read) = &mut self.read {
                read.total = Some(size);
            }
        }
        if kind == Kind::Harmless {
            return self.write(tag, frame, out);
        }
        match frame.command {
            Command::PREPARE_DATA => {
                if let (Some(read), Ok(announced)) = (&mut self.read, Announcement::parse(&frame.payload)) {
                    read.announce(announced.total, self.carrier);
                }
                frame.hide_from(ANNOUNCED);
            }
            Command::DATA if self.read.is_some() => {
                let place = self.held.len();
                if let Some(read) = &mut self.read {
                    read.take(place);
                }
                return self.hold(Held { tag, frame, part: true }, out);
            }
            _ => frame.hide_from(if size.is_some() { PREPARED } else { 0 }),
        }
        self.write(tag, frame, out);
    }

    /// Writes a packet from which everything secret was taken, behind what is held.
    fn write(&mut self, tag: T, frame: Frame, out: &mut Vec<(T, Frame)>) {
        if self.held.is_empty() {
            out.push((tag, frame));
        } else {
            self.hold(Held { tag, frame, part: false }, out);
        }
    }

    fn hold(&mut self, held: Held<T>, out: &mut Vec<(T, Frame)>) {
        self.held_bytes += held.frame.payload.len() + OVERHEAD;
        self.held.push(held);
        if self.held_bytes > self.ceiling {
            // It is given up; what still comes of it is hidden as it comes.
            self.read = None;
            self.release(out);
        }
    }

    /// Writes what is held: with its secrets hidden where they are known, else hidden whole.
    fn release(&mut self, out: &mut Vec<(T, Frame)>) {
        let read = self.read.take();
        self.held_bytes = 0;
        let mut held = std::mem::take(&mut self.held);
        let settled = read.and_then(|read| {
            read.settle(|place| held.get(place).map(|held| &held.frame), self.carrier, self.users)
        });
        for (place, held) in held.iter_mut().enumerate().filter(|(_, held)| held.part) {
            let known = settled.as_ref().and_then(|(places, secrets)| Some((*places.get(&place)?, secrets)));
            match known {
                Some((at, secrets)) => hide_part(&mut held.frame, at, secrets),
                None => held.frame.hide_from(0),
            }
        }
        out.extend(held.into_iter().map(|held| (held.tag, held.frame)));
    }
}
