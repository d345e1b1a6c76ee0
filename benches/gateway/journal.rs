//! A device's log on its way into the journal: bytes, time and memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bulk::{PUNCHES, bare, log_of_one};
use super::support::bare::{Plain, insert_postgres, insert_sqlite, make_empty, open_sqlite, rows};
use super::support::postgres::{self, Cluster, as_url};
use super::support::process::{configure, cpu_seconds, prepare};
use super::support::{Fleet, Gate, Http, Report, Url, median, ms};

/// Nothing is read before it is asked for.
const ON_DEMAND: &str = "[journal]\ncollect = false\n";
/// Of each kind.
const ROUNDS: usize = 7;

/// A log is in the journal, and a few punches are new.
pub fn tail(report: &mut Report) {
    const NEW: usize = 20;
    let mut fleet = log_of_one(&[]);
    let gate = start(&fleet, ON_DEMAND);
    let mut http = gate.http();
    let sent = |fleet: &mut Fleet| {
        let counters = fleet.ask("counters 1");
        let bytes = counters["bytes"].as_object().unwrap().iter().filter(|(code, _)| *code != "500");
        bytes.filter_map(|(_, bytes)| bytes.as_u64()).sum::<u64>() as f64
    };
    let before = sent(&mut fleet);
    assert_eq!(read(&mut http)["added"], PUNCHES);
    let whole = sent(&mut fleet) - before;
    let (mut shares, mut note) = (vec![], String::new());
    for _ in 0..5 {
        fleet.order(&format!("punch-many 1 {NEW}"));
        let before = sent(&mut fleet);
        let last = read(&mut http);
        assert_eq!(last["added"], NEW);
        let bytes = sent(&mut fleet) - before;
        shares.push(100.0 * bytes / whole);
        note = format!(
            "{bytes:.0} bytes from the device, {} of them log, in {} ms; {whole:.0} bytes for the whole log",
            last["bytes"], last["ms"]
        );
    }
    report.at_most("log of 100,000 with 20 new: bytes sent over the whole log's", median(shares), 2.0, "%");
    report.note(&note);
}

/// From the order to read a log to the answer that it is kept, against reading and inserting without us.
pub fn into_sqlite(report: &mut Report) {
    let fleet = log_of_one(&[]);
    let kept = rows_of(&fleet);
    let insert = || {
        let state = empty_directory();
        make_empty(state.path(), None);
        let mut connection = open_sqlite(state.path());
        timed(|| insert_sqlite(&mut connection, kept.iter()))
    };
    against_bare(report, "SQLite", &fleet, ON_DEMAND, insert);
}

/// The same into PostgreSQL.
pub fn into_postgres(report: &mut Report) {
    if !postgres::is_installed() {
        return report.absent("100,000 punches into PostgreSQL", "PostgreSQL not installed");
    }
    // As it comes, but for a socket instead of a port.
    let cluster = Cluster::start_with(&[]);
    let fleet = log_of_one(&[]);
    let kept = rows_of(&fleet);
    let insert = || {
        let url = cluster.database();
        let state = empty_directory();
        make_empty(state.path(), Some(&url));
        let mut client = postgres::client(&url);
        timed(|| insert_postgres(&mut client, &kept))
    };
    let settings = || format!("database_url = {:?}\n{ON_DEMAND}", as_url(&cluster.database()));
    against_bare(report, "PostgreSQL", &fleet, settings, insert);
}

fn against_bare(
    report: &mut Report,
    database: &str,
    fleet: &Fleet,
    settings: impl Settings,
    insert: impl Fn() -> (Duration, f64),
) {
    let (mut raw, steps) = bare(fleet.devices[0]);
    let (mut ours, mut reads, mut inserts, mut ratios) = (vec![], vec![], vec![], vec![]);
    let (mut our_cpu, mut bare_cpu, mut again) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        for turn in [round % 2, 1 - round % 2] {
            if turn == 0 {
                let gate = start(fleet, &settings.text());
                let mut http = gate.http();
                let (began, used) = (Instant::now(), gate.cpu());
                assert_eq!(read(&mut http)["added"], PUNCHES);
                ours.push(ms(began.elapsed()));
                our_cpu.push((gate.cpu() - used) * 1e3);
                let since = Instant::now();
                let last = ask(&mut http, r#"{"everything":true}"#);
                assert_eq!((&last["added"], &last["result"]), (&json!(0), &json!("complete")));
                again.push(ms(since.elapsed()));
            } else {
                let frames = raw.frames(&steps);
                let (since, used) = (Instant::now(), cpu_seconds("/proc/self"));
                raw.play(&frames);
                reads.push(ms(since.elapsed()));
                let socket = cpu_seconds("/proc/self") - used;
                let (took, used) = insert();
                inserts.push(ms(took));
                bare_cpu.push((socket + used) * 1e3);
            }
        }
        ratios.push(ours[round] / (reads[round] + inserts[round]));
    }
    let what = format!("100,000 punches, device to {database}, over bare read and insert");
    report.at_most(&what, median(ratios), 1.5, "x");
    report.note(&format!(
        "{:.0} ms against {:.1} ms on the socket and {:.0} ms in the database; CPU {:.0} ms against {:.0} ms",
        median(ours),
        median(reads),
        median(inserts),
        median(our_cpu),
        median(bare_cpu)
    ));
    report.figure(&format!("  all of it once more, nothing of it new, {database}"), median(again), "ms");
}

/// The most memory that the service ever has while it reads a very long log.
pub fn memory(report: &mut Report) {
    const RECORDS: usize = 500_000;
    let fleet = Fleet::start(1, &["--punches", &RECORDS.to_string(), "--users", "500"]);
    let gate = start(&fleet, ON_DEMAND);
    let before = gate.resident();
    let last = read(&mut gate.http());
    assert_eq!(last["added"], RECORDS);
    report.at_most("peak memory while 500,000 punches go into the journal", gate.peak(), 64.0, "MB");
    report.note(&format!("{before:.1} MB before, {:.1} MB after, in {} ms", gate.resident(), last["ms"]));
}

/// Devices whose logs are looked at every minute, and nobody punches.
pub fn polling(report: &mut Report) {
    const DEVICES: usize = 1000;
    const LENGTH: Duration = Duration::from_secs(60);
    let fleet = Fleet::start(DEVICES, &["--users", "5", "--punches", "100"]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(DEVICES);
    let mut http = gate.http();
    let all = (DEVICES * 100) as u64;
    wait_for("the logs", || get(&mut http, "/api/v1/journal")["head"].as_u64() == Some(all));
    std::thread::sleep(Duration::from_secs(5));
    let (before, since) = (gate.cpu(), Instant::now());
    std::thread::sleep(LENGTH);
    let share = 100.0 * (gate.cpu() - before) / since.elapsed().as_secs_f64();
    report.figure("1,000 idle devices, polled every minute: CPU of the service", share, "%");
    report.note(&format!("of one core; {:.1} MB resident, {:.0} threads", gate.resident(), gate.threads()));
}

/// How long something takes, and how many CPU seconds of ours.
fn timed(body: impl FnOnce()) -> (Duration, f64) {
    let (since, used) = (Instant::now(), cpu_seconds("/proc/self"));
    body();
    (since.elapsed(), cpu_seconds("/proc/self") - used)
}

/// Settings, which may be others every time.
trait Settings {
    fn text(&self) -> String;
}

impl Settings for &str {
    fn text(&self) -> String {
        (*self).to_owned()
    }
}

impl<F: Fn() -> String> Settings for F {
    fn text(&self) -> String {
        self()
    }
}

/// A service with the first device of the fleet and an empty journal.
fn start(fleet: &Fleet, settings: &str) -> Gate {
    let state = prepare(&[]);
    configure(&state, settings);
    let (gate, _) = Gate::launch(state);
    let device = fleet.devices[0];
    let body = format!(r#"{{"ip_address":"{}","port":{}}}"#, device.ip(), device.port());
    let answer = gate.http().exchange(&Url::post("/api/v1/devices", &body)).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.json());
    gate.wait_connected(1);
    let mut http = gate.http();
    wait_for("the collector", || {
        http.exchange(&Url::get("/api/v1/devices/1/collection")).unwrap().status == 200
    });
    gate
}

/// Has the log read, as far as it is new, and tells how that went.
fn read(http: &mut Http) -> Value {
    ask(http, "{}")
}

fn ask(http: &mut Http, body: &str) -> Value {
    let order = Url::post("/api/v1/devices/1/collection/read?timeout=60", body);
    let answer = http.exchange(&order).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

fn get(http: &mut Http, path: &str) -> Value {
    http.exchange(&Url::get(path)).unwrap().json()
}

/// The rows that the log makes.
fn rows_of(fleet: &Fleet) -> Vec<Plain> {
    let gate = start(fleet, ON_DEMAND);
    read(&mut gate.http());
    let kept = rows(gate.state.path());
    assert_eq!(kept.len(), PUNCHES);
    kept
}

fn empty_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(120), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
