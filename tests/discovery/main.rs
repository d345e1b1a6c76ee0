//! Looking for devices on the network, with the real program and simulated devices on several loopback addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};
use zkgate::simulator::{Config, Fault, Profile, Simulator};
use zkgate::wire::comm_key::CommKey;

use service::{Service, eventually};

/// A device at this loopback address, at a port that may be given.
fn at(host: u8, port: u16, config: Config) -> (Simulator, u16) {
    let simulator = Simulator::start(Config {
        listen: Ipv4Addr::new(127, 0, 7, host).into(),
        first_port: port,
        ..config
    })
    .unwrap();
    let port = simulator.devices()[0].address().port();
    (simulator, port)
}

fn over(service: &Service, begun: &Value) -> Value {
    service.until(&format!("/operations/{}?wait=10", begun["id"]), |shown| {
        !["queued", "running"].contains(&shown["state"].as_str().unwrap())
    })
}

/// Who was found, by the last part of the address: verdict and transport.
fn told(result: &Value) -> Vec<(u8, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = result["found"].as_array().unwrap().iter();
    found
        .map(|found| {
            let address: Ipv4Addr = found["ip_address"].as_str().unwrap().parse().unwrap();
            (address.octets()[3], text(&found["verdict"]), text(&found["transport"]))
        })
        .collect()
}

#[test]
fn everybody_in_the_range_is_found_told_apart_and_left_alone() {
    let service = Service::start();
    let (plain, port) = at(3, 0, Config::default());
    let (locked, _) = at(4, port, Config { comm_key: CommKey::new(7351).unwrap(), ..Config::default() });
    let (old, _) = at(5, port, Config { profile: Profile::OldUdp, ..Config::default() });
    let (ours, _) = at(6, port, Config::default());
    let stranger = TcpListener::bind((Ipv4Addr::new(127, 0, 7, 7), port)).unwrap();
    let (web, _) = at(8, port, Config { profile: Profile::Http, ..Config::default() });
    let id = service.add_up(&ours.devices()[0]);
    let before = ours.devices()[0].counters();

    let body = json!({ "range": "127.0.7.1-127.0.7.9", "ports": [port] });
    let begun = service.post("/discovery", &body);
    assert_eq!(begun.status, 202, "{begun:?}");
    service.post("/discovery", &body).problem(409, "discovery_running");
    let ended = over(&service, &begun.json());
    assert_eq!((&ended["state"], &ended["kind"]), (&json!("done"), &json!("discovery")), "{ended}");
    assert_eq!(ended["progress"], json!({ "done": 9, "total": 9 }));
    let result = &ended["result"];
    assert_eq!((&result["looked_at"], &result["complete"]), (&json!(9), &json!(true)));
    let expected = [
        (3, "ok", "tcp"),
        (4, "wrong_comm_key", "tcp"),
        (5, "ok", "udp"),
        (6, "registered", ""),
        (7, "silent", "tcp"),
        (8, "not_a_device", "tcp"),
    ];
    let expected = expected.map(|(host, verdict, carrier)| (host, verdict.to_owned(), carrier.to_owned()));
    let mut found = told(result);
    // A silent stranger is tried over UDP as well.
    found.iter_mut().filter(|found| found.0 == 7).for_each(|found| found.2 = "tcp".to_owned());
    assert_eq!(found, expected, "{result}");

    let first = &result["found"][0];
    assert_eq!(first["serial_number"], plain.devices()[0].serial_number());
    assert!(first["firmware_version"].is_string() && first["platform"].is_string(), "{first}");
    assert_eq!(result["found"][3]["device_id"], id.as_str());
    assert_eq!(result["found"][3]["register"], Value::Null);
    // Nobody is left with a session, and ours was not touched.
    for simulator in [&plain, &locked, &old, &web] {
        eventually("goodbye", || simulator.devices()[0].sessions() == 0);
    }
    let after = ours.devices()[0].counters();
    assert_eq!((after.sessions, after.connections), (before.sessions, before.connections));
    // What is offered registers it.
    let made = service.post("/devices", &first["register"]);
    assert_eq!(made.status, 201, "{made:?}");
    service.until_state(made.json()["id"].as_str().unwrap(), "idle");
    drop(stranger);
}

#[test]
fn the_right_comm_key_opens_and_is_never_told() {
    let service = Service::start();
    let (locked, port) = at(20, 0, Config { comm_key: CommKey::new(735_135).unwrap(), ..Config::default() });
    let body = json!({ "range": "127.0.7.20", "ports": [port], "transports": ["udp"], "comm_key": 735_135 });
    let ended = over(&service, &service.post("/discovery", &body).json());
    assert_eq!(told(&ended["result"]), [(20, "ok".to_owned(), "udp".to_owned())], "{ended}");
    assert_eq!(ended["result"]["found"][0]["serial_number"], locked.devices()[0].serial_number());
    let audit = service.get("/audit").json().to_string();
    assert!(!(ended.to_string() + &audit + &service.log()).contains("735135"));
}

#[test]
fn a_scan_is_cancelled_and_says_how_far_it_came() {
    let service = Service::start();
    let (device, port) = at(31, 0, Config::default());
    let body = json!({ "range": "127.0.7.31-127.0.8.30", "ports": [port], "rate": 1, "transports": ["tcp"] });
    let begun = service.post("/discovery", &body).json();
    let path = format!("/operations/{}", begun["id"]);
    let shown = service.until(&path, |shown| !shown["events"].as_array().unwrap().is_empty());
    assert_eq!(shown["events"][0]["event"], "found");
    assert_eq!(service.post(&format!("{path}/cancel"), &json!({})).json()["cancelling"], true);
    let ended = over(&service, &begun);
    assert_eq!(
        (&ended["state"], &ended["result"]["complete"]),
        (&json!("cancelled"), &json!(false)),
        "{ended}"
    );
    let looked_at = ended["result"]["looked_at"].as_u64().unwrap();
    assert!((1..10).contains(&looked_at), "one in a second: {looked_at}");
    assert_eq!(told(&ended["result"]).len(), 1);
    assert_eq!(device.devices()[0].sessions(), 0);
    // The place is free again.
    let again = service.until_begun(&json!({ "range": "127.0.7.31", "ports": [port] }));
    assert_eq!(over(&service, &again)["state"], "done");
}

#[test]
fn a_range_that_is_too_large_too_far_or_none_is_refused() {
    let service = Service::start();
    for (body, field) in [
        (json!({ "range": "10.0.0.0/8" }), "range"),
        (json!({ "range": "somewhere" }), "range"),
        (json!({ "range": "127.0.0.9-127.0.0.1" }), "range"),
        (json!({ "range": "127.0.0.1", "ports": [] }), "ports"),
        (json!({ "range": "127.0.0.1", "ports": [1, 2, 3, 4, 5] }), "ports"),
        (json!({ "range": "127.0.0.1", "ports": [0] }), "ports"),
        (json!({ "range": "127.0.0.1", "transports": [] }), "transports"),
        (json!({ "range": "127.0.0.1", "rate": 0 }), "rate"),
        (json!({ "range": "127.0.0.1", "rate": 1000 }), "rate"),
    ] {
        assert_eq!(service.post("/discovery", &body).problem(422, "invalid_value")["field"], field, "{body}");
    }
    // TEST-NET-3 is nobody's network.
    service.post("/discovery", &json!({ "range": "203.0.113.0/30" })).problem(422, "foreign_network");
    let made = service.post("/tokens", &json!({ "name": "x", "scopes": ["operate"] })).json();
    let token = made["token"].as_str().unwrap();
    let body = json!({ "range": "127.0.0.1" });
    service.as_somebody(token, "POST", "/discovery", Some(&body)).problem(403, "scope_needed");
    assert!(service.get("/operations").json()["data"].as_array().unwrap().is_empty());
}

#[test]
fn a_scan_over_dead_addresses_holds_up_no_device() {
    let service = Service::start();
    let (device, _) = at(60, 0, Config::default());
    let id = service.add_up(&device.devices()[0]);
    let (dead, port) =
        at(61, 0, Config { faults: vec![Fault::parse("blackhole").unwrap()], ..Config::default() });
    let body = json!({ "range": "127.0.7.61-127.0.7.120", "ports": [port], "rate": 200 });
    let begun = service.post("/discovery", &body).json();
    for _ in 0..20 {
        let answer = service.get(&format!("/devices/{id}/time"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
    }
    assert_eq!(over(&service, &begun)["state"], "done");
    drop(dead);
}

impl Service {
    /// Begins a scan as soon as none is running.
    fn until_begun(&self, body: &Value) -> Value {
        let mut begun = None;
        eventually("a scan begins", || {
            let answer = self.post("/discovery", body);
            begun = (answer.status == 202).then(|| answer.json());
            begun.is_some()
        });
        begun.unwrap()
    }
}
