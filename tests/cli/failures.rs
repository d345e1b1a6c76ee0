//! What goes wrong is told on stderr, in one sentence or one object, with the exit code of its class; and no secret is
//! in it.

use std::net::TcpListener;

use zkgate::simulator::{Config, Profile};
use zkgate::wire::comm_key::CommKey;

use crate::program::Program;
use crate::set;
use crate::site::{device, peopled};

#[test]
fn every_class_of_error_has_its_exit_code() {
    for (profile, exit, code) in [
        (Profile::Secure, 5, "unsupported_handshake"),
        (Profile::Panel, 5, "unsupported_handshake"),
        (Profile::Http, 3, "not_a_device"),
        (Profile::PushSilent, 3, "deadline_exceeded"),
    ] {
        let (_simulator, device) = device(Config { profile, ..Config::default() });
        let program = Program::at(&device).with(["--transport", "tcp", "--timeout", "0.4"]);
        let ran = program.fails(["info"], exit, code);
        assert!(
            ran.err.contains(&device.address().to_string()) && ran.err.contains("advice"),
            "{profile}: {ran:?}"
        );
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Program::new(["device", &free.to_string(), "--timeout", "0.5"]);
    nobody.clone().with(["--transport", "tcp"]).fails(["info"], 3, "device_unreachable");
    let ran = nobody.with(["--transport", "tcp"]).run(["info"]);
    assert!(ran.err.starts_with(&format!("zkgate: {free}: the connection was refused")), "{ran:?}");
    assert!(
        ran.err.ends_with("(device_unreachable)\n  check power, cable or Wi-Fi, address and port\n"),
        "{ran:?}"
    );
}

#[test]
fn a_device_that_refuses_or_goes_away_or_lies_is_told_from_one_that_is_silent() {
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            let lost = if transport == "tcp" { "close:0" } else { "silent" };
            let read = if transport == "tcp" { "connection_lost" } else { "deadline_exceeded" };
            // The first option that is written is that of the greeting.
            let cases: [(&[&str], String, i32, &str); 12] = [
                (&["door"], "reject:65535@75*1".into(), 5, "unsupported_command"),
                (&["unlock", "3"], "reject@31*1".into(), 5, "device_rejected"),
                (&["door"], format!("{lost}@75*1"), 3, read),
                (&["unlock", "3"], format!("{lost}@31*1"), 6, "outcome_unknown"),
                (&["add-user", "9"], format!("{lost}@8*1"), 6, "outcome_unknown"),
                (&["add-user", "9"], format!("{lost}@sizes*1"), 3, read),
                (&["set-option", "VOLUME", "9"], "not-kept@12+1*1".into(), 8, "not_stored"),
                (&["set-option", "VOLUME", "8"], "kept-otherwise@12+1*1".into(), 8, "stored_differently"),
                (&["set-option", "VOLUME", "7"], "reject@12+1*1".into(), 5, "device_rejected"),
                (&["add-user", "77"], "not-kept@8*1".into(), 8, "not_stored"),
                (
                    &["change-user", "1001", "--name", "Al"],
                    "kept-otherwise@8*1".into(),
                    8,
                    "stored_differently",
                ),
                (&["watch"], "reject:65535@500*1".into(), 5, "unsupported_command"),
            ];
            for (verb, fault, exit, code) in cases {
                scope.spawn(move || told(transport, verb, &fault, exit, code));
            }
        }
    });
}

fn told(transport: &str, verb: &[&str], fault: &str, exit: i32, code: &str) {
    let config = Config { profile: Profile::Tft, users: 3, threads: 1, ..Config::default() };
    let (_simulator, device) = device(config);
    set(&device, fault);
    let mut program = Program::at(&device).with(["--transport", transport]);
    if fault.starts_with("silent") {
        program = program.with(["--timeout", "0.6"]);
    }
    let program = verb.iter().fold(program, |program, word| program.with([word]));
    let ran = program.fails([], exit, code);
    assert_eq!(ran.out, "", "{transport} {verb:?} {fault}");
    let counters = device.counters();
    assert!(counters.unlocks <= 1 && counters.command(8) <= 1, "{transport} {verb:?} {fault}: said once");
}

#[test]
fn a_comm_key_comes_from_a_file_stdin_or_the_environment_and_is_never_shown() {
    let config = Config {
        profile: Profile::Tft,
        users: 2,
        comm_key: CommKey::new(86_420_975).unwrap(),
        ..Config::default()
    };
    let (_simulator, device) = device(config);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "86420975\n").unwrap();
    let path = file.path().to_str().unwrap();
    let program = Program::at(&device);
    for transport in ["tcp", "udp"] {
        let program = program.clone().with(["--transport", transport]);
        let mut said = Vec::new();
        said.push(program.clone().with(["--comm-key-file", path]).run(["info"]));
        said.push(program.clone().with(["--comm-key-stdin"]).stdin("86420975").run(["users", "--json"]));
        said.push(program.clone().env("ZKGATE_COMM_KEY", "86420975").run(["options"]));
        assert!(said.iter().all(|ran| ran.code == 0), "{said:?}");
        said.push(program.fails(["info"], 4, "auth_failed"));
        said.push(program.clone().env("ZKGATE_COMM_KEY", "86420976").fails(["info"], 4, "auth_failed"));
        said.push(program.clone().env("ZKGATE_COMM_KEY", "86420976x").fails(["info"], 2, "usage"));
        said.push(program.clone().with(["--comm-key-file", "/nonexistent"]).fails(["info"], 2, "usage"));
        let both = program.with(["--comm-key-stdin"]).stdin("86420975");
        said.push(both.fails(["add-user", "7", "--password-stdin"], 2, "usage"));
        assert!(!format!("{said:?}").contains("8642097"), "{said:?}");
    }
}

#[test]
fn wrong_use_is_told_before_anybody_connects() {
    let (_simulator, device) = peopled(Profile::Tft, 1, 0);
    let program = Program::at(&device);
    for wrong in [
        &["set-option", "COMKey", "1"][..],
        &["set-option", "VOLUME", "101"],
        &["time", "--set", "yesterday"],
        &["verify-style", "1001", "--set", "128"],
        &["time-zone", "of", "1001", "--set", "1,2,3,4"],
        &["time-zone", "set", "7"],
        &["connect"],
        &["info", "--url", "http://127.0.0.1:1"],
        &["unlock", "0.05", "--unit", "tenths"],
    ] {
        let program = wrong.iter().fold(program.clone(), |program, word| program.with([word]));
        program.fails([], 2, "usage");
    }
    for wrong in [
        &["device", "entrance", "info"][..],
        &["device", "127.0.0.1:1"],
        &["device", "127.0.0.1:1", "user", "a b"],
        &["device", "127.0.0.1:1", "add-user", ""],
        &["device", "127.0.0.1:1", "unlock", "-3"],
        &["device", "127.0.0.1:1", "time-zone", "show", "51"],
        &["device", "127.0.0.1:1", "--timeout", "0", "info"],
    ] {
        let program = wrong.iter().fold(Program::new([]), |program, word| program.with([word]));
        let ran = program.run([]);
        assert!(ran.code == 2 && ran.out.is_empty(), "{wrong:?}: {ran:?}");
    }
    assert!(device.counters().commands.is_empty());
}
