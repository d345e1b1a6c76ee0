//! Who asks for a read is told of one that began after the question.

use serde_json::json;
use zkgate::simulator::{Config, Fault, Simulator};

use crate::gateway::Gateway;
use crate::service::eventually;

/// `CMD_DATA_WRRQ`: a log is being prepared.
const PREPARE: u16 = 1503;

#[test]
fn a_read_that_is_under_way_is_no_answer_to_who_asks_for_one() {
    let service = Gateway::setup().set("ZKGATE_SESSIONS_PROGRESS_TIMEOUT", "5s").start();
    let config = Config { users: 20, punches: 100, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    let path = format!("/devices/{id}/collection");
    let read = |everything: bool| {
        let read = service.post(&format!("{path}/read"), &json!({ "everything": everything }));
        assert_eq!(read.status, 200, "{read:?}");
        read.json()
    };
    assert_eq!(read(true)["records"], 100);
    device.set_fault(Fault::parse("event-lost").unwrap());
    device.set_fault(Fault::parse("delay:300ms@chunk").unwrap());
    for round in 0..3 {
        std::thread::scope(|scope| {
            let prepared = device.counters().command(PREPARE);
            scope.spawn(|| read(true));
            eventually("a log is prepared", || device.counters().command(PREPARE) > prepared);
            // What is prepared does not have this one.
            device.punch(device.users()[round].user_id, 0, 1).expect("people can punch");
            assert_eq!(read(false)["records"], 101 + round);
        });
    }
}
