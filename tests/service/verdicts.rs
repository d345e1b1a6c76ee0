//! Connection tests: each step with its milliseconds, and one plain word for what is the matter.

use std::net::TcpListener;

use serde_json::{Value, json};
use zkgate::simulator::{Config, Fault, Profile, Simulator};
use zkgate::wire::comm_key::CommKey;

use crate::service::{Answer, Service};

/// What stands behind an address: its port, and what keeps it.
fn behind(config: Config, faults: &[&str]) -> (u16, Simulator) {
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    faults.iter().for_each(|fault| device.set_fault(Fault::parse(fault).unwrap()));
    (device.address().port(), simulator)
}

fn assert_report(answer: &Answer, verdict: &str, steps: &[&str], case: &str) -> Value {
    assert_eq!(answer.status, 200, "{case}: {answer:?}");
    let report = answer.json();
    assert_eq!(
        (&report["verdict"], &report["ok"]),
        (&json!(verdict), &json!(verdict == "ok")),
        "{case}: {report}"
    );
    let taken: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(taken, steps, "{case}: {report}");
    for step in report["steps"].as_array().unwrap() {
        assert!(step["ms"].as_f64().is_some_and(|ms| (0.0..5000.0).contains(&ms)), "{case}: {report}");
    }
    let last = report["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(last["ok"], verdict == "ok", "{case}: {report}");
    if verdict != "ok" {
        assert!(report["advice"].as_str().is_some_and(|advice| advice.len() > 10), "{case}: {report}");
        assert!(report["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{case}: {report}");
    }
    report
}

#[test]
fn every_verdict_is_reached_before_and_after_a_device_is_registered() {
    let service = Service::start();
    let with_key = || Config { comm_key: CommKey::new(7351).unwrap(), ..Config::default() };
    let of = |profile| Config { profile, ..Config::default() };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let reach: &[&str] = &["reach"];
    let shake: &[&str] = &["reach", "handshake"];
    for (case, there, key, verdict, steps) in [
        ("a device", Some(behind(Config::default(), &[])), 0, "ok", &["reach", "handshake", "identify"][..]),
        (
            "with a key",
            Some(behind(with_key(), &[])),
            7351,
            "ok",
            &["reach", "handshake", "authenticate", "identify"],
        ),
        (
            "wrong key",
            Some(behind(with_key(), &[])),
            7352,
            "wrong_comm_key",
            &["reach", "handshake", "authenticate"],
        ),
        ("nothing there", None, 0, "refused", reach),
        ("blackhole", Some(behind(Config::default(), &["blackhole"])), 0, "unreachable", reach),
        ("silent", Some(behind(of(Profile::PushSilent), &[])), 0, "silent", shake),
        ("secure", Some(behind(of(Profile::Secure), &[])), 0, "unsupported_handshake", shake),
        ("panel", Some(behind(of(Profile::Panel), &[])), 0, "unsupported_handshake", shake),
        ("occupied", Some(behind(Config::default(), &["rst:0@connect"])), 0, "busy", shake),
        ("occupied politely", Some(behind(Config::default(), &["close:0@connect"])), 0, "busy", shake),
        ("web server", Some(behind(of(Profile::Http), &[])), 0, "not_a_device", shake),
    ] {
        let port = there.as_ref().map_or(closed, |(port, _)| *port);
        let body = json!({ "ip_address": "127.0.0.1", "port": port, "comm_key": key, "transport": "tcp" });
        let report = assert_report(&service.post("/devices/test-connection", &body), verdict, steps, case);
        if let (true, Some((_, simulator))) = (verdict == "ok", &there) {
            assert_eq!(report["serial_number"], simulator.devices()[0].serial_number());
            // A test leaves no session behind.
            crate::service::eventually("goodbye", || simulator.devices()[0].sessions() == 0);
        }
        let id = service.post("/devices", &body).json()["id"].as_str().unwrap().to_owned();
        let test = service.post(&format!("/devices/{id}/test"), &json!({}));
        assert_report(&test, verdict, steps, case);
        let state = match verdict {
            "ok" => "idle",
            "wrong_comm_key" | "unsupported_handshake" => "refused",
            _ => "back_off",
        };
        service.until(&format!("/devices/{id}/connection"), |shown| {
            // In back-off it is tried again and again.
            let is_there = shown["state"] == state || (state == "back_off" && shown["state"] == "connecting");
            is_there && shown["last_error"].is_null() == (verdict == "ok")
        });
        assert_eq!(service.delete(&format!("/devices/{id}")).status, 204);
    }
}

#[test]
fn auto_tries_tcp_and_then_udp_and_says_both() {
    let service = Service::start();
    let (port, _old) = behind(Config { profile: Profile::OldUdp, ..Config::default() }, &[]);
    let body = json!({ "ip_address": "127.0.0.1", "port": port });
    let report = service.post("/devices/test-connection", &body).json();
    assert_eq!((&report["verdict"], &report["transport"]), (&json!("ok"), &json!("udp")), "{report}");
    let tried: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["transport"].as_str().unwrap()).collect();
    assert!(tried.contains(&"tcp") && tried.last() == Some(&"udp"), "{report}");
}

#[test]
fn an_address_with_a_living_session_is_not_disturbed() {
    let (service, simulator) = (Service::start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let body = json!({ "ip_address": "127.0.0.1", "port": device.address().port() });
    let refused = service.post("/devices/test-connection", &body);
    assert_eq!(refused.problem(409, "device_connected")["device"], id.as_str());
    assert_eq!(device.counters().sessions, 1);
    // Testing the device itself makes a new session in place of the old one.
    let test = service.post(&format!("/devices/{id}/test"), &json!({}));
    assert_eq!(test.json()["verdict"], "ok", "{test:?}");
    assert_eq!((device.counters().sessions, device.counters().exits), (2, 1));
    service.until_state(&id, "idle");
}

#[test]
fn a_test_ends_with_its_own_deadline() {
    let service = Service::start();
    let (port, _silent) = behind(Config { profile: Profile::PushSilent, ..Config::default() }, &[]);
    let body = json!({ "ip_address": "127.0.0.1", "port": port, "transport": "tcp" });
    let late = service.post("/devices/test-connection?timeout=0.1", &body);
    match late.status {
        200 => assert_eq!(late.json()["ok"], false, "{late:?}"),
        _ => drop(late.problem(504, "deadline_exceeded")),
    }
    assert!(late.took.as_secs_f64() < 0.3, "{:?}", late.took);
    let id = service.post("/devices", &body).json()["id"].as_str().unwrap().to_owned();
    let late = service.post(&format!("/devices/{id}/test?timeout=0.1"), &json!({}));
    assert_eq!(late.problem(504, "deadline_exceeded")["device"], id.as_str());
    assert!(late.took.as_secs_f64() < 0.3, "{:?}", late.took);
}
