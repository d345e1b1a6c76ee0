//! The people that should be on several devices, with the real program and simulated devices of several kinds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;
mod transfer;

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::record::user::Privilege;

use service::{Answer, Service, Setup, eventually};

/// Devices of several kinds: with records of 28, 72 and 84 bytes, over both transports.
const KINDS: [(Profile, u16, &str); 4] = [
    (Profile::Tft, 72, "tcp"),
    (Profile::Bw16Udp, 28, "udp"),
    (Profile::Tft, 84, "udp"),
    (Profile::Vl49, 72, "tcp"),
];

struct Site {
    service: Service,
    _simulators: Vec<Simulator>,
    devices: Vec<DeviceHandle>,
    ids: Vec<String>,
}

/// Devices that each know the people 1001 to 1003, none of them an administrator.
fn site() -> Site {
    let service = Service::start();
    let (mut simulators, mut devices, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (profile, user_record, transport) in KINDS {
        let config = Config { profile, user_record, users: 3, ..Config::default() };
        let simulator = Simulator::start(config).unwrap();
        let device = simulator.devices()[0].clone();
        let mut users = device.users();
        users.iter_mut().for_each(|user| user.privilege = Privilege(0));
        device.set_users(&users);
        let id = service.add_with(&device, &json!({ "transport": transport }));
        service.until_state(&id, "idle");
        simulators.push(simulator);
        devices.push(device);
        ids.push(id);
    }
    Site { service, _simulators: simulators, devices, ids }
}

fn over(service: &Service, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}?wait=10", begun.json()["id"]);
    service.until(&path, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}

fn known(device: &DeviceHandle) -> Vec<String> {
    let mut ids: Vec<_> = device.users().iter().map(|user| user.user_id.to_text().into_owned()).collect();
    ids.sort();
    ids
}

/// One number of every device in a result.
fn of_each(ended: &Value, name: &str) -> Vec<Value> {
    ended["result"]["devices"].as_array().unwrap().iter().map(|device| device[name].clone()).collect()
}

/// 1001 as she should be, 1002 as he is, and two who are new.
fn list(devices: &[DeviceHandle]) -> Value {
    let name = devices[0].users()[1].name.to_text().into_owned();
    json!([
        { "user_id": "1001", "name": "Ann", "card_number": 77 },
        { "user_id": "1002", "name": name },
        { "user_id": "71", "name": "Bea", "password": "1234" },
        { "user_id": "72" },
    ])
}

#[test]
fn a_dry_run_says_what_would_be_done_on_each_device_and_does_nothing() {
    let Site { service, _simulators, devices, ids } = site();
    let before: Vec<_> = devices.iter().map(DeviceHandle::records).collect();
    let body = json!({ "devices": ids, "people": list(&devices), "remove_at_most": 5 });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!((&ended["kind"], &ended["result"]["different"]), (&json!("compare_people"), &json!(4)));
    assert_eq!(of_each(&ended, "device_id"), ids, "in the order of the request");
    for (name, count) in
        [("add", 2), ("change", 1), ("remove", 1), ("unchanged", 1), ("others", 0), ("failed", 0)]
    {
        assert_eq!(of_each(&ended, name), vec![json!(count); 4], "{name}: {ended}");
    }
    let rows = &ended["result"]["devices"][0]["rows"];
    assert_eq!(
        *rows,
        json!([
            { "user_id": "1003", "step": "remove" },
            { "user_id": "1001", "step": "change", "fields": ["name", "card_number"] },
            { "user_id": "71", "step": "add" },
            { "user_id": "72", "step": "add" },
        ])
    );
    assert_eq!(ended["progress"], json!({ "done": 16, "total": 16 }));
    let after: Vec<_> = devices.iter().map(DeviceHandle::records).collect();
    assert_eq!(after, before);
    assert_eq!(service.get("/people").json()["count"], 0, "nothing is kept");
}

#[test]
fn a_list_is_brought_to_every_device_and_what_drifts_is_found_and_brought_back() {
    let Site { service, _simulators, devices, ids } = site();
    let body = json!({ "devices": ids, "people": list(&devices), "dry_run": false, "remove_at_most": 1 });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!((&ended["state"], &ended["result"]["as_wanted"]), (&json!("done"), &json!(4)), "{ended}");
    for (name, count) in [("created", 2), ("updated", 1), ("deleted", 1), ("unchanged", 1), ("failed", 0)] {
        assert_eq!(of_each(&ended, name), vec![json!(count); 4], "{name}: {ended}");
    }
    for device in &devices {
        assert_eq!(known(device), ["1001", "1002", "71", "72"]);
        let users = device.users();
        let ann = users.iter().find(|user| user.user_id.to_text() == "1001").unwrap();
        assert_eq!((ann.name.to_text().as_ref(), ann.card_number), ("Ann", 77));
        let bea = users.iter().find(|user| user.user_id.to_text() == "71").unwrap();
        assert_eq!(bea.password.expose().to_text(), "1234");
    }
    let kept = service.get("/people").json();
    assert_eq!(kept["count"], 4);
    for row in kept["data"].as_array().unwrap() {
        assert_eq!((&row["people"], &row["last"]["state"]), (&json!(4), &json!("as_wanted")), "{row}");
        assert_eq!(row["list"], kept["data"][0]["list"]);
    }

    // Somebody goes to one device and changes people there.
    let path = format!("/devices/{}/users", ids[2]);
    assert_eq!(service.delete(&format!("{path}/71")).status, 200);
    assert_eq!(service.patch(&format!("{path}/1001"), &json!({ "name": "Eve" })).status, 200);
    assert_eq!(service.post(&path, &json!({ "user_id": "99" })).status, 200);
    let ended = over(&service, &service.post("/people/check", &json!({})));
    assert_eq!((&ended["state"], &ended["result"]["different"]), (&json!("done"), &json!(1)), "{ended}");
    let last = service.get(&format!("/devices/{}/people", ids[2])).json()["last"].clone();
    let parts = ["state", "missing", "different", "extra", "failed"].map(|name| last[name].clone());
    assert_eq!(parts, [json!("different"), 1.into(), 1.into(), 1.into(), 0.into()]);
    let sent: Vec<_> =
        devices.iter().map(|device| device.counters().commands.values().sum::<u64>()).collect();
    let ended = over(&service, &service.post("/people/apply", &json!({})));
    assert_eq!(of_each(&ended, "device_id"), [json!(ids[2])], "only what was not as wanted: {ended}");
    assert_eq!(known(&devices[2]), ["1001", "1002", "71", "72"]);
    for (device, sent) in devices.iter().zip(sent).enumerate().filter(|(at, _)| *at != 2).map(|(_, it)| it) {
        assert_eq!(device.counters().commands.values().sum::<u64>(), sent, "another one is left alone");
    }

    // Another list for one of them; the first one still counts for the others.
    let body = json!({ "devices": [ids[0]], "people": [{ "user_id": "1001" }], "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!((&ended["state"], of_each(&ended, "others")), (&json!("done"), vec![json!(3)]), "{ended}");
    let shown = service.get(&format!("/devices/{}/people", ids[0])).json();
    assert_eq!(shown["data"], json!([{ "user_id": "1001" }]));
    let shown = service.get(&format!("/devices/{}/people", ids[1])).json();
    assert_eq!((shown["people"].clone(), shown["data"][2]["has_password"].clone()), (json!(4), json!(true)));
    assert_eq!(service.delete(&format!("/devices/{}/people", ids[1])).status, 204);
    service.get(&format!("/devices/{}/people", ids[1])).problem(404, "no_list");
    service.delete(&format!("/devices/{}/people", ids[1])).problem(404, "no_list");
    service.post("/people/check", &json!({ "devices": [ids[1]] })).problem(404, "no_list");
    assert_eq!(service.delete(&format!("/devices/{}", ids[3])).status, 204);
    service.until("/people", |kept| kept["count"] == 2);
}

#[test]
fn a_device_that_cannot_be_reached_holds_nobody_up_and_gets_its_people_later_also_after_kill_9() {
    let Site { mut service, _simulators, devices, ids } = site();
    set(&devices[1], "blackhole");
    set(&devices[3], "refuse");
    for id in [&ids[1], &ids[3]] {
        service.post(&format!("/devices/{id}/disconnect"), &json!({}));
    }
    let body = json!({ "devices": ids, "people": list(&devices), "dry_run": false, "remove_at_most": 1 });
    let ended = over(&service, &service.put("/people?timeout=3", &body));
    assert_eq!(
        (&ended["state"], &ended["problem"]["code"]),
        (&json!("failed"), &json!("devices_failed")),
        "{ended}"
    );
    assert_eq!(of_each(&ended, "state"), ["as_wanted", "failed", "as_wanted", "failed"].map(Value::from));
    assert!(ended["result"]["devices"][3]["problem"]["code"].is_string(), "{ended}");
    assert_eq!((known(&devices[0]).len(), known(&devices[3]).len()), (4, 3));

    service.signal(Signal::KILL);
    service.ended();
    for device in &devices {
        device.clear_faults();
    }
    let service = service.setup.again().start();
    for id in &ids {
        service.post(&format!("/devices/{id}/connect"), &json!({}));
        service.until_state(id, "idle");
    }
    let ended = over(&service, &service.post("/people/apply", &json!({})));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(of_each(&ended, "device_id"), [json!(ids[1]), json!(ids[3])], "{ended}");
    assert!(devices.iter().all(|device| known(device) == ["1001", "1002", "71", "72"]));
}

#[test]
fn nobody_is_removed_unless_that_is_said_and_never_more_than_were_said() {
    let Site { service, _simulators, devices, ids } = site();
    let mut users = devices[0].users();
    users[2].privilege = Privilege(14);
    devices[0].set_users(&users);
    let ids = &ids[..1];
    let people = json!([{ "user_id": "71" }]);
    let mut body = json!({ "devices": ids, "people": people, "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(known(&devices[0]), ["1001", "1002", "1003", "71"]);

    body["remove_at_most"] = 1.into();
    body["people"] = json!([{ "user_id": "71" }, { "user_id": "72" }]);
    let ended = over(&service, &service.put("/people", &body));
    let refused = &ended["result"]["devices"][0];
    assert_eq!(refused["problem"]["code"], "too_many_removals", "{ended}");
    assert_eq!(known(&devices[0]), ["1001", "1002", "1003", "71"], "nothing was changed, nobody was added");

    body["remove_at_most"] = 2.into();
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(known(&devices[0]), ["1003", "71", "72"], "an administrator stays");
    assert_eq!(of_each(&ended, "others"), [json!(1)]);
    body["remove_administrators"] = true.into();
    assert_eq!(over(&service, &service.put("/people", &body))["state"], "done");
    assert_eq!(known(&devices[0]), ["71", "72"]);
}

#[test]
fn nobody_is_removed_while_somebody_on_the_list_cannot_be_compared() {
    let Site { service, _simulators, devices, ids } = site();
    // Compact records know numbers: 01001 may be the 1001 who is there.
    let body = json!({
        "devices": [ids[1]], "people": [{ "user_id": "01001" }, { "user_id": "71" }], "dry_run": false,
        "remove_at_most": 9,
    });
    let ended = over(&service, &service.put("/people", &body));
    let told = &ended["result"]["devices"][0];
    assert_eq!(told["problem"]["code"], "removal_held_back", "{ended}");
    assert_eq!(
        (&told["created"], &told["deleted"], &told["failed"]),
        (&json!(1), &json!(0), &json!(1)),
        "{ended}"
    );
    assert_eq!(known(&devices[1]), ["1001", "1002", "1003", "71"]);
}

#[test]
fn another_device_at_the_address_does_not_get_the_list() {
    let Site { service, _simulators, devices, ids } = site();
    let body = json!({ "devices": [ids[0]], "people": [{ "user_id": "71" }], "dry_run": false });
    assert_eq!(over(&service, &service.put("/people", &body))["state"], "done");
    assert_eq!(service.delete(&format!("/devices/{}/users/71", ids[0])).status, 200);
    devices[0].set_serial("SOMEBODY-ELSE");
    assert_eq!(service.post(&format!("/devices/{}/disconnect", ids[0]), &json!({})).status, 200);
    let ended = over(&service, &service.post("/people/apply", &json!({ "devices": [ids[0]] })));
    assert_eq!(ended["result"]["devices"][0]["problem"]["code"], "other_device", "{ended}");
    assert_eq!(devices[0].users().len(), 3);
    assert_eq!(over(&service, &service.put("/people", &body))["state"], "done", "sent again, it is meant");
    assert_eq!(devices[0].users().len(), 4);
}

#[test]
fn whoever_cannot_be_written_fails_alone_and_a_session_that_breaks_is_told_and_resumed() {
    let Site { service, _simulators, devices, ids } = site();
    // A name that fits the longer records only, and a device that forgets.
    let people = json!([{ "user_id": "71", "name": "Bartholomew" }, { "user_id": "72", "name": "Bea" }]);
    set(&devices[3], "not-kept@8");
    let body = json!({ "devices": ids, "people": people, "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!(of_each(&ended, "failed"), [0, 1, 0, 2].map(Value::from), "{ended}");
    let codes = |at: usize| -> Vec<Value> {
        let rows = ended["result"]["devices"][at]["rows"].as_array().unwrap();
        rows.iter().map(|row| row["code"].clone()).collect()
    };
    assert_eq!(codes(1), [json!("name_too_long"), Value::Null]);
    assert_eq!(codes(3), [json!("not_stored"), json!("not_stored")]);
    devices[3].clear_faults();

    // The write arrives, its answer does not.
    set(&devices[0], "silent@8+1*1");
    let people: Vec<_> = (81..85).map(|id| json!({ "user_id": id.to_string() })).collect();
    let body = json!({ "devices": [ids[0]], "people": people, "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!(ended["state"], "outcome_unknown", "{ended}");
    let rows = ended["result"]["devices"][0]["rows"].as_array().unwrap();
    let codes: Vec<_> = rows.iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["not_verified", "outcome_unknown", "not_tried", "not_tried"]);
    devices[0].clear_faults();
    let ended = over(&service, &service.post("/people/apply", &json!({ "devices": [ids[0]] })));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(known(&devices[0]).len(), 9, "nobody is there twice");
}

#[test]
fn it_is_cancelled_between_devices_and_doors_open_meanwhile() {
    let service = Service::start();
    let mut devices = Vec::new();
    let mut ids = Vec::new();
    let simulators: Vec<_> = (0..6)
        .map(|at| {
            let simulator = Simulator::start(Config { users: 1, ..Config::default() }).unwrap();
            simulator.devices()[0].set_serial(format!("S{at}"));
            devices.push(simulator.devices()[0].clone());
            ids.push(service.add_up(&simulator.devices()[0]));
            simulator
        })
        .collect();
    for device in &devices {
        set(device, "delay:5ms@8");
    }
    let people: Vec<_> = (0..400).map(|n| json!({ "user_id": (5000 + n).to_string() })).collect();
    let body = json!({ "devices": ids, "people": people, "dry_run": false });
    let begun = service.put("/people", &body);
    let operation = format!("/operations/{}", begun.json()["id"]);
    service.until(&operation, |shown| shown["progress"]["done"].as_u64() > Some(10));
    for id in &ids {
        assert_eq!(service.post(&format!("/devices/{id}/unlock"), &json!({ "seconds": 1 })).status, 200);
    }
    assert_eq!(service.post(&format!("{operation}/cancel"), &json!({})).status, 200);
    let ended = over(&service, &begun);
    assert_eq!(ended["state"], "cancelled", "{ended}");
    // Four had been begun, and ended between two people; the last two were not begun.
    for (at, device) in ended["result"]["devices"].as_array().unwrap().iter().enumerate() {
        let created = device["created"].as_u64().unwrap();
        assert_eq!((&device["problem"]["code"], created > 0), (&json!("cancelled"), at < 4), "{device}");
        assert_eq!(created + 1, devices[at].users().len() as u64);
        let failed = device["failed"].as_u64().unwrap();
        assert_eq!(created + failed, if at < 4 { 400 } else { 0 }, "{device}");
    }
    assert_eq!(ended["result"]["devices"][5]["problem"]["code"], "cancelled");
    assert_eq!(devices[5].users().len(), 1);
    drop(simulators);
}

#[test]
fn a_bad_list_changes_nothing_and_its_passwords_are_nowhere_to_be_read() {
    let service = Setup::new().set("ZKGATE_LOG", "trace").start();
    let simulator = Simulator::start(Config { users: 1, ..Config::default() }).unwrap();
    let id = service.add_up(&simulator.devices()[0]);
    let one = json!([{ "user_id": "7", "password": "71293604" }]);
    for (body, code) in [
        (json!({ "devices": [], "people": one }), "invalid_value"),
        (json!({ "devices": ["nobody"], "people": one }), "invalid_value"),
        (json!({ "devices": [id], "people": [], "remove_at_most": 9 }), "invalid_value"),
        (json!({ "devices": [id], "people": [{ "user_id": "7" }, { "user_id": "7" }] }), "duplicate_user_id"),
        (json!({ "devices": [id], "people": [{ "name": "x" }] }), "unusable_user_id"),
    ] {
        service.put("/people", &body).problem(422, code);
    }
    for body in [
        json!({ "devices": [id], "people": one, "remove_at_most": -1 }),
        json!({ "devices": [id], "people": one, "remove_at_most": 65536 }),
        json!({ "devices": [id] }),
        json!({ "devices": [id], "people": [{ "user_id": "7", "password": 71_293_604 }] }),
    ] {
        service.put("/people", &body).problem(400, "invalid_body");
    }
    service.post("/people/apply", &json!({ "devices": ["nobody"] })).problem(422, "invalid_value");
    let ended = over(&service, &service.post("/people/apply", &json!({})));
    assert_eq!((&ended["state"], &ended["result"]["devices"]), (&json!("done"), &json!([])), "nothing to do");

    let body = json!({ "devices": [id, id], "people": one, "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_eq!((&ended["state"], of_each(&ended, "created")), (&json!("done"), vec![json!(1)]), "{ended}");
    let shown = service.get(&format!("/devices/{id}/people"));
    assert_eq!(shown.json()["data"], json!([{ "user_id": "7", "has_password": true }]));
    eventually("it is in the audit log", || service.get("/audit").json().to_string().contains("put_people"));
    let told = [
        ended.to_string(),
        shown.json().to_string(),
        service.get("/operations").json().to_string(),
        service.get("/audit").json().to_string(),
        service.log(),
    ];
    assert!(told.iter().all(|text| !text.contains("71293604")), "{told:?}");
    for file in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(service.setup.state_dir().join(file)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|part| part == b"71293604"), "{file}");
    }
    let reader = service.post("/tokens", &json!({ "name": "r", "scopes": ["read"] })).json();
    let reader = reader["token"].as_str().unwrap();
    for (method, path) in [("PUT", "/people"), ("POST", "/people/check"), ("POST", "/people/apply")] {
        service.as_somebody(reader, method, path, Some(&json!({}))).problem(403, "scope_needed");
    }
    // Another key: the list does not open, and that is said.
    std::fs::write(service.setup.state_dir().join("backup.key"), "00".repeat(32)).unwrap();
    service.get(&format!("/devices/{id}/people")).problem(409, "backup_locked");
    let ended = over(&service, &service.post("/people/check", &json!({})));
    assert_eq!(ended["result"]["devices"][0]["problem"]["code"], "backup_locked", "{ended}");
}

#[test]
fn who_was_written_when_the_session_broke_becomes_effective_when_it_is_applied_again() {
    let Site { service, _simulators, devices, ids } = site();
    let (device, id) = (&devices[0], &ids[0]);
    // The device says that it is done, and is gone before it is told to make it effective.
    set(device, "rst:1000@8*1");
    let body = json!({ "devices": [id], "people": [{ "user_id": "71" }], "dry_run": false });
    let ended = over(&service, &service.put("/people", &body));
    assert_ne!(ended["state"], "done", "{ended}");
    assert_eq!((device.users().len(), device.counters().command(1013)), (4, 0));
    assert_eq!(service.post(&format!("/devices/{id}/connect"), &json!({})).status, 200);
    let ended = over(&service, &service.post("/people/apply", &json!({})));
    assert_eq!((&ended["state"], of_each(&ended, "unchanged")), (&json!("done"), vec![json!(1)]), "{ended}");
    assert_eq!((device.counters().command(8), device.unrefreshed()), (1, 0), "{ended}");
}
