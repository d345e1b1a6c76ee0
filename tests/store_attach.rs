//! An existing backend's own table, in a real PostgreSQL: read as it is, reloaded when it changes, written back
//! only where that was asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/opened.rs"]
mod opened;
#[path = "support/postgres.rs"]
mod postgres_server;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opened::Opened;
use postgres::Client;
use postgres_server::{Cluster, client, eventually, shared};
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::device::{DevicePatch, Facts, Observation, SessionMode, Status, TransportChoice};
use zkgate::store::{
    AttachSettings, AttachSource, Columns, Condition, Place, StatusWords, Store, StoreError, StoreSettings,
    WriteBack,
};

/// A backend's table as one might find it.
const TABLE: &str = r#"
    create type reach as enum ('ONLINE', 'OFFLINE');
    create table "Devices" (
        "deviceId" integer primary key, label text, "IP Address" inet, port smallint, com_password varchar(20),
        tz text, is_active boolean, "deletedAt" timestamptz, proto text, keep text default 'mine',
        state reach, is_up boolean, "lastSeen" timestamptz, epoch bigint, serial varchar(16), max_users integer);
    insert into "Devices" ("deviceId", label, "IP Address", port, com_password, tz, is_active) values
        (1, 'Gate', '10.0.0.1', 4370, '123456', 'Asia/Ho_Chi_Minh', true),
        (2, null, '10.0.0.2/24', 4370, null, null, true)
"#;

fn columns() -> Columns {
    Columns {
        id: "deviceId".into(),
        ip_address: "IP Address".into(),
        name: Some("label".into()),
        serial_number: Some("serial".into()),
        timezone: Some("tz".into()),
        enabled: Some("is_active".into()),
        deleted_at: Some("deletedAt".into()),
        transport: Some("proto".into()),
        ..Columns::default()
    }
}

fn table() -> AttachSettings {
    let source = AttachSource::Table { table: "Devices".into(), columns: Box::new(columns()) };
    AttachSettings { poll_interval: Duration::from_millis(100), ..AttachSettings::new(source) }
}

fn open(url: &str, dir: &Path, attach: AttachSettings) -> Opened {
    let place = Place::Attached { url: Secret::new(url.to_owned()), attach: Box::new(attach) };
    let mut settings = StoreSettings::new(dir, place);
    settings.gather = Duration::from_millis(20);
    // Far away, so that a notification is seen to work.
    settings.safety_poll = Duration::from_secs(3600);
    Opened(Store::open(settings, Arc::new(SystemClock), &Liveness::new(Instant::now())).unwrap())
}

fn soon() -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(20))
}

/// A database with the table, an attached store, and a client beside it.
fn attached(attach: AttachSettings) -> (tempfile::TempDir, Opened, Client) {
    let url = shared().database();
    let mut beside = client(&url);
    beside.batch_execute(TABLE).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&url, dir.path(), attach);
    assert!(store.wait_loaded(soon()));
    (dir, store, beside)
}

fn names(store: &Store) -> Vec<String> {
    store.devices().iter().map(|device| device.name.clone()).collect()
}

fn cause(store: &Store) -> Option<String> {
    match store.health().condition {
        Condition::Good => None,
        Condition::Degraded { cause, .. } => Some(cause),
    }
}

fn reason(store: &Store, id: &str) -> Option<String> {
    let list = store.devices();
    let device = list.get(&DeviceId::parse(id).unwrap())?;
    device.endpoint.as_ref().err().map(ToString::to_string)
}

#[test]
fn a_table_is_read_as_it_is_and_never_written() {
    let (_dir, store, mut beside) = attached(table());
    let list = store.devices();
    let gate = list.get(&DeviceId::from(1)).unwrap();
    let endpoint = gate.endpoint.as_ref().unwrap();
    assert_eq!((gate.name.as_str(), endpoint.address), ("Gate", "10.0.0.1:4370".parse().unwrap()));
    assert_eq!((endpoint.comm_key.expose(), endpoint.transport), (123_456, TransportChoice::Auto));
    assert_eq!(gate.timezone.as_deref(), Some("Asia/Ho_Chi_Minh"));
    assert_eq!((gate.enabled, gate.mode), (true, SessionMode::Persistent));
    let second = list.get(&DeviceId::from(2)).unwrap();
    assert_eq!((second.name.as_str(), second.ip_address.as_str()), ("10.0.0.2:4370", "10.0.0.2"));

    let id = DeviceId::from(1);
    let patch = DevicePatch { enabled: Some(false), ..DevicePatch::default() };
    assert_eq!(store.update_wait(id.clone(), patch, soon()), Err(StoreError::ReadOnly));
    assert_eq!(store.delete_wait(id.clone(), soon()), Err(StoreError::ReadOnly));
    let facts = Facts { serial_number: Some("A8N5".into()), ..Facts::default() };
    store.record(&id, Observation { facts, status: Some(Status::Up), seen: None });
    eventually("memory keeps what was seen", || {
        let device = store.devices().get(&id).unwrap().clone();
        device.status == Status::Up && device.facts.serial_number.as_deref() == Some("A8N5")
    });
    store.close(soon()).unwrap();
    assert_eq!(store.health().condition, Condition::Good);
    let touched: i64 =
        beside.query_one(r#"select count(*) from "Devices" where serial is not null"#, &[]).unwrap().get(0);
    assert_eq!(touched, 0);
}

#[test]
fn rows_that_make_no_sense_are_disabled_with_the_reason_and_the_others_work() {
    let (_dir, store, mut beside) = attached(table());
    beside
        .batch_execute(
            r#"alter table "Devices" alter "IP Address" type text, drop constraint "Devices_pkey";
            alter table "Devices" alter "deviceId" type text;
            insert into "Devices" ("deviceId", "IP Address", port, com_password, is_active, proto) values
                ('3', 'gate.local', 4370, '', true, null), ('4', '10.0.0.4', 0, '', true, null),
                ('5', '10.0.0.5', -5, '', true, null), ('6', '10.0.0.6', 4370, 'hunter2', true, null),
                ('7', '10.0.0.7', 4370, '', true, null), ('7', '10.0.0.8', 4370, '', true, null),
                ('8', '10.0.0.1', 4370, '', true, null), ('9', '10.0.0.9', 4370, '', true, 'serial'),
                ('10', '10.0.0.10', 4370, '', true, 'udp'), ('no id', '10.0.0.11', 4370, '', true, null)"#,
        )
        .unwrap();
    eventually("all rows are there", || store.devices().len() == 11);
    for (id, expected) in [
        ("3", "no IP address"),
        ("4", "between 1 and 65535"),
        ("5", "between 1 and 65535"),
        ("6", "com_password"),
        ("7", "2 rows"),
        ("8", "device 1 is enabled at 10.0.0.1:4370"),
        ("9", "transport"),
    ] {
        let why = reason(&store, id).unwrap_or_default();
        assert!(why.contains(expected), "{id}: {why}");
    }
    for id in ["1", "2", "10"] {
        assert_eq!(reason(&store, id), None, "{id}");
    }
    assert_eq!(store.health().condition, Condition::Good, "a bad row is not a bad database");
    assert!(!format!("{:?}", store.devices()).contains("hunter2"));
    beside.batch_execute(r#"update "Devices" set port = 4370 where "deviceId" = '4'"#).unwrap();
    eventually("a mended row works", || reason(&store, "4").is_none());
}

#[test]
fn changes_are_found_by_polling_and_soft_deletes_are_gone() {
    let (_dir, store, mut beside) = attached(table());
    let insert = r#"insert into "Devices" ("deviceId", label, "IP Address", port) values (3, 'New', '10.0.0.3', 4370)"#;
    beside.batch_execute(insert).unwrap();
    eventually("a new row", || names(&store).contains(&"New".to_owned()));
    assert!(!store.devices().get(&DeviceId::from(3)).unwrap().enabled, "a null flag is no");
    beside.batch_execute(r#"update "Devices" set "deletedAt" = now() where "deviceId" = 1"#).unwrap();
    eventually("a row that was deleted softly", || !names(&store).contains(&"Gate".to_owned()));
    beside.batch_execute(r#"update "Devices" set "deletedAt" = null where "deviceId" = 1"#).unwrap();
    eventually("and restored", || names(&store).contains(&"Gate".to_owned()));
    let revision = store.devices().revision();
    beside
        .batch_execute(r#"update "Devices" set keep = 'other'; delete from "Devices" where "deviceId" = 3"#)
        .unwrap();
    eventually("a row that is gone", || store.devices().len() == 2);
    assert_eq!(store.devices().revision(), revision + 1);
}

#[test]
fn a_notification_on_the_backends_channel_is_enough() {
    let channel = "Devices \"changed\"";
    let attach = AttachSettings {
        notify_channel: Some(channel.into()),
        poll_interval: Duration::from_secs(3600),
        ..table()
    };
    let (_dir, store, mut beside) = attached(attach);
    let listening =
        "select count(*) from pg_stat_activity where datname = current_database() and query like 'listen%'";
    eventually("it listens", || beside.query_one(listening, &[]).unwrap().get::<_, i64>(0) == 1);
    beside.batch_execute(r#"update "Devices" set label = 'Door' where "deviceId" = 1"#).unwrap();
    beside.execute("select pg_notify($1, 'whatever')", &[&channel]).unwrap();
    eventually("the change is seen", || names(&store).contains(&"Door".to_owned()));
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%' \
         and datname = current_database()";
    beside.batch_execute(r#"update "Devices" set label = 'Hall' where "deviceId" = 1"#).unwrap();
    beside.query(end, &[]).unwrap();
    eventually("what a broken connection missed is seen after it", || {
        names(&store).contains(&"Hall".to_owned())
    });
}

#[test]
fn a_query_maps_what_no_column_name_can() {
    let query = r#"select d."deviceId" as id, host(d."IP Address") as ip_address, d.port::numeric(8,0) as port,
            d.com_password, coalesce(d.label, 'unnamed') as name, d.is_active as enabled, d.com_password as ignored
        from "Devices" d where d."deletedAt" is null order by 1; -- all of them"#;
    let query = query.replace("; -- all of them", " -- all of them");
    let attach = AttachSettings { source: AttachSource::Query(query), ..table() };
    let (_dir, store, mut beside) = attached(attach);
    assert_eq!(names(&store), ["Gate", "unnamed"]);
    assert!(store.devices().iter().all(|device| device.endpoint.is_ok() && device.enabled));
    beside.batch_execute(r#"update "Devices" set label = 'Door' where "deviceId" = 2"#).unwrap();
    eventually("it is polled too", || names(&store) == ["Gate", "Door"]);

    let (lacking, _beside, _dir) = {
        let url = shared().database();
        let dir = tempfile::tempdir().unwrap();
        let query = AttachSource::Query("select 1 as id, '10.0.0.1' as ip_address;".into());
        (open(&url, dir.path(), AttachSettings { source: query, ..table() }), client(&url), dir)
    };
    eventually("health says what lacks", || {
        cause(&lacking).is_some_and(|cause| cause.contains("no column named port, com_password"))
    });
}

#[test]
fn a_query_cannot_write() {
    let url = shared().database();
    let dir = tempfile::tempdir().unwrap();
    let mut beside = client(&url);
    beside
        .batch_execute(
            "create table touched (n integer); \
             create function touch() returns integer language sql volatile as \
             'insert into touched values (1) returning 1'",
        )
        .unwrap();
    let source = AttachSource::Query(
        "select touch() as id, '10.0.0.1' as ip_address, 4370 as port, null as com_password".into(),
    );
    let store = open(&url, dir.path(), AttachSettings { source, ..table() });
    eventually("it is refused", || cause(&store).is_some_and(|cause| cause.contains("read-only")));
    assert_eq!(beside.query_one("select count(*) from touched", &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn a_column_that_vanishes_degrades_the_store_and_keeps_the_last_good_list() {
    let (_dir, store, mut beside) = attached(table());
    beside.batch_execute(r#"alter table "Devices" drop column tz"#).unwrap();
    eventually("health says which", || cause(&store).is_some_and(|cause| cause.contains("tz")));
    assert_eq!(names(&store), ["Gate", "10.0.0.2:4370"]);
    beside.batch_execute(r#"alter table "Devices" add column tz text"#).unwrap();
    eventually("it recovers by itself", || store.health().condition == Condition::Good);
    assert_eq!(store.devices().get(&DeviceId::from(1)).unwrap().timezone, None);
}

fn with_write_back(back: WriteBack) -> AttachSettings {
    AttachSettings { write_back: Some(back), ..table() }
}

#[test]
fn what_was_observed_is_written_to_the_named_columns_only_and_only_when_it_changes() {
    let words = StatusWords { up: "ONLINE".into(), down: "OFFLINE".into() };
    let attach = with_write_back(WriteBack {
        status: Some("state".into()),
        status_words: Some(words),
        last_seen: Some("lastSeen".into()),
        serial_number: Some("serial".into()),
        max_users: Some("max_users".into()),
        ..WriteBack::default()
    });
    let (_dir, store, mut beside) = attached(attach);
    beside
        .batch_execute(
            r#"create table writes (n serial);
            create function count_write() returns trigger language plpgsql as
                $$ begin insert into writes default values; return new; end $$;
            create trigger counted before update on "Devices" for each row execute function count_write()"#,
        )
        .unwrap();
    let id = DeviceId::from(1);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000);
    let facts = Facts { serial_number: Some("A8N5".into()), user_capacity: Some(3000), ..Facts::default() };
    store.record(&id, Observation { facts: facts.clone(), status: Some(Status::Up), seen: Some(at) });
    let mut row = || {
        let row = beside
            .query_one(
                r#"select state::text, "lastSeen", serial, max_users, keep, label, com_password,
                (select count(*) from writes) from "Devices" where "deviceId" = 1"#,
                &[],
            )
            .unwrap();
        let told: (Option<String>, Option<SystemTime>, Option<String>, Option<i32>) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let others: [String; 3] = [row.get(4), row.get(5), row.get(6)];
        assert_eq!(others, ["mine", "Gate", "123456"]);
        (told, row.get::<_, i64>(7))
    };
    let serial = || Some("A8N5".to_owned());
    let expected = (Some("ONLINE".to_owned()), Some(at), serial(), Some(3000));
    eventually("all four columns", || row() == (expected.clone(), 1));

    let later = |seconds| Some(at + Duration::from_secs(seconds));
    store.record(&id, Observation { facts, status: Some(Status::Up), seen: later(5) });
    eventually("it is in the list", || store.devices().get(&id).unwrap().last_seen == later(5));
    store.record(&id, Observation { status: Some(Status::Down), seen: later(6), ..Observation::default() });
    let down = (Some("OFFLINE".to_owned()), Some(at), serial(), Some(3000));
    eventually("a change at once, the time at most once a minute", || row() == (down.clone(), 2));
    store.close(soon()).unwrap();
    assert_eq!(row().0.1, later(6), "the last time is written at the end");
}

#[test]
fn a_status_fits_a_boolean_and_a_time_an_integer() {
    let attach = with_write_back(WriteBack {
        status: Some("is_up".into()),
        last_seen: Some("epoch".into()),
        ..WriteBack::default()
    });
    let (_dir, store, mut beside) = attached(attach);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000);
    let seen = Observation { status: Some(Status::Up), seen: Some(at), ..Observation::default() };
    store.record(&DeviceId::from(2), seen);
    eventually("both are written", || {
        let row =
            beside.query_one(r#"select is_up, epoch from "Devices" where "deviceId" = 2"#, &[]).unwrap();
        (row.get(0), row.get(1)) == (Some(true), Some(1_764_000_000_i64))
    });
}

#[test]
fn a_write_back_that_fails_is_told_and_reading_goes_on() {
    let attach = with_write_back(WriteBack {
        serial_number: Some("serial".into()),
        status: Some("is_up".into()),
        ..WriteBack::default()
    });
    let (_dir, store, mut beside) = attached(attach);
    let long = Facts { serial_number: Some("A8N5-FAR-TOO-LONG-FOR-16".into()), ..Facts::default() };
    store.record(&DeviceId::from(1), Observation { facts: long, ..Observation::default() });
    let up = Observation { status: Some(Status::Up), ..Observation::default() };
    store.record(&DeviceId::from(2), up);
    eventually("health says so", || cause(&store).is_some());
    beside.batch_execute(r#"update "Devices" set label = 'Door' where "deviceId" = 1"#).unwrap();
    eventually("reading goes on", || names(&store).contains(&"Door".to_owned()));
    eventually("so does writing what can be written", || {
        beside.query_one(r#"select is_up from "Devices" where "deviceId" = 2"#, &[]).unwrap().get(0)
    });
    let cut: Option<String> =
        beside.query_one(r#"select serial from "Devices" where "deviceId" = 1"#, &[]).unwrap().get(0);
    assert_eq!(cut, None, "nothing is cut in silence");
    beside.batch_execute(r#"alter table "Devices" alter serial type text"#).unwrap();
    eventually("it recovers by itself", || store.health().condition == Condition::Good);
}

#[test]
fn the_last_known_rows_and_what_was_seen_of_them_outlive_a_dead_database() {
    let cluster = Cluster::start();
    let url = cluster.database();
    client(&url).batch_execute(TABLE).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&url, dir.path(), table());
    assert!(store.wait_loaded(soon()));
    let id = DeviceId::from(1);
    let facts = Facts { firmware_version: Some("Ver 8".into()), ..Facts::default() };
    store.record(&id, Observation { facts, ..Observation::default() });
    store.close(soon()).unwrap();
    cluster.stop();
    let again = open(&url, dir.path(), table());
    assert_eq!(names(&again), ["Gate", "10.0.0.2:4370"]);
    let firmware = |store: &Store| store.devices().get(&id).unwrap().facts.firmware_version.clone();
    assert_eq!(firmware(&again).as_deref(), Some("Ver 8"));
    cluster.resume();
    assert!(again.wait_loaded(soon()));
    assert_eq!(firmware(&again).as_deref(), Some("Ver 8"), "the table does not know, memory does");
    client(&url)
        .batch_execute(r#"update "Devices" set "IP Address" = '10.0.9.9' where "deviceId" = 1"#)
        .unwrap();
    eventually("somewhere else is another device", || firmware(&again).is_none());
    let other = AttachSource::Table { table: "other".into(), columns: Box::new(columns()) };
    let foreign = open(&url, dir.path(), AttachSettings { source: other, ..table() });
    assert!(foreign.devices().is_empty(), "another table's rows are not taken for this one's");
}

#[test]
fn settings_that_cannot_work_are_errors_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = |url: &str, attach: AttachSettings| Place::Attached {
        url: Secret::new(url.to_owned()),
        attach: Box::new(attach),
    };
    let host = "postgres://ann:pw@127.0.0.1/gate";
    let source = |source| AttachSettings { source, ..table() };
    let back = WriteBack { status: Some("state".into()), ..WriteBack::default() };
    for (name, place) in [
        ("TLS", place(&format!("{host}?sslmode=require"), table())),
        (
            "table",
            place(host, source(AttachSource::Table { table: "a.b.c".into(), columns: Box::default() })),
        ),
        ("empty query", place(host, source(AttachSource::Query(" ; ".into())))),
        (
            "write back to where",
            place(
                host,
                AttachSettings { write_back: Some(back), ..source(AttachSource::Query("select 1".into())) },
            ),
        ),
    ] {
        let settings = StoreSettings::new(dir.path(), place);
        let refused =
            Store::open(settings, Arc::new(SystemClock), &Liveness::new(Instant::now())).unwrap_err();
        assert!(matches!(refused, StoreError::Settings { .. }), "{name}: {refused}");
    }
}
