//! What goes on for a while: watching, and enrolling a finger.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};
use zkgate::simulator::Profile;
use zkgate::wire::record::UserId;

use crate::everywhere;
use crate::program::{Program, values};
use crate::site::{peopled, until};

#[test]
fn punches_are_told_as_they_happen_and_the_session_is_ended_after_the_last() {
    everywhere(3, 0, |case, device, program| {
        let running = program.start(["watch", "--json", "--count", "2"]);
        until("it listens", || device.counters().command(500) == 1);
        for number in [1001, 1003] {
            device.punch(UserId::from_number(number), 1, 1).expect(case);
        }
        let ran = running.ends();
        let events = values(&ran.out);
        assert_eq!((ran.code, events.len()), (0, 2), "{case}: {ran:?}");
        for (event, number) in events.iter().zip(["1001", "1003"]) {
            // Old firmware tells an index.
            let who = event["user_id"] == number || event["uid"].is_number();
            assert!(event["event"] == "punch" && who, "{case}: {event}");
        }
        until("it has gone", || device.sessions() == 0);
    });
}

#[test]
fn ctrl_c_ends_a_watch_well() {
    for transport in ["tcp", "udp"] {
        let (_simulator, device) = peopled(Profile::Tft, 2, 0);
        let mut running = Program::at(&device).with(["--transport", transport]).start(["watch"]);
        until("it listens", || device.counters().command(500) == 1);
        device.punch(UserId::from_number(1002), 0, 15).unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(running.child().stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(line.contains("  punch  1002  state 0  verified by 15"), "{line}");
        running.interrupt();
        let ran = running.ends();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{transport}");
        until("it has said goodbye", || device.sessions() == 0 && device.counters().command(1001) == 1);
    }
}

#[test]
fn a_watch_ends_with_its_time_or_with_the_device() {
    let (_simulator, device) = peopled(Profile::Tft, 1, 0);
    let program = Program::at(&device).with(["--transport", "tcp"]);
    assert_eq!(program.well(["watch", "--timeout", "0.3"]), "");
    let running = program.start(["watch", "--json"]);
    until("it listens", || device.counters().command(500) == 2);
    device.drop_connections(zkgate::simulator::How::Fin);
    let ran = running.ends();
    assert!(ran.code == 3 && ran.err.contains("connection_lost"), "{ran:?}");
}

#[test]
fn a_finger_is_enrolled_or_it_is_told_why_not_and_the_device_stays_usable() {
    everywhere(2, 0, |case, device, program| {
        let running = program.start(["enrol", "1001", "3", "--json"]);
        for score in [100, 0, 100, 100] {
            until("a finger is being enrolled", || device.place_finger(score));
        }
        let ran = running.ends();
        let last: Value = values(&ran.out).pop().unwrap_or_default();
        assert_eq!(
            (ran.code, &last["event"], &last["finger"]),
            (0, &json!("enrolled"), &json!(3)),
            "{case}: {ran:?}"
        );
        assert!(device.templates().iter().any(|template| (template.0, template.1) == (1, 3)), "{case}");
        assert!(device.is_usable(), "{case}");

        let running = program.clone().with(["--json"]).start(["enrol", "1002", "3"]);
        until("an enrolment fails", || device.fail_enrolment(5));
        let ran = running.ends();
        assert!(ran.code == 5 && ran.err.contains("already_enrolled"), "{case}: {ran:?}");
        program.fails(["enrol", "7", "3"], 7, "unknown_user");

        let mut running = program.start(["enrol", "1002", "4"]);
        until("a finger is being enrolled", || device.place_finger(100));
        running.interrupt();
        let ran = running.ends();
        assert!(ran.code == 1 && ran.err.contains("cancelled"), "{case}: {ran:?}");
        assert!(device.is_usable(), "{case}");
    });
}

#[test]
fn an_enrolment_that_breaks_off_is_ended_by_another_session_and_its_outcome_is_not_known() {
    let (_simulator, device) = peopled(Profile::Tft, 2, 0);
    let running = Program::at(&device).with(["--transport", "tcp"]).start(["enrol", "1001", "3"]);
    until("a finger is being enrolled", || device.place_finger(100));
    device.drop_connections(zkgate::simulator::How::Rst);
    let ran = running.ends();
    assert!(ran.code == 6 && ran.err.contains("outcome_unknown"), "{ran:?}");
    assert!(device.is_usable() && !device.place_finger(100));
    assert_eq!(device.counters().command(61), 1);
}
