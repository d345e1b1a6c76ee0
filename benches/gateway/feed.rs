//! From a punch at a device to the line that tells a client of it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::support::process::{configure, prepare};
use super::support::{Fleet, Gate, Report, Url, ms, percentile};

const DEVICES: usize = 100;
const LENGTH: Duration = Duration::from_secs(30);
/// What each device has in its log before.
const BEFORE: usize = 5;
/// Each device has one punch in this time.
const PACE: Duration = Duration::from_secs(1);

/// The time counts from before the simulator is told of the punch until the client has read the line.
pub fn punch_to_line(report: &mut Report) {
    let mut fleet = Fleet::start(DEVICES, &["--users", "5", "--punches", &BEFORE.to_string()]);
    let state = prepare(&fleet.devices);
    configure(&state, "");
    let (gate, _) = Gate::launch(state);
    gate.wait_connected(DEVICES);
    wait_live(&gate);

    let mut stream = TcpStream::connect(gate.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&Url::get("/api/v1/punches/stream").0).unwrap();
    let mut lines = BufReader::new(stream);
    skip_welcome(&mut lines);
    let count = DEVICES * (LENGTH.as_secs_f64() / PACE.as_secs_f64()) as usize;
    let reader = std::thread::spawn(move || {
        let mut heard = Vec::with_capacity(count);
        let mut line = String::new();
        while heard.len() < count {
            line.clear();
            assert!(lines.read_line(&mut line).expect("the stream goes on") > 0, "the stream ended");
            if let Some(row) = line.strip_prefix("data: ") {
                heard.push((Instant::now(), user_of(row)));
            }
        }
        heard
    });

    let used = gate.cpu();
    let (start, mut punched) = (Instant::now(), HashMap::new());
    let (mut limit, mut bare) = (Limit::new(), Vec::with_capacity(count));
    for number in 0..count {
        let due = start + PACE.mul_f64(number as f64 / DEVICES as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // Everybody punches once, so that a line tells whose it is.
        let user = number as u64 + 10_000;
        punched.insert(user, Instant::now());
        fleet.order(&format!("punch {} {user}", number % DEVICES + 1));
        // In the pauses, what no service can do without: two ways over loopback and a write to the disk.
        bare.push(ms(limit.once()));
    }
    let mut times: Vec<f64> =
        reader.join().unwrap().into_iter().map(|(at, user)| ms(at - punched[&user])).collect();
    let cpu = gate.cpu() - used;
    let half = percentile(&mut times, 0.5);
    let most = percentile(&mut times, 0.99);
    report.at_most("punch at a device to line at a client, 100 a second: p50", half, 10.0, "ms");
    report.at_most("the same: p99", most, 50.0, "ms");
    report.note(&format!(
        "slowest {:.1} ms of {count}; CPU of the service {:.1} % of a core",
        times[times.len() - 1],
        100.0 * cpu / LENGTH.as_secs_f64()
    ));
    report.note(&format!(
        "a bare echo over loopback and a synced write of 4 kB meanwhile: p50 {:.2} ms, p99 {:.1} ms, slowest {:.1} ms",
        percentile(&mut bare, 0.5),
        percentile(&mut bare, 0.99),
        bare[bare.len() - 1]
    ));
}

/// What the machine itself takes for as much: a byte to another thread and back, and a page that is on the disk.
struct Limit {
    stream: TcpStream,
    file: File,
}

impl Limit {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.set_nodelay(true).unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while other.read_exact(&mut byte).is_ok() && other.write_all(&byte).is_ok() {}
        });
        Self { stream, file: tempfile::tempfile().expect("a temporary file") }
    }

    fn once(&mut self) -> Duration {
        let since = Instant::now();
        self.stream.write_all(&[1]).unwrap();
        self.stream.read_exact(&mut [0]).unwrap();
        self.file.write_all(&[1; 4096]).unwrap();
        self.file.sync_data().unwrap();
        since.elapsed()
    }
}

/// Waits until every device has been read and tells of its punches.
fn wait_live(gate: &Gate) {
    let mut http = gate.http();
    let since = Instant::now();
    for device in 1..=DEVICES {
        let url = Url::get(&format!("/api/v1/devices/{device}/collection"));
        loop {
            let status = http.exchange(&url).unwrap().json();
            let known = status["last_read"]["records"] == BEFORE;
            if known && status["live"] == "on" && status["reading"] == false {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "device {device}: {status}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Goes past the head of the answer and the first comment.
fn skip_welcome(lines: &mut impl BufRead) {
    let mut line = String::new();
    while !line.starts_with("retry:") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the stream ended");
    }
}

/// The user id in a row.
fn user_of(row: &str) -> u64 {
    let row: serde_json::Value = serde_json::from_str(row).expect("a row");
    row["user_id"].as_str().unwrap().parse().expect("a number")
}
