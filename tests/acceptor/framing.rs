//! What is and what is not a request, as seen from outside.

use crate::harness::{Client, Service};

#[test]
fn what_is_no_request_gets_a_problem_and_is_closed_and_reaches_nobody() {
    let service = Service::start();
    for (name, expected, code, bytes) in [
        ("HTTP/2.0", 505, "http_version_not_supported", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
        ("preface", 505, "http_version_not_supported", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (
            "9e18",
            413,
            "body_too_large",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000000000000\r\n\r\n",
        ),
        ("1 MiB + 1", 413, "body_too_large", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"),
        (
            "chunked",
            411,
            "length_required",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\nGET /smug HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        (
            "TE and CL",
            411,
            "length_required",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /smug HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        (
            "length abc",
            400,
            "bad_request",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\nGET /smug HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        (
            "two lengths",
            400,
            "bad_request",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 32\r\n\r\nGET /smug HTTP/1.1\r\nHost: x\r\n\r\n",
        ),
        ("length +5", 400, "bad_request", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello"),
        ("bare LF", 400, "bad_request", "GET / HTTP/1.1\nHost: x\n\n"),
        ("leading CRLF", 400, "bad_request", "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("junk", 400, "bad_request", "what is this\r\n\r\n"),
        ("NUL", 400, "bad_request", "GET / HTTP/1.1\r\nHost: x\0\r\n\r\n"),
        ("non-ASCII", 400, "bad_request", "GET /ä HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("no host", 400, "bad_request", "GET / HTTP/1.1\r\n\r\n"),
        ("other expectation", 417, "expectation_failed", "POST / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n"),
    ] {
        let mut client = service.client();
        client.send(bytes);
        let reply = client.answer().unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!((reply.status, reply.json()["code"].as_str()), (expected, Some(code)), "{name}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{name}");
        assert_eq!(reply.header("connection"), Some("close"), "{name}");
        assert!(client.is_closed(), "{name}: one answer and no other");
    }
    assert_eq!(service.reached(), 0);
    service.is_well();
}

#[test]
fn a_request_split_at_every_byte_is_the_same_request() {
    let service = Service::start();
    let bytes = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = service.client();
    for cut in 1..bytes.len() {
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        let reply = client.answer().unwrap();
        assert_eq!((reply.status, &reply.json()["body"]), (200, &"hello".into()), "cut at {cut}");
    }
}

#[test]
fn a_large_head_is_refused_also_when_it_comes_at_once() {
    let service = Service::start();
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(service.status(large), 431);
    let fits = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(16_000));
    assert_eq!(service.status(fits), 200);
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(9_000));
    assert_eq!(service.status(long), 400);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let service = Service::start();
    let mut client = service.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().unwrap().head, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(client.answer().unwrap().json()["body"], "body");
    // One whose body would be refused is told that instead.
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 413);
}

#[test]
fn a_body_that_was_cut_short_reaches_nobody() {
    let service = Service::start();
    let mut client = service.client();
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nonly this");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.is_closed());
    assert_eq!(service.reached(), 0);
}

#[test]
fn bodies_of_every_size_arrive_whole() {
    let service = Service::start();
    let mut client = service.client();
    for size in [0, 1, 1023, 1024, 1025, 16_384, 70_000, 1_048_576] {
        client.send(format!("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"));
        client.send("y".repeat(size));
        let told = client.answer().unwrap().json();
        assert_eq!((&told["length"], &told["method"]), (&size.into(), &"PUT".into()));
        assert!(told["body"].as_str().unwrap().bytes().all(|byte| byte == b'y'));
    }
}

#[test]
fn hop_by_hop_headers_and_a_forged_peer_stay_outside() {
    let service = Service::start();
    let mut client = service.client();
    client.send(
        "BREW /echo?x=%20 HTTP/1.1\r\nHost: x\r\nX-Zkgate-Peer: 6.6.6.6:6\r\nTE: identity\r\n\
         Authorization: Bearer abc\r\nAccept: text/plain\r\nConnection: keep-alive, authorization\r\n\r\n",
    );
    let told = client.answer().unwrap().json();
    assert_eq!(told["peer"], client.socket.local_addr().unwrap().to_string());
    assert_eq!((&told["method"], &told["target"]), (&"BREW".into(), &"/echo?x=%20".into()));
    assert_eq!((&told["authorization"], &told["accept"]), (&"Bearer abc".into(), &"text/plain".into()));
}

#[test]
fn an_http_1_0_client_is_answered_without_chunks_and_closed() {
    let service = Service::start();
    for target in ["/echo", "/stream?100000"] {
        let mut client = service.client();
        client.send(format!("GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        let reply = client.answer().unwrap();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        assert_eq!(reply.header("transfer-encoding"), None);
        assert!(target == "/echo" || reply.body == crate::harness::pattern(100_000));
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answer() {
    let service = Service::start();
    let mut client = Client::connect(service.addr);
    client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    service.until("it is in flight", |stats| stats.requests_in_flight == 1);
    std::thread::sleep(std::time::Duration::from_millis(400)); // past the look whether it is still there
    service.site.open_the_gate();
    assert_eq!(client.answer().unwrap().body, b"\"held\"");
    assert!(client.is_closed());
}
