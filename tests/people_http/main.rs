//! People over HTTP, with the real program and simulated devices of every kind: what was asked for is on the device,
//! nothing else is different, and whatever goes wrong is told for each person.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};

use service::{Answer, Service, Setup, eventually};

/// Every kind of device that differs in how people are stored or reached.
const KINDS: [(Profile, u16, &str); 7] = [
    (Profile::OldUdp, 28, "udp"),
    (Profile::Bw16Udp, 28, "udp"),
    (Profile::Tft, 72, "tcp"),
    (Profile::Tft, 84, "udp"),
    (Profile::TftBig, 72, "tcp"),
    (Profile::Vl49, 72, "tcp"),
    (Profile::D2, 72, "tcp"),
];

fn site(config: Config, transport: &str) -> (Service, Simulator, DeviceHandle, String) {
    let (service, simulator) = (Service::start(), Simulator::start(config).unwrap());
    let device = simulator.devices()[0].clone();
    let id = service.add_with(&device, &json!({ "transport": transport }));
    service.until_state(&id, "idle");
    (service, simulator, device, format!("/devices/{id}/users"))
}

fn usual(users: usize) -> (Service, Simulator, DeviceHandle, String) {
    site(Config { users, ..Config::default() }, "tcp")
}

fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}

fn over(service: &Service, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}?wait=10", begun.json()["id"]);
    service.until(&path, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

fn named(device: &DeviceHandle, user_id: &str) -> Option<String> {
    let mut users = device.users().into_iter();
    users.find(|user| user.user_id.to_text() == user_id).map(|user| user.name.to_text().into_owned())
}

#[test]
fn people_come_change_and_go_on_every_kind_of_device() {
    std::thread::scope(|scope| {
        for (profile, user_record, transport) in KINDS {
            scope.spawn(move || {
                let case = format!("{profile} with records of {user_record} over {transport}");
                let config = Config { profile, user_record, users: 3, ..Config::default() };
                let (service, _simulator, device, path) = site(config, transport);
                let one = format!("{path}/77");
                service.get(&one).problem(404, "unknown_user");
                let body = json!({
                    "user_id": "77", "name": "Ann", "privilege": "manager", "password": "1234",
                    "card_number": 7_654_321, "group": 2,
                });
                let made = service.post(&path, &body);
                assert_eq!(
                    (made.status, &made.json()["written"]),
                    (200, &json!("created")),
                    "{case}: {made:?}"
                );
                let shown = service.get(&one).json();
                for (name, value) in [
                    ("user_id", json!("77")),
                    ("uid", made.json()["uid"].clone()),
                    ("name", json!("Ann")),
                    ("privilege", json!("manager")),
                    ("enabled", json!(true)),
                    ("card_number", json!(7_654_321)),
                    ("has_password", json!(true)),
                ] {
                    assert_eq!(shown[name], value, "{case}: {shown}");
                }
                service.post(&path, &body).problem(409, "user_exists");
                let before = service.get(&path).json();
                let same = service.put(&one, &json!({ "name": "Ann" }));
                assert_eq!(same.json()["written"], "unchanged", "{case}: {same:?}");
                let changed =
                    service.patch(&one, &json!({ "name": "Bea", "enabled": false, "password": null }));
                assert_eq!(changed.json()["written"], "updated", "{case}: {changed:?}");
                let after = service.get(&path).json();
                assert_eq!(after["count"], 4, "{case}");
                for (one, other) in
                    before["data"].as_array().unwrap().iter().zip(after["data"].as_array().unwrap())
                {
                    if one["user_id"] != "77" {
                        assert_eq!(one, other, "{case}: nobody else is different");
                    }
                }
                let shown = service.get(&one).json();
                let parts =
                    [&shown["name"], &shown["enabled"], &shown["has_password"], &shown["card_number"]];
                assert_eq!(parts, [&json!("Bea"), &json!(false), &json!(false), &json!(7_654_321)], "{case}");
                assert_eq!(service.delete(&one).json()["written"], "deleted", "{case}");
                service.delete(&one).problem(404, "unknown_user");
                service.patch(&one, &json!({ "name": "Eve" })).problem(404, "unknown_user");
                assert_eq!(device.users().len(), 3, "{case}");
            });
        }
    });
}

#[test]
fn what_a_device_cannot_store_is_refused_before_anything_is_sent() {
    let (service, _simulator, device, path) = usual(2);
    let wrote = |device: &DeviceHandle| device.counters().command(8);
    for (body, status, code) in [
        (json!({ "user_id": "7", "name": "x".repeat(25) }), 422, "name_too_long"),
        (json!({ "user_id": "7", "password": "123456789" }), 422, "unusable_password"),
        (json!({ "user_id": "7", "password": "12a" }), 422, "unusable_password"),
        (json!({ "user_id": "a b" }), 422, "unusable_user_id"),
        (json!({ "name": "Ann" }), 422, "unusable_user_id"),
        (json!({ "user_id": "7", "time_zones": { "set": 3 } }), 422, "unusable_time_zones"),
        (json!({ "user_id": "7", "uid": 3 }), 400, "invalid_body"),
        (json!({ "user_id": 7 }), 400, "invalid_body"),
    ] {
        service.post(&path, &body).problem(status, code);
    }
    service.put(&format!("{path}/8"), &json!({ "user_id": "7" })).problem(422, "invalid_value");
    let settings = path.replace("/users", "/settings");
    assert_eq!(service.patch(&settings, &json!({ "name_encoding": "gbk" })).status, 200);
    service.post(&path, &json!({ "user_id": "7", "name": "a😀" })).problem(422, "name_not_encodable");
    assert_eq!((wrote(&device), device.users().len()), (0, 2));
    assert_eq!(service.post(&path, &json!({ "user_id": "7", "name": "张伟" })).status, 200);
    let user = device.users().into_iter().find(|user| user.user_id.to_text() == "7").unwrap();
    assert_eq!(user.name.as_bytes(), [0xd5, 0xc5, 0xce, 0xb0]);
    assert_eq!(service.get(&format!("{path}/7")).json()["name"], "张伟");
    assert_eq!(service.patch(&settings, &json!({ "name_encoding": null })).status, 200);
    let shown = service.get(&format!("{path}/7")).json();
    assert_eq!(shown["name_exact"], false, "these bytes are no UTF-8: {shown}");
}

#[test]
fn a_device_that_says_yes_and_does_not_is_found_out() {
    let (service, _simulator, device, path) = usual(2);
    for (fault, code) in [
        ("not-kept@8", "not_stored"),
        ("kept-otherwise@8", "stored_differently"),
        ("reject:2001@8", "device_rejected"),
    ] {
        set(&device, fault);
        let problem = service.post(&path, &json!({ "user_id": "7", "name": "Ann" })).problem(502, code);
        let shown = service.get(&format!("/operations/{}", problem["operation_id"])).json();
        assert_eq!(shown["state"], "failed", "{fault}: {shown}");
        device.clear_faults();
        let gone = service.delete(&format!("{path}/7"));
        assert!([200, 404].contains(&gone.status), "{fault}: {gone:?}");
    }
    // The write arrives, its answer does not.
    set(&device, "silent@8*1");
    let unknown =
        service.post(&path, &json!({ "user_id": "7", "name": "Ann" })).problem(502, "outcome_unknown");
    assert_eq!(
        service.get(&format!("/operations/{}", unknown["operation_id"])).json()["state"],
        "outcome_unknown"
    );
    eventually("it was written all the same", || named(&device, "7").as_deref() == Some("Ann"));
    set(&device, "not-kept@18");
    service.delete(&format!("{path}/7")).problem(502, "still_there");
}

#[test]
fn five_hundred_people_cost_two_round_trips_each_and_three_reads() {
    let (service, _simulator, device, path) = usual(20);
    let people: Vec<_> = (0..500)
        .map(|n| json!({ "user_id": (5000 + n).to_string(), "name": format!("Person {n}") }))
        .collect();
    let before: u64 = device.counters().commands.values().sum();
    let body = json!({ "upsert": people, "delete": ["1001", "1002"] });
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &body));
    let spent = device.counters().commands.values().sum::<u64>() - before;
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(ended["progress"], json!({ "done": 502, "total": 502 }));
    let result = &ended["result"];
    let counts = ["created", "updated", "unchanged", "deleted", "failed"].map(|name| result[name].as_u64());
    assert_eq!(counts, [500, 0, 0, 2, 0].map(Some));
    assert_eq!(result["rows"].as_array().unwrap().len(), 502);
    assert_eq!(device.users().len(), 518);
    assert!(spent <= 2 * 502, "{spent} commands for 502 people");
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &json!({ "upsert": people })));
    assert_eq!((&ended["state"], &ended["result"]["unchanged"]), (&json!("done"), &json!(500)));
}

#[test]
fn who_is_changed_at_the_device_meanwhile_is_not_written_over_and_is_told() {
    let service = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "30s").start();
    let simulator = Simulator::start(Config { users: 5, ..Config::default() }).unwrap();
    let device = simulator.devices()[0].clone();
    let path = format!("/devices/{}/users", service.add_up(&device));
    set(&device, "delay:1500ms@8*1");
    let new: Vec<_> = (2001..=2003).map(|n| json!({ "user_id": n.to_string(), "name": "New" })).collect();
    let upsert: Vec<_> = new.into_iter().chain([json!({ "user_id": "1005", "card_number": 99 })]).collect();
    let begun = service.post(&format!("{path}/bulk"), &json!({ "upsert": upsert }));
    eventually("the first is written", || device.counters().command(8) == 1);
    // Somebody enters a person at the menu, who gets the next index, and renames two others.
    let menu = |n: u32, uid: u16| zkgate::wire::record::user::User {
        uid,
        user_id: zkgate::wire::record::UserId::from_number(n),
        name: zkgate::wire::text::FixedText::new(b"Menu").unwrap(),
        ..device.users()[0].clone()
    };
    for user in [menu(7777, 7), menu(1005, 5), menu(1004, 4)] {
        assert!(device.add_user(user));
    }
    let ended = over(&service, &begun);
    assert_eq!((&ended["state"], &ended["result"]["created"]), (&json!("done"), &json!(3)), "{ended}");
    let found = ["7777", "1005", "1004", "2002"].map(|id| named(&device, id));
    assert_eq!(found.each_ref().map(Option::as_deref), ["Menu", "Menu", "Menu", "New"].map(Some));
    assert_eq!((device.users().len(), &ended["result"]["disturbed"]), (9, &json!(["1004"])), "{ended}");
}

#[test]
fn a_row_that_fails_fails_alone_and_a_bad_request_changes_nothing() {
    let (service, _simulator, device, path) = usual(2);
    let bulk = format!("{path}/bulk");
    for (body, code, row) in [
        (json!({ "upsert": [{ "user_id": "7" }, { "user_id": "7" }] }), "duplicate_user_id", "upsert[1]"),
        (json!({ "upsert": [{ "user_id": "7" }], "delete": ["7"] }), "duplicate_user_id", "upsert[0]"),
        (json!({ "upsert": [{ "user_id": "7" }, { "name": "x" }] }), "unusable_user_id", "upsert[1]"),
        (json!({ "upsert": [{ "user_id": "7" }], "delete": ["ä"] }), "unusable_user_id", "delete[0]"),
    ] {
        assert_eq!(service.post(&bulk, &body).problem(422, code)["row"], row);
    }
    service.post(&bulk, &json!({})).problem(422, "invalid_value");
    assert_eq!(device.counters().command(8), 0);
    let body = json!({
        "upsert": [{ "user_id": "7", "name": "Ann" }, { "user_id": "8", "name": "x".repeat(30) }, { "user_id": "9" }],
        "delete": ["4711"],
    });
    let ended = over(&service, &service.post(&bulk, &body));
    assert_eq!(
        (&ended["state"], &ended["problem"]["code"]),
        (&json!("failed"), &json!("rows_failed")),
        "{ended}"
    );
    let codes: Vec<_> = ended["result"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["code"].as_str().or(row["written"].as_str()).unwrap())
        .collect();
    assert_eq!(codes, ["unknown_user", "created", "name_too_long", "created"]);
    assert_eq!((named(&device, "7").as_deref(), named(&device, "8")), (Some("Ann"), None));
}

#[test]
fn a_bulk_can_be_for_new_people_only_or_for_those_who_are_there() {
    let (service, _simulator, device, path) = usual(2);
    let bulk = format!("{path}/bulk");
    let people = json!([{ "user_id": "1001", "name": "Ann" }, { "user_id": "77", "name": "Bea" }]);
    let codes = |mode: &str| {
        let ended = over(&service, &service.post(&bulk, &json!({ "mode": mode, "upsert": people })));
        let rows = ended["result"]["rows"].as_array().unwrap().clone();
        let codes: Vec<_> = rows
            .iter()
            .map(|row| row["code"].as_str().or(row["written"].as_str()).unwrap().to_owned())
            .collect();
        (ended["state"].as_str().unwrap().to_owned(), ended["problem"]["code"].clone(), codes)
    };
    let failed =
        |codes: [&str; 2]| ("failed".to_owned(), json!("rows_failed"), codes.map(str::to_owned).to_vec());
    assert_eq!(codes("update"), failed(["updated", "unknown_user"]));
    assert_eq!((named(&device, "1001").as_deref(), named(&device, "77")), (Some("Ann"), None));

    // With another name than the one that is sent.
    let mut users = device.users();
    users[0].name = users[1].name;
    device.set_users(&users);
    assert_ne!(named(&device, "1001").as_deref(), Some("Ann"));
    assert_eq!(codes("create"), failed(["user_exists", "created"]));
    assert_eq!(device.users()[0], users[0], "who is there stays as they are");
    assert_eq!((named(&device, "77").as_deref(), device.users().len()), (Some("Bea"), 3));
    // Nothing is written for people who are not meant.
    let written = device.counters().command(8);
    assert_eq!(codes("create"), failed(["user_exists", "user_exists"]));
    assert_eq!(device.counters().command(8), written);

    let both = over(&service, &service.post(&bulk, &json!({ "mode": "upsert", "upsert": people })));
    assert_eq!((&both["state"], &both["result"]["updated"]), (&json!("done"), &json!(1)), "{both}");
    for mode in [json!("replace"), json!("Create"), json!(null), json!(1)] {
        service.post(&bulk, &json!({ "mode": mode, "upsert": people })).problem(400, "invalid_body");
    }
}

#[test]
fn a_bulk_that_breaks_says_what_is_known_of_each_and_is_completed_by_the_same_once_more() {
    let (service, _simulator, device, path) = usual(2);
    let people: Vec<_> = (0..6).map(|n| json!({ "user_id": (70 + n).to_string(), "name": "Ann" })).collect();
    set(&device, "silent@8+2*1");
    let body = json!({ "upsert": people });
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &body));
    assert_eq!(ended["state"], "outcome_unknown", "{ended}");
    let codes: Vec<_> =
        ended["result"]["rows"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!(
        codes,
        ["not_verified", "not_verified", "outcome_unknown", "not_tried", "not_tried", "not_tried"]
    );
    device.clear_faults();
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &body));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(device.users().len(), 8);
}

#[test]
fn a_door_opens_in_the_middle_of_a_bulk_which_can_be_cancelled() {
    let (service, _simulator, device, path) = usual(2);
    set(&device, "delay:3ms@8");
    let people: Vec<_> = (0..2500).map(|n| json!({ "user_id": (5000 + n).to_string() })).collect();
    let begun = service.post(&format!("{path}/bulk"), &json!({ "upsert": people }));
    let operation = format!("/operations/{}", begun.json()["id"]);
    service.until(&operation, |shown| shown["progress"]["done"].as_u64() > Some(5));
    let opened = service.post(&path.replace("/users", "/unlock"), &json!({ "seconds": 3 }));
    assert_eq!(opened.status, 200, "{opened:?}");
    assert!(service.get(&operation).json()["state"] == "running", "the bulk goes on");
    assert_eq!(service.post(&format!("{operation}/cancel"), &json!({})).status, 200);
    let ended = over(&service, &begun);
    assert_eq!(ended["state"], "cancelled", "{}", ended["problem"]);
    let done = ended["result"]["created"].as_u64().unwrap();
    assert_eq!(device.users().len() as u64, done + 2, "it ends between two people, and knows who is there");
    let open = ended["result"]["failed"].as_u64().unwrap();
    assert!(done >= 5 && open > 0 && done + open <= 2500, "{done} done, {open} not tried");
}

#[test]
fn a_bulk_that_is_killed_in_the_middle_is_completed_by_the_same_once_more() {
    let (mut service, _simulator, device, path) = usual(2);
    set(&device, "delay:2ms@8");
    let people: Vec<_> =
        (0..300).map(|n| json!({ "user_id": (5000 + n).to_string(), "name": format!("P{n}") })).collect();
    let body = json!({ "upsert": people });
    let begun = service.post(&format!("{path}/bulk"), &body);
    eventually("some are written", || device.counters().command(8) > 100);
    service.signal(Signal::KILL);
    service.ended();
    device.clear_faults();
    let service = service.setup.again().start();
    let id = path.split('/').nth(2).unwrap();
    service.until_state(id, "idle");
    let shown = service.get(&format!("/operations/{}", begun.json()["id"])).json();
    assert_eq!(shown["state"], "outcome_unknown", "{shown}");
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &body));
    assert_eq!(ended["state"], "done", "{}", ended["problem"]);
    assert!(ended["result"]["unchanged"].as_u64() > Some(90), "what was written is not written again");
    assert_eq!(device.users().len(), 302);
}

#[test]
fn no_password_is_kept_or_told_and_readers_change_nobody() {
    let setup = Setup::new().set("ZKGATE_LOG", "trace");
    let (service, simulator) =
        (setup.start(), Simulator::start(Config { users: 2, ..Config::default() }).unwrap());
    let id = service.add_up(&simulator.devices()[0]);
    let path = format!("/devices/{id}/users");
    let body = json!({ "user_id": "7", "name": "Ann", "password": "71293604" });
    let made = service.keyed("k", &path, &body);
    assert_eq!(made.status, 200, "{made:?}");
    assert_eq!(service.keyed("k", &path, &body).header("idempotency-replayed"), Some("true"));
    let bulk = json!({ "upsert": [{ "user_id": "8", "password": "71293604" }] });
    let ended = over(&service, &service.post(&format!("{path}/bulk"), &bulk));
    service.post(&path, &json!({ "user_id": "9", "password": 71_293_604 })).problem(400, "invalid_body");
    let told = [
        ended.to_string(),
        service.get(&path).json().to_string(),
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
    for (method, path) in
        [("POST", path.clone()), ("DELETE", format!("{path}/7")), ("POST", format!("{path}/bulk"))]
    {
        service.as_somebody(reader, method, &path, Some(&json!({}))).problem(403, "scope_needed");
    }
    assert_eq!(service.as_somebody(reader, "GET", &format!("{path}/7"), None).status, 200);
}
