//! Traces over HTTP and on the command line.

use std::process::Command;

use serde_json::json;
use zkgate::simulator::{Config, Profile};
use zkgate::wire::capture::{Capture, Line};

use crate::service::{Service, Setup};
use crate::site::device;

/// A program that does not outlive its test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_zkgate")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn a_trace_follows_a_device_through_a_reconnect_and_is_served_again() {
    let service = Setup::new().set("ZKGATE_SESSIONS_KEEP_ALIVE", "1s").start();
    let (_simulator, truth) = device(Config { users: 30, punches: 400, ..Config::default() });
    let id = service.add_up(&truth);
    let path = format!("/devices/{id}/trace");
    assert_eq!(service.get(&path).json(), json!({ "running": false }));
    let begun = service.post(&path, &json!({ "seconds": 60 }));
    assert_eq!(begun.status, 201, "{begun:?}");
    let name = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.post(&path, &json!({})).status, 200, "it runs already");
    let users = service.get(&format!("/devices/{id}/users")).json();
    // The next session is traced too, from its first packet.
    assert_eq!(service.post(&format!("/devices/{id}/disconnect"), &json!({})).status, 200);
    assert_eq!(service.post(&format!("/devices/{id}/connect"), &json!({})).status, 200);
    let log = service.get(&format!("/devices/{id}/attendance")).json();
    service.until(&path, |state| state["frames"].as_u64() > Some(20));
    service.delete(&format!("/traces/{name}")).problem(409, "trace_running");
    let stopped = service.delete(&path).json();
    assert_eq!(
        (&stopped["running"], &stopped["ended"], &stopped["lost"]),
        (&json!(false), &json!("asked"), &json!(0))
    );
    assert_eq!(service.delete(&path).json(), stopped, "stopping twice is stopping once");
    let listed = service.get("/traces").json();
    assert_eq!((&listed["count"], &listed["data"][0]["id"]), (&json!(1), &json!(name)), "{listed}");

    let file = service.get(&format!("/traces/{name}"));
    assert_eq!((file.status, file.header("content-type")), (200, Some("application/x-ndjson")));
    assert_eq!(file.body.len() as u64, stopped["bytes"].as_u64().unwrap());
    let capture = Capture::parse(std::str::from_utf8(&file.body).unwrap()).unwrap();
    assert_eq!(capture.header.serial_number, Some(truth.serial_number()));
    let sessions: Vec<bool> = capture
        .lines
        .iter()
        .filter_map(|line| if let Line::Begin { joined, .. } = line { Some(*joined) } else { None })
        .collect();
    assert_eq!(sessions, [true, false]);

    // Another gateway gets from the capture what this one got from the device.
    let saved = service.setup.home().join("site.ndjson");
    std::fs::write(&saved, &file.body).unwrap();
    let (code, printed, _) = run(&["trace", saved.to_str().unwrap()]);
    assert_eq!(code, 0);
    for expected in
        ["-> CONNECT", "30 users, 400 punches", "attendance log", "== session 2 over tcp", "SIM0000000001"]
    {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let mut child = Running(
        Command::new(env!("CARGO_BIN_EXE_zkgate"))
            .args(["simulate", "--port", "0", "--replay", saved.to_str().unwrap()])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.0.stdout.take().unwrap()), &mut line)
        .unwrap();
    let address: std::net::SocketAddr = line.split(' ').next().unwrap().parse().unwrap();
    assert!(line.trim_end().ends_with(&truth.serial_number()), "{line}");
    let other = json!({ "ip_address": address.ip().to_string(), "port": address.port() });
    let again = service.post("/devices", &other).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.get(&format!("/devices/{again}/users")).json(), users);
    assert_eq!(service.get(&format!("/devices/{again}/attendance")).json(), log);
    drop(child);

    assert_eq!(service.delete(&format!("/traces/{name}")).status, 204);
    service.delete(&format!("/traces/{name}")).problem(404, "not_found");
    service.get(&format!("/traces/{name}")).problem(404, "not_found");
}

#[test]
fn what_makes_no_sense_is_refused_and_no_path_leads_out_of_the_directory() {
    let service = Service::start();
    let (_simulator, truth) = device(Config { profile: Profile::Tft, ..Config::default() });
    let id = service.add(&truth);
    let path = format!("/devices/{id}/trace");
    for wrong in [
        json!({ "seconds": 0 }),
        json!({ "seconds": 3601 }),
        json!({ "seconds": -1 }),
        json!({ "max_bytes": 1 }),
        json!({ "max_bytes": (256u64 << 20) + 1 }),
        json!({ "minutes": 1 }),
    ] {
        service.post(&path, &wrong).problem(400, "invalid_body");
    }
    service.post("/devices/99/trace", &json!({})).problem(404, "not_found");
    service.get(&format!("{path}?verbose=1")).problem(400, "unknown_parameter");
    service.put(&path, &json!({})).problem(405, "method_not_allowed");
    std::fs::create_dir_all(service.setup.state_dir().join("traces")).unwrap();
    for name in
        ["..%2ftoken", "%2e%2e%2ftoken", "..%5ctoken", "token", "..", "%2fetc%2fpasswd", "a.ndjson", "a%00"]
    {
        for method in ["GET", "DELETE"] {
            let answer = service.ask(method, &format!("/traces/{name}"), None);
            assert_eq!(answer.status, 404, "{method} {name}: {answer:?}");
        }
    }
    assert!(service.setup.state_dir().join("token").exists());
}

#[test]
fn the_command_line_says_what_is_wrong_with_a_file_and_exits_by_class() {
    let home = tempfile::Builder::new().prefix("zkgate-").tempdir().unwrap();
    let path = home.path().join("x.ndjson");
    let file = path.to_str().unwrap();
    for command in [&["trace"][..], &["simulate", "--port", "0", "--replay"]] {
        let with_file = [command, &[file]].concat();
        let (code, _, said) = run(&with_file);
        assert!(code == 2 && said.contains("x.ndjson"), "{with_file:?}: {code} {said}");
    }
    std::fs::write(&path, "hello\n").unwrap();
    assert!(matches!(run(&["trace", file]), (2, _, said) if said.contains("line 1: this is no capture")));
    std::fs::write(&path, "{\"zkgate_capture\":1}\n{\"ms\":1,\"session\":1}\n").unwrap();
    assert!(matches!(run(&["trace", file]), (1, _, said) if said.contains("line 2:")));
    let (code, _, said) = run(&["simulate", "--port", "0", "--replay", file]);
    assert!(code == 2 && said.contains("line 2:"), "{code} {said}");
    assert_eq!(run(&["simulate", "--replay", file, "--users", "5"]).0, 2, "a capture has its own users");
}
