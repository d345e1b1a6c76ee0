//! What is read from devices, compared with what they hold.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};

use zkgate::wire::record::punch::Punch;

use crate::service::{Service, eventually};

fn start(config: Config) -> (Service, Simulator, String) {
    let (service, simulator) = (Service::start(), Simulator::start(config).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    (service, simulator, id)
}

fn expected_users(device: &DeviceHandle) -> Vec<Value> {
    let users = device.users();
    let shown = users.iter().map(|user| {
        json!({
            "user_id": user.user_id.to_text(), "uid": user.uid, "name": user.name.to_text(),
            "privilege_code": user.privilege.0, "card_number": user.card_number, "group": user.group,
            "has_password": !user.password.expose().is_empty(),
        })
    });
    shown.collect()
}

fn expected_punches(device: &DeviceHandle) -> Vec<Value> {
    let (punches, users) = (device.punches(), device.users());
    // The oldest layout knows only the index.
    let who = |punch: &Punch| match punch.user_id.is_empty() {
        false => punch.user_id,
        true => users.iter().find(|user| Some(user.uid) == punch.uid).unwrap().user_id,
    };
    let shown = punches.iter().map(|punch| {
        json!({
            "user_id": who(punch).to_text(), "timestamp": punch.time.fields().to_string(),
            "punch_state": punch.punch_state, "verify_mode": punch.verify_mode, "work_code": punch.work_code,
        })
    });
    shown.collect()
}

/// Every row has at least the members of its expected row.
fn assert_rows(rows: &Value, expected: &[Value], case: &str) {
    let rows = rows["data"].as_array().unwrap();
    assert_eq!(rows.len(), expected.len(), "{case}");
    for (row, expected) in rows.iter().zip(expected) {
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&row[name], value, "{case}: {name} of {row}");
        }
    }
}

#[test]
fn users_and_punches_are_those_of_the_device_record_for_record() {
    let service = Service::start();
    for profile in [Profile::Tft, Profile::OldUdp, Profile::Bw16Udp, Profile::Vl49, Profile::TftDirectBroken]
    {
        let config = Config { profile, users: 120, punches: 700, ..Config::default() };
        let simulator = Simulator::start(config).unwrap();
        let device = &simulator.devices()[0];
        let id = service.add_up(device);
        let users = service.get(&format!("/devices/{id}/users"));
        assert_eq!(users.status, 200, "{profile}: {users:?}");
        let (users, expected) = (users.json(), expected_users(device));
        assert_eq!((&users["count"], &users["complete"]), (&json!(120), &json!(true)), "{profile}");
        assert_rows(&users, &expected, profile.name());
        let punches = service.get(&format!("/devices/{id}/attendance"));
        assert_eq!(punches.status, 200, "{profile}: {punches:?}");
        let (punches, expected) = (punches.json(), expected_punches(device));
        assert_eq!((&punches["count"], &punches["complete"]), (&json!(700), &json!(true)), "{profile}");
        assert_rows(&punches, &expected, profile.name());
        service.delete(&format!("/devices/{id}"));
    }
}

#[test]
fn an_empty_device_has_no_users_and_no_punches() {
    let (service, _simulator, id) = start(Config::default());
    let none = json!([]);
    let users = service.get(&format!("/devices/{id}/users")).json();
    assert_eq!((&users["count"], &users["complete"], &users["data"]), (&json!(0), &json!(true), &none));
    let punches = service.get(&format!("/devices/{id}/attendance")).json();
    assert_eq!((&punches["count"], &punches["complete"], &punches["data"]), (&json!(0), &json!(true), &none));
}

#[test]
fn odd_records_are_told_as_what_they_are() {
    let config = Config { users: 10, punches: 100, ..Config::default() };
    let (service, simulator, id) = start(config);
    let device = &simulator.devices()[0];
    device.set_fault(Fault::parse("impossible-dates:10").unwrap());
    device.set_fault(Fault::parse("gbk-names").unwrap());
    let punches = service.get(&format!("/devices/{id}/attendance")).json();
    let odd = punches["data"].as_array().unwrap().iter().filter(|punch| punch["impossible_time"] == true);
    assert_eq!((&punches["count"], odd.count()), (&json!(100), 10));
    let users = service.get(&format!("/devices/{id}/users"));
    assert_eq!(users.json()["count"], 10, "whatever the bytes of a name, the answer is JSON");
    device.clear_faults();
    device.set_fault(Fault::parse("blank-records:10").unwrap());
    let punches = service.get(&format!("/devices/{id}/attendance")).json();
    assert_eq!((&punches["count"], &punches["blank"]), (&json!(90), &json!(10)));
}

#[test]
fn drift_is_how_far_the_devices_clock_is_ahead_of_its_own_zone() {
    let service = Service::start();
    let zone = "Asia/Ho_Chi_Minh";
    // The device shows its zone's time, 90 s fast.
    let there = TimeZone::get(zone).unwrap().to_datetime(jiff::Timestamp::now());
    let here = jiff::ZonedDateTime::now().datetime();
    let ahead = there.duration_since(here) + SignedDuration::from_secs(90);
    let simulator = Simulator::start(Config { clock_offset: ahead, ..Config::default() }).unwrap();
    let device = &simulator.devices()[0];
    let id = service.add_with(device, &json!({ "timezone": zone }));
    let path = format!("/devices/{id}/time");
    let near = |drift: &Value, expected: i64| (drift.as_i64().unwrap() - expected).abs() <= 2;
    let time = service.get(&path).json();
    assert!(near(&time["drift_seconds"], 90), "{time}");
    assert_eq!((&time["timezone"], &time["device_time_exists"]), (&json!(zone), &json!(true)));
    let host: DateTime = time["host_time"].as_str().unwrap().parse().unwrap();
    assert!(host.duration_since(there).abs() < SignedDuration::from_secs(20), "{time}");

    // Without a time: now, in the device's zone.
    let set = service.put(&path, &json!({}));
    assert_eq!(set.status, 200, "{set:?}");
    assert!(near(&set.json()["drift_seconds"], 0), "{set:?}");
    let shown: DateTime = device.clock().to_string().parse().unwrap();
    assert!(shown.duration_since(there).abs() < SignedDuration::from_secs(20), "{shown}");
    let set = service.put(&path, &json!({ "time": "2030-02-28T23:59:58" }));
    assert!(set.json()["device_time"].as_str().unwrap().starts_with("2030-0"), "{set:?}");
    assert_eq!(device.clock().year, 2030);
    service.put(&path, &json!({ "time": "2030-02-28T23:59:58Z" })).problem(400, "invalid_body");
}

#[test]
fn info_serial_and_capacity_are_what_the_device_says_and_null_where_it_says_nothing() {
    let (service, simulator, id) =
        start(Config { users: 12, punches: 34, templates: 5, ..Config::default() });
    let serial = simulator.devices()[0].serial_number();
    let info = service.get(&format!("/devices/{id}/info")).json();
    for (field, value) in [
        ("serial_number", json!(serial)),
        ("device_name", json!("K40")),
        ("platform", json!("ZMM220_TFT")),
        ("firmware_version", json!("Ver 6.60 (build39)")),
        ("users", json!(12)),
        ("attendance", json!(34)),
        ("fingerprints", json!(5)),
    ] {
        assert_eq!(info[field], value, "{field}: {info}");
    }
    assert_eq!(service.get(&format!("/devices/{id}/serial")).json(), json!({ "serial_number": serial }));
    let capacity = service.get(&format!("/devices/{id}/capacity")).json();
    let users = &capacity["users"];
    assert_eq!((&users["used"], &capacity["attendance"]["used"]), (&json!(12), &json!(34)));
    let (capacity, free) = (users["capacity"].as_u64().unwrap(), users["free"].as_u64().unwrap());
    assert_eq!(free, capacity - 12);

    let poor = Simulator::start(Config { profile: Profile::D2, ..Config::default() }).unwrap();
    let id = service.add_up(&poor.devices()[0]);
    for what in ["info", "capacity"] {
        let answer = service.get(&format!("/devices/{id}/{what}"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!(service.get(&format!("/devices/{id}/info")).json()["device_name"], Value::Null);
}

#[test]
fn a_refresh_is_remembered_by_the_next_run() {
    let (mut service, simulator, id) = start(Config { users: 2, ..Config::default() });
    let serial = simulator.devices()[0].serial_number();
    assert_eq!(service.get(&format!("/devices/{id}")).json()["serial_number"], Value::Null);
    let refreshed = service.post(&format!("/devices/{id}/info/refresh"), &json!({}));
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let refreshed = refreshed.json();
    assert_eq!((&refreshed["serial_number"], &refreshed["info"]["users"]), (&json!(serial), &json!(2)));
    assert_eq!(service.stop().0, Some(0));
    drop(simulator);
    let again = service.setup.again().start();
    let shown = again.get(&format!("/devices/{id}")).json();
    assert_eq!((&shown["serial_number"], &shown["device_name"]), (&json!(serial), &json!("K40")));
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let (service, _simulator, id) = start(Config { users: 3, punches: 3, ..Config::default() });
    let device = format!("/devices/{id}");
    for path in [
        "/healthz".to_owned(),
        "/readyz".to_owned(),
        "/devices".to_owned(),
        "/connections".to_owned(),
        device.clone(),
        format!("{device}/connection"),
        format!("{device}/info"),
        format!("{device}/serial"),
        format!("{device}/capacity"),
        format!("{device}/time"),
        format!("{device}/users"),
        format!("{device}/attendance"),
    ] {
        let (head, get) = (service.ask("HEAD", &path, None), service.get(&path));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(!get.body.is_empty());
    }
}

#[test]
fn the_voice_is_tested_and_a_restart_is_counted() {
    let restart_time = std::time::Duration::from_millis(300);
    let (service, simulator, id) = start(Config { restart_time, ..Config::default() });
    let played = service.post(&format!("/devices/{id}/test-voice"), &json!({ "index": 10 }));
    assert_eq!((played.status, &played.json()["played"]), (200, &json!(true)));
    let restarted = service.post(&format!("/devices/{id}/restart"), &json!({}));
    assert_eq!((restarted.status, &restarted.json()["restarted"]), (200, &json!(true)), "{restarted:?}");
    eventually("it restarts", || simulator.devices()[0].counters().restarts == 1);
    eventually("it is back", || service.get(&format!("/devices/{id}/serial")).status == 200);
    assert_eq!(simulator.devices()[0].counters().restarts, 1);
}
