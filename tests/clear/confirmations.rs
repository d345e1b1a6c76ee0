//! What confirms a clearing, and what does not; who may, and what the books say.

use serde_json::json;
use zkgate::simulator::{Config, Profile, Simulator};
use zkgate::wire::record::UserId;
use zkgate::wire::record::user::Level;

use crate::service::{Setup, eventually};
use crate::{Rig, USERS, allow, code, over};

#[test]
fn only_the_value_of_this_device_and_this_table_confirms() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let spare = Simulator::start(Config { users: USERS, templates: 3, ..Config::default() }).unwrap();
    let other = rig.service.add_up(&spare.devices()[0]);
    allow(&rig.service, &other);
    let value = rig.value("users");
    for wrong in ["", "0", &value[1..], &format!("{value}0"), &"0".repeat(32)] {
        assert_eq!(code(&rig.confirm("users", wrong)), ("failed", "not_confirmed"), "{wrong:?}");
    }
    for what in ["templates", "administrators", "everything", "operation_log"] {
        assert_eq!(code(&rig.confirm(what, &value)), ("failed", "not_confirmed"), "{what}");
    }
    let elsewhere = json!({ "what": "users", "confirmation": value });
    let refused = over(&rig.service, &rig.service.post(&format!("/devices/{other}/clear"), &elsewhere));
    assert_eq!(code(&refused), ("failed", "not_confirmed"), "{refused}");
    assert_eq!(spare.devices()[0].users().len(), USERS);
    let newer = rig.value("users");
    assert_eq!(code(&rig.confirm("users", &value)), ("failed", "not_confirmed"), "a later dry run counts");
    rig.is_untouched("wrong values");
    // Dry runs of other tables do not stand in its way.
    rig.value("templates");
    assert_eq!(rig.confirm("users", &newer)["state"], "done");
    assert_eq!(code(&rig.confirm("users", &newer)), ("failed", "not_confirmed"), "it was used");
}

#[test]
fn without_serial_numbers_the_address_tells_devices_apart() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    rig.device.set_serial("");
    let spare = Simulator::start(Config { users: USERS, templates: 3, ..Config::default() }).unwrap();
    let other = &spare.devices()[0];
    other.set_serial("");
    let value = rig.value("users");
    let address = other.address();
    let moved = json!({ "ip_address": address.ip(), "port": address.port() });
    let moved = rig.service.patch(&format!("/devices/{}", rig.id), &moved);
    assert_eq!(moved.status, 200, "{moved:?}");
    eventually("it goes to the other one", || other.sessions() == 1 && rig.device.sessions() == 0);
    rig.service.until_state(&rig.id, "idle");
    assert_eq!(code(&rig.confirm("users", &value)), ("failed", "not_confirmed"));
    assert_eq!((rig.device.users().len(), other.users().len()), (USERS, USERS));
    assert_eq!(rig.clear("users")["state"], "done", "where it is the same, it is cleared");
    assert_eq!((rig.device.users().len(), other.users().len()), (USERS, 0));
}

#[test]
fn another_device_behind_the_address_is_not_cleared() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let value = rig.value("users");
    rig.device.set_serial("OTHER1");
    let refused = rig.confirm("users", &value);
    assert_eq!(code(&refused), ("failed", "not_confirmed"), "{refused}");
    assert!(refused["problem"]["detail"].as_str().unwrap().starts_with("Another device"), "{refused}");
    rig.device.set_serial("SIM0000000001");
    assert_eq!(code(&rig.confirm("users", &value)), ("failed", "not_confirmed"), "it was used all the same");
    rig.is_untouched("another device");
}

#[test]
fn whoever_came_after_the_dry_run_is_not_lost() {
    for transport in ["tcp", "udp"] {
        let rig = Rig::new(Profile::Tft, transport, 10);
        let people = rig.device.users();
        let mut somebody = people[1].clone();
        (somebody.uid, somebody.user_id) = (99, UserId::from_number(4711));
        for what in ["users", "templates", "administrators", "everything"] {
            if what == "everything" {
                rig.device.set_punches(&[]);
            }
            let value = rig.value(what);
            assert!(rig.device.add_user(somebody.clone()));
            let refused = rig.confirm(what, &value);
            assert_eq!(code(&refused), ("failed", "counts_grown"), "{what}: {refused}");
            assert_eq!(refused["result"]["before"]["users"], USERS + 1, "{refused}");
            rig.is_untouched(what);
            rig.device.set_users(&people);
        }
        // Somebody who was a common user is counted by their rights.
        let value = rig.value("administrators");
        let mut promoted = people.clone();
        let common = promoted.iter_mut().find(|user| user.privilege.name() == "user").unwrap();
        common.privilege = common.privilege.with_level(Level::Administrator);
        rig.device.set_users(&promoted);
        assert_eq!(code(&rig.confirm("administrators", &value)), ("failed", "counts_grown"));
        assert_eq!(rig.service.get("/backups").json()["count"], 0);
        // Fewer than were shown are no reason.
        let value = rig.value("users");
        rig.device.set_users(&people[..USERS - 1]);
        assert_eq!(rig.confirm("users", &value)["state"], "done");
    }
}

#[test]
fn whoever_came_after_the_backup_is_not_lost() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "30s");
    let rig = Rig::of(setup.start(), Profile::Tft, "tcp", 10);
    let people = rig.device.users();
    let value = rig.value("users");
    // One less than were shown, who comes back when the backup is there.
    rig.device.set_users(&people[1..]);
    // It is asked who it is once when it is looked at, and for seven options of its label; then the backup is kept,
    // and it is looked at once more.
    rig.fault("delay:3s@option+8*1");
    let begun = rig.service.post(&rig.path(), &json!({ "what": "users", "confirmation": value }));
    rig.service.until("/backups", |all| all["count"] == 1);
    rig.device.set_users(&people);
    let refused = over(&rig.service, &begun);
    assert_eq!(code(&refused), ("failed", "counts_grown"), "{refused}");
    assert!(refused["result"]["backup"].is_string(), "{refused}");
    assert_eq!(rig.device.users().len(), USERS);
    rig.is_untouched("after the backup");
}

#[test]
fn a_request_that_makes_no_sense_is_told_so_at_once() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let value = "f30f6f60e3e8503f34d93b38177561f8";
    for body in [
        json!({}),
        json!({ "what": "users" }),
        json!({ "what": "people", "dry_run": true }),
        json!({ "what": "attendance", "dry_run": true }),
        json!({ "dry_run": true }),
        json!({ "what": "users", "dry_run": false }),
        json!({ "what": "users", "dry_run": true, "confirmation": value }),
        json!({ "what": "users", "confirmation": null }),
        json!({ "what": "users", "confirmation": value, "backup": null }),
        json!({ "what": "users", "confirmation": value, "force": true }),
    ] {
        rig.service.post(&rig.path(), &body).problem(400, "invalid_body");
    }
    rig.service
        .post("/devices/none/clear", &json!({ "what": "users", "dry_run": true }))
        .problem(404, "not_found");
    assert_eq!(rig.service.get("/operations").json()["data"], json!([]));
    rig.is_untouched("bad requests");
}

#[test]
fn it_needs_the_scope_is_in_the_books_and_is_done_once_under_a_key() {
    let rig = Rig::new(Profile::Tft, "tcp", 10);
    let token = |scopes: &[&str]| {
        let name = scopes.join("-");
        let made = rig.service.post("/tokens", &json!({ "name": name, "scopes": scopes })).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let body = json!({ "what": "users", "dry_run": true });
    for scopes in [&["operate"][..], &["operate", "biometric"], &["read"], &["biometric"]] {
        let answer = rig.service.as_somebody(&token(scopes), "POST", &rig.path(), Some(&body));
        assert_eq!(answer.problem(403, "scope_needed")["scope"], "admin");
    }
    // Without the scope for fingerprints they are in no backup, whatever the device's settings say.
    let admin = token(&["admin"]);
    let shown = over(&rig.service, &rig.service.as_somebody(&admin, "POST", &rig.path(), Some(&body)));
    assert_eq!(shown["result"]["not_in_backup"], json!({ "templates": 3 }), "{shown}");
    let wanted = json!({ "what": "users", "confirmation": shown["result"]["confirmation"] });
    let refused = over(&rig.service, &rig.service.as_somebody(&admin, "POST", &rig.path(), Some(&wanted)));
    assert_eq!(code(&refused), ("failed", "backup_incomplete"), "{refused}");
    rig.is_untouched("no scope");

    let wanted = json!({ "what": "users", "confirmation": rig.value("users") });
    let begun = rig.service.keyed("spring", &rig.path(), &wanted);
    let done = over(&rig.service, &begun);
    assert_eq!(done["state"], "done", "{done}");
    let again = rig.service.keyed("spring", &rig.path(), &wanted);
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, Some("true")));
    assert_eq!((&again.json()["id"], &again.json()["result"]), (&done["id"], &done["result"]));
    assert_eq!(rig.commands(), 1);
    let audit = rig.service.get("/audit?limit=1000").json();
    let rows: Vec<_> = audit["data"].as_array().unwrap().iter().collect();
    let row = |subject: &str, result: &str| {
        rows.iter().any(|row| {
            let words =
                ["action", "device_id", "subject", "result"].map(|name| row[name].as_str().unwrap_or(""));
            words == ["operation clear", &rig.id, subject, result]
        })
    };
    assert!(row("users, dry run", "done") && row("users", "done") && row("users", "failed"), "{audit}");
    // The values are in no log and not in the audit.
    let value = wanted["confirmation"].as_str().unwrap();
    assert!(!rig.service.log().contains(value) && !audit.to_string().contains(value));
}
