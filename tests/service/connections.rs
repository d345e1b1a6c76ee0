//! Sessions as their owner sees them: shown, closed, opened, lent, taken back; and all of that at once.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zkgate::simulator::{Concurrency, Config, Fault, Simulator};

use crate::service::{Service, Setup, eventually};

#[test]
fn a_connection_shows_what_it_does_and_has_done() {
    let service = Service::start();
    let simulator = Simulator::start(Config::default()).unwrap();
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    for _ in 0..3 {
        assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
    }
    let shown = service.connection(&id);
    for (field, value) in [
        ("device_id", json!(id)),
        ("state", json!("idle")),
        ("last_error", Value::Null),
        ("failures", json!(0)),
        ("retry_at", Value::Null),
        ("sessions_opened", json!(1)),
        ("calls", json!(3)),
        ("calls_failed", json!(0)),
        ("queue", json!(0)),
        ("transport", json!("tcp")),
        ("serial_number", json!(device.serial_number())),
    ] {
        assert_eq!(shown[field], value, "{field}: {shown}");
    }
    assert!(shown["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{shown}");
}

#[test]
fn all_connections_are_listed_counted_by_state_and_closed_together() {
    let service = Service::start();
    let simulator = Simulator::start(Config { devices: 11, ..Config::default() }).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add(device)).collect();
    ids.iter().for_each(|id| drop(service.until_state(id, "idle")));
    assert_eq!(service.patch(&format!("/devices/{}", ids[10]), &json!({ "enabled": false })).status, 200);
    service.until_state(&ids[10], "disabled");
    let all = service.get("/connections").json();
    assert_eq!(
        (&all["count"], &all["states"]["idle"], &all["states"]["disabled"]),
        (&json!(11), &json!(10), &json!(1))
    );
    let states = all["states"].as_object().unwrap();
    assert_eq!(states.len(), 8);
    assert_eq!(states.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 11);
    let listed: Vec<&str> =
        all["data"].as_array().unwrap().iter().map(|one| one["device_id"].as_str().unwrap()).collect();
    assert_eq!(listed, ids, "in the order of the device list");
    assert_eq!(service.get("/connections?state=disabled").json()["data"][0]["device_id"], ids[10].as_str());

    let closed = service.post("/connections/disconnect-all", &json!({}));
    assert_eq!((closed.status, &closed.json()["disconnected"]), (200, &json!(10)), "{closed:?}");
    assert_eq!(service.get("/connections").json()["states"]["absent"], 10);
    for device in simulator.devices() {
        assert_eq!((device.counters().exits, device.sessions()), (1, 0));
    }
    // With nothing left to close it is answered all the same.
    assert_eq!(service.post("/connections/disconnect-all", &json!({})).json()["disconnected"], 0);
}

#[test]
fn what_was_disconnected_stays_so_until_it_is_asked_for_something() {
    let (service, simulator) = (Service::start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    for round in 1..=2 {
        let closed = service.post(&format!("/devices/{id}/disconnect"), &json!({}));
        assert_eq!((closed.status, &closed.json()["state"]), (200, &json!("absent")), "{closed:?}");
        assert_eq!(device.counters().exits, 1, "round {round}: the second time there is nothing to close");
    }
    assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
    assert_eq!(device.counters().sessions, 2);
    let closed = service.post(&format!("/devices/{id}/disconnect"), &json!({}));
    assert_eq!(closed.status, 200);
    let opened = service.post(&format!("/devices/{id}/connect"), &json!({}));
    assert_eq!(opened.status, 200, "{opened:?}");
    assert!(["idle", "busy"].contains(&opened.json()["state"].as_str().unwrap()), "{opened:?}");
    assert_eq!(device.counters().sessions, 3);
}

#[test]
fn connect_tries_at_once_whatever_the_back_off_says() {
    let setup =
        Setup::new().set("ZKGATE_SESSIONS_BACK_OFF_FIRST", "60s").set("ZKGATE_SESSIONS_BACK_OFF_CAP", "1h");
    let (service, simulator) = (setup.start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    device.set_fault(Fault::parse("rst:0@connect").unwrap());
    let id = service.add_with(device, &json!({ "transport": "tcp" }));
    service.until(&format!("/devices/{id}/connection"), |shown| shown["failures"].as_u64() >= Some(1));
    let tried = service.post(&format!("/devices/{id}/connect"), &json!({}));
    let problem = tried.problem(503, "device_busy");
    assert_eq!((&problem["device"], &problem["cause"]), (&json!(id), &json!("device_busy")));
    device.clear_faults();
    let began = Instant::now();
    assert_eq!(service.post(&format!("/devices/{id}/connect"), &json!({})).status, 200);
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(service.connection(&id)["failures"], 0);
}

#[test]
fn a_lent_device_is_free_for_others_and_comes_back_by_itself() {
    let config = Config { concurrency: Concurrency::RefuseSecond, ..Config::default() };
    let (service, simulator) = (Service::start(), Simulator::start(config).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let began = Instant::now();
    let lent = service.post(&format!("/devices/{id}/lend"), &json!({ "seconds": 1, "to": "ZKAccess" }));
    assert_eq!(lent.status, 200, "{lent:?}");
    let shown = lent.json();
    assert_eq!((&shown["state"], &shown["lent_to"]), (&json!("lent"), &json!("ZKAccess")));
    assert!(shown["retry_at"].is_string(), "{shown}");
    assert_eq!(device.counters().exits, 1, "it is told goodbye before it is answered");
    eventually("the connection is closed", || device.counters().open == 0);
    {
        let _other = TcpStream::connect(device.address()).unwrap();
        eventually("the other client is in", || device.counters().open == 1);
        for (method, path) in [
            ("GET", "time"),
            ("POST", "restart"),
            ("POST", "connect"),
            ("POST", "disconnect"),
            ("POST", "test"),
        ] {
            let refused = service.ask(method, &format!("/devices/{id}/{path}"), None);
            let problem = refused.problem(423, "device_lent");
            assert_eq!(problem["device"], id.as_str());
            assert_eq!(problem["retry_after"], 1, "{path}: {problem}");
        }
        assert_eq!(service.post("/connections/disconnect-all", &json!({})).status, 200);
        assert_eq!(service.connection(&id)["state"], "lent", "disconnecting all leaves it lent");
    }
    service.until_state(&id, "idle");
    let away = began.elapsed();
    assert!((Duration::from_millis(990)..Duration::from_secs(10)).contains(&away), "{away:?}");

    assert_eq!(service.post(&format!("/devices/{id}/lend"), &json!({ "minutes": 5 })).status, 200);
    // Lending again changes for how long and to whom.
    let again = service.post(&format!("/devices/{id}/lend"), &json!({ "minutes": 9, "to": "Night shift" }));
    assert_eq!(again.json()["lent_to"], "Night shift", "{again:?}");
    assert_eq!(service.post(&format!("/devices/{id}/resume"), &json!({})).status, 200);
    service.until_state(&id, "idle");
    assert_eq!(service.post(&format!("/devices/{id}/resume"), &json!({})).status, 200, "nothing to resume");
}

#[test]
fn what_is_disabled_cannot_be_connected_or_lent() {
    let (service, simulator) = (Service::start(), Simulator::start(Config::default()).unwrap());
    let id = service.add_with(&simulator.devices()[0], &json!({ "enabled": false }));
    for path in ["connect", "lend", "test", "restart", "info/refresh"] {
        let refused = service.post(&format!("/devices/{id}/{path}"), &json!({}));
        assert_eq!(refused.problem(409, "device_disabled")["device"], id.as_str(), "{path}");
    }
    for path in ["disconnect", "resume"] {
        let done = service.post(&format!("/devices/{id}/{path}"), &json!({}));
        assert_eq!((done.status, &done.json()["state"]), (200, &json!("disabled")), "{path}");
    }
    assert_eq!(simulator.devices()[0].counters().connections, 0);
}

#[test]
fn a_call_under_way_is_finished_before_its_session_is_closed() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "5s");
    let (service, simulator) =
        (setup.start(), Simulator::start(Config { devices: 3, ..Config::default() }).unwrap());
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    for device in simulator.devices() {
        device.set_fault(Fault::parse("delay:2s@time").unwrap());
    }
    std::thread::scope(|scope| {
        for (id, (method, path)) in
            ids.iter().zip([("POST", "/disconnect"), ("POST", "/lend"), ("DELETE", "")])
        {
            let service = &service;
            scope.spawn(move || {
                let first = scope.spawn(move || service.get(&format!("/devices/{id}/time")));
                service.until_state(id, "busy");
                let second = scope.spawn(move || service.get(&format!("/devices/{id}/time")));
                service.until(&format!("/devices/{id}/connection"), |shown| shown["queue"] == 1);
                let began = Instant::now();
                // Too short for waiting: the answer says so, and it is done all the same.
                let action = service.ask(method, &format!("/devices/{id}{path}?timeout=0.1"), None);
                let waited = began.elapsed();
                let (first, second) = (first.join().unwrap(), second.join().unwrap());
                assert_eq!(first.status, 200, "{path}: {first:?}");
                let (status, code) = match path {
                    "/disconnect" => (409, "device_disconnected"),
                    "/lend" => (423, "device_lent"),
                    _ => (404, "not_found"),
                };
                second.problem(status, code);
                assert!(second.took < Duration::from_millis(1800), "it does not wait: {:?}", second.took);
                match path {
                    "" => assert_eq!(action.status, 204, "{action:?}"),
                    _ => drop(action.problem(504, "deadline_exceeded")),
                }
                assert!(waited < Duration::from_millis(1500), "{path}: {waited:?}");
            });
        }
    });
    eventually("all were told goodbye", || {
        simulator.devices().iter().all(|device| device.counters().exits == 1)
    });
    assert_eq!(service.connection(&ids[0])["state"], "absent");
    assert_eq!(service.connection(&ids[1])["state"], "lent");
    service.until("/connections", |all| all["count"] == 2);
}

#[test]
fn disconnecting_all_brings_nothing_back_that_was_deleted_or_disabled() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "5s");
    let simulator = Simulator::start(Config { devices: 3, ..Config::default() }).unwrap();
    let service = setup.start();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    for device in simulator.devices() {
        device.set_fault(Fault::parse("delay:1s@time").unwrap());
    }
    std::thread::scope(|scope| {
        for id in &ids {
            let service = &service;
            scope.spawn(move || service.get(&format!("/devices/{id}/time")));
            service.until_state(id, "busy");
        }
        assert_eq!(service.delete(&format!("/devices/{}", ids[0])).status, 204);
        assert_eq!(service.patch(&format!("/devices/{}", ids[1]), &json!({ "enabled": false })).status, 200);
        service
            .post(&format!("/devices/{}/lend?timeout=0.05", ids[2]), &json!({ "minutes": 1 }))
            .problem(504, "deadline_exceeded");
        assert_eq!(service.post("/connections/disconnect-all", &json!({})).status, 200);
    });
    service.until("/connections", |all| all["count"] == 2);
    assert_eq!(service.connection(&ids[1])["state"], "disabled");
    service.get(&format!("/devices/{}/time", ids[1])).problem(409, "device_disabled");
    assert_eq!(service.connection(&ids[2])["state"], "lent");
}

#[test]
fn whatever_is_asked_at_once_every_request_is_answered_in_time_and_all_works_afterwards() {
    let (service, simulator) =
        (Service::start(), Simulator::start(Config { devices: 3, ..Config::default() }).unwrap());
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..6u64 {
            let (service, ids, over) = (&service, &ids, &over);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                while !over.load(Ordering::Relaxed) {
                    let id = &ids[random.usize(..ids.len())];
                    let (method, path, body) = match random.u8(0..12) {
                        0 => ("POST", "/connections/disconnect-all?timeout=2".to_owned(), json!({})),
                        1 => ("POST", format!("/devices/{id}/disconnect?timeout=2"), json!({})),
                        2 => ("POST", format!("/devices/{id}/connect?timeout=2"), json!({})),
                        3 => ("POST", format!("/devices/{id}/lend?timeout=2"), json!({ "seconds": 1 })),
                        4 | 5 => ("POST", format!("/devices/{id}/resume"), json!({})),
                        6 => ("POST", format!("/devices/{id}/test?timeout=2"), json!({})),
                        7 => ("PATCH", format!("/devices/{id}"), json!({ "enabled": random.bool() })),
                        8 => ("PATCH", format!("/devices/{id}"), json!({ "comm_key": random.u8(..) })),
                        _ => ("POST", format!("/devices/{id}/info/refresh?timeout=2"), json!({})),
                    };
                    let answer = service.ask(method, &path, Some(&body));
                    let code = answer.json()["code"].as_str().unwrap_or("ok").to_owned();
                    let fine = ["ok", "device_lent", "device_disabled", "device_disconnected"];
                    assert!(fine.contains(&code.as_str()), "{path}: {answer:?}");
                    assert!(answer.took < Duration::from_secs(5), "{path} took {:?}", answer.took);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(1500));
        over.store(true, Ordering::Relaxed);
    });
    for (id, device) in ids.iter().zip(simulator.devices()) {
        assert_eq!(service.patch(&format!("/devices/{id}"), &json!({ "enabled": true })).status, 200);
        assert_eq!(service.post(&format!("/devices/{id}/resume"), &json!({})).status, 200);
        let serial = service.get(&format!("/devices/{id}/serial"));
        assert_eq!((serial.status, &serial.json()["serial_number"]), (200, &json!(device.serial_number())));
        eventually("one session is left", || device.sessions() == 1);
    }
}
