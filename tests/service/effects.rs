//! What has an effect: done once, noted, and told again to whoever asks again.

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Simulator};

use crate::service::{Service, Setup, eventually};

fn one() -> (Service, Simulator, String) {
    let (service, simulator) = (Service::start(), Simulator::start(Config::default()).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    (service, simulator, id)
}

fn fault(device: &DeviceHandle, text: &str) {
    device.set_fault(Fault::parse(text).unwrap());
}

fn operation(service: &Service, number: &Value) -> Value {
    service.get(&format!("/operations/{number}")).json()
}

#[test]
fn a_key_opens_the_door_once_and_is_told_what_came_of_it() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let opened = service.keyed("visitor-17", &path, &body);
    assert_eq!(opened.status, 200, "{opened:?}");
    assert_eq!((&opened.json()["unlocked"], device.counters().unlocks), (&json!(true), 1));
    assert_eq!(device.opened_for(), Some(3));
    for _ in 0..3 {
        let again = service.keyed("visitor-17", &path, &body);
        assert_eq!((again.status, again.json()), (200, opened.json()));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(device.counters().unlocks, 1);
    let other = service.keyed("visitor-17", &path, &json!({ "seconds": 4 }));
    assert_eq!(other.problem(409, "idempotency_key_taken")["operation_id"], opened.json()["operation_id"]);
    assert_eq!(service.post(&path, &body).status, 200, "without a key every request is a new one");
    assert_eq!(device.counters().unlocks, 2);
    for bad in ["", "a b", &"k".repeat(256)] {
        if !bad.is_empty() {
            service.keyed(bad, &path, &body).problem(400, "invalid_idempotency_key");
        }
    }
    for seconds in [json!(0), json!(-1), json!(0.5), json!(3601), json!("3"), json!(null)] {
        let answer = service.keyed("other", &path, &json!({ "seconds": seconds }));
        assert!([400, 422].contains(&answer.status), "{seconds}: {answer:?}");
    }
    assert_eq!(device.counters().unlocks, 2);
    let shown = operation(&service, &opened.json()["operation_id"]);
    let told = ["kind", "state", "device_id", "token"].map(|name| shown[name].as_str().unwrap().to_owned());
    assert_eq!(told, ["unlock", "done", id.as_str(), "main"]);
}

#[test]
fn what_nobody_knows_is_said_and_never_tried_again() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    // It opens the door, and its answer is lost.
    fault(device, "silent@31*1");
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let unclear = service.keyed("k", &path, &body);
    let problem = unclear.json();
    assert_eq!(problem["code"], "outcome_unknown", "{problem}");
    assert_eq!(operation(&service, &problem["operation_id"])["state"], "outcome_unknown");
    device.clear_faults();
    service.until_state(&id, "idle");
    let again = service.keyed("k", &path, &body);
    assert_eq!((again.status, &again.json()["code"]), (unclear.status, &json!("outcome_unknown")));
    assert_eq!(device.counters().unlocks, 1);
}

#[test]
fn a_key_whose_request_never_reached_the_device_may_be_used_again() {
    let service = Service::start();
    let simulator =
        Simulator::start(Config { faults: vec![Fault::parse("refuse").unwrap()], ..Config::default() })
            .unwrap();
    let device = &simulator.devices()[0];
    let id = service.add(device);
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let refused = service.keyed("k", &path, &body).problem(503, "device_unreachable");
    assert_eq!(operation(&service, &refused["operation_id"])["state"], "failed");
    device.clear_faults();
    service.until_state(&id, "idle");
    assert_eq!(service.keyed("k", &path, &body).status, 200);
    assert_eq!(device.counters().unlocks, 1);
}

#[test]
fn a_key_opens_no_second_door_after_the_service_was_killed_in_the_middle() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "20s");
    let (mut service, simulator) = (setup.start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    // The door opens, and the answer is on its way for a long time.
    fault(device, "delay:15s@31*1");
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let again = std::thread::scope(|scope| {
        let head = service.head(
            "POST",
            &format!("/api/v1{path}"),
            "Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 13\r\n",
        );
        let asked = format!("{head}{body}");
        assert!(asked.ends_with("{\"seconds\":3}"));
        let address = service.address;
        scope.spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(asked.as_bytes()).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        eventually("the door is open", || device.counters().unlocks == 1);
        service.signal(Signal::KILL);
        service.ended();
        service.setup.again().start()
    });
    again.until_state(&id, "idle");
    let told = again.keyed("k", &path, &body);
    assert_eq!(told.problem(503, "outcome_unknown")["status"], 503);
    assert_eq!(told.header("idempotency-replayed"), Some("true"));
    assert_eq!(device.counters().unlocks, 1);
    let listed = again.get("/operations?state=outcome_unknown").json();
    assert_eq!(listed["data"][0]["kind"], "unlock", "{listed}");
}

#[test]
fn a_device_that_counts_in_tenths_is_told_tenths() {
    let (service, simulator, id) = one();
    let settings = format!("/devices/{id}/settings");
    assert_eq!(service.get(&settings).json()["unlock_unit"], "seconds");
    let set = service.patch(&settings, &json!({ "unlock_unit": "tenths", "name_encoding": "gbk" }));
    assert_eq!(
        set.json(),
        json!({
            "name_encoding": "gbk", "unlock_unit": "tenths", "biometrics": false, "raw_commands": false,
        })
    );
    service.patch(&settings, &json!({ "name_encoding": "klingon" })).problem(422, "invalid_value");
    let path = format!("/devices/{id}/unlock");
    assert_eq!(service.post(&path, &json!({ "seconds": 2.5 })).status, 200);
    assert_eq!(simulator.devices()[0].opened_for(), Some(25));
    let again = service.setup.again();
    drop(service);
    let service = again.start();
    assert_eq!(service.get(&settings).json()["name_encoding"], "gbk", "it outlives the service");
    assert_eq!(
        service.patch(&settings, &json!({ "name_encoding": null })).json()["name_encoding"],
        Value::Null
    );
    assert_eq!(service.delete(&format!("/devices/{id}")).status, 204);
}

#[test]
fn a_token_may_do_what_its_scopes_say_and_nothing_after_it_was_revoked() {
    let (service, simulator, id) = one();
    let made = service.post("/tokens", &json!({ "name": "hr", "scopes": ["read"], "expires_in_days": 30 }));
    assert_eq!(made.status, 201, "{made:?}");
    let hr = made.json();
    let token = hr["token"].as_str().unwrap().to_owned();
    let unlock = format!("/devices/{id}/unlock");
    assert_eq!(service.as_somebody(&token, "GET", "/devices", None).status, 200);
    let refused = service.as_somebody(&token, "POST", &unlock, Some(&json!({ "seconds": 3 })));
    assert_eq!(refused.problem(403, "scope_needed")["scope"], "operate");
    service.as_somebody(&token, "GET", "/tokens", None).problem(403, "scope_needed");
    assert_eq!(simulator.devices()[0].counters().unlocks, 0);

    let admin = service.post("/tokens", &json!({ "name": "boss", "scopes": ["admin"] })).json();
    let admin = admin["token"].as_str().unwrap();
    let more = json!({ "name": "spy", "scopes": ["biometric"] });
    service.as_somebody(admin, "POST", "/tokens", Some(&more)).problem(403, "scope_needed");
    assert_eq!(service.as_somebody(admin, "POST", &unlock, Some(&json!({ "seconds": 3 }))).status, 200);
    service.post("/tokens", &json!({ "name": "hr", "scopes": ["read"] })).problem(409, "name_taken");
    for bad in [
        json!({ "name": "main", "scopes": ["read"] }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["root"] }),
        json!({ "name": " ", "scopes": ["read"] }),
        json!({ "name": "x", "scopes": ["read"], "expires_in_days": 0 }),
    ] {
        service.post("/tokens", &bad).problem(422, "invalid_value");
    }
    let listed = service.get("/tokens");
    assert!(!String::from_utf8_lossy(&listed.body).contains(&token), "it is told once");
    assert_eq!(listed.json()["data"].as_array().unwrap().len(), 2);

    let again = service.setup.again();
    drop(service);
    let service = again.start();
    assert_eq!(service.as_somebody(&token, "GET", "/devices", None).status, 200, "it outlives the service");
    assert_eq!(service.delete(&format!("/tokens/{}", hr["id"])).status, 204);
    service.as_somebody(&token, "GET", "/devices", None).problem(401, "unauthorized");
    service.delete(&format!("/tokens/{}", hr["id"])).problem(404, "not_found");
    assert!(!service.log().contains(&token));
}

#[test]
fn who_did_what_stands_in_the_audit_log() {
    let (service, _simulator, id) = one();
    let made = service.post("/tokens", &json!({ "name": "door", "scopes": ["operate"] })).json();
    let token = made["token"].as_str().unwrap();
    let unlock = format!("/devices/{id}/unlock");
    assert_eq!(service.as_somebody(token, "POST", &unlock, Some(&json!({ "seconds": 3 }))).status, 200);
    service.as_somebody(token, "POST", &unlock, Some(&json!({ "seconds": 0 }))).problem(422, "invalid_value");
    let rows = service.until("/audit?token=door", |shown| shown["data"].as_array().unwrap().len() == 3);
    let told: Vec<_> = rows["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| ["action", "device_id", "result"].map(|name| row[name].as_str().unwrap().to_owned()))
        .collect();
    let route = "POST /api/v1/devices/{id}/unlock";
    assert!(told.contains(&[route, &id, "ok"].map(str::to_owned)), "{told:?}");
    assert!(told.contains(&["operation unlock", &id, "done"].map(str::to_owned)), "{told:?}");
    assert!(told.contains(&[route, &id, "invalid_value"].map(str::to_owned)), "{told:?}");
    let all = service.get("/audit?limit=1").json();
    assert_eq!((&all["more"], all["data"].as_array().unwrap().len()), (&json!(true), 1));
    assert!(!service.get("/audit").json().to_string().contains(token));
}

#[test]
fn a_ledger_that_cannot_be_written_keeps_no_door_closed_but_those_with_a_key() {
    let (service, simulator, id) = one();
    let device = &simulator.devices()[0];
    let (path, body) = (format!("/devices/{id}/unlock"), json!({ "seconds": 3 }));
    let ledger = rusqlite::Connection::open(service.setup.state_dir().join("ledger.db")).unwrap();
    ledger.execute_batch("begin immediate").unwrap();
    let opened = service.post(&path, &body);
    assert_eq!((opened.status, &opened.json()["operation_id"]), (200, &Value::Null), "{opened:?}");
    service.keyed("k", &path, &body).problem(503, "store_unavailable");
    assert_eq!(device.counters().unlocks, 1);
    let log = service.log();
    let line = log.lines().find(|line| line.contains("unlock is done without a note of it")).unwrap();
    assert!(line.ends_with(&format!("token \"main\", device \"{id}\"")), "{line}");
    // What is no door waits until the card is mended.
    service.post(&format!("/devices/{id}/test-voice"), &json!({})).problem(503, "store_unavailable");
    let off = json!({ "confirm": true });
    service.post(&format!("/devices/{id}/power-off"), &off).problem(503, "store_unavailable");
    assert_eq!([1017, 1005].map(|code| device.counters().command(code)), [0, 0]);
    let ready = service.get("/readyz").json();
    assert_eq!(ready["reasons"][0]["code"], "ledger_degraded", "{ready}");
    ledger.execute_batch("rollback").unwrap();
    service.until("/readyz", |ready| ready["status"] == "ready");
    assert_eq!(service.keyed("k", &path, &body).status, 200);
    assert_eq!(device.counters().unlocks, 2);
}

/// Whenever the service dies: each key opens the door at most once, and an answer that says so is true.
#[test]
fn no_key_opens_twice_whenever_the_service_is_killed() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let device = &simulator.devices()[0];
    let mut service = Setup::new().start();
    let id = service.add_up(device);
    let path = format!("/devices/{id}/unlock");
    let body = json!({ "seconds": 3 }).to_string();
    let mut random = fastrand::Rng::with_seed(4711);
    let mut opened = 0;
    for round in 0..16 {
        service.until_state(&id, "idle");
        let before = device.counters().unlocks;
        let key = format!("Idempotency-Key: k{round}\r\nContent-Type: application/json\r\n");
        let head = service.head(
            "POST",
            &format!("/api/v1{path}"),
            &format!("{key}Content-Length: {}\r\n", body.len()),
        );
        use std::io::Write;
        let mut stream = service.connect();
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // From before it is read until after it is answered.
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..6000)));
        service.signal(Signal::KILL);
        service.ended();
        let next = service.setup.again();
        drop(service);
        service = next.start();
        service.until_state(&id, "idle");
        let told = service.keyed(&format!("k{round}"), &path, &json!({ "seconds": 3 }));
        let again = service.keyed(&format!("k{round}"), &path, &json!({ "seconds": 3 }));
        let times = device.counters().unlocks - before;
        match told.status {
            200 => assert_eq!(times, 1, "round {round}: {told:?}"),
            _ => {
                assert_eq!(
                    told.problem(503, "outcome_unknown")["code"],
                    again.json()["code"],
                    "round {round}"
                );
                assert!(times <= 1, "round {round}: opened {times} times");
            }
        }
        opened += times;
    }
    assert!(opened > 3, "the door was opened now and then");
}
