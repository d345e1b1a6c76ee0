//! Reading a whole table: prepared and read in chunks, announced, or sent at once; which of these is the
//! device's choice, so all are understood.
//!
//! What it yields is complete: every byte that was announced has come, in order. Anything else is an error that
//! says what was announced and what came. Requests are made strictly one after the other. The transfer buffer is
//! given back at the end. Source: public protocol description, captured exchanges, reports of several clients.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::collect::Collect;
use super::error::DialogError;
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::bulk::{self, Announcement, BulkSize, Chunk, Table};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// What a read yields.
#[derive(Debug)]
pub struct Bulk {
    /// The table with its size word; empty when the device has none.
    pub data: Vec<u8>,
    /// How it was read.
    pub method: Method,
    /// The code with which the device said that there is nothing, if it did.
    pub nothing: Option<Command>,
    /// Whether the device gave its transfer buffer back; if not, the session should not be used again.
    pub released: bool,
}

/// How a table is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Into the device's transfer buffer, and from there in chunks.
    #[default]
    Buffered,
    /// With the table's own command: old firmware knows nothing else.
    Direct,
}

/// A read under way.
#[derive(Debug)]
pub struct BulkRead {
    table: Table,
    manners: Manners,
    method: Method,
    /// The method to begin with the next time, if this read teaches nothing better.
    known: Method,
    /// The session id, if it is known: it tells "nothing there" from the end of a transfer that got lost.
    session: Option<u16>,
    /// Whether the device counts records in this table, so that "nothing" cannot be true.
    expected: bool,
    chunk_limit: u32,
    state: State,
    collect: Collect,
    /// How often the request under way was made.
    tries: u32,
    /// Whether the table was prepared anew because the device had lost it.
    restarted: bool,
    /// Whether the device was already left alone for a moment because it asked for that.
    paused: bool,
    /// Why the read fails, while the buffer is being given back.
    failure: Option<DialogError>,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The table was asked for.
    Preparing,
    /// The device wants to be asked again in a moment.
    Pausing,
    /// It comes without further requests.
    Streaming,
    /// It is read chunk by chunk.
    Reading { size: u32, chunk: Chunk },
    /// All is here; the buffer is being given back.
    Releasing,
    /// A chunk failed for good; the buffer is being given back.
    GivingUp,
}

/// How often one chunk is asked for before the read fails.
const CHUNK_TRIES: u32 = 3;
/// Over datagrams less is asked for at once after each failure, but no less than this, in bytes.
const SMALLEST_CHUNK: u32 = 2048;
/// How long the packet that closes a transfer is waited for once all bytes are here.
const CLOSING: Duration = Duration::from_secs(2);
/// How long late datagrams are waited for after the packet that closes a transfer.
const LATE: Duration = Duration::from_secs(1);
/// How long a device that says "again" is left alone.
const PAUSE: Duration = super::exchange::PAUSE;
/// Memory taken before anything has come, in bytes; it grows with what comes.
const FIRST_RESERVE: usize = 1 << 20;

impl BulkRead {
    /// A read of this table. `count` is how many records the device counts in it; `now` only fills a field until
    /// the dialog is opened.
    #[must_use]
    pub fn new(table: Table, method: Method, count: Option<u32>, manners: Manners, now: Instant) -> Self {
        let chunk_limit = match manners.carrier {
            Carrier::Tcp => bulk::CHUNK_TCP,
            Carrier::Udp => bulk::CHUNK_UDP,
        };
        Self {
            table,
            manners,
            method,
            known: method,
            session: None,
            expected: count.is_some_and(|count| count > 0),
            chunk_limit,
            state: State::Preparing,
            collect: Collect::new(manners.carrier),
            tries: 1,
            restarted: false,
            paused: false,
            failure: None,
            since: now,
        }
    }

    /// The same, in a session with this id.
    #[must_use]
    pub const fn in_session(mut self, session: u16) -> Self {
        self.session = Some(session);
        self
    }

    /// How many bytes were announced, as far as that is known, and how many have come.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match self.state {
            State::Reading { size, .. } => (u64::from(size), self.collect.total() as u64),
            _ => (self.collect.due().unwrap_or_default(), self.collect.received() as u64),
        }
    }

    fn prepare(&mut self, now: Instant) -> Step<Bulk> {
        self.since = now;
        self.state = State::Preparing;
        self.collect.begin(None);
        let request = match self.method {
            Method::Buffered => Request::new(Command::DATA_WRRQ, self.table.request()),
            Method::Direct => Request::new(self.table.command, self.table.direct_request()),
        };
        Step::Ask(request, self.manners.patience(Phase::Prepare))
    }

    fn ask_chunk(&mut self, size: u32, start: u32, now: Instant) -> Step<Bulk> {
        let chunk = Chunk { start, size: (size - start).min(self.chunk_limit) };
        self.since = now;
        self.state = State::Reading { size, chunk };
        self.collect.begin(Some(chunk.size));
        Step::Ask(Request::new(Command::DATA_RDY, chunk.emit()), self.manners.patience(Phase::Transfer))
    }

    fn release(&mut self, state: State) -> Step<Bulk> {
        self.state = state;
        let patience = Patience { phase: Phase::Release, limit: CLOSING.min(self.manners.reply) };
        Step::Ask(Request::bare(Command::FREE_DATA), patience)
    }

    fn go_on(&self) -> Step<Bulk> {
        Step::Wait(Patience { phase: Phase::Transfer, limit: self.manners.progress })
    }

    /// Waits for what may still come, but no longer than for anything else.
    fn linger(&self, limit: Duration) -> Step<Bulk> {
        Step::Wait(Patience { phase: Phase::Transfer, limit: limit.min(self.manners.progress) })
    }

    fn done(&mut self, nothing: Option<Command>, released: bool) -> Step<Bulk> {
        // That another method found nothing either is no reason to prefer it.
        let method = if nothing.is_some() { self.known } else { self.method };
        Step::Done(Ok(Bulk { data: self.collect.take(), method, nothing, released }))
    }

    /// The reply to the request that prepares the table.
    fn prepared(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        match packet.command {
            Command::PREPARE_DATA | Command::DATA => {
                self.state = State::Streaming;
                self.collected(packet, now)
            }
            Command::ACK_OK if packet.payload.is_empty() && self.ends_a_transfer(packet) => {
                self.state = State::Streaming;
                self.collected(packet, now)
            }
            Command::ACK_OK | Command::ACK_DATA if packet.payload.is_empty() => {
                self.nothing(packet.command, now)
            }
            Command::ACK_OK | Command::ACK_DATA => {
                let Ok(size) = bulk::buffered_size(packet.payload) else {
                    return Step::Done(Err(DialogError::Malformed { asked: Command::DATA_WRRQ }));
                };
                match BulkSize::new(size) {
                    Ok(size) if size.bytes() == 0 => self.release(State::Releasing),
                    Ok(size) => {
                        self.collect.reserve(size.bytes(), FIRST_RESERVE);
                        self.tries = 1;
                        self.ask_chunk(size.bytes(), 0, now)
                    }
                    Err(too_large) => Step::Done(Err(too_large.into())),
                }
            }
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            Command::ACK_RETRY | Command::ACK_REPEAT if !self.paused => {
                (self.paused, self.state) = (true, State::Pausing);
                Step::Wait(Patience { phase: Phase::Prepare, limit: PAUSE })
            }
            Command::ACK_ERROR | Command::ERR_NO_DATA => self.nothing(packet.command, now),
            code if self.method == Method::Buffered => {
                if code.is_unsupported() {
                    self.known = Method::Direct;
                }
                self.fall_back(now)
            }
            // Whatever it means, it does not say that there is nothing.
            code => Step::Done(Err(DialogError::TransferRefused { code })),
        }
    }

    /// Whether this "done" carries the number of bytes sent, as the end of a transfer does, and not the session
    /// id (or 0), as every other reply does.
    fn ends_a_transfer(&self, packet: &Packet<'_>) -> bool {
        self.session.is_some_and(|session| packet.session != session) && packet.session != 0
    }

    /// The device says that there is nothing. Some refuse the buffered form that way although there is.
    fn nothing(&mut self, code: Command, now: Instant) -> Step<Bulk> {
        if self.expected && self.method == Method::Buffered {
            return self.fall_back(now);
        }
        self.done(Some(code), true)
    }

    fn fall_back(&mut self, now: Instant) -> Step<Bulk> {
        self.method = Method::Direct;
        self.tries = 1;
        self.prepare(now)
    }

    /// A packet of a transfer under way.
    fn collected(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        match packet.command {
            Command::PREPARE_DATA => {
                let Ok(announcement) = Announcement::parse(packet.payload) else { return self.failed(now) };
                match BulkSize::new(announcement.total) {
                    Ok(_) => self.collect.announce(announcement),
                    Err(too_large) => return Step::Done(Err(too_large.into())),
                }
                self.weigh(now)
            }
            Command::DATA => {
                self.collect.add(packet);
                self.weigh(now)
            }
            Command::ACK_OK if self.collect.is_complete() => self.finished(now),
            Command::ACK_OK if self.collect.is_closed() => self.go_on(),
            Command::ACK_OK if self.more_was_sent(packet) => {
                self.collect.close();
                self.linger(LATE)
            }
            Command::ACK_OK => self.failed(now),
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            // The buffer is gone, as after another program's read: the table is prepared once more.
            _ if matches!(self.state, State::Reading { .. }) && !self.restarted => {
                self.restarted = true;
                self.collect.restart();
                self.tries = 1;
                self.prepare(now)
            }
            code => self.give_up(DialogError::TransferRefused { code }),
        }
    }

    /// What has come, is it all?
    fn weigh(&mut self, now: Instant) -> Step<Bulk> {
        if self.collect.overflows() {
            return self.overrun(now);
        }
        if !self.collect.is_complete() {
            if let Some(Err(too_large)) = self.claimed().map(BulkSize::new) {
                return Step::Done(Err(too_large.into()));
            }
            if self.collect.is_closed() || self.collect.is_enough() {
                return self.linger(LATE);
            }
            return self.go_on();
        }
        if self.collect.is_announced() && !self.collect.is_closed() {
            // The packet that closes the transfer follows; unread it would answer the next request.
            return self.linger(CLOSING);
        }
        self.finished(now)
    }

    /// What the size word of an unannounced table claims. The first datagram need not be the one with that word.
    fn claimed(&self) -> Option<u32> {
        let guess = self.collect.is_guess() && self.manners.carrier == Carrier::Tcp;
        let due = self.collect.due().filter(|_| guess)?;
        Some(u32::try_from(due).unwrap_or(u32::MAX))
    }

    /// Whether the packet that closes a transfer may have overtaken data: datagrams do that, and it tells how
    /// many bytes were sent (modulo 65536).
    fn more_was_sent(&self, packet: &Packet<'_>) -> bool {
        let received = self.collect.received() % (1 << 16);
        self.manners.carrier == Carrier::Udp || usize::from(packet.session) != received
    }

    /// More bytes than announced: a stream cannot be trusted after that, datagrams can be asked for again.
    fn overrun(&mut self, now: Instant) -> Step<Bulk> {
        match self.manners.carrier {
            Carrier::Udp => self.failed(now),
            Carrier::Tcp => Step::Done(Err(DialogError::Overrun {
                announced: self.collect.due().unwrap_or_default(),
                received: self.collect.received() as u64,
            })),
        }
    }

    /// All bytes of the last request are here.
    fn finished(&mut self, now: Instant) -> Step<Bulk> {
        let wanted = match self.state {
            State::Reading { chunk, .. } => Some(chunk.size),
            _ => None,
        };
        if wanted.is_some_and(|wanted| usize::try_from(wanted) != Ok(self.collect.received())) {
            return self.failed(now);
        }
        self.collect.commit();
        match self.state {
            State::Reading { size, chunk } => {
                let start = chunk.start + chunk.size;
                if start < size {
                    self.tries = 1;
                    self.ask_chunk(size, start, now)
                } else {
                    self.release(State::Releasing)
                }
            }
            _ => self.done(None, true),
        }
    }

    /// The last request was not answered in full: once more, if that makes sense.
    fn failed(&mut self, now: Instant) -> Step<Bulk> {
        if self.tries < CHUNK_TRIES {
            self.tries += 1;
            match self.state {
                State::Reading { size, chunk } => {
                    if self.manners.carrier == Carrier::Udp {
                        // Fewer datagrams in a row, fewer of them lost.
                        self.chunk_limit = (self.chunk_limit / 2).max(SMALLEST_CHUNK);
                    }
                    return self.ask_chunk(size, chunk.start, now);
                }
                State::Streaming => return self.prepare_again(now),
                _ => {}
            }
        }
        let (announced, received) = self.progress();
        self.give_up(DialogError::Incomplete { announced, received })
    }

    fn prepare_again(&mut self, now: Instant) -> Step<Bulk> {
        let since = self.since;
        let step = self.prepare(now);
        self.since = since;
        step
    }

    fn give_up(&mut self, error: DialogError) -> Step<Bulk> {
        // A table that was put into the buffer stays there until it is given back.
        match self.state {
            State::Reading { .. } => {
                self.failure = Some(error);
                self.release(State::GivingUp)
            }
            _ => Step::Done(Err(error)),
        }
    }

    fn silent(&self, phase: Phase, now: Instant) -> Step<Bulk> {
        Step::Done(Err(DialogError::Silent { phase, waited: now.duration_since(self.since) }))
    }
}

impl Dialog for BulkRead {
    type Outcome = Bulk;

    fn open(&mut self, now: Instant) -> Step<Bulk> {
        self.prepare(now)
    }

    fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        match self.state {
            State::Preparing => self.prepared(packet, now),
            // The same answer once more, as datagrams do.
            State::Pausing => Step::Wait(Patience { phase: Phase::Prepare, limit: PAUSE }),
            State::Streaming | State::Reading { .. } => self.collected(packet, now),
            State::Releasing => self.done(None, true),
            State::GivingUp => Step::Done(Err(self.failure.take().unwrap_or(DialogError::OutOfStep))),
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Bulk> {
        let udp = self.manners.carrier == Carrier::Udp;
        match self.state {
            // The closing packet is missing, the bytes are not.
            State::Streaming | State::Reading { .. } if self.collect.is_enough() => self.finished(now),
            // A closed transfer is over, whatever is missing, so it can be asked for again.
            State::Streaming | State::Reading { .. } if self.collect.is_closed() => self.failed(now),
            State::Streaming | State::Reading { .. } if udp && self.tries < CHUNK_TRIES => self.failed(now),
            State::Streaming | State::Reading { .. } => {
                let (announced, received) = self.progress();
                let waited = self.manners.progress;
                Step::Done(Err(DialogError::Stalled { announced, received, waited }))
            }
            State::Preparing if udp && self.tries < self.manners.tries() => {
                self.tries += 1;
                self.prepare_again(now)
            }
            State::Preparing => self.silent(Phase::Prepare, now),
            State::Pausing => self.prepare_again(now),
            State::Releasing => self.done(None, false),
            State::GivingUp => match self.failure.take() {
                // It says nothing any more, so this session is not to be used again.
                Some(DialogError::Incomplete { announced, received }) => {
                    Step::Done(Err(DialogError::Stalled { announced, received, waited: CLOSING }))
                }
                _ => self.silent(Phase::Release, now),
            },
        }
    }
}
