//! How many calls a second go through to devices.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::{Caller, Fleet, Gate, Report, Url, load, median};

/// The hidden argument that makes this program answer HTTP requests with next to no work.
pub const TRIVIAL_SERVER: &str = "--trivial-server";

/// 64 devices, 16 connections that call one device after the other without a pause.
pub fn calls(report: &mut Report) {
    const ROUNDS: usize = 5;
    let fleet = Fleet::start(64, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(64);
    let callers = |url: &dyn Fn(usize) -> Url| {
        let one = |n: usize| Caller {
            group: 0,
            urls: (0..4).map(|k| url(1 + n + 16 * k)).collect(),
            pace: Duration::ZERO,
        };
        (0..16).map(one).collect::<Vec<_>>()
    };
    let run = |address: SocketAddr, url: &dyn Fn(usize) -> Url| {
        load(address, callers(url), Duration::from_millis(500), Duration::from_secs(3)).remove(0)
    };
    let (mut rates, mut p99, mut cpu, mut health) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let used = gate.cpu();
        let seen = run(gate.address, &Url::time);
        assert!(seen.good() > 99.9, "calls failed: {:?}", seen.statuses);
        // The warm-up is in the CPU time, hence the longer time.
        cpu.push((gate.cpu() - used) / 3.5 / seen.rate * 1e6);
        rates.push(seen.rate);
        p99.push(seen.p(0.99));
        health.push(run(gate.address, &|_| Url::open("/healthz")).rate);
    }
    report.at_least("calls/s, 64 devices, 16 HTTP connections", median(rates), 5000.0, "/s");
    let floor = floor(|address| run(address, &Url::time).rate);
    report.note(&format!(
        "p99 {:.2} ms, {:.0} µs of CPU in the service per call; /healthz {:.0}/s; a server that does nothing {floor:.0}/s",
        median(p99),
        median(cpu),
        median(health)
    ));
}

/// What the same clients get from a server that does nothing: the most that could be seen here.
pub fn floor<T>(run: impl FnOnce(SocketAddr) -> T) -> T {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg(TRIVIAL_SERVER)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let mut line = [0; 64];
    let count = server.stdout.take().unwrap().read(&mut line).unwrap();
    let seen = run(String::from_utf8_lossy(&line[..count]).trim().parse().expect("an address"));
    // It has nothing to lose.
    let _ = server.kill();
    let _ = server.wait();
    seen
}

/// Answers every read with the same bytes, a thread for each connection.
pub fn trivial_server() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut stream: TcpStream = stream.unwrap();
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            while let Ok(1..) = stream.read(&mut room) {
                if stream.write_all(ANSWER).is_err() {
                    return;
                }
            }
        });
    }
}
