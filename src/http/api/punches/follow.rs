//! Punches as they come: server-sent events.
//!
//! Each follower has a place in the journal of its own and takes rows from memory or, where that does not reach back,
//! from the database. Nothing is kept for it, so a slow one costs nobody anything.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::choice;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::follow::{self, Source};
use crate::http::gateway::Gateway;
use crate::http::problem::Problem;
use crate::http::reply::Reply;
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

/// `GET /punches/stream?after=`
pub fn stream(call: &mut Call) -> Handled {
    call.allow(&["after", "device", "user_id"])?;
    let seq = |text: &str| text.parse().ok().filter(|seen| *seen <= choice::SEQ_CEILING);
    let after = follow::begins_after(call, seq, |call| {
        call.parameter("after").map(|_| choice::after(call)).transpose()
    })?;
    let filter = choice::filter(call)?;
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?;
    if reply.is_head_only() {
        reply.send(follow::head());
        return Ok(Outcome::Later);
    }
    let shared = Arc::clone(&gateway);
    gateway.followers.follow(reply, move |reply| begin(&shared, reply, after, filter));
    Ok(Outcome::Later)
}

fn begin(gateway: &Gateway, reply: Reply, after: Option<u64>, filter: Filter) {
    let (journal, clock) = (Arc::clone(&gateway.journal), Arc::clone(&gateway.clock));
    let after = match after.map_or_else(|| end_of(&journal, clock.now()), Ok) {
        Ok(after) => after,
        Err(error) => return reply.send(Problem::of_store(&error).answer()),
    };
    let feed = Arc::clone(journal.feed());
    let follower = Follower { journal, feed, clock, filter, after, told: after };
    follow::run(reply, &gateway.clock, follower);
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
}

impl Source for Follower {
    fn is_closed(&self) -> bool {
        self.feed.is_closed()
    }

    fn tell(&mut self, until: Instant, made: &mut Vec<u8>) {
        match self.feed.behind(self.after, FROM_MEMORY) {
            Some(rows) if rows.is_empty() => {
                self.feed.wait_beyond(self.after, until, &*self.clock);
            }
            Some(rows) => self.add(rows.iter().map(|row| &**row), made),
            None => self.catch_up(made),
        }
    }

    /// With a filter also how far it has looked, so that nobody who comes again has all that looked through once more.
    fn beat(&mut self, made: &mut Vec<u8>) {
        if self.told != self.after {
            self.told = self.after;
            // Writing to memory does not fail.
            let _ = writeln!(made, "id: {}", self.told);
        }
    }
}

impl Follower {
    /// Takes rows that memory does not hold any more.
    fn catch_up(&mut self, made: &mut Vec<u8>) {
        // Every row up to here can be read.
        let head = self.feed.head();
        let query = PageQuery { after: self.after, limit: FROM_DATABASE, filter: self.filter.clone() };
        let page = match self.journal.page(query, Deadline::after(self.clock.now(), PAGE_TIME)) {
            Ok(page) => page,
            Err(StoreError::Closed) => return,
            Err(error) => {
                log::debug!("a follower waits for the journal: {error}");
                std::thread::sleep(PAUSE);
                return;
            }
        };
        self.add(page.rows.iter(), made);
        self.after = self.after.max(page.next_after);
        if !page.more {
            self.after = self.after.max(head);
        }
    }

    fn add<'r>(&mut self, rows: impl Iterator<Item = &'r Row>, made: &mut Vec<u8>) {
        for row in rows {
            self.after = row.seq;
            if self.filter.takes(row) {
                self.told = row.seq;
                write_event(row, made);
            }
        }
    }
}

/// Appends a row as an event.
fn write_event(row: &Row, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(out, "id: {}\nevent: punch\ndata: ", row.seq);
    write_row(row, out);
    out.extend_from_slice(b"\n\n");
}
