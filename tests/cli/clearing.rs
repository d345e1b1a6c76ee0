//! Clearing through the service: what there is is shown, and without a yes nothing is cleared.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Simulator};

use crate::program::Program;
use crate::service::{Service, Setup};

fn rig(service: Service, punches: usize) -> (Service, Simulator, DeviceHandle, Program, String) {
    let config = Config { users: 5, templates: 3, punches, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = simulator.devices()[0].clone();
    let id = service.add_up(&device);
    let program = Program::of(&service, ["device", &format!("@{id}")]);
    (service, simulator, device, program, id)
}

#[test]
fn tables_are_cleared_through_the_service_after_a_look_and_a_yes() {
    let (service, _simulator, device, program, id) = rig(Service::start(), 20);
    let yes = program.clone().with(["--yes"]);
    // Fingerprints that are off for the device can be in no backup.
    yes.fails(["clear", "users"], 1, "backup_incomplete");
    let allowed = json!({ "biometrics": true });
    assert_eq!(service.patch(&format!("/devices/{id}/settings"), &allowed).status, 200);
    let ran = program.fails(["clear", "users"], 2, "usage");
    for word in ["@1", "5 people", "3 fingerprints", "A backup is made first", "--yes"] {
        assert!(ran.err.contains(word), "{word}: {ran:?}");
    }
    assert_eq!(device.counters().clears, 0);
    let administrators = yes.json(["clear", "administrators"]);
    assert_eq!(administrators["after"]["administrators"], 0, "{administrators}");
    let templates = yes.well(["clear", "templates", "--no-backup"]);
    assert!(templates.starts_with("templates cleared; left are 5 people") && !templates.contains("backup"));
    yes.well(["clear", "operation-log"]);
    let users = yes.json(["clear", "users"]);
    assert_eq!((&users["cleared"], &users["after"]["users"]), (&json!("users"), &json!(0)), "{users}");
    assert!(device.users().is_empty() && device.punches().len() == 20);
    let backups = service.get("/backups").json();
    assert_eq!((&backups["count"], &backups["data"][0]["id"]), (&json!(2), &users["backup"]));
    yes.fails(["clear", "everything"], 1, "log_not_empty");
    assert_eq!(device.punches().len(), 20);
    Program::at(&device).with(["--yes"]).fails(["clear", "users", "--no-backup"], 2, "usage");
}

#[test]
fn what_a_device_makes_of_it_is_told_in_the_exit_status() {
    for (fault, exit, code) in [
        ("reject@14*1", 5, "device_rejected"),
        ("not-kept@14*1", 8, "not_stored"),
        ("kept-otherwise@14*1", 8, "cleared_more"),
        ("silent@14*1", 6, "outcome_unknown"),
        ("silent@1013*1", 6, "not_verified"),
    ] {
        let (service, _simulator, device, program, id) = rig(Service::start(), 20);
        let allowed = json!({ "biometrics": true });
        assert_eq!(service.patch(&format!("/devices/{id}/settings"), &allowed).status, 200);
        crate::set(&device, fault);
        let ran = program.with(["--yes"]).fails(["clear", "users"], exit, code);
        assert!(ran.err.contains("a backup was made before: 1-"), "{fault}: {ran:?}");
    }
}

#[test]
fn the_log_and_then_everything_is_cleared_through_the_service() {
    let (service, _simulator, device, program, id) = rig(Setup::collecting().start(), 20);
    service.until(&format!("/devices/{id}/collection"), |shown| {
        shown["last_read"]["result"] == "complete" && shown["live"] == "on"
    });
    let ran = program.fails(["clear", "attendance"], 2, "usage");
    assert!(ran.err.contains("20 records"), "{ran:?}");
    let yes = program.with(["--yes"]);
    let told = yes.json(["clear", "attendance"]);
    assert_eq!((&told["cleared"], &told["in_journal"]), (&json!("attendance"), &json!(20)), "{told}");
    let told = yes.json(["clear", "everything", "--no-backup"]);
    assert_eq!((&told["backup"], &told["after"]["users"]), (&Value::Null, &json!(0)), "{told}");
    assert!(device.users().is_empty() && device.punches().is_empty());
}
