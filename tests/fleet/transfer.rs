//! One person from a device to others.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Profile, Simulator};
use zkgate::wire::record::user::TimeZones;

use super::service::{Service, Setup, eventually};
use super::{known, of_each, over, set};

/// Devices by their profiles, each with five people and fingerprints, where templates may be read and written.
fn site(kinds: &[(Profile, u16, &str)]) -> (Service, Vec<Simulator>, Vec<DeviceHandle>, Vec<String>) {
    site_of(Service::start(), kinds)
}

fn site_of(
    service: Service,
    kinds: &[(Profile, u16, &str)],
) -> (Service, Vec<Simulator>, Vec<DeviceHandle>, Vec<String>) {
    let (mut simulators, mut devices, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (profile, user_record, transport)) in kinds.iter().enumerate() {
        let users = if at == 0 { 5 } else { 2 };
        let templates = if at == 0 { 6 } else { 0 };
        let config =
            Config { profile: *profile, user_record: *user_record, users, templates, ..Config::default() };
        let simulator = Simulator::start(config).unwrap();
        let device = simulator.devices()[0].clone();
        let id = service.add_with(&device, &json!({ "transport": transport }));
        service.until_state(&id, "idle");
        let allowed = service.patch(&format!("/devices/{id}/settings"), &json!({ "biometrics": true }));
        assert_eq!(allowed.status, 200);
        simulators.push(simulator);
        devices.push(device);
        ids.push(id);
    }
    (service, simulators, devices, ids)
}

/// Which finger, what it is good for, and its template.
type Finger = (u8, u8, Vec<u8>);

/// Somebody's record without the index, and their fingers.
fn whole(device: &DeviceHandle, user_id: &str) -> (Vec<u8>, Vec<Finger>) {
    let users = device.users();
    let at = users.iter().position(|user| user.user_id.to_text() == user_id).unwrap();
    let mine = device.templates().into_iter().filter(|template| template.0 == users[at].uid);
    let mut fingers: Vec<_> = mine.map(|(_, finger, good_for, bytes)| (finger, good_for, bytes)).collect();
    fingers.sort();
    (device.records()[at][2..].to_vec(), fingers)
}

const KINDS: [(Profile, u16, &str); 3] =
    [(Profile::Tft, 72, "tcp"), (Profile::Tft, 72, "udp"), (Profile::Bw16Udp, 28, "udp")];

#[test]
fn a_person_is_the_same_on_every_device_and_gone_where_that_is_wanted() {
    let (service, _simulators, devices, ids) = site(&KINDS);
    let mut users = devices[0].users();
    users[3].time_zones = TimeZones::List { flag: 1, zones: [4, 2, 0] };
    users[3].card_number = 777;
    devices[0].set_users(&users);
    let path = format!("/devices/{}/users/1004", ids[0]);
    let algorithm = service.get(&format!("/devices/{}/templates", ids[0])).json()["algorithm"].clone();
    for (finger, good_for) in [(3, "valid"), (8, "duress")] {
        let body = json!({ "data": "T3IjUwAAAAEC", "algorithm": algorithm, "use": good_for });
        assert_eq!(service.put(&format!("{path}/templates/{finger}"), &body).status, 200);
    }
    let before = whole(&devices[0], "1004");
    let body = json!({ "to": [ids[1]], "templates": true });
    let ended = over(&service, &service.post(&format!("{path}/transfer"), &body));
    assert_eq!(
        (&ended["state"], &ended["result"]["templates"]),
        (&json!("done"), &json!(before.1.len())),
        "{ended}"
    );
    assert_eq!(whole(&devices[1], "1004"), before, "byte for byte, fingers that call for help too");
    assert_eq!(whole(&devices[0], "1004"), before, "and still here");

    // Another form of record has no place for time zones of their own: no door opens at other hours.
    let body = json!({ "to": [ids[2]] });
    let ended = over(&service, &service.post(&format!("{path}/transfer"), &body));
    assert_eq!(ended["result"]["devices"][0]["rows"][0]["code"], "unusable_time_zones", "{ended}");
    for id in &ids[..2] {
        let usual = json!({ "time_zones": { "flag": 0, "zones": [1, 0, 0] } });
        assert_eq!(service.patch(&format!("/devices/{id}/users/1004"), &usual).status, 200);
    }

    // Away from here.
    let mut body = json!({ "to": [ids[1], ids[2]], "remove_here": true });
    let ended = over(&service, &service.post(&format!("{path}/transfer"), &body));
    assert_eq!(ended["problem"]["code"], "templates_would_go", "{ended}");
    assert_eq!((known(&devices[0]).len(), devices[2].users().len()), (5, 2), "nothing was done");
    body["lose_templates"] = true.into();
    let ended = over(&service, &service.post(&format!("{path}/transfer"), &body));
    assert_eq!(
        (&ended["state"], &ended["result"]["removed_here"]),
        (&json!("done"), &json!(true)),
        "{ended}"
    );
    let written: Vec<_> = ended["result"]["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rows"][0]["written"].clone())
        .collect();
    assert_eq!(written, ["unchanged", "created"].map(Value::from));
    assert_eq!(known(&devices[0]), ["1001", "1002", "1003", "1005"]);
    let there = devices[2].users().into_iter().find(|user| user.user_id.to_text() == "1004").unwrap();
    assert_eq!((there.card_number, there.name.to_text()), (777, users[3].name.to_text()));
    let ended = over(&service, &service.post(&format!("{path}/transfer"), &body));
    assert_eq!(ended["problem"]["code"], "unknown_user", "nobody is here any more: {ended}");
}

#[test]
fn nobody_goes_who_has_not_arrived_and_what_cannot_be_is_told() {
    let (service, _simulators, devices, ids) = site(&KINDS[..2]);
    let path = format!("/devices/{}/users/1001/transfer", ids[0]);
    service.post(&path, &json!({ "to": [ids[0]] })).problem(422, "invalid_value");
    service.post(&path, &json!({ "to": [] })).problem(422, "invalid_value");
    service.post(&path, &json!({ "to": ["nobody"] })).problem(422, "invalid_value");
    let other = format!("/devices/{}/users/4711/transfer", ids[0]);
    let ended = over(&service, &service.post(&other, &json!({ "to": [ids[1]] })));
    assert_eq!(ended["problem"]["code"], "unknown_user", "{ended}");
    let who = |name: &str| format!("/devices/{}/users/{name}/transfer", ids[0]);

    let body = json!({ "to": [ids[1]], "remove_here": true, "lose_templates": true });
    for (fault, code) in [("not-kept@8", "not_stored"), ("reject:2001@8", "device_rejected")] {
        set(&devices[1], fault);
        let ended = over(&service, &service.post(&who("1005"), &body));
        assert_eq!(
            (&ended["state"], &ended["problem"]["code"]),
            (&json!("failed"), &json!("devices_failed")),
            "{ended}"
        );
        assert_eq!(ended["result"]["devices"][0]["rows"][0]["code"], code, "{ended}");
        assert_eq!(ended["result"]["removed_here"], false);
        devices[1].clear_faults();
    }
    set(&devices[1], "silent@8*1");
    let ended = over(&service, &service.post(&who("1005"), &body));
    assert_eq!(
        (&ended["state"], &ended["result"]["removed_here"]),
        (&json!("outcome_unknown"), &json!(false)),
        "{ended}"
    );
    assert!(known(&devices[0]).contains(&"1005".to_owned()), "still here");
    // They arrived all the same, and the same once more finds that out.
    set(&devices[0], "not-kept@18");
    let ended = over(&service, &service.post(&who("1005"), &body));
    assert_eq!(of_each(&ended, "state"), ["as_wanted"].map(Value::from), "{ended}");
    assert_eq!(ended["result"]["removal_problem"]["code"], "still_there", "{ended}");
    devices[0].clear_faults();
    let ended = over(&service, &service.post(&who("1005"), &body));
    assert_eq!(ended["state"], "done", "{ended}");
    assert!(!known(&devices[0]).contains(&"1005".to_owned()));
}

#[test]
fn templates_need_a_device_that_can_read_them_and_a_token_that_may() {
    let (service, _simulators, devices, ids) = site(&[KINDS[0], (Profile::OldUdp, 28, "udp")]);
    let path = format!("/devices/{}/users/1001/transfer", ids[0]);
    let body = json!({ "to": [ids[1]], "templates": true });
    let ended = over(&service, &service.post(&path, &body));
    assert_eq!(ended["result"]["devices"][0]["problem"]["code"], "other_algorithm", "{ended}");
    assert_eq!(devices[1].users().len(), 2, "nothing was written");
    let admin = service.post("/tokens", &json!({ "name": "a", "scopes": ["admin"] })).json();
    let admin = admin["token"].as_str().unwrap();
    service.as_somebody(admin, "POST", &path, Some(&body)).problem(403, "scope_needed");
    let off = service.patch(&format!("/devices/{}/settings", ids[1]), &json!({ "biometrics": false }));
    assert_eq!(off.status, 200);
    service.post(&path, &body).problem(403, "biometrics_off");
    let begun = service.as_somebody(admin, "POST", &path, Some(&json!({ "to": [ids[1]] })));
    let ended = over(&service, &begun);
    assert_eq!(ended["result"]["devices"][0]["rows"][0]["code"], "name_too_long", "never cut: {ended}");
    let short = service.patch(&format!("/devices/{}/users/1001", ids[0]), &json!({ "name": "Ann" }));
    assert_eq!(short.status, 200, "{short:?}");
    let begun = service.as_somebody(admin, "POST", &path, Some(&json!({ "to": [ids[1]] })));
    let ended = over(&service, &begun);
    assert_eq!(ended["state"], "done", "{ended}");
    assert_eq!(devices[1].users().len(), 2, "1001 was there already, by another name");
}

#[test]
fn who_has_become_somebody_else_meanwhile_is_not_removed() {
    // A slow device is waited for.
    let patient = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "20s").start();
    let (service, _simulators, devices, ids) = site_of(patient, &KINDS[..2]);
    let (here, there) = (&devices[0], &devices[1]);
    let path = format!("/devices/{}/users/1004/transfer", ids[0]);
    let body = json!({ "to": [ids[1]], "remove_here": true });
    let templates = format!("/devices/{}/users/1004/templates", ids[0]);
    for finger in 0..10 {
        assert_eq!(service.delete(&format!("{templates}/{finger}")).status, 200);
    }
    let users = here.users();
    // Something happens here while the other device takes its time.
    let meanwhile = |happens: &dyn Fn()| {
        let before = there.counters().command(8);
        set(there, "delay:2s@8*1");
        let begun = service.post(&path, &body);
        eventually("it is being written", || there.counters().command(8) > before);
        happens();
        let ended = over(&service, &begun);
        there.clear_faults();
        assert_eq!(ended["state"], "failed", "{ended}");
        assert_eq!(ended["result"]["removed_here"], false, "{ended}");
        ended["result"]["removal_problem"]["code"].clone()
    };
    let code = meanwhile(&|| {
        let mut changed = users.clone();
        changed[3].card_number = 4242;
        here.set_users(&changed);
    });
    assert_eq!(code, "changed_meanwhile");
    there.set_users(&[]);
    let code = meanwhile(&|| {
        let put = service.patch(&format!("/devices/{}/users/1004", ids[0]), &json!({ "name": "Eve" }));
        assert_eq!(put.status, 200, "{put:?}");
    });
    assert_eq!(code, "changed_meanwhile");
    there.set_users(&[]);
    let code = meanwhile(&|| {
        let algorithm =
            service.get(&format!("/devices/{}/options/~ZKFPVersion", ids[0])).json()["value"].clone();
        let print = json!({ "data": "T3IjUwAAAAE=", "algorithm": algorithm });
        let put = service.put(&format!("{templates}/4"), &print);
        assert_eq!(put.status, 200, "{put:?}");
    });
    assert_eq!(code, "templates_would_go");
    let gone = service.delete(&format!("{templates}/4"));
    assert_eq!(gone.status, 200, "{gone:?}");
    there.set_users(&[]);
    let code = meanwhile(&|| {
        here.set_serial("ANOTHER1");
        here.drop_connections(zkgate::simulator::How::Fin);
    });
    assert_eq!(code, "other_device");
    assert!(known(here).contains(&"1004".to_owned()));
}
