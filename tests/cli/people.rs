//! People are created, changed, deleted and imported.

use serde_json::json;
use zkgate::simulator::{DeviceHandle, Profile};
use zkgate::wire::record::UserId;
use zkgate::wire::record::user::User;

use crate::program::{Program, values};
use crate::site::{peopled, until};
use crate::{everywhere, set};

fn find(device: &DeviceHandle, number: u32) -> Option<User> {
    device.users().into_iter().find(|user| user.user_id == UserId::from_number(number))
}

#[test]
fn a_person_is_created_changed_and_deleted_and_their_password_is_shown_nowhere() {
    everywhere(4, 0, |case, device, program| {
        let mut said = String::new();
        let with_password = program.clone().stdin("47110\n");
        let created = with_password.run([
            "add-user",
            "90000",
            "--name",
            "Zoë Öz",
            "--password-stdin",
            "--privilege",
            "administrator",
            "--enabled",
            "false",
            "--card",
            "4294967295",
            "--group",
            "3",
        ]);
        assert_eq!(
            (created.code, created.out.as_str()),
            (0, "user 90000 is created\n"),
            "{case}: {created:?}"
        );
        let user = find(device, 90_000).expect(case);
        assert_eq!((user.name.to_text().as_ref(), user.privilege.0), ("Zoë Öz", 15), "{case}");
        assert_eq!((user.card_number, user.group), (u32::MAX, 3), "{case}");
        assert_eq!(user.password.expose().to_text(), "47110", "{case}");
        let shown = program.json(["user", "90000"]);
        assert_eq!((&shown["has_password"], &shown["enabled"]), (&json!(true), &json!(false)), "{case}");
        let again = program.fails(["add-user", "90000"], 1, "user_exists");

        let changed = program.json(["change-user", "90000", "--name", "Zoe"]);
        assert_eq!((&changed["result"], &changed["uid"]), (&json!("updated"), &json!(5)), "{case}");
        assert_eq!(
            find(device, 90_000).unwrap().password.expose().to_text(),
            "47110",
            "{case}: the rest stays"
        );
        let same = program.json(["change-user", "90000", "--name", "Zoe"]);
        assert_eq!(same["result"], "unchanged", "{case}");
        let wrong = program.clone().stdin("47110x").fails(
            ["change-user", "90000", "--password-stdin"],
            2,
            "unusable_password",
        );
        program.clone().stdin("\n").well(["change-user", "90000", "--password-stdin"]);
        assert!(find(device, 90_000).unwrap().password.expose().is_empty(), "{case}: an empty one is none");

        assert_eq!(program.well(["delete-user", "90000"]), "user 90000 is deleted\n", "{case}");
        assert!(find(device, 90_000).is_none() && device.unrefreshed() == 0, "{case}");
        program.fails(["delete-user", "90000"], 7, "unknown_user");
        program.fails(["user", "90000"], 7, "unknown_user");
        program.fails(["change-user", "90000", "--card", "7"], 7, "unknown_user");
        for ran in [created, again, wrong] {
            said.extend([ran.out, ran.err]);
        }
        assert!(!said.contains("4711"), "{case}: {said}");
    });
}

#[test]
fn a_file_of_people_is_imported_with_a_row_for_each_and_twice_does_nothing() {
    everywhere(3, 0, |case, device, program| {
        let csv = "user_id,name,password,privilege,card_number\n\
            1001,Ann,4711,,\n7,Ann,,manager,77\n8,Ann,,,\n7,Twice,,,\n";
        let program = program.with(["import-users", "-", "--format"]).stdin(csv);
        set(device, "not-kept@8+2*1");
        let ran = program.run(["csv", "--json"]);
        let rows = values(&ran.out);
        let results: Vec<_> = rows
            .iter()
            .map(|row| (row["user_id"].as_str().unwrap(), row["result"].as_str().unwrap()))
            .collect();
        assert_eq!(
            results,
            [("1001", "updated"), ("7", "created"), ("8", "failed"), ("7", "failed")],
            "{case}"
        );
        assert_eq!((&rows[2]["code"], &rows[3]["code"]), (&json!("not_stored"), &json!("duplicate_user_id")));
        assert_eq!(ran.code, 1, "{case}: of different kinds: {ran:?}");
        let user = find(device, 7).unwrap();
        assert_eq!((user.privilege.name(), user.card_number), ("manager", 77), "{case}");
        assert_eq!(find(device, 1001).unwrap().password.expose().to_text(), "4711", "{case}");

        let json =
            r#"{"count":2,"data":[{"user_id":1001,"name":"Ann","uid":9},{"user_id":"8","name":"Ann"}]}"#;
        let ran = program.clone().stdin(json).run(["json"]);
        assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{case}: {ran:?}");
        assert_eq!(ran.err, "1 created, 0 updated, 1 unchanged, 0 failed\n", "{case}");
        let again = program.stdin(json).run(["json"]);
        assert_eq!(again.err, "0 created, 0 updated, 2 unchanged, 0 failed\n", "{case}");
        assert!(!format!("{ran:?}{again:?}").contains("4711"), "{case}");
    });
}

#[test]
fn a_device_that_is_gone_half_way_leaves_one_outcome_unknown_and_says_which() {
    let file = tempfile::Builder::new().suffix(".CSV").tempfile().unwrap();
    std::fs::write(file.path(), "user_id,name\n1,Ann\n2,Ann\n3,Ann\n").unwrap();
    let path = file.path().to_str().unwrap();
    let half_way = |transport: &str, fault: &str| {
        let (_simulator, device) = peopled(Profile::Tft, 3, 0);
        let program = Program::at(&device).with(["--transport", transport]);
        set(&device, fault);
        let ran =
            program.clone().with(["--timeout", "1"]).fails(["import-users", path], 6, "outcome_unknown");
        device.clear_faults();
        let codes: Vec<_> =
            values(&ran.out).iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(codes, ["not_verified", "outcome_unknown", "not_tried"], "{fault}");
        // The same once more is complete.
        program.well(["import-users", path]);
        assert_eq!(device.users().len(), 6, "{fault}");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| half_way("tcp", "close:0@8+1*1"));
        scope.spawn(|| half_way("udp", "silent@8+1*1"));
    });
    let (_simulator, device) = peopled(Profile::Tft, 3, 0);
    set(&device, "close:0@sizes*1");
    let ran = Program::at(&device).fails(["import-users", path], 3, "connection_lost");
    assert_eq!(ran.out, "", "nothing was begun");
}

#[test]
fn a_file_that_is_wrong_is_told_before_anything_is_said_to_the_device() {
    let (_simulator, device) = peopled(Profile::Tft, 1, 0);
    let program = Program::at(&device).with(["import-users", "-", "--format", "csv"]);
    let ran = program.stdin("user_id,password,card_number\n7,4711,x\n8,4712,y\n").fails([], 2, "usage");
    assert!(ran.err.contains("person 2: its card_number") && !ran.err.contains("471"), "{ran:?}");
    Program::at(&device).fails(["import-users", "/nonexistent/people.csv"], 2, "usage");
    Program::at(&device).fails(["import-users", "people.txt"], 2, "usage");
    assert_eq!(device.counters().commands.len(), 0);
}

#[test]
fn several_people_are_deleted_only_if_somebody_says_yes() {
    everywhere(5, 0, |case, device, program| {
        let ran = program.fails(["delete-user", "1001", "1002"], 2, "usage");
        assert!(ran.err.contains("--yes") && device.counters().commands.is_empty(), "{case}: {ran:?}");
        set(device, "not-kept@18*1");
        let ran = program.clone().with(["--json"]).run(["delete-user", "1001", "1002", "1003", "--yes"]);
        let results: Vec<_> = values(&ran.out).iter().map(|row| row["result"].clone()).collect();
        assert_eq!(results, ["failed", "deleted", "deleted"], "{case}");
        assert!(ran.code == 8 && ran.err.contains("still_there"), "{case}: {ran:?}");
        assert_eq!(device.users().len(), 3, "{case}");
    });
}

#[test]
fn an_import_that_is_interrupted_tells_what_was_done_and_says_goodbye() {
    let (_simulator, device) = peopled(Profile::Tft, 1, 0);
    set(&device, "delay:50ms@8");
    let people: String = (2000..2500).map(|id| format!("{id},Person {id}\n")).collect();
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    std::io::Write::write_all(&mut file, format!("user_id,name\n{people}").as_bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let mut running =
        Program::at(&device).with(["--transport", "tcp"]).start(["import-users", path, "--json"]);
    until("some are written", || device.counters().command(8) >= 3);
    running.interrupt();
    let ran = running.ends();
    assert!(ran.code == 1 && ran.err.contains("cancelled"), "{ran:?}");
    let told = values(&ran.out);
    let written = told.iter().filter(|row| row["result"] == "created").count();
    assert_eq!((told.len(), written), (500, device.users().len() - 1), "{}", ran.err);
    assert!((3..500).contains(&written));
    until("it has said goodbye", || device.sessions() == 0 && device.counters().command(1001) == 1);
    assert_eq!(device.unrefreshed(), 0);
}
