//! People: 500 written in one call, 5,000 with 3,000 fingerprints backed up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use zkgate::base::deadline::Deadline;
use zkgate::device::{Session, SessionSettings, Target};
use zkgate::simulator::{Config, Simulator};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::comm_key::CommKey;

use super::support::cable::cable;
use super::support::raw::{Raw, Recorder, Step};
use super::support::{Gate, Http, Report, Url, median, ms};

const PEOPLE: usize = 5000;
const PRINTS: usize = 3000;

fn deadline() -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(60))
}

fn connect(device: SocketAddr) -> Session {
    let target = Target { address: device, comm_key: CommKey::default(), carriers: vec![Carrier::Tcp] };
    Session::connect(target, SessionSettings::default(), deadline()).expect("a session")
}

/// What a backup asks of a device.
fn read(session: &mut Session) {
    session.info(deadline()).expect("the device's facts");
    let prints = session.templates_in_pieces(&mut |_| Ok(()), deadline()).expect("the fingerprints");
    let users = session.users(deadline()).expect("the people");
    assert_eq!((users.iter().count(), prints.len()), (PEOPLE, PRINTS));
}

/// A bare socket with a session, and what a client asks there.
fn bare(device: SocketAddr) -> (Raw, Vec<Step>) {
    let recorder = Recorder::start(device);
    let mut recorded = connect(recorder.address);
    let greeting = recorder.count();
    read(&mut recorded);
    drop(recorded);
    let mut steps = recorder.end();
    let mut raw = Raw::connect(device);
    raw.play_all(&steps[1..greeting]);
    (raw, steps.split_off(greeting))
}

/// Asks for something long and waits for its end.
fn done(http: &mut Http, asked: &Url) -> Value {
    let begun = http.exchange(asked).unwrap().json();
    let url = Url::get(&format!("/api/v1/operations/{}?wait=60", begun["id"]));
    let ended = http.exchange(&url).unwrap().json();
    assert_eq!(ended["state"], "done", "{ended}");
    ended
}

/// What is read for a backup against a bare read of the same bytes, and a whole backup against one, both over a cable
/// as fast as that of a device.
pub fn backup(report: &mut Report) {
    const ROUNDS: usize = 9;
    /// Bits in a second: devices have ports for 100 Mbit/s.
    const SPEED: u32 = 100_000_000;
    let config = Config { users: PEOPLE, templates: PRINTS, threads: 1, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = simulator.devices()[0].address();
    let (mut raw, steps) = bare(device);
    let mut session = connect(device);
    let (mut reading, mut alone, mut bytes) = (vec![], vec![], 0);
    for _ in 0..ROUNDS {
        let frames = raw.frames(&steps);
        let since = Instant::now();
        bytes = raw.play(&frames);
        alone.push(ms(since.elapsed()));
        let since = Instant::now();
        read(&mut session);
        reading.push(ms(since.elapsed()));
    }
    let (alone, reading) = (median(alone), median(reading));
    report.at_most("5,000 people and 3,000 fingerprints read over a bare read", reading / alone, 1.5, "x");
    report.note(&format!(
        "{reading:.1} ms against {alone:.1} ms for {:.1} MB of frames within this machine",
        bytes as f64 / 1e6
    ));
    drop(session);

    let near = cable(device, SPEED);
    let mut raw = Raw::connect(near);
    let gate = Gate::start(&[near]);
    gate.wait_connected(1);
    let mut http = gate.http();
    let settings = Url::patch("/api/v1/devices/1/settings", r#"{"biometrics":true}"#);
    assert_eq!(http.touch(&settings).unwrap(), 200);
    let asked = Url::post("/api/v1/devices/1/backups", r#"{"templates":true}"#);
    let (mut whole, mut alone) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let frames = raw.frames(&steps);
        let since = Instant::now();
        raw.play(&frames);
        alone.push(ms(since.elapsed()));
        let since = Instant::now();
        done(&mut http, &asked);
        whole.push(ms(since.elapsed()));
    }
    let (alone, whole) = (median(alone), median(whole));
    report.at_most("a backup of them, sealed and on the disk, over a bare read", whole / alone, 1.5, "x");
    report.note(&format!("{whole:.0} ms against {alone:.0} ms, both over a cable of 100 Mbit/s"));
}

/// 500 people in one call: commands that the device is asked.
pub fn write(report: &mut Report) {
    let simulator = Simulator::start(Config { users: 50, threads: 1, ..Config::default() }).unwrap();
    let device = &simulator.devices()[0];
    let gate = Gate::start(&[device.address()]);
    gate.wait_connected(1);
    let mut http = gate.http();
    let people: Vec<String> =
        (0..500).map(|n| format!(r#"{{"user_id":"{}","name":"Person {n}"}}"#, 70_000 + n)).collect();
    let asked = Url::post("/api/v1/devices/1/users/bulk", &format!(r#"{{"upsert":[{}]}}"#, people.join(",")));
    let asks = || device.counters().commands.values().sum::<u64>() as f64;
    let (before, since) = (asks(), Instant::now());
    done(&mut http, &asked);
    let took = ms(since.elapsed());
    report.at_most(
        "500 people written: round trips for each, all reads included",
        (asks() - before) / 500.0,
        2.0,
        "",
    );
    report.note(&format!("{took:.0} ms, {:.2} ms for each", took / 500.0));
}
