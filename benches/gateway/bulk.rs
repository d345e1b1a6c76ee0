//! 100,000 punches: into decoded records, against a bare socket and against pyzk, and as JSON beside other calls.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use zkgate::base::deadline::Deadline;
use zkgate::device::{Session, SessionSettings, Target};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::comm_key::CommKey;

use super::support::process::cpu_seconds;
use super::support::raw::{Raw, Recorder, Step};
use super::support::{Caller, Fleet, Gate, Report, Url, load, median, ms};

pub const PUNCHES: usize = 100_000;
/// The hidden argument that makes this program read one device's log and tell its own CPU time.
pub const READ_ONCE: &str = "--read-once";

pub fn log_of_one(flags: &[&str]) -> Fleet {
    let punches = PUNCHES.to_string();
    Fleet::start(1, &[&["--punches", &punches, "--users", "500"][..], flags].concat())
}

fn connect(device: SocketAddr) -> Session {
    let target = Target { address: device, comm_key: CommKey::default(), carriers: vec![Carrier::Tcp] };
    Session::connect(target, SessionSettings::default(), deadline()).expect("a session")
}

fn deadline() -> Deadline {
    Deadline::after(Instant::now(), Duration::from_secs(60))
}

/// A bare socket with a session on the device, and what a client asks there to have the whole log.
pub fn bare(device: SocketAddr) -> (Raw, Vec<Step>) {
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

/// Reads and decodes the log.
fn read(session: &mut Session) {
    let table = session.punches(ClockWord::MAX, deadline()).expect("the log");
    let mut count = 0;
    for punch in table.iter() {
        std::hint::black_box(punch);
        count += 1;
    }
    assert_eq!(count, PUNCHES);
}

/// The library against a bare socket that has the same frames sent to it.
pub fn library(report: &mut Report) {
    const ROUNDS: usize = 15;
    for (profile, fragments) in [("tft-big", "65,528"), ("tft-direct-broken", "1,008")] {
        let fleet = log_of_one(&["--profile", profile]);
        let device = fleet.devices[0];
        let (mut raw, steps) = bare(device);
        let mut session = connect(device);
        let (mut ours, mut bare, mut ratios, mut bytes) = (vec![], vec![], vec![], 0);
        for round in 0..ROUNDS {
            let frames = raw.frames(&steps);
            let mut times = [Duration::ZERO; 2];
            for turn in [round % 2, 1 - round % 2] {
                let since = Instant::now();
                if turn == 0 {
                    read(&mut session);
                } else {
                    bytes = raw.play(&frames);
                }
                times[turn] = since.elapsed();
            }
            ours.push(ms(times[0]));
            bare.push(ms(times[1]));
            ratios.push(times[0].as_secs_f64() / times[1].as_secs_f64());
        }
        let what = format!("100,000 punches decoded over a bare read, fragments of {fragments}");
        report.at_most(&what, median(ratios), 1.5, "x");
        report.note(&format!(
            "{:.2} ms against {:.2} ms for {:.1} MB of frames",
            median(ours),
            median(bare),
            bytes as f64 / 1e6
        ));
    }
}

/// Reads the log of one device and tells what this process has used.
pub fn read_once(device: &str) {
    read(&mut connect(device.parse().expect("an address")));
    println!("{}", cpu_seconds("/proc/self"));
}

/// The same log read by pyzk: CPU seconds of the whole process, interpreter and imports included, as ours.
pub fn pyzk(report: &mut Report) {
    const WHAT: &str = "100,000 punches: CPU of pyzk over CPU of the library";
    const SCRIPT: &str = "
import resource, sys
from zk import ZK
host, port = sys.argv[1].split(':')
device = ZK(host, port=int(port), timeout=60, ommit_ping=True).connect()
assert len(device.get_attendance()) == int(sys.argv[2])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime)
";
    let Some(python) = python() else { return report.absent(WHAT, "pyzk not installed") };
    let fleet = log_of_one(&[]);
    let device = fleet.devices[0].to_string();
    let ours = median((0..7).map(|_| ours(&device)).collect());
    let mut theirs = Vec::new();
    for _ in 0..3 {
        let output = Command::new(&python)
            .args(["-c", SCRIPT, &device, &PUNCHES.to_string()])
            .output()
            .expect("python starts");
        match String::from_utf8_lossy(&output.stdout).trim().parse::<f64>() {
            Ok(seconds) => theirs.push(seconds),
            Err(_) => {
                let error = String::from_utf8_lossy(&output.stderr);
                return report.absent(WHAT, error.lines().last().unwrap_or("pyzk failed"));
            }
        }
    }
    let theirs = median(theirs);
    report.at_least(WHAT, theirs / ours, 300.0, "x");
    report.note(&format!("{theirs:.2} s against {:.2} ms, both for the whole process", ours * 1e3));
}

fn ours(device: &str) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap()).args([READ_ONCE, device]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("CPU seconds")
}

/// An interpreter that has pyzk: named by the environment, or the tests' own.
fn python() -> Option<PathBuf> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.env/python/bin/python");
    let named = std::env::var_os("PYZK_PYTHON").map(PathBuf::from);
    named.into_iter().chain([PathBuf::from(own)]).find(|python| {
        let probe = Command::new(python).args(["-c", "import zk"]).output();
        probe.is_ok_and(|output| output.status.success())
    })
}

/// The log as JSON, again and again, while other devices are called.
pub fn json(report: &mut Report) {
    const ROUNDS: usize = 5;
    const OTHERS: usize = 32;
    let large = log_of_one(&[]);
    let small = Fleet::start(OTHERS, &[]);
    let devices = [&large.devices[..], &small.devices[..]].concat();
    let gate = Gate::start(&devices);
    gate.wait_connected(devices.len());
    let run = || {
        let callers = (0..OTHERS).map(|n| Caller {
            group: 0,
            urls: vec![Url::time(2 + n)],
            pace: Duration::from_millis(50),
        });
        load(gate.address, callers.collect(), Duration::from_millis(500), Duration::from_secs(4)).remove(0)
    };
    let (mut alone, mut beside, mut ratios, mut note) = (vec![], vec![], vec![], String::new());
    for _ in 0..ROUNDS {
        let without = run();
        let stop = Arc::new(AtomicBool::new(false));
        let (told, documents, bytes) =
            (Arc::clone(&stop), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut http = gate.http();
        let (read, taken) = (Arc::clone(&documents), Arc::clone(&bytes));
        let reader = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                taken
                    .store(http.drain(&Url::get("/api/v1/devices/1/attendance")).unwrap(), Ordering::Relaxed);
                read.fetch_add(1, Ordering::Relaxed);
            }
        });
        let since = Instant::now();
        let with = run();
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        let each = since.elapsed().as_secs_f64() / documents.load(Ordering::Relaxed) as f64;
        note = format!(
            "{:.1} MB of JSON every {:.0} ms",
            bytes.load(Ordering::Relaxed) as f64 / 1e6,
            each * 1e3
        );
        alone.push(without.p(0.99));
        beside.push(with.p(0.99));
        ratios.push(with.p(0.99) / without.p(0.99));
    }
    let what = "p99 of other devices' calls while 100,000 punches go out as JSON";
    report.at_most(what, median(ratios), 1.5, "x");
    report.note(&format!("p99 {:.2} ms beside it, {:.2} ms without; {note}", median(beside), median(alone)));
}
