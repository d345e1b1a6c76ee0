//! The device list: made, shown, filtered, paged, changed, deleted.

use serde_json::{Value, json};
use zkgate::simulator::{Config, Simulator};
use zkgate::wire::comm_key::CommKey;

use crate::service::{Service, Setup, eventually};

fn devices(count: usize) -> Simulator {
    Simulator::start(Config { devices: count, users: 3, punches: 5, ..Config::default() }).unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|device| device["id"].as_str().unwrap()).collect()
}

#[test]
fn a_device_is_made_shown_and_gets_a_session() {
    let (service, simulator) = (Service::start(), devices(1));
    let device = simulator.device(0).unwrap();
    let made = service.post(
        "/devices",
        &json!({
            "name": "Gate", "ip_address": "127.0.0.1", "port": device.address().port(), "comm_key": "7351",
            "transport": "tcp", "mode": "persistent", "timezone": "Asia/Baghdad", "enabled": true,
        }),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.json();
    let id = shown["id"].as_str().unwrap();
    assert_eq!(made.header("location"), Some(format!("/api/v1/devices/{id}").as_str()));
    for (field, value) in [
        ("name", json!("Gate")),
        ("ip_address", json!("127.0.0.1")),
        ("port", json!(device.address().port())),
        ("comm_key_set", json!(true)),
        ("transport", json!("tcp")),
        ("mode", json!("persistent")),
        ("timezone", json!("Asia/Baghdad")),
        ("enabled", json!(true)),
        ("problem", Value::Null),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    assert!(shown.get("comm_key").is_none(), "the key is write-only: {shown}");
    // A device without a comm key takes any.
    service.until_state(id, "idle");
    let one = service.get(&format!("/devices/{id}")).json();
    assert_eq!((&one["status"], &one["state"], &one["name"]), (&json!("up"), &json!("idle"), &shown["name"]));
    let listed = service.get("/devices").json();
    assert_eq!((listed["count"].as_u64(), listed["total"].as_u64()), (Some(1), Some(1)));
    assert_eq!(listed["data"][0]["id"], one["id"]);
}

#[test]
fn a_probe_fills_in_what_a_living_device_says_and_makes_a_dead_one_all_the_same() {
    let (service, simulator) = (Service::start(), devices(1));
    let device = simulator.device(0).unwrap();
    let body = json!({ "ip_address": "127.0.0.1", "port": device.address().port(), "probe": true });
    let made = service.post("/devices", &body);
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.json();
    assert_eq!(shown["probe"]["ok"], true, "{shown}");
    assert_eq!(shown["serial_number"], device.serial_number());
    assert_eq!(shown["probe"]["info"]["users"], 3);
    assert_eq!(shown["firmware_version"], "Ver 6.60 (build39)");
    let path = format!("/devices/{}", shown["id"].as_str().unwrap());
    service.until(&path, |stored| stored["serial_number"] == device.serial_number());

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = json!({ "ip_address": "127.0.0.1", "port": closed, "probe": true, "transport": "tcp" });
    let made = service.post("/devices", &dead);
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.json();
    assert_eq!(
        (&shown["probe"]["ok"], &shown["probe"]["code"]),
        (&json!(false), &json!("device_unreachable"))
    );
    assert_eq!(service.get(&format!("/devices/{}", shown["id"].as_str().unwrap())).status, 200);

    let off = json!({ "ip_address": "127.0.0.1", "port": 1, "probe": true, "enabled": false });
    let shown = service.post("/devices", &off).json();
    assert_eq!(shown["probe"]["code"], "device_disabled", "{shown}");
}

#[test]
fn pages_follow_each_other_without_gap_even_when_their_last_device_is_deleted() {
    let service = Service::start();
    for number in 1..=12 {
        let body = json!({ "ip_address": "127.0.0.1", "port": number, "enabled": false });
        assert_eq!(service.post("/devices", &body).status, 201);
    }
    let first = service.get("/devices?limit=5").json();
    assert_eq!(ids(&first), ["1", "2", "3", "4", "5"]);
    assert_eq!((&first["total"], &first["next_after"]), (&json!(12), &json!("5")));
    assert_eq!(service.delete("/devices/5").status, 204);
    let second = service.get("/devices?limit=5&after=5").json();
    assert_eq!(ids(&second), ["6", "7", "8", "9", "10"], "by number, not by letter");
    let last = service.get("/devices?limit=5&after=10").json();
    assert_eq!((ids(&last), &last["next_after"]), (vec!["11", "12"], &Value::Null));
    assert!(ids(&service.get("/devices?after=zzz").json()).is_empty());
}

#[test]
fn every_filter_finds_its_devices_and_no_others() {
    let (service, simulator) = (Service::start(), devices(2));
    let up = service.add_with(&simulator.devices()[0], &json!({ "name": "Hall North", "probe": true }));
    let off = service.add_with(&simulator.devices()[1], &json!({ "name": "hall south", "enabled": false }));
    let elsewhere = json!({ "ip_address": "127.0.0.9", "port": 9, "name": "Gate", "enabled": false });
    let gate = service.post("/devices", &elsewhere).json()["id"].as_str().unwrap().to_owned();
    service.until_state(&up, "idle");
    let serial = simulator.devices()[0].serial_number();
    service.until(&format!("/devices?serial_number={serial}"), |list| list["total"] == 1);
    for (query, expected) in [
        ("enabled=true", vec![&up]),
        ("enabled=false", vec![&off, &gate]),
        ("state=idle", vec![&up]),
        ("state=disabled", vec![&off, &gate]),
        ("name=HALL", vec![&up, &off]),
        ("name=hall&enabled=false", vec![&off]),
        ("ip_address=127.0.0.9", vec![&gate]),
        (&format!("serial_number={serial}"), vec![&up]),
        ("serial_number=none", vec![]),
        ("enabled=false&limit=1", vec![&off]),
    ] {
        let list = service.get(&format!("/devices?{query}")).json();
        assert_eq!(ids(&list), expected, "{query}");
    }
}

#[test]
fn each_field_can_be_changed_alone() {
    let service = Service::start();
    let made = service.post("/devices", &json!({ "ip_address": "127.0.0.1", "port": 7, "enabled": false }));
    let path = format!("/devices/{}", made.json()["id"].as_str().unwrap());
    let mut expected = service.get(&path).json();
    for (field, value) in [
        ("name", json!("Entrance")),
        ("ip_address", json!("127.0.0.2")),
        ("port", json!(4371)),
        ("transport", json!("udp")),
        ("mode", json!("on_demand")),
        ("timezone", json!("Asia/Tokyo")),
        ("timezone", Value::Null),
        ("enabled", json!(true)),
        ("enabled", json!(false)),
    ] {
        let changed = service.patch(&path, &json!({ field: value }));
        assert_eq!(changed.status, 200, "{field}: {changed:?}");
        expected[field] = value;
        let mut shown = changed.json();
        for moving in ["updated_at", "state", "status"] {
            shown[moving] = expected[moving].clone();
        }
        assert_eq!(shown, expected, "{field}");
    }
    assert_eq!(service.get(&path).json()["comm_key_set"], false);
    assert_eq!(service.patch(&path, &json!({ "comm_key": 12345 })).json()["comm_key_set"], true);
    assert_eq!(service.patch(&path, &json!({ "comm_key": "0" })).json()["comm_key_set"], false);
}

#[test]
fn a_new_comm_key_or_address_is_used_at_once() {
    let service = Service::start();
    let comm_key = CommKey::new(7351).unwrap();
    let locked = Simulator::start(Config { comm_key, ..Config::default() }).unwrap();
    let open = devices(1);
    let id = service.add(&locked.devices()[0]);
    service.until_state(&id, "refused");
    assert_eq!(service.patch(&format!("/devices/{id}"), &json!({ "comm_key": 7351 })).status, 200);
    service.until_state(&id, "idle");
    let address = open.devices()[0].address();
    let moved = service.patch(&format!("/devices/{id}"), &json!({ "port": address.port() }));
    assert_eq!(moved.status, 200, "{moved:?}");
    eventually("the old one is told goodbye", || locked.devices()[0].counters().exits == 1);
    let serial = service.get(&format!("/devices/{id}/serial"));
    assert_eq!(serial.json()["serial_number"], open.devices()[0].serial_number());
}

#[test]
fn deleting_a_device_says_goodbye_to_it() {
    let (service, simulator) = (Service::start(), devices(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let path = format!("/devices/{id}");
    assert_eq!(service.delete(&path).status, 204);
    service.get(&path).problem(404, "not_found");
    service.delete(&path).problem(404, "not_found");
    eventually("it was told goodbye", || device.counters().exits == 1 && device.sessions() == 0);
    service.until("/connections", |all| all["count"] == 0);
    // The id is not used again.
    assert_ne!(service.add_up(device), id);
}

#[test]
fn two_devices_cannot_be_enabled_at_one_address() {
    let service = Service::start();
    let body = json!({ "ip_address": "127.0.0.1", "port": 7, "name": "First" });
    let first = service.post("/devices", &body).json()["id"].clone();
    assert_eq!(service.post("/devices", &body).problem(409, "address_in_use")["other_device"], first);
    let body = json!({ "ip_address": "127.0.0.1", "port": 7, "enabled": false });
    let second = service.post("/devices", &body).json()["id"].as_str().unwrap().to_owned();
    let refused = service.patch(&format!("/devices/{second}"), &json!({ "enabled": true }));
    let problem = refused.problem(409, "address_in_use");
    assert_eq!((&problem["device"], &problem["other_device"]), (&json!(second), &first));
}

#[test]
fn a_device_on_demand_has_a_session_only_while_it_is_asked() {
    let service = Setup::new().set("ZKGATE_SESSIONS_ON_DEMAND_IDLE", "1s").start();
    let simulator = devices(1);
    let device = &simulator.devices()[0];
    let id = service.add_with(device, &json!({ "mode": "on_demand" }));
    assert_eq!(service.connection(&id)["state"], "absent");
    assert_eq!(device.counters().sessions, 0);
    assert_eq!(service.get(&format!("/devices/{id}/serial")).status, 200);
    service.until_state(&id, "absent");
    eventually("it was told goodbye", || device.counters().exits == 1);
    assert_eq!(device.counters().sessions, 1);
}
