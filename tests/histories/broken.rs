//! Reads that break off half-way, and reads that are refused.

use serde_json::json;
use zkgate::simulator::{Config, Fault, Profile, Simulator};

use crate::gateway::Gateway;
use crate::player::{DAY, noon};

const RECORDS: usize = 4_000;

#[test]
fn a_log_that_is_cleared_when_only_half_of_it_was_read_leaves_a_gap() {
    let service = Gateway::setup().start();
    let config = Config { users: 20, punches: RECORDS, clock: Some(noon()), threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    // Both ends of the log are read for its layout, and then no more.
    device.set_fault(Fault::parse("rst@chunk+2").unwrap());
    let id = service.add(device);
    let page = service.until("/punches?after=0&limit=1000", |page| page["head"].as_u64() > Some(0));
    let there = page["head"].as_u64().unwrap();
    assert!(there < RECORDS as u64, "{there} were read");
    let known = service.get(&format!("/devices/{id}/completeness?date={DAY}")).json();
    assert_eq!(known["lacks"][0], "never_read", "{known}");

    device.clear_log();
    device.clear_faults();
    let path = format!("/devices/{id}/collection");
    service.until(&path, |shown| shown["last_read"]["result"] == "complete");
    let known = service.get(&format!("/devices/{id}/completeness?date={DAY}")).json();
    assert_eq!(known["all_gaps"], 1, "{known}");
    assert_eq!(known["gaps"][0]["reason"], "log_cleared_elsewhere", "{known}");
    assert_eq!(known["gaps"][0]["from"], json!(null), "nothing was ever proved: {known}");
    assert_eq!(service.get("/punches").json()["head"], there, "what was read is still there, once");
}

#[test]
fn a_refusal_that_sounds_like_an_empty_log_is_not_taken_for_one() {
    for profile in [Profile::Vl49, Profile::D2, Profile::Tft] {
        let service = Gateway::setup().start();
        let simulator =
            Simulator::start(Config { profile, users: 20, punches: 90, threads: 1, ..Config::default() });
        let simulator = simulator.unwrap();
        let id = service.add(&simulator.devices()[0]);
        let path = format!("/devices/{id}/collection/read");
        let read = || {
            let read = service.post(&path, &json!({ "everything": true }));
            assert_eq!(read.status, 200, "{profile}: {read:?}");
            read.json()
        };
        assert_eq!(read()["records"], 90, "{profile}");
        simulator.devices()[0].set_fault(Fault::parse("no-buffer").unwrap());
        assert_eq!(read()["records"], 90, "{profile}");
        simulator.devices()[0].clear_faults();
        assert_eq!(read()["records"], 90, "{profile}");
        let known = service.get(&format!("/devices/{id}/completeness")).json();
        assert_eq!(known["all_gaps"], 0, "{profile}: {known}");
    }
}
