//! What the service takes: memory, threads, time to start.

use std::time::Duration;

use super::support::process::prepare;
use super::support::{Caller, Fleet, Gate, Report, Url, largest, load, median, ms};

/// Resident memory with no, 100 and 1,000 connected devices, after everything has settled; threads with 1 and 1,000.
pub fn memory(report: &mut Report) {
    let mut threads = Vec::new();
    for (devices, bar) in [(0, Some(12.0)), (1, None), (100, Some(18.0)), (1000, Some(48.0))] {
        let fleet = Fleet::start(devices.max(1), &["--users", "5", "--punches", "5"]);
        let gate = Gate::start(&fleet.devices[..devices]);
        gate.wait_connected(devices);
        std::thread::sleep(Duration::from_secs(3));
        let settled = gate.resident();
        if let Some(bar) = bar {
            let what = format!("resident memory, {devices} connected devices");
            report.at_most(&what, settled, bar, "MB");
        }
        if devices > 0 {
            // Every device is called, by as many clients as a site has.
            let each = |n: usize| Caller {
                group: 0,
                urls: (1..=devices).skip(n % devices).map(Url::time).collect(),
                pace: Duration::ZERO,
            };
            let callers = (0..16).map(each).collect();
            let seen = load(gate.address, callers, Duration::ZERO, Duration::from_secs(2)).remove(0);
            assert!(seen.good() > 99.0, "calls failed: {:?}", seen.statuses);
            std::thread::sleep(Duration::from_secs(1));
            threads.push(gate.threads());
            report.note(&format!(
                "{devices} devices: {settled:.1} MB connected, {:.1} MB after two seconds of calls, {} threads",
                gate.resident(),
                gate.threads()
            ));
        }
    }
    let (one, thousand) = (threads[0], threads[threads.len() - 1]);
    report.at_most("threads with 1,000 devices more than with one", thousand - one, 0.0, "");
}

/// From the start of the process to the first healthy answer.
pub fn start(report: &mut Report) {
    let times: Vec<f64> = (0..11).map(|_| ms(Gate::launch(prepare(&[])).1)).collect();
    let slowest = largest(&times);
    report.at_most("start to first healthy answer, median of 11", median(times), 100.0, "ms");
    report.note(&format!(
        "slowest {slowest:.1} ms; a fresh state directory each time, its database already made"
    ));
}
