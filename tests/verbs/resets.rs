//! Connections that are reset between a write and what makes it effective: nothing is said twice, nothing is called done
//! that nobody looked at, and asking for the same once more makes it effective.

use serde_json::{Value, json};

use crate::service::Service;
use crate::{Case, fault, one};

const REFRESH: [u16; 2] = [1013, 1014];

/// Writes: the command, the method, the path and the body.
fn writes() -> [(u16, &'static str, &'static str, Value); 7] {
    [
        (12, "PUT", "/options/LockOn", json!({ "value": "9" })),
        (26, "PUT", "/access/groups/2", json!({ "time_zones": [1, 2], "holidays": true, "verify_style": 0 })),
        (24, "PUT", "/users/1001/access", json!({ "group": 4, "time_zones": [2, 9] })),
        (70, "PUT", "/messages/5", json!({ "text": "Hello" })),
        (72, "DELETE", "/messages/5", Value::Null),
        (8, "PUT", "/users/4711", json!({ "name": "Ann" })),
        (18, "DELETE", "/users/4711", Value::Null),
    ]
}

fn refreshed(case: &Case) -> u64 {
    REFRESH.iter().map(|code| case.device.counters().command(*code)).sum()
}

fn ask(service: &Service, method: &str, path: &str, body: &Value) -> crate::service::Answer {
    service.ask(method, path, (!body.is_null()).then_some(body))
}

#[test]
fn a_write_that_broke_before_it_was_effective_becomes_so_when_it_is_asked_for_again() {
    let (service, case) = one(3);
    for (code, method, path, body) in writes() {
        let name = format!("{method} {path}");
        let said = case.device.counters().command(code);
        // The device says that it is done, and is gone.
        fault(&case.device, &format!("rst:1000@{code}*1"));
        ask(&service, method, &case.path(path), &body).problem(502, "outcome_unknown");
        // Every new session writes an option of its own.
        let counts = code != 12;
        assert!(!counts || case.device.counters().command(code) == said + 1, "{name}");
        assert_eq!(service.post(&case.path("/connect"), &json!({})).status, 200, "{name}");
        let before = refreshed(&case);
        let again = ask(&service, method, &case.path(path), &body);
        // Who is not there cannot be deleted.
        let expected = if code == 18 { 404 } else { 200 };
        assert_eq!(again.status, expected, "{name}: {again:?}");
        assert!(refreshed(&case) > before, "{name}: it is effective");
        // That a message is gone is believed only of a device that was told so.
        let told_again = u64::from(code == 72);
        assert!(!counts || case.device.counters().command(code) == said + 1 + told_again, "{name}");
    }
    assert_eq!(case.device.unrefreshed(), 0);
}
