//! What a single hostile client can do: nothing to others.

use std::io::Write;
use std::time::{Duration, Instant};

use zkgate::http::acceptor::Limits;

use crate::harness::{Client, Service};

#[test]
fn slow_heads_and_slow_bodies_are_told_and_closed_in_time() {
    let limits = Limits {
        head_time: Duration::from_millis(150),
        body_time: Duration::from_millis(250),
        max_in_flight: 2,
        ..Limits::default()
    };
    let service = Service::with(limits);
    for (name, bytes, at_least) in [
        ("head", "GET / HTTP/1.1\r\nHos", 150),
        ("body", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc", 250),
    ] {
        let start = Instant::now();
        let mut slow: Vec<_> = (0..20).map(|_| service.client()).collect();
        slow.iter_mut().for_each(|client| client.send(bytes));
        service.is_well();
        for client in &mut slow {
            let reply = client.answer().unwrap();
            assert_eq!((reply.status, &reply.json()["code"]), (408, &"request_timeout".into()), "{name}");
            assert!(client.is_closed());
        }
        assert!(start.elapsed() >= Duration::from_millis(at_least), "{name}");
    }
    assert_eq!(service.reached(), 0);
}

#[test]
fn a_drip_does_not_move_the_deadline() {
    let limits = Limits { head_time: Duration::from_millis(200), max_in_flight: 2, ..Limits::default() };
    let service = Service::with(limits);
    let mut client = service.client();
    let mut told = 0;
    while service.refused("request_timeout") == 0 && client.socket.write_all(b"G").is_ok() {
        told += 1;
        std::thread::sleep(Duration::from_millis(5));
        assert!(told < 1000, "the drip goes on for ever");
    }
    assert_eq!(client.answer().unwrap().status, 408);
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let limits = Limits { idle_time: Duration::from_millis(100), max_in_flight: 2, ..Limits::default() };
    let service = Service::with(limits);
    let (mut fresh, mut used) = (service.client(), service.client());
    assert_eq!(used.get("/echo").status, 200);
    assert!(fresh.is_closed() && used.is_closed());
}

#[test]
fn a_head_of_200_megabytes_is_refused_after_its_first_kilobytes() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\nX: ");
    let sent = send_until_refused(&mut client, &[b'x'; 64 * 1024], 200 << 20);
    assert!(sent < 200 << 20, "all of it was taken");
    assert_eq!(service.refused("head_too_large"), 1);
    service.is_well();
}

#[test]
fn a_million_header_lines_are_refused_after_the_first_few() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET / HTTP/1.1\r\nHost: x\r\n");
    let sent = send_until_refused(&mut client, &b"a: b\r\n".repeat(10_000), 6_000_000);
    assert!(sent <= 6_000_000);
    service.until("it is refused", |_| service.refused("head_too_large") == 1);
    service.is_well();
}

#[test]
fn a_flood_of_pipelined_requests_is_answered_in_order_and_holds_no_memory() {
    let service = Service::start();
    let mut client = service.client();
    let mut flooder = client.socket.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let flood = b"GET /big?10 HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
        let mut sent = 0usize;
        // Blocks as soon as the kernel's buffers are full, because nobody reads the answers.
        flooder.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        while sent < 64 << 20 && flooder.write_all(&flood).is_ok() {
            sent += flood.len();
        }
        sent
    });
    let sent = writer.join().unwrap();
    assert!(sent < 32 << 20, "{sent} bytes were taken from a client that reads nothing");
    assert!(service.stats().requests_in_flight <= 1);
    service.is_well();
    for _ in 0..1000 {
        assert_eq!(client.answer().unwrap().body.len(), 10);
    }
}

#[test]
fn two_thousand_connections_reset_at_once_leave_nothing_behind() {
    let service = Service::start();
    for round in 0..2000 {
        let mut client = Client::connect(service.addr);
        match round % 3 {
            0 => {}
            1 => client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"),
            _ => client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab"),
        }
        socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).unwrap();
    }
    service.until("all are gone", |stats| stats.connections_open == 0 && stats.requests_in_flight == 0);
    service.is_well();
}

#[test]
fn bodies_beyond_the_common_budget_are_put_off() {
    let limits = Limits { bodies_in_memory: 200_000, max_in_flight: 2, ..Limits::default() };
    let service = Service::with(limits);
    let mut clients: Vec<_> = (0..4).map(|_| service.client()).collect();
    for client in &mut clients {
        client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
        client.send("x".repeat(90_000));
    }
    service.until("some are put off", |_| service.refused("overloaded") == 2);
    let mut statuses = Vec::new();
    for client in &mut clients {
        let _ = client.socket.write_all(&[b'x'; 10_000]);
        let reply = client.answer();
        statuses.push(reply.as_ref().map_or(0, |reply| reply.status));
        if let Some(reply) = reply.filter(|reply| reply.status == 503) {
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503]);
    service.is_well();
}

/// Sends the same bytes again and again, until so many are gone or the other side has had enough.
fn send_until_refused(client: &mut Client, bytes: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most && client.socket.write_all(bytes).is_ok() {
        sent += bytes.len();
    }
    sent
}
