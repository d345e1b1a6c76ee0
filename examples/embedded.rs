//! zkgate inside another Rust program, without its HTTP side: a store, a registry, and one device.
//!
//! The device is simulated here, so that this runs anywhere; a real one differs by its address only. Run it with
//! `cargo run --example embedded`.

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::registry::{Registry, RegistrySettings, Terms};
use zkgate::simulator::{Config, Simulator};
use zkgate::store::device::{Facts, NewDevice, SessionMode, TransportChoice};
use zkgate::store::{Place, Store, StoreSettings};
use zkgate::wire::comm_key::CommKey;

fn main() -> Result<(), Box<dyn Error>> {
    let comm_key = CommKey::parse("123456")?;
    let simulator = Simulator::start(Config { comm_key: comm_key.clone(), users: 20, ..Config::default() })?;
    let address = simulator.device(0).ok_or("the simulator has one device")?.address();

    // What is remembered. A program with a list of its own needs no store: see `Registry::configure`.
    let directory = tempfile::tempdir()?;
    let clock = Arc::new(SystemClock);
    let liveness = Liveness::new(Instant::now());
    let store = Store::open(StoreSettings::new(directory.path(), Place::Sqlite), clock.clone(), &liveness)?;

    // Who may talk to which device. What it notices goes into the store, and it follows the store's list.
    let remembered = Arc::clone(&store);
    let registry = Registry::start(
        RegistrySettings::default(),
        clock,
        Box::new(move |id, observation| remembered.record(id, observation)),
        &liveness,
    )?;
    let following = Arc::clone(&registry);
    store.subscribe(Box::new(move |devices| following.configure(devices.iter())));

    let new = NewDevice {
        name: Some("Main entrance".to_owned()),
        ip_address: address.ip(),
        port: address.port(),
        comm_key,
        transport: TransportChoice::Auto,
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
    };
    let id = store.create_wait(new, within(5))?.id.clone();

    // One question: it waits in the device's queue, and its session is made if there is none.
    let info = registry.call(&id, Terms::read(within(5)), |session, deadline| session.info(deadline))?;
    let (serial_number, users) =
        (info.serial_number.unwrap_or_default(), info.sizes.users.unwrap_or_default());
    println!("{serial_number} with {users} users");

    // Several questions that nobody else may come between: borrow the session. Dropping the lease gives it back.
    let mut lease = registry.lease(&id, within(5))?;
    for _ in 0..2 {
        let time = lease.run(|session| session.time(within(5)))?;
        println!("its clock shows {}", time.fields());
    }
    drop(lease);
    show(&registry, &id);

    // Step aside for the vendor's own software, and come back before the hour is over.
    let (closed, wait) = channel();
    // Nobody listens any more only if the wait below was given up.
    let tell = move || closed.send(()).unwrap_or_default();
    registry.lend(&id, "the vendor's software".to_owned(), Duration::from_secs(3600), tell)?;
    wait.recv_timeout(Duration::from_secs(5))?;
    show(&registry, &id);
    match registry.call(&id, Terms::read(within(5)), |session, deadline| session.time(deadline)) {
        Err(refusal) => println!("refused meanwhile: {refusal} ({})", refusal.code()),
        Ok(time) => println!("answered all the same: {}", time.fields()),
    }
    registry.resume(&id)?;
    registry.call(&id, Terms::read(within(5)), |session, deadline| session.time(deadline))?;
    show(&registry, &id);

    registry.stop(within(10));
    store.close(within(10))?;
    Ok(())
}

fn show(registry: &Registry, id: &DeviceId) {
    if let Some(status) = registry.status(id) {
        let (calls, opened) = (status.calls, status.sessions_opened);
        println!("{}: {calls} calls over {opened} sessions", status.state.as_str());
    }
}

fn within(seconds: u64) -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(seconds))
}
