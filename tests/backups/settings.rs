//! What a device is set to: kept whole or said not to be, and put back in an order in which no door opens meanwhile.

use serde_json::{Map, Value, json};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};

use super::service::{Answer, Service};
use super::{device, over};

/// A device with a service, and where it is in the API.
struct Rig {
    service: Service,
    device: DeviceHandle,
    id: String,
    path: String,
    _simulator: Simulator,
}

impl Rig {
    fn new() -> Self {
        Self::over("auto")
    }

    fn over(transport: &str) -> Self {
        let service = Service::start();
        let (simulator, device) = device(Profile::Tft, 2, 0);
        let id = service.add_with(&device, &json!({ "transport": transport }));
        service.until_state(&id, "idle");
        Self { service, device, path: format!("/devices/{id}"), id, _simulator: simulator }
    }

    fn fault(&self, fault: &str) {
        self.device.set_fault(Fault::parse(fault).unwrap());
    }

    fn put(&self, what: &str, body: &Value) {
        let answer = self.service.put(&format!("{}/{what}", self.path), body);
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
    }

    fn shown(&self, what: &str) -> Value {
        self.service.get(&format!("{}/{what}", self.path)).json()
    }

    /// Backs the settings up; the result.
    fn back_up(&self) -> Value {
        let begun = self.service.post(&format!("{}/backups", self.path), &json!({ "settings": true }));
        let made = over(&self.service, &begun);
        assert_eq!(made["state"], "done", "{made}");
        made["result"].clone()
    }

    fn begin(&self, path: &str, backup: &Value, dry_run: bool) -> Answer {
        let wanted = json!({
            "backup": backup["id"], "settings": true, "dry_run": dry_run, "allow_other_device": path != self.path,
        });
        self.service.post(&format!("{path}/restore"), &wanted)
    }

    fn plan(&self, backup: &Value) -> Value {
        over(&self.service, &self.begin(&self.path, backup, true))["result"]["settings"].clone()
    }

    fn restore(&self, backup: &Value) -> Value {
        over(&self.service, &self.begin(&self.path, backup, false))
    }
}

fn days(time: &Value) -> Value {
    let names = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let days: Map<_, _> = names.map(|name| (name.to_owned(), time.clone())).into_iter().collect();
    json!({ "days": days })
}

fn names(rows: &Value) -> Vec<(&str, &str)> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["code"].as_str().unwrap()))
        .collect()
}

/// All kinds that a simulated device has.
fn all() -> Value {
    json!({ "options": 12, "time_zones": 50, "groups": 99, "combinations": 10 })
}

fn counted(backup: &Value) -> Value {
    let of = |name: &str| backup["settings"][name].clone();
    json!({
        "options": of("options"), "time_zones": of("time_zones"), "groups": of("groups"),
        "combinations": of("combinations"),
    })
}

#[test]
fn what_a_device_was_set_to_is_put_back_but_never_its_address() {
    for transport in ["tcp", "udp"] {
        let rig = Rig::over(transport);
        rig.put("options/VOLUME", &json!({ "value": "33" }));
        rig.put("access/groups/4", &json!({ "time_zones": [3, 1], "holidays": true, "verify_style": 2 }));
        rig.put("access/time-zones/3", &days(&json!("08:00-17:30")));
        rig.put("access/combinations/2", &json!({ "groups": [1, 4] }));
        let places = ["options/VOLUME", "access/groups/4", "access/time-zones/3", "access/combinations/2"];
        let before = places.map(|place| rig.shown(place));
        let backup = rig.back_up();
        assert_eq!((counted(&backup), &backup["settings"]["not_read"]), (all(), &json!([])), "{transport}");
        let kept = rig.service.get(&format!("/backups/{}", backup["id"].as_str().unwrap())).json();
        assert_eq!(kept, backup, "{transport}: the label says the same");
        let plan = rig.plan(&backup);
        assert_eq!(plan["different"], json!([]), "{transport}: {plan}");

        rig.put("options/VOLUME", &json!({ "value": "90" }));
        rig.put("access/groups/4", &json!({ "time_zones": [1], "holidays": false, "verify_style": 0 }));
        rig.put("access/time-zones/3", &days(&Value::Null));
        rig.put("access/combinations/2", &json!({ "groups": [2] }));
        let changed = places.map(|place| rig.shown(place));
        let plan = rig.plan(&backup);
        let different = json!(["VOLUME", "time zone 3", "group 4", "combination 2"]);
        assert_eq!(plan["different"], different, "{transport}: {plan}");
        let left_out = names(&plan["left_out"]);
        assert!(left_out.contains(&("IPAddress", "may_cut_off")), "{transport}: {plan}");
        assert_eq!(plan["as_wanted"], 171 - 4 - left_out.len(), "{transport}: {plan}");
        assert_eq!(places.map(|place| rig.shown(place)), changed, "{transport}: a dry run changes nothing");
        let ended = rig.restore(&backup);
        let told = &ended["result"]["settings"];
        assert_eq!((&ended["state"], &told["failed"]), (&json!("done"), &json!([])), "{transport}: {ended}");
        assert_eq!((&told["changed"], &told["left_out"]), (&different, &plan["left_out"]), "{transport}");
        assert_eq!(places.map(|place| rig.shown(place)), before, "{transport}");
        let plain = over(&rig.service, &rig.service.post(&format!("{}/backups", rig.path), &json!({})));
        rig.begin(&rig.path, &plain["result"], false).problem(422, "invalid_value");
    }
}

#[test]
fn a_group_is_not_written_before_its_time_zones_nor_without_them() {
    let rig = Rig::new();
    rig.put("access/time-zones/7", &days(&json!("08:00-09:00")));
    rig.put("access/groups/2", &json!({ "time_zones": [7], "holidays": false, "verify_style": 0 }));
    rig.put("access/combinations/3", &json!({ "groups": [2] }));
    let places = ["access/time-zones/7", "access/groups/2", "access/combinations/3"];
    let before = places.map(|place| rig.shown(place));
    let backup = rig.back_up();
    rig.put("access/time-zones/7", &days(&json!("00:00-23:59")));
    rig.put("access/groups/2", &json!({ "time_zones": [1], "holidays": false, "verify_style": 0 }));
    rig.put("access/combinations/3", &json!({ "groups": [] }));
    let open = places.map(|place| rig.shown(place));
    rig.fault("reject:2001@28*1");
    let ended = rig.restore(&backup);
    let told = &ended["result"]["settings"];
    assert_eq!(ended["problem"]["code"], "rows_failed", "{ended}");
    assert_eq!(names(&told["failed"]), [("time zone 7", "device_rejected")], "{ended}");
    let left_out = names(&told["left_out"]);
    for name in ["group 2", "combination 3"] {
        assert!(left_out.contains(&(name, "depends_on_failed")), "{name}: {ended}");
    }
    assert_eq!(places.map(|place| rig.shown(place)), open, "nothing opens at hours that were not meant");
    let ended = rig.restore(&backup);
    assert_eq!(ended["state"], "done", "{ended}");
    let changed = json!(["time zone 7", "group 2", "combination 3"]);
    assert_eq!(ended["result"]["settings"]["changed"], changed, "{ended}");
    assert_eq!(places.map(|place| rig.shown(place)), before);
}

#[test]
fn settings_that_break_off_tell_what_was_set() {
    // Where it breaks, how it ends, and what is known of the setting in which it broke.
    for (fault, state, of_it) in [
        ("rst:0@27+10*1", "failed", None),
        ("rst:0@25+1*1", "failed", None),
        ("silent@26*1", "outcome_unknown", Some("outcome_unknown")),
        // After the people's table was asked for.
        ("silent@1503*1", "failed", None),
    ] {
        let rig = Rig::new();
        rig.put("options/VOLUME", &json!({ "value": "33" }));
        rig.put("access/groups/2", &json!({ "time_zones": [1], "holidays": true, "verify_style": 0 }));
        let backup = rig.back_up();
        rig.put("options/VOLUME", &json!({ "value": "90" }));
        rig.put("access/groups/2", &json!({ "time_zones": [1], "holidays": false, "verify_style": 0 }));
        rig.fault(fault);
        let ended = rig.restore(&backup);
        let (result, told) = (&ended["result"], &ended["result"]["settings"]);
        assert_eq!(ended["state"], state, "{fault}: {ended}");
        assert!(told["changed"].as_array().unwrap().contains(&json!("VOLUME")), "{fault}: {ended}");
        assert_eq!(names(&told["failed"]).first().map(|(_, code)| *code), of_it, "{fault}: {ended}");
        let count = |name: &str| told[name].as_array().unwrap().len();
        let as_wanted = usize::try_from(told["as_wanted"].as_u64().unwrap()).unwrap();
        assert_eq!(
            as_wanted + count("failed") + count("left_out") + count("not_tried"),
            171,
            "{fault}: none is left unsaid: {ended}"
        );
        let rows = result["rows"].as_array().unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|row| row["code"] == "not_tried"), "{fault}: {ended}");
        rig.device.clear_faults();
        rig.service.until_state(&rig.id, "idle");
        let ended = rig.restore(&backup);
        assert_eq!(ended["state"], "done", "{fault}: {ended}");
        assert_eq!(rig.shown("options/VOLUME")["value"], "33", "{fault}");
        assert_eq!(rig.plan(&backup)["different"], json!([]), "{fault}");
    }
}

#[test]
fn settings_are_cancelled_between_two_of_them() {
    let rig = Rig::new();
    rig.put("options/VOLUME", &json!({ "value": "33" }));
    let backup = rig.back_up();
    rig.put("options/VOLUME", &json!({ "value": "90" }));
    for dry_run in [false, true] {
        rig.fault("delay:60ms@any");
        let begun = rig.begin(&rig.path, &backup, dry_run);
        let operation = format!("/operations/{}", begun.json()["id"]);
        rig.service.until(&operation, |shown| shown["progress"]["done"].as_u64() > Some(8));
        let asked = rig.service.post(&format!("{operation}/cancel"), &json!({}));
        assert_eq!(asked.status / 100, 2, "{asked:?}");
        let ended = over(&rig.service, &begun);
        assert_eq!(ended["state"], "cancelled", "{ended}");
        if !dry_run {
            let told = &ended["result"]["settings"];
            assert_eq!(told["changed"], json!(["VOLUME"]), "{ended}");
            assert!(told["not_tried"].as_array().unwrap().len() > 20, "{ended}");
        }
        rig.device.clear_faults();
    }
    assert_eq!(rig.restore(&backup)["state"], "done", "the session is whole");
}

#[test]
fn what_is_refused_once_is_asked_for_again_and_what_is_not_read_is_told() {
    let rig = Rig::new();
    // For the moment.
    for fault in ["reject:2001@27+3*1", "reject:2001@25*1", "reject:2001@11+8*5", "reject:2001@27+3*8"] {
        rig.fault(fault);
        let backup = rig.back_up();
        assert_eq!((counted(&backup), &backup["settings"]["not_read"]), (all(), &json!([])), "{fault}");
        rig.device.clear_faults();
    }
    // For good: one in the middle, and the end of a family.
    let mut partial = all();
    partial["groups"] = 98.into();
    // Whatever is asked in the second round.
    rig.fault("reject:2001@25+2*1");
    rig.fault("reject:2001@25+99*1");
    let backup = rig.back_up();
    assert_eq!(counted(&backup), partial, "{backup}");
    assert_eq!(names(&backup["settings"]["not_read"]), [("group 3", "device_rejected")], "{backup}");
    rig.device.clear_faults();
    partial = all();
    partial["time_zones"] = 4.into();
    rig.fault("reject:2001@27+4");
    let backup = rig.back_up();
    assert_eq!(counted(&backup), partial, "{backup}");
    let not_told = backup["settings"]["not_told"].as_array().unwrap();
    assert!(not_told.contains(&json!("time zones from 5 on")), "{backup}");
    rig.device.clear_faults();
    // A value that nobody may write.
    let settings = format!("{}/settings", rig.path);
    assert_eq!(rig.service.patch(&settings, &json!({ "raw_commands": true })).status, 200);
    let raw = json!({ "command": 12, "payload": "564f4c554d453d33303000" });
    let said = rig.service.post(&format!("{}/raw", rig.path), &raw);
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(rig.shown("options/VOLUME")["value"], "300");
    let backup = rig.back_up();
    assert_eq!(names(&backup["settings"]["not_read"]), [("VOLUME", "unusable_value")], "{backup}");
    assert_eq!(backup["settings"]["options"], 11, "{backup}");
}

#[test]
fn a_group_whose_time_zone_is_not_in_the_backup_is_left_as_it_is() {
    let rig = Rig::new();
    rig.put("access/groups/2", &json!({ "time_zones": [7], "holidays": false, "verify_style": 0 }));
    rig.fault("reject:2001@27+6*1");
    rig.fault("reject:2001@27+50*1");
    let backup = rig.back_up();
    assert_eq!(names(&backup["settings"]["not_read"]), [("time zone 7", "device_rejected")], "{backup}");
    rig.device.clear_faults();
    rig.put("access/groups/2", &json!({ "time_zones": [1], "holidays": false, "verify_style": 0 }));
    let ended = rig.restore(&backup);
    let left_out = names(&ended["result"]["settings"]["left_out"]);
    assert!(left_out.contains(&("group 2", "depends_on_failed")), "{ended}");
    assert_eq!(ended["problem"]["code"], "rows_failed", "{ended}");
    assert_eq!(rig.shown("access/groups/2")["time_zones"], json!([1]));
}

#[test]
fn another_device_keeps_its_number_and_gets_no_option_that_it_does_not_have() {
    let rig = Rig::new();
    let backup = rig.back_up();
    let spare = Simulator::start(Config { profile: Profile::D2, ..Config::default() }).unwrap();
    let other = &spare.devices()[0];
    other.set_serial("NEW1");
    let path = format!("/devices/{}", rig.service.add_up(other));
    let number = json!({ "value": "77" });
    let put = rig.service.put(&format!("{path}/options/DeviceID"), &number);
    assert_eq!(put.status, 200, "{put:?}");
    let work_code = || rig.service.get(&format!("{path}/options/WorkCode")).json()["value"].clone();
    assert_eq!(work_code(), Value::Null);
    for dry_run in [true, false] {
        let ended = over(&rig.service, &rig.begin(&path, &backup, dry_run));
        let left_out = names(&ended["result"]["settings"]["left_out"]);
        for row in [("WorkCode", "not_there"), ("DeviceID", "its_own")] {
            assert!(left_out.contains(&row), "{row:?}: {ended}");
        }
    }
    assert_eq!(work_code(), Value::Null);
    assert_eq!(rig.service.get(&format!("{path}/options/DeviceID")).json()["value"], "77");
    // Its own number comes back to the device itself.
    rig.put("options/DeviceID", &number);
    assert_eq!(rig.restore(&backup)["result"]["settings"]["changed"], json!(["DeviceID"]));
}

#[test]
fn devices_without_a_serial_number_are_not_the_same_for_that() {
    let rig = Rig::new();
    rig.device.set_serial("");
    let backup = rig.back_up();
    assert_eq!(backup["serial_number"], Value::Null, "{backup}");
    rig.put("options/VOLUME", &json!({ "value": "90" }));
    let refused = rig.restore(&backup);
    assert_eq!(refused["problem"]["code"], "other_device", "{refused}");
    assert!(refused["problem"]["detail"].as_str().unwrap().contains("serial number"), "{refused}");
    assert_eq!(rig.shown("options/VOLUME")["value"], "90");
    let meant = json!({
        "backup": backup["id"], "settings": true, "dry_run": false, "allow_other_device": true,
    });
    let ended = over(&rig.service, &rig.service.post(&format!("{}/restore", rig.path), &meant));
    assert_eq!(ended["state"], "done", "{ended}");
    assert_ne!(rig.shown("options/VOLUME")["value"], "90");
}
