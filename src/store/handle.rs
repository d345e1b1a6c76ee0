//! The store as everyone else sees it: reads from memory, writes through the desk, observations in passing.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::backend::Backend;
use super::desk::{Answer, Desk, Job};
use super::device::{Device, DevicePatch, NewDevice, Observation};
use super::error::StoreError;
use super::health::{Health, StoreHealth, StoreKind};
use super::list::DeviceList;
use super::observations::{self, Observations};
pub use super::owner::Subscriber;
use super::owner::{Agenda, Owner, Shared};
use super::postgres::{self, Listener};
use super::settings::{Place, StoreSettings};
use super::snapshot::Snapshot;
use super::sqlite::Sqlite;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::Liveness;
use crate::base::threads;

/// The devices of the site; share it in its [`Arc`].
///
/// Dropping it asks its threads to end and does not wait for them; [`Store::close`] does.
pub struct Store {
    desk: Arc<Desk>,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// Ends when it is dropped.
    _listener: Option<Listener>,
}

/// How soon the desk's thread promises to beat.
const PULSE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the store and starts its threads.
    ///
    /// The embedded database is opened, brought up to date and read before this returns. PostgreSQL is not
    /// waited for: there are the devices last known, [`Store::health`] says how it is, and it is tried for ever.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when the settings cannot work, and whatever is wrong with the embedded database.
    pub fn open(
        settings: StoreSettings,
        clock: Arc<dyn Clock>,
        liveness: &Liveness,
    ) -> Result<Arc<Self>, StoreError> {
        let settings = settings.within_bounds();
        DirBuilder::new().recursive(true).mode(0o700).create(&settings.state_dir).map_err(|error| {
            StoreError::Settings {
                reason: format!("state directory {}: {error}", settings.state_dir.display()),
            }
        })?;
        let desk = Arc::new(Desk::new(Arc::clone(&clock), settings.queue));
        let parts = match &settings.place {
            Place::Sqlite => embedded(&settings)?,
            Place::Postgres { url } => {
                let link = postgres::Link::new(url)?;
                let source = link.place().to_owned();
                let listener = postgres::listen(&link, postgres::CHANNEL, &desk)?;
                let backend = postgres::Own::new(link, settings.safety_poll);
                remote(&settings, StoreKind::Postgres, source, Box::new(backend), Some(listener))
            }
            Place::Attached { url, attach } => {
                let link = postgres::Link::new(url)?;
                let channel = attach.notify_channel.as_deref();
                let backend = postgres::Attached::new(link.clone(), attach, settings.safety_poll)?;
                let listener = channel.map(|name| postgres::listen(&link, name, &desk)).transpose()?;
                let source = backend.source();
                remote(&settings, StoreKind::Attached, source, Box::new(backend), listener)
            }
        };
        Self::start(parts, desk, &settings, clock, liveness)
    }

    fn start(
        parts: Parts,
        desk: Arc<Desk>,
        settings: &StoreSettings,
        clock: Arc<dyn Clock>,
        liveness: &Liveness,
    ) -> Result<Arc<Self>, StoreError> {
        let health = Health::new(parts.kind, parts.place, clock.wall());
        if !parts.stale {
            health.set_loaded();
        }
        let shared = Arc::new(Shared::new(parts.list, health));
        let owner = Owner {
            backend: parts.backend,
            desk: Arc::clone(&desk),
            shared: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            liveness: liveness.clone(),
            snapshot: parts.snapshot,
            gather: settings.gather,
            observations: Observations::default(),
            agenda: Agenda::new(clock.now(), parts.stale),
            told_serials: std::collections::HashMap::new(),
            pulse: None,
        };
        start("store", threads::LARGE_STACK, move || owner.run())?;
        let store = Arc::new(Self {
            desk: Arc::clone(&desk),
            shared: Arc::clone(&shared),
            clock: Arc::clone(&clock),
            _listener: parts.listener,
        });
        let pulse = liveness.enter("store-desk", PULSE, clock.now());
        start("store-desk", threads::SMALL_STACK, move || {
            let mut open = true;
            while open {
                pulse.beat(clock.now());
                shared.health.watch_for_stall(clock.now());
                threads::contained("the store's desk", || open = desk.keep_time());
            }
        })?;
        Ok(store)
    }

    /// All devices, as last known. Never waits.
    #[must_use]
    pub fn devices(&self) -> Arc<DeviceList> {
        self.shared.list()
    }

    /// Calls back with the list as it is, from this thread, and with every later one, from the store's thread.
    ///
    /// The callback must be quick and must not wait for the store. It may miss lists that were replaced at once,
    /// never the last one.
    pub fn subscribe(&self, subscriber: Subscriber) {
        self.shared.subscribe(subscriber);
        self.desk.ask_look();
    }

    /// Registers a device.
    ///
    /// The answer comes exactly once, by the deadline at the latest, from a thread of the store or from this one;
    /// it must be quick. When it comes, [`Store::devices`] has the device and the subscribers know it.
    pub fn create(
        &self,
        new: NewDevice,
        deadline: Deadline,
        answer: impl FnOnce(Result<Arc<Device>, StoreError>) + Send + 'static,
    ) {
        self.desk.submit(Job::Create(new), deadline, Box::new(answer));
    }

    /// Changes a device; answers like [`Store::create`].
    pub fn update(
        &self,
        id: DeviceId,
        patch: DevicePatch,
        deadline: Deadline,
        answer: impl FnOnce(Result<Arc<Device>, StoreError>) + Send + 'static,
    ) {
        self.desk.submit(Job::Update(id, patch), deadline, Box::new(answer));
    }

    /// Deletes a device and answers with what it was; otherwise like [`Store::create`]. Its id is never used again.
    pub fn delete(
        &self,
        id: DeviceId,
        deadline: Deadline,
        answer: impl FnOnce(Result<Arc<Device>, StoreError>) + Send + 'static,
    ) {
        self.desk.submit(Job::Delete(id), deadline, Box::new(answer));
    }

    /// [`Store::create`] for a thread that may wait.
    ///
    /// # Errors
    /// [`StoreError`] says whether it was done.
    pub fn create_wait(&self, new: NewDevice, deadline: Deadline) -> Result<Arc<Device>, StoreError> {
        self.wait(Job::Create(new), deadline)
    }

    /// [`Store::update`] for a thread that may wait.
    ///
    /// # Errors
    /// [`StoreError`] says whether it was done.
    pub fn update_wait(
        &self,
        id: DeviceId,
        patch: DevicePatch,
        deadline: Deadline,
    ) -> Result<Arc<Device>, StoreError> {
        self.wait(Job::Update(id, patch), deadline)
    }

    /// [`Store::delete`] for a thread that may wait.
    ///
    /// # Errors
    /// [`StoreError`] says whether it was done.
    pub fn delete_wait(&self, id: DeviceId, deadline: Deadline) -> Result<Arc<Device>, StoreError> {
        self.wait(Job::Delete(id), deadline)
    }

    /// Takes note of what was seen of a device. Never waits, never fails: what cannot be written now is kept in
    /// memory, one entry per device, and written later. A device that is not in the list is ignored.
    pub fn record(&self, id: &DeviceId, observation: Observation) {
        if self.shared.list().get(id).is_some() {
            self.desk.observe(id.clone(), observations::tidy(observation));
        }
    }

    /// How the store is. Never waits.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.shared.health.look(&*self.clock)
    }

    /// Waits until the device list came from the database; for programs that have nothing to do before that.
    /// Whether it did by the deadline.
    pub fn wait_loaded(&self, deadline: Deadline) -> bool {
        self.shared.health.wait_loaded(deadline, &*self.clock)
    }

    /// Refuses what waits, finishes what runs, writes the observations that remain, and ends.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] when that was not over by the deadline; the threads end by themselves later, or
    /// with the process.
    pub fn close(&self, deadline: Deadline) -> Result<(), StoreError> {
        self.desk.close();
        if self.desk.wait_end(deadline) {
            Ok(())
        } else {
            Err(StoreError::TimedOut { outcome_unknown: true })
        }
    }

    fn wait(&self, job: Job, deadline: Deadline) -> Result<Arc<Device>, StoreError> {
        let (tell, told) = crossbeam_channel::bounded(1);
        let answer: Answer = Box::new(move |result| drop(tell.send(result)));
        self.desk.submit(job, deadline, answer);
        // The desk keeps the deadline; an answer that never comes is a defect.
        told.recv().unwrap_or(Err(StoreError::Internal { outcome_unknown: true }))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("health", &self.health()).finish_non_exhaustive()
    }
}

struct Parts {
    kind: StoreKind,
    place: String,
    backend: Box<dyn Backend>,
    list: DeviceList,
    /// Whether the list did not come from the database.
    stale: bool,
    snapshot: Option<Snapshot>,
    listener: Option<Listener>,
}

fn embedded(settings: &StoreSettings) -> Result<Parts, StoreError> {
    let path = settings.state_dir.join("zkgate.db");
    let mut backend = Sqlite::open(&path)?;
    let devices = backend.load()?;
    Ok(Parts {
        kind: StoreKind::Sqlite,
        place: path.display().to_string(),
        list: DeviceList::new(1, devices.into_iter().map(Arc::new).collect()),
        backend: Box::new(backend),
        stale: false,
        snapshot: None,
        listener: None,
    })
}

fn remote(
    settings: &StoreSettings,
    kind: StoreKind,
    source: String,
    backend: Box<dyn Backend>,
    listener: Option<Listener>,
) -> Parts {
    let mut snapshot = Snapshot::new(&settings.state_dir, source.clone());
    let list = snapshot.read();
    Parts { kind, place: source, backend, list, stale: true, snapshot: Some(snapshot), listener }
}

fn start(
    name: &'static str,
    stack: usize,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    threads::spawn(name, stack, body)
        .map_err(|error| StoreError::Unusable { cause: format!("thread {name}: {error}") })
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
