//! Everything else that a device is told: said once, verified where it can be, and never without a yes where
//! something is lost.

use std::time::Duration;

use serde_json::json;
use zkgate::simulator::{Concurrency, Config, Profile, Sensor};

use crate::program::Program;
use crate::site::{device, peopled};
use crate::{everywhere, set};

#[test]
fn a_door_is_opened_for_as_long_as_was_said_and_its_state_is_shown() {
    everywhere(1, 0, |case, device, program| {
        assert_eq!(program.well(["unlock", "3"]), "unlocked for 3 s\n", "{case}");
        assert_eq!(device.opened_for(), Some(3), "{case}");
        program.well(["unlock", "2.5", "--unit", "tenths"]);
        assert_eq!(device.opened_for(), Some(25), "{case}");
        program.fails(["unlock", "2.5"], 2, "usage");
        assert_eq!(device.counters().unlocks, 2, "{case}");
        for (sensor, word) in
            [(Sensor::Open, "open"), (Sensor::Closed, "closed"), (Sensor::Missing, "unknown")]
        {
            device.set_sensor(sensor);
            assert_eq!(program.json(["door"]), json!({ "door": word }), "{case}");
        }
        assert_eq!(program.json(["voice", "10"]), json!({ "played": true }), "{case}");
    });
}

#[test]
fn a_clock_is_shown_and_set_and_one_that_was_not_set_is_found_out() {
    everywhere(0, 0, |case, device, program| {
        let shown = program.json(["time"]);
        assert!(shown["drift_seconds"].as_i64().is_some_and(|drift| drift.abs() < 5), "{case}: {shown}");
        let set_to = program.json(["time", "--set", "2024-02-29T23:59:58"]);
        assert!(set_to["device_time"].as_str().unwrap().starts_with("2024-0"), "{case}: {set_to}");
        assert_eq!((device.clock().year, device.unrefreshed()), (2024, 0), "{case}");
        set(device, "not-kept@202*1");
        program.fails(["time", "--set", "now"], 8, "not_stored");
        program.well(["time", "--set", "now"]);
        assert_ne!(device.clock().year, 2024, "{case}");
        program.fails(["time", "--set", "2024-02-30T00:00:00"], 2, "usage");
    });
}

#[test]
fn options_and_access_control_are_written_and_shown() {
    everywhere(2, 0, |case, device, program| {
        program.well(["set-option", "VOLUME", "35"]);
        assert_eq!(program.json(["options", "VOLUME"]), json!({ "VOLUME": "35" }), "{case}");
        let group = program.json([
            "group",
            "set",
            "2",
            "--zones",
            "1,3",
            "--verify-style",
            "5",
            "--holidays",
            "true",
        ]);
        let expected = json!({ "group": 2, "time_zones": [1, 3], "holidays": true, "verify_style": 5 });
        assert_eq!((&group, &program.json(["group", "show", "2"])), (&expected, &expected), "{case}");
        program.well(["group", "of", "1001", "--set", "3"]);
        assert_eq!(program.json(["group", "of", "1001"]), json!({ "user_id": "1001", "group": 3 }), "{case}");
        program.well(["time-zone", "set", "7", "--monday", "08:00-17:30", "--all", "never"]);
        let zone = program.json(["time-zone", "show", "7"]);
        assert_eq!((&zone["monday"], &zone["sunday"]), (&json!("08:00-17:30"), &json!("never")), "{case}");
        program.well(["time-zone", "set", "7", "--sunday", "always"]);
        assert_eq!(
            program.json(["time-zone", "show", "7"])["monday"],
            "08:00-17:30",
            "{case}: the rest stays"
        );
        program.well(["time-zone", "of", "1001", "--set", "2,7"]);
        let zones = program.json(["time-zone", "of", "1001"]);
        assert_eq!(zones["time_zones"], json!([2, 7]), "{case}");
        let combination = program.json(["combination", "set", "2", "1", "3"]);
        assert_eq!(combination, json!({ "combination": 2, "groups": [1, 3] }), "{case}");
        program.well(["verify-style", "1001", "--set", "4"]);
        assert_eq!(program.json(["verify-style", "1001"])["verify_style"], 4, "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");
    });
}

#[test]
fn messages_and_the_display() {
    let (_simulator, device) = peopled(Profile::OldUdp, 1, 0);
    let program = Program::at(&device).with(["--transport", "udp", "--encoding", "windows-1252"]);
    program.well(["message", "write", "5", "Grüße", "--minutes", "60", "--start", "2026-07-14T08:00:00"]);
    let expected =
        json!({ "id": 5, "tag": 253, "minutes": 60, "start": "2026-07-14T08:00:00", "text": "Grüße" });
    assert_eq!(program.json(["message", "show", "5"]), expected);
    program.well(["message", "give", "5", "1001"]);
    assert_eq!(device.given_messages(), [(1, 5)]);
    program.well(["message", "take", "5", "1001"]);
    program.well(["message", "delete", "5"]);
    program.fails(["message", "show", "5"], 7, "not_found");
    program.well(["lcd", "1", "Grüße"]);
    assert_eq!(device.lines()[&1], b"Gr\xfc\xdfe");
    program.well(["lcd", "--clear"]);
    assert!(device.lines().is_empty());
    program.fails(["lcd", "1", "陈"], 2, "usage");
    assert_eq!(program.run(["lcd"]).code, 2);
}

#[test]
fn templates_are_listed_without_what_is_in_them_and_deleted() {
    everywhere(4, 0, |case, device, program| {
        let listed = program.json(["templates"]);
        assert_eq!(listed["count"], 3, "{case}");
        let row = json!({ "user_id": "1001", "uid": 1, "finger": 6, "validity": "valid", "size": listed["data"][0]["size"] });
        assert_eq!(listed["data"][0], row, "{case}");
        assert_eq!(program.json(["templates", "1002"])["count"], 1, "{case}");
        assert_eq!(program.json(["templates", "1004"])["count"], 0, "{case}");
        program.well(["delete-template", "1001", "6"]);
        assert_eq!(device.templates().len(), 2, "{case}");
        program.fails(["delete-template", "1001", "6"], 7, "not_found");
        program.fails(["delete-template", "4", "6"], 7, "unknown_user");
        assert_eq!(program.run(["delete-template", "1001", "10"]).code, 2, "{case}");
    });
}

#[test]
fn nothing_is_cleared_or_switched_off_without_a_yes_or_by_a_device_that_only_says_so() {
    everywhere(4, 20, |case, device, program| {
        for verb in [&["clear", "everything"][..], &["clear", "attendance"], &["power-off"]] {
            let program = verb.iter().fold(program.clone(), |program, word| program.with([word]));
            let ran = program.fails([], 2, "usage");
            assert!(ran.err.contains("--yes"), "{case}: {ran:?}");
        }
        assert!(device.counters().commands.is_empty(), "{case}: and nobody connected");
        let program = program.with(["--yes"]);
        let counts = !case.starts_with("vl49") && !case.starts_with("d2");
        if counts {
            set(device, "not-kept@15*1");
            program.fails(["clear", "attendance"], 8, "not_stored");
            assert_eq!(device.punches().len(), 20, "{case}");
        }
        assert_eq!(program.json(["clear", "attendance"]), json!({ "cleared": "attendance" }), "{case}");
        assert!(device.punches().is_empty(), "{case}");
        program.well(["clear", "administrators"]);
        assert!(device.users().iter().all(|user| user.privilege.name() == "user"), "{case}");
        program.well(["clear", "templates"]);
        assert!(device.templates().is_empty() && device.users().len() == 4, "{case}");
        program.well(["clear", "operation-log"]);
        program.well(["clear", "everything"]);
        assert!(device.users().is_empty(), "{case}");
        program.well(["refresh"]);
        program.well(["free-buffer"]);
        assert_eq!(program.json(["power-off"]), json!({ "switched_off": true }), "{case}");
    });
}

#[test]
fn a_session_is_ended_politely_and_the_next_one_finds_the_device_free() {
    for transport in ["tcp", "udp"] {
        let (_simulator, device) = device(Config {
            profile: Profile::Tft,
            users: 1,
            concurrency: Concurrency::RefuseSecond,
            restart_time: Duration::from_millis(50),
            ..Config::default()
        });
        let program = Program::at(&device).with(["--transport", transport]);
        for verb in ["info", "users", "door", "time"] {
            program.well([verb]);
        }
        program.fails(["user", "7"], 7, "unknown_user");
        assert_eq!(program.json(["restart"]), json!({ "restarted": true }));
        crate::site::until("it is back", || program.run(["door"]).code == 0);
    }
}
