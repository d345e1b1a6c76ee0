//! What thousands of idle and slow clients cost the others.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::support::{Fleet, Gate, Http, Report, Url, largest, median, ms};

/// 2,000 connections that are idle, stuck in a head or dripping one: a new local client still gets `/healthz`.
pub fn idle_clients(report: &mut Report) {
    let fleet = Fleet::start(1, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(1);
    // Long enough for the engine to have all its threads.
    let alone = health(&gate);
    let (memory, threads) = (gate.resident(), gate.threads());

    let connect = || TcpStream::connect(gate.address).expect("a connection");
    let idle: Vec<TcpStream> = (0..1000).map(|_| connect()).collect();
    let mut slow: Vec<TcpStream> = (0..1000).map(|_| connect()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: b\r\nX: ").unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let dripping = std::thread::spawn(move || {
        while !told.load(Ordering::Relaxed) {
            for stream in slow.iter_mut().take(500) {
                // Those whose time is up have been told so.
                let _ = stream.write_all(b"x");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        slow
    });
    let mut beside = health(&gate);
    let (more_memory, more_threads) = (gate.resident(), gate.threads());
    // Beyond the time for a head, when the slow ones are turned out in one go.
    std::thread::sleep(Duration::from_secs(4));
    beside.extend(health(&gate));
    stop.store(true, Ordering::Relaxed);
    drop((idle, dripping.join().unwrap()));
    std::thread::sleep(Duration::from_millis(500));
    let after = health(&gate);

    let slowest = largest(&beside);
    report.at_most("2,000 idle or slow connections: slowest /healthz of a new client", slowest, 100.0, "ms");
    report.note(&format!(
        "p50 {:.2} ms before, {:.2} ms beside them, {:.2} ms after",
        median(alone),
        median(beside),
        median(after)
    ));
    report.at_most("threads more because of them", more_threads - threads, 0.0, "");
    report.at_most("memory more because of them", more_memory - memory, 16.0, "MB");
}

/// Milliseconds for `/healthz` on new connections, over about two seconds.
fn health(gate: &Gate) -> Vec<f64> {
    let url = Url::open("/healthz");
    let one = |_| {
        std::thread::sleep(Duration::from_millis(5));
        let since = Instant::now();
        let status = Http::connect(gate.address).and_then(|mut http| http.touch(&url));
        assert_eq!(status.expect("an answer"), 200);
        ms(since.elapsed())
    };
    (0..300).map(one).collect()
}
