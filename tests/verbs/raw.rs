//! Raw commands.

use serde_json::json;

use crate::{everywhere, fault, one};

#[test]
fn a_raw_command_is_off_until_somebody_allows_it_for_the_device() {
    everywhere(0, |service, case| {
        let path = case.path("/raw");
        let ask = json!({ "command": 11, "payload": "7e53657269616c4e756d62657200" });
        let before = case.device.counters().command(11);
        service.post(&path, &ask).problem(403, "raw_commands_off");
        assert_eq!(case.device.counters().command(11), before, "{}", case.name);
        service.patch(&case.path("/settings"), &json!({ "raw_commands": true }));
        let answer = service.post(&path, &ask).json();
        assert_eq!((&answer["command"], &answer["name"]), (&json!(2000), &json!("ACK_OK")), "{answer}");
        let text: String = (0..answer["payload"].as_str().unwrap().len() / 2)
            .filter_map(|at| {
                u8::from_str_radix(&answer["payload"].as_str().unwrap()[at * 2..at * 2 + 2], 16).ok()
            })
            .map(char::from)
            .collect();
        assert_eq!(text, format!("~SerialNumber={}\0", case.device.serial_number()), "{}", case.name);
        // The session is another one from then on.
        service.until_state(&case.id, "idle");
        let unknown = service.post(&path, &json!({ "command": 999 })).json();
        assert_ne!(unknown["name"], "ACK_OK", "{}: a refusal is an answer: {unknown}", case.name);
        service.until_state(&case.id, "idle");
        assert_eq!(service.get(&case.path("/serial")).status, 200, "{}: the session is in step", case.name);
    });
}

#[test]
fn a_raw_command_is_sent_once_noted_by_its_code_and_its_bytes_are_kept_nowhere() {
    let (service, case) = one(0);
    let path = case.path("/raw");
    service.patch(&case.path("/settings"), &json!({ "raw_commands": true }));
    let body = json!({ "command": 66, "payload": "010000204869207468657265" });
    let first = service.keyed("k", &path, &body);
    assert_eq!(first.json()["name"], "ACK_OK", "{first:?}");
    let again = service.keyed("k", &path, &body);
    assert_eq!(again.json()["payload"], json!(null), "{again:?}");
    assert_eq!(case.device.counters().command(66), 1);
    assert_eq!(case.device.lines()[&1], b"Hi there");

    service.until_state(&case.id, "idle");
    let asked = service.post(&path, &json!({ "command": 11, "payload": "4950416464726573730000" })).json();
    let payload = asked["payload"].as_str().unwrap();
    assert!(payload.len() > 20, "{asked}");
    let kept = service.get(&format!("/operations/{}", asked["operation_id"])).json().to_string();
    let audit = service.until("/audit", |shown| shown.to_string().contains("11 OPTIONS_RRQ")).to_string();
    for place in [kept, audit, service.log()] {
        assert!(!place.contains(payload) && !place.contains("4950416464726573"), "{place}");
        assert!(!place.contains("48692074"), "{place}");
    }

    service.until_state(&case.id, "idle");
    fault(&case.device, "silent@31*1");
    let unclear = service.post(&path, &json!({ "command": 31, "payload": "05000000" })).json();
    assert_eq!(
        (&unclear["code"], case.device.counters().unlocks),
        (&json!("outcome_unknown"), 1),
        "{unclear}"
    );
}

#[test]
fn what_would_put_the_session_out_of_step_is_refused() {
    let (service, case) = one(0);
    service.patch(&case.path("/settings"), &json!({ "raw_commands": true }));
    let path = case.path("/raw");
    let sum = || case.device.counters().commands.values().sum::<u64>();
    let before = sum();
    for (reason, codes) in [
        ("session", &[1000, 1001, 1102][..]),
        ("transfer", &[7, 9, 13, 34, 87, 88, 110, 119, 1009, 1011, 1012, 1500, 1501, 1502, 1503, 1504]),
        ("answer", &[2000, 2001, 2005, 65_535]),
        ("disables", &[1003]),
        ("template", &[10, 19, 61, 134]),
        ("clears", &[14, 15, 20, 32, 33]),
    ] {
        for code in codes {
            let told = service.post(&path, &json!({ "command": code })).problem(422, "command_not_raw");
            assert_eq!(told["reason"], reason, "{code}");
        }
    }
    let read = "434f4d4b657900";
    let written = "434f4d4b65793d313233343500";
    let behind = "566f6963654f6e3d310a434f4d4b65793d3132333435";
    for (command, payload) in [(11, read), (12, written), (12, behind)] {
        let secret = json!({ "command": command, "payload": payload });
        service.post(&path, &secret).problem(403, "secret_option");
    }
    for payload in ["0", "0g", "00 00", "0x00", "é", &"00".repeat(1025)] {
        service.post(&path, &json!({ "command": 31, "payload": payload })).problem(422, "invalid_value");
    }
    for command in [json!(-1), json!(65_536), json!("31"), json!(null)] {
        service.post(&path, &json!({ "command": command })).problem(400, "invalid_body");
    }
    assert_eq!(sum(), before, "nothing was sent");
}
