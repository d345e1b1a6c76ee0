//! Simulated devices, a store, a journal, a registry and a collector, put together as the service does it.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::civil::Time;
use tempfile::TempDir;
use zkgate::base::clock::{Clock, millis};
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::device::{SessionSettings, Target};
use zkgate::journal::civil::{civil_now, moment, possible, zone_of};
use zkgate::journal::correction::Correction;
use zkgate::journal::status::{CollectionStatus, ReadResult};
use zkgate::journal::{Collector, CollectorSettings, DeviceSettings, LastRead};
use zkgate::registry::{Refusal, Registry, RegistrySettings, StateName, Terms};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::store::device::{Facts, NewDevice, SessionMode, TransportChoice};
use zkgate::store::journal::quarantine::Quarantined;
use zkgate::store::journal::{Cursor, Filter, Gap, Journal, JournalSettings, PageQuery, Row, Source};
use zkgate::store::{Place, Store, StoreSettings};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::{ClockWord, PossibleTime};
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::record::UserId;
use zkgate::wire::record::punch::{Punch, PunchLayout};

/// Long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn within(time: Duration) -> Deadline {
    Deadline::after(Instant::now(), time)
}

pub(crate) fn soon() -> Deadline {
    within(PATIENCE)
}

/// Waits until something is so, which it must be soon.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    since.elapsed()
}

/// The operating system's clocks, with hands that a test can move forward.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    /// guards: how far they were moved
    moved: Mutex<Duration>,
    /// How far the calendar alone was moved, in seconds.
    wall: AtomicI64,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.moved.lock().unwrap() += by;
    }

    /// The calendar alone, as when somebody sets the host's clock.
    pub(crate) fn shift_wall(&self, seconds: i64) {
        self.wall.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::now() + *self.moved.lock().unwrap()
    }

    fn wall(&self) -> SystemTime {
        let wall = SystemTime::now() + *self.moved.lock().unwrap();
        let seconds = self.wall.load(Ordering::SeqCst);
        let by = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { wall - by } else { wall + by }
    }
}

/// What a test wants different.
pub(crate) struct Setup {
    pub(crate) collector: CollectorSettings,
    pub(crate) registry: RegistrySettings,
    pub(crate) mode: SessionMode,
    pub(crate) timezone: Option<String>,
    /// What is set for each device before the start.
    pub(crate) device: Option<DeviceSettings>,
    /// The database of the journal, if it is not the embedded one.
    pub(crate) postgres: Option<String>,
    /// Further addresses at which the first device answers, each with a record of its own.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Default for Setup {
    /// Nothing is read but when it is asked for, or when the device has something to say.
    fn default() -> Self {
        let correction = Correction { on: false, tolerance: 5, quiet: (Time::midnight(), Time::midnight()) };
        Self {
            collector: CollectorSettings {
                collect: true,
                poll_interval: Duration::from_secs(3600),
                compare_interval: Duration::from_secs(3600),
                read_timeout: Duration::from_secs(60),
                large_reads: 4,
                live: true,
                drift_warning: Duration::from_secs(30),
                correction,
                retention: None,
            },
            registry: RegistrySettings {
                session: patient(),
                back_off_first: Duration::from_millis(20),
                back_off_cap: Duration::from_millis(200),
                workers: 16,
                ..RegistrySettings::default()
            },
            mode: SessionMode::Persistent,
            timezone: None,
            device: None,
            postgres: None,
            addresses: Vec::new(),
        }
    }
}

impl Setup {
    pub(crate) fn polling(interval: Duration) -> Self {
        let setup = Self::default();
        Self { collector: CollectorSettings { poll_interval: interval, ..setup.collector }, ..setup }
    }
}

fn patient() -> SessionSettings {
    SessionSettings {
        connect: Duration::from_secs(2),
        reply: Duration::from_secs(2),
        progress: Duration::from_secs(2),
        farewell: Duration::from_millis(500),
        ..SessionSettings::default()
    }
}

/// What outlives a run of the service: the devices and the disk.
pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    pub(crate) state: TempDir,
}

impl Site {
    pub(crate) fn of(config: Config) -> Self {
        let config = Config { name: "simulator".into(), ..config };
        Self { simulator: Simulator::start(config).unwrap(), state: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn device(&self, number: usize) -> &DeviceHandle {
        self.simulator.device(number).unwrap()
    }

    pub(crate) fn start(&self, setup: &Setup) -> Rig {
        Rig::start(self, setup)
    }
}

/// The rooms behind the API, running.
pub(crate) struct Rig {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) store: Arc<Store>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) ids: Vec<DeviceId>,
    devices: Vec<DeviceHandle>,
    stopped: bool,
}

/// One device with people and a past, and everything that collects from it.
pub(crate) fn one(profile: Profile, punches: usize) -> (Site, Rig) {
    one_of(Config { profile, users: 30, punches, ..Config::default() }, &Setup::default())
}

pub(crate) fn one_of(config: Config, setup: &Setup) -> (Site, Rig) {
    let site = Site::of(config);
    let rig = site.start(setup);
    (site, rig)
}

impl Rig {
    fn start(site: &Site, setup: &Setup) -> Self {
        let clock = Arc::new(TestClock::default());
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let liveness = Liveness::new(clock.now());
        let settings = StoreSettings {
            gather: Duration::from_millis(10),
            ..StoreSettings::new(site.state.path(), Place::Sqlite)
        };
        let store = Store::open(settings, Arc::clone(&time), &liveness).unwrap();
        let journal = JournalSettings {
            state_dir: site.state.path().to_owned(),
            postgres: setup.postgres.clone().map(Secret::new),
            queue: 256,
        };
        let journal = Journal::open(&journal, Arc::clone(&time), &liveness).unwrap();
        let handles = site.simulator.devices();
        if store.devices().iter().count() == 0 {
            let addresses = handles.iter().map(DeviceHandle::address).chain(setup.addresses.iter().copied());
            for (address, device) in addresses.zip(handles.iter().cycle()) {
                store.create_wait(new_device(address, device, setup), soon()).unwrap();
            }
        }
        let mut ids: Vec<DeviceId> = store.devices().iter().map(|device| device.id.clone()).collect();
        ids.sort_by_key(|id| id.as_str().parse::<u64>().unwrap());
        if let Some(settings) = &setup.device {
            let text = serde_json::to_string(settings).unwrap();
            for id in ids.clone() {
                let text = text.clone();
                journal.write(soon(), move |backend| backend.set_settings(&id, Some(&text))).unwrap();
            }
        }
        let recorded = Arc::clone(&store);
        let recorder = Box::new(move |id: &DeviceId, seen| recorded.record(id, seen));
        let registry = Registry::start(setup.registry, Arc::clone(&time), recorder, &liveness).unwrap();
        let collector = Collector::start(
            Arc::clone(&registry),
            Arc::clone(&store),
            Arc::clone(&journal),
            time,
            setup.collector,
            &liveness,
        )
        .unwrap();
        let configured = Arc::clone(&registry);
        store.subscribe(Box::new(move |devices| configured.configure(devices.iter())));
        let devices = handles.to_vec();
        until("the collector knows the devices", || ids.iter().all(|id| collector.status(id).is_some()));
        Self { clock, store, journal, registry, collector, ids, devices, stopped: false }
    }

    pub(crate) fn device(&self, number: usize) -> &DeviceHandle {
        &self.devices[number % self.devices.len()]
    }

    /// Far away for a machine, by the clock that the test may have moved.
    pub(crate) fn soon(&self) -> Deadline {
        Deadline::after(self.clock.now(), PATIENCE)
    }

    /// Everything is ended in the order of the service.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.collector.stop();
            self.registry.stop(self.soon());
            let closed = (self.store.close(self.soon()), self.journal.close(self.soon()));
            if !std::thread::panicking() {
                assert_eq!(closed, (Ok(()), Ok(())));
            }
        }
    }

    // --- asking ------------------------------------------------------------------------------------------------

    /// Asks for a read; the answer comes over the channel.
    pub(crate) fn ask(&self, number: usize, everything: bool) -> mpsc::Receiver<Result<LastRead, Refusal>> {
        let (tell, told) = mpsc::channel();
        self.collector.read_now(&self.ids[number], everything, move |result| drop(tell.send(result)));
        told
    }

    pub(crate) fn try_read(&self, number: usize) -> Result<LastRead, Refusal> {
        self.ask(number, false).recv_timeout(PATIENCE).expect("a read is answered")
    }

    /// A read that succeeds.
    pub(crate) fn read(&self, number: usize) -> LastRead {
        let read = self.try_read(number).unwrap();
        assert!(read.result.is_proof(), "{read:?}");
        read
    }

    pub(crate) fn read_everything(&self, number: usize) -> LastRead {
        self.ask(number, true).recv_timeout(PATIENCE).expect("a read is answered").unwrap()
    }

    pub(crate) fn status(&self, number: usize) -> CollectionStatus {
        self.collector.status(&self.ids[number]).unwrap()
    }

    /// Waits until what follows a connect is over: the device was read, tells punches, and rests.
    pub(crate) fn settled(&self, number: usize) {
        until("the device was read and rests", || {
            let Some(status) = self.collector.status(&self.ids[number]) else { return false };
            let up =
                self.registry.status(&self.ids[number]).is_some_and(|slot| slot.state == StateName::Idle);
            let read = status.last.as_ref().is_some_and(|read| read.result.is_proof());
            let later =
                status.next_read.is_some_and(|due| due > self.clock.now() + Duration::from_millis(300));
            up && read && !status.reading && later
        });
    }

    /// Waits until a read that begins from now on has proved the whole log, where reads are frequent.
    pub(crate) fn settled_poll(&self, number: usize) {
        let now = millis(self.clock.wall());
        until("a later read proves it all", || {
            let last = self.collector.status(&self.ids[number]).and_then(|status| status.last);
            last.is_some_and(|read| read.at > now && read.result.is_proof())
        });
    }

    /// Something quick asked of a device; how long that took.
    pub(crate) fn call(&self, number: usize, terms: Terms) -> (Duration, Result<ClockWord, Refusal>) {
        let since = Instant::now();
        let result = self.registry.call(&self.ids[number], terms, |session, deadline| session.time(deadline));
        (since.elapsed(), result)
    }

    // --- what the journal says ---------------------------------------------------------------------------------

    pub(crate) fn rows(&self) -> Vec<Row> {
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let query = PageQuery { after, limit: 10_000, filter: Filter::default() };
            let page = self.journal.page(query, self.soon()).unwrap();
            rows.extend(page.rows);
            if !page.more {
                return rows;
            }
            after = page.next_after;
        }
    }

    pub(crate) fn rows_of(&self, number: usize) -> Vec<Row> {
        self.rows().into_iter().filter(|row| row.device_id == self.ids[number]).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.rows().len()
    }

    pub(crate) fn cursor(&self, serial_number: &str) -> Cursor {
        self.journal.cursor(serial_number, self.soon()).unwrap().unwrap_or_default()
    }

    pub(crate) fn gaps(&self, number: usize) -> Vec<Gap> {
        self.journal.gaps(&self.ids[number], self.soon()).unwrap()
    }

    /// What waits in quarantine, or what was settled.
    pub(crate) fn quarantined(&self, settled: bool) -> Vec<Quarantined> {
        let quarantined = self
            .journal
            .read(self.soon(), move |backend| backend.quarantined(0, 10_000, None, Some(settled)));
        quarantined.unwrap()
    }

    /// What it has to be: every record of the device once, in the order of its log where the log made the rows, and
    /// nothing else.
    pub(crate) fn has_all_of(&self, number: usize) {
        let device = self.device(number);
        let mut rows: Vec<Told> = self.rows_of(number).iter().map(Told::of_row).collect();
        let mut truth: Vec<Told> =
            device.punches().iter().map(|punch| Told::of_punch(punch, device)).collect();
        rows.sort();
        truth.sort();
        assert_eq!(rows.len(), truth.len(), "as many rows as records");
        assert!(rows == truth, "the rows are the records");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
    }
}

/// A punch in words that rows and records have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) time: u32,
    pub(crate) user_id: String,
    pub(crate) state: u8,
    pub(crate) mode: u8,
    pub(crate) work_code: Option<u32>,
}

impl Told {
    pub(crate) fn of_row(row: &Row) -> Self {
        let record = &row.record;
        Self {
            time: record.time.0,
            user_id: record.user_id.map_or_else(String::new, |id| id.to_text().into_owned()),
            state: record.punch_state,
            mode: record.verify_mode,
            work_code: record.work_code,
        }
    }

    pub(crate) fn of_punch(punch: &Punch, device: &DeviceHandle) -> Self {
        let by_uid = |uid| device.users().iter().find(|user| user.uid == uid).map(|user| user.user_id);
        let user_id = if punch.user_id.is_empty() { punch.uid.and_then(by_uid) } else { Some(punch.user_id) };
        Self {
            time: punch.time.0,
            user_id: user_id.map_or_else(String::new, |id| id.to_text().into_owned()),
            state: punch.punch_state,
            mode: punch.verify_mode,
            work_code: Some(punch.work_code),
        }
    }
}

pub(crate) fn new_device(address: SocketAddr, device: &DeviceHandle, setup: &Setup) -> NewDevice {
    NewDevice {
        name: None,
        ip_address: address.ip(),
        port: address.port(),
        comm_key: CommKey::default(),
        transport: if device.speaks_tcp() { TransportChoice::Auto } else { TransportChoice::Udp },
        mode: setup.mode,
        timezone: setup.timezone.clone(),
        enabled: true,
        facts: Facts::default(),
    }
}

pub(crate) fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}

pub(crate) fn user(device: &DeviceHandle, number: usize) -> UserId {
    device.users()[number].user_id
}

/// The device's clock goes to a second in which nobody has punched yet.
pub(crate) fn tick(device: &DeviceHandle) {
    let shown = ClockWord::pack(PossibleTime::new(device.clock()).unwrap());
    let zone = zone_of(Some("UTC"));
    let later = moment(shown, &zone).instant.unwrap() + 2;
    let later = UNIX_EPOCH + Duration::from_secs(later.unsigned_abs());
    device.set_clock(possible(civil_now(later, &zone)));
}

/// So many people punch at once, in a second in which nobody did before.
pub(crate) fn crowd(device: &DeviceHandle, count: usize) {
    tick(device);
    assert_eq!(device.punch_many(count), count);
}

/// The same, and nobody is told.
pub(crate) fn silent_crowd(device: &DeviceHandle, count: usize) {
    set(device, "event-lost");
    crowd(device, count);
    device.clear_faults();
}

/// One punch of the first user.
pub(crate) fn punch(device: &DeviceHandle) -> Punch {
    device.punch(user(device, 0), 0, 1).expect("people can punch")
}

/// `CMD_DATA_RDY`, a piece of a prepared log.
pub(crate) const CHUNK: u16 = 1504;
/// `CMD_DATA_WRRQ`, which prepares it.
pub(crate) const PREPARE: u16 = 1503;
pub(crate) const REG_EVENT: u16 = 500;
pub(crate) const CLEAR_LOG: u16 = 15;
pub(crate) const DISABLE: u16 = 1003;
pub(crate) const ENABLE: u16 = 1002;
pub(crate) const SET_TIME: u16 = 202;
pub(crate) const FREE_SIZES: u16 = 50;

/// The same story with each of these, at the same time: most of it is waiting.
pub(crate) fn each<T: Send>(cases: impl IntoIterator<Item = T>, story: impl Fn(T) + Sync) {
    let story = &story;
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || story(case));
        }
    });
}

/// Records that somebody made up.
pub(crate) fn made_up(count: u32, first: ClockWord, layout: PunchLayout) -> Vec<Punch> {
    let of = |number: u32| Punch {
        user_id: UserId::from_number(1001 + number % 7),
        uid: (layout == PunchLayout::Short).then_some(1 + (number % 7) as u16),
        time: ClockWord(first.0 + number * 3),
        punch_state: 0,
        verify_mode: 1,
        work_code: 0,
    };
    (0..count).map(of).collect()
}

pub(crate) fn target(device: &DeviceHandle) -> Target {
    let carrier = if device.speaks_tcp() { Carrier::Tcp } else { Carrier::Udp };
    Target { address: device.address(), comm_key: CommKey::default(), carriers: vec![carrier] }
}

/// Another address at which a device answers: whatever comes is handed on, both ways. Ends with the test's process.
pub(crate) fn another_address(device: &DeviceHandle) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, to) = (listener.local_addr().unwrap(), device.address());
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = TcpStream::connect(to) else { continue };
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far.try_clone().unwrap(), near.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    address
}

pub(crate) const fn is_live(row: &Row) -> bool {
    matches!(row.source, Source::Live)
}

/// Every kind of device that has a log.
pub(crate) const PROFILES: [Profile; 8] = [
    Profile::Tft,
    Profile::TftDirectBroken,
    Profile::TftBig,
    Profile::Vl49,
    Profile::OldUdp,
    Profile::Bw16Udp,
    Profile::D2,
    Profile::Key,
];

pub(crate) fn result(rig: &Rig, number: usize) -> Option<ReadResult> {
    rig.status(number).last.map(|read| read.result)
}
