//! What was answered is kept, whatever happens to the process or to the database.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{Config, Simulator};

use crate::postgres_server::{Cluster, as_url, client, shared};
use crate::service::{Service, Setup, eventually};

fn with_database(url: &str) -> Setup {
    Setup::new().set("DATABASE_URL", as_url(url))
}

fn dead(port: u64) -> Value {
    json!({ "ip_address": "127.0.0.1", "port": port, "enabled": false, "name": format!("Device {port}") })
}

fn ports(service: &Service) -> BTreeSet<u64> {
    let list = service.get("/devices?limit=1000").json();
    list["data"].as_array().unwrap().iter().map(|device| device["port"].as_u64().unwrap()).collect()
}

#[test]
fn every_device_whose_making_was_answered_is_there_after_a_crash() {
    let mut service = Service::start();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (sender, service) = (sender.clone(), &service);
            scope.spawn(move || {
                for port in (thread * 1000 + 1).. {
                    let body = dead(port).to_string();
                    let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
                    let request = service.head("POST", "/api/v1/devices", &length) + &body;
                    let answered = service.raw(request);
                    if !answered.starts_with("HTTP/1.1 201 ") || sender.send(port).is_err() {
                        return;
                    }
                }
            });
        }
        let mut kept: BTreeSet<u64> = receiver.iter().take(60).collect();
        service.signal(Signal::KILL);
        drop(sender);
        kept.extend(receiver.iter());
        let tried = kept.len() + 4;
        let again = service.setup.again().start();
        let there = ports(&again);
        assert!(kept.is_subset(&there), "lost: {:?}", kept.difference(&there).collect::<Vec<_>>());
        assert!(there.len() <= tried, "nothing that nobody asked for: {} of {tried}", there.len());
        for device in again.get("/devices?limit=1000").json()["data"].as_array().unwrap() {
            let name = format!("Device {}", device["port"]);
            assert_eq!(
                (&device["name"], &device["problem"]),
                (&json!(name), &Value::Null),
                "whole: {device}"
            );
        }
    });
    assert!(service.ended().code().is_none(), "it was killed");
}

#[test]
fn with_postgresql_it_starts_before_the_database_and_recovers_by_itself() {
    let cluster = Cluster::start();
    let url = cluster.database();
    cluster.stop();
    let simulator = Simulator::start(Config::default()).unwrap();
    let device = &simulator.devices()[0];
    let service = with_database(&url).start();
    assert_eq!(service.get("/healthz").status, 200);
    let ready = service.get("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &json!("degraded")), "{ready:?}");
    let reasons = ready.json()["reasons"].to_string();
    assert!(reasons.contains("store_degraded") && reasons.contains("devices_not_loaded"), "{reasons}");
    assert!(!reasons.contains("pw-not-to-be-seen"), "{reasons}");
    assert_eq!(service.get("/devices").json()["total"], 0);
    let refused = service.post("/devices?timeout=1", &dead(9));
    let problem = refused.problem(503, "store_unavailable");
    assert_eq!(problem["retry_after"], 5);
    assert!(refused.took < Duration::from_secs(5), "{:?}", refused.took);

    cluster.resume();
    service.until("/readyz", |ready| ready["status"] == "ready");
    let body = json!({ "ip_address": "127.0.0.1", "port": device.address().port(), "probe": true });
    let made = service.post("/devices", &body).json();
    assert_eq!(made["probe"]["ok"], true, "the device is known to all by then: {made}");
    let id = made["id"].as_str().unwrap().to_owned();
    service.until_state(&id, "idle");

    // Down again: the devices stay, and so do their sessions.
    cluster.stop();
    service.until("/readyz", |ready| ready["status"] == "degraded");
    assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
    assert_eq!(service.get("/devices").json()["total"], 1);
    service
        .patch(&format!("/devices/{id}?timeout=1"), &json!({ "name": "x" }))
        .problem(503, "store_unavailable");
    // A restart meanwhile knows the devices too.
    let again = service.setup.again().listen("127.0.0.1:0").start();
    again.until_state(&id, "idle");
    drop(service);
    cluster.resume();
    again.until("/readyz", |ready| ready["status"] == "ready");
    assert_eq!(again.patch(&format!("/devices/{id}"), &json!({ "name": "Gate" })).json()["name"], "Gate");
    assert!(!again.log().contains("pw-not-to-be-seen"));
    assert!(!again.setup.check().1.contains("pw-not-to-be-seen"));
}

#[test]
fn a_frozen_database_holds_up_nobody_beyond_the_own_deadline() {
    let cluster = Cluster::start();
    let service = with_database(&cluster.database()).start();
    service.until("/readyz", |ready| ready["status"] == "ready");
    let simulator = Simulator::start(Config { devices: 4, users: 5, ..Config::default() }).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    let frozen = cluster.freeze();
    std::thread::scope(|scope| {
        for number in 0..6u64 {
            let service = &service;
            scope.spawn(move || {
                let began = Instant::now();
                let answer = service.post("/devices?timeout=0.8", &dead(number + 1));
                assert_eq!(answer.status, 503, "{answer:?}");
                let code = answer.json()["code"].as_str().unwrap().to_owned();
                let fine = ["store_unavailable", "outcome_unknown", "store_busy"];
                assert!(fine.contains(&code.as_str()), "{answer:?}");
                assert_eq!(answer.header("retry-after").is_some(), code != "outcome_unknown", "{answer:?}");
                assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            });
        }
        for _ in 0..30 {
            for id in &ids {
                for what in ["time", "info/refresh", "connection"] {
                    let method = if what == "info/refresh" { "POST" } else { "GET" };
                    let answer = service.ask(method, &format!("/devices/{id}/{what}"), None);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert!(answer.took < Duration::from_secs(3), "{what}: {:?}", answer.took);
                }
            }
        }
    });
    assert_eq!(service.get("/devices").json()["total"], 4);
    drop(frozen);
    service.until("/readyz", |ready| ready["status"] == "ready");
    eventually("it takes devices again", || service.post("/devices", &dead(77)).status == 201);
    // What the refreshes found while it was frozen has been written since.
    let path = format!("/devices/{}", ids[0]);
    service.until(&path, |device| device["serial_number"] == simulator.devices()[0].serial_number());
}

const TABLE: &str = "
    create table devices (
        id integer primary key, name text, ip_address text, port text, com_password text, tz text,
        is_active boolean not null default true, deleted_at timestamptz,
        status text, last_seen timestamptz, serial_number text, max_users integer);
    create function told() returns trigger language plpgsql as
        $$ begin notify devices_changed; return null; end $$;
    create trigger told after insert or delete or update of ip_address, port, is_active, deleted_at on devices
        for each statement execute function told()";

const ATTACH: &str = r#"
[attach]
table = "devices"
notify_channel = "devices_changed"
poll_interval = "1s"
columns.name = "name"
columns.timezone = "tz"
columns.enabled = "is_active"
columns.deleted_at = "deleted_at"
write_back.status = "status"
write_back.last_seen = "last_seen"
write_back.serial_number = "serial_number"
write_back.max_users = "max_users"
"#;

#[test]
fn the_table_of_an_existing_backend_is_used_as_it_is() {
    let url = shared().database();
    let mut backend = client(&url);
    backend.batch_execute(TABLE).unwrap();
    let simulator = Simulator::start(Config { devices: 3, users: 4, ..Config::default() }).unwrap();
    let port = |index: usize| simulator.devices()[index].address().port().to_string();
    let insert =
        "insert into devices (id, name, ip_address, port, com_password, tz) values ($1, $2, $3, $4, $5, $6)";
    for (id, name, address, port, password, zone) in [
        (10, "Gate", "127.0.0.1", port(0).as_str(), "", "Asia/Baghdad"),
        (20, "Hall", "127.0.0.1", port(1).as_str(), "not-a-number", ""),
        (30, "Yard", "gate.example", "4370", "0", ""),
        (40, "Roof", "127.0.0.1", "0", "", ""),
    ] {
        let zone = Some(zone).filter(|zone| !zone.is_empty());
        let row: [&(dyn postgres::types::ToSql + Sync); 6] = [&id, &name, &address, &port, &password, &zone];
        backend.execute(insert, &row).unwrap();
    }
    let service = with_database(&url).config(ATTACH).start();
    service.until("/readyz", |ready| ready["status"] == "ready");
    service.until_state("10", "idle");
    let list = service.get("/devices").json();
    assert_eq!(list["total"], 4);
    for device in &list["data"].as_array().unwrap()[1..] {
        let problem = device["problem"].as_str().unwrap_or_default();
        assert!(!problem.is_empty() && !problem.contains("not-a-number"), "{device}");
        assert_eq!(device["state"], "disabled", "{device}");
        let id = device["id"].as_str().unwrap();
        let refused = service.get(&format!("/devices/{id}/time")).problem(409, "device_disabled");
        assert_eq!(refused["device"], id);
    }
    assert_eq!(service.get("/devices/10/time").json()["timezone"], "Asia/Baghdad");

    // Told back: who it is, and that it is there.
    assert_eq!(service.post("/devices/10/info/refresh", &json!({})).status, 200);
    let mut row = |id: i32| backend_row(&mut backend, id);
    eventually("the row says what was found", || {
        let (status, seen, serial, users) = row(10);
        status.as_deref() == Some("up")
            && seen
            && serial.as_deref() == Some(simulator.devices()[0].serial_number().as_str())
            && users.is_some_and(|users| users > 0)
    });
    assert_eq!(row(30), (None, false, None, None), "a row that makes no sense is not touched");

    // Only read: whoever owns the table changes it there.
    for (method, path, allow) in [
        ("POST", "/devices", "GET, HEAD"),
        ("PATCH", "/devices/10", "GET, HEAD"),
        ("DELETE", "/devices/10", "GET, HEAD"),
    ] {
        let body = if method == "POST" { dead(5) } else { json!({ "name": "x" }) };
        let refused = service.ask(method, path, Some(&body).filter(|_| method != "DELETE"));
        refused.problem(405, "read_only_store");
        assert_eq!(refused.header("allow"), Some(allow));
    }

    // Changes arrive by themselves: mended, added, switched off, deleted.
    let mended = format!("update devices set com_password = '5', port = '{}' where id = 20", port(1));
    backend.batch_execute(&mended).unwrap();
    service.until_state("20", "idle");
    let row: [&(dyn postgres::types::ToSql + Sync); 6] =
        [&50, &"New", &"127.0.0.1", &port(2), &"", &None::<&str>];
    backend.execute(insert, &row).unwrap();
    service.until("/connections?state=idle", |all| all["count"] == 3);
    backend.batch_execute("update devices set is_active = false where id = 20").unwrap();
    service.until_state("20", "disabled");
    backend.batch_execute("update devices set deleted_at = now() where id = 50").unwrap();
    service.until("/devices", |list| list["total"] == 4);
    eventually("both were told goodbye", || {
        simulator.devices()[1..].iter().all(|device| device.counters().exits == 1)
    });
}

/// Status, whether it was seen, serial number and room for users, as the backend sees them.
fn backend_row(
    backend: &mut postgres::Client,
    id: i32,
) -> (Option<String>, bool, Option<String>, Option<i32>) {
    let wanted = "select status, last_seen is not null, serial_number, max_users from devices where id = $1";
    let row = backend.query_one(wanted, &[&id]).unwrap();
    (row.get(0), row.get(1), row.get(2), row.get(3))
}
