//! Reading a table: prepared and read in chunks, announced, or sent at once; which of these is the device's
//! choice, so all are understood.
//!
//! What it yields is complete: every byte that was announced, or asked for, has come, in order. Anything else is
//! an error that says what was announced and what came. Requests are made strictly one after the other. A read of
//! the whole table gives the transfer buffer back at its end; a read in parts leaves that to whoever reads, except
//! when a part fails. Source: public protocol description, captured exchanges, reports of several clients.

mod outcome;
#[cfg(test)]
mod tests;

pub use outcome::{Buffer, Bulk, Method};

use std::time::{Duration, Instant};

use super::error::DialogError;
use super::transfer::{CLOSING, Transfer, Verdict};
use super::{Dialog, Manners, Patience, Phase, Request, Step};
use crate::wire::bulk::{self, BulkSize, Chunk, Table};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::packet::Packet;

/// A read under way.
#[derive(Debug)]
pub struct BulkRead {
    table: Table,
    manners: Manners,
    goal: Goal,
    method: Method,
    /// One template is asked for, by index and finger, instead of a table.
    single: Option<[u8; 3]>,
    /// The method to begin with the next time, if this read teaches nothing better.
    known: Method,
    /// The session id, if it is known: it tells "nothing there" from the end of a transfer that got lost.
    session: Option<u16>,
    /// Whether there should be something in this table, so that "nothing" is not believed at once.
    expected: bool,
    /// Whether it is only doubted that there is nothing, and may be so all the same.
    doubting: bool,
    /// What the buffered form said of that, if it did.
    nothing: Option<Command>,
    chunk_limit: u32,
    state: State,
    transfer: Transfer,
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

/// How far a read goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// The table is read, and the buffer given back.
    Table,
    /// If the device puts the table into its buffer, it stays there.
    Prepared,
    /// This part of what stands in the buffer is read. Asking for the table anew could bring another one.
    Part(Chunk),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The table was asked for.
    Preparing,
    /// The device wants to be asked again in a moment.
    Pausing,
    /// It comes without further requests.
    Streaming,
    /// It is read chunk by chunk, up to the byte before `end`.
    Reading { end: u32, chunk: Chunk },
    /// All is here; the buffer is being given back.
    Releasing,
    /// A chunk failed for good; the buffer is being given back.
    GivingUp,
}

/// How often one chunk is asked for before the read fails.
const CHUNK_TRIES: u32 = 3;
/// Over datagrams less is asked for at once after each failure, but no less than this, in bytes.
const SMALLEST_CHUNK: u32 = 2048;
/// How long a device that says "again" is left alone.
const PAUSE: Duration = super::exchange::PAUSE;

/// The most bytes that are asked for at once.
#[must_use]
pub const fn chunk_limit(carrier: Carrier) -> u32 {
    match carrier {
        Carrier::Tcp => bulk::CHUNK_TCP,
        Carrier::Udp => bulk::CHUNK_UDP,
    }
}

impl BulkRead {
    /// A read of this table. `count` is how many records the device counts in it; `now` only fills a field until
    /// the dialog is opened.
    #[must_use]
    pub const fn new(
        table: Table,
        method: Method,
        count: Option<u32>,
        manners: Manners,
        now: Instant,
    ) -> Self {
        Self {
            table,
            manners,
            goal: Goal::Table,
            method,
            single: None,
            known: method,
            session: None,
            expected: matches!(count, Some(1..)),
            doubting: false,
            nothing: None,
            chunk_limit: chunk_limit(manners.carrier),
            state: State::Preparing,
            transfer: Transfer::new(manners),
            tries: 1,
            restarted: false,
            paused: false,
            failure: None,
            since: now,
        }
    }

    /// A read of a part of this table, which stands in the transfer buffer; in chunks of at most `chunk_limit`
    /// bytes. If it fails, the buffer is given back.
    #[must_use]
    pub const fn part(table: Table, part: Chunk, chunk_limit: u32, manners: Manners, now: Instant) -> Self {
        let mut read = Self::new(table, Method::Buffered, None, manners, now);
        read.goal = Goal::Part(part);
        read.chunk_limit = chunk_limit;
        read
    }

    /// For a table that may have something in it whatever the count says: that there is nothing is not believed
    /// before the direct form was asked too.
    #[must_use]
    pub fn doubting_emptiness(self) -> Self {
        Self { expected: true, doubting: true, ..self }
    }

    /// A read of one template, by index and finger, with this command; it comes without a size word.
    #[must_use]
    pub const fn single(command: Command, whose: [u8; 3], manners: Manners, now: Instant) -> Self {
        let table = Table { command, fct: 0 };
        let mut read = Self::new(table, Method::Direct, None, manners, now);
        read.single = Some(whose);
        read
    }

    /// The same read, but a table that the device puts into its transfer buffer is left there.
    #[must_use]
    pub const fn stopping_when_prepared(mut self) -> Self {
        self.goal = Goal::Prepared;
        self
    }

    /// The same, in a session with this id.
    #[must_use]
    pub const fn in_session(mut self, session: u16) -> Self {
        self.session = Some(session);
        self
    }

    /// How many bytes were announced or asked for, as far as that is known, and how many have come.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match (self.state, self.goal) {
            (State::Reading { .. }, Goal::Part(part)) => (u64::from(part.size), self.transfer.total()),
            (State::Reading { end, .. }, _) => (u64::from(end), self.transfer.total()),
            _ => {
                let (due, received) = self.transfer.progress();
                (due.unwrap_or_default(), received)
            }
        }
    }

    /// The most bytes that were asked for at once in the end: datagrams that get lost make it smaller.
    #[must_use]
    pub const fn chunk_limit(&self) -> u32 {
        self.chunk_limit
    }

    fn prepare(&mut self, now: Instant) -> Step<Bulk> {
        self.since = now;
        self.state = State::Preparing;
        self.transfer.begin(None);
        let request = match self.method {
            Method::Buffered => Request::new(Command::DATA_WRRQ, self.table.request()),
            Method::Direct => {
                let whole = || self.table.direct_request();
                let payload = self.single.map_or_else(whole, |whose| whose.to_vec());
                Request::new(self.table.command, payload)
            }
        };
        Step::Ask(request, self.manners.patience(Phase::Prepare))
    }

    fn ask_chunk(&mut self, end: u32, start: u32, now: Instant) -> Step<Bulk> {
        let chunk = Chunk { start, size: end.saturating_sub(start).min(self.chunk_limit) };
        self.since = now;
        self.state = State::Reading { end, chunk };
        self.transfer.begin(Some(chunk.size));
        Step::Ask(Request::new(Command::DATA_RDY, chunk.emit()), self.manners.patience(Phase::Transfer))
    }

    fn release(&mut self, state: State) -> Step<Bulk> {
        self.state = state;
        let patience = Patience { phase: Phase::Release, limit: CLOSING.min(self.manners.reply) };
        Step::Ask(Request::bare(Command::FREE_DATA), patience)
    }

    fn done(&mut self, nothing: Option<Command>, buffer: Buffer) -> Step<Bulk> {
        // That another method found nothing either is no reason to prefer it.
        let method = if nothing.is_some() { self.known } else { self.method };
        Step::Done(Ok(Bulk { data: self.transfer.take(), method, nothing, buffer }))
    }

    /// The reply to the request that prepares the table.
    fn prepared(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        match packet.command {
            Command::PREPARE_DATA | Command::DATA => self.streamed(packet, now),
            Command::ACK_OK if packet.payload.is_empty() && self.ends_a_transfer(packet) => {
                self.streamed(packet, now)
            }
            Command::ACK_OK | Command::ACK_DATA if packet.payload.is_empty() => {
                self.nothing(packet.command, now)
            }
            Command::ACK_OK | Command::ACK_DATA => {
                let Ok(size) = bulk::buffered_size(packet.payload) else {
                    return Step::Done(Err(DialogError::Malformed { asked: Command::DATA_WRRQ }));
                };
                match BulkSize::new(size) {
                    Ok(size) => self.buffered(size.bytes(), now),
                    Err(too_large) => Step::Done(Err(too_large.into())),
                }
            }
            Command::ACK_UNAUTH => Step::Done(Err(DialogError::SessionLost)),
            Command::ACK_RETRY | Command::ACK_REPEAT if !self.paused => {
                (self.paused, self.state) = (true, State::Pausing);
                Step::Wait(Patience { phase: Phase::Prepare, limit: PAUSE })
            }
            Command::ACK_ERROR | Command::ERR_NO_DATA => self.nothing(packet.command, now),
            Command::ERR_READ | Command::ERR_NOT_FOUND if self.single.is_some() => {
                self.nothing(packet.command, now)
            }
            code if self.method == Method::Buffered => {
                if code.is_unsupported() {
                    self.known = Method::Direct;
                }
                self.fall_back(now)
            }
            // Whatever it means, it does not say that there is nothing; but it may be all that there is to an answer
            // that did.
            code => match self.nothing.filter(|_| self.doubting) {
                Some(nothing) => self.done(Some(nothing), Buffer::Free),
                None => Step::Done(Err(DialogError::TransferRefused { code })),
            },
        }
    }

    fn streamed(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        self.state = State::Streaming;
        let verdict = self.transfer.hear(packet);
        self.judge(verdict, now)
    }

    /// The table stands in the device's buffer.
    fn buffered(&mut self, size: u32, now: Instant) -> Step<Bulk> {
        match (size, self.goal) {
            (0, _) => self.release(State::Releasing),
            (_, Goal::Prepared) => self.done(None, Buffer::Holds(size)),
            _ => {
                self.transfer.reserve(size);
                self.tries = 1;
                self.ask_chunk(size, 0, now)
            }
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
            self.nothing = Some(code);
            return self.fall_back(now);
        }
        self.done(Some(code), Buffer::Free)
    }

    fn fall_back(&mut self, now: Instant) -> Step<Bulk> {
        self.method = Method::Direct;
        self.tries = 1;
        self.prepare(now)
    }

    /// What follows from what became of the answer to the last request.
    fn judge(&mut self, verdict: Verdict, now: Instant) -> Step<Bulk> {
        match verdict {
            Verdict::Wait(patience) => Step::Wait(patience),
            Verdict::Whole => self.finished(now),
            Verdict::Short => self.failed(now),
            Verdict::Stopped if self.manners.carrier == Carrier::Udp && self.tries < CHUNK_TRIES => {
                self.failed(now)
            }
            Verdict::Stopped => {
                let (announced, received) = self.progress();
                let waited = self.manners.progress;
                Step::Done(Err(DialogError::Stalled { announced, received, waited }))
            }
            Verdict::Refused(code) => self.refused(code, now),
            Verdict::Failed(error) => Step::Done(Err(error)),
        }
    }

    /// All bytes of the last request are here.
    fn finished(&mut self, now: Instant) -> Step<Bulk> {
        match (self.state, self.goal) {
            (State::Reading { end, chunk }, _) if chunk.start + chunk.size < end => {
                self.tries = 1;
                self.ask_chunk(end, chunk.start + chunk.size, now)
            }
            (State::Reading { end, .. }, Goal::Part(_)) => self.done(None, Buffer::Holds(end)),
            (State::Reading { .. }, _) => self.release(State::Releasing),
            _ => self.done(None, Buffer::Free),
        }
    }

    /// The last request was not answered in full: once more, if that makes sense.
    fn failed(&mut self, now: Instant) -> Step<Bulk> {
        if self.tries < CHUNK_TRIES {
            self.tries += 1;
            match self.state {
                State::Reading { end, chunk } => {
                    if self.manners.carrier == Carrier::Udp {
                        // Fewer datagrams in a row, fewer of them lost.
                        self.chunk_limit = (self.chunk_limit / 2).max(SMALLEST_CHUNK);
                    }
                    return self.ask_chunk(end, chunk.start, now);
                }
                State::Streaming => return self.prepare_again(now),
                _ => {}
            }
        }
        let (announced, received) = self.progress();
        self.give_up(DialogError::Incomplete { announced, received })
    }

    /// The device answers a request for data with a code.
    fn refused(&mut self, code: Command, now: Instant) -> Step<Bulk> {
        let reading = matches!(self.state, State::Reading { .. });
        if reading && self.goal == Goal::Table && !self.restarted {
            // The buffer is gone, as after another program's read: the table is prepared once more.
            self.restarted = true;
            self.transfer.restart();
            self.tries = 1;
            return self.prepare(now);
        }
        self.give_up(DialogError::TransferRefused { code })
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
        match self.goal {
            Goal::Part(part) => {
                self.transfer.reserve(part.size);
                self.ask_chunk(part.start.saturating_add(part.size), part.start, now)
            }
            Goal::Table | Goal::Prepared => self.prepare(now),
        }
    }

    fn hear(&mut self, packet: &Packet<'_>, now: Instant) -> Step<Bulk> {
        match self.state {
            State::Preparing => self.prepared(packet, now),
            // The same answer once more, as datagrams do.
            State::Pausing => Step::Wait(Patience { phase: Phase::Prepare, limit: PAUSE }),
            State::Streaming | State::Reading { .. } => {
                let verdict = self.transfer.hear(packet);
                self.judge(verdict, now)
            }
            State::Releasing => self.done(None, Buffer::Free),
            State::GivingUp => Step::Done(Err(self.failure.take().unwrap_or(DialogError::OutOfStep))),
        }
    }

    fn lapse(&mut self, now: Instant) -> Step<Bulk> {
        let udp = self.manners.carrier == Carrier::Udp;
        match self.state {
            State::Streaming | State::Reading { .. } => {
                let verdict = self.transfer.lapse();
                self.judge(verdict, now)
            }
            State::Preparing if udp && self.tries < self.manners.tries() => {
                self.tries += 1;
                self.prepare_again(now)
            }
            State::Preparing => self.silent(Phase::Prepare, now),
            State::Pausing => self.prepare_again(now),
            State::Releasing => self.done(None, Buffer::Doubtful),
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
