//! PostgreSQL that is down, dies, freezes, is locked, read-only or too new: every caller keeps its deadline, the
//! devices stay, and everything recovers by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/opened.rs"]
mod opened;
#[path = "support/postgres.rs"]
mod postgres_server;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opened::Opened;
use postgres_server::{Cluster, client, eventually, shared};
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::device::{Facts, NewDevice, Observation, SessionMode, Status, TransportChoice};
use zkgate::store::{Condition, Place, Store, StoreError, StoreSettings};
use zkgate::wire::comm_key::CommKey;

fn open(url: &str, dir: &Path) -> Opened {
    let mut settings = StoreSettings::new(dir, Place::Postgres { url: Secret::new(url.to_owned()) });
    settings.gather = Duration::from_millis(20);
    settings.safety_poll = Duration::from_millis(200);
    let began = Instant::now();
    let store = Opened(Store::open(settings, Arc::new(SystemClock), &Liveness::new(Instant::now())).unwrap());
    let took = began.elapsed();
    assert!(took < Duration::from_millis(500), "opening waited {took:?} for the database");
    store
}

fn within(limit: Duration) -> Deadline {
    Deadline::after(Instant::now(), limit)
}

fn soon() -> Deadline {
    within(Duration::from_secs(20))
}

fn new(ip: &str) -> NewDevice {
    NewDevice {
        name: None,
        ip_address: ip.parse().unwrap(),
        port: 4370,
        comm_key: CommKey::new(864_209).unwrap(),
        transport: TransportChoice::Auto,
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
    }
}

fn cause(store: &Store) -> Option<String> {
    match store.health().condition {
        Condition::Good => None,
        Condition::Degraded { cause, .. } => Some(cause),
    }
}

fn well(store: &Store) -> bool {
    store.health().condition == Condition::Good
}

/// Asks for a device with this much time; checks that the answer came in time.
fn ask(store: &Store, ip: &str, limit: Duration) -> Result<(), StoreError> {
    let began = Instant::now();
    let result = store.create_wait(new(ip), within(limit)).map(drop);
    let took = began.elapsed();
    assert!(took < limit + Duration::from_millis(500), "{took:?} instead of {limit:?}");
    result
}

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_database_that_is_down_at_the_start_is_replaced_by_what_was_last_known() {
    let cluster = Cluster::start();
    let (url, dir) = (cluster.database(), tempfile::tempdir().unwrap());
    let before = {
        let store = open(&url, dir.path());
        assert!(store.wait_loaded(soon()));
        let id = store.create_wait(new("10.0.0.1"), soon()).unwrap().id.clone();
        store.create_wait(new("10.0.0.2"), soon()).unwrap();
        let facts = Facts { serial_number: Some("A8N5".into()), ..Facts::default() };
        store.record(&id, Observation { facts, status: Some(Status::Up), seen: None });
        store.close(soon()).unwrap();
        store.devices()
    };
    let snapshot = dir.path().join("devices.json");
    assert_eq!(std::fs::metadata(&snapshot).unwrap().permissions().mode() & 0o777, 0o600);
    cluster.stop();

    let store = open(&url, dir.path());
    assert_eq!(store.devices().iter().collect::<Vec<_>>(), before.iter().collect::<Vec<_>>());
    assert!(!store.health().loaded);
    assert!(cause(&store).is_some());
    let refused = ask(&store, "10.0.0.3", Duration::from_secs(1)).unwrap_err();
    assert!(!refused.outcome_unknown(), "{refused}");
    eventually("the cause is the operating system's", || {
        cause(&store).is_some_and(|cause| cause.contains("os error"))
    });

    cluster.resume();
    eventually("it recovers by itself", || well(&store) && store.health().loaded);
    assert_eq!(store.devices().len(), 2, "what was refused was not done");
    ask(&store, "10.0.0.3", Duration::from_secs(5)).unwrap();
}

#[test]
fn a_server_that_dies_and_comes_back_costs_no_observation() {
    let cluster = Cluster::start();
    let (url, dir) = (cluster.database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    let id = store.create_wait(new("10.0.0.1"), soon()).unwrap().id.clone();
    eventually("all is well", || well(&store));

    cluster.stop();
    eventually("the death is noticed without being asked", || !well(&store));
    let facts = Facts { serial_number: Some("A8N5".into()), ..Facts::default() };
    store.record(&id, Observation { facts, status: Some(Status::Up), seen: None });
    eventually("the list goes on", || store.devices().get(&id).unwrap().status == Status::Up);
    assert!(!ask(&store, "10.0.0.2", SHORT).unwrap_err().outcome_unknown());

    cluster.resume();
    client(&url)
        .batch_execute(
            "insert into zkgate.device (name, ip_address, port) values ('by hand', '10.0.0.9', 4370)",
        )
        .unwrap();
    eventually("it recovers by itself", || well(&store));
    eventually("what was changed meanwhile is seen", || store.devices().len() == 2);
    eventually("the observation is written", || {
        let row = client(&url).query_one("select serial_number, status from zkgate.device where id = 1", &[]);
        let row = row.unwrap();
        (row.get(0), row.get(1)) == (Some("A8N5"), "up")
    });
    assert_eq!(store.devices().get(&id).unwrap().facts.serial_number.as_deref(), Some("A8N5"));
}

#[test]
fn a_frozen_server_keeps_nobody_waiting_and_nothing_refused_is_done_later() {
    let cluster = Cluster::start();
    let (url, dir) = (cluster.database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    store.create_wait(new("10.0.0.1"), soon()).unwrap();
    let copy = dir.path().join("devices.json");
    eventually("the copy is on disk", || {
        std::fs::read_to_string(&copy).is_ok_and(|text| text.contains("10.0.0.1"))
    });
    eventually("all is well", || well(&store));

    let frozen = cluster.freeze();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..4 {
                    let refused = ask(store, &format!("10.1.{n}.{}", round + 1), SHORT).unwrap_err();
                    assert!(!refused.outcome_unknown(), "{refused}");
                }
            });
        }
    });
    assert_eq!(store.devices().len(), 1, "the list is served");
    eventually("health says so", || !well(&store));
    let second = open(&url, dir.path());
    assert_eq!(second.devices().len(), 1, "a start needs no answer either");
    assert!(!second.wait_loaded(within(SHORT)));
    drop(frozen);

    eventually("it recovers by itself", || well(&store) && well(&second));
    assert_eq!(store.devices().len(), 1, "what was refused was not done later");
    ask(&store, "10.0.0.2", Duration::from_secs(5)).unwrap();
    eventually("the other one hears of it", || second.devices().len() == 2);
}

#[test]
fn a_server_frozen_for_good_does_not_hold_the_end() {
    let cluster = Cluster::start();
    let (url, dir) = (cluster.database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    let frozen = cluster.freeze();
    let began = Instant::now();
    drop(store.close(within(SHORT)));
    assert!(began.elapsed() < SHORT + Duration::from_millis(500));
    drop(frozen);
}

#[test]
fn a_change_that_hangs_in_the_server_is_answered_in_time_and_undone() {
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    let mut other = client(&url);
    let mut holder = other.transaction().unwrap();
    holder.batch_execute("lock table zkgate.device in exclusive mode").unwrap();
    assert_eq!(ask(&store, "10.0.0.1", SHORT), Err(StoreError::TimedOut { outcome_unknown: false }));
    // The second one never starts: the first still hangs.
    assert_eq!(ask(&store, "10.0.0.2", SHORT), Err(StoreError::TimedOut { outcome_unknown: false }));
    assert!(matches!(store.close(within(SHORT)), Err(StoreError::TimedOut { .. })));
    holder.rollback().unwrap();
    store.close(soon()).unwrap();
    let count: i64 = other.query_one("select count(*) from zkgate.device", &[]).unwrap().get(0);
    assert_eq!(count, 0);
}

#[test]
fn a_database_that_becomes_read_only_is_told_apart_and_recovers() {
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    let id = store.create_wait(new("10.0.0.1"), soon()).unwrap().id.clone();
    let mut other = client(&url);
    let mut switch = |on: bool| {
        let database: String = other.query_one("select current_database()", &[]).unwrap().get(0);
        let to =
            if on { "set default_transaction_read_only = on" } else { "reset default_transaction_read_only" };
        other.batch_execute("set default_transaction_read_only = off").unwrap();
        other.batch_execute(&format!("alter database {database} {to}")).unwrap();
        let end = "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()";
        other.query(end, &[]).unwrap();
    };
    switch(true);
    eventually("a write is refused for what it is", || {
        matches!(ask(&store, "10.0.0.2", Duration::from_secs(5)), Err(StoreError::NotWritable { .. }))
    });
    store.record(&id, Observation { status: Some(Status::Up), ..Observation::default() });
    eventually("the list goes on", || store.devices().get(&id).unwrap().status == Status::Up);
    assert!(cause(&store).is_some_and(|cause| cause.contains("read-only")), "{:?}", cause(&store));
    switch(false);
    eventually("it recovers by itself", || well(&store));
    ask(&store, "10.0.0.2", Duration::from_secs(5)).unwrap();
    let status: String =
        other.query_one("select status from zkgate.device where id = 1", &[]).unwrap().get(0);
    assert_eq!(status, "up", "and the observation was not lost");
}

#[test]
fn a_newer_schema_is_left_alone() {
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    open(&url, dir.path()).wait_loaded(soon());
    let mut other = client(&url);
    other.batch_execute("insert into zkgate.migration (version, name) values (999, 'tomorrow')").unwrap();
    let store = open(&url, dir.path());
    eventually("health says why", || cause(&store).is_some_and(|cause| cause.contains("newer zkgate")));
    assert_eq!(
        ask(&store, "10.0.0.1", Duration::from_secs(5)).unwrap_err(),
        StoreError::TooNew { found: 999, known: 1 }
    );
    other.batch_execute("delete from zkgate.migration where version = 999").unwrap();
    eventually("it recovers by itself", || well(&store));
}

#[test]
fn a_role_that_may_only_use_the_schema_is_enough_once_it_is_made() {
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    assert!(open(&url, dir.path()).wait_loaded(soon()));
    client(&url)
        .batch_execute(
            "create role gate_user login; grant usage on schema zkgate to gate_user; \
             grant select, insert, update, delete on zkgate.device to gate_user; \
             grant select on zkgate.migration to gate_user",
        )
        .unwrap();
    let store = open(&url.replace("user=zkgate", "user=gate_user"), dir.path());
    assert!(store.wait_loaded(soon()));
    ask(&store, "10.0.0.1", Duration::from_secs(5)).unwrap();
}

#[test]
fn a_row_that_others_wrote_is_read_with_its_defaults() {
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    let insert = "insert into zkgate.device (name, ip_address, port) values ('good', '10.0.0.1', 4370), \
         ('bad', 'gate.local', 4370)";
    client(&url).batch_execute(insert).unwrap();
    eventually("both are there", || store.devices().len() == 2);
    let list = store.devices();
    let usable: Vec<_> = list.iter().map(|device| (device.name.as_str(), device.endpoint.is_ok())).collect();
    assert_eq!(usable, [("good", true), ("bad", false)]);
}

/// Keeps every line of the log, of every crate, at every level.
struct Ear(Mutex<String>);

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.push_str(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

static EAR: Ear = Ear(Mutex::new(String::new()));

#[test]
fn neither_comm_keys_nor_the_password_reach_a_log_at_any_level() {
    log::set_logger(&EAR).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let (url, dir) = (shared().database(), tempfile::tempdir().unwrap());
    let store = open(&url, dir.path());
    assert!(store.wait_loaded(soon()));
    ask(&store, "10.77.0.1", Duration::from_secs(5)).unwrap();
    drop(ask(&store, "10.77.0.1", Duration::from_secs(5)));
    store.close(soon()).unwrap();
    let heard = EAR.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(heard.contains("10.77.0.1"), "the client library does log parameters");
    for secret in ["864209", "pw-not-to-be-seen"] {
        let line = heard.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
