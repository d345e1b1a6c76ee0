//! Access control.

use serde_json::{Value, json};
use zkgate::simulator::Profile;
use zkgate::wire::record::user::TimeZones;

use crate::{everywhere, one};

#[test]
fn a_person_gets_a_group_and_time_zones_and_nothing_else_of_them_changes() {
    everywhere(3, |service, case| {
        let before = case.device.users();
        let path = "/users/1001/access";
        // In the order that a device keeps.
        let body = json!({ "group": 4, "time_zones": [9, 2] });
        case.keeps(service, path, &body, &json!({ "user_id": "1001", "group": 4, "time_zones": [2, 9] }));
        let after = case.device.users();
        assert_eq!(after[0].group, 4, "{}", case.name);
        if case.profile == Profile::Tft {
            assert_eq!(after[0].time_zones, TimeZones::List { flag: 1, zones: [2, 9, 0] }, "{}", case.name);
        }
        assert_eq!(
            (&after[0].name, after[0].card_number),
            (&before[0].name, before[0].card_number),
            "{}",
            case.name
        );
        assert_eq!(after[1..], before[1..], "{}", case.name);
        let group_s = json!({ "user_id": "1001", "group": 4, "time_zones": null });
        case.keeps(service, path, &json!({ "time_zones": null }), &group_s);
        case.fails(service, 22, path, &json!({ "group": 7 }));
        case.fails(service, 24, path, &json!({ "time_zones": [3, 5] }));
        case.keeps(
            service,
            "/users/1002/verify-style",
            &json!({ "verify_style": 4 }),
            &json!({ "user_id": "1002", "verify_style": 4 }),
        );
        case.keeps(
            service,
            "/users/1002/verify-style",
            &json!({ "verify_style": null }),
            &json!({ "user_id": "1002", "verify_style": null }),
        );
        case.fails(service, 79, "/users/1002/verify-style", &json!({ "verify_style": 11 }));
    });
}

#[test]
fn groups_time_zones_and_combinations_are_kept_and_cleared() {
    everywhere(0, |service, case| {
        let group = json!({ "time_zones": [3, 1], "holidays": true, "verify_style": 5 });
        let mut shown = group.clone();
        shown["group"] = json!(99);
        case.keeps(service, "/access/groups/99", &group, &shown);
        case.fails(
            service,
            26,
            "/access/groups/99",
            &json!({ "time_zones": [], "holidays": false, "verify_style": 9 }),
        );

        let week = json!({
            "sunday": null, "monday": "08:00-17:30", "tuesday": "08:00-17:30", "wednesday": "00:00-23:59",
            "thursday": "12:00-12:00", "friday": null, "saturday": "09:15-09:45",
        });
        case.keeps(
            service,
            "/access/time-zones/50",
            &json!({ "days": week }),
            &json!({ "time_zone": 50, "days": week }),
        );
        let mut other = week.clone();
        other["sunday"] = json!("10:00-11:00");
        case.fails(service, 28, "/access/time-zones/50", &json!({ "days": other }));

        case.keeps(
            service,
            "/access/combinations/10",
            &json!({ "groups": [1, 5] }),
            &json!({ "combination": 10, "groups": [1, 5] }),
        );
        case.fails(service, 30, "/access/combinations/10", &json!({ "groups": [2, 3, 4, 5, 6] }));

        let clear = case.path("/access/clear");
        service.post(&clear, &json!({})).problem(409, "confirmation_needed");
        assert_eq!(case.device.counters().command(32), 0, "{}", case.name);
        assert_eq!(service.post(&clear, &json!({ "confirm": true })).status, 200, "{}", case.name);
        let combination = service.get(&case.path("/access/combinations/10")).json();
        assert_eq!(combination["groups"], json!([]), "{}", case.name);
    });
}

#[test]
fn what_does_not_exist_is_not_asked_for() {
    let (service, case) = one(1);
    let sum = || case.device.counters().commands.values().sum::<u64>();
    let before = sum();
    let week = |monday: Value| {
        json!({ "days": {
            "sunday": null, "monday": monday, "tuesday": null, "wednesday": null, "thursday": null, "friday": null,
            "saturday": null,
        } })
    };
    let group =
        |zones: Value, style: u32| json!({ "time_zones": zones, "holidays": false, "verify_style": style });
    for path in [
        "/access/groups/0",
        "/access/groups/100",
        "/access/groups/-1",
        "/access/groups/x",
        "/access/time-zones/0",
        "/access/time-zones/51",
        "/access/combinations/0",
        "/access/combinations/11",
        "/access/combinations/000001",
    ] {
        service.get(&case.path(path)).problem(404, "not_found");
    }
    for (path, body, field) in [
        ("/access/groups/1", group(json!([0]), 0), "time_zones"),
        ("/access/groups/1", group(json!([51]), 0), "time_zones"),
        ("/access/groups/1", group(json!([1, 1]), 0), "time_zones"),
        ("/access/groups/1", group(json!([1, 2, 3, 4]), 0), "time_zones"),
        ("/access/groups/1", group(json!([1]), 128), "verify_style"),
        ("/access/time-zones/1", week(json!("24:00-24:00")), "days.monday"),
        ("/access/time-zones/1", week(json!("17:00-08:00")), "days.monday"),
        ("/access/time-zones/1", week(json!("always")), "days.monday"),
        ("/access/combinations/1", json!({ "groups": [0] }), "groups"),
        ("/access/combinations/1", json!({ "groups": [100] }), "groups"),
        ("/access/combinations/1", json!({ "groups": [1, 2, 3, 4, 5, 6] }), "groups"),
        ("/users/1001/access", json!({ "group": 0 }), "group"),
        ("/users/1001/access", json!({ "group": 100 }), "group"),
        ("/users/1001/access", json!({ "time_zones": [] }), "time_zones"),
        ("/users/1001/access", json!({ "time_zones": [51] }), "time_zones"),
        ("/users/1001/verify-style", json!({ "verify_style": 128 }), "verify_style"),
    ] {
        let told = service.put(&case.path(path), &body).problem(422, "invalid_value");
        assert_eq!(told["field"], field, "{path} {body}");
    }
    for (path, body) in [
        ("/users/1001/access", json!({})),
        ("/users/1001/access", json!({ "group": 256 })),
        ("/users/1001/verify-style", json!({})),
        ("/access/time-zones/1", json!({ "days": { "monday": null } })),
        ("/access/combinations/1", json!({})),
    ] {
        service.put(&case.path(path), &body).problem(400, "invalid_body");
    }
    assert_eq!(sum(), before, "the device was asked nothing");
    for path in ["/users/4711/access", "/users/4711/verify-style"] {
        service.get(&case.path(path)).problem(404, "unknown_user");
    }
    service.put(&case.path("/users/4711/access"), &json!({ "group": 2 })).problem(404, "unknown_user");
    service
        .put(&case.path("/users/4711/verify-style"), &json!({ "verify_style": 2 }))
        .problem(404, "unknown_user");
    service.get(&case.path("/users/a%20b/access")).problem(422, "unusable_user_id");
}
