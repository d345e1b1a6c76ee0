//! What every kind of store of our own must do: the same cases against SQLite and against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/opened.rs"]
mod opened;
#[path = "support/postgres.rs"]
mod postgres_server;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use opened::Opened;
use postgres_server::{eventually, shared};
use tempfile::TempDir;
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::device::{
    DevicePatch, Facts, NewDevice, Observation, SessionMode, Status, TransportChoice,
};
use zkgate::store::{Condition, Place, Store, StoreError, StoreSettings};
use zkgate::wire::comm_key::CommKey;

/// A place for devices that outlives a store.
struct Site {
    dir: TempDir,
    place: Place,
}

impl Site {
    fn sqlite() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), place: Place::Sqlite }
    }

    fn postgres() -> Self {
        let url = Secret::new(shared().database());
        Self { dir: tempfile::tempdir().unwrap(), place: Place::Postgres { url } }
    }

    fn open(&self) -> Opened {
        self.open_in(&self.dir)
    }

    /// A second gateway on the same database (which for SQLite is the same directory).
    fn open_another(&self) -> (TempDir, Opened) {
        let other = tempfile::tempdir().unwrap();
        let dir = if matches!(self.place, Place::Sqlite) { &self.dir } else { &other };
        let store = self.open_in(dir);
        (other, store)
    }

    fn open_in(&self, dir: &TempDir) -> Opened {
        let mut settings = StoreSettings::new(dir.path(), self.place.clone());
        settings.gather = Duration::from_millis(20);
        let store =
            Opened(Store::open(settings, Arc::new(SystemClock), &Liveness::new(Instant::now())).unwrap());
        assert!(store.wait_loaded(soon()));
        store
    }
}

/// Each case as a test of its own, once per kind of store.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&super::Site::sqlite()); })*
        }
        mod postgres {
            $(#[test] fn $case() { super::$case(&super::Site::postgres()); })*
        }
    };
}

contract!(
    what_is_created_can_be_read,
    a_device_without_a_name_is_called_by_its_address,
    two_enabled_devices_cannot_be_at_one_address,
    what_a_patch_does_not_name_stays,
    a_deleted_device_is_gone_and_its_id_is_not_used_again,
    bad_input_is_refused_and_changes_nothing,
    everything_is_there_after_a_restart,
    observations_are_gathered_and_kept,
    a_device_seen_a_thousand_times_costs_few_revisions,
    subscribers_hear_of_every_change_before_the_caller_does,
    many_writers_at_once_lose_nothing,
    of_many_who_want_one_address_exactly_one_gets_it,
    the_changes_of_another_gateway_are_seen,
    two_gateways_that_start_together_make_one_schema,
    a_deadline_in_the_past_does_nothing,
    a_closed_store_refuses_and_keeps_its_list,
    a_comm_key_is_never_shown,
);

fn soon() -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(20))
}

fn new(ip: &str) -> NewDevice {
    NewDevice {
        name: None,
        ip_address: ip.parse().unwrap(),
        port: 4370,
        comm_key: CommKey::new(135_792).unwrap(),
        transport: TransportChoice::Auto,
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
    }
}

fn seen(seconds: u64) -> Observation {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Observation { status: Some(Status::Up), seen: Some(at), ..Observation::default() }
}

fn what_is_created_can_be_read(site: &Site) {
    let store = site.open();
    assert!(store.devices().is_empty());
    let facts = Facts {
        serial_number: Some("A8N5230260".into()),
        device_name: Some("SpeedFace".into()),
        firmware_version: Some("Ver 6.60".into()),
        platform: Some("ZMM220_TFT".into()),
        mac_address: Some("00:17:61:00:00:01".into()),
        fingerprint_version: Some("10".into()),
        face_version: Some("7".into()),
        user_capacity: Some(u32::MAX),
        attendance_capacity: Some(100_000),
        fingerprint_capacity: Some(0),
        face_capacity: None,
        transport_used: Some(TransportChoice::Udp),
    };
    let made = store
        .create_wait(
            NewDevice {
                name: Some("入口 \"1\"; drop table device".into()),
                transport: TransportChoice::Tcp,
                mode: SessionMode::OnDemand,
                timezone: Some("Asia/Ho_Chi_Minh".into()),
                facts: facts.clone(),
                ..new("fd00::1")
            },
            soon(),
        )
        .unwrap();
    assert_eq!(made.name, "入口 \"1\"; drop table device");
    let endpoint = made.endpoint.as_ref().unwrap();
    assert_eq!(endpoint.address, "[fd00::1]:4370".parse().unwrap());
    assert_eq!((endpoint.comm_key.expose(), endpoint.transport), (135_792, TransportChoice::Tcp));
    assert_eq!((made.mode, made.enabled), (SessionMode::OnDemand, true));
    assert_eq!(made.timezone.as_deref(), Some("Asia/Ho_Chi_Minh"));
    assert_eq!(made.facts, facts);
    assert_eq!((made.status, made.last_seen), (Status::Unknown, None));
    assert!(made.created_at.is_some() && made.created_at == made.updated_at);
    assert_eq!(store.devices().get(&made.id), Some(&made));
    assert_eq!(*site.open().devices().get(&made.id).unwrap(), made, "and the database has the same");
}

fn a_device_without_a_name_is_called_by_its_address(site: &Site) {
    let store = site.open();
    assert_eq!(store.create_wait(new("10.0.0.1"), soon()).unwrap().name, "10.0.0.1:4370");
    assert_eq!(store.create_wait(new("fd00::2"), soon()).unwrap().name, "[fd00::2]:4370");
}

fn two_enabled_devices_cannot_be_at_one_address(site: &Site) {
    let store = site.open();
    let first =
        store.create_wait(NewDevice { name: Some("gate".into()), ..new("10.0.0.1") }, soon()).unwrap();
    let conflict = StoreError::Conflict {
        other: first.id.clone(),
        name: "gate".into(),
        address: "10.0.0.1:4370".parse().unwrap(),
    };
    assert_eq!(store.create_wait(new("10.0.0.1"), soon()), Err(conflict.clone()));
    assert_eq!(store.create_wait(new("::ffff:10.0.0.1"), soon()), Err(conflict.clone()), "in any spelling");
    let idle = store.create_wait(NewDevice { enabled: false, ..new("10.0.0.1") }, soon()).unwrap();
    let enable = DevicePatch { enabled: Some(true), ..DevicePatch::default() };
    assert_eq!(store.update_wait(idle.id.clone(), enable.clone(), soon()), Err(conflict));
    let disable = DevicePatch { enabled: Some(false), ..DevicePatch::default() };
    store.update_wait(first.id.clone(), disable, soon()).unwrap();
    assert!(store.update_wait(idle.id.clone(), enable, soon()).unwrap().enabled);
    let other_port = store.create_wait(NewDevice { port: 4371, ..new("10.0.0.1") }, soon()).unwrap();
    let onto = DevicePatch { port: Some(4370), ..DevicePatch::default() };
    let taken = store.update_wait(other_port.id.clone(), onto, soon());
    assert!(matches!(taken, Err(StoreError::Conflict { other, .. }) if other == idle.id));
}

fn what_a_patch_does_not_name_stays(site: &Site) {
    let store = site.open();
    let made = store
        .create_wait(NewDevice { timezone: Some("Europe/Vienna".into()), ..new("10.0.0.1") }, soon())
        .unwrap();
    let nothing = store.update_wait(made.id.clone(), DevicePatch::default(), soon()).unwrap();
    assert_eq!(nothing, made);
    assert_eq!(store.devices().revision(), 2, "a patch that changes nothing is no change");
    let patch = DevicePatch { name: Some("gate".into()), timezone: Some(None), ..DevicePatch::default() };
    let patched = store.update_wait(made.id.clone(), patch, soon()).unwrap();
    assert_eq!((patched.name.as_str(), patched.timezone.as_deref()), ("gate", None));
    assert_eq!(patched.endpoint, made.endpoint);
    assert_eq!(patched.created_at, made.created_at);
    let all = DevicePatch {
        name: Some("hall".into()),
        ip_address: Some("10.0.0.2".parse().unwrap()),
        port: Some(4371),
        comm_key: Some(CommKey::new(0).unwrap()),
        transport: Some(TransportChoice::Udp),
        mode: Some(SessionMode::OnDemand),
        timezone: Some(Some("UTC".into())),
        enabled: Some(false),
    };
    let changed = store.update_wait(made.id.clone(), all, soon()).unwrap();
    let endpoint = changed.endpoint.as_ref().unwrap();
    assert_eq!(endpoint.address, "10.0.0.2:4371".parse().unwrap());
    assert!(!endpoint.comm_key.is_set());
    assert_eq!(endpoint.transport, TransportChoice::Udp);
    assert_eq!((changed.mode, changed.enabled), (SessionMode::OnDemand, false));
    assert_eq!((changed.name.as_str(), changed.timezone.as_deref()), ("hall", Some("UTC")));
    assert_eq!(*site.open().devices().get(&made.id).unwrap(), changed);
}

fn a_deleted_device_is_gone_and_its_id_is_not_used_again(site: &Site) {
    let store = site.open();
    let first = store.create_wait(new("10.0.0.1"), soon()).unwrap();
    assert_eq!(store.delete_wait(first.id.clone(), soon()).unwrap(), first);
    assert!(store.devices().get(&first.id).is_none());
    let gone = StoreError::NotFound { id: first.id.clone() };
    assert_eq!(store.delete_wait(first.id.clone(), soon()), Err(gone.clone()));
    assert_eq!(store.update_wait(first.id.clone(), DevicePatch::default(), soon()), Err(gone));
    store.record(&first.id, seen(1000));
    store.close(soon()).unwrap();
    let second = site.open().create_wait(new("10.0.0.1"), soon()).unwrap();
    assert_ne!(second.id, first.id);
}

fn bad_input_is_refused_and_changes_nothing(site: &Site) {
    let store = site.open();
    let made = store.create_wait(new("10.0.0.1"), soon()).unwrap();
    let before = store.devices();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    for (field, bad) in [
        ("name", NewDevice { name: Some(String::new()), ..new("10.0.0.2") }),
        ("name", NewDevice { name: Some("x".repeat(101)), ..new("10.0.0.2") }),
        ("name", NewDevice { name: Some("a\0b".into()), ..new("10.0.0.2") }),
        ("port", NewDevice { port: 0, ..new("10.0.0.2") }),
        ("ip_address", NewDevice { ip_address: ip("0.0.0.0"), ..new("10.0.0.2") }),
        ("ip_address", NewDevice { ip_address: ip("239.1.1.1"), ..new("10.0.0.2") }),
        ("timezone", NewDevice { timezone: Some("Mars/Olympus".into()), ..new("10.0.0.2") }),
    ] {
        let refused = store.create_wait(bad, soon()).unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: f, .. } if f == field), "{field}: {refused}");
    }
    for (field, bad) in [
        ("name", DevicePatch { name: Some(" ".into()), ..DevicePatch::default() }),
        ("port", DevicePatch { port: Some(0), ..DevicePatch::default() }),
        ("ip_address", DevicePatch { ip_address: Some(ip("::")), ..DevicePatch::default() }),
        ("timezone", DevicePatch { timezone: Some(Some("+07:00".into())), ..DevicePatch::default() }),
    ] {
        let refused = store.update_wait(made.id.clone(), bad, soon()).unwrap_err();
        assert!(matches!(refused, StoreError::Invalid { field: f, .. } if f == field), "{field}: {refused}");
    }
    for id in ["999", "abc", "01", "-1", "9223372036854775808"] {
        let id = DeviceId::parse(id).unwrap();
        assert_eq!(store.delete_wait(id.clone(), soon()), Err(StoreError::NotFound { id }));
    }
    assert!(Arc::ptr_eq(&store.devices(), &before));
    assert_eq!(site.open().devices().len(), 1);
    assert_eq!(store.health().condition, Condition::Good, "a bad request is not a bad database");
}

fn everything_is_there_after_a_restart(site: &Site) {
    let store = site.open();
    for n in 1..=12 {
        store.create_wait(new(&format!("10.0.0.{n}")), soon()).unwrap();
    }
    store.close(soon()).unwrap();
    let again = site.open();
    let before: Vec<_> = store.devices().iter().cloned().collect();
    let after: Vec<_> = again.devices().iter().cloned().collect();
    assert_eq!(after, before, "the same devices in the same order");
    let numbers: Vec<u64> = after.iter().map(|device| device.id.as_str().parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
}

fn observations_are_gathered_and_kept(site: &Site) {
    let store = site.open();
    let id = store.create_wait(new("10.0.0.1"), soon()).unwrap().id.clone();
    let serial = |text: &str| Facts { serial_number: Some(text.into()), ..Facts::default() };
    store.record(&id, Observation { facts: serial("A8N5"), ..seen(1_764_000_000) });
    let firmware = Facts { firmware_version: Some("Ver 8".into()), ..Facts::default() };
    store.record(&id, Observation { facts: firmware, ..seen(1_763_000_000) });
    let known = |store: &Store| {
        let device = store.devices().get(&id).unwrap().clone();
        (device.facts.serial_number.clone(), device.facts.firmware_version.clone(), device.status)
    };
    let expected = (Some("A8N5".to_owned()), Some("Ver 8".to_owned()), Status::Up);
    eventually("the list shows the observations", || known(&store) == expected);
    let device = store.devices().get(&id).unwrap().clone();
    assert_eq!(device.last_seen, seen(1_764_000_000).seen, "the latest, whatever the order");
    assert_eq!(device.updated_at, device.created_at, "an observation is no edit");
    store.record(&id, Observation { status: Some(Status::Down), ..seen(1_764_000_001) });
    store.record(&DeviceId::from(4711), seen(1));
    store.close(soon()).unwrap();
    let again = site.open();
    assert_eq!(known(&again), (expected.0, expected.1, Status::Down), "closing writes what remains");
    assert_eq!(again.devices().get(&id).unwrap().last_seen, seen(1_764_000_001).seen);
    let patch = DevicePatch { name: Some("gate".into()), ..DevicePatch::default() };
    let patched = again.update_wait(id.clone(), patch, soon()).unwrap();
    assert_eq!(patched.status, Status::Down, "an edit is no observation");
}

fn a_device_seen_a_thousand_times_costs_few_revisions(site: &Site) {
    let store = site.open();
    let id = store.create_wait(new("10.0.0.1"), soon()).unwrap().id.clone();
    let before = store.devices().revision();
    let began = Instant::now();
    for second in 0..1000 {
        store.record(&id, seen(2000 + second));
    }
    let took = began.elapsed();
    eventually("the last one is shown", || store.devices().get(&id).unwrap().last_seen == seen(2999).seen);
    let rounds = u64::try_from(took.as_millis() / 20).unwrap() + 3;
    let revisions = store.devices().revision() - before;
    assert!(revisions <= rounds, "{revisions} revisions in {took:?}");
}

fn subscribers_hear_of_every_change_before_the_caller_does(site: &Site) {
    let store = site.open();
    let heard = Arc::new(AtomicU64::new(u64::MAX));
    let ear = Arc::clone(&heard);
    store.subscribe(Box::new(move |list| ear.store(list.len() as u64, Ordering::SeqCst)));
    assert_eq!(heard.load(Ordering::SeqCst), 0, "once at subscription");
    let mut revision = store.devices().revision();
    for n in 1..=5_u64 {
        store.create_wait(new(&format!("10.0.0.{n}")), soon()).unwrap();
        assert_eq!(heard.load(Ordering::SeqCst), n);
        assert!(store.devices().revision() > revision);
        revision = store.devices().revision();
    }
    store.subscribe(Box::new(|_| panic!("a subscriber's own defect")));
    store.create_wait(new("10.0.0.6"), soon()).unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 6, "is nobody else's");
}

fn many_writers_at_once_lose_nothing(site: &Site) {
    let (one, (_dir, two)) = (site.open(), site.open_another());
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let store = if writer % 2 == 0 { &one } else { &two };
            scope.spawn(move || {
                for n in 0..8 {
                    let made = store.create_wait(new(&format!("10.0.{writer}.{}", n + 1)), soon()).unwrap();
                    let patch = DevicePatch { name: Some(format!("{writer}-{n}")), ..DevicePatch::default() };
                    store.update_wait(made.id.clone(), patch, soon()).unwrap();
                }
            });
        }
    });
    for store in [&one, &two] {
        eventually("both know all", || {
            let names: BTreeSet<String> = store.devices().iter().map(|device| device.name.clone()).collect();
            names.len() == 32 && names.iter().all(|name| name.len() == 3)
        });
    }
}

fn of_many_who_want_one_address_exactly_one_gets_it(site: &Site) {
    let (one, (_dir, two)) = (site.open(), site.open_another());
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|n| {
                let store = if n % 2 == 0 { &one } else { &two };
                scope.spawn(move || match store.create_wait(new("10.0.0.1"), soon()) {
                    Ok(_) => 1,
                    Err(StoreError::Conflict { .. }) => 0,
                    Err(other) => panic!("{other}"),
                })
            })
            .collect();
        tries.into_iter().map(|attempt| attempt.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

fn the_changes_of_another_gateway_are_seen(site: &Site) {
    let (one, (_dir, two)) = (site.open(), site.open_another());
    let made = one.create_wait(new("10.0.0.1"), soon()).unwrap();
    eventually("a new device", || two.devices().get(&made.id) == Some(&made));
    let patch = DevicePatch { enabled: Some(false), ..DevicePatch::default() };
    let patched = two.update_wait(made.id.clone(), patch, soon()).unwrap();
    eventually("a changed device", || one.devices().get(&made.id) == Some(&patched));
    one.delete_wait(made.id.clone(), soon()).unwrap();
    eventually("a deleted device", || two.devices().is_empty());
}

fn two_gateways_that_start_together_make_one_schema(site: &Site) {
    std::thread::scope(|scope| {
        for n in 1..=4 {
            scope.spawn(move || {
                let (_dir, store) = site.open_another();
                store.create_wait(new(&format!("10.0.0.{n}")), soon()).unwrap();
            });
        }
    });
    assert_eq!(site.open().devices().len(), 4);
}

fn a_deadline_in_the_past_does_nothing(site: &Site) {
    let store = site.open();
    let late = store.create_wait(new("10.0.0.1"), Deadline::at(Instant::now()));
    assert_eq!(late, Err(StoreError::TimedOut { outcome_unknown: false }));
    store.close(soon()).unwrap();
    assert!(site.open().devices().is_empty());
}

fn a_closed_store_refuses_and_keeps_its_list(site: &Site) {
    let store = site.open();
    store.create_wait(new("10.0.0.1"), soon()).unwrap();
    store.close(soon()).unwrap();
    store.close(soon()).unwrap();
    assert_eq!(store.create_wait(new("10.0.0.2"), soon()), Err(StoreError::Closed));
    assert_eq!(store.devices().len(), 1);
}

fn a_comm_key_is_never_shown(site: &Site) {
    let store = site.open();
    let made = store.create_wait(new("10.0.0.1"), soon()).unwrap();
    let conflict = store.create_wait(new("10.0.0.1"), soon()).unwrap_err();
    let patch = DevicePatch { comm_key: Some(CommKey::new(135_793).unwrap()), ..DevicePatch::default() };
    for shown in [
        format!("{made:?} {:?} {:?} {:?}", *store, store.devices(), store.health()),
        format!("{conflict} {conflict:?}"),
        format!("{patch:?} {:?} {:?}", new("10.0.0.1"), site.place),
    ] {
        assert!(!shown.contains("135792") && !shown.contains("135793"), "{shown}");
        assert!(!shown.contains("pw-not-to-be-seen"), "{shown}");
    }
}
