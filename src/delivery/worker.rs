//! The thread of one subscription: wait for rows, send them, move the cursor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::back_off::delay;
use super::batch::Batch;
use super::client::{Parcel, Sent};
use super::house::House;
use super::post::{GONE, Order, Post};
use super::target::Target;
use crate::base::clock::millis;
use crate::base::threads::{SMALL_STACK, contained};
use crate::store::StoreError;
use crate::store::journal::PageQuery;
use crate::store::journal::delivery::Attempt;

/// The stack of a thread that speaks TLS, in bytes: a handshake takes less than 96 KiB, even unoptimised.
pub(super) const STACK: usize = SMALL_STACK;
/// The longest sleep.
const NAP: Duration = Duration::from_secs(5);
/// How soon something is tried again that the journal did not do, or that nobody will call for.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon the database knows of rows that were passed over.
const SAVING: Duration = Duration::from_secs(5);
/// How long the right to deliver is claimed for, beyond what one attempt takes.
const LEASE: Duration = Duration::from_secs(30);
/// How much of that must be left when an attempt begins.
const LEASE_LEFT: Duration = Duration::from_secs(5);
/// How soon is looked again whether another gateway still delivers.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// How soon the thread promises to beat, beyond what one attempt takes.
const PULSE: Duration = Duration::from_secs(30);
/// The most rows that are looked at in memory at a time.
const LOOK: usize = 1000;

/// One subscription's worker.
pub(super) struct Worker {
    house: Arc<House>,
    post: Arc<Post>,
    id: u64,
    /// Until when the right to deliver is ours.
    lease: Option<Instant>,
    /// What is to be sent, and for which edition it was made.
    batch: Option<(u64, Batch)>,
    /// What the database has not been told yet.
    unsaved: Option<Note>,
    /// When the database is to know of rows that were passed over.
    save_at: Option<Instant>,
}

/// What became of an attempt, for the database.
#[derive(Clone)]
struct Note {
    attempt: Attempt,
    edition: u64,
    moved: Option<(u64, u64)>,
    gone: bool,
}

enum Next {
    Go,
    Wait(Instant),
    End,
}

/// What there is behind the cursor.
enum Found {
    Batch(Batch),
    /// Nothing that is wanted up to there; and whether there is more.
    Passed(u64, bool),
}

impl Worker {
    pub(super) fn new(house: Arc<House>, post: Arc<Post>) -> Self {
        let id = post.webhook().id;
        Self { house, post, id, lease: None, batch: None, unsaved: None, save_at: None }
    }

    /// Works until the subscription is switched off, deleted, or the service stops.
    pub(super) fn run(mut self) {
        let name = format!("webhook-{}", self.id);
        let clock = Arc::clone(&self.house.clock);
        let limit = 2 * self.house.settings.timeout + PULSE;
        let pulse = self.house.liveness.enter(name.clone(), limit, clock.now());
        loop {
            let now = clock.now();
            pulse.beat(now);
            let mut next = Next::Wait(now + AGAIN);
            contained(&name, || next = self.step());
            match next {
                Next::Go => {}
                Next::Wait(until) => self.post.wait(until.min(clock.now() + NAP), &*clock),
                Next::End => return,
            }
        }
    }

    fn step(&mut self) -> Next {
        let now = self.house.clock.now();
        let kept = self.keep();
        let Some(order) = self.post.order() else {
            self.finish();
            return if self.post.leave() { Next::End } else { Next::Go };
        };
        if !kept {
            return Next::Wait(now + AGAIN);
        }
        if order.retry_at.is_some_and(|then| now < then) {
            return Next::Wait(order.retry_at.unwrap_or(now));
        }
        // What was made for another edition may be for another receiver, or other rows.
        self.batch.take_if(|(edition, _)| *edition != order.edition);
        let batch = match self.batch.take() {
            Some((_, batch)) => batch,
            None => match self.gather(&order) {
                Ok(Found::Batch(batch)) => batch,
                Ok(Found::Passed(up_to, more)) => {
                    self.post.passed(order.edition, up_to);
                    return if more { Next::Go } else { self.idle(&order, up_to, now) };
                }
                Err(error) => {
                    log::debug!("webhook {}: rows cannot be read: {error}", self.id);
                    return Next::Wait(now + AGAIN);
                }
            },
        };
        match self.claim(now) {
            Ok(true) if self.post.is_current(order.edition) => self.deliver(&order, batch),
            // The cursor was moved, or something changed, while the rows were looked for: they are looked for anew.
            Ok(true) => Next::Go,
            Ok(false) => {
                self.batch = Some((order.edition, batch));
                Next::Wait(now + ELSEWHERE)
            }
            Err(error) => {
                log::debug!("webhook {}: the right to deliver cannot be claimed: {error}", self.id);
                self.batch = Some((order.edition, batch));
                Next::Wait(now + AGAIN)
            }
        }
    }

    /// The next rows that are wanted: from memory, or else from the database.
    fn gather(&self, order: &Order) -> Result<Found, StoreError> {
        let webhook = &order.webhook;
        let limit = usize::try_from(webhook.batch).unwrap_or(usize::MAX).max(1);
        let broken = |error: std::io::Error| StoreError::Unusable { cause: error.to_string() };
        if let Some(rows) = self.house.journal.feed().behind(order.cursor, LOOK) {
            let wanted: Vec<_> = rows.iter().filter(|row| webhook.filter.takes(row)).take(limit).collect();
            let looked_at = rows.last().map_or(order.cursor, |row| row.seq);
            let full = wanted.len() == limit;
            let up_to = wanted.last().filter(|_| full).map_or(looked_at, |row| row.seq);
            let batch = Batch::new(self.id, wanted.into_iter().map(|row| &**row), up_to).map_err(broken)?;
            return Ok(batch.map_or(Found::Passed(up_to, rows.len() == LOOK), Found::Batch));
        }
        let query =
            PageQuery { after: order.cursor, limit: webhook.batch.max(1), filter: webhook.filter.clone() };
        let page = self.house.journal.page(query, self.house.soon())?;
        let batch = Batch::new(self.id, &page.rows, page.next_after).map_err(broken)?;
        Ok(batch.map_or(Found::Passed(page.next_after.max(order.cursor), page.more), Found::Batch))
    }

    /// Nothing to send: the database is told how far the cursor has run ahead, now and then, and the journal calls.
    fn idle(&mut self, order: &Order, cursor: u64, now: Instant) -> Next {
        let mut until = now + NAP;
        if cursor > order.saved {
            let due = *self.save_at.get_or_insert(now + SAVING);
            if due <= now {
                self.save_at = None;
                self.save(order.edition, order.saved, cursor);
            }
            until = until.min(due.max(now + AGAIN));
        }
        if !self.house.arm(cursor) {
            until = until.min(now + AGAIN);
        }
        Next::Wait(until)
    }

    /// Tells the database how far the cursor is. It is no harm if that fails: rows are passed over again then.
    fn save(&self, edition: u64, from: u64, to: u64) {
        let id = self.id;
        let moved = self.house.journal.write(self.house.soon(), move |b| b.move_cursor(id, from, to));
        match moved {
            Ok(()) => self.post.kept(edition, to),
            Err(error) => log::debug!("webhook {id}: the cursor was not kept: {error}"),
        }
    }

    /// Makes sure that nobody else delivers, as long as an attempt can take; whether that is so.
    fn claim(&mut self, now: Instant) -> Result<bool, StoreError> {
        let attempt = self.house.settings.timeout;
        if self.lease.is_some_and(|until| now + attempt + LEASE_LEFT < until) {
            return Ok(true);
        }
        let length = 2 * attempt + LEASE;
        let (id, owner, at) = (self.id, self.house.owner.clone(), millis(self.house.clock.wall()));
        let until = at.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX));
        let claimed = self.house.journal.write(self.house.soon(), move |backend| {
            if !backend.claim_webhook(id, &owner, until, at)? {
                return Ok(None);
            }
            Ok(backend.webhooks()?.into_iter().find(|webhook| webhook.id == id))
        })?;
        let continued = self.lease.is_some_and(|until| now < until);
        self.lease = claimed.is_some().then_some(now + length);
        match claimed {
            None => {
                log::debug!("webhook {id}: another gateway delivers");
                return Ok(false);
            }
            Some(_) if continued => {}
            // Whoever had the right before us may have moved the cursor.
            Some(webhook) => self.post.claimed(webhook),
        }
        Ok(true)
    }

    fn deliver(&mut self, order: &Order, batch: Batch) -> Next {
        let webhook = &order.webhook;
        let sent = match Target::parse(&webhook.url) {
            Ok(target) => {
                let parcel = Parcel {
                    webhook: self.id,
                    delivery: &batch.delivery,
                    secret: &webhook.secret,
                    body: &batch.body,
                };
                self.house.client.send(&target, &parcel)
            }
            Err(error) => Sent {
                at: millis(self.house.clock.wall()),
                took: Duration::ZERO,
                status: None,
                retry_after: None,
                error: Some(format!("the URL cannot be used: {error}")),
            },
        };
        let now = self.house.clock.now();
        let attempt = sent.attempt(self.id, Some(batch.rows), batch.count);
        let mut note = Note { attempt, edition: order.edition, moved: None, gone: false };
        match &sent.error {
            None => {
                self.recovered(now);
                note.moved = self.post.taken(order.edition, batch.up_to);
                self.save_at = None;
            }
            Some(error) => {
                let failures = self.post.failed(error);
                self.complain(webhook.url.as_str(), error, failures, now);
                note.gone = sent.status == Some(410) && self.post.gone(order.edition);
                let wait = delay(&self.house.settings, failures, sent.retry_after, fastrand::f64());
                self.post.rest(order.edition, now + wait);
                self.batch = Some((order.edition, batch));
            }
        }
        self.unsaved = Some(note);
        if self.keep() { Next::Go } else { Next::Wait(now + AGAIN) }
    }

    /// Tells the database what became of the last attempt; whether it knows. Nothing is sent before it knows of a
    /// success, or the same rows would go out again after a crash, and again.
    fn keep(&mut self) -> bool {
        let Some(note) = self.unsaved.clone() else { return true };
        let Note { attempt, edition, moved, gone } = note;
        let why = gone.then_some(GONE);
        let told = self.house.journal.write(self.house.soon(), move |b| b.note_attempt(&attempt, moved, why));
        match told {
            Ok(()) => {
                if let Some((_, to)) = moved {
                    self.post.kept(edition, to);
                }
            }
            Err(error) => {
                log::debug!("webhook {}: an attempt was not kept: {error}", self.id);
                if moved.is_some() || gone {
                    return false;
                }
            }
        }
        self.unsaved = None;
        true
    }

    /// Leaves nothing behind that another worker would miss: the cursor, and the right to deliver.
    fn finish(&mut self) {
        let (saved, cursor) = self.post.ends();
        if self.unsaved.is_none() && cursor > saved {
            let id = self.id;
            let _ = self.house.journal.write(self.house.soon(), move |b| b.move_cursor(id, saved, cursor));
        }
        if self.lease.take().is_some() {
            let (id, owner, now) = (self.id, self.house.owner.clone(), millis(self.house.clock.wall()));
            let given_back = self.house.journal.write(self.house.soon(), move |backend| {
                backend.claim_webhook(id, &owner, now, now).map(drop)
            });
            if let Err(error) = given_back {
                log::debug!("webhook {}: the right to deliver was not given back: {error}", self.id);
            }
        }
    }

    fn complain(&self, url: &str, error: &str, failures: u32, now: Instant) {
        let target = Target::parse(url).map_or_else(|_| String::new(), |target| target.shown().to_owned());
        let level = self.house.failing.failed(self.id, now);
        log::log!(level, "webhook {} ({target}): {error}; {failures} failures in a row", self.id);
    }

    fn recovered(&self, now: Instant) {
        if let Some(ended) = self.house.failing.recovered(&self.id, now) {
            let (failures, seconds) = (ended.failures, ended.lasted.as_secs());
            log::info!("webhook {}: delivering again after {failures} failures in {seconds} s", self.id);
        }
    }
}
