//! All subscriptions, and the thread that sees to it that each has its worker.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::house::House;
use super::post::{Post, Progress};
use super::settings::DeliverySettings;
use super::signature::random_text;
use super::trial::{self, Busy, Tried};
use super::worker::{STACK, Worker};
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;
use crate::base::lock::{lock, wait_for};
use crate::base::threads::{SMALL_STACK, contained, spawn};
use crate::store::journal::Journal;
use crate::store::journal::delivery::{WEBHOOKS_CEILING, Webhook};
use crate::store::{StoreError, StoreKind};

/// Delivers; share it in its [`Arc`].
pub struct Deliveries {
    house: Arc<House>,
}

/// How often the subscriptions are read without having been told: another gateway may have changed them.
const RELOAD: Duration = Duration::from_secs(5);
/// How soon that is tried again when it failed.
const RELOAD_AGAIN: Duration = Duration::from_secs(1);
/// The longest sleep.
const NAP: Duration = Duration::from_secs(1);
/// How soon the supervisor promises to beat; asking the journal has a deadline within that.
const PULSE: Duration = Duration::from_secs(20);
/// How long a receiver may still answer when the service stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// The owner of everything in an embedded database: nobody else uses it.
const SOLE_OWNER: &str = "embedded";

impl Deliveries {
    /// Starts delivering.
    ///
    /// # Errors
    /// When the file of authorities cannot be used, or the operating system grants no thread.
    pub fn start(
        journal: Arc<Journal>,
        settings: DeliverySettings,
        clock: Arc<dyn Clock>,
        liveness: &Liveness,
    ) -> io::Result<Arc<Self>> {
        let client = Client::new(&settings, Arc::clone(&clock))?;
        // Whoever restarts need not wait until its former self has lost the right to deliver.
        let owner = match journal.health().kind {
            StoreKind::Sqlite => SOLE_OWNER.to_owned(),
            _ => random_text::<16>()?,
        };
        let house = Arc::new(House::new(journal, settings, clock, liveness.clone(), client, owner));
        let (supervised, thread) = (Arc::clone(&house), house.thread());
        spawn("webhooks", SMALL_STACK, move || {
            let _thread = thread;
            supervise(&supervised);
        })?;
        Ok(Arc::new(Self { house }))
    }

    /// How far a subscription is; `None` when there is none, or it is not known yet.
    #[must_use]
    pub fn progress(&self, id: u64) -> Option<Progress> {
        lock(&self.house.table).posts.get(&id).map(|post| post.progress())
    }

    /// A subscription was made or changed, and its cursor set or not: it counts from now on.
    pub fn changed(&self, webhook: Webhook, cursor_set: bool) {
        let known = {
            let mut table = lock(&self.house.table);
            table.generation += 1;
            let known = table.posts.get(&webhook.id).cloned();
            if known.is_none() {
                table.posts.insert(webhook.id, Arc::new(Post::new(webhook.clone())));
            }
            known
        };
        if let Some(post) = known {
            post.changed(webhook, cursor_set);
        }
        self.house.ring();
    }

    /// A subscription was deleted: nothing more is sent.
    pub fn removed(&self, id: u64) {
        let post = {
            let mut table = lock(&self.house.table);
            table.generation += 1;
            table.posts.remove(&id)
        };
        self.house.failing.keep(|other| *other != id);
        post.into_iter().for_each(|post| post.end());
    }

    /// Tries a receiver now, on a thread of its own. `None` when there is no such subscription.
    pub fn test(&self, id: u64, done: impl FnOnce(Tried) + Send + 'static) -> Option<Result<(), Busy>> {
        let webhook = lock(&self.house.table).posts.get(&id).map(|post| post.webhook())?;
        Some(trial::start(&self.house, webhook, done))
    }

    /// Whether the subscriptions were read from the journal in this run.
    #[must_use]
    pub fn loaded(&self) -> bool {
        lock(&self.house.table).loaded
    }

    /// Sends nothing more, gives receivers a moment to answer what was sent, and ends.
    pub fn stop(&self, deadline: Deadline) {
        self.begin_stop();
        let now = self.house.clock.now();
        if !self.house.wait_threads(deadline.within(now, LAST_ANSWERS)) {
            // What is broken off goes out again after the next start.
            self.house.client.shut_down();
            if !self.house.wait_threads(deadline) {
                log::warn!("some webhooks did not end in time");
            }
        }
    }

    fn begin_stop(&self) {
        let posts: Vec<_> = {
            let mut table = lock(&self.house.table);
            table.stopping = true;
            table.posts.values().cloned().collect()
        };
        posts.iter().for_each(|post| post.end());
        self.house.bell.notify_all();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deliveries({})", lock(&self.house.table).posts.len())
    }
}

fn supervise(house: &Arc<House>) {
    let clock = Arc::clone(&house.clock);
    let pulse = house.liveness.enter("webhooks", PULSE, clock.now());
    let mut reload_at = clock.now();
    let mut said = false;
    while !lock(&house.table).stopping {
        pulse.beat(clock.now());
        contained("webhooks", || {
            if reload_at <= clock.now() {
                reload_at = clock.now() + RELOAD_AGAIN;
                match reload(house) {
                    Ok(()) => {
                        reload_at = clock.now() + RELOAD;
                        said = false;
                    }
                    Err(error) => {
                        let level = if said { log::Level::Debug } else { log::Level::Warn };
                        said = true;
                        log::log!(level, "the webhooks cannot be read: {error}");
                    }
                }
            }
            hire(house);
        });
        nap(house, reload_at);
    }
}

fn nap(house: &House, reload_at: Instant) {
    let now = house.clock.now();
    let mut table = lock(&house.table);
    if !table.rung && !table.stopping {
        let limit = reload_at.saturating_duration_since(now).min(NAP);
        table = wait_for(&house.bell, table, limit);
    }
    table.rung = false;
}

/// Reads the subscriptions and follows what others have changed.
fn reload(house: &House) -> Result<(), StoreError> {
    let (generation, posts) = {
        let table = lock(&house.table);
        (table.generation, table.posts.clone())
    };
    let marks: BTreeMap<u64, _> = posts.iter().map(|(id, post)| (*id, post.mark())).collect();
    let webhooks = house.journal.read(house.soon(), |backend| backend.webhooks())?;
    let (mut kept, mut left) = (BTreeMap::new(), posts);
    for webhook in webhooks.iter().take(WEBHOOKS_CEILING) {
        let post = left.remove(&webhook.id).unwrap_or_else(|| Arc::new(Post::new(webhook.clone())));
        kept.insert(webhook.id, post);
    }
    {
        let mut table = lock(&house.table);
        if table.generation != generation {
            // Something was changed meanwhile, and this may be from before.
            return Ok(());
        }
        table.posts.clone_from(&kept);
        table.loaded = true;
    }
    for webhook in webhooks {
        if let (Some(post), Some(mark)) = (kept.get(&webhook.id), marks.get(&webhook.id)) {
            post.reloaded(webhook, *mark);
        }
    }
    for (id, post) in left {
        house.failing.keep(|other| *other != id);
        post.end();
    }
    Ok(())
}

/// Gives each subscription that needs one a worker.
fn hire(house: &Arc<House>) {
    let posts: Vec<_> = {
        let table = lock(&house.table);
        let stopping = table.stopping;
        table.posts.iter().filter(|_| !stopping).map(|(id, post)| (*id, Arc::clone(post))).collect()
    };
    for (id, post) in posts {
        if !post.hire() {
            continue;
        }
        let worker = Worker::new(Arc::clone(house), Arc::clone(&post));
        let thread = house.thread();
        let started = spawn(format!("webhook-{id}"), STACK, move || {
            let _thread = thread;
            worker.run();
        });
        if let Err(error) = started {
            log::error!("webhook {id} has no thread: {error}");
            post.vacant();
        }
    }
}
