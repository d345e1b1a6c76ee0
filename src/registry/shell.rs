//! The registry as the rest of the house sees it: the rules of [`Core`] behind one mutex, with the threads that
//! carry them out.
//!
//! The mutex is held for a few statements at a time. Sockets, callbacks and the store are never touched under it:
//! what is to be done comes out of the machine as effects, which `Inner::perform` carries out afterwards.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use super::core::{Core, Effect};
use super::error::Refusal;
use super::job::{Call, Terms, Ticket, Work};
use super::lease::Lease;
use super::settings::RegistrySettings;
use super::slot::Then;
use super::status::{SlotStatus, StateName};
use super::watcher::{Inbox, Tester, Watcher};
use super::workers;
use crate::base::clock::{Clock, wall_of};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::Liveness;
use crate::base::lock::{lock, wait_for};
use crate::base::readiness::Watched;
use crate::base::threads::{SMALL_STACK, contained, spawn};
use crate::device::{DeviceError, Session, Target};
use crate::store::device::{Device, Facts, Observation, Status, TransportChoice};
use crate::transport::Socket;
use crate::wire::carrier::Carrier;

/// Who is told what the registry notices about devices: the store, as a rule.
pub type Recorder = Box<dyn Fn(&DeviceId, Observation) + Send + Sync>;
/// Who is told that a device was disconnected as asked for.
pub(super) type Notice = Box<dyn FnOnce() + Send>;
/// Who waits for that, each with a number by which the request can be withdrawn.
type Notices = HashMap<DeviceId, Vec<(u64, Notice)>>;

/// The connection service: one healthy session per device, and an orderly queue before it.
pub struct Registry {
    inner: Arc<Inner>,
    /// guards: the threads, until they are joined
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the registry's threads share.
pub(super) struct Inner {
    pub(super) settings: RegistrySettings,
    pub(super) clock: Arc<dyn Clock>,
    /// guards: all slots and who is next
    pub(super) core: Mutex<Core<Held, Order>>,
    /// A worker has something to do, or the registry stops.
    pub(super) work: Condvar,
    /// A session was closed.
    pub(super) closed: Condvar,
    pub(super) inbox: Inbox,
    /// guards: who waits for a device to be disconnected
    notices: Mutex<Notices>,
    next_notice: AtomicU64,
    recorder: Recorder,
    /// guards: which devices are down, and since when
    outages: Mutex<HashMap<DeviceId, Instant>>,
    pub(super) ended: AtomicBool,
}

/// A session with its place in the readiness list.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) session: Box<Session>,
    pub(super) watch: Watched<Arc<Socket>>,
}

/// What waits in a queue.
pub(super) enum Order {
    /// A job for a worker.
    Work(Box<dyn Work>),
    /// Somebody who wants the session itself.
    Lease(crossbeam_channel::Sender<Result<Lease, Refusal>>),
}

impl Registry {
    /// Starts the registry's threads. It has no devices yet: see [`Registry::configure`].
    ///
    /// # Errors
    /// When the operating system grants no thread or no poller.
    pub fn start(
        settings: RegistrySettings,
        clock: Arc<dyn Clock>,
        recorder: Recorder,
        liveness: &Liveness,
    ) -> io::Result<Arc<Self>> {
        let seed = fastrand::u64(..);
        log::debug!("registry: delays are drawn with seed {seed}");
        let inner = Arc::new(Inner {
            settings,
            clock,
            core: Mutex::new(Core::new(settings, seed)),
            work: Condvar::new(),
            closed: Condvar::new(),
            inbox: Inbox::new()?,
            notices: Mutex::default(),
            next_notice: AtomicU64::new(0),
            recorder,
            outages: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let registry = Arc::new(Self { inner: Arc::clone(&inner), threads: Mutex::default() });
        let mut threads = workers::start(&inner, liveness)?;
        let watcher = Watcher::new(Arc::clone(&inner), liveness);
        threads.push(spawn("watcher", SMALL_STACK, move || watcher.run())?);
        *lock(&registry.threads) = threads;
        Ok(registry)
    }

    /// Takes over the list of devices: new ones get a session, changed ones a new one, missing ones go.
    pub fn configure<'d>(&self, devices: impl Iterator<Item = &'d Arc<Device>>) {
        let now = self.inner.clock.now();
        self.inner.with(|core| core.configure(devices, now));
    }

    /// Asks something of a device. The answer comes on another thread, exactly once, no later than shortly after
    /// the deadline. An operation that only asks may be attempted twice, on two sessions.
    pub fn submit<T, O, A>(&self, id: &DeviceId, terms: Terms, operation: O, answer: A)
    where
        T: Send + 'static,
        O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
        A: FnOnce(Result<T, Refusal>) + Send + 'static,
    {
        self.order(id, terms, Order::Work(Box::new(Call::new(operation, answer))));
    }

    /// Asks something of a device and waits for the answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn call<T, O>(&self, id: &DeviceId, terms: Terms, operation: O) -> Result<T, Refusal>
    where
        T: Send + 'static,
        O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
    {
        let (sender, receiver) = bounded(1);
        // A caller that has gone is not told.
        self.submit(id, terms, operation, move |result| drop(sender.send(result)));
        receiver.recv().unwrap_or(Err(Refusal::Stopping))
    }

    /// Borrows a device's session. Dropping the lease gives it back; the device's other callers wait until then.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn lease(&self, id: &DeviceId, deadline: Deadline) -> Result<Lease, Refusal> {
        let (sender, receiver) = bounded(1);
        self.order(id, Terms::read(deadline), Order::Lease(sender));
        receiver.recv().unwrap_or(Err(Refusal::Stopping))
    }

    /// Makes a session now, whatever the back-off says. It does not wait for it: submit something for that.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn connect(&self, id: &DeviceId) -> Result<(), Refusal> {
        let now = self.inner.clock.now();
        self.inner.with(|core| core.connect(id, now))
    }

    /// Closes a device's session with a goodbye; `done` is called when it is closed. There is no session from then
    /// on until somebody asks the device for something.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], [`Refusal::Lent`]; `done` is dropped then.
    pub fn disconnect(&self, id: &DeviceId, done: impl FnOnce() + Send + 'static) -> Result<(), Refusal> {
        self.end(id, Then::Park, Box::new(done))
    }

    /// Closes every session; `done` is called when all are closed. Gives how many devices there are.
    pub fn disconnect_all(&self, done: impl FnOnce() + Send + 'static) -> usize {
        let ids: Vec<DeviceId> = self.statuses().into_iter().map(|status| status.id).collect();
        // One count for each device and one for this loop.
        let left =
            Arc::new(Countdown { left: AtomicUsize::new(ids.len() + 1), done: Mutex::new(Some(done)) });
        for id in &ids {
            let mine = Arc::clone(&left);
            if self.end(id, Then::Park, Box::new(move || mine.one_less())).is_err() {
                // A device that cannot be disconnected has no session either.
                left.one_less();
            }
        }
        left.one_less();
        ids.len()
    }

    /// Steps aside so that other software can work with a device, for at most so long; `done` is called when the
    /// session is closed.
    ///
    /// # Errors
    /// [`Refusal::Unknown`], [`Refusal::Disabled`]; `done` is dropped then.
    pub fn lend(
        &self,
        id: &DeviceId,
        by: String,
        duration: Duration,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<(), Refusal> {
        let until = self.inner.clock.now() + duration.min(self.inner.settings.lend_max);
        self.end(id, Then::Lend { by, until }, Box::new(done))
    }

    /// Ends the lending of a device before its time.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn resume(&self, id: &DeviceId) -> Result<(), Refusal> {
        let now = self.inner.clock.now();
        self.inner.with(|core| core.resume(id, now))
    }

    /// Makes a new session with a device and reports every step.
    ///
    /// # Errors
    /// Why that cannot be tried now; `answer` is dropped then.
    pub fn test(&self, id: &DeviceId, deadline: Deadline, answer: Tester) -> Result<(), Refusal> {
        let now = self.inner.clock.now();
        let number = self.inner.inbox.expect(id.clone(), deadline, answer);
        let result = self.inner.with(|core| core.disconnect(id, Then::Redial, now));
        if result.is_err() {
            self.inner.inbox.forget(id, number);
        }
        result
    }

    /// Tries an address that need not belong to any device, and reports every step.
    pub fn probe(&self, target: Target, deadline: Deadline, answer: Tester) {
        self.inner.inbox.probe(target, deadline, answer);
    }

    /// One slot as it is now.
    #[must_use]
    pub fn status(&self, id: &DeviceId) -> Option<SlotStatus> {
        lock(&self.inner.core).status(id)
    }

    /// All slots as they are now, in the order of their ids.
    #[must_use]
    pub fn statuses(&self) -> Vec<SlotStatus> {
        let mut all: Vec<SlotStatus> = lock(&self.inner.core).statuses().collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// How many devices have a session, and how many there are that should be able to.
    #[must_use]
    pub fn up(&self) -> (usize, usize) {
        let core = lock(&self.inner.core);
        let enabled = core.statuses().filter(|status| status.state != StateName::Disabled);
        enabled.fold((0, 0), |(up, all), status| (up + usize::from(status.state.is_up()), all + 1))
    }

    /// The settings it was started with.
    #[must_use]
    pub fn settings(&self) -> &RegistrySettings {
        &self.inner.settings
    }

    /// Takes no more jobs, finishes those under way, says goodbye to every device and ends the threads, all before
    /// the deadline.
    pub fn stop(&self, deadline: Deadline) {
        let clock = &self.inner.clock;
        self.inner.with(|core| core.stop(clock.now()));
        let mut core = lock(&self.inner.core);
        while !core.is_quiet() {
            let Some(left) = deadline.remaining(clock.now()) else {
                log::warn!("registry: some sessions were not closed in time");
                break;
            };
            core = wait_for(&self.inner.closed, core, left.min(Duration::from_millis(50)));
        }
        // Said under the lock: a worker that has just looked is already waiting, and hears the call.
        self.inner.ended.store(true, Ordering::Release);
        drop(core);
        self.inner.work.notify_all();
        self.inner.inbox.wake();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // A worker in the middle of a call ends with its deadline at the latest, but nobody waits for it.
            if thread.is_finished() || deadline.remaining(clock.now()).is_some() {
                let _ = thread.join();
            }
        }
    }

    fn end(&self, id: &DeviceId, then: Then, done: Notice) -> Result<(), Refusal> {
        let now = self.inner.clock.now();
        let number = self.inner.next_notice.fetch_add(1, Ordering::Relaxed);
        lock(&self.inner.notices).entry(id.clone()).or_default().push((number, done));
        let result = self.inner.with(|core| core.disconnect(id, then, now));
        if result.is_err() {
            let mut notices = lock(&self.inner.notices);
            if let Some(waiting) = notices.get_mut(id) {
                waiting.retain(|(other, _)| *other != number);
                if waiting.is_empty() {
                    notices.remove(id);
                }
            }
        }
        result
    }

    fn order(&self, id: &DeviceId, terms: Terms, job: Order) {
        let now = self.inner.clock.now();
        let Terms { priority, deadline, repeat } = terms;
        let ticket = Ticket { priority, deadline, repeat, since: now, attempts: 0, job };
        self.inner.with(|core| core.submit(id, ticket, now));
    }
}

/// Calls something when it has been counted down to nothing.
struct Countdown<F> {
    left: AtomicUsize,
    /// guards: what is to be called, once
    done: Mutex<Option<F>>,
}

impl<F: FnOnce()> Countdown<F> {
    fn one_less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(done) = lock(&self.done).take()
        {
            done();
        }
    }
}

impl Inner {
    /// Does something to the machine, and then whatever it wants done.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Core<Held, Order>) -> T) -> T {
        let mut core = lock(&self.core);
        let before = core.due();
        let result = change(&mut core);
        let effects = core.effects();
        let due = core.due();
        drop(core);
        self.inbox.hasten(before, due, &*self.clock);
        self.perform(effects);
        result
    }

    /// Carries out what the machine wants done. Never under its mutex. What belongs to others may panic: that
    /// must not keep the rest from being done.
    pub(super) fn perform(&self, effects: Vec<Effect<Held, Order>>) {
        for effect in effects {
            match effect {
                Effect::Dial { device, key, prefer } => self.inbox.dial(&device, key, prefer),
                Effect::KeepAlive { id, session } => self.inbox.keep_alive(id, session),
                Effect::Overhear { id, session } => self.inbox.overhear(id, session),
                Effect::Farewell { id, session } => self.inbox.farewell(id, session),
                Effect::Answer { ticket, refusal } => {
                    contained("a caller's answer", || ticket.job.refuse(refusal));
                }
                Effect::Wake => self.work.notify_one(),
                Effect::Closed { id } => {
                    self.closed.notify_all();
                    let waiting = lock(&self.notices).remove(&id).unwrap_or_default();
                    for (_, notice) in waiting {
                        contained("a notice of a disconnect", notice);
                    }
                }
                Effect::Changed { id, up } => self.observe(&id, up),
            }
        }
    }

    /// Tells the log and the store that a device came up or went down, and over what it was reached.
    fn observe(&self, id: &DeviceId, up: bool) {
        let Some(status) = lock(&self.core).status(id) else { return };
        self.say(id, up, &status);
        let seen = status.heard.map(|heard| wall_of(heard, &*self.clock));
        let transport_used = status.transport.filter(|_| up).map(|carrier| match carrier {
            Carrier::Tcp => TransportChoice::Tcp,
            Carrier::Udp => TransportChoice::Udp,
        });
        let facts = Facts { transport_used, ..Facts::default() };
        let status = Some(if up { Status::Up } else { Status::Down });
        self.record(id, Observation { facts, status, seen });
    }

    fn record(&self, id: &DeviceId, observation: Observation) {
        contained("an observation for the store", || (self.recorder)(id, observation));
    }

    /// The first failure of a series is a warning and its end is said once; what lies between is for the curious.
    fn say(&self, id: &DeviceId, up: bool, status: &SlotStatus) {
        let now = self.clock.now();
        let before = match up {
            true => lock(&self.outages).remove(id),
            false => lock(&self.outages).insert(id.clone(), now),
        };
        match (up, before, &status.last_error) {
            (true, Some(since), _) => {
                let away = now.saturating_duration_since(since).as_secs_f64();
                log::info!("device {id} is back after {away:.1} s");
            }
            (true, None, _) => log::debug!("device {id} is up"),
            (false, None, Some(error)) => {
                log::warn!("device {id} is down: {}; {}", error.detail, error.advice)
            }
            (false, ..) => log::debug!("device {id} is down"),
        }
    }

    /// Tells the store when the devices that are up last answered.
    pub(super) fn observe_all(&self) {
        let statuses: Vec<SlotStatus> = lock(&self.core).statuses().collect();
        for status in statuses.iter().filter(|status| status.state.is_up()) {
            let seen = status.heard.map(|heard| wall_of(heard, &*self.clock));
            let observation = Observation { seen, status: Some(Status::Up), ..Observation::default() };
            self.record(&status.id, observation);
        }
    }
}

impl Order {
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Work(work) => work.finish(Some(refusal)),
            // Somebody who has gone is not told.
            Self::Lease(waiting) => drop(waiting.send(Err(refusal))),
        }
    }
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work(_) => "Work",
            Self::Lease(_) => "Lease",
        })
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (up, all) = self.up();
        write!(f, "Registry({up}/{all} devices up)")
    }
}
