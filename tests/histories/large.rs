//! Long logs are read a few at a time, and each makes room for the next one.

use std::time::{Duration, Instant};

use serde_json::json;
use zkgate::simulator::{Config, Simulator};

use crate::gateway::Gateway;
use crate::player::add;

/// More than a megabyte.
const RECORDS: usize = 27_000;
/// As long as a read keeps its place at most, if its end goes unnoticed.
const A_PLACE: Duration = Duration::from_secs(60);

#[test]
fn a_long_log_is_read_as_soon_as_the_one_before_it() {
    let setup =
        Gateway::setup().set("ZKGATE_JOURNAL_LARGE_READS", "1").set("ZKGATE_JOURNAL_COLLECT", "false");
    let gateway = Gateway::start(setup);
    let config = Config { devices: 3, users: 40, punches: RECORDS, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| add(&gateway, device)).collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for id in &ids {
            let gateway = &gateway;
            scope.spawn(move || {
                let path = format!("/devices/{id}/collection/read?timeout=100");
                gateway.until("POST", &path, Some(&json!({})), |status, read| {
                    status == 200 && read["result"] == "complete" && read["records"] == RECORDS
                });
            });
        }
    });
    let took = began.elapsed();
    assert!(took < A_PLACE, "a place was kept after the read: {took:?}");
    gateway.stop();
}
