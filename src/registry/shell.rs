//! The registry as the rest of the house sees it: what can be asked of it, and its start and stop.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::between::Between;
use super::core::Core;
use super::error::Refusal;
use super::held::Held;
use super::inbox::{Inbox, Tester};
use super::inner::{Inner, Notice, Order, Recorder};
use super::job::{Call, Terms};
use super::lease::Lease;
use super::listener::Listener;
use super::settings::RegistrySettings;
use super::slot::Then;
use super::status::{SlotStatus, StateName};
use super::watcher::Watcher;
use super::workers;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::Liveness;
use crate::base::lock::{lock, wait_for};
use crate::base::series::Series;
use crate::base::threads::{SMALL_STACK, spawn};
use crate::device::{DeviceError, Session, Target};
use crate::store::device::Device;

/// The connection service: one healthy session per device, and an orderly queue before it.
pub struct Registry {
    inner: Arc<Inner>,
    /// guards: the threads, until they are joined
    threads: Mutex<Vec<JoinHandle<()>>>,
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
            tracer: OnceLock::new(),
            taps: Mutex::default(),
            amends: Mutex::default(),
            listeners: Mutex::default(),
            outages: Series::new(),
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
        self.inner.forget_taps();
        self.inner.forget_amends();
    }

    /// Asks something of a device. The answer comes on another thread, exactly once, no later than shortly after
    /// the deadline. An operation that only asks may be attempted twice, on two sessions.
    pub fn submit<T, O, A>(&self, id: &DeviceId, terms: Terms, mut operation: O, answer: A)
    where
        T: Send + 'static,
        O: FnMut(&mut Session, Deadline) -> Result<T, DeviceError> + Send + 'static,
        A: FnOnce(Result<T, Refusal>) + Send + 'static,
    {
        self.submit_long(id, terms, move |session, deadline, _| operation(session, deadline), answer);
    }

    /// The same for something that takes its time, in pieces: what it is handed lets others be served in between.
    pub fn submit_long<T, O, A>(&self, id: &DeviceId, terms: Terms, operation: O, answer: A)
    where
        T: Send + 'static,
        O: FnMut(&mut Session, Deadline, &mut Between<'_>) -> Result<T, DeviceError> + Send + 'static,
        A: FnOnce(Result<T, Refusal>) + Send + 'static,
    {
        self.order(id, terms, Order::Work(Box::new(Call::new(operation, answer))));
    }

    /// Tells this listener, too, from now on what happens unasked: new sessions, events, devices that come and go.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        lock(&self.inner.listeners).push(listener);
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
        let (inner, whose) = (Arc::clone(&self.inner), id.clone());
        let hand_over = move |held: Result<Held, Refusal>| {
            // Whoever gave up waiting drops the lease, which gives the session back.
            drop(sender.send(held.map(|held| Lease::new(whose, inner, held))));
        };
        self.order(id, Terms::read(deadline), Order::Lease(Box::new(hand_over)));
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

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
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
        self.inner.order(id, terms, job);
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

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (up, all) = self.up();
        write!(f, "Registry({up}/{all} devices up)")
    }
}
