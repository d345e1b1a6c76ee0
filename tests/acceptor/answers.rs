//! How answers travel back.

use std::time::Duration;

use zkgate::http::acceptor::Limits;

use crate::harness::{Service, pattern};

#[test]
fn answers_of_every_size_and_kind_come_back_whole_on_one_connection() {
    let service = Service::start();
    let mut client = service.client();
    for size in [0, 1, 600, 1024, 32_768, 32_769, 300_000, 5_000_000] {
        for kind in ["big", "stream"] {
            let reply = client.get(&format!("/{kind}?{size}"));
            assert_eq!(reply.status, 200);
            assert!(reply.body == pattern(size), "{kind} {size}");
            assert_eq!(reply.header("connection"), None);
        }
    }
    assert_eq!(client.get("/empty").status, 204);
    assert_eq!(client.get("/echo").status, 200);
    assert_eq!(service.stats().links_lost, 0);
}

#[test]
fn an_answer_to_head_has_the_head_and_no_body() {
    let service = Service::start();
    let mut client = service.client();
    for target in ["/big?5000", "/stream?5000", "/healthz"] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.answer_to("HEAD").unwrap().status, 200, "{target}");
    }
    assert_eq!(client.get("/echo").status, 200);
    client.send("HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").unwrap().status, 400);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_says_close_is_closed_after_the_answer() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET /big?3000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let reply = client.answer().unwrap();
    assert_eq!((reply.header("connection"), reply.body.len()), (Some("close"), 3_000_000));
    assert!(client.is_closed());
}

#[test]
fn a_handler_that_panics_or_forgets_answers_500_and_the_connection_lives() {
    let service = Service::start();
    let mut client = service.client();
    for target in ["/panic", "/forget", "/panic", "/panic", "/panic", "/panic"] {
        let reply = client.get(target);
        assert_eq!((reply.status, &reply.json()["code"]), (500, &"internal".into()), "{target}");
    }
    assert_eq!(client.get("/echo").status, 200);
}

#[test]
fn a_stream_that_breaks_is_cut_and_never_looks_complete() {
    let service = Service::start();
    let links = service.stats().links_up;
    for size in [0, 10, 100_000] {
        let mut client = service.client();
        client.send(format!("GET /broken?{size} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(client.answer().is_none(), "{size}");
    }
    service.until("the links are replaced", |stats| stats.links_up == links && stats.links_lost == 3);
    service.is_well();
}

#[test]
fn events_reach_the_client_one_by_one() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET /events?1 HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = String::from_utf8(client.through(b"\r\n\r\n").unwrap()).unwrap();
    assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
    // The second is not even made before the first is here.
    assert!(client.through(b"data: first\n\n").is_some());
    service.site.open_the_gate();
    assert!(client.through(b"data: more\n\n").is_some());
    assert!(client.through(b"0\r\n\r\n").is_some());
    assert_eq!(client.get("/echo").status, 200, "the connection is usable after the stream");
}

#[test]
fn who_streams_events_learns_that_the_client_has_gone() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.through(b"data: first\n\n").is_some());
    drop(client);
    service.until("the link is given up", |stats| stats.links_lost == 1);
    service.site.open_the_gate();
    service.until("another is in its place", |stats| stats.links_up == 20);
    service.until("the writer has been told", |_| service.reached() > 1000);
}

#[test]
fn a_stream_that_nobody_reads_takes_little_memory_and_is_cut() {
    const ALL: usize = 24 * 1024 * 1024;
    let limits = Limits { answer_progress: Duration::from_secs(2), max_in_flight: 4, ..Limits::default() };
    let service = Service::with(limits);
    let mut deaf = service.client();
    deaf.send(format!("GET /flood?{ALL} HTTP/1.1\r\nHost: x\r\n\r\n"));
    // There is room for all of it in what answers may have together, and that is kept for others.
    service.until("it is cut", |stats| stats.answers_cut == 1);
    let taken = service.reached();
    assert!(taken < 4 * 1024 * 1024, "{taken} bytes");
    service.is_well();
}

#[test]
fn a_request_whose_client_left_keeps_its_place_until_it_is_answered() {
    let service = Service::start();
    let mut client = service.client();
    client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    service.until("it is in flight", |stats| stats.requests_in_flight == 1);
    socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    service.until("its leaving is noticed", |stats| stats.connections_open == 0);
    assert_eq!(service.stats().requests_in_flight, 1);
    service.site.open_the_gate();
    service.until("its answer is thrown away", |stats| stats.requests_in_flight == 0);
    assert_eq!(service.stats().links_lost, 0);
}

#[test]
fn a_request_that_is_never_answered_gets_504() {
    let limits = Limits { response_wait: Duration::from_millis(100), max_in_flight: 2, ..Limits::default() };
    let service = Service::with(limits);
    let mut client = service.client();
    let reply = client.get("/hold");
    assert_eq!((reply.status, &reply.json()["code"]), (504, &"deadline_exceeded".into()));
    assert!(client.is_closed());
    service.until("the link is replaced", |stats| stats.links_up == 6);
    service.is_well();
}

#[test]
fn a_client_that_never_reads_a_long_answer_is_cut_and_disturbs_nobody() {
    let limits = Limits {
        answer_progress: Duration::from_millis(300),
        answers_in_memory: 1024 * 1024,
        max_in_flight: 4,
        ..Limits::default()
    };
    let service = Service::with(limits);
    let mut deaf: Vec<_> = (0..2).map(|_| service.client()).collect();
    for client in &mut deaf {
        client.send("GET /big?64000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    service.until("both are being written", |stats| stats.requests_in_flight == 2);
    let mut honest = service.client();
    for _ in 0..50 {
        assert_eq!(honest.get("/echo").status, 200);
    }
    service.until("both are cut", |stats| stats.answers_cut == 2 && stats.links_up == 8);
    service.is_well();
}

#[test]
fn a_client_that_reads_slowly_is_cut_at_the_total_deadline() {
    let limits = Limits { answer_time: Duration::from_millis(300), max_in_flight: 4, ..Limits::default() };
    let service = Service::with(limits);
    let mut slow = service.client();
    slow.send("GET /big?64000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    while service.stats().answers_cut == 0 {
        let mut some = [0; 1000];
        std::thread::sleep(Duration::from_millis(5)); // this is what is slow about it
        if std::io::Read::read(&mut slow.socket, &mut some).is_err() {
            break;
        }
    }
    service.until("it is cut", |stats| stats.answers_cut == 1);
}

#[test]
fn stopping_answers_what_is_in_flight_and_closes_the_rest() {
    let mut service = Service::start();
    let (mut idle, mut half, mut busy) = (service.client(), service.client(), service.client());
    assert_eq!(idle.get("/echo").status, 200);
    busy.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    half.send("GET / HT");
    service.until("it is in flight", |stats| stats.requests_in_flight == 1 && stats.connections_open == 3);
    let site = std::sync::Arc::clone(&service.site);
    let reader = std::thread::spawn(move || {
        assert!(idle.is_closed());
        let reply = half.answer().unwrap();
        assert_eq!((reply.status, &reply.json()["code"]), (503, &"stopping".into()));
        site.open_the_gate();
        let reply = busy.answer().unwrap();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        assert!(busy.is_closed());
    });
    let addr = service.addr;
    service.stop(Duration::from_secs(5));
    reader.join().unwrap();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn who_is_connected_is_served_after_accepting_has_stopped() {
    let service = Service::start();
    let mut client = service.client();
    assert_eq!(client.get("/echo").status, 200);
    service.acceptor().stop_accepting();
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(service.addr).is_ok() {
        assert!(start.elapsed() < crate::harness::PATIENCE);
    }
    assert_eq!(client.get("/echo").status, 200);
}
