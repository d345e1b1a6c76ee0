//! The service among clients that mean no good, through its real front door.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use zkgate::simulator::{Config, Fault, Simulator};

use crate::service::{Service, Setup, eventually};

fn healthy(service: &Service) -> Duration {
    // A connection of its own each time: a newcomer must get in.
    let began = Instant::now();
    let said = service.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    began.elapsed()
}

#[test]
fn two_thousand_idle_and_slow_clients_keep_nobody_out() {
    rustix::process::setrlimit(rustix::process::Resource::Nofile, {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        rustix::process::Rlimit { current: limit.maximum.map(|most| most.min(16_384)), ..limit }
    })
    .unwrap();
    let service = Service::start();
    let simulator = Simulator::start(Config::default()).unwrap();
    let id = service.add_up(&simulator.devices()[0]);
    let (threads, memory) = (service.proc_status("Threads:"), service.proc_status("VmRSS:"));
    let mut crowd: Vec<TcpStream> = (0..2000).map(|_| service.connect()).collect();
    let begun = service.head("GET", "/api/v1/devices", "");
    for (number, client) in crowd.iter_mut().enumerate().filter(|(number, _)| number % 2 == 0) {
        // Every other one has begun to say something.
        let part = &begun.as_bytes()[..1 + number % 40];
        client.write_all(part).unwrap();
    }
    let mut times: Vec<Duration> = (0..50).map(|_| healthy(&service)).collect();
    times.sort();
    assert!(times[25] < Duration::from_secs(1), "{:?}", times[25]);
    for _ in 0..10 {
        let answer = service.get(&format!("/devices/{id}/time"));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(service.proc_status("Threads:") <= threads.max(250), "no thread for a client");
    let grown = service.proc_status("VmRSS:").saturating_sub(memory);
    assert!(grown < 40 * 1024, "{grown} KiB for 2,000 clients");
    drop(crowd);
    assert!(healthy(&service) < Duration::from_secs(5));
}

#[test]
fn lengths_that_cannot_be_are_refused_before_anything_is_allocated() {
    let service = Service::start();
    let before = service.get("/devices").json();
    for length in ["9000000000000000000", "18446744073709551616", "-1", "+5", "0x10", "1e3", "5, 5", ""] {
        let more = format!("Content-Length: {length}\r\nContent-Type: application/json\r\n");
        let said = service.raw(service.head("POST", "/api/v1/devices", &more));
        let refused = said.starts_with("HTTP/1.1 413 ") || said.starts_with("HTTP/1.1 400 ");
        assert!(refused, "{length}: {said}");
    }
    assert_eq!(service.get("/devices").json(), before);
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let service = Service::start();
    let mut stream = service.connect();
    let count = 500;
    // All at once, without waiting for an answer.
    let requests = service.head("GET", "/api/v1/devices", "").repeat(count);
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| stream.write_all(requests.as_bytes()).unwrap());
        for number in 0..count {
            let mut length = 0;
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with("HTTP/1.1 200 "), "{number}: {line}");
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                let value = line.to_ascii_lowercase();
                if let Some(value) = value.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            assert!(body.starts_with(b"{"), "{number}");
        }
    });
}

#[test]
fn a_flood_that_reads_no_answer_is_held_back() {
    let service = Service::start();
    let memory = service.proc_status("VmRSS:");
    let mut stream = service.connect();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let requests = service.head("GET", "/api/v1/connections", "").repeat(1000);
    let mut sent = 0;
    // Until nothing more is taken from us.
    while sent < 200 << 20 {
        match stream.write(requests.as_bytes()) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
        assert!(healthy(&service) < Duration::from_secs(5));
    }
    assert!(sent < 200 << 20, "it is held back");
    let grown = service.proc_status("VmRSS:").saturating_sub(memory);
    assert!(grown < 40 * 1024, "{grown} KiB");
}

#[test]
fn whoever_stops_reading_a_long_answer_is_cut_off_and_holds_up_nobody() {
    let service =
        Setup::new().set("ZKGATE_HTTP_ANSWER_TIMEOUT", "3s").set("ZKGATE_HTTP_STREAMS", "2").start();
    let simulator =
        Simulator::start(Config { devices: 2, users: 50, punches: 50_000, ..Config::default() }).unwrap();
    let ids: Vec<String> = simulator.devices().iter().map(|device| service.add_up(device)).collect();
    let path = format!("/api/v1/devices/{}/attendance", ids[0]);
    // More of them than there are threads for long answers.
    let mut stuck: Vec<TcpStream> = Vec::new();
    for _ in 0..4 {
        let mut stream = service.connect();
        stream.write_all(service.head("GET", &path, "").as_bytes()).unwrap();
        // The first bytes, and then no more.
        stream.read_exact(&mut [0; 100]).unwrap();
        stuck.push(stream);
        let answer = service.get(&format!("/devices/{}/time", ids[1]));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
        let answer = service.get(&format!("/devices/{}/time", ids[0]));
        assert_eq!(answer.status, 200, "the device itself is free again: {answer:?}");
    }
    // Nothing tells a client that does not read that it was cut off.
    std::thread::sleep(Duration::from_millis(3200));
    for stream in &mut stuck {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a part never passes for the whole");
    }
    let whole = service.get(&format!("/devices/{}/attendance", ids[1]));
    assert_eq!((whole.status, &whole.json()["count"]), (200, &json!(50_000)));
}

#[test]
fn a_client_that_leaves_while_it_waits_does_no_harm() {
    let setup = Setup::new().set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "5s");
    let (service, simulator) = (setup.start(), Simulator::start(Config::default()).unwrap());
    let device = &simulator.devices()[0];
    let id = service.add_up(device);
    device.set_fault(Fault::parse("delay:100ms@time").unwrap());
    for _ in 0..5 {
        let mut stream = service.connect();
        let request = service.head("GET", &format!("/api/v1/devices/{id}/time"), "");
        stream.write_all(request.as_bytes()).unwrap();
        service.until_state(&id, "busy");
    }
    device.clear_faults();
    eventually("it is idle again", || service.connection(&id)["queue"] == 0);
    assert_eq!(service.get(&format!("/devices/{id}/time")).status, 200);
}
