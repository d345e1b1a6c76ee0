//! The HTTP side: how many connections, how large, how slow.

use std::time::Duration;

use super::reader::Reader;

/// Section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Client connections open at a time; beyond it the one that has been idle the longest is closed.
    pub max_connections: usize,
    /// Requests being answered at a time.
    pub max_in_flight: usize,
    /// Threads that turn requests into answers or jobs.
    pub workers: usize,
    /// Answers that are streams, at a time; each has a thread.
    pub streams: usize,
    /// Programs that follow the journal as a stream, at a time; each has a thread.
    pub followers: usize,
    /// For the whole head of a request, from its first byte.
    pub head_timeout: Duration,
    /// For the whole body of a request.
    pub body_timeout: Duration,
    /// How long a kept connection may wait for its next request.
    pub idle_timeout: Duration,
    /// For a client to take the whole answer.
    pub answer_timeout: Duration,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// The deadline of a request that names none.
    pub default_timeout: Duration,
    /// The longest deadline that a request may name.
    pub max_timeout: Duration,
    /// Whether devices and punches are shown in the dialect of BioTime too.
    pub biotime: bool,
}

impl Http {
    pub(super) fn read(from: &mut Reader) -> Self {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        let max_connections = from.count("http.max_connections", "connections", 4096, 1..=65_536);
        let max_in_flight = from.count("http.max_in_flight", "requests", 128, 1..=1024);
        // A stream is in flight for as long as it lasts; others must find room beside all of them.
        let most = (max_in_flight / 2).max(1);
        let http = Self {
            max_connections,
            max_in_flight,
            workers: from.count("http.workers", "threads", 4, 1..=64),
            streams: from.count("http.streams", "threads", 4, 1..=64),
            followers: from.count("http.followers", "streams", most.min(32), 1..=256),
            head_timeout: from.duration("http.head_timeout", s(5), ms(100)..=s(60)),
            body_timeout: from.duration("http.body_timeout", s(15), ms(100)..=s(300)),
            idle_timeout: from.duration("http.idle_timeout", s(60), ms(100)..=s(3600)),
            answer_timeout: from.duration("http.answer_timeout", s(120), s(1)..=s(3600)),
            max_body: from.count("http.max_body", "bytes", 1024 * 1024, 1024..=16 * 1024 * 1024),
            default_timeout: from.duration("http.default_timeout", s(15), ms(100)..=s(600)),
            max_timeout: from.duration("http.max_timeout", s(120), ms(100)..=s(600)),
            biotime: from.switch("http.biotime", false),
        };
        let fits = http.default_timeout <= http.max_timeout;
        from.rule(&["http.default_timeout", "http.max_timeout"], fits, || {
            "must not be longer than http.max_timeout".into()
        });
        from.rule(&["http.followers", "http.max_in_flight"], http.followers <= most, || {
            format!(
                "must be at most {most}, half of http.max_in_flight, so that requests find room beside them"
            )
        });
        http
    }
}
