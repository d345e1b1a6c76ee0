//! Punches as they come: server-sent events.
//!
//! Each follower has a thread and a place in the journal of its own and takes rows as fast as its client does, from
//! memory or, where that does not reach back, from the database. Nothing is kept for it, so a slow one costs nobody
//! anything; one that does not read at all is cut by the acceptor, and then writing fails here.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::choice;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::followers::HEARTBEAT;
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::Reply;
use crate::http::responder::AnswerStream;
use crate::http::response::{Answer, ContentType};
use crate::store::StoreError;
use crate::store::journal::feed::Feed;
use crate::store::journal::json::write_row;
use crate::store::journal::{Filter, Journal, PageQuery, Row};

/// Rows taken at a time: from memory, and from the database.
const FROM_MEMORY: usize = 256;
const FROM_DATABASE: u32 = 500;
/// How long the database may take for them; shorter than between two heartbeats.
const PAGE_TIME: Duration = Duration::from_secs(10);
/// How long to wait before it is asked again when it could not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// A comment, so that the client sees at once that it is connected, and how soon it may come again.
const WELCOME: &[u8] = b": zkgate\nretry: 2000\n\n";

/// `GET /punches/stream?after=`
pub fn stream(call: &mut Call) -> Handled {
    call.allow(&["after", "device", "user_id"])?;
    let after = begins_after(call)?;
    let filter = choice::filter(call)?;
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?;
    if reply.is_head_only() {
        reply.send(Answer::bytes(200, ContentType::EventStream, Vec::new()));
        return Ok(Outcome::Later);
    }
    let shared = Arc::clone(&gateway);
    gateway.followers.follow(reply, move |reply| begin(&shared, reply, after, filter));
    Ok(Outcome::Later)
}

/// Where it begins: what the client saw last wins over where it began at first. `None` for now.
fn begins_after(call: &Call) -> Result<Option<u64>, Problem> {
    let asked = call.parameter("after").map(|_| choice::after(call)).transpose()?;
    match call.headers().last_event_id.as_deref().map(str::trim) {
        None | Some("") => Ok(asked),
        Some(text) => {
            let seen = text.parse().ok().filter(|seen| *seen <= choice::SEQ_CEILING);
            let wrong = "it is the number of an event of this stream";
            seen.map(Some).ok_or_else(|| invalid("Last-Event-ID", wrong))
        }
    }
}

fn begin(gateway: &Gateway, reply: Reply, after: Option<u64>, filter: Filter) {
    let (journal, clock) = (Arc::clone(&gateway.journal), Arc::clone(&gateway.clock));
    let after = match after.map_or_else(|| end_of(&journal, clock.now()), Ok) {
        Ok(after) => after,
        Err(error) => return reply.send(Problem::of_store(&error).answer()),
    };
    let answer = Answer::bytes(200, ContentType::EventStream, WELCOME);
    let ended = reply.into_stream(answer).and_then(|out| {
        let beat_at = clock.now() + HEARTBEAT;
        let feed = Arc::clone(journal.feed());
        Follower { journal, feed, clock, filter, after, told: after, beat_at, made: Vec::new(), out }.run()
    });
    if let Err(error) = ended {
        log::debug!("a follower has gone: {error}");
    }
}

/// Where the journal ends now.
fn end_of(journal: &Journal, now: Instant) -> Result<u64, StoreError> {
    match journal.feed().head() {
        // Nothing was ever placed, or the database has not been seen yet.
        0 => journal.read(Deadline::after(now, PAGE_TIME), |backend| backend.head()),
        head => Ok(head),
    }
}

struct Follower {
    journal: Arc<Journal>,
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    filter: Filter,
    /// All rows up to this one have been looked at.
    after: u64,
    /// The last number that the client knows.
    told: u64,
    /// When to show that it is there.
    beat_at: Instant,
    /// Bytes made and not sent yet.
    made: Vec<u8>,
    out: AnswerStream,
}

impl Follower {
    /// Tells of punches until the client has gone or the journal is closed.
    fn run(mut self) -> io::Result<()> {
        while !self.feed.is_closed() {
            match self.feed.behind(self.after, FROM_MEMORY) {
                Some(rows) if rows.is_empty() => {
                    self.feed.wait_beyond(self.after, self.beat_at, &*self.clock);
                }
                Some(rows) => self.tell(rows.iter().map(|row| &**row))?,
                None => self.catch_up()?,
            }
            if self.clock.now() >= self.beat_at {
                self.beat()?;
            }
        }
        self.out.finish()
    }

    /// Takes rows that memory does not hold any more.
    fn catch_up(&mut self) -> io::Result<()> {
        // Every row up to here can be read.
        let head = self.feed.head();
        let query = PageQuery { after: self.after, limit: FROM_DATABASE, filter: self.filter.clone() };
        let page = match self.journal.page(query, Deadline::after(self.clock.now(), PAGE_TIME)) {
            Ok(page) => page,
            Err(StoreError::Closed) => return Ok(()),
            Err(error) => {
                log::debug!("a follower waits for the journal: {error}");
                std::thread::sleep(PAUSE);
                return Ok(());
            }
        };
        self.tell(page.rows.iter())?;
        self.after = self.after.max(page.next_after);
        if !page.more {
            self.after = self.after.max(head);
        }
        Ok(())
    }

    fn tell<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) -> io::Result<()> {
        for row in rows {
            self.after = row.seq;
            if self.filter.takes(row) {
                self.told = row.seq;
                write_event(row, &mut self.made);
            }
        }
        if self.made.is_empty() { Ok(()) } else { self.send() }
    }

    /// Shows that it is there; with a filter also how far it has looked, so that nobody who comes again has all that
    /// looked through once more.
    fn beat(&mut self) -> io::Result<()> {
        self.made.extend_from_slice(b": \n");
        if self.told != self.after {
            self.told = self.after;
            // Writing to memory does not fail.
            let _ = writeln!(self.made, "id: {}", self.told);
        }
        self.made.push(b'\n');
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        self.out.write_all(&self.made)?;
        self.made.clear();
        self.out.flush()?;
        self.beat_at = self.clock.now() + HEARTBEAT;
        Ok(())
    }
}

/// Appends a row as an event.
fn write_event(row: &Row, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "id: {}\nevent: punch\ndata: ", row.seq);
    write_row(row, out);
    out.extend_from_slice(b"\n\n");
}
