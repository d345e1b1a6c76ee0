//! What the service is asked: its state, its devices, its punches, and verbs for its devices.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};
use zkgate::simulator::{Config, Fault, Simulator};
use zkgate::wire::record::UserId;

use crate::program::{Program, values};
use crate::service::{Service, Setup, eventually};

fn simulator(devices: usize) -> Simulator {
    Simulator::start(Config { devices, users: 5, punches: 30, ..Config::default() }).unwrap()
}

#[test]
fn a_device_says_the_same_directly_and_through_the_service() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let direct = Program::at(device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    for verb in ["info", "users"] {
        assert_eq!(asked.json([verb]), direct.json([verb]), "{verb}");
        assert_eq!(asked.well([verb]), direct.well([verb]), "{verb}");
    }
    assert_eq!(asked.lines(["attendance"]), direct.lines(["attendance"]));
    assert_eq!(asked.well(["attendance", "--csv"]), direct.well(["attendance", "--csv"]));
    assert_eq!(asked.json(["user", "1003"]), direct.json(["user", "1003"]));
    // And they are the members that the API has.
    assert_eq!(direct.json(["users"]), service.get(&format!("/devices/{id}/users")).json());
    assert_eq!(direct.json(["info"]), service.get(&format!("/devices/{id}/info")).json());
    let (ours, theirs) = (direct.json(["time"]), service.get(&format!("/devices/{id}/time")).json());
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
}

#[test]
fn the_verbs_of_the_service_change_the_state_of_a_session() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    assert_eq!(asked.json(["connection"])["state"], "idle");
    assert_eq!(asked.json(["lend", "--minutes", "5", "--to", "ZKAccess"])["lent_to"], "ZKAccess");
    let ran = asked.fails(["time"], 1, "device_lent");
    assert!(ran.err.contains(&format!("@{id}")), "{ran:?}");
    asked.well(["resume"]);
    assert_eq!(asked.json(["connect"])["state"], "idle");
    assert_eq!(
        asked.json(["time", "--set", "2026-07-14T08:00:00", "--timeout", "10"])["device_time"],
        "2026-07-14T08:00:00"
    );
    asked.well(["time", "--set", "now"]);
    assert_eq!(asked.json(["voice", "10"])["played"], true);
    assert_eq!(asked.well(["unlock", "3"]), "unlocked for 3 s\n");
    assert_eq!((device.counters().unlocks, device.opened_for()), (1, Some(3)));
    assert_eq!(asked.well(["door"]), "closed\n");
    asked.fails(["unlock", "3", "--unit", "tenths"], 2, "usage");
    assert_eq!(asked.json(["test"])["verdict"], "ok");
    assert_eq!(asked.json(["collect", "--everything"])["records"], 30);
    assert_eq!(asked.json(["disconnect"])["state"], "absent");
    assert_eq!(asked.json(["restart"])["restarted"], true);
    Program::of(&service, ["device", "@nobody"]).fails(["info"], 7, "not_found");
}

#[test]
fn status_shows_who_is_up_and_why_the_others_are_not() {
    let (service, simulator) = (Service::start(), simulator(2));
    let [first, second] = simulator.devices() else { panic!() };
    let up = service.add_up(first);
    crate::set(second, "refuse");
    let down = service.add(second);
    service.until_state(&down, "back_off");
    let status = Program::of(&service, ["status"]);
    let shown = status.well([]);
    assert!(shown.starts_with("ready, 1 of 2 devices up\n\nID  NAME"), "{shown}");
    let line = shown.lines().last().unwrap();
    assert!(line.contains(&second.address().to_string()) && line.contains("refused"), "{shown}");
    let object = status.json([]);
    assert_eq!((&object["ready"], object["devices"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(object["devices"][0]["connection"]["state"], "idle");
    let listed = Program::of(&service, ["devices"]).json([]);
    assert_eq!((&listed["count"], &listed["data"][0]["id"]), (&json!(2), &json!(up)));
    assert!(!listed.to_string().contains("comm_key\""), "{listed}");
    assert_eq!(Program::of(&service, ["devices"]).well([]).lines().count(), 3);
    // A name is shown as text, whatever is in it.
    let changed = service.patch(&format!("/devices/{up}"), &json!({ "name": "Tür 张" }));
    assert_eq!(changed.status, 200);
    assert!(status.well([]).contains("Tür 张"));
}

#[test]
fn a_service_that_is_not_there_or_does_not_know_us_is_told_apart() {
    let mut service = Service::start();
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "0123456789abcdefXYZ\n").unwrap();
    let url = format!("http://{}", service.address);
    let stranger = Program::new(["devices", "--url", &url, "--token-file", wrong.path().to_str().unwrap()]);
    let ran = stranger.fails([], 4, "unauthorized");
    assert!(!format!("{ran:?}").contains("XYZ"), "{ran:?}");
    // As the settings say, without flags.
    let state = service.setup.state_dir();
    let by_settings = Program::new(["devices", "--state-dir", state.to_str().unwrap()])
        .env("ZKGATE_LISTEN", &service.address.to_string());
    assert_eq!(by_settings.json([])["count"], 0);
    let lost = Program::new(["devices"]).env("ZKGATE_STATE_DIR", "/nonexistent");
    let ran = lost.fails([], 2, "usage");
    assert!(ran.err.contains("/nonexistent/token") && ran.err.contains("--token-file"), "{ran:?}");
    service.stop();
    for verb in ["status", "devices", "punches"] {
        Program::of(&service, [verb]).fails([], 9, "service_unreachable");
    }
    for after in [&[][..], &["--after", "0"]] {
        let program =
            after.iter().fold(Program::of(&service, ["punches"]), |program, word| program.with([word]));
        program.fails(["--follow"], 9, "service_unreachable");
    }
    Program::of(&service, ["device", "@1"]).fails(["--transport", "udp", "info"], 2, "usage");
}

#[test]
fn punches_are_paged_chosen_and_counted() {
    let (service, simulator) = (Setup::collecting().start(), simulator(2));
    let ids: Vec<_> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    service.until("/journal", |journal| journal["head"] == 60);
    let punches = Program::of(&service, ["punches"]);
    let all = punches.lines([]);
    assert_eq!((all.len(), &all[59]["seq"]), (60, &json!(60)));
    assert_eq!(punches.lines(["--after", "50"]).len(), 10);
    assert_eq!(punches.lines(["--count", "7"]).len(), 7);
    let chosen = punches.lines(["--device", &ids[1]]);
    assert!(chosen.len() == 30 && chosen.iter().all(|row| row["device_id"] == ids[1].as_str()));
    let user = all[0]["user_id"].as_str().unwrap();
    assert!(punches.lines(["--user", user]).iter().all(|row| row["user_id"] == user));
    assert_eq!(punches.lines(["--from", "2099-01-01"]).len(), 0);
    punches.fails(["--from", "someday"], 2, "invalid_parameter");
    let table = punches.well(["--after", "58"]);
    assert!(table.starts_with("     SEQ  DEVICE") && table.lines().count() == 3, "{table}");
    assert_eq!(punches.run(["--follow", "--from", "2026-01-01"]).code, 2);
}

#[test]
fn a_follower_misses_nothing_while_the_service_is_started_anew() {
    let simulator = simulator(1);
    let device = &simulator.devices()[0];
    let mut service = Setup::collecting().start();
    let id = service.add_up(device);
    service.until("/journal", |journal| journal["head"] == 30);
    service.until(&format!("/devices/{id}/collection"), |shown| shown["live"] == "on");
    let punches = Program::of(&service, ["punches"]);
    let mut following = punches.start(["--follow", "--json", "--after", "28", "--count", "5"]);
    let mut told = BufReader::new(following.child().stdout.take().unwrap()).lines();
    let mut next =
        || serde_json::from_str::<Value>(&told.next().unwrap().unwrap()).unwrap()["seq"].as_u64().unwrap();
    assert_eq!([next(), next()], [29, 30]);
    let punch =
        |device: &zkgate::simulator::DeviceHandle| device.punch(UserId::from_number(1002), 0, 1).is_some();
    eventually("somebody punches", || punch(device));
    assert_eq!(next(), 31);
    let address = service.address;
    service.stop();
    eventually("two more punch meanwhile", || punch(device));
    eventually("two more punch meanwhile", || punch(device));
    let _service = service.setup.again().listen(address).start();
    assert_eq!([next(), next()], [32, 33]);
    let ran = following.ends();
    assert!(ran.code == 0 && (ran.err.is_empty() || ran.err.contains("service_unreachable")), "{ran:?}");
}

#[test]
fn tokens_are_made_and_revoked_and_what_they_did_is_told() {
    let (service, simulator) = (Service::start(), simulator(1));
    let id = service.add_up(&simulator.devices()[0]);
    let tokens = Program::of(&service, ["token"]);
    let made = tokens.well(["create", "door", "--scope", "read,operate"]);
    let token = made.trim_end();
    assert_eq!((token.len(), made.lines().count()), (64, 1), "{made}");
    tokens.fails(["create", "door", "--scope", "read"], 1, "name_taken");
    tokens.fails(["create", "x", "--scope", "root"], 2, "invalid_value");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &made).unwrap();
    let theirs = Program::new(["device", &format!("@{id}")]).with([
        "--url",
        &format!("http://{}", service.address),
        "--token-file",
        file.path().to_str().unwrap(),
    ]);
    assert_eq!(theirs.json(["unlock", "3"])["operation_id"], 1);
    let listed = tokens.well(["list"]);
    assert!(listed.contains("door  read operate  main"), "{listed}");
    assert_eq!(Program::of(&service, ["operations"]).json(["1", "--wait"])["state"], "done");
    let all = Program::of(&service, ["operations"]).well([]);
    assert!(all.contains("unlock  1") && all.contains("done   door"), "{all}");
    Program::of(&service, ["operations"]).fails(["9"], 7, "not_found");
    let rows = Program::of(&service, ["audit"]).lines(["--token", "door"]);
    assert!(
        rows.iter().any(|row| row["action"] == "operation unlock" && row["result"] == "done"),
        "{rows:?}"
    );
    assert_eq!(tokens.well(["revoke", "1"]), "revoked\n");
    theirs.fails(["door"], 4, "unauthorized");
    assert!(!(listed + &all + &service.log()).contains(token));
}

#[test]
fn devices_are_looked_for_and_found() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let port = device.address().port().to_string();
    let discover = Program::of(&service, ["discover", "127.0.0.1", "--port", &port]);
    let found = discover.well([]);
    assert!(found.contains("device  tcp") && found.contains(&device.serial_number()), "{found}");
    service.add_up(device);
    assert_eq!(discover.json([])["found"][0]["verdict"], "registered");
    Program::of(&service, ["discover", "203.0.113.9"]).fails([], 2, "foreign_network");
}

#[test]
fn people_are_written_and_imported_through_the_service() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    assert_eq!(asked.well(["add-user", "77", "--name", "Ann", "--card", "9"]), "user 77 is created\n");
    asked.fails(["add-user", "77"], 1, "user_exists");
    let secret = asked.clone().stdin("7129\n");
    assert_eq!(secret.json(["change-user", "77", "--password-stdin"])["written"], "updated");
    assert_eq!(asked.json(["user", "77"])["has_password"], true);
    asked.fails(["change-user", "78", "--name", "Eve"], 7, "unknown_user");
    asked.fails(["user", "78"], 7, "unknown_user");
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), "user_id,name\n77,Ann\n80,Bea\n81,Cid\n").unwrap();
    let rows = asked.lines(["import-users", file.path().to_str().unwrap()]);
    let told: Vec<_> = rows.iter().map(|row| row["written"].as_str().unwrap()).collect();
    assert_eq!(told, ["unchanged", "created", "created"]);
    std::fs::write(file.path(), format!("user_id,name\n77,Ann\n82,{}\n", "x".repeat(40))).unwrap();
    let ran = asked.fails(["import-users", file.path().to_str().unwrap()], 2, "name_too_long");
    assert!(ran.out.contains("\"name_too_long\""), "{ran:?}");
    assert_eq!(asked.well(["delete-user", "80"]), "user 80 is deleted\n");
    let gone = asked.clone().with(["--yes"]).lines(["delete-user", "77", "81"]);
    assert_eq!(gone.iter().filter(|row| row["written"] == "deleted").count(), 2, "{gone:?}");
    assert_eq!(device.users().len(), 5);
}

#[test]
fn an_import_that_breaks_ends_like_a_direct_one_and_what_is_listed_can_be_imported() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(file.path(), r#"[{"user_id":1},{"user_id":2},{"user_id":3}]"#).unwrap();
    device.set_fault(Fault::parse("close:0@8+1*1").unwrap());
    let ran = asked.fails(["import-users", path], 6, "outcome_unknown");
    device.clear_faults();
    let codes: Vec<_> = values(&ran.out).iter().map(|row| row["code"].clone()).collect();
    assert_eq!(codes, ["not_verified", "outcome_unknown", "not_tried"]);
    service.until_state(&id, "idle");
    asked.well(["import-users", path]);
    assert_eq!(device.users().len(), 8, "the same once more is complete");

    let before = device.counters().command(8);
    std::fs::write(file.path(), asked.json(["users"]).to_string()).unwrap();
    let direct = Program::at(device);
    let rows = asked.lines(["import-users", path]);
    assert!(rows.len() == 8 && rows.iter().all(|row| row["written"] == "unchanged"), "{rows:?}");
    asked.well(["disconnect"]);
    let rows = direct.lines(["import-users", path]);
    assert!(rows.len() == 8 && rows.iter().all(|row| row["result"] == "unchanged"), "{rows:?}");
    assert_eq!(device.counters().command(8), before);
}

#[test]
fn options_and_display_are_reached_through_the_service() {
    let (service, simulator) = (Service::start(), simulator(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let asked = Program::of(&service, ["device", &format!("@{id}")]);
    assert!(asked.well(["options"]).contains("network: ip address"), "{}", asked.well(["options"]));
    assert_eq!(asked.lines(["options", "VOLUME", "NoSuch"])[1], json!({ "name": "NoSuch", "value": null }));
    assert_eq!(asked.well(["set-option", "VOLUME", "40"]), "VOLUME is 40\n");
    assert_eq!(asked.lines(["options", "VOLUME"])[0]["value"], "40");
    asked.fails(["set-option", "COMKey", "40"], 5, "secret_option");
    asked.well(["lcd", "1", "Hello"]);
    assert_eq!(device.lines()[&1], b"Hello");
    asked.well(["lcd", "--clear"]);
    assert!(device.lines().is_empty());
    asked.well(["refresh"]);
    asked.well(["free-buffer"]);
    asked.fails(["power-off"], 2, "usage");
    assert_eq!(asked.clone().with(["--yes"]).json(["power-off"])["off"], true);
}
