//! How the program starts, what it refuses to start with, and how it ends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use zkgate::simulator::{Config, Fault, Simulator};

use crate::service::{PATIENCE, Service, Setup, eventually};

fn devices(count: usize) -> Simulator {
    Simulator::start(Config { devices: count, ..Config::default() }).unwrap()
}

#[test]
fn it_says_goodbye_to_every_device_and_ends_well() {
    let (mut service, simulator) = (Service::start(), devices(20));
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add(device)).collect();
    ids.iter().for_each(|id| drop(service.until_state(id, "idle")));
    let (code, took) = service.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    for device in simulator.devices() {
        assert_eq!((device.counters().exits, device.sessions()), (1, 0));
    }
    let left: Vec<_> = fs::read_dir(service.setup.state_dir().join("run")).unwrap().flatten().collect();
    assert!(left.is_empty(), "no socket is left behind: {left:?}");
}

#[test]
fn a_call_under_way_is_answered_before_it_ends() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "5s");
    let (mut service, simulator) = (setup.start(), devices(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    // Long enough that the first call is still under way when the end is asked for.
    device.set_fault(Fault::parse("delay:2s@time").unwrap());
    let mut stream = service.connect();
    let path = format!("/api/v1/devices/{id}/time");
    stream.write_all(service.head("GET", &path, "Connection: close\r\n").as_bytes()).unwrap();
    service.until_state(&id, "busy");
    let mut second = service.connect();
    second.write_all(service.head("GET", &path, "Connection: close\r\n").as_bytes()).unwrap();
    service.until(&format!("/devices/{id}/connection"), |shown| shown["queue"] == 1);
    let (code, took) = service.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    let mut waiting = String::new();
    second.read_to_string(&mut waiting).unwrap();
    assert!(waiting.starts_with("HTTP/1.1 503 ") && waiting.contains("\"stopping\""), "{waiting}");
    assert!(waiting.contains("Retry-After: "), "{waiting}");
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("drift_seconds"), "{said}");
    assert_eq!(device.counters().exits, 1);
}

#[test]
fn a_silent_device_does_not_keep_it_longer_than_its_stop_time() {
    let setup =
        Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "30s").set("ZKGATE_SESSIONS_STOP_TIMEOUT", "1s");
    let (mut service, simulator) = (setup.start(), devices(2));
    let (silent, sound) = (&simulator.devices()[0], &simulator.devices()[1]);
    let id = service.add_up(silent);
    service.add_up(sound);
    silent.set_fault(Fault::parse("silent").unwrap());
    let mut stream = service.connect();
    let path = format!("/api/v1/devices/{id}/time?timeout=60");
    stream.write_all(service.head("GET", &path, "").as_bytes()).unwrap();
    service.until_state(&id, "busy");
    let (code, took) = service.stop();
    assert_eq!(code, Some(0));
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_eq!(sound.counters().exits, 1);
}

#[test]
fn a_second_signal_does_not_wait_for_anything() {
    let setup =
        Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "30s").set("ZKGATE_SESSIONS_STOP_TIMEOUT", "60s");
    let (mut service, simulator) = (setup.start(), devices(1));
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    device.set_fault(Fault::parse("silent").unwrap());
    let mut stream = service.connect();
    let path = format!("/api/v1/devices/{id}/time?timeout=60");
    stream.write_all(service.head("GET", &path, "").as_bytes()).unwrap();
    service.until_state(&id, "busy");
    service.signal(Signal::TERM);
    eventually("the first signal is heard", || service.log().contains("stopping"));
    let began = Instant::now();
    service.signal(Signal::INT);
    let status = service.ended();
    assert_eq!(status.code(), Some(130), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_hangup_is_no_reason_to_end() {
    let service = Service::start();
    service.signal(Signal::HUP);
    eventually("it is heard", || service.log().contains("nothing to reload"));
    assert_eq!(service.get("/healthz").status, 200);
}

#[test]
fn what_it_cannot_start_with_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let below = |name: &str| file.path().join(name).to_string_lossy().into_owned();
    let broken = tempfile::NamedTempFile::new().unwrap();
    fs::write(broken.path(), "short").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    for (case, setup, code, expected) in [
        ("port taken", Setup::new().listen(taken.local_addr().unwrap()), 1, "cannot listen on"),
        ("state dir", Setup::new().set("ZKGATE_STATE_DIR", below("state")), 1, "the state directory"),
        ("runtime dir", Setup::new().set("ZKGATE_RUNTIME_DIR", below("run")), 1, "the runtime directory"),
        ("token garbage", Setup::new().set("ZKGATE_TOKEN_FILE", path(broken.path())), 1, "the token file"),
        (
            "token a directory",
            Setup::new().set("ZKGATE_TOKEN_FILE", path(directory.path())),
            1,
            "the token file",
        ),
        ("token nowhere", Setup::new().set("ZKGATE_TOKEN_FILE", below("token")), 1, "the token file"),
        ("open to all", Setup::new().listen("0.0.0.0:0").set("ZKGATE_REQUIRE_TOKEN", "false"), 2, "loopback"),
        ("no address", Setup::new().listen("here"), 2, "listen"),
        ("unknown setting", Setup::new().config("[http]\nworker = 3\n"), 2, "worker"),
        ("no duration", Setup::new().config("[http]\nhead_timeout = 5\n"), 2, "head_timeout"),
        ("database", Setup::new().set("DATABASE_URL", "mysql://u:hidden-pw@h/d"), 2, "database_url"),
    ] {
        let (exit, said) = setup.fails();
        assert_eq!(exit, code, "{case}: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{case}: {said}");
        assert!(errors[0].contains(expected), "{case}: {said}");
        assert!(!said.contains("hidden-pw") && !said.contains("panic"), "{case}: {said}");
    }
}

#[test]
fn the_token_is_made_once_for_its_owner_alone_and_used_again() {
    let mut service = Service::start();
    let path = service.setup.state_dir().join("token");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&service.setup.state_dir())), (0o600, 0o700));
    assert_eq!(service.token.len(), 64);
    assert_eq!(service.stop().0, Some(0));
    let again = service.setup.again().start();
    assert_eq!(again.token, service.token);
    assert_eq!(again.get("/devices").status, 200);
    // One that a person wrote, with a line break behind it.
    let own = Setup::new();
    fs::create_dir_all(own.state_dir()).unwrap();
    fs::write(own.state_dir().join("token"), "chosen-by-a-person\n").unwrap();
    let own = own.start();
    assert_eq!((own.token.as_str(), own.get("/devices").status), ("chosen-by-a-person", 200));
    assert_eq!(mode(&own.setup.state_dir().join("token")), 0o600);
    // And none at all, on loopback.
    let open = Setup::new().set("ZKGATE_REQUIRE_TOKEN", "false").start();
    assert_eq!(open.send("GET", "/devices", None, None, None).status, 200);
    assert!(!open.setup.state_dir().join("token").exists());
}

#[test]
fn two_services_of_one_user_live_side_by_side_and_clear_up_after_the_dead() {
    let runtime = tempfile::tempdir().unwrap();
    let shared = runtime.path().to_string_lossy().into_owned();
    // A socket of a process that is no more, and one of a process that lives.
    let dead = runtime.path().join("engine-4194999.sock");
    let alive = runtime.path().join(format!("engine-{}.sock", std::process::id()));
    let _listeners = [UnixListener::bind(&dead).unwrap(), UnixListener::bind(&alive).unwrap()];
    let [mut one, two] = [0, 0].map(|_| Setup::new().set("ZKGATE_RUNTIME_DIR", &shared).start());
    assert!(!dead.exists() && alive.exists());
    assert_ne!(one.token, two.token);
    one.send("GET", "/devices", None, None, Some(&format!("Bearer {}", two.token)))
        .problem(401, "unauthorized");
    assert_eq!((one.get("/devices").status, two.get("/devices").status), (200, 200));
    assert_eq!(one.stop().0, Some(0));
    assert_eq!(two.get("/devices").status, 200);
}

#[test]
fn systemd_is_told_when_it_listens_how_many_are_up_that_it_lives_and_that_it_stops() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut message = [0; 4096];
        let count = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..count]).into_owned()
    };
    let setup = Setup::new().set("NOTIFY_SOCKET", path.to_string_lossy()).set("WATCHDOG_USEC", "600000");
    let mut service = setup.start();
    let first = next();
    assert!(first.contains("READY=1") && first.contains("STATUS=0/0 devices up"), "{first}");
    assert_eq!(service.get("/healthz").status, 200);
    let simulator = devices(2);
    service.add_up(&simulator.devices()[0]);
    service.add_with(&simulator.devices()[1], &json!({ "enabled": false }));
    let began = Instant::now();
    let (mut fed, mut last) = (0, String::new());
    while !last.contains("STATUS=1/1 devices up") || fed < 3 {
        last = next();
        fed += usize::from(last.contains("WATCHDOG=1"));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "three times in {:?}", began.elapsed());
    service.signal(Signal::TERM);
    while !last.contains("STOPPING=1") {
        last = next();
    }
    assert_eq!(service.ended().code(), Some(0));
}

#[test]
fn it_answers_soon_after_its_start_and_has_as_many_threads_with_two_hundred_devices_as_with_one() {
    let (service, simulator) = (Service::start(), devices(200));
    service.add_up(&simulator.devices()[0]);
    for path in ["users", "attendance", "time"] {
        assert_eq!(service.get(&format!("/devices/1/{path}")).status, 200);
    }
    let (mut before, mut seen) = (0, 0);
    eventually("the links to the engine are up", || {
        let now = service.proc_status("Threads:");
        seen = if now == before { seen + 1 } else { 0 };
        before = now;
        std::thread::sleep(Duration::from_millis(10));
        seen == 15
    });
    for device in &simulator.devices()[1..] {
        service.add(device);
    }
    let all = service.until("/connections", |all| all["states"]["idle"] == 200);
    assert_eq!(all["count"], 200);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let service = &service;
            scope.spawn(move || {
                for id in (1..=200).filter(|id| id % 8 == number) {
                    assert_eq!(service.get(&format!("/devices/{id}/time")).status, 200);
                }
            });
        }
    });
    assert_eq!(service.proc_status("Threads:"), before);
}
