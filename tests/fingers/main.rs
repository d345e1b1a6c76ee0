//! Fingerprints over HTTP, with the real program and simulated devices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod enrolling;
#[path = "../support/service.rs"]
mod service;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};

use service::{Answer, Service, Setup, eventually};

fn site(profile: Profile, transport: &str) -> (Service, Simulator, DeviceHandle, String) {
    let service = Setup::new().set("ZKGATE_LOG", "trace").start();
    let simulator =
        Simulator::start(Config { profile, users: 5, templates: 2, ..Config::default() }).unwrap();
    let device = simulator.devices()[0].clone();
    let id = service.add_with(&device, &json!({ "transport": transport }));
    service.until_state(&id, "idle");
    let set = service.patch(&format!("/devices/{id}/settings"), &json!({ "biometrics": true }));
    assert_eq!(set.status, 200, "{set:?}");
    (service, simulator, device, format!("/devices/{id}"))
}

fn everywhere(test: impl Fn(&str, &Service, &DeviceHandle, &str) + Sync) {
    std::thread::scope(|scope| {
        for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::Tft, "udp"), (Profile::Bw16Udp, "udp")]
        {
            let test = &test;
            scope.spawn(move || {
                let (service, _simulator, device, path) = site(profile, transport);
                test(&format!("{profile} over {transport}"), &service, &device, &path);
            });
        }
    });
}

#[test]
fn a_template_is_read_written_and_deleted_and_its_bytes_are_told_nowhere_else() {
    everywhere(|case, service, device, path| {
        let listed = service.get(&format!("{path}/templates")).json();
        assert_eq!((&listed["count"], &listed["data"][0]["user_id"]), (&json!(2), &json!("1001")), "{case}");
        let finger = listed["data"][0]["finger"].as_u64().unwrap();
        let one = service.get(&format!("{path}/users/1001/templates/{finger}")).json();
        let truth = &device.templates()[0].3;
        let read = STANDARD.decode(one["data"].as_str().unwrap()).unwrap();
        assert_eq!(read.len().abs_diff(truth.len()) / 7, 0, "{case}");
        assert!(truth.starts_with(&read), "{case}");
        let print: Vec<u8> = (0..900).map(|n| (n % 251 + 1) as u8).collect();
        let seven = format!("{path}/users/1003/templates/7");
        service.get(&seven).problem(404, "unknown_template");
        let body = json!({ "data": STANDARD.encode(&print), "algorithm": one["algorithm"] });
        let written = service.put(&seven, &body);
        assert_eq!((written.status, &written.json()["written"]), (200, &json!(true)), "{case}: {written:?}");
        let uid = device.users()[2].uid;
        assert!(device.templates().iter().any(|t| (t.0, t.1) == (uid, 7) && t.3 == print), "{case}");
        let told = [
            service.log(),
            service.get("/audit").json().to_string(),
            service.get("/operations").json().to_string(),
        ];
        let part = STANDARD.encode(&print[300..360]);
        assert!(told.iter().all(|text| !text.contains(&part[4..70])), "{case}");
        let other = json!({ "data": STANDARD.encode(&print), "algorithm": "9.9" });
        service.put(&seven, &other).problem(409, "other_algorithm");
        for bad in [json!({ "data": "%%", "algorithm": "10" }), json!({ "data": "", "algorithm": "10" })] {
            service.put(&seven, &bad).problem(422, "invalid_value");
        }
        assert_eq!(service.delete(&seven).json()["deleted"], true, "{case}");
        assert!(!device.templates().iter().any(|t| (t.0, t.1) == (uid, 7)), "{case}");
        service.get(&format!("{path}/users/1003/templates/10")).problem(404, "not_found");
        service.get(&format!("{path}/users/4711/templates/1")).problem(404, "unknown_user");
    });
}

#[test]
fn a_template_is_deleted_if_it_is_there_and_written_once() {
    let (service, _simulator, device, path) = site(Profile::Tft, "tcp");
    let fault = |text: &str| device.set_fault(Fault::parse(text).unwrap());
    let (uid, count) = (device.users()[1].uid, device.templates().len());
    let finger = device.templates().iter().find(|t| t.0 == uid).unwrap().1;
    let one = format!("{path}/users/1002/templates/{finger}");
    // It is there, and not shown.
    fault("reject:2001@88");
    service.get(&one).problem(404, "unknown_template");
    assert_eq!(service.delete(&one).json()["deleted"], true);
    assert!(device.templates().len() == count - 1 && device.templates().iter().all(|t| t.0 != uid));
    device.clear_faults();
    // The connection is cut when the template is stored, and when it is deleted.
    let algorithm = service.get(&format!("{path}/templates")).json()["algorithm"].clone();
    let body = json!({ "data": STANDARD.encode([7; 300]), "algorithm": algorithm });
    for (code, method, body) in [(87, "PUT", Some(&body)), (134, "DELETE", None)] {
        let said = device.counters().command(code);
        fault(&format!("rst:1000@{code}*1"));
        service.ask(method, &one, body).problem(502, "outcome_unknown");
        assert_eq!(device.counters().command(code), said + 1, "{code}");
        assert_eq!(device.templates().iter().any(|t| t.0 == uid), method == "PUT", "{code}");
        assert_eq!(service.post(&format!("{path}/connect"), &json!({})).status, 200, "{code}");
    }
    assert_eq!(service.delete(&one).json()["deleted"], true);
    assert_eq!(device.unrefreshed(), 0);
}

#[test]
fn templates_need_their_scope_and_a_device_that_allows_them() {
    let (service, _simulator, _device, path) = site(Profile::Tft, "tcp");
    let token = |scopes: Value| {
        let name = scopes.to_string().replace(['"', '[', ']'], "");
        let made = service.post("/tokens", &json!({ "name": name, "scopes": scopes })).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (admin, biometric) = (token(json!(["admin"])), token(json!(["biometric"])));
    let list = format!("{path}/templates");
    service.as_somebody(&admin, "GET", &list, None).problem(403, "scope_needed");
    assert_eq!(service.as_somebody(&biometric, "GET", &list, None).status, 200);
    let rows = service.until("/audit?token=biometric", |rows| !rows["data"].as_array().unwrap().is_empty());
    assert_eq!(rows["data"][0]["action"], "GET /api/v1/devices/{id}/templates", "a look is noted");
    assert_eq!(service.patch(&format!("{path}/settings"), &json!({ "biometrics": false })).status, 200);
    service.get(&list).problem(403, "biometrics_off");
    service.post(&format!("{path}/users/1001/enrol"), &json!({ "finger": 3 })).problem(403, "biometrics_off");
}

fn over(service: &Service, begun: &Answer) -> Value {
    assert_eq!(begun.status, 202, "{begun:?}");
    let path = format!("/operations/{}?wait=10", begun.json()["id"]);
    service.until(&path, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

#[test]
fn fingers_of_many_people_are_written_in_one_call_and_read_back_as_they_were() {
    everywhere(|case, service, device, path| {
        let all = format!("{path}/templates");
        let plain = service.get(&all).json();
        assert!(plain["data"][0].get("data").is_none(), "{case}: only if it is asked for");
        let algorithm = plain["algorithm"].clone();
        let print = |n: u8| -> Vec<u8> { (0..700u16).map(|at| (at % 250) as u8 ^ n | 1).collect() };
        let finger = |n: u8, finger: u8, good_for: &str| json!({ "finger": finger, "data": STANDARD.encode(print(n)), "use": good_for });
        let body = json!({
            "algorithm": algorithm,
            "people": [
                { "user_id": "1003", "templates": [finger(1, 0, "valid"), finger(2, 9, "duress")] },
                { "user_id": "4711", "templates": [finger(3, 1, "valid")] },
                { "user_id": "1004", "templates": [finger(4, 5, "valid")] },
            ],
        });
        let ended = over(service, &service.put(&all, &body));
        assert_eq!(ended["problem"]["code"], "rows_failed", "{case}: {ended}");
        let rows = ended["result"]["rows"].as_array().unwrap();
        let codes: Vec<_> =
            rows.iter().map(|row| row["written"].as_str().or(row["code"].as_str()).unwrap()).collect();
        assert_eq!(codes, ["updated", "unknown_user", "updated"], "{case}");
        let uids: Vec<_> = device.users().iter().map(|user| user.uid).collect();
        for wanted in [(uids[2], 0, 1, print(1)), (uids[2], 9, 3, print(2)), (uids[3], 5, 1, print(4))] {
            assert!(device.templates().contains(&wanted), "{case}");
        }
        assert_eq!(device.templates().len(), 5, "{case}: the others stay");
        let read = service.get(&format!("{all}?data=true")).json();
        assert_eq!(read["count"], 5, "{case}: {read}");
        let help = read["data"].as_array().unwrap().iter().find(|one| one["use"] == "duress").unwrap();
        assert_eq!((&help["user_id"], &help["finger"]), (&json!("1003"), &json!(9)), "{case}");
        assert_eq!(STANDARD.decode(help["data"].as_str().unwrap()).unwrap(), print(2), "{case}");
        let again = over(service, &service.put(&all, &body));
        assert_eq!(again["result"]["unchanged"], 2, "{case}: {again}");

        let mut other = body.clone();
        other["algorithm"] = "9.9".into();
        let ended = over(service, &service.put(&all, &other));
        assert_eq!(ended["problem"]["code"], "other_algorithm", "{case}: {ended}");
        let told = [service.log(), service.get("/operations").json().to_string(), ended.to_string()];
        let part = STANDARD.encode(&print(1)[300..360]);
        assert!(told.iter().all(|text| !text.contains(&part[4..70])), "{case}");
    });
}

#[test]
fn fingers_that_nobody_has_and_a_device_that_forgets_are_told() {
    let (service, _simulator, device, path) = site(Profile::Tft, "tcp");
    let all = format!("{path}/templates");
    let data = STANDARD.encode([7; 600]);
    let one = |templates: Value| json!({ "algorithm": "10", "people": [{ "user_id": "1003", "templates": templates }] });
    for (body, code) in [
        (one(json!([])), "invalid_value"),
        (one(json!([{ "finger": 10, "data": data }])), "invalid_value"),
        (one(json!([{ "finger": 1, "data": "%" }])), "invalid_value"),
        (one(json!([{ "finger": 1, "data": data }, { "finger": 1, "data": data }])), "invalid_value"),
        (json!({ "algorithm": "10", "people": [] }), "invalid_value"),
    ] {
        service.put(&all, &body).problem(422, code);
    }
    let before = device.templates();
    device.set_fault(Fault::parse("not-kept").unwrap());
    let ended = over(&service, &service.put(&all, &one(json!([{ "finger": 1, "data": data }]))));
    assert_eq!(ended["result"]["rows"][0]["code"], "stored_differently", "{ended}");
    device.clear_faults();
    assert_eq!(device.templates(), before);
    device.set_fault(Fault::parse("silent@110*1").unwrap());
    let ended = over(&service, &service.put(&all, &one(json!([{ "finger": 1, "data": data }]))));
    assert_eq!(ended["state"], "outcome_unknown", "{ended}");
}

#[test]
fn a_device_that_does_not_keep_a_template_is_found_out_and_silence_is_no_answer() {
    let (service, _simulator, device, path) = site(Profile::Tft, "tcp");
    let seven = format!("{path}/users/1003/templates/7");
    let body = json!({ "data": STANDARD.encode([7; 600]), "algorithm": "10" });
    device.set_fault(Fault::parse("not-kept").unwrap());
    service.put(&seven, &body).problem(502, "not_stored");
    device.clear_faults();
    device.set_fault(Fault::parse("silent@87*1").unwrap());
    service.put(&seven, &body).problem(502, "outcome_unknown");
}

#[test]
fn a_finger_is_enrolled_by_somebody_who_stands_there_and_doors_open_meanwhile() {
    everywhere(|case, service, device, path| {
        let enrol = format!("{path}/users/1004/enrol");
        let begun = service.post(&enrol, &json!({ "finger": 3 }));
        assert_eq!(begun.status, 202, "{case}: {begun:?}");
        let operation = format!("/operations/{}", begun.json()["id"]);
        eventually("a finger is placed", || device.place_finger(100));
        service.until(&operation, |shown| shown["events"].as_array().unwrap().len() >= 2);
        let opened = service.post(&format!("{path}/unlock"), &json!({ "seconds": 1 }));
        assert_eq!(opened.status, 200, "{case}: {opened:?}");
        for _ in 0..2 {
            eventually("a finger is placed", || device.place_finger(100));
        }
        let ended = service.until(&format!("{operation}?wait=5"), |shown| shown["state"] == "done");
        assert_eq!((&ended["result"]["enrolled"], device.is_usable()), (&json!(true), true), "{case}");
        let again = service.post(&enrol, &json!({ "finger": 3 })).json();
        let again = format!("/operations/{}?wait=5", again["id"]);
        let refused = service.until(&again, |shown| shown["state"] == "failed");
        assert_eq!(refused["problem"]["code"], "already_enrolled", "{case}");
        let unknown = service.post(&format!("{path}/users/4711/enrol"), &json!({ "finger": 3 })).json();
        let unknown = format!("/operations/{}?wait=5", unknown["id"]);
        let refused = service.until(&unknown, |shown| shown["state"] == "failed");
        assert_eq!(refused["problem"]["code"], "unknown_user", "{case}");
    });
}

#[test]
fn an_enrolment_that_is_cancelled_fails_or_is_waited_for_in_vain_leaves_the_device_usable() {
    everywhere(|case, service, device, path| {
        let enrol = format!("{path}/users/1004/enrol");
        let begin = |timeout: &str| {
            let begun = service.post(&format!("{enrol}{timeout}"), &json!({ "finger": 3, "replace": true }));
            assert_eq!(begun.status, 202, "{case}: {begun:?}");
            format!("/operations/{}", begun.json()["id"])
        };
        let ended = |operation: &str| {
            service.until(&format!("{operation}?wait=5"), |shown| {
                !["queued", "running"].contains(&shown["state"].as_str().unwrap())
            })
        };
        let cancelled = begin("");
        eventually("a finger is placed", || device.place_finger(100));
        assert_eq!(service.post(&format!("{cancelled}/cancel"), &json!({})).status, 200, "{case}");
        assert_eq!((&ended(&cancelled)["state"], device.is_usable()), (&json!("cancelled"), true), "{case}");
        let failed = begin("");
        eventually("an enrolment fails", || device.fail_enrolment(4));
        assert_eq!(ended(&failed)["problem"]["code"], "enrolment_failed", "{case}");
        let waited = begin("?timeout=1");
        assert_eq!(ended(&waited)["problem"]["code"], "deadline_exceeded", "{case}");
        assert!(device.is_usable(), "{case}");
        service.post(&enrol, &json!({ "finger": 10 })).problem(422, "invalid_value");
    });
}
