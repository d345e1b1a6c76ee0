//! Thousands of connections that want nothing good, and one that does.

use std::time::{Duration, Instant};

use zkgate::http::acceptor::Limits;

use crate::harness::{Client, Service, raise_descriptors};

#[test]
fn health_is_quick_beside_two_thousand_idle_and_slow_connections() {
    raise_descriptors();
    let service = Service::start();
    let mut crowd: Vec<_> = (0..2000).map(|_| Client::connect(service.addr)).collect();
    for (n, client) in crowd.iter_mut().enumerate() {
        match n % 4 {
            0 => {}
            1 => client.send("GET / HTTP/1.1\r\nHo"),
            2 => client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc"),
            _ => client.send("G"),
        }
    }
    service.until("all are in", |stats| stats.connections_open == 2000);
    assert_is_quick(&service);
}

#[test]
fn a_newcomer_takes_the_place_of_the_idlest_and_never_of_one_in_flight() {
    let limits = Limits { max_connections: 20, max_in_flight: 4, ..Limits::default() };
    let service = Service::with(limits);
    let mut held = service.client();
    held.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    service.until("it is in flight", |stats| stats.requests_in_flight == 1);
    let mut crowd: Vec<_> = (0..19).map(|_| service.client()).collect();
    service.until("the house is full", |stats| stats.connections_open == 20);
    for n in 1..=30 {
        assert!(health(&service) < Duration::from_secs(5));
        assert!(service.stats().connections_open <= 20, "newcomer {n}");
    }
    assert!(service.stats().connections_evicted >= 1);
    assert!(crowd[0].is_closed(), "the one that came first went first");
    service.site.open_the_gate();
    assert_eq!(held.answer().unwrap().body, b"\"held\"");
}

#[test]
fn health_has_a_place_when_all_others_are_taken() {
    let service = Service::with(Limits { max_in_flight: 2, ..Limits::default() });
    let mut holders: Vec<_> = (0..10).map(|_| service.client()).collect();
    for client in &mut holders {
        client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    service.until("others wait in line", |stats| stats.requests_waiting == 8);
    assert_is_quick(&service);
}

/// Nine of ten health requests within a second, and all of them answered: nobody waits for the others' deadlines.
fn assert_is_quick(service: &Service) {
    let mut times: Vec<_> = (0..50).map(|_| health(service)).collect();
    times.sort_unstable();
    assert!(times[45] < Duration::from_secs(1), "health took {times:?}");
}

fn health(service: &Service) -> Duration {
    let start = Instant::now();
    let mut client = service.client();
    assert_eq!(client.get("/healthz").status, 200);
    start.elapsed()
}
