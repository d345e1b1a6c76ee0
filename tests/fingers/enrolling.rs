//! Enrolments that break off: the device is told to stop, the finger that was there is not lost, nothing is begun twice.

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{DeviceHandle, Fault, How, Profile};

use crate::service::{Service, eventually};
use crate::{everywhere, site};

const STARTENROLL: u16 = 61;

fn begin(service: &Service, path: &str, user: &str, body: &Value) -> String {
    begin_for(30, service, path, user, body)
}

fn begin_for(seconds: u32, service: &Service, path: &str, user: &str, body: &Value) -> String {
    let begun = service.post(&format!("{path}/users/{user}/enrol?timeout={seconds}"), body);
    assert_eq!(begun.status, 202, "{begun:?}");
    format!("/operations/{}?wait=5", begun.json()["id"])
}

fn ended(service: &Service, operation: &str) -> Value {
    service.until(operation, |shown| !["queued", "running"].contains(&shown["state"].as_str().unwrap()))
}

fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}

fn template(device: &DeviceHandle, uid: u16, finger: u8) -> Option<(u8, Vec<u8>)> {
    let found = device.templates().into_iter().find(|t| (t.0, t.1) == (uid, finger));
    found.map(|t| (t.2, t.3))
}

#[test]
fn a_session_that_breaks_ends_the_enrolment_and_it_is_not_begun_once_more() {
    for (transport, refused) in [("tcp", false), ("udp", false), ("tcp", true)] {
        let (service, _simulator, device, path) = site(Profile::Tft, transport);
        // Over UDP a session that was forgotten is noticed when something is said to it: at the end.
        let seconds = if transport == "udp" { 2 } else { 30 };
        let operation = begin_for(seconds, &service, &path, "1004", &json!({ "finger": 3 }));
        eventually("it waits for a finger", || device.place_finger(100));
        if refused {
            // Away for a while: nobody calls until it is back.
            set(&device, "refuse");
        }
        match transport {
            "tcp" => device.drop_connections(How::Rst),
            _ => set(&device, "forget*1"),
        }
        let told = ended(&service, &operation);
        assert_eq!(
            (&told["state"], &told["problem"]["reached_device"]),
            (&json!("outcome_unknown"), &json!("perhaps")),
            "{transport}: {told}"
        );
        device.clear_faults();
        eventually("it verifies people again", || device.is_usable());
        assert!(!device.place_finger(100), "{transport}: nobody's finger is taken any more");
        assert_eq!(device.counters().command(STARTENROLL), 1, "{transport}");
        assert_eq!(template(&device, 4, 3), None, "{transport}");
    }
}

#[test]
fn a_device_that_is_connected_on_demand_is_told_to_stop_although_nobody_calls() {
    let (service, _simulator, device, path) = site(Profile::Tft, "tcp");
    assert_eq!(service.patch(&path, &json!({ "mode": "on_demand" })).status, 200);
    let operation = begin(&service, &path, "1004", &json!({ "finger": 3 }));
    eventually("it waits for a finger", || device.place_finger(100));
    device.drop_connections(How::Rst);
    assert_eq!(ended(&service, &operation)["state"], "outcome_unknown");
    eventually("it verifies people again", || device.is_usable());
    assert_eq!(device.counters().command(STARTENROLL), 1);
}

#[test]
fn a_service_that_is_killed_ends_the_enrolment_when_it_is_back() {
    let (mut service, _simulator, device, path) = site(Profile::Tft, "tcp");
    begin(&service, &path, "1004", &json!({ "finger": 3 }));
    eventually("it waits for a finger", || device.place_finger(100));
    service.signal(Signal::KILL);
    service.ended();
    assert!(!device.is_usable());
    let _service = service.setup.again().start();
    eventually("it verifies people again", || device.is_usable());
    assert!(!device.place_finger(100));
}

#[test]
fn the_finger_that_was_there_is_written_back_unless_there_is_a_new_one() {
    everywhere(|case, service, device, path| {
        let uid = device.users()[0].uid;
        let finger = device.templates()[0].1;
        // One that calls for help.
        let (_, old) = template(device, uid, finger).unwrap();
        let read = service.get(&format!("{path}/users/1001/templates/{finger}")).json();
        let help = json!({ "data": read["data"], "algorithm": read["algorithm"], "use": "duress" });
        let put = service.put(&format!("{path}/users/1001/templates/{finger}"), &help);
        assert_eq!(put.status, 200, "{case}: {put:?}");
        let before = template(device, uid, finger);
        assert_eq!(before.as_ref().map(|before| before.0), Some(3), "{case}");
        assert!(old.starts_with(&before.as_ref().unwrap().1), "{case}");
        let body = json!({ "finger": finger, "replace": true });
        let begin = || begin(service, path, "1001", &body);
        let restored = |told: &Value, state: &str, code: &str| {
            assert_eq!(told["state"], state, "{case}: {told}");
            assert_eq!(told["problem"]["code"].as_str().unwrap_or_default(), code, "{case}: {told}");
            assert_eq!(told["result"], json!({ "old_template": "restored" }), "{case}: {told}");
            assert_eq!(template(device, uid, finger), before, "{case}");
            assert!(device.is_usable(), "{case}");
        };

        set(device, "reject:65535@61");
        restored(&ended(service, &begin()), "failed", "unsupported_command");
        device.clear_faults();
        let operation = begin();
        eventually("it waits for a finger", || device.place_finger(100));
        assert_eq!(template(device, uid, finger), None, "{case}");
        service.post(&format!("{}/cancel", operation.split('?').next().unwrap()), &json!({}));
        restored(&ended(service, &operation), "cancelled", "");
        let operation = begin();
        eventually("it fails", || device.fail_enrolment(4));
        restored(&ended(service, &operation), "failed", "enrolment_failed");

        let operation = begin();
        for _ in 0..3 {
            eventually("a finger is placed", || device.place_finger(100));
        }
        let told = ended(service, &operation);
        assert_eq!(
            (&told["state"], &told["result"]["enrolled"]),
            (&json!("done"), &json!(true)),
            "{case}: {told}"
        );
        let after = template(device, uid, finger);
        assert!(after.is_some() && after != before, "{case}");

        // With the session nobody is there to write it back to, and that is said.
        let operation = begin_for(2, service, path, "1001", &body);
        eventually("it waits for a finger", || device.place_finger(100));
        if case.contains("tcp") {
            device.drop_connections(How::Fin);
        } else {
            set(device, "forget*1");
        }
        let told = ended(service, &operation);
        assert_eq!(
            (&told["state"], &told["result"]["old_template"]),
            (&json!("outcome_unknown"), &json!("lost")),
            "{case}: {told}"
        );
    });
}

#[test]
fn what_the_device_says_of_somebody_else_is_no_news_and_what_it_does_not_have_is_not_enrolled() {
    let (service, _simulator, device, path) = site(Profile::Tft, "tcp");
    let done = |user: &[u8; 4]| [&[0, 0, 0xc4, 4][..], user, &[0; 5], &[3]].concat();
    let operation = begin(&service, &path, "1004", &json!({ "finger": 3 }));
    eventually("it waits for a finger", || device.place_finger(100));
    device.tell(8, &done(b"9999"));
    device.tell(8, &done(b"1004"));
    let told = ended(&service, &operation);
    assert_eq!(
        (&told["state"], &told["problem"]["code"]),
        (&json!("failed"), &json!("not_stored")),
        "{told}"
    );
    assert!(device.is_usable());
    let operation = begin(&service, &path, "1004", &json!({ "finger": 3 }));
    eventually("it waits for a finger", || device.place_finger(100));
    device.tell(8, &done(b"9999"));
    for _ in 0..2 {
        eventually("a finger is placed", || device.place_finger(100));
    }
    let told = ended(&service, &operation);
    assert_eq!(told["state"], "done", "{told}");
}
