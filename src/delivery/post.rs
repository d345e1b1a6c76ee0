//! One subscription as its worker and everybody else see it: what is asked for, how far it has come, what happened
//! last.
//!
//! The cursor is in three places: in the database, here as `saved` (what the database is known to have) and as
//! `cursor`, which runs ahead over rows that the filter does not want. Whoever changes the subscription or sets its
//! cursor begins a new *edition*; what a worker does for an older one changes neither.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::base::clock::Clock;
use crate::base::lock::{lock, wait_for};
use crate::store::journal::delivery::Webhook;

/// One subscription.
pub(super) struct Post {
    /// guards: all that changes
    state: Mutex<State>,
    bell: Condvar,
}

struct State {
    /// As it was last told; its cursor and failures are older than those here.
    webhook: Arc<Webhook>,
    cursor: u64,
    saved: u64,
    edition: u64,
    failures: u32,
    retry_at: Option<Instant>,
    last_error: Option<String>,
    working: bool,
    ending: bool,
    rung: bool,
}

/// What a worker is to do.
pub(super) struct Order {
    pub(super) webhook: Arc<Webhook>,
    pub(super) cursor: u64,
    pub(super) saved: u64,
    pub(super) edition: u64,
    pub(super) retry_at: Option<Instant>,
}

/// How a subscription stood.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    saved: u64,
    edition: u64,
}

/// How far a subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// All rows up to this one were taken, or are not wanted.
    pub cursor: u64,
    /// Failed attempts in a row.
    pub failures: u32,
    /// When the next attempt is made, if it must wait.
    pub retry_at: Option<Instant>,
    /// What went wrong last, while it goes wrong.
    pub last_error: Option<String>,
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Delivering what comes.
    Active,
    /// Leaving a receiver alone that failed.
    BackingOff,
    /// Switched off by somebody.
    Disabled,
    /// Switched off because the receiver answered 410.
    Gone,
}

impl Phase {
    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::BackingOff => "backing_off",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
        }
    }

    /// What a subscription is doing that has failed so often in a row.
    #[must_use]
    pub fn of(webhook: &Webhook, failures: u32) -> Self {
        match (webhook.enabled, webhook.disabled_because.as_deref()) {
            (true, _) if failures > 0 => Self::BackingOff,
            (true, _) => Self::Active,
            (false, Some(GONE)) => Self::Gone,
            (false, _) => Self::Disabled,
        }
    }
}

/// Why a subscription is off whose receiver answered 410.
pub(super) const GONE: &str = "gone";

impl Post {
    pub(super) fn new(webhook: Webhook) -> Self {
        let state = State {
            cursor: webhook.cursor,
            saved: webhook.cursor,
            failures: webhook.failures,
            webhook: Arc::new(webhook),
            edition: 0,
            retry_at: None,
            last_error: None,
            working: false,
            ending: false,
            rung: false,
        };
        Self { state: Mutex::new(state), bell: Condvar::new() }
    }

    // --- for everybody ----------------------------------------------------------------------------------------

    /// How things stand before the subscription is read from the database, for [`Post::reloaded`].
    pub(super) fn mark(&self) -> Mark {
        let state = lock(&self.state);
        Mark { saved: state.saved, edition: state.edition }
    }

    /// The subscription as it was last told.
    pub(super) fn webhook(&self) -> Arc<Webhook> {
        Arc::clone(&lock(&self.state).webhook)
    }

    pub(super) fn progress(&self) -> Progress {
        let state = lock(&self.state);
        Progress {
            phase: Phase::of(&state.webhook, state.failures),
            cursor: state.cursor,
            failures: state.failures,
            retry_at: state.retry_at.filter(|_| state.webhook.enabled),
            last_error: state.last_error.clone(),
        }
    }

    /// Somebody changed it through us, and set its cursor or did not.
    pub(super) fn changed(&self, webhook: Webhook, cursor_set: bool) {
        lock(&self.state).adopt(webhook, cursor_set);
        self.ring();
    }

    /// It was read from the database after the mark was made: a cursor that we were not at meanwhile was set by
    /// somebody else.
    pub(super) fn reloaded(&self, webhook: Webhook, mark: Mark) {
        let rings = {
            let mut state = lock(&self.state);
            let set = !(mark.saved..=state.saved).contains(&webhook.cursor);
            // What was changed since then may be older in what was read.
            let news = state.edition == mark.edition && (set || state.differs(&webhook));
            if news {
                state.adopt(webhook, set);
            }
            news
        };
        if rings {
            self.ring();
        }
    }

    /// Its worker is to end.
    pub(super) fn end(&self) {
        lock(&self.state).ending = true;
        self.ring();
    }

    /// Wakes its worker.
    pub(super) fn ring(&self) {
        lock(&self.state).rung = true;
        self.bell.notify_all();
    }

    /// Whether it needs a worker and has none; it counts as having one from now on.
    pub(super) fn hire(&self) -> bool {
        let mut state = lock(&self.state);
        let hired = state.webhook.enabled && !state.working && !state.ending;
        state.working |= hired;
        hired
    }

    // --- for its worker ---------------------------------------------------------------------------------------

    /// What to do; `None` when there is nothing more to be done.
    pub(super) fn order(&self) -> Option<Order> {
        let state = lock(&self.state);
        state.wanted().then(|| Order {
            webhook: Arc::clone(&state.webhook),
            cursor: state.cursor,
            saved: state.saved,
            edition: state.edition,
            retry_at: state.retry_at,
        })
    }

    /// How far it is, for a worker that ends: what the database has, and what is true.
    pub(super) fn ends(&self) -> (u64, u64) {
        let state = lock(&self.state);
        (state.saved, state.cursor)
    }

    /// The worker ends, unless it is needed again by now.
    pub(super) fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        let leaves = !state.wanted();
        state.working &= !leaves;
        leaves
    }

    /// The worker never came to be.
    pub(super) fn vacant(&self) {
        lock(&self.state).working = false;
    }

    /// Waits for the bell, at most until then.
    pub(super) fn wait(&self, until: Instant, clock: &dyn Clock) {
        let mut state = lock(&self.state);
        while !state.rung {
            let left = until.saturating_duration_since(clock.now());
            if left.is_zero() {
                return;
            }
            state = wait_for(&self.bell, state, left);
        }
        state.rung = false;
    }

    /// The right to deliver is newly ours, and this is how things stand in the database.
    pub(super) fn claimed(&self, webhook: Webhook) {
        let mut state = lock(&self.state);
        let set = webhook.cursor != state.saved;
        let news = set || state.differs(&webhook);
        if news {
            state.adopt(webhook, set);
        }
    }

    /// Whether what was made for this edition still counts.
    pub(super) fn is_current(&self, edition: u64) -> bool {
        self.at(edition, |_| ())
    }

    /// Rows up to there are not wanted.
    pub(super) fn passed(&self, edition: u64, up_to: u64) {
        self.at(edition, |state| state.cursor = state.cursor.max(up_to));
    }

    /// Rows up to there were taken. Gives the cursor's move, if it still counts.
    pub(super) fn taken(&self, edition: u64, up_to: u64) -> Option<(u64, u64)> {
        let mut state = lock(&self.state);
        state.failures = 0;
        state.retry_at = None;
        state.last_error = None;
        (state.edition == edition).then(|| {
            state.cursor = state.cursor.max(up_to);
            (state.saved, state.cursor)
        })
    }

    /// The database has the cursor there.
    pub(super) fn kept(&self, edition: u64, cursor: u64) {
        self.at(edition, |state| state.saved = cursor);
    }

    /// An attempt failed; how many in a row that makes.
    pub(super) fn failed(&self, error: &str) -> u32 {
        let mut state = lock(&self.state);
        state.failures = state.failures.saturating_add(1);
        state.last_error = Some(error.to_owned());
        state.failures
    }

    /// Nothing is sent before then.
    pub(super) fn rest(&self, edition: u64, until: Instant) {
        self.at(edition, |state| state.retry_at = Some(until));
    }

    /// The receiver is gone for good; whether that still concerns what is asked for.
    pub(super) fn gone(&self, edition: u64) -> bool {
        self.at(edition, |state| {
            let webhook = Arc::make_mut(&mut state.webhook);
            webhook.enabled = false;
            webhook.disabled_because = Some(GONE.to_owned());
        })
    }

    fn at(&self, edition: u64, change: impl FnOnce(&mut State)) -> bool {
        let mut state = lock(&self.state);
        let current = state.edition == edition;
        if current {
            change(&mut state);
        }
        current
    }
}

impl State {
    fn wanted(&self) -> bool {
        self.webhook.enabled && !self.ending
    }

    fn differs(&self, other: &Webhook) -> bool {
        let own = &self.webhook;
        let same = own.name == other.name
            && own.url == other.url
            && own.secret == other.secret
            && own.filter == other.filter
            && own.batch == other.batch
            && own.enabled == other.enabled
            && own.disabled_because == other.disabled_because;
        !same
    }

    fn adopt(&mut self, webhook: Webhook, cursor_set: bool) {
        self.edition += 1;
        // Whoever changes something wants to see what comes of it.
        self.retry_at = None;
        if cursor_set {
            self.cursor = webhook.cursor;
            self.saved = webhook.cursor;
        }
        if webhook.enabled && !self.webhook.enabled {
            self.failures = webhook.failures;
            self.last_error = None;
        }
        self.webhook = Arc::new(webhook);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::store::journal::Filter;

    fn webhook(cursor: u64) -> Webhook {
        Webhook {
            id: 1,
            name: "a".into(),
            url: "http://example.com/".into(),
            secret: Secret::new("hunter2".into()),
            filter: Filter::default(),
            batch: 10,
            enabled: true,
            disabled_because: None,
            cursor,
            failures: 0,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn edition(post: &Post) -> u64 {
        post.order().unwrap().edition
    }

    #[test]
    fn a_replay_wins_over_what_is_under_way() {
        let post = Post::new(webhook(10));
        let under_way = edition(&post);
        post.changed(webhook(3), true);
        assert_eq!(post.taken(under_way, 20), None, "the rows went out, the cursor stays where it was set");
        let order = post.order().unwrap();
        assert_eq!((order.cursor, order.saved), (3, 3));
        assert_eq!(post.taken(order.edition, 5), Some((3, 5)));
    }

    #[test]
    fn a_cursor_that_we_have_been_at_is_no_news_and_another_one_is() {
        let post = Post::new(webhook(10));
        let first = edition(&post);
        // Read while we were between 10 and 20.
        let mark = post.mark();
        assert_eq!(post.taken(first, 20), Some((10, 20)));
        post.kept(first, 20);
        for old in [10, 15, 20] {
            post.reloaded(webhook(old), mark);
            assert_eq!((edition(&post), post.order().unwrap().cursor), (first, 20), "{old}");
        }
        post.reloaded(webhook(4), mark);
        let order = post.order().unwrap();
        assert_eq!((order.cursor, order.saved), (4, 4), "somebody else set it back");
        assert_ne!(order.edition, first);
        post.reloaded(webhook(20), mark);
        assert_eq!(post.order().unwrap().cursor, 4, "what was read before a change is not followed");
        post.reloaded(webhook(90), post.mark());
        assert_eq!(post.order().unwrap().cursor, 90, "somebody else has delivered");
    }

    #[test]
    fn a_change_begins_a_new_edition_and_ends_the_rest() {
        let post = Post::new(webhook(10));
        let first = edition(&post);
        post.passed(first, 14);
        post.rest(first, Instant::now() + std::time::Duration::from_secs(60));
        post.reloaded(Webhook { url: "http://example.org/".into(), ..webhook(10) }, post.mark());
        let order = post.order().unwrap();
        assert!(order.edition != first && order.retry_at.is_none());
        assert_eq!((order.cursor, order.saved), (14, 10), "what was passed over needs no second look");
        assert!(!post.gone(first), "it was the other receiver that is gone");
        assert!(post.gone(order.edition) && post.order().is_none());
        assert_eq!(post.progress().phase, Phase::Gone);
    }

    #[test]
    fn there_is_one_worker_at_a_time_and_none_where_none_is_wanted() {
        let post = Post::new(webhook(0));
        assert!(post.hire() && !post.hire());
        assert!(!post.leave(), "it is needed");
        post.changed(Webhook { enabled: false, ..webhook(0) }, false);
        assert!(!post.hire());
        // Switched on again before the worker has noticed: it stays.
        post.changed(webhook(0), false);
        assert!(!post.leave() && !post.hire());
        post.end();
        assert!(post.leave() && !post.hire());
    }
}
