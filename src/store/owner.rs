//! The store's thread: it alone touches the database, and it alone changes the list that everyone reads.
//!
//! Every turn is one request or one look round; a panic ends the turn, not the thread. What came of a change is
//! told in this order: the list, the subscribers, the caller. So a caller never knows more than the house does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::desk::{Desk, Job, Work};
use super::device::{Device, Observation};
use super::error::StoreError;
use super::health::{Area, Health};
use super::list::DeviceList;
use super::observations::Observations;
use super::snapshot::Snapshot;
use crate::base::clock::Clock;
use crate::base::ids::DeviceId;
use crate::base::liveness::{Liveness, Pulse};
use crate::base::lock::lock;
use crate::base::threads::contained;

/// Who wants to hear of every new list.
pub type Subscriber = Box<dyn Fn(&Arc<DeviceList>) + Send + Sync>;

/// What the store's thread shares with everyone.
pub(super) struct Shared {
    /// guards: the last good list
    list: Mutex<Arc<DeviceList>>,
    /// guards: the subscribers; they are called without it
    subscribers: Mutex<Vec<Arc<Subscription>>>,
    pub(super) health: Health,
}

struct Subscription {
    /// The revision it was told last.
    told: AtomicU64,
    call: Subscriber,
}

impl Shared {
    pub(super) fn new(list: DeviceList, health: Health) -> Self {
        Self { list: Mutex::new(Arc::new(list)), subscribers: Mutex::default(), health }
    }

    pub(super) fn list(&self) -> Arc<DeviceList> {
        Arc::clone(&lock(&self.list))
    }

    /// Tells a new subscriber what there is. From then on it is the store's thread that calls it.
    pub(super) fn subscribe(&self, call: Subscriber) {
        let list = self.list();
        contained("a subscriber of the store", || call(&list));
        lock(&self.subscribers).push(Arc::new(Subscription { told: AtomicU64::new(list.revision()), call }));
    }

    fn tell_subscribers(&self) {
        let list = self.list();
        let subscribers = lock(&self.subscribers).clone();
        for subscriber in subscribers {
            if subscriber.told.swap(list.revision(), Ordering::Relaxed) != list.revision() {
                contained("a subscriber of the store", || (subscriber.call)(&list));
            }
        }
    }
}

/// The state of the store's thread.
pub(super) struct Owner {
    pub(super) backend: Box<dyn Backend>,
    pub(super) desk: Arc<Desk>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) liveness: Liveness,
    pub(super) snapshot: Option<Snapshot>,
    pub(super) gather: Duration,
    pub(super) observations: Observations,
    pub(super) agenda: Agenda,
    /// Serial numbers that devices told in this run, for a backend that does not remember them.
    pub(super) told_serials: HashMap<DeviceId, Told>,
    /// Beats outside database calls only: a frozen database is no reason to restart the service.
    pub(super) pulse: Option<Pulse>,
}

/// A serial number, and the address that told it.
pub(super) struct Told {
    ip_address: String,
    port: i64,
    serial_number: String,
}

/// When what is due.
pub(super) struct Agenda {
    /// Ask the database for changes; without asking when `stale`.
    pub(super) reload: Instant,
    /// Whether the next reload reads in any case.
    pub(super) stale: bool,
    /// Not before this, however many changes are told.
    pub(super) reload_floor: Instant,
    /// Take and write observations, if there are any.
    pub(super) save: Instant,
    /// Write the last known copy, if it differs.
    pub(super) snapshot: Instant,
}

/// How soon after a failure the same thing is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the devices are read at most.
const RELOAD_PACE: Duration = Duration::from_millis(100);
/// How often the last known copy is written at most.
const SNAPSHOT_PACE: Duration = Duration::from_secs(1);
/// How often the last known copy is tried again after a failure.
const SNAPSHOT_RETRY: Duration = Duration::from_secs(10);
/// How soon the thread promises to beat outside database calls.
const PULSE: Duration = Duration::from_secs(15);

impl Agenda {
    /// Everything is due now.
    pub(super) fn new(now: Instant, stale: bool) -> Self {
        Self { reload: now, stale, reload_floor: now, save: now, snapshot: now }
    }
}

impl Owner {
    /// Runs until the desk is closed.
    pub(super) fn run(mut self) {
        let desk = Arc::clone(&self.desk);
        loop {
            let mut open = true;
            let survived = contained("the store", || open = self.turn());
            if !survived {
                desk.finish(None);
                self.shared.health.call_ended();
                self.agenda.stale = true;
                self.agenda.reload = self.clock.now() + RETRY;
                self.agenda.save = self.clock.now() + RETRY;
            }
            if !open {
                break;
            }
        }
        contained("the store", || self.last_turn());
        desk.end();
        // The pulse goes first: closing connections to a frozen database takes as long as it takes.
        self.pulse = None;
    }

    fn turn(&mut self) -> bool {
        self.beat();
        let due = self.next_due();
        match self.desk.next(due) {
            Work::Job(job) => {
                let result = self.work(*job);
                self.shared.tell_subscribers();
                self.desk.finish(Some(result));
            }
            Work::Look => {}
            Work::Close => return false,
        }
        self.beat();
        self.look_round();
        true
    }

    fn beat(&mut self) {
        let now = self.clock.now();
        let pulse = self.pulse.get_or_insert_with(|| self.liveness.enter("store", PULSE, now));
        pulse.beat(now);
    }

    fn next_due(&mut self) -> Instant {
        let mut due = self.agenda.reload;
        let writing = self.shared.health.has_fault(Area::Writing);
        if writing || self.desk.has_observed() || self.observations.any_due(self.clock.now()) {
            due = due.min(self.agenda.save);
        }
        let list = self.shared.list();
        if self.snapshot.as_mut().is_some_and(|snapshot| snapshot.differs(&list)) {
            due = due.min(self.agenda.snapshot);
        }
        due
    }

    fn work(&mut self, job: Job) -> Result<Arc<Device>, StoreError> {
        let now = self.clock.wall();
        let desk = Arc::clone(&self.desk);
        let permit = desk.permit();
        let list = self.shared.list();
        let result = match job {
            Job::Create(_) if list.len() >= DeviceList::CEILING => {
                Err(StoreError::Full { ceiling: DeviceList::CEILING })
            }
            Job::Create(new) => self.call(|backend| backend.create(&new, now, &permit)).map(|device| {
                let device = Arc::new(device);
                self.publish(list.with(Arc::clone(&device)));
                device
            }),
            Job::Update(id, patch) => {
                self.call(|backend| backend.update(&id, &patch, now, &permit)).map(|mut device| {
                    self.observations.overlay(&mut device);
                    let device = Arc::new(device);
                    if list.get(&id).is_none_or(|old| **old != *device) {
                        self.publish(list.with(Arc::clone(&device)));
                    }
                    device
                })
            }
            Job::Delete(id) => self.call(|backend| backend.delete(&id, &permit)).map(|device| {
                self.publish(list.without(&id));
                self.observations.keep_only(&self.shared.list());
                Arc::new(device)
            }),
        };
        match &result {
            Ok(_) => self.shared.health.well(Area::Writing, now),
            Err(error) if error.blames_the_database() => {
                self.shared.health.fault(Area::Writing, &error.to_string(), now);
                self.agenda.save = self.clock.now() + RETRY;
                self.agenda.stale = true;
                self.agenda.reload = self.agenda.reload.min(self.clock.now() + RELOAD_PACE);
            }
            Err(StoreError::NotFound { .. } | StoreError::Conflict { .. }) => {
                // Another gateway may have been at it: look again.
                self.agenda.stale = true;
                self.agenda.reload = self.agenda.reload.min(self.clock.now() + RELOAD_PACE);
            }
            Err(_) => {}
        }
        result
    }

    fn look_round(&mut self) {
        let now = self.clock.now();
        // First what needs no database: the rest may take its time.
        if now >= self.agenda.snapshot {
            self.write_snapshot();
        }
        if self.desk.take_reload() {
            self.agenda.stale = true;
            self.agenda.reload = self.agenda.reload.min(now.max(self.agenda.reload_floor));
        }
        if now >= self.agenda.reload {
            self.reload();
        }
        if now >= self.agenda.save {
            self.save(false);
        }
        self.shared.tell_subscribers();
    }

    fn last_turn(&mut self) {
        self.save(true);
        self.write_snapshot();
    }

    /// Reads the devices if something may have changed.
    fn reload(&mut self) {
        let stale = self.agenda.stale || self.shared.health.has_fault(Area::Reading);
        let loaded = self.call(
            |backend| {
                if stale || backend.changed()? { backend.load().map(Some) } else { Ok(None) }
            },
        );
        let now = self.clock.now();
        self.agenda.reload_floor = now + RELOAD_PACE;
        match loaded {
            Ok(devices) => {
                self.agenda.stale = false;
                self.agenda.reload = now + self.backend.poll_interval();
                if let Some(devices) = devices {
                    self.adopt(devices);
                }
                self.shared.health.set_loaded();
                self.shared.health.well(Area::Reading, self.clock.wall());
            }
            Err(error) => {
                self.agenda.reload = now + RETRY;
                self.shared.health.fault(Area::Reading, &error.to_string(), self.clock.wall());
            }
        }
    }

    /// Takes over what the database says, completed by what it does not know.
    fn adopt(&mut self, mut devices: Vec<Device>) {
        let list = self.shared.list();
        for device in &mut devices {
            if !self.backend.remembers() {
                self.carry_over(&list, device);
            }
            self.observations.overlay(device);
        }
        if let Some(next) = list.replaced_by(devices) {
            self.publish(next);
            let list = self.shared.list();
            self.observations.keep_only(&list);
            self.told_serials.retain(|id, _| list.get(id).is_some());
        }
    }

    /// An attached table says where a device is, and memory what it is, as long as it is still there.
    fn carry_over(&self, list: &DeviceList, device: &mut Device) {
        let Some(old) = list.get(&device.id) else { return };
        if (&old.ip_address, old.port) != (&device.ip_address, device.port) {
            return;
        }
        let mut facts = old.facts.clone();
        facts.merge(std::mem::take(&mut device.facts));
        device.facts = facts;
        device.status = old.status;
        device.last_seen = old.last_seen;
        let told = self.told_serials.get(&device.id);
        if let Some(told) = told.filter(|t| t.ip_address == device.ip_address && t.port == device.port) {
            device.facts.serial_number = Some(told.serial_number.clone());
        }
    }

    /// Takes the observations that wait, shows them in the list, and writes what is worth it.
    fn save(&mut self, last: bool) {
        self.agenda.save = self.clock.now() + self.gather;
        let observed = self.desk.take_observed();
        if !observed.is_empty() {
            self.show(observed);
        }
        let batch = self.observations.due(self.clock.now(), last);
        let result = if !batch.is_empty() {
            let saved = self.call(|backend| Ok(backend.save(&batch))).unwrap_or_default();
            let now = self.clock.now();
            for id in &saved.done {
                self.observations.saved(id, &batch, now);
            }
            saved.error.map_or(Ok(()), Err)
        } else if self.shared.health.has_fault(Area::Writing) {
            self.call(|backend| backend.probe())
        } else {
            return;
        };
        let wall = self.clock.wall();
        match result {
            Ok(()) => self.shared.health.well(Area::Writing, wall),
            Err(error) => {
                self.agenda.save = self.clock.now() + RETRY.max(self.gather);
                self.shared.health.fault(Area::Writing, &error.to_string(), wall);
            }
        }
    }

    fn show(&mut self, observed: impl IntoIterator<Item = (DeviceId, Observation)>) {
        let list = self.shared.list();
        let mut changed = Vec::new();
        for (id, observation) in observed {
            let Some(device) = list.get(&id) else { continue };
            if let Some(serial_number) = observation.facts.serial_number.clone() {
                let (ip_address, port) = (device.ip_address.clone(), device.port);
                self.told_serials.insert(id, Told { ip_address, port, serial_number });
            }
            changed.extend(self.observations.note(device, observation).map(Arc::new));
        }
        if !changed.is_empty() {
            self.publish(list.with_all(changed));
        }
    }

    fn write_snapshot(&mut self) {
        let list = self.shared.list();
        let wall = self.clock.wall();
        let Some(snapshot) = &mut self.snapshot else { return };
        if !snapshot.differs(&list) {
            return;
        }
        match snapshot.write(&list, wall) {
            Ok(()) => {
                self.agenda.snapshot = self.clock.now() + SNAPSHOT_PACE;
                self.shared.health.well(Area::Snapshot, wall);
            }
            Err(error) => {
                self.agenda.snapshot = self.clock.now() + SNAPSHOT_RETRY;
                self.shared.health.fault(Area::Snapshot, &format!("devices.json: {error}"), wall);
            }
        }
    }

    fn publish(&self, list: DeviceList) {
        *lock(&self.shared.list) = Arc::new(list);
    }

    /// One database call: watched for taking too long, and without a pulse while it takes.
    fn call<T>(
        &mut self,
        body: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.pulse = None;
        self.shared.health.call_began(self.clock.now());
        let result = body(&mut *self.backend);
        self.shared.health.call_ended();
        self.beat();
        result
    }
}
