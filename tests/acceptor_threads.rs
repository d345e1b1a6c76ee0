//! The number of threads is known at start and does not change, whatever clients do. Alone in its process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "acceptor/harness.rs"]
mod harness;

use std::time::Duration;

use harness::{Service, proc_status, raise_descriptors};
use zkgate::http::acceptor::Limits;

#[test]
fn threads_are_the_same_before_during_and_after() {
    raise_descriptors();
    let limits = Limits::default();
    let expected = limits.engine_threads();
    let before = proc_status("Threads:");
    let service = Service::with(limits);
    let running = proc_status("Threads:");
    // The engine's, the acceptor and the harness' four workers.
    assert_eq!(running, before + expected + 1 + 4);
    let mut crowd: Vec<_> = (0..1000).map(|_| service.client()).collect();
    for _ in 0..5 {
        crowd.iter_mut().for_each(|client| client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(proc_status("Threads:"), running);
        crowd.iter_mut().for_each(|client| assert_eq!(client.answer().unwrap().status, 200));
    }
    assert_eq!(proc_status("Threads:"), running);
    for _ in 0..300 {
        assert_eq!(service.status("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
    }
    assert_eq!(proc_status("Threads:"), running);
    drop(crowd);
    service.until("all have left", |stats| stats.connections_open == 0);
    assert_eq!(proc_status("Threads:"), running);
    // A link that is replaced finds the thread of the old one, or its successor for a moment.
    let mut client = service.client();
    client.send("GET /broken?1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(client.answer().is_none());
    service.until("it is replaced", |stats| stats.links_lost == 1 && stats.links_up == 132);
    assert!(proc_status("Threads:") <= running + 1);
    std::thread::sleep(Duration::from_millis(1));
    service.is_well();
}
