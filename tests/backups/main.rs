//! Backups and putting them back, with the real program and simulated devices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;

mod names;
mod settings;

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::base::secret::Secret;
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::record::user::TimeZones;
use zkgate::wire::text::FixedText;

use service::{Answer, Service, Setup, eventually};

fn over(service: &Service, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}?wait=10", begun.json()["id"]);
    service.until(&path, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

fn device(profile: Profile, users: usize, templates: usize) -> (Simulator, DeviceHandle) {
    let simulator = Simulator::start(Config { profile, users, templates, ..Config::default() }).unwrap();
    let device = simulator.devices()[0].clone();
    (simulator, device)
}

fn allow(service: &Service, id: &str) {
    let set = service.patch(&format!("/devices/{id}/settings"), &json!({ "biometrics": true }));
    assert_eq!(set.status, 200, "{set:?}");
}

/// Whose, which, what it is good for, and its template.
type Finger = (String, u8, u8, Vec<u8>);

/// Everything that the device keeps of people, in an order that does not depend on its indices.
fn state(device: &DeviceHandle) -> (Vec<Vec<u8>>, Vec<Finger>) {
    let users = device.users();
    let who = |uid| users.iter().find(|user| user.uid == uid).unwrap().user_id.to_text().into_owned();
    // Everything but the index.
    let mut people: Vec<Vec<u8>> = device.records().iter().map(|record| record[2..].to_vec()).collect();
    let mut prints: Vec<_> = device
        .templates()
        .into_iter()
        .map(|(uid, finger, good_for, bytes)| (who(uid), finger, good_for, bytes))
        .collect();
    people.sort();
    prints.sort();
    (people, prints)
}

#[test]
fn a_device_is_put_back_as_it_was_also_onto_another_one_and_over_both_transports() {
    std::thread::scope(|scope| {
        for (profile, transport) in
            [(Profile::Tft, "tcp"), (Profile::Tft, "udp"), (Profile::Bw16Udp, "udp"), (Profile::Vl49, "tcp")]
        {
            scope.spawn(move || {
                let case = format!("{profile} over {transport}");
                let service = Service::start();
                let (_simulator, device) = device(profile, 30, 12);
                let mut users = device.users();
                users[3].password = Secret::new(FixedText::new(b"71293").unwrap());
                users[4].time_zones = match users[4].time_zones {
                    TimeZones::Set(_) => TimeZones::Set(6),
                    TimeZones::List { .. } => TimeZones::List { flag: 1, zones: [3, 7, 0] },
                };
                device.set_users(&users);
                let id = service.add_with(&device, &json!({ "transport": transport }));
                service.until_state(&id, "idle");
                allow(&service, &id);
                let path = format!("/devices/{id}");
                // Somebody has a finger that calls for help, and an upper bit of rights that nobody has described.
                let algorithm = service.get(&format!("{path}/templates")).json()["algorithm"].clone();
                let help = json!({ "data": "T3IjUwAAAAE=", "algorithm": algorithm, "use": "duress" });
                let put = service.put(&format!("{path}/users/1020/templates/9"), &help);
                assert_eq!(put.status, 200, "{case}: {put:?}");
                let mut odd = device.records()[6].clone();
                odd[2] |= 0x40;
                assert!(device.add_record(&odd), "{case}");
                let before = state(&device);
                assert_eq!(before.1.iter().filter(|print| print.2 == 3).count(), 1, "{case}");
                let made =
                    over(&service, &service.post(&format!("{path}/backups"), &json!({ "templates": true })));
                assert_eq!(made["state"], "done", "{case}: {made}");
                let backup = made["result"]["id"].clone();
                assert_eq!(
                    (&made["result"]["users"], &made["result"]["templates"]),
                    (&json!(30), &json!(13)),
                    "{case}"
                );
                assert_eq!(
                    service.get(&format!("/backups/{}", backup.as_str().unwrap())).json(),
                    made["result"]
                );

                // Somebody is gone, somebody is different.
                let gone: Vec<_> = (1001..1011).map(|id| id.to_string()).collect();
                let gone = service.post(&format!("{path}/users/bulk"), &json!({ "delete": gone }));
                assert_eq!(over(&service, &gone)["state"], "done", "{case}");
                let changed = service.patch(&format!("{path}/users/1015"), &json!({ "name": "Eve" }));
                assert_eq!(changed.status, 200, "{case}: {changed:?}");
                let restore = format!("{path}/restore");
                let plan =
                    over(&service, &service.post(&restore, &json!({ "backup": backup, "templates": true })));
                assert_eq!(
                    (&plan["result"]["new"], &plan["result"]["known"]),
                    (&json!(10), &json!(20)),
                    "{case}: {plan}"
                );
                assert_eq!(device.users().len(), 20, "{case}: a dry run changes nothing");
                let wanted = json!({ "backup": backup, "templates": true, "dry_run": false });
                let done = over(&service, &service.post(&restore, &wanted));
                assert_eq!(
                    (&done["state"], &done["result"]["failed"]),
                    (&json!("done"), &json!(0)),
                    "{case}: {done}"
                );
                assert_eq!(state(&device), before, "{case}");
                let again = over(&service, &service.post(&restore, &wanted));
                let rows = again["result"]["rows"].as_array().unwrap();
                assert!(rows.iter().all(|row| row["written"] == "unchanged"), "{case}: {again}");

                // Onto a new device of the same kind.
                let spare = Simulator::start(Config { profile, users: 0, ..Config::default() }).unwrap();
                spare.devices()[0].set_serial("NEW1");
                let other = service.add_with(&spare.devices()[0], &json!({ "transport": transport }));
                service.until_state(&other, "idle");
                allow(&service, &other);
                let restore = format!("/devices/{other}/restore");
                let refused = over(&service, &service.post(&restore, &wanted));
                assert_eq!(refused["problem"]["code"], "other_device", "{case}: {refused}");
                let mut wanted = wanted;
                wanted["allow_other_device"] = true.into();
                let done = over(&service, &service.post(&restore, &wanted));
                assert_eq!(done["state"], "done", "{case}: {done}");
                assert_eq!(state(&spare.devices()[0]), before, "{case}");

                // A finger that calls for help and has become an ordinary one is not as in the backup.
                let ordinary = json!({ "data": "T3IjUwAAAAE=", "algorithm": algorithm });
                let put = service.put(&format!("{path}/users/1020/templates/9"), &ordinary);
                assert_eq!(put.status, 200, "{case}: {put:?}");
                wanted["allow_other_device"] = false.into();
                let done = over(&service, &service.post(&format!("{path}/restore"), &wanted));
                assert_eq!(done["state"], "done", "{case}: {done}");
                assert_eq!(state(&device), before, "{case}");
            });
        }
    });
}

#[test]
fn a_backup_tells_nothing_to_whoever_has_no_key_and_nothing_of_it_is_told_elsewhere() {
    let service = Setup::new().set("ZKGATE_LOG", "trace").start();
    let (_simulator, device) = device(Profile::Tft, 3, 2);
    let mut users = device.users();
    users[1].password = Secret::new(FixedText::new(b"71293604").unwrap());
    device.set_users(&users);
    let template = device.templates()[0].3.clone();
    let id = service.add_up(&device);
    let path = format!("/devices/{id}/backups");
    service.post(&path, &json!({ "templates": true })).problem(403, "biometrics_off");
    allow(&service, &id);
    let admin = service.post("/tokens", &json!({ "name": "a", "scopes": ["admin"] })).json();
    let admin = admin["token"].as_str().unwrap();
    let body = json!({ "templates": true });
    let refused = service.as_somebody(admin, "POST", &path, Some(&body)).problem(403, "scope_needed");
    assert_eq!(refused["scope"], "biometric");
    let made = over(&service, &service.post(&path, &body));
    let name = made["result"]["id"].as_str().unwrap().to_owned();
    let file = service.get(&format!("/backups/{name}/file"));
    assert!(file.body.starts_with(b"ZKGATEBK"));
    // That templates were taken, and by whom their file, is told of the device that they are of.
    let told = service.get(&format!("/audit?device={id}&limit=1000")).json();
    for (action, subject) in
        [("operation backup", "with templates"), ("GET /api/v1/backups/{id}/file", "with templates")]
    {
        let is = |row: &Value| (&row["action"], &row["subject"]) == (&json!(action), &json!(subject));
        assert!(told["data"].as_array().unwrap().iter().any(is), "{action}: {told}");
    }
    let state_dir = service.setup.state_dir();
    let texts = [
        made.to_string().into_bytes(),
        service.get("/audit").body,
        service.log().into_bytes(),
        file.body,
        std::fs::read(state_dir.join("ledger.db")).unwrap(),
        std::fs::read(state_dir.join("ledger.db-wal")).unwrap_or_default(),
    ];
    let part = &template[template.len() / 2..template.len() / 2 + 16];
    for text in &texts {
        assert!(
            !text.windows(8).any(|window| window == b"71293604")
                && !text.windows(16).any(|window| window == part)
        );
    }
    // Another key, and it does not open.
    let key = state_dir.join("backup.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::write(&key, "00".repeat(32)).unwrap();
    let restore = json!({ "backup": name });
    service.post(&format!("/devices/{id}/restore"), &restore).problem(409, "backup_locked");
    std::fs::write(&key, kept).unwrap();
    assert_eq!(over(&service, &service.post(&format!("/devices/{id}/restore"), &restore))["state"], "done");
    assert_eq!(service.get("/backups").json()["count"], 1);
    assert_eq!(service.delete(&format!("/backups/{name}")).status, 204);
    service.get(&format!("/backups/{name}")).problem(404, "not_found");
    service.post(&format!("/devices/{id}/restore"), &restore).problem(404, "not_found");
    for bad in ["..%2Fledger", "a.b", "nobody"] {
        service.get(&format!("/backups/{bad}/file")).problem(404, "not_found");
    }
}

#[test]
fn templates_of_another_version_are_not_written() {
    let service = Service::start();
    let (_simulator, device) = device(Profile::Tft, 3, 2);
    let id = service.add_up(&device);
    allow(&service, &id);
    let made =
        over(&service, &service.post(&format!("/devices/{id}/backups"), &json!({ "templates": true })));
    let spare = Simulator::start(Config { profile: Profile::OldUdp, users: 0, ..Config::default() }).unwrap();
    let other = service.add_up(&spare.devices()[0]);
    allow(&service, &other);
    let wanted = json!({
        "backup": made["result"]["id"], "templates": true, "dry_run": false, "allow_other_device": true,
    });
    let refused = over(&service, &service.post(&format!("/devices/{other}/restore"), &wanted));
    assert_eq!(refused["problem"]["code"], "other_algorithm", "{refused}");
    assert_eq!(spare.devices()[0].users().len(), 0);
}

#[test]
fn a_restore_that_breaks_is_completed_by_the_same_once_more() {
    let service = Service::start();
    let (_simulator, device) = device(Profile::Tft, 20, 0);
    let before = state(&device);
    let id = service.add_up(&device);
    let made = over(&service, &service.post(&format!("/devices/{id}/backups"), &json!({})));
    assert_eq!(made["result"]["templates"], Value::Null);
    device.set_users(&[]);
    device.set_fault(Fault::parse("silent@8+7*1").unwrap());
    let wanted = json!({ "backup": made["result"]["id"], "dry_run": false });
    let restore = format!("/devices/{id}/restore");
    allow(&service, &id);
    service
        .post(&restore, &json!({ "backup": made["result"]["id"], "templates": true }))
        .problem(422, "invalid_value");
    let broke = over(&service, &service.post(&restore, &wanted));
    // Of whoever was being written nobody knows.
    assert_eq!(broke["state"], "outcome_unknown", "{broke}");
    device.clear_faults();
    eventually("it is back", || service.connection(&id)["state"] == "idle");
    let done = over(&service, &service.post(&restore, &wanted));
    assert_eq!(done["state"], "done", "{done}");
    assert_eq!(state(&device), before);
    // A backup of a device that breaks off is none.
    device.set_fault(Fault::parse("silent@1503").unwrap());
    let failed = over(&service, &service.post(&format!("/devices/{id}/backups"), &json!({})));
    assert_ne!(failed["state"], "done", "{failed}");
    assert_eq!(service.get("/backups").json()["count"], 1);
}

#[test]
fn a_restore_that_was_killed_is_completed_by_the_same_once_more() {
    std::thread::scope(|scope| {
        // People one after the other; people and their templates in blocks, which are sent and then stored.
        for (templates, command, after) in
            [(false, 8, 1), (false, 8, 40), (true, 1500, 1), (true, 1501, 10), (true, 110, 1)]
        {
            scope.spawn(move || {
                let case = format!("command {command}, {after} times");
                let mut service = Service::start();
                let (_simulator, device) = device(Profile::Tft, 60, if templates { 30 } else { 0 });
                let before = state(&device);
                let id = service.add_up(&device);
                allow(&service, &id);
                let backup = json!({ "templates": templates });
                let made = over(&service, &service.post(&format!("/devices/{id}/backups"), &backup));
                // Another device, which is empty.
                let spare = Simulator::start(Config { users: 0, ..Config::default() }).unwrap();
                let device = &spare.devices()[0];
                let id = service.add_up(device);
                allow(&service, &id);
                let wanted = json!({
                    "backup": made["result"]["id"], "templates": templates, "dry_run": false,
                    "allow_other_device": true,
                });
                let restore = format!("/devices/{id}/restore");
                let said = device.counters().command(command);
                let begun = service.post(&restore, &wanted);
                assert_eq!(begun.status, 202, "{case}: {begun:?}");
                eventually(&case, || device.counters().command(command) >= said + after);
                service.signal(Signal::KILL);
                service.ended();
                let service = service.setup.again().start();
                service.until_state(&id, "idle");
                let told = service.get(&format!("/operations/{}", begun.json()["id"])).json();
                assert!(
                    ["outcome_unknown", "done"].contains(&told["state"].as_str().unwrap()),
                    "{case}: {told}"
                );
                let done = over(&service, &service.post(&restore, &wanted));
                assert_eq!(done["state"], "done", "{case}: {done}");
                assert_eq!(state(device), before, "{case}");
            });
        }
    });
}
