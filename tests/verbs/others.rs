//! Display, upkeep, power, and who may do what.

use serde_json::{Value, json};

use crate::service::eventually;
use crate::{add, everywhere, fault, one};

#[test]
fn the_display_is_written_in_the_devices_encoding_and_cleared() {
    everywhere(0, |service, case| {
        service.patch(&case.path("/settings"), &json!({ "name_encoding": "windows-1252" }));
        let line = case.path("/screen/1");
        assert_eq!(service.put(&line, &json!({ "text": "Grüße" })).json()["written"], true, "{}", case.name);
        assert_eq!(case.device.lines()[&1], b"Gr\xfc\xdfe", "{}", case.name);
        fault(&case.device, "reject:65535@66*1");
        service.put(&line, &json!({ "text": "x" })).problem(501, "unsupported_command");
        let cleared = service.delete(&case.path("/screen"));
        assert_eq!((cleared.status, case.device.lines().len()), (200, 0), "{}: {cleared:?}", case.name);
        for text in ["好", "a\nb", &"x".repeat(61)] {
            service.put(&line, &json!({ "text": text })).problem(422, "invalid_value");
        }
        service.put(&case.path("/screen/64"), &json!({ "text": "x" })).problem(404, "not_found");
    });
}

#[test]
fn upkeep_is_done_and_refusals_are_told() {
    everywhere(0, |service, case| {
        for (path, command, done) in
            [("/refresh", 1013, "refreshed"), ("/free-buffer", 1502, "freed"), ("/enable", 1002, "enabled")]
        {
            let before = case.device.counters().command(command);
            let answer = service.post(&case.path(path), &json!({}));
            assert_eq!(answer.json()[done], true, "{} {path}: {answer:?}", case.name);
            assert_eq!(case.device.counters().command(command), before + 1, "{} {path}", case.name);
            fault(&case.device, &format!("reject@{command}*1"));
            service.post(&case.path(path), &json!({})).problem(502, "device_rejected");
            service.post(&case.path(path), &json!({ "x": 1 })).problem(400, "invalid_body");
        }
    });
}

#[test]
fn a_device_is_switched_off_once_and_only_when_that_is_confirmed() {
    let (service, case) = one(0);
    let path = case.path("/power-off");
    service.post(&path, &json!({})).problem(409, "confirmation_needed");
    assert_eq!(case.device.counters().command(1005), 0);
    let sure = json!({ "confirm": true });
    let off = service.keyed("night", &path, &sure);
    assert_eq!(off.json()["off"], true, "{off:?}");
    assert_eq!(service.keyed("night", &path, &sure).header("idempotency-replayed"), Some("true"));
    assert_eq!(case.device.counters().command(1005), 1);
}

#[test]
fn what_a_silent_device_was_told_at_its_end_is_not_called_done() {
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            for (path, body) in [("/restart", json!({})), ("/power-off", json!({ "confirm": true }))] {
                scope.spawn(move || {
                    let service = crate::service::Service::start();
                    let case = add(&service, zkgate::simulator::Profile::Tft, transport, 0);
                    // The first call of all says more than it asks.
                    assert_eq!(service.get(&case.path("/time")).status, 200);
                    fault(&case.device, "blackhole");
                    let told = service.post(&case.path(path), &body).problem(502, "outcome_unknown");
                    let operation = service.get(&format!("/operations/{}", told["operation_id"])).json();
                    assert_eq!(operation["state"], "outcome_unknown", "{path} over {transport}: {operation}");
                    let heard = case.device.counters();
                    assert_eq!(heard.command(1004) + heard.command(1005), 0, "{path} over {transport}");
                });
            }
        }
    });
}

#[test]
fn who_may_only_read_changes_nothing_and_who_operates_does_nothing_final() {
    let (service, case) = one(1);
    let token = |scope: &str| {
        let made = service.post("/tokens", &json!({ "name": scope, "scopes": [scope] })).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (reader, operator) = (token("read"), token("operate"));
    let operate: [(&str, &str, Value); 8] = [
        ("PUT", "/users/1001/access", json!({ "group": 2 })),
        ("PUT", "/users/1001/verify-style", json!({ "verify_style": 2 })),
        ("PUT", "/access/groups/1", json!({ "time_zones": [1], "holidays": false, "verify_style": 0 })),
        ("PUT", "/access/combinations/1", json!({ "groups": [1] })),
        ("PUT", "/messages/1", json!({ "text": "Hello" })),
        ("PUT", "/screen/0", json!({ "text": "Hello" })),
        ("POST", "/refresh", json!({})),
        ("POST", "/enable", json!({})),
    ];
    for (method, path, body) in &operate {
        let path = case.path(path);
        let told = service.as_somebody(&reader, method, &path, Some(body)).problem(403, "scope_needed");
        assert_eq!(told["scope"], "operate", "{path}");
        assert_eq!(service.as_somebody(&operator, method, &path, Some(body)).status, 200, "{path}");
    }
    let final_ones: [(&str, &str, Value); 4] = [
        ("PUT", "/options/VOLUME", json!({ "value": "5" })),
        ("POST", "/access/clear", json!({ "confirm": true })),
        ("POST", "/power-off", json!({ "confirm": true })),
        ("POST", "/raw", json!({ "command": 1013 })),
    ];
    for (method, path, body) in &final_ones {
        let told =
            service.as_somebody(&operator, method, &case.path(path), Some(body)).problem(403, "scope_needed");
        assert_eq!(told["scope"], "admin", "{path}");
    }
    for path in ["/options", "/options/VOLUME", "/users/1001/access", "/access/time-zones/1"] {
        assert_eq!(service.as_somebody(&reader, "GET", &case.path(path), None).status, 200, "{path}");
    }
    assert_eq!(service.as_somebody(&reader, "GET", "/events", None).status, 200);
}

#[test]
fn a_device_that_was_left_disabled_is_enabled_by_asking() {
    let (service, case) = one(0);
    let other = add(&service, zkgate::simulator::Profile::Tft, "tcp", 0);
    // The first call enables it by itself; another program may leave it disabled afterwards.
    assert_eq!(service.get(&case.path("/time")).status, 200);
    assert_eq!(case.device.counters().command(1002), 1);
    fault(&case.device, "reject@1002*1");
    service.post(&case.path("/enable"), &json!({})).problem(502, "device_rejected");
    assert_eq!(service.post(&case.path("/enable"), &json!({})).status, 200);
    assert_eq!(service.post(&other.path("/enable"), &json!({})).status, 200);
    eventually("it can be used", || case.device.is_usable() && other.device.is_usable());
}
