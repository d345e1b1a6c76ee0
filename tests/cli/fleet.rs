//! Lists of people, transfers and backups through the service.

use serde_json::json;
use zkgate::simulator::{Config, DeviceHandle, Fault, Simulator};
use zkgate::wire::record::user::Privilege;

use crate::program::Program;
use crate::service::Service;

/// Two devices that know 1001 to 1003, none of them an administrator, and templates that may be touched.
fn rig() -> (Service, Vec<Simulator>, Vec<DeviceHandle>) {
    let service = Service::start();
    let simulators: Vec<_> = (1..=2)
        .map(|at| {
            let config = Config { users: 3, templates: 2, ..Config::default() };
            let simulator = Simulator::start(config).unwrap();
            let device = &simulator.devices()[0];
            device.set_serial(format!("S{at}"));
            let mut users = device.users();
            users.iter_mut().for_each(|user| user.privilege = Privilege(0));
            device.set_users(&users);
            let id = service.add_up(device);
            assert_eq!(id, at.to_string());
            let allowed = service.patch(&format!("/devices/{id}/settings"), &json!({ "biometrics": true }));
            assert_eq!(allowed.status, 200);
            simulator
        })
        .collect();
    let devices = simulators.iter().map(|simulator| simulator.devices()[0].clone()).collect();
    (service, simulators, devices)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn a_list_is_planned_written_and_looked_at_again() {
    let (service, _simulators, devices) = rig();
    let file = service.setup.home().join("people.csv");
    std::fs::write(&file, "user_id,name,card_number\n1001,Ann,77\n1002,,\n71,Bea,\n").unwrap();
    let file = file.to_str().unwrap();
    let people = Program::of(&service, ["people"]);
    let plan = people.well(["put", file, "--on", "1,2", "--remove-at-most", "1", "--dry-run"]);
    let lines: Vec<_> = plan.lines().map(words).collect();
    assert_eq!(
        lines[0],
        ["DEVICE", "STATE", "ADD", "CHANGE", "REMOVE", "UNCHANGED", "OTHERS", "FAILED", "WHY"]
    );
    assert_eq!(lines[1][..8], ["1", "different", "1", "1", "1", "1", "0", "0"], "{plan}");
    assert_eq!(devices[0].users().len(), 3);

    let refused = people.fails(["put", file, "--on", "1,2", "--remove-at-most", "1"], 2, "usage");
    assert!(refused.err.contains("1 from device 1, 1 from device 2"), "{refused:?}");
    assert_eq!(devices[0].users().len(), 3, "nobody is removed without a yes");
    let done = people.well(["put", file, "--on", "1,2", "--remove-at-most", "1", "--yes"]);
    let lines: Vec<_> = done.lines().map(words).collect();
    assert_eq!(lines[2][..8], ["2", "as_wanted", "1", "1", "1", "1", "0", "0"], "{done}");
    assert!(devices.iter().all(|device| device.users().len() == 3));

    let listed = people.well(["list"]);
    assert!(listed.lines().count() == 3 && listed.contains("as_wanted"), "{listed}");
    let shown = people.json(["show", "1"]);
    assert_eq!((&shown["count"], &shown["data"][0]["name"]), (&json!(3), &json!("Ann")), "{shown}");
    assert_eq!(service.delete("/devices/2/users/71").status, 200);
    let checked = people.json(["check"]);
    assert_eq!((&checked["as_wanted"], &checked["devices"][1]["add"]), (&json!(1), &json!(1)), "{checked}");
    let applied = people.json(["apply"]);
    assert_eq!(
        (&applied["devices"][0]["device_id"], &applied["devices"][0]["created"]),
        (&json!("2"), &json!(1))
    );
    assert_eq!(people.well(["forget", "1"]), "forgotten\n");
    people.fails(["show", "1"], 7, "no_list");
}

#[test]
fn what_a_device_makes_of_a_list_is_told_in_the_exit_status() {
    let (service, _simulators, devices) = rig();
    let people = Program::of(&service, ["people"]);
    let file = service.setup.home().join("people.json");
    std::fs::write(&file, r#"[{"user_id":"71","name":"Bea"}]"#).unwrap();
    let file = file.to_str().unwrap();
    for (fault, exit, code) in [
        ("not-kept@8", 8, "devices_failed"),
        ("reject:2001@8", 5, "devices_failed"),
        ("silent@8*1", 6, "outcome_unknown"),
    ] {
        crate::set(&devices[0], fault);
        people.fails(["put", file, "--on", "1"], exit, code);
        devices[0].clear_faults();
    }
    people.well(["put", file, "--on", "1"]);
    people.fails(["put", file, "--on", "nobody"], 2, "invalid_value");
    std::fs::write(file, r#"[{"user_id":"71","name":"A name that is much too long for it"}]"#).unwrap();
    let ran = people.run(["put", file, "--on", "1"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("device 1, user 71: the name takes 35 bytes; 23 fit"), "{ran:?}");
}

#[test]
fn a_person_is_transferred_and_a_device_backed_up_and_put_back() {
    let (service, _simulators, devices) = rig();
    let device = Program::of(&service, ["device", "@1"]);
    devices[1].set_users(&devices[1].users()[..1]);
    let moved = device.well(["transfer", "1003", "--to", "2", "--templates"]);
    assert!(words(moved.lines().nth(1).unwrap()).starts_with(&["2", "as_wanted", "1"]), "{moved}");
    assert_eq!((devices[0].users().len(), devices[1].users().len()), (3, 2));
    device.fails(["transfer", "1002", "--to", "2", "--remove-here"], 2, "usage");
    device.fails(["transfer", "1001", "--to", "2", "--remove-here", "--yes"], 1, "templates_would_go");
    let moved = device.json(["transfer", "1002", "--to", "2", "--remove-here", "--templates", "--yes"]);
    assert_eq!(moved["removed_here"], true, "{moved}");
    assert_eq!((devices[0].users().len(), devices[1].users().len()), (2, 3));
    device.fails(["transfer", "4711", "--to", "2"], 7, "unknown_user");

    let made = device.json(["backup", "--templates"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["users"], &made["templates"]), (&json!(2), &json!(devices[0].templates().len())));
    let backups = Program::of(&service, ["backups"]);
    assert!(backups.well([]).contains(id));
    devices[0].set_users(&[]);
    let asked = device.fails(["restore", id, "--templates"], 2, "usage");
    assert!(asked.err.contains("2 people are written as they are in the backup, 2 of them new"), "{asked:?}");
    let restored = device.well(["restore", id, "--templates", "--yes"]);
    assert!(restored.contains("created"), "{restored}");
    assert_eq!(devices[0].users().len(), 2);
    let other = Program::of(&service, ["device", "@2", "--yes"]);
    other.fails(["restore", id], 1, "other_device");
    other.well(["restore", id, "--other-device"]);

    let file = service.setup.home().join("gate.zkbackup");
    let saved = backups.json(["save", id, file.to_str().unwrap()]);
    assert_eq!(saved["bytes"].as_u64(), Some(std::fs::metadata(&file).unwrap().len()), "{saved}");
    assert!(std::fs::read(&file).unwrap().starts_with(b"ZKGATEBK"));
    backups.fails(["delete", id], 2, "usage");
    assert_eq!(backups.well(["delete", id, "--yes"]), "deleted\n");
    backups.fails(["save", id, file.to_str().unwrap()], 7, "not_found");
    Program::at(&devices[0]).fails(["backup"], 2, "usage");
}

#[test]
fn settings_are_shown_before_they_are_changed_and_those_that_fail_are_named() {
    let (service, _simulators, devices) = rig();
    let device = Program::of(&service, ["device", "@1"]);
    let put = |what: &str, body: serde_json::Value| {
        let answer = service.put(&format!("/devices/1/{what}"), &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    devices[0].set_fault(Fault::parse("reject:2001@25+2*1").unwrap());
    devices[0].set_fault(Fault::parse("reject:2001@25+99*1").unwrap());
    let made = device.well(["backup", "--settings"]);
    devices[0].clear_faults();
    assert!(made.contains("50 time zones, 98 groups, 10 combinations"), "{made}");
    assert!(made.contains("group 3 (device_rejected)"), "{made}");
    let id = made.lines().find_map(|line| line.strip_prefix("backup")).unwrap().trim();
    put("options/VOLUME", json!({ "value": "11" }));
    let restore = ["restore", id, "--settings"];
    let asked = device.fails(restore, 2, "usage");
    assert!(
        asked.err.contains("3 people are written") && asked.err.contains("nobody is removed. 1 settings")
    );
    assert!(
        asked.err.contains("1 settings are changed: VOLUME.") && !asked.err.contains("doors"),
        "{asked:?}"
    );
    put("access/groups/2", json!({ "time_zones": [2], "holidays": false, "verify_style": 0 }));
    let asked = device.fails(restore, 2, "usage");
    let told = "2 settings are changed (doors and access among them): VOLUME, group 2.";
    assert!(asked.err.contains(told) && asked.err.contains("IPAddress (may_cut_off)"), "{asked:?}");
    let yes = device.with(["--yes"]);
    devices[0].set_fault(Fault::parse("reject:2001@26*1").unwrap());
    let ran = yes.run(restore);
    assert_eq!(ran.code, 1, "{ran:?}");
    let line = |out: &str, name: &str| {
        let line = out.lines().find(|line| line.starts_with(name));
        words(line.unwrap_or_else(|| panic!("{name}: {out}"))).join(" ")
    };
    assert!(line(&ran.out, "group 2").starts_with("group 2 device_rejected the device refused"), "{ran:?}");
    assert_eq!(line(&ran.out, "VOLUME"), "VOLUME changed -", "{ran:?}");
    assert!(ran.out.contains("unchanged"), "people too: {ran:?}");
    let out = yes.well(restore);
    assert_eq!(line(&out, "group 2"), "group 2 changed -", "{out}");
}
