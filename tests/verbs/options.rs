//! Options.

use serde_json::{Value, json};
use zkgate::simulator::Profile;

use crate::{everywhere, one};

#[test]
fn options_are_shown_by_type_and_by_name_and_written_if_they_are_known() {
    everywhere(0, |service, case| {
        let shown = service.get(&case.path("/options")).json();
        let port = case.device.address().port();
        assert_eq!(shown["network"]["ip_address"], "127.0.0.1", "{}: {shown}", case.name);
        assert_eq!(shown["network"]["tcp_port"], port, "{}", case.name);
        assert_eq!(shown["sound"], json!({ "volume": 60, "voice": true }), "{}", case.name);
        let version = if case.profile == Profile::OldUdp { 9 } else { 10 };
        if [Profile::OldUdp, Profile::Tft].contains(&case.profile) {
            assert_eq!(
                shown["fingerprints"],
                json!({ "present": true, "version": version }),
                "{}",
                case.name
            );
        }
        case.keeps(
            service,
            "/options/VOLUME",
            &json!({ "value": "35" }),
            &json!({ "name": "VOLUME", "value": "35" }),
        );
        assert_eq!(service.get(&case.path("/options")).json()["sound"]["volume"], 35, "{}", case.name);
        case.fails(service, 12, "/options/VOLUME", &json!({ "value": "90" }));
    });
}

#[test]
fn what_may_cut_the_device_off_is_confirmed_first() {
    let (service, case) = one(0);
    let before = case.device.counters().command(12);
    for name in ["IPAddress", "NetMask", "GATEIPAddress"] {
        let path = case.path(&format!("/options/{name}"));
        service.put(&path, &json!({ "value": "10.0.0.7" })).problem(409, "confirmation_needed");
    }
    service
        .put(&case.path("/options/HiSpeedNet"), &json!({ "value": "1" }))
        .problem(409, "confirmation_needed");
    assert_eq!(case.device.counters().command(12), before, "nothing was written");
    let sure = json!({ "value": "10.0.0.1", "confirm": true });
    assert_eq!(service.put(&case.path("/options/GATEIPAddress"), &sure).status, 200);
    assert_eq!(service.get(&case.path("/options/GATEIPAddress")).json()["value"], "10.0.0.1");
}

#[test]
fn secrets_and_what_is_no_option_are_refused_without_asking_the_device() {
    let (service, case) = one(0);
    let (read, written) = (case.device.counters().command(11), case.device.counters().command(12));
    for name in ["COMKey", "comkey", "%43OMKey", "WifiPassword", "AdminPwd", "PushToken"] {
        let path = case.path(&format!("/options/{name}"));
        service.get(&path).problem(403, "secret_option");
        service.put(&path, &json!({ "value": "1" })).problem(403, "secret_option");
    }
    for name in ["a%3Db", "a%00", "%C3%A9", &"n".repeat(41), "a%20b"] {
        service.get(&case.path(&format!("/options/{name}"))).problem(400, "invalid_parameter");
    }
    for name in ["TCPPort", "MAC", "~SerialNumber", "volume"] {
        let answer = service.put(&case.path(&format!("/options/{name}")), &json!({ "value": "1" }));
        let known = answer.problem(422, "option_not_writable");
        assert!(known["writable"].as_array().unwrap().contains(&json!("VOLUME")), "{known}");
    }
    for value in ["101", "-1", "007", "", "5\u{0}X=1", " 5", "loud"] {
        service.put(&case.path("/options/VOLUME"), &json!({ "value": value })).problem(422, "invalid_value");
    }
    for body in [json!({}), json!({ "value": 5 }), json!({ "value": "5", "other": 1 })] {
        service.put(&case.path("/options/VOLUME"), &body).problem(400, "invalid_body");
    }
    let now = case.device.counters();
    assert_eq!((now.command(11), now.command(12)), (read, written), "nobody asked the device");
    assert_eq!(service.get(&case.path("/options/NoSuchThing")).json()["value"], Value::Null);
    service.get("/devices/77/options/VOLUME").problem(404, "not_found");
}
