//! Verbs of one device through the service: what is shown is what is shown directly, and what fails fails with the same
//! exit code.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Profile, Simulator};

use crate::program::{Program, values};
use crate::service::{Service, eventually};
use crate::set;

/// One device, and both ways to it.
struct Rig {
    case: &'static str,
    service: Service,
    device: DeviceHandle,
    path: String,
    asked: Program,
    direct: Program,
    _simulator: Simulator,
}

impl Rig {
    fn new(transport: &'static str, profile: Profile) -> Self {
        let (config, service) = (Config { profile, users: 4, ..Config::default() }, Service::start());
        let simulator = Simulator::start(config).unwrap();
        let device = simulator.devices()[0].clone();
        let id = service.add_up(&device);
        let asked = Program::of(&service, ["device", &format!("@{id}")]);
        let (path, direct) =
            (format!("/devices/{id}"), Program::at(&device).with(["--transport", transport]));
        Self { case: transport, service, device, path, asked, direct, _simulator: simulator }
    }

    /// One whose fingerprints may be touched.
    fn with_fingers(transport: &'static str, profile: Profile) -> Self {
        let rig = Self::new(transport, profile);
        let settings = format!("{}/settings", rig.path);
        assert_eq!(rig.service.patch(&settings, &json!({ "biometrics": true })).status, 200);
        rig
    }

    /// Says it both ways, for programs and for people, and gives what is said to programs.
    fn same<const N: usize>(&self, verb: [&str; N]) -> Value {
        let told = self.asked.json(verb);
        assert_eq!(told, self.direct.json(verb), "{}: {verb:?}", self.case);
        assert_eq!(self.asked.well(verb), self.direct.well(verb), "{}: {verb:?}", self.case);
        told
    }

    /// Fails in the same way both ways.
    fn both_fail<const N: usize>(&self, verb: [&str; N], exit: i32, code: &str) {
        self.asked.fails(verb, exit, code);
        self.direct.fails(verb, exit, code);
    }
}

/// On devices that keep what is asked for in different forms, at the same time.
fn everywhere(make: fn(&'static str, Profile) -> Rig, test: impl Fn(&Rig) + Sync) {
    std::thread::scope(|scope| {
        for (transport, profile) in [("tcp", Profile::Tft), ("udp", Profile::Bw16Udp)] {
            let test = &test;
            scope.spawn(move || test(&make(transport, profile)));
        }
    });
}

#[test]
fn groups_and_combinations_are_the_same_either_way() {
    everywhere(Rig::new, |rig| {
        let Rig { case, device, asked, direct, .. } = rig;
        // Set through the service, it is on the device.
        let set_to =
            asked.json(["group", "set", "2", "--zones", "1,3", "--verify-style", "5", "--holidays", "true"]);
        let expected = json!({ "group": 2, "time_zones": [1, 3], "holidays": true, "verify_style": 5 });
        assert_eq!((&set_to, &direct.json(["group", "show", "2"])), (&expected, &expected), "{case}");
        rig.same(["group", "show", "2"]);
        let told = rig.same(["group", "set", "2", "--zones", "4"]);
        assert_eq!(
            (&told["time_zones"], &told["verify_style"]),
            (&json!([4]), &json!(5)),
            "{case}: the rest"
        );
        asked.well(["group", "of", "1001", "--set", "3"]);
        assert_eq!(rig.same(["group", "of", "1001"]), json!({ "user_id": "1001", "group": 3 }), "{case}");
        rig.same(["group", "of", "1002", "--set", "2"]);
        let told = asked.json(["combination", "set", "2", "1", "3"]);
        assert_eq!(told, json!({ "combination": 2, "groups": [1, 3] }), "{case}");
        assert_eq!(rig.same(["combination", "show", "2"]), told, "{case}");
        assert_eq!(rig.same(["combination", "set", "2"])["groups"], json!([]), "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");

        rig.both_fail(["group", "of", "4711"], 7, "unknown_user");
        rig.both_fail(["group", "of", "4711", "--set", "2"], 7, "unknown_user");
        asked.fails(["group", "set", "2", "--zones", "51"], 2, "invalid_value");
        asked.fails(["combination", "set", "2", "3", "3"], 2, "invalid_value");
        set(device, "not-kept@26*2");
        rig.both_fail(["group", "set", "2", "--holidays", "false"], 8, "not_stored");
        set(device, "not-kept@30*2");
        rig.both_fail(["combination", "set", "2", "4"], 8, "not_stored");
        set(device, "reject@25");
        rig.both_fail(["group", "show", "2"], 5, "device_rejected");
    });
}

#[test]
fn time_zones_and_verify_styles_are_the_same_either_way() {
    everywhere(Rig::new, |rig| {
        let Rig { case, device, asked, direct, .. } = rig;
        let set_to = asked.json(["time-zone", "set", "7", "--monday", "08:00-17:30", "--all", "never"]);
        assert_eq!((&set_to["monday"], &set_to["sunday"]), (&json!("08:00-17:30"), &json!("never")));
        assert_eq!(direct.json(["time-zone", "show", "7"]), set_to, "{case}");
        let told = rig.same(["time-zone", "set", "7", "--sunday", "always"]);
        assert_eq!((&told["sunday"], &told["monday"]), (&json!("always"), &json!("08:00-17:30")), "{case}");
        assert_eq!(rig.same(["time-zone", "show", "7"]), told, "{case}");
        let own = asked.json(["time-zone", "of", "1001", "--set", "2,7"]);
        assert_eq!((&own["own"], &own["time_zones"]), (&json!(true), &json!([2, 7])), "{case}");
        assert_eq!(rig.same(["time-zone", "of", "1001"]), own, "{case}");
        let group_s = rig.same(["time-zone", "of", "1001", "--set", "group"]);
        assert_eq!(group_s["own"], false, "{case}");
        assert_eq!(asked.json(["verify-style", "1001", "--set", "4"])["verify_style"], 4, "{case}");
        assert_eq!(rig.same(["verify-style", "1001"])["verify_style"], 4, "{case}");
        assert_eq!(rig.same(["verify-style", "1001", "--set", "group"])["verify_style"], "group", "{case}");
        assert_eq!(device.unrefreshed(), 0, "{case}");

        rig.both_fail(["time-zone", "set", "7"], 2, "usage");
        rig.both_fail(["time-zone", "of", "1001", "--set", "1,2,3,4"], 2, "usage");
        rig.both_fail(["time-zone", "of", "4711"], 7, "unknown_user");
        rig.both_fail(["verify-style", "4711", "--set", "4"], 7, "unknown_user");
        rig.both_fail(["verify-style", "1001", "--set", "128"], 2, "usage");
        set(device, "not-kept@28*2");
        rig.both_fail(["time-zone", "set", "7", "--friday", "10:00-11:00"], 8, "not_stored");
        set(device, "silent@28*1");
        asked.fails(["time-zone", "set", "7", "--friday", "10:00-11:00"], 6, "outcome_unknown");
    });
}

#[test]
fn messages_are_the_same_either_way() {
    everywhere(Rig::new, |rig| {
        let Rig { case, device, asked, direct, .. } = rig;
        let write = ["message", "write", "5", "Grüße", "--minutes", "60", "--start", "2026-07-14T08:00:00"];
        asked.well(write);
        let shown =
            json!({ "id": 5, "tag": 253, "minutes": 60, "start": "2026-07-14T08:00:00", "text": "Grüße" });
        assert_eq!(direct.json(["message", "show", "5"]), shown, "{case}");
        assert_eq!(rig.same(["message", "show", "5"]), shown, "{case}");
        assert_eq!(rig.same(write), json!({ "id": 5, "written": true }), "{case}");
        rig.same(["message", "write", "6", "For you", "--tag", "254"]);
        assert_eq!(rig.same(["message", "show", "6"])["tag"], 254, "{case}");
        let given = asked.json(["message", "give", "6", "1002"]);
        assert_eq!(given, json!({ "id": 6, "user_id": "1002", "given": true }), "{case}");
        assert_eq!(device.given_messages(), [(2, 6)], "{case}");
        let taken = direct.json(["message", "take", "6", "1002"]);
        assert_eq!(asked.json(["message", "give", "6", "1002"]), given, "{case}");
        assert_eq!(asked.json(["message", "take", "6", "1002"]), taken, "{case}");
        assert!(device.given_messages().is_empty(), "{case}");
        let (give, take) = (["message", "give", "6", "1003"], ["message", "take", "6", "1003"]);
        assert_eq!((asked.well(give), asked.well(take)), (direct.well(give), direct.well(take)), "{case}");
        assert_eq!(rig.same(["message", "delete", "5"]), json!({ "id": 5, "deleted": true }), "{case}");

        rig.both_fail(["message", "show", "5"], 7, "not_found");
        rig.both_fail(["message", "give", "6", "4711"], 7, "unknown_user");
        rig.both_fail(["message", "take", "6", "1001"], 5, "device_rejected");
        rig.both_fail(["message", "write", "5", "x", "--start", "someday"], 2, "usage");
        asked.fails(["message", "write", "5", &"x".repeat(100)], 2, "invalid_value");
        asked.fails(["message", "write", "5", "x", "--tag", "7"], 2, "usage");
        set(device, "not-kept@70*2");
        rig.both_fail(["message", "write", "5", "x"], 8, "not_stored");
    });
}

#[test]
fn templates_are_listed_and_deleted_the_same_either_way() {
    everywhere(Rig::with_fingers, |rig| {
        let Rig { case, device, asked, .. } = rig;
        let listed = rig.same(["templates"]);
        assert_eq!((&listed["count"], &listed["data"][0]["user_id"]), (&json!(3), &json!("1001")), "{case}");
        assert_eq!(rig.same(["templates", "1002"])["count"], 1, "{case}");
        assert_eq!(rig.same(["templates", "1004"])["count"], 0, "{case}");
        rig.both_fail(["templates", "4711"], 7, "unknown_user");

        let deleted = asked.json(["delete-template", "1001", "6"]);
        assert_eq!(deleted, json!({ "user_id": "1001", "finger": 6, "deleted": true }), "{case}");
        assert_eq!(device.templates().len(), 2, "{case}");
        rig.both_fail(["delete-template", "1001", "6"], 7, "not_found");
        rig.both_fail(["delete-template", "4711", "6"], 7, "unknown_user");
        assert_eq!(asked.run(["delete-template", "1001", "10"]).code, 2, "{case}");
        let finger = listed["data"][1]["finger"].to_string();
        let told = asked.well(["delete-template", "1002", &finger]);
        assert_eq!(told, format!("the template of finger {finger} of 1002 is deleted\n"), "{case}");
        assert_eq!((device.templates().len(), device.is_usable()), (1, true), "{case}");

        let off = rig.service.patch(&format!("{}/settings", rig.path), &json!({ "biometrics": false }));
        assert_eq!(off.status, 200);
        for verb in [&["templates"][..], &["delete-template", "1003", "6"], &["enrol", "1003", "1"]] {
            let program = verb.iter().fold(asked.clone(), |program, word| program.with([word]));
            program.fails([], 5, "biometrics_off");
        }
        assert_eq!(device.templates().len(), 1, "{case}");
    });
}

#[test]
fn a_finger_is_enrolled_through_the_service_and_told_as_directly() {
    everywhere(Rig::with_fingers, |rig| {
        let Rig { case, device, .. } = rig;
        let enrol = |program: &Program, finger: &str, json: &[&str]| {
            let program = json.iter().fold(program.clone(), |program, word| program.with([word]));
            let running = program.start(["enrol", "1001", finger]);
            for score in [100, 0, 100, 100] {
                eventually("a finger is being enrolled", || device.place_finger(score));
            }
            let ran = running.ends();
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{case}: {ran:?}");
            assert!(device.is_usable(), "{case}");
            ran.out
        };
        for json in [&[][..], &["--json"]] {
            device.clear_faults();
            let fingers = if json.is_empty() { ["1", "2"] } else { ["3", "4"] };
            let told = enrol(&rig.asked, fingers[0], json);
            let directly = enrol(&rig.direct, fingers[1], json);
            assert!(told.lines().count() > 4, "{case}: {told}");
            let kept = |finger: &str| {
                let finger = finger.parse::<u8>().unwrap();
                device.templates().iter().any(|template| (template.0, template.1) == (1, finger))
            };
            assert!(kept(fingers[0]) && kept(fingers[1]), "{case}");
            if json.is_empty() {
                let words = format!("finger {} of", fingers[1]);
                assert_eq!(told, directly.replace(&words, &format!("finger {} of", fingers[0])), "{case}");
            } else {
                let mut directly = values(&directly);
                directly.last_mut().unwrap()["finger"] = json!(3);
                assert_eq!(values(&told), directly, "{case}");
            }
        }
    });
}

#[test]
fn an_enrolment_through_the_service_fails_and_is_cancelled_as_directly() {
    everywhere(Rig::with_fingers, |rig| {
        let Rig { case, device, asked, .. } = rig;
        asked.fails(["enrol", "4711", "3"], 7, "unknown_user");
        // It has this one.
        asked.fails(["enrol", "1001", "6"], 5, "already_enrolled");
        for (reason, exit, code) in [(5, 5, "already_enrolled"), (4, 1, "enrolment_failed")] {
            let running = asked.clone().with(["--json"]).start(["enrol", "1002", "3"]);
            eventually("an enrolment fails", || device.fail_enrolment(reason));
            let ran = running.ends();
            let told: Value = serde_json::from_str(ran.err.trim_end()).unwrap_or_default();
            assert_eq!((ran.code, &told["code"]), (exit, &json!(code)), "{case}: {ran:?}");
        }
        asked.fails(["enrol", "1002", "3", "--timeout", "2"], 1, "enrolment_timed_out");
        assert!(device.is_usable(), "{case}");

        let mut running = asked.start(["enrol", "1002", "4"]);
        eventually("a finger is being enrolled", || device.place_finger(100));
        running.interrupt();
        let ran = running.ends();
        assert!(ran.code == 1 && ran.err.contains("(cancelled)"), "{case}: {ran:?}");
        assert!(device.is_usable() && device.templates().len() == 3, "{case}");
        let last = &rig.service.get("/operations?limit=1").json()["data"][0];
        assert_eq!((&last["kind"], &last["state"]), (&json!("enrol"), &json!("cancelled")), "{case}");
        rig.same(["door"]);
        assert_eq!(rig.same(["templates"])["count"], 3, "{case}");
    });
}

#[test]
fn an_import_takes_only_whom_it_is_meant_for() {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), "user_id,name\n1001,Ann\n77,Bea\n").unwrap();
    let path = file.path().to_str().unwrap();
    everywhere(Rig::new, |rig| {
        let Rig { case, device, asked, direct, .. } = rig;
        for (mode, code, exit, says) in [
            ("create", "user_exists", 1, ["user_exists", "created"]),
            ("update", "unknown_user", 7, ["updated", "unknown_user"]),
        ] {
            let users = device.users();
            let verb = ["import-users", path, "--mode", mode];
            let ran = asked.fails(verb, exit, code);
            let rows = values(&ran.out);
            let said: Vec<_> =
                rows.iter().map(|row| row["code"].as_str().or(row["written"].as_str()).unwrap()).collect();
            assert_eq!(said, says, "{case}: {mode}");
            let there = device.users();
            device.set_users(&users);
            // The same directly, and the device is as it was through the service.
            direct.fails(verb, exit, code);
            assert_eq!(device.users(), there, "{case}: {mode}");
            device.set_users(&users);
            let (ours, theirs) = (asked.run(verb), {
                device.set_users(&users);
                direct.run(verb)
            });
            assert_eq!((ours.code, ours.out.lines().next()), (exit, theirs.out.lines().next()), "{case}");
            device.set_users(&users);
        }
        let rows = asked.lines(["import-users", path, "--mode", "upsert"]);
        let said: Vec<_> = rows.iter().map(|row| row["written"].as_str().unwrap()).collect();
        assert_eq!((said, device.users().len()), (vec!["updated", "created"], 5), "{case}");
    });
}
