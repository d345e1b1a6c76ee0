//! What is read from a device directly is what is in it.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Profile};
use zkgate::wire::record::punch::Punch;

use crate::program::{Program, values};
use zkgate::wire::record::user::TimeZones;

use crate::site::{device, peopled};
use crate::{everywhere, set};

fn expected_users(device: &DeviceHandle) -> Vec<Value> {
    let shown = device.users();
    let shown = shown.iter().map(|user| {
        json!({
            "user_id": user.user_id.to_text(), "uid": user.uid, "name": user.name.to_text(),
            "privilege": user.privilege.name(), "privilege_code": user.privilege.0,
            "enabled": !user.privilege.is_disabled(), "card_number": user.card_number, "group": user.group,
            "has_password": !user.password.expose().is_empty(),
            "time_zones": match user.time_zones {
                TimeZones::Set(bits) => json!({ "set": bits }),
                TimeZones::List { flag, zones } => json!({ "flag": flag, "zones": zones }),
            },
        })
    });
    shown.collect()
}

fn expected_punches(device: &DeviceHandle) -> Vec<Value> {
    let (punches, users) = (device.punches(), device.users());
    // The oldest layout knows only the index.
    let who = |punch: &Punch| match punch.user_id.is_empty() {
        false => punch.user_id,
        true => users.iter().find(|user| Some(user.uid) == punch.uid).unwrap().user_id,
    };
    let shown = punches.iter().map(|punch| {
        let mut row = json!({
            "user_id": who(punch).to_text(), "timestamp": punch.time.fields().to_string(),
            "punch_state": punch.punch_state, "verify_mode": punch.verify_mode, "work_code": punch.work_code,
        });
        if let Some(uid) = punch.uid {
            row["uid"] = uid.into();
        }
        row
    });
    shown.collect()
}

#[test]
fn users_and_punches_are_those_of_the_device_record_for_record() {
    everywhere(6, 150, |case, device, program| {
        let listed = program.json(["users"]);
        assert_eq!((&listed["count"], &listed["complete"]), (&json!(6), &json!(true)), "{case}");
        assert_eq!(listed["data"], Value::from(expected_users(device)), "{case}");
        assert_eq!(program.json(["user", "1003"]), listed["data"][2], "{case}");
        assert_eq!(program.lines(["attendance"]), expected_punches(device), "{case}");
        let info = program.json(["info"]);
        assert_eq!(info["serial_number"], device.serial_number(), "{case}");
    });
}

#[test]
fn people_see_tables_and_spreadsheets_get_csv() {
    let (_simulator, device) = peopled(Profile::Tft, 3, 2);
    let program = Program::at(&device);
    let users = program.well(["users"]);
    let mut lines = users.lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["USER", "ID", "NAME", "PRIVILEGE", "ENABLED", "CARD", "GROUP", "PASSWORD", "UID"]);
    assert!(lines.next().unwrap().starts_with("1001     ") && lines.count() == 2, "{users}");
    let log = program.well(["attendance"]);
    assert!(log.starts_with("TIME ") && log.lines().count() == 3, "{log}");
    let csv = program.well(["attendance", "--csv"]);
    let first = &device.punches()[0];
    let expected = format!("{},,{},{}", first.user_id, first.time.fields(), first.punch_state);
    assert!(csv.lines().nth(1).unwrap().starts_with(&expected), "{csv}");
    assert_eq!((csv.matches("\r\n").count(), csv.lines().count()), (3, 3));
    let info = program.well(["info"]);
    assert!(info.contains("users                3 of 10000\n"), "{info}");
}

#[test]
fn names_are_read_and_written_in_the_encoding_of_the_device() {
    let (_simulator, device) = peopled(Profile::Tft, 2, 0);
    let program = Program::at(&device);
    let gbk = program.clone().with(["--encoding", "gbk"]);
    gbk.well(["add-user", "7", "--name", "张伟"]);
    let user = device.users().into_iter().find(|user| user.uid == 3).unwrap();
    assert_eq!(user.name.as_bytes(), [0xd5, 0xc5, 0xce, 0xb0]);
    let shown = gbk.json(["user", "7"]);
    assert_eq!((&shown["name"], &shown["name_exact"]), (&json!("张伟"), &Value::Null));
    assert!(gbk.well(["users"]).lines().last().unwrap().starts_with("7        张伟"));
    gbk.fails(["change-user", "7", "--name", "a😀"], 2, "name_not_encodable");
    gbk.fails(["change-user", "7", "--name", &"x".repeat(25)], 2, "name_too_long");
    let ran = program.with(["--encoding", "klingon"]).run(["users"]);
    assert!(ran.code == 2 && ran.err.contains("klingon"), "{ran:?}");
}

#[test]
fn an_empty_device_has_empty_lists_and_a_name_steers_no_terminal() {
    let (_simulator, device) = peopled(Profile::Tft, 0, 0);
    let program = Program::at(&device);
    assert_eq!(program.json(["users"]), json!({ "count": 0, "complete": true, "data": [] }));
    assert_eq!(program.well(["attendance"]), "TIME  USER ID  STATE  VERIFIED  WORK CODE\n");
    assert_eq!(program.json(["templates"])["count"], 0);
    // The one-character form of "escape [".
    let mut record = vec![0; 72];
    record[0] = 1;
    record[11..22].copy_from_slice("\u{9b}31mE\u{202e}ve".as_bytes());
    record[48] = b'7';
    assert!(device.add_record(&record));
    let users = program.well(["users"]);
    assert!(users.contains("\u{fffd}31mE\u{fffd}ve"), "{users:?}");
}

#[test]
fn options_are_shown_by_name_and_the_comm_key_is_not_one_of_them() {
    let (_simulator, device) = peopled(Profile::Tft, 0, 0);
    let program = Program::at(&device);
    assert_eq!(program.well(["options", "VOLUME", "~Platform"]), "VOLUME     60\n~Platform  ZMM220_TFT\n");
    assert_eq!(program.json(["options"])["volume"], 60);
    let ran = program.run(["options", "VOLUME", "Nothing", "--json"]);
    assert_eq!((ran.code, values(&ran.out)), (7, vec![json!({ "VOLUME": "60", "Nothing": null })]));
    program.fails(["options", "COMKey"], 2, "usage");
}

#[test]
fn a_long_log_comes_whole_whoever_stops_reading_it() {
    let config = Config { profile: Profile::Tft, users: 20, punches: 30_000, ..Config::default() };
    let (_simulator, device) = device(config);
    let program = Program::at(&device);
    let ran = program.run(["attendance", "--json"]);
    assert_eq!((ran.code, ran.out.lines().count(), ran.err.as_str()), (0, 30_000, ""));
    // Like `| head`: no failure, and nothing is said.
    let mut running = program.start(["attendance", "--json"]);
    drop(running.child().stdout.take());
    let ran = running.ends();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    set(&device, "truncate:4000");
    let ran = program.fails(["attendance"], 1, "incomplete_read");
    assert_eq!(ran.out, "", "a short list is never printed");
}
