//! What goes wrong on the way: nothing is said twice, and what nobody knows is not called done.

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::Profile;

use crate::service::{Setup, eventually};
use crate::{CLEAR_ADMIN, CLEAR_DATA, Rig, TEMPLATES, USERS, code};

/// What, the fault, how it ends, and how many people are left.
const ENDS: [(&str, &str, (&str, &str), usize); 13] = [
    ("users", "reject@14*1", ("failed", "device_rejected"), USERS),
    ("users", "reject:65535@14*1", ("failed", "unsupported_command"), USERS),
    ("administrators", "reject@20*1", ("failed", "device_rejected"), USERS),
    ("everything", "reject@14*1", ("failed", "device_rejected"), USERS),
    ("users", "not-kept@14*1", ("failed", "not_stored"), USERS),
    ("templates", "not-kept@14*1", ("failed", "not_stored"), USERS),
    ("administrators", "not-kept@20*1", ("failed", "not_stored"), USERS),
    ("everything", "not-kept@14*1", ("failed", "not_stored"), USERS),
    ("templates", "kept-otherwise@14*1", ("failed", "cleared_more"), 0),
    ("users", "silent@14*1", ("outcome_unknown", "outcome_unknown"), 0),
    ("administrators", "silent@20*1", ("outcome_unknown", "outcome_unknown"), USERS),
    ("everything", "silent@14*1", ("outcome_unknown", "outcome_unknown"), 0),
    // Acknowledged, and then nobody can look.
    ("users", "silent@1013*1", ("outcome_unknown", "not_verified"), 0),
];

#[test]
fn a_device_that_refuses_forgets_or_falls_silent_is_asked_once_and_the_end_says_what_is_known() {
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            scope.spawn(move || {
                for (what, fault, expected, left) in ENDS {
                    let case = format!("{what} over {transport}: {fault}");
                    let punches = if what == "everything" { 0 } else { 10 };
                    let rig = Rig::new(Profile::Tft, transport, punches);
                    let value = rig.value(what);
                    rig.fault(fault);
                    let shown = rig.confirm(what, &value);
                    assert_eq!(code(&shown), expected, "{case}: {shown}");
                    assert!(shown["result"]["backup"].is_string(), "{case}: {shown}");
                    assert_ne!(shown["result"]["cleared"], true, "{case}: {shown}");
                    rig.device.clear_faults();
                    eventually("it is back", || {
                        rig.service.connection(&rig.id)["state"] == "idle" && rig.device.is_usable()
                    });
                    // Whoever looks again sees how it is.
                    let users = rig.dry_run(what)["result"]["before"]["users"].clone();
                    assert_eq!((users, rig.device.users().len()), (json!(left), left), "{case}");
                    let counters = rig.device.counters();
                    let said = counters.command(CLEAR_DATA) + counters.command(CLEAR_ADMIN);
                    assert_eq!(said, 1, "{case}: it was said once");
                    assert_eq!(code(&rig.confirm(what, &value)), ("failed", "not_confirmed"), "{case}");
                }
            });
        }
    });
}

#[test]
fn a_session_that_breaks_before_it_is_said_is_replaced_and_one_clearing_comes_of_it() {
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            for fault in ["silent@prepare*1", "silent@prepare+1*1", "silent@sizes+1*1", "silent@option*1"] {
                scope.spawn(move || {
                    let case = format!("{fault} over {transport}");
                    let rig = Rig::new(Profile::Tft, transport, 10);
                    let value = rig.value("users");
                    rig.fault(fault);
                    let shown = rig.confirm("users", &value);
                    assert_eq!(shown["state"], "done", "{case}: {shown}");
                    assert_eq!((rig.commands(), rig.device.users().len()), (1, 0), "{case}");
                });
            }
        }
    });
}

#[test]
fn a_device_that_breaks_off_again_and_again_is_not_cleared_and_that_is_known() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let value = rig.value("users");
    rig.fault("silent@prepare");
    let shown = rig.confirm("users", &value);
    assert_eq!(shown["state"], "failed", "{shown}");
    assert_eq!(shown["problem"]["reached_device"], "no", "{shown}");
    rig.is_untouched("silent");
    assert_eq!(rig.device.users().len(), USERS);
    assert_eq!(rig.service.get("/backups").json()["count"], 0, "half a backup is none");
}

#[test]
fn a_value_from_before_a_restart_of_the_service_is_no_good() {
    let mut rig = Rig::new(Profile::Tft, "tcp", 10);
    let value = rig.value("users");
    rig.service.signal(Signal::KILL);
    rig.service.ended();
    rig.service = rig.service.setup.again().start();
    rig.service.until_state(&rig.id, "idle");
    assert_eq!(code(&rig.confirm("users", &value)), ("failed", "not_confirmed"));
    rig.is_untouched("after a restart");
    assert_eq!(rig.clear("users")["state"], "done");
}

#[test]
fn it_can_be_cancelled_until_it_is_said() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "30s");
    let rig = Rig::of(setup.start(), Profile::Tft, "tcp", 10);
    let value = rig.value("users");
    // Between the request and the look at the device there is time to think better of it.
    rig.fault("delay:2s@option*1");
    let begun = rig.service.post(&rig.path(), &json!({ "what": "users", "confirmation": value }));
    let cancelled = rig.service.post(&format!("/operations/{}/cancel", begun.json()["id"]), &json!({}));
    assert_eq!((cancelled.status, &cancelled.json()["cancelling"]), (200, &json!(true)), "{cancelled:?}");
    let shown = crate::over(&rig.service, &begun);
    assert_eq!(shown["state"], "cancelled", "{shown}");
    rig.is_untouched("cancelled");
    assert_eq!(code(&rig.confirm("users", &value)), ("failed", "not_confirmed"), "it was used");
    assert_eq!(rig.clear("users")["state"], "done");
}

#[test]
fn without_a_backup_nothing_is_cleared_unless_that_is_said() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let backups = rig.service.setup.state_dir().join("backups");
    // Where the backups should be there is something else.
    std::fs::write(&backups, "").unwrap();
    let refused = rig.clear("users");
    assert_eq!(code(&refused), ("failed", "store_unavailable"), "{refused}");
    assert!(refused["problem"]["detail"].as_str().unwrap().starts_with("Nothing was cleared"), "{refused}");
    rig.is_untouched("no directory");
    std::fs::remove_file(&backups).unwrap();
    std::fs::write(rig.service.setup.state_dir().join("backup.key"), "no key").unwrap();
    let refused = rig.clear("users");
    assert_eq!(code(&refused), ("failed", "backup_locked"), "{refused}");
    rig.is_untouched("no key");
    // Fingerprints that may not be read are in no backup.
    let settings = format!("/devices/{}/settings", rig.id);
    assert_eq!(rig.service.patch(&settings, &json!({ "biometrics": false })).status, 200);
    for what in ["templates", "users"] {
        let refused = rig.clear(what);
        assert_eq!(code(&refused), ("failed", "backup_incomplete"), "{refused}");
        assert_eq!(refused["problem"]["not_in_backup"], json!({ "templates": TEMPLATES }), "{refused}");
        rig.is_untouched(what);
    }
    let wanted = json!({ "what": "templates", "confirmation": rig.value("templates"), "backup": false });
    let done = rig.ask(&wanted);
    assert_eq!((code(&done), &done["result"]["backup"]), (("done", ""), &Value::Null), "{done}");
    assert_eq!((rig.device.templates().len(), rig.device.users().len()), (0, USERS));
    assert_eq!(rig.service.get("/backups").json()["count"], 0);
}

#[test]
fn people_of_whom_fingers_are_left_are_not_called_cleared() {
    for profile in [Profile::Tft, Profile::Vl49] {
        let rig = Rig::new(profile, "tcp", 10);
        // The firmware forgets people, and keeps their fingers.
        rig.device.set_users(&[]);
        let shown = rig.dry_run("users");
        let before = &shown["result"]["before"];
        assert_eq!(
            (&before["users"], &before["templates"]),
            (&json!(0), &json!(TEMPLATES)),
            "{profile}: {shown}"
        );
        rig.fault("not-kept@14*1");
        let shown = rig.confirm("users", shown["result"]["confirmation"].as_str().unwrap());
        assert_eq!(code(&shown), ("failed", "not_stored"), "{profile}: {shown}");
        assert_eq!(rig.clear("users")["state"], "done", "{profile}");
        assert!(rig.device.templates().is_empty(), "{profile}");
    }
}
