//! The whole store over a database that the tests freeze and break at will.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Instant, SystemTime};

use super::*;
use crate::base::clock::SystemClock;
use crate::store::backend::Saved;
use crate::store::desk::Permit;
use crate::store::health::Condition;
use crate::store::rules::tests::device;

/// What the database does with the next change.
enum Next {
    Works,
    Panics,
    /// Says that it began, then answers when it is told to.
    Freezes(mpsc::Sender<()>, mpsc::Receiver<()>),
    Breaks,
}

struct Fake {
    next: mpsc::Receiver<Next>,
    devices: Vec<Device>,
}

impl Backend for Fake {
    fn changed(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(10)
    }

    fn load(&mut self) -> Result<Vec<Device>, StoreError> {
        Ok(self.devices.clone())
    }

    fn create(&mut self, new: &NewDevice, _: SystemTime, permit: &Permit<'_>) -> Result<Device, StoreError> {
        match self.next.recv().unwrap() {
            Next::Works => {}
            Next::Panics => panic!("on purpose"),
            Next::Breaks => {
                let cause = "broken on purpose".to_owned();
                return Err(StoreError::Unavailable { cause, outcome_unknown: false });
            }
            Next::Freezes(frozen, thawed) => {
                frozen.send(()).unwrap();
                thawed.recv().unwrap();
            }
        }
        permit.commit()?;
        let made = device(&(self.devices.len() + 1).to_string(), &new.ip_address.to_string());
        self.devices.push(made.clone());
        Ok(made)
    }

    fn update(
        &mut self,
        id: &DeviceId,
        _: &DevicePatch,
        _: SystemTime,
        _: &Permit<'_>,
    ) -> Result<Device, StoreError> {
        Err(StoreError::NotFound { id: id.clone() })
    }

    fn delete(&mut self, id: &DeviceId, _: &Permit<'_>) -> Result<Device, StoreError> {
        Err(StoreError::NotFound { id: id.clone() })
    }

    fn save(&mut self, batch: &BTreeMap<DeviceId, Observation>) -> Saved {
        Saved::whole(batch, Ok(()))
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        Err(StoreError::NotWritable { cause: "broken on purpose".to_owned() })
    }
}

struct Bench {
    store: Arc<Store>,
    next: mpsc::Sender<Next>,
    liveness: Liveness,
}

fn bench() -> Bench {
    let (next, script) = mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let liveness = Liveness::new(clock.now());
    let settings = StoreSettings::new("/nowhere", Place::Sqlite);
    let parts = Parts {
        kind: StoreKind::Sqlite,
        place: "fake".into(),
        backend: Box::new(Fake { next: script, devices: Vec::new() }),
        list: DeviceList::new(1, Vec::new()),
        stale: false,
        snapshot: None,
        listener: None,
    };
    let desk = Arc::new(Desk::new(Arc::clone(&clock), 4));
    let store = Store::start(parts, desk, &settings, clock, &liveness).unwrap();
    Bench { store, next, liveness }
}

fn new() -> NewDevice {
    NewDevice {
        name: None,
        ip_address: "10.0.0.1".parse().unwrap(),
        port: 4370,
        comm_key: crate::wire::comm_key::CommKey::default(),
        transport: crate::store::device::TransportChoice::Auto,
        mode: crate::store::device::SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: crate::store::device::Facts::default(),
    }
}

fn within(milliseconds: u64) -> Deadline {
    Deadline::after(Instant::now(), Duration::from_millis(milliseconds))
}

#[test]
fn a_panic_in_the_database_costs_one_answer_and_not_the_store() {
    let bench = bench();
    bench.next.send(Next::Panics).unwrap();
    let answer = bench.store.create_wait(new(), within(20_000));
    assert_eq!(answer, Err(StoreError::Internal { outcome_unknown: false }));
    bench.next.send(Next::Works).unwrap();
    assert!(bench.store.create_wait(new(), within(20_000)).is_ok());
    bench.store.close(within(20_000)).unwrap();
}

#[test]
fn a_frozen_database_holds_no_answer_and_is_no_reason_to_restart_the_service() {
    let bench = bench();
    let (frozen, has_frozen) = mpsc::channel();
    let (thaw, thawed) = mpsc::channel();
    bench.next.send(Next::Freezes(frozen, thawed)).unwrap();
    let store = Arc::clone(&bench.store);
    let caller = std::thread::spawn(move || store.create_wait(new(), within(200)));
    has_frozen.recv().unwrap();
    let waiting = bench.store.create_wait(new(), within(100));
    assert_eq!(waiting, Err(StoreError::TimedOut { outcome_unknown: false }));
    let silent = bench.liveness.silent(Instant::now() + Duration::from_secs(3600));
    assert!(silent.iter().all(|silent| silent.name != "store"), "{silent:?}");
    assert_eq!(caller.join().unwrap(), Err(StoreError::TimedOut { outcome_unknown: false }));
    assert!(bench.store.devices().is_empty());
    thaw.send(()).unwrap();
    bench.next.send(Next::Works).unwrap();
    bench.store.create_wait(new(), within(20_000)).unwrap();
    assert_eq!(bench.store.devices().len(), 1, "what timed out was not done later");
}

#[test]
fn callers_beyond_the_queue_are_refused_at_once() {
    let bench = bench();
    let (frozen, has_frozen) = mpsc::channel();
    let (thaw, thawed) = mpsc::channel();
    bench.next.send(Next::Freezes(frozen, thawed)).unwrap();
    let (tell, told) = mpsc::channel();
    let ask = || {
        let tell = tell.clone();
        bench.store.create(new(), within(20_000), move |result| tell.send(result.is_ok()).unwrap());
    };
    ask();
    has_frozen.recv().unwrap();
    for _ in 0..4 {
        ask();
    }
    assert_eq!(bench.store.create_wait(new(), within(20_000)), Err(StoreError::Busy));
    for _ in 0..4 {
        bench.next.send(Next::Works).unwrap();
    }
    thaw.send(()).unwrap();
    assert_eq!(told.iter().take(5).collect::<Vec<_>>(), [true; 5], "in their turn");
}

#[test]
fn a_fault_is_in_the_health_until_it_is_over() {
    let bench = bench();
    bench.next.send(Next::Breaks).unwrap();
    assert!(bench.store.create_wait(new(), within(20_000)).is_err());
    let Condition::Degraded { cause, .. } = bench.store.health().condition else { panic!("degraded") };
    assert!(cause.contains("broken on purpose"));
    bench.next.send(Next::Works).unwrap();
    bench.store.create_wait(new(), within(20_000)).unwrap();
    assert_eq!(bench.store.health().condition, Condition::Good);
}
