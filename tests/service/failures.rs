//! Devices that fail: the caller is told what, soon, and whether it may be tried again.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, How, Profile, Simulator};
use zkgate::wire::comm_key::CommKey;

use crate::service::{Answer, Service, Setup, eventually};

fn fault(device: &DeviceHandle, text: &str) {
    device.set_fault(Fault::parse(text).unwrap());
}

fn one(config: Config) -> (Service, Simulator, String) {
    let (service, simulator) = (Service::start(), Simulator::start(config).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    (service, simulator, id)
}

fn patient() -> Setup {
    Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "5s")
}

/// The members that every answer about a failing device has.
fn assert_caused(problem: &Value, id: &str, cause: &str) {
    assert_eq!((&problem["device"], &problem["cause"]), (&json!(id), &json!(cause)), "{problem}");
    for member in ["phase", "advice"] {
        assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {problem}");
    }
    assert!(["no", "perhaps", "yes"].contains(&problem["reached_device"].as_str().unwrap()), "{problem}");
}

#[test]
fn a_device_that_cannot_be_used_says_why_and_is_answered_at_once() {
    let service = Service::start();
    let comm_key = CommKey::new(7351).unwrap();
    let of = |profile| Config { profile, ..Config::default() };
    let with = |fault| Config { faults: vec![Fault::parse(fault).unwrap()], ..Config::default() };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (case, there, status, code, state) in [
        ("wrong key", Some(Config { comm_key, ..Config::default() }), 502, "auth_failed", "refused"),
        ("secure", Some(of(Profile::Secure)), 502, "unsupported_handshake", "refused"),
        ("panel", Some(of(Profile::Panel)), 502, "unsupported_handshake", "refused"),
        ("http", Some(of(Profile::Http)), 502, "not_a_device", "back_off"),
        ("closed port", None, 503, "device_unreachable", "back_off"),
        ("refuse", Some(with("refuse")), 503, "device_unreachable", "back_off"),
        ("blackhole", Some(with("blackhole")), 503, "device_unreachable", "back_off"),
        ("silent", Some(of(Profile::PushSilent)), 503, "device_unreachable", "back_off"),
    ] {
        let simulator = there.map(|config| Simulator::start(config).unwrap());
        let port = simulator.as_ref().map_or(closed, |simulator| simulator.devices()[0].address().port());
        let body = json!({ "ip_address": "127.0.0.1", "port": port, "transport": "tcp" });
        let id = service.post("/devices", &body).json()["id"].as_str().unwrap().to_owned();
        let path = format!("/devices/{id}");
        let first = service.get(&format!("{path}/time"));
        let problem = first.problem(status, code);
        assert_caused(&problem, &id, code);
        let shown = service.until(&format!("{path}/connection"), |shown| shown["state"] == state);
        assert_eq!(shown["last_error"]["code"], code, "{case}: {shown}");
        assert!(shown["failures"].as_u64() >= Some(1) && shown["retry_at"].is_string(), "{case}: {shown}");
        // From now on nobody waits, whether it is in back-off or being tried again.
        let mut times = Vec::new();
        for _ in 0..20 {
            let again = service.get(&format!("{path}/time"));
            let problem = again.problem(status, code);
            assert_caused(&problem, &id, code);
            assert!(again.header("retry-after").is_some(), "{case}: {problem}");
            times.push(again.took);
        }
        times.sort_unstable();
        assert!(times[10] < Duration::from_millis(300), "{case}: {times:?}");
        assert_eq!(service.get(&path).json()["status"], "down", "{case}");
        assert_eq!(service.delete(&path).status, 204);
    }
}

#[test]
fn a_device_that_could_not_be_reached_is_back_by_itself() {
    let config = Config { faults: vec![Fault::parse("refuse").unwrap()], ..Config::default() };
    let (service, simulator) = (Service::start(), Simulator::start(config).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_with(device, &json!({ "transport": "tcp" }));
    service.until(&format!("/devices/{id}/connection"), |shown| shown["failures"].as_u64() >= Some(2));
    device.clear_faults();
    let shown = service.until_state(&id, "idle");
    assert_eq!((&shown["failures"], &shown["last_error"]), (&json!(0), &Value::Null));
    assert_eq!(service.get(&format!("/devices/{id}")).json()["status"], "up");
}

#[test]
fn a_closed_session_is_noticed_and_renewed_before_anybody_asks() {
    let (service, simulator, id) = one(Config::default());
    for how in [How::Fin, How::Rst] {
        let before = service.connection(&id)["sessions_opened"].as_u64().unwrap();
        simulator.devices()[0].drop_connections(how);
        service.until(&format!("/devices/{id}/connection"), |shown| {
            shown["state"] == "idle" && shown["sessions_opened"].as_u64() > Some(before)
        });
        assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
    }
}

#[test]
fn a_device_that_reboots_is_asked_again_as_soon_as_it_listens() {
    // With the waits that everybody has.
    let home = Setup::new();
    let setup = ["CONNECT_TIMEOUT=3s", "REPLY_TIMEOUT=5s", "BACK_OFF_FIRST=250ms", "BACK_OFF_CAP=60s"];
    let setup = setup.iter().fold(home, |setup, pair| {
        let (name, value) = pair.split_once('=').unwrap();
        setup.set(&format!("ZKGATE_SESSIONS_{name}"), value)
    });
    let (service, simulator) = (setup.start(), Simulator::start(Config::default()).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    let began = Instant::now();
    simulator.devices()[0].reboot(Duration::from_secs(2));
    service.until(&format!("/devices/{id}/connection"), |shown| shown["failures"].as_u64() >= Some(1));
    service.get(&format!("/devices/{id}/serial")).problem(503, "device_unreachable");
    service.until_state(&id, "idle");
    let away = began.elapsed();
    assert!(away < Duration::from_secs(10), "{away:?}");
    assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
}

#[test]
fn a_full_queue_refuses_at_once_and_the_rest_is_served_in_order() {
    let service = patient().set("ZKGATE_SESSIONS_QUEUE_LIMIT", "2").start();
    let simulator = Simulator::start(Config::default()).unwrap();
    let id = service.add_up(&simulator.devices()[0]);
    fault(&simulator.devices()[0], "delay:2s@time");
    let path = format!("/devices/{id}/time");
    std::thread::scope(|scope| {
        let ask = || scope.spawn(|| service.get(&path));
        let queued = |count: u64| {
            service.until(&format!("/devices/{id}/connection"), |shown| {
                shown["state"] == "busy" && shown["queue"] == count
            })
        };
        let first = ask();
        queued(0);
        let second = ask();
        queued(1);
        let third = ask();
        let shown = queued(2);
        assert!(shown["waiting_seconds"].as_f64() > Some(0.0), "{shown}");
        let refused = service.get(&path);
        let problem = refused.problem(503, "queue_full");
        assert_eq!((&problem["device"], &problem["retry_after"]), (&json!(id), &json!(1)));
        assert!(refused.took < Duration::from_millis(1500), "{:?}", refused.took);
        // A door has a place all the same, and goes before those who were there first.
        let door = scope.spawn(|| service.post(&format!("/devices/{id}/unlock"), &json!({ "seconds": 1 })));
        queued(3);
        let first = first.join().unwrap();
        let door = door.join().unwrap();
        assert_eq!((first.status, door.status), (200, 200), "{first:?} {door:?}");
        let [second, third] = [second, third].map(|call| {
            let answer = call.join().unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.took
        });
        assert!(first.took < second && second < third, "{:?} {second:?} {third:?}", first.took);
        assert!(door.took < second, "{:?} {second:?}", door.took);
    });
}

#[test]
fn a_deadline_is_kept_in_the_queue_and_in_the_call() {
    let (service, simulator) = (patient().start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    fault(device, "delay:3s@time");
    let path = format!("/devices/{id}/time");
    let near = |answer: &Answer, seconds: f64| {
        let took = answer.took.as_secs_f64();
        assert!((seconds - 0.02..seconds + 2.0).contains(&took), "{took}");
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.get(&path));
        service.until_state(&id, "busy");
        let late = service.get(&format!("{path}?timeout=0.2"));
        assert_eq!(late.problem(504, "deadline_exceeded")["device"], id.as_str());
        near(&late, 0.2);
        assert_eq!(first.join().unwrap().status, 200);
    });
    let late = service.get(&format!("{path}?timeout=0.3"));
    let problem = late.problem(504, "deadline_exceeded");
    assert_caused(&problem, &id, "deadline_exceeded");
    near(&late, 0.3);
    device.clear_faults();
    eventually("the next call works", || service.get(&path).status == 200);
}

#[test]
fn a_short_read_is_an_error_with_its_numbers_and_the_next_one_is_whole() {
    let (service, simulator, id) = one(Config { users: 50, punches: 2000, ..Config::default() });
    let device = &simulator.devices()[0];
    for (name, table) in
        [("truncate:40", "attendance"), ("truncate:72", "users"), ("missing-fragment", "attendance")]
    {
        fault(device, name);
        let path = format!("/devices/{id}/{table}");
        let problem = service.get(&path).problem(502, "incomplete_read");
        let (announced, received) = (&problem["transfer"]["announced"], &problem["transfer"]["received"]);
        assert!(received.as_u64().unwrap() < announced.as_u64().unwrap(), "{name}: {problem}");
        assert_eq!(problem["device"], id.as_str());
        device.clear_faults();
        eventually("the next read is whole", || {
            let whole = service.get(&path);
            let count = if table == "users" { 50 } else { 2000 };
            whole.status == 200 && whole.json()["count"] == count
        });
    }
}

#[test]
fn an_effect_whose_answer_is_lost_is_never_repeated() {
    let (service, simulator, id) = one(Config::default());
    let device = &simulator.devices()[0];
    let (set_time, test_voice, restart) = (202, 1017, 1004);
    for (code, method, path, body) in [
        (set_time, "PUT", "time", json!({ "time": "2030-01-01T00:00:00" })),
        (test_voice, "POST", "test-voice", json!({})),
    ] {
        for lost in ["swallow", "rst:0", "close:0"] {
            service.until_state(&id, "idle");
            let before = device.counters().command(code);
            fault(device, &format!("{lost}@{code}*1"));
            let answer = service.ask(method, &format!("/devices/{id}/{path}"), Some(&body));
            let problem = answer.problem(502, "outcome_unknown");
            assert!(answer.header("retry-after").is_none(), "nobody should simply try again: {problem}");
            assert_eq!(problem["reached_device"], "perhaps");
            device.clear_faults();
            assert_eq!(service.post(&format!("/devices/{id}/connect"), &json!({})).status, 200);
            assert_eq!(device.counters().command(code), before + 1, "{path}: {lost}");
        }
    }
    // Some firmware restarts without a word: silence is the expected answer, and it is asked once.
    fault(device, &format!("swallow@{restart}*1"));
    let answer = service.post(&format!("/devices/{id}/restart"), &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(device.counters().command(restart), 1);
}

#[test]
fn a_read_that_breaks_on_a_stale_session_is_made_again_unnoticed() {
    let (service, simulator, id) = one(Config { users: 5, ..Config::default() });
    let device = &simulator.devices()[0];
    for broken in ["rst:0@time*1", "close:4@time*1", "forget@time*1", "wrong-checksum@time*1"] {
        fault(device, broken);
        let answer = service.get(&format!("/devices/{id}/time"));
        assert_eq!(answer.status, 200, "{broken}: {answer:?}");
    }
    assert_eq!(service.connection(&id)["last_error"], Value::Null);
}

#[test]
fn one_dead_device_costs_the_others_nothing() {
    let service = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "3s").start();
    let simulator = Simulator::start(Config { devices: 4, ..Config::default() }).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    fault(&simulator.devices()[0], "silent");
    std::thread::scope(|scope| {
        let dead = scope.spawn(|| service.get(&format!("/devices/{}/users", ids[0])));
        for _ in 0..20 {
            for id in &ids[1..] {
                let answer = service.get(&format!("/devices/{id}/time"));
                assert_eq!(answer.status, 200, "{answer:?}");
                assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
            }
        }
        let answer = dead.join().unwrap();
        assert!(answer.status >= 500 && answer.json()["device"] == ids[0].as_str(), "{answer:?}");
    });
}
