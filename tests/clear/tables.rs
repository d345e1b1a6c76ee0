//! Each table, on every kind of device, and back again from its backup.

use serde_json::{Value, json};
use zkgate::simulator::Profile;

use crate::{CLEAR_ADMIN, CLEAR_DATA, Rig, TEMPLATES, USERS, code, state};

const KINDS: [(Profile, &str); 5] = [
    (Profile::Tft, "tcp"),
    (Profile::Tft, "udp"),
    (Profile::OldUdp, "udp"),
    (Profile::Bw16Udp, "udp"),
    (Profile::D2, "tcp"),
];

#[test]
fn each_table_is_cleared_after_a_dry_run_and_a_backup_on_every_kind_of_device() {
    std::thread::scope(|scope| {
        for (profile, transport) in KINDS {
            scope.spawn(move || {
                for what in ["administrators", "templates", "users", "operation_log", "everything"] {
                    one(profile, transport, what);
                }
            });
        }
    });
}

fn one(profile: Profile, transport: &str, what: &str) {
    let case = format!("{what} of {profile} over {transport}");
    let rig = Rig::new(profile, transport, if what == "everything" { 0 } else { 20 });
    // So that there is something in the operation log.
    for _ in 0..3 {
        assert_eq!(rig.service.put(&format!("/devices/{}/time", rig.id), &json!({})).status, 200, "{case}");
    }
    let administrators = rig.device.users().iter().filter(|user| user.privilege.name() != "user").count();
    let shown = rig.dry_run(what);
    assert_eq!(shown["state"], "done", "{case}: {shown}");
    assert_eq!(shown["subject"], format!("{what}, dry run"), "{case}");
    let result = &shown["result"];
    assert_eq!(result["serial_number"], "SIM0000000001", "{case}");
    let before = &result["before"];
    let counted = [&before["users"], &before["administrators"], &before["templates"]];
    assert_eq!(counted, [&json!(USERS), &json!(administrators), &json!(TEMPLATES)], "{case}: {shown}");
    assert_eq!(
        (&result["not_in_backup"], &result["confirm_within_seconds"]),
        (&json!({}), &json!(600)),
        "{case}"
    );
    rig.is_untouched(&case);

    let value = result["confirmation"].as_str().unwrap();
    let done = rig.confirm(what, value);
    // A device that counts nothing cannot tell whether its operation log is shorter.
    let counts = profile != Profile::D2;
    let expected = match what {
        "operation_log" if !counts => ("outcome_unknown", "not_verified"),
        _ => ("done", ""),
    };
    assert_eq!(code(&done), expected, "{case}: {done}");
    let result = &done["result"];
    assert_eq!(
        (&result["cleared"], &result["before"]["users"]),
        (&json!(expected.1.is_empty()), &json!(USERS))
    );
    let after = &result["after"];
    match what {
        "operation_log" => {
            assert_eq!(result["backup"], Value::Null, "{case}");
            if counts {
                let entries = |of: &str| result[of]["operations"].as_u64().unwrap();
                assert!(entries("before") >= 3 && entries("after") <= 1, "{case}: {done}");
            }
        }
        _ => {
            let entry = rig.service.get(&format!("/backups/{}", result["backup"].as_str().unwrap())).json();
            assert_eq!((&entry["users"], &entry["templates"]), (&json!(USERS), &json!(TEMPLATES)), "{case}");
        }
    }
    let left = match what {
        "users" | "everything" => (0, 0, 0),
        "templates" => (USERS, administrators, 0),
        "administrators" => (USERS, 0, TEMPLATES),
        _ => (USERS, administrators, TEMPLATES),
    };
    let users = rig.device.users();
    let rights = users.iter().filter(|user| user.privilege.name() != "user").count();
    assert_eq!((users.len(), rights, rig.device.templates().len()), left, "{case}");
    assert_eq!((&after["users"], &after["administrators"]), (&json!(left.0), &json!(left.1)), "{case}");
    assert_eq!(rig.device.punches().len(), if what == "everything" { 0 } else { 20 }, "{case}");

    // Once, effective, and the device can be used; the value was used too.
    let counters = rig.device.counters();
    let said = if what == "administrators" { (0, 1) } else { (1, 0) };
    assert_eq!((counters.command(CLEAR_DATA), counters.command(CLEAR_ADMIN)), said, "{case}");
    assert!(rig.device.unrefreshed() == 0 && rig.device.is_usable(), "{case}");
    assert_eq!(code(&rig.confirm(what, value)), ("failed", "not_confirmed"), "{case}");
    assert_eq!(rig.commands(), 1, "{case}");
    let listed = rig.service.get(&format!("/devices/{}/users", rig.id)).json();
    assert_eq!(listed["count"], left.0, "{case}: {listed}");
    if left.0 == 0 {
        let made = rig.service.post(&format!("/devices/{}/users", rig.id), &json!({ "user_id": "4711" }));
        assert_eq!((made.status, rig.device.users().len()), (200, 1), "{case}: {made:?}");
    }
}

#[test]
fn what_was_cleared_comes_back_from_its_backup() {
    std::thread::scope(|scope| {
        for (profile, transport) in [(Profile::Tft, "tcp"), (Profile::Tft, "udp"), (Profile::Bw16Udp, "udp")]
        {
            scope.spawn(move || {
                let rig = Rig::new(profile, transport, 0);
                let before = state(&rig.device);
                for what in ["administrators", "templates", "users", "everything"] {
                    let case = format!("{what} of {profile} over {transport}");
                    let done = rig.clear(what);
                    assert_eq!(done["state"], "done", "{case}: {done}");
                    assert_ne!(state(&rig.device), before, "{case}");
                    let wanted = json!({
                        "backup": done["result"]["backup"], "templates": true, "dry_run": false,
                    });
                    let restore = rig.service.post(&format!("/devices/{}/restore", rig.id), &wanted);
                    let restored = crate::over(&rig.service, &restore);
                    assert_eq!(restored["state"], "done", "{case}: {restored}");
                    assert_eq!(state(&rig.device), before, "{case}");
                }
            });
        }
    });
}

#[test]
fn an_empty_device_can_be_cleared_too() {
    for (profile, transport) in KINDS {
        let rig = Rig::new(profile, transport, 0);
        rig.device.set_users(&[]);
        let settings = json!({ "biometrics": false });
        assert_eq!(rig.service.patch(&format!("/devices/{}/settings", rig.id), &settings).status, 200);
        for what in ["administrators", "users", "everything"] {
            let wanted = json!({ "what": what, "confirmation": rig.value(what), "backup": what != "users" });
            let done = rig.ask(&wanted);
            // Its fingerprints are still there until people are cleared, and may not be read for a backup.
            let counts = profile != Profile::D2;
            let expected = if what == "everything" && !counts { "backup_incomplete" } else { "" };
            assert_eq!(code(&done).1, expected, "{what} of {profile} over {transport}: {done}");
        }
        assert!(rig.device.users().is_empty() && rig.device.templates().is_empty());
    }
}

#[test]
fn a_device_that_cannot_tell_how_many_faces_it_has_is_not_cleared_as_if_it_had_none() {
    for profile in [Profile::Vl49, Profile::TftBig] {
        let rig = Rig::new(profile, "tcp", 0);
        for what in ["users", "everything"] {
            let shown = rig.dry_run(what);
            assert_eq!(shown["result"]["not_in_backup"], json!({ "faces": null }), "{profile}: {shown}");
            let refused = rig.clear(what);
            assert_eq!(code(&refused), ("failed", "backup_incomplete"), "{profile}: {refused}");
            assert_eq!(refused["problem"]["not_in_backup"], json!({ "faces": null }), "{profile}: {refused}");
            rig.is_untouched(what);
        }
        // Fingerprints are none of that, and are counted by reading them where they have to be.
        let done = rig.clear("templates");
        let counted = |of: &str| done["result"][of]["templates"].clone();
        assert_eq!(code(&done), ("done", ""), "{profile}: {done}");
        assert_eq!((counted("before"), counted("after")), (json!(TEMPLATES), json!(0)), "{profile}: {done}");
        let wanted = json!({ "what": "users", "confirmation": rig.value("users"), "backup": false });
        let done = rig.ask(&wanted);
        assert_eq!(
            (code(&done), &done["result"]["backup"]),
            (("done", ""), &Value::Null),
            "{profile}: {done}"
        );
        assert!(rig.device.users().is_empty(), "{profile}");
    }
}
