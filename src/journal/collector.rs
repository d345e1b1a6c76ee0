//! Collecting: one thread that knows what is due for which device, and hears what devices say unasked.
//!
//! It waits for nobody: the journal's answers, the devices' reads and their events all come as messages. Reads run
//! on the registry's workers, in the background, a bounded number at a time; one that drips gives up its place to
//! others after a while.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::errand::Fetched;
use super::reading::Effort;
use super::settings::{CollectorSettings, DeviceSettings};
use super::status::{CollectionStatus, LastRead};
use super::upkeep::Upkeep;
use super::watched::{Waiter, Watched};
use crate::base::clock::Clock;
use crate::base::confirmations::Confirmations;
use crate::base::ids::DeviceId;
use crate::base::liveness::{Liveness, Pulse};
use crate::base::lock::lock;
use crate::base::series::Series;
use crate::base::threads::{SMALL_STACK, contained, spawn};
use crate::registry::{Listener, Refusal, Registry};
use crate::store::device::Device;
use crate::store::journal::{Cursor, Journal};
use crate::store::{Store, StoreError};
use crate::wire::event::Event;

/// The collector; share it in its [`Arc`].
pub struct Collector {
    pub(super) registry: Arc<Registry>,
    pub(super) store: Arc<Store>,
    pub(super) journal: Arc<Journal>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: CollectorSettings,
    pub(super) inbox: Sender<Told>,
    /// Events in the inbox.
    events: AtomicUsize,
    /// guards: large reads under way, each with a number, by when they began
    pub(super) large: Mutex<Vec<(u64, Instant)>>,
    /// Dry runs of clearings, with the serial number that was seen.
    pub(super) confirmations: Confirmations<DeviceId, String>,
    /// guards: the devices
    pub(super) devices: Mutex<HashMap<DeviceId, Watched>>,
    /// guards: what was set for devices, also for those that are not in the list yet
    pub(super) set: Mutex<HashMap<DeviceId, DeviceSettings>>,
    pub(super) drifting: Series<DeviceId>,
    pub(super) strangers: Series<DeviceId>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the collector is told.
pub(super) enum Told {
    Opened(DeviceId, Option<String>),
    Events {
        id: DeviceId,
        serial_number: Option<String>,
        events: Vec<Event>,
        lost: u64,
    },
    /// The journal's answer to a question for a cursor; `None` for none.
    Known {
        id: DeviceId,
        serial_number: String,
        answer: Option<Result<Option<Cursor>, StoreError>>,
    },
    Fetched {
        id: DeviceId,
        serial_number: String,
        began: Instant,
        result: Box<Result<Fetched, Refusal>>,
    },
    Settings(DeviceId, DeviceSettings),
    /// What was set for the devices, or that it could not be known.
    AllSettings(Option<Vec<(DeviceId, DeviceSettings)>>),
    Read {
        id: DeviceId,
        everything: bool,
        waiter: Waiter,
    },
    /// There are more old rows to let go.
    PurgeMore,
    Stop,
}

/// Events that may wait for the collector; more are lost, and the logs have them.
const EVENTS_CEILING: usize = 8192;
/// The longest sleep.
const NAP: Duration = Duration::from_millis(500);
/// How soon the thread promises to beat.
const PULSE: Duration = Duration::from_secs(15);

impl Collector {
    /// Starts collecting. The registry tells it of sessions and events from now on.
    ///
    /// # Errors
    /// When the operating system grants no thread.
    pub fn start(
        registry: Arc<Registry>,
        store: Arc<Store>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        settings: CollectorSettings,
        liveness: &Liveness,
    ) -> io::Result<Arc<Self>> {
        let (inbox, messages) = unbounded();
        let collector = Arc::new(Self {
            registry: Arc::clone(&registry),
            store,
            journal,
            clock: Arc::clone(&clock),
            settings,
            inbox,
            events: AtomicUsize::new(0),
            large: Mutex::default(),
            confirmations: Confirmations::default(),
            devices: Mutex::default(),
            set: Mutex::default(),
            drifting: Series::new(),
            strangers: Series::new(),
            thread: Mutex::default(),
        });
        let pulse = liveness.enter("collector", PULSE, clock.now());
        let runner = Arc::clone(&collector);
        let thread = spawn("collector", SMALL_STACK, move || runner.run(&messages, &pulse))?;
        *lock(&collector.thread) = Some(thread);
        registry.listen(Arc::clone(&collector) as Arc<dyn Listener>);
        Ok(collector)
    }

    /// How it is with one device; `None` when nothing is known of it yet.
    #[must_use]
    pub fn status(&self, id: &DeviceId) -> Option<CollectionStatus> {
        lock(&self.devices).get(id).map(Watched::status)
    }

    /// What holds for devices of which nothing else is said.
    #[must_use]
    pub const fn settings(&self) -> CollectorSettings {
        self.settings
    }

    /// What was set for a device counts from now on.
    pub fn configure(&self, id: &DeviceId, settings: DeviceSettings) {
        self.tell(Told::Settings(id.clone(), settings));
    }

    /// Reads a device's log now, or as soon as the read under way is over; `everything` compares all of it. The
    /// answer comes from another thread, once. It is dropped when the device is unknown to the collector.
    pub fn read_now(
        &self,
        id: &DeviceId,
        everything: bool,
        answer: impl FnOnce(Result<LastRead, Refusal>) + Send + 'static,
    ) {
        self.tell(Told::Read { id: id.clone(), everything, waiter: Box::new(answer) });
    }

    /// Ends the thread. Reads under way end with the registry.
    pub fn stop(&self) {
        self.tell(Told::Stop);
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("the collector had ended in a panic");
        }
    }

    pub(super) fn tell(&self, told: Told) {
        // Nobody listens any more only at the end.
        let _ = self.inbox.send(told);
    }

    fn run(self: &Arc<Self>, messages: &Receiver<Told>, pulse: &Pulse) {
        let mut upkeep = Upkeep::new(self.clock.now());
        loop {
            pulse.beat(self.clock.now());
            match messages.recv_timeout(self.nap()) {
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(told) => {
                    contained("the collector", || self.take(told, &mut upkeep));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            contained("the collector", || {
                upkeep.turn(self);
                // A device that is not to be read is not, not even once.
                if upkeep.settings_known {
                    self.begin_reads();
                }
            });
        }
        let waiting: Vec<Waiter> = lock(&self.devices).values_mut().flat_map(Watched::all_waiters).collect();
        for waiter in waiting {
            contained("who waits for a read", || waiter(Err(Refusal::Stopping)));
        }
    }

    /// For how long there is nothing to do unless something is told. What is due and was not begun has no room, and
    /// when there is room that is told.
    fn nap(&self) -> Duration {
        let now = self.clock.now();
        let next = lock(&self.devices).values().filter_map(|device| device.due_after(now)).min();
        next.map_or(NAP, |due| due.saturating_duration_since(now).min(NAP))
    }

    fn take(self: &Arc<Self>, told: Told, upkeep: &mut Upkeep) {
        let now = self.clock.now();
        match told {
            Told::Opened(id, serial_number) => {
                if let Some(answered) = &serial_number {
                    self.say_stranger(&id, answered);
                }
                self.with(&id, |device| device.opened(serial_number, now));
            }
            Told::Events { id, serial_number, events, lost } => {
                self.events.fetch_sub(events.len(), Ordering::Relaxed);
                self.hear(&id, serial_number.as_deref(), events, lost);
            }
            Told::Known { id, serial_number, answer } => self.known(&id, serial_number, answer),
            Told::Fetched { id, serial_number, began, result } => {
                self.fetched(&id, &serial_number, began, *result);
            }
            Told::Settings(id, settings) => {
                lock(&self.set).insert(id.clone(), settings);
                self.with(&id, |device| {
                    device.settings = settings;
                    device.due = now;
                    if !device.effective().live {
                        device.live = super::status::Live::Off;
                    }
                });
            }
            Told::AllSettings(all) => {
                upkeep.settings_known |= all.is_some();
                for (id, settings) in all.into_iter().flatten() {
                    lock(&self.set).insert(id.clone(), settings);
                    self.with(&id, |device| device.settings = settings);
                }
            }
            Told::PurgeMore => upkeep.purge_more(now),
            Told::Read { id, everything, waiter } => {
                let effort = if everything { Effort::Everything } else { Effort::Compare };
                self.with(&id, |device| {
                    device.want(effort, now);
                    device.due = device.due.min(now);
                    device.waiters.push(waiter);
                });
            }
            Told::Stop => {}
        }
    }

    /// Does something to a device that is in the list.
    pub(super) fn with<T>(&self, id: &DeviceId, change: impl FnOnce(&mut Watched) -> T) -> Option<T> {
        if !lock(&self.devices).contains_key(id) {
            let device = Arc::clone(self.store.devices().get(id)?);
            self.watch(&device);
        }
        lock(&self.devices).get_mut(id).map(change)
    }

    /// Begins to watch a device, with what was set for it.
    pub(super) fn watch(&self, device: &Arc<Device>) {
        let settings = lock(&self.set).get(&device.id).copied().unwrap_or_default();
        let watched = Watched::new(Arc::clone(device), settings, self.settings, self.clock.now());
        lock(&self.devices).entry(device.id.clone()).or_insert(watched);
    }
}

impl Listener for Collector {
    fn opened(&self, id: &DeviceId, serial_number: Option<&str>) {
        self.tell(Told::Opened(id.clone(), serial_number.map(str::to_owned)));
    }

    fn events(&self, id: &DeviceId, serial_number: Option<&str>, events: &[Event], lost: u64) {
        // Whatever else a device tells is nothing to the journal.
        let punch = |event: &&Event| matches!(event, Event::Punch { .. } | Event::Unreadable { .. });
        let events: Vec<Event> = events.iter().filter(punch).cloned().collect();
        if events.is_empty() && lost == 0 {
            return;
        }
        let room = self.events.load(Ordering::Relaxed) + events.len() <= EVENTS_CEILING;
        let (events, lost) = if room { (events, lost) } else { (Vec::new(), lost + events.len() as u64) };
        self.events.fetch_add(events.len(), Ordering::Relaxed);
        let serial_number = serial_number.map(str::to_owned);
        self.tell(Told::Events { id: id.clone(), serial_number, events, lost });
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collector({} devices)", lock(&self.devices).len())
    }
}
