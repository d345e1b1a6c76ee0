//! Collecting over HTTP: what is set for a device's log, reading it now, whether a day is complete, clearing.

use serde_json::{Value, json};
use zkgate::simulator::{Config, DeviceHandle, Simulator};

use crate::service::{Service, Setup};

fn device(punches: usize) -> (Simulator, DeviceHandle) {
    let simulator = Simulator::start(Config { users: 10, punches, ..Config::default() }).unwrap();
    let device = simulator.device(0).unwrap().clone();
    (simulator, device)
}

fn collected(service: &Service, id: &str) -> Value {
    service.until(&format!("/devices/{id}/collection"), |shown| shown["last_read"]["result"] == "complete")
}

#[test]
fn what_is_set_at_the_same_moment_by_several_is_all_set() {
    let (mut service, (_simulator, device)) = (Setup::collecting().start(), device(5));
    let id = service.add_up(&device);
    collected(&service, &id);
    let path = format!("/devices/{id}/collection");
    for on in [false, true, false] {
        let changes = [
            json!({ "enabled": on }),
            json!({ "live": on }),
            json!({ "calls_between_pieces": on }),
            json!({ "correct_clock": on }),
            json!({ "poll_interval_seconds": if on { 77 } else { 99 } }),
        ];
        std::thread::scope(|scope| {
            for change in &changes {
                let (service, path) = (&service, &path);
                scope.spawn(move || {
                    let changed = service.patch(path, change);
                    assert_eq!(changed.status, 200, "{changed:?}");
                });
            }
        });
        let all = json!({
            "enabled": on, "live": on, "calls_between_pieces": on, "correct_clock": on,
            "poll_interval_seconds": if on { 77 } else { 99 },
        });
        service.until(&path, |shown| shown["set_here"] == all);
    }
    service.stop();
    let service = service.setup.again().start();
    service
        .until(&path, |shown| shown["set_here"]["poll_interval_seconds"] == 99 && shown["enabled"] == false);
    for nulls in [json!({ "enabled": null, "live": null }), json!({ "poll_interval_seconds": null })] {
        assert_eq!(service.patch(&path, &nulls).status, 200);
    }
    let left = json!({ "calls_between_pieces": false, "correct_clock": false });
    service.until(&path, |shown| shown["enabled"] == true && shown["set_here"] == left);
    for (wrong, words) in [
        (json!({}), "changes nothing"),
        (json!({ "poll_interval_seconds": 4 }), "from 5 to 86400"),
        (json!({ "poll_interval_seconds": 86_401 }), "from 5 to 86400"),
        (json!({ "polling": true }), "polling"),
    ] {
        let refused = service.patch(&path, &wrong);
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(
            refused.problem(400, "invalid_body")["detail"].as_str().unwrap().contains(words),
            "{refused:?}"
        );
    }
}

#[test]
fn a_log_is_read_judged_and_cleared_over_http() {
    let (service, (_simulator, device)) = (Setup::collecting().start(), device(40));
    let id = service.add_up(&device);
    collected(&service, &id);
    let read = service.post(&format!("/devices/{id}/collection/read"), &json!({ "everything": true }));
    assert_eq!((read.status, &read.json()["records"]), (200, &json!(40)), "{read:?}");
    let today = service.get(&format!("/devices/{id}/completeness")).json();
    assert_eq!((&today["complete"], &today["lacks"]), (&json!(false), &json!(["not_read_since"])), "{today}");
    let past = service.get(&format!("/devices/{id}/completeness?date=2020-01-01")).json();
    assert_eq!((&past["complete"], &past["counts"]["in_journal"]), (&json!(true), &json!(40)), "{past}");

    let clear = format!("/devices/{id}/attendance/clear");
    service.post(&clear, &json!({})).problem(400, "invalid_body");
    service.post(&clear, &json!({ "confirmation": "0123" })).problem(409, "not_confirmed");
    let found = service.post(&clear, &json!({ "dry_run": true })).json();
    assert_eq!((&found["records"], &found["in_journal"]), (&json!(40), &json!(40)), "{found}");
    assert_eq!(device.counters().clears, 0);
    let done = service.post(&clear, &json!({ "confirmation": found["confirmation"] }));
    assert_eq!((done.status, &done.json()["cleared"]), (200, &json!(true)), "{done:?}");
    service.post(&clear, &json!({ "confirmation": found["confirmation"] })).problem(409, "not_confirmed");
    assert_eq!((device.counters().clears, device.punches().len(), device.is_disabled()), (1, 0, false));
    let kept = service.get("/punches?limit=1000").json();
    assert_eq!(kept["data"].as_array().unwrap().len(), 40);
    let after = service.post(&format!("/devices/{id}/collection/read"), &json!({}));
    assert_eq!((after.status, &after.json()["records"]), (200, &json!(0)), "{after:?}");
    let past = service.get(&format!("/devices/{id}/completeness?date=2020-01-01")).json();
    assert_eq!((&past["complete"], &past["all_gaps"]), (&json!(true), &json!(0)), "{past}");
}
