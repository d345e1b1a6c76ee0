//! News of the journal for those who follow it: how far it goes, its newest rows in memory, and who waits for more.
//!
//! Followers pull: each has its own place and its own pace, so a slow one costs nobody anything. What memory does
//! not hold any more is read from the database.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::row::Row;
use crate::base::clock::Clock;
use crate::base::lock::{lock, wait_for};
use crate::base::threads::contained;

/// The journal's end, as everybody sees it.
pub struct Feed {
    /// guards: all that changes
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    head: u64,
    /// The newest rows, their numbers without a gap, up to the head.
    recent: VecDeque<Arc<Row>>,
    waiting: Vec<Waiter>,
    /// How many have waited so far.
    numbered: u64,
    closed: bool,
}

struct Waiter {
    number: u64,
    after: u64,
    callback: Box<dyn FnOnce() + Send>,
}

/// A callback that waits; dropped, it waits no more.
#[must_use = "dropped, it waits no more"]
pub struct Waiting {
    feed: Arc<Feed>,
    /// `None` when it was called at once.
    number: Option<u64>,
}

impl Waiting {
    /// Lets the callback wait for as long as there is a journal.
    pub fn stay(mut self) {
        self.number = None;
    }
}

/// Rows kept in memory.
const RECENT: usize = 2048;
/// The most callbacks that wait.
const WAITERS: usize = 256;

impl Feed {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), moved: Condvar::new() }
    }

    /// The largest sequence number that is known to be kept.
    #[must_use]
    pub fn head(&self) -> u64 {
        lock(&self.state).head
    }

    /// Waits until the journal goes beyond `after`, or until then. Gives the head. At once when the journal is
    /// closed.
    pub fn wait_beyond(&self, after: u64, until: Instant, clock: &dyn Clock) -> u64 {
        let mut state = lock(&self.state);
        while state.head <= after && !state.closed {
            let left = until.saturating_duration_since(clock.now());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.moved, state, left);
        }
        state.head
    }

    /// Whether there will be no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// The rows behind `after`, oldest first, at most so many; `None` when memory does not reach back that far.
    #[must_use]
    pub fn behind(&self, after: u64, limit: usize) -> Option<Vec<Arc<Row>>> {
        let state = lock(&self.state);
        if after >= state.head {
            return Some(Vec::new());
        }
        let first = state.recent.front()?.seq;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        Some(state.recent.iter().skip(skip).take(limit).cloned().collect())
    }

    /// Calls back once the journal goes beyond `after`: at once if it does already, else from the journal's thread,
    /// so it must be quick. `None` when too many wait; the callback is dropped then, as it is when the journal
    /// closes and when the [`Waiting`] is dropped.
    pub fn when_beyond(
        self: &Arc<Self>,
        after: u64,
        callback: impl FnOnce() + Send + 'static,
    ) -> Option<Waiting> {
        {
            let mut state = lock(&self.state);
            if state.closed {
                return None;
            }
            if state.head <= after {
                if state.waiting.len() >= WAITERS {
                    return None;
                }
                state.numbered += 1;
                let number = state.numbered;
                state.waiting.push(Waiter { number, after, callback: Box::new(callback) });
                return Some(Waiting { feed: Arc::clone(self), number: Some(number) });
            }
        }
        callback();
        Some(Waiting { feed: Arc::clone(self), number: None })
    }

    /// New rows, by their numbers; or only that there are rows up to `head`.
    pub(super) fn publish(&self, rows: Vec<Row>, head: u64) {
        let called = {
            let mut state = lock(&self.state);
            let head = rows.last().map_or(head, |row| row.seq.max(head));
            if head <= state.head {
                return;
            }
            let skip = rows.len().saturating_sub(RECENT);
            for row in rows.into_iter().skip(skip) {
                let follows = state.recent.back().is_none_or(|last| last.seq + 1 == row.seq);
                if !follows {
                    state.recent.clear();
                }
                if state.recent.len() == RECENT {
                    state.recent.pop_front();
                }
                state.recent.push_back(Arc::new(row));
            }
            if state.recent.back().is_some_and(|last| last.seq != head) {
                // Others wrote the newest ones.
                state.recent.clear();
            }
            state.head = head;
            let (called, waiting) = state.waiting.drain(..).partition(|waiter| waiter.after < head);
            state.waiting = waiting;
            called
        };
        self.moved.notify_all();
        let called: Vec<Waiter> = called;
        for waiter in called {
            contained("a follower of the journal", waiter.callback);
        }
    }

    /// Tells everybody that there will be no more.
    pub fn close(&self) {
        let dropped = {
            let mut state = lock(&self.state);
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(dropped);
        self.moved.notify_all();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let forgotten = {
            let mut state = lock(&self.feed.state);
            let place = state.waiting.iter().position(|waiter| waiter.number == number);
            place.map(|place| state.waiting.swap_remove(place))
        };
        // Whatever it holds is let go without the lock.
        drop(forgotten);
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feed(head {})", self.head())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::super::row::{Certainty, Moment, Person, Record, Source};
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::ids::DeviceId;
    use crate::wire::clock_word::ClockWord;

    fn rows(seqs: std::ops::RangeInclusive<u64>) -> Vec<Row> {
        let record = Record {
            person: Person::Uid(1),
            user_id: None,
            time: ClockWord(1),
            moment: Moment { instant: None, certainty: Certainty::Exact },
            punch_state: 0,
            verify_mode: 0,
            work_code: None,
        };
        let row = |seq| Row {
            seq,
            device_id: DeviceId::from(1),
            serial_number: "A".into(),
            record,
            ordinal: 0,
            source: Source::Log,
            received_at: 0,
        };
        seqs.map(row).collect()
    }

    fn seqs(feed: &Feed, after: u64, limit: usize) -> Option<Vec<u64>> {
        feed.behind(after, limit).map(|rows| rows.iter().map(|row| row.seq).collect())
    }

    #[test]
    fn memory_holds_the_newest_rows_without_a_gap() {
        let feed = Feed::new();
        feed.publish(Vec::new(), 10);
        assert_eq!((seqs(&feed, 10, 9), seqs(&feed, 9, 9)), (Some(vec![]), None));
        feed.publish(rows(11..=13), 0);
        assert_eq!((seqs(&feed, 10, 2), seqs(&feed, 12, 9)), (Some(vec![11, 12]), Some(vec![13])));
        // Somebody else wrote 14 to 16.
        feed.publish(rows(17..=18), 0);
        assert_eq!((seqs(&feed, 13, 9), seqs(&feed, 16, 9)), (None, Some(vec![17, 18])));
        feed.publish(Vec::new(), 20);
        assert_eq!((seqs(&feed, 18, 9), feed.head()), (None, 20));
        feed.publish(rows(21..=5000), 0);
        assert_eq!(seqs(&feed, 5000 - RECENT as u64, 1), Some(vec![5001 - RECENT as u64]));
        assert_eq!(seqs(&feed, 5000 - RECENT as u64 - 1, 1), None);
    }

    fn counting(count: &Arc<AtomicU64>) -> impl FnOnce() + Send + 'static {
        let count = Arc::clone(count);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_is_told_once_and_in_time() {
        let feed = Arc::new(Feed::new());
        let told = Arc::new(AtomicU64::new(0));
        let waiting_for_two = feed.when_beyond(1, counting(&told)).unwrap();
        feed.publish(rows(1..=1), 0);
        assert_eq!(told.load(Ordering::SeqCst), 0);
        let waiting = Arc::clone(&feed);
        let until = Instant::now() + Duration::from_secs(20);
        let waiter = std::thread::spawn(move || waiting.wait_beyond(1, until, &SystemClock));
        feed.publish(rows(2..=2), 0);
        feed.publish(rows(3..=3), 0);
        assert_eq!(told.load(Ordering::SeqCst), 1);
        drop(waiting_for_two);
        assert!(waiter.join().unwrap() >= 2);
        assert_eq!(feed.wait_beyond(3, Instant::now(), &SystemClock), 3, "the time is over");
        let at_once = feed.when_beyond(2, counting(&told));
        assert_eq!(told.load(Ordering::SeqCst), 2);
        let waiting_for_ten = feed.when_beyond(9, counting(&told));
        feed.close();
        assert!(feed.is_closed() && feed.when_beyond(9, || {}).is_none());
        assert_eq!(told.load(Ordering::SeqCst), 2, "nobody is called for nothing");
        drop((at_once, waiting_for_ten));
    }

    #[test]
    fn a_wait_that_was_given_up_leaves_its_place_to_others() {
        let feed = Arc::new(Feed::new());
        let told = Arc::new(AtomicU64::new(0));
        let full: Vec<_> = (0..WAITERS).map(|_| feed.when_beyond(0, counting(&told)).unwrap()).collect();
        assert!(feed.when_beyond(0, counting(&told)).is_none());
        drop(full);
        let waiting = feed.when_beyond(0, counting(&told)).unwrap();
        feed.publish(rows(1..=1), 0);
        assert_eq!(told.load(Ordering::SeqCst), 1);
        drop(waiting);
    }
}
