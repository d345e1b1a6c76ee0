//! Without file descriptors nothing new can come, and nothing dies. Alone in its process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "acceptor/harness.rs"]
mod harness;

use std::fs::File;

use harness::Service;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zkgate::http::acceptor::Limits;

#[test]
fn a_shortage_of_descriptors_is_survived_and_idle_ones_make_room() {
    let service = Service::with(Limits { max_in_flight: 4, ..Limits::default() });
    let mut kept = service.client();
    let mut idle = service.client();
    assert_eq!(kept.get("/echo").status, 200);
    service.until("both are in", |stats| stats.connections_open == 2);
    let whole = getrlimit(Resource::Nofile);
    let mut stock = exhaust(whole);
    // One descriptor for the client's end; the acceptor finds none for its own and lets the idlest go.
    stock.pop();
    let mut newcomer = service.client();
    assert_eq!(newcomer.get("/healthz").status, 200);
    assert!(service.stats().accept_errors >= 1);
    assert!(idle.is_closed() || kept.is_closed());
    drop((stock, idle, kept));
    setrlimit(Resource::Nofile, whole).unwrap();
    service.is_well();
    assert_eq!(newcomer.get("/echo").status, 200);
    assert_eq!(service.stats().links_lost, 0);
}

/// Lowers the limit and opens files until there is no descriptor left.
fn exhaust(whole: Rlimit) -> Vec<File> {
    let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(used + 8), maximum: whole.maximum }).unwrap();
    let mut stock = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        stock.push(file);
    }
    stock
}
