//! What all subscriptions share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::client::Client;
use super::post::Post;
use super::settings::DeliverySettings;
use super::trial::TRIALS;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;
use crate::base::lock::{lock, wait_for};
use crate::base::seats::Seats;
use crate::base::series::Series;
use crate::store::journal::Journal;

/// Shared by the supervisor, the workers and whoever asks.
pub(super) struct House {
    pub(super) journal: Arc<Journal>,
    pub(super) settings: DeliverySettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) liveness: Liveness,
    pub(super) client: Client,
    /// Under which name the right to deliver is claimed.
    pub(super) owner: String,
    /// Which receivers are failing.
    pub(super) failing: Series<u64>,
    /// guards: the subscriptions and what the supervisor must know
    pub(super) table: Mutex<Table>,
    pub(super) bell: Condvar,
    /// Whether the journal will call when it has more.
    armed: AtomicBool,
    /// guards: how many threads there are
    threads: Mutex<usize>,
    fewer: Condvar,
    pub(super) trials: Arc<Seats>,
}

/// The subscriptions.
#[derive(Default)]
pub(super) struct Table {
    pub(super) posts: BTreeMap<u64, Arc<Post>>,
    /// Grows with each change made through us: what was read before it is out of date.
    pub(super) generation: u64,
    /// Whether they were read from the journal in this run.
    pub(super) loaded: bool,
    pub(super) rung: bool,
    pub(super) stopping: bool,
}

/// For one question to the journal.
const ASKING: Duration = Duration::from_secs(5);

impl House {
    pub(super) fn new(
        journal: Arc<Journal>,
        settings: DeliverySettings,
        clock: Arc<dyn Clock>,
        liveness: Liveness,
        client: Client,
        owner: String,
    ) -> Self {
        Self {
            journal,
            settings,
            clock,
            liveness,
            client,
            owner,
            failing: Series::new(),
            table: Mutex::default(),
            bell: Condvar::new(),
            armed: AtomicBool::new(false),
            threads: Mutex::default(),
            fewer: Condvar::new(),
            trials: Seats::new(TRIALS),
        }
    }

    /// Until when a question to the journal must be answered.
    pub(super) fn soon(&self) -> Deadline {
        Deadline::after(self.clock.now(), ASKING)
    }

    /// Wakes every worker once the journal goes beyond `after`: one callback for all of them. Whether it will.
    pub(super) fn arm(self: &Arc<Self>, after: u64) -> bool {
        if self.armed.swap(true, Ordering::AcqRel) {
            return true;
        }
        // A worker that finds it armed relies on this call, so it is disarmed before they are woken.
        let weak = Arc::downgrade(self);
        let called = self.journal.feed().when_beyond(after, move || {
            if let Some(house) = weak.upgrade() {
                house.armed.store(false, Ordering::Release);
                house.ring_all();
            }
        });
        match called {
            Some(waiting) => {
                waiting.stay();
                true
            }
            None => {
                self.armed.store(false, Ordering::Release);
                false
            }
        }
    }

    /// Wakes every worker.
    pub(super) fn ring_all(&self) {
        let posts: Vec<_> = lock(&self.table).posts.values().cloned().collect();
        for post in posts {
            post.ring();
        }
    }

    /// Wakes the supervisor.
    pub(super) fn ring(&self) {
        lock(&self.table).rung = true;
        self.bell.notify_all();
    }

    /// One thread more, until the guard is dropped.
    pub(super) fn thread(self: &Arc<Self>) -> Thread {
        *lock(&self.threads) += 1;
        Thread(Arc::clone(self))
    }

    /// Waits until all threads have ended, at most until then; whether they have.
    pub(super) fn wait_threads(&self, deadline: Deadline) -> bool {
        let mut threads = lock(&self.threads);
        while *threads > 0 {
            let Some(left) = deadline.remaining(self.clock.now()) else { return false };
            threads = wait_for(&self.fewer, threads, left);
        }
        true
    }
}

/// A thread that is there.
pub(super) struct Thread(Arc<House>);

impl Drop for Thread {
    fn drop(&mut self) {
        *lock(&self.0.threads) -= 1;
        self.0.fewer.notify_all();
    }
}
