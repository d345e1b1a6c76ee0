//! Honest clients: many, long-lived, all at once.

use std::time::Duration;

use zkgate::http::acceptor::Limits;

use crate::harness::Service;

#[test]
fn a_thousand_requests_on_one_connection() {
    let service = Service::start();
    let mut client = service.client();
    for n in 0..1000 {
        assert_eq!(client.get(&format!("/n/{n}")).json()["target"], format!("/n/{n}"));
    }
    assert_eq!(service.stats().connections_accepted, 1);
}

#[test]
fn bursts_of_kept_connections_are_all_answered() {
    for burst in [5, 50, 300] {
        let service = Service::start();
        let mut clients: Vec<_> = (0..burst).map(|_| service.client()).collect();
        for round in 0..3 {
            for client in &mut clients {
                client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
            }
            for client in &mut clients {
                assert_eq!(client.answer().unwrap().status, 200, "burst of {burst}, round {round}");
            }
        }
        assert_eq!(service.stats().connections_open, burst);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = Service::start();
    let mut client = service.client();
    let mut all = String::new();
    for n in 0..100 {
        all += &format!("POST /p/{n} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    }
    client.send(all);
    for n in 0..100 {
        let told = client.answer().unwrap().json();
        assert_eq!((&told["target"], &told["body"]), (&format!("/p/{n}").into(), &"abc".into()));
    }
}

#[test]
fn requests_beyond_the_places_in_flight_wait_or_are_told_to_come_again() {
    let limits = Limits {
        max_in_flight: 2,
        waiting_requests: 3,
        waiting_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let service = Service::with(limits);
    let mut clients: Vec<_> = (0..6).map(|_| service.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
        let (flying, waiting, refused) =
            ((n + 1).min(2) as u64, (n.max(1) - 1).min(3) as u64, (n / 5) as u64);
        service.until("it has its place", |stats| {
            (stats.requests_in_flight, stats.requests_waiting) == (flying, waiting)
                && service.refused("overloaded") == refused
        });
    }
    let reply = clients[5].answer().unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    service.is_well();
    // One leaves the line, the others wait in vain.
    drop(clients.remove(4));
    for client in &mut clients[2..4] {
        assert_eq!(client.answer().unwrap().json()["code"], "overloaded");
    }
    service.site.open_the_gate();
    for client in &mut clients[..2] {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    service.is_well();
}

#[test]
fn who_waits_in_line_is_served_when_a_place_is_free() {
    let service = Service::with(Limits { max_in_flight: 2, ..Limits::default() });
    let mut clients: Vec<_> = (0..40).map(|_| service.client()).collect();
    for client in &mut clients {
        client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    service.until("all have come", |stats| stats.requests_waiting == 38);
    assert_eq!(service.stats().requests_in_flight, 2);
    service.site.open_the_gate();
    for client in &mut clients {
        assert_eq!(client.answer().unwrap().body, b"\"held\"");
    }
}
