//! A request for a page that may wait until there is something in it, and holds no thread while it does.
//!
//! It is always in somebody's hand: the database has been asked, or the feed has been told to call back. When a hand
//! lets go of it without having had its turn, it is answered all the same, and alarms answer when the time is over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::page::shown;
use crate::base::alarm::Alarms;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::lock::lock;
use crate::base::seats::{Seat, Seats};
use crate::http::call::Call;
use crate::http::followers::too_many;
use crate::http::problem::Problem;
use crate::http::reply::SharedReply;
use crate::http::response::Answer;
use crate::store::StoreError;
use crate::store::journal::feed::{Feed, Waiting};
use crate::store::journal::query::Page;
use crate::store::journal::{Filter, Journal, PageQuery, Row};

/// The rows that are looked at in memory when there is news.
const LOOK: usize = 2048;
/// How long the database may take for a page that was waited for.
const AFTER_WAIT: Duration = Duration::from_secs(5);

/// One request.
pub(super) struct Poll {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    alarms: Arc<Alarms>,
    seats: Arc<Seats>,
    limit: u32,
    filter: Filter,
    /// When an empty page is the answer.
    wait_until: Instant,
    reply: SharedReply,
    /// guards: how far it has come
    state: Mutex<State>,
}

struct State {
    /// All rows up to this one have been looked at.
    after: u64,
    /// The database has been asked, and not answered.
    asking: bool,
    seat: Option<Seat>,
    waiting: Option<Waiting>,
    /// How often it has begun to wait.
    waits: u64,
}

impl Poll {
    /// Begins to look for the page; `call` is answered in any case.
    pub(super) fn begin(
        call: &mut Call,
        query: PageQuery,
        wait: Duration,
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let gateway = Arc::clone(&call.gateway);
        let wait_until = call.since + wait;
        let PageQuery { after, limit, filter } = query;
        let poll = Arc::new(Self {
            journal: Arc::clone(&gateway.journal),
            clock: Arc::clone(&gateway.clock),
            alarms: Arc::clone(&gateway.alarms),
            seats: Arc::clone(gateway.followers.waits()),
            limit,
            filter,
            wait_until,
            reply: call.later()?.shared(),
            state: Mutex::new(State { after, asking: false, seat: None, waiting: None, waits: 0 }),
        });
        if !wait.is_zero() {
            let late = Arc::clone(&poll);
            gateway.alarms.at(wait_until, move || late.wait_is_over());
        }
        let head = poll.feed().head();
        if head != 0 && head <= after {
            // Nothing can be there.
            poll.wait();
        } else {
            poll.ask(deadline);
        }
        Ok(())
    }

    fn feed(&self) -> &Arc<Feed> {
        self.journal.feed()
    }

    /// Asks the database for the page.
    fn ask(self: &Arc<Self>, deadline: Deadline) {
        let after = {
            let mut state = lock(&self.state);
            state.asking = true;
            state.after
        };
        let late = Arc::clone(self);
        self.alarms.at(deadline.instant(), move || late.is_late());
        // Every row up to here can be read.
        let head = self.feed().head();
        let query = PageQuery { after, limit: self.limit, filter: self.filter.clone() };
        let hand = Hand::of(self);
        let asked = Arc::clone(&hand);
        let refused = self.journal.read_then(
            deadline,
            move |backend| backend.page(&query),
            move |page| asked.turn(|poll| poll.read(page, head)),
        );
        if let Err(error) = refused {
            self.send(|| Problem::of_store(&error).answer());
        }
        drop(hand);
    }

    /// The database has answered.
    fn read(self: &Arc<Self>, page: Result<Page, StoreError>, head: u64) {
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.send(|| Problem::of_store(&error).answer()),
        };
        if !page.rows.is_empty() || page.more || self.clock.now() >= self.wait_until {
            let head = self.feed().head();
            return self.send(|| shown(page.rows.iter(), page.next_after, page.more, head));
        }
        self.looked_up_to(page.next_after.max(head));
        self.wait();
    }

    /// Waits for news, with nothing but a place among those who do.
    fn wait(self: &Arc<Self>) {
        if self.clock.now() >= self.wait_until {
            return self.nothing();
        }
        let (after, number) = {
            let mut state = lock(&self.state);
            state.asking = false;
            state.waits += 1;
            if state.seat.is_none() {
                state.seat = self.seats.take();
            }
            (state.seat.as_ref().map(|_| state.after), state.waits)
        };
        let Some(after) = after else { return self.send(|| too_many().answer()) };
        let hand = Hand::of(self);
        let called = Arc::clone(&hand);
        let Some(waiting) = self.feed().when_beyond(after, move || called.turn(Self::news)) else {
            let closed = self.feed().is_closed();
            return if closed { self.nothing() } else { self.send(|| too_many().answer()) };
        };
        self.keep(waiting, number);
        drop(hand);
    }

    /// Remembers what it waits for, unless that is over already. What is let go, is without the lock.
    fn keep(&self, waiting: Waiting, number: u64) {
        let over = {
            let mut state = lock(&self.state);
            if state.waits == number { state.waiting.replace(waiting) } else { Some(waiting) }
        };
        drop(over);
        if !self.reply.is_there() {
            self.rest();
        }
    }

    /// The journal has grown.
    fn news(self: &Arc<Self>) {
        let after = lock(&self.state).after;
        let Some(rows) = self.feed().behind(after, LOOK) else {
            let now = self.clock.now();
            let deadline = Deadline::at(self.wait_until.max(now + AFTER_WAIT));
            return self.ask(deadline);
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let chosen: Vec<&Row> =
            rows.iter().map(|row| &**row).filter(|row| self.filter.takes(row)).take(limit).collect();
        let last = rows.last().map_or(after, |row| row.seq);
        match chosen.last() {
            Some(end) => {
                let next_after = if chosen.len() == limit { end.seq } else { last };
                let head = self.feed().head();
                self.send(|| shown(chosen.iter().copied(), next_after, next_after < last, head));
            }
            None => {
                self.looked_up_to(last);
                self.wait();
            }
        }
    }

    /// The time to wait is over. A question that is under way still decides.
    fn wait_is_over(&self) {
        if !lock(&self.state).asking {
            self.nothing();
        }
    }

    /// The time for the database is over.
    fn is_late(&self) {
        if lock(&self.state).asking {
            let late = StoreError::TimedOut { outcome_unknown: false };
            self.send(|| Problem::of_store(&late).answer());
        }
    }

    /// Nobody will come back to it.
    fn left_alone(&self) {
        let asking = lock(&self.state).asking;
        match (self.feed().is_closed(), asking) {
            (true, true) => self.send(|| Problem::of_store(&StoreError::Closed).answer()),
            (false, true) => self.is_late(),
            (_, false) => self.nothing(),
        }
    }

    fn looked_up_to(&self, after: u64) {
        let mut state = lock(&self.state);
        state.after = state.after.max(after);
    }

    /// Answers that there is nothing.
    fn nothing(&self) {
        let after = lock(&self.state).after;
        let head = self.feed().head();
        self.send(|| shown(std::iter::empty(), after, false, head));
    }

    /// Answers, unless somebody has.
    fn send(&self, answer: impl FnOnce() -> Answer) {
        let reply = self.reply.take();
        self.rest();
        if let Some(reply) = reply {
            reply.send(answer());
        }
    }

    /// Lets go of what it held to wait.
    fn rest(&self) {
        let held = {
            let mut state = lock(&self.state);
            (state.seat.take(), state.waiting.take())
        };
        drop(held);
    }
}

/// Who has the request in hand. Dropped without having had its turn, it lets go of it.
struct Hand(Mutex<Option<Arc<Poll>>>);

impl Hand {
    fn of(poll: &Arc<Poll>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Arc::clone(poll)))))
    }

    fn turn(&self, turn: impl FnOnce(&Arc<Poll>)) {
        let poll = lock(&self.0).take();
        if let Some(poll) = poll {
            turn(&poll);
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.turn(|poll| poll.left_alone());
    }
}
