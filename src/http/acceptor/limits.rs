//! Every number by which the acceptor is bounded. They are fixed at start.

use std::net::IpAddr;
use std::time::Duration;

/// How much of what, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Client connections at a time; beyond it the newcomer wins and the idlest goes. Default 4,096.
    pub max_connections: usize,
    /// Requests at a time in the engine and in the workers. Default 128.
    pub max_in_flight: usize,
    /// The same, set aside for health requests from this host. Default 4.
    pub health_reserve: usize,
    /// A request's head, in bytes. Default 16 KiB.
    pub head_bytes: usize,
    /// Header lines in a head, at most 64. Default 64.
    pub head_lines: usize,
    /// A request's target, in bytes. Default 8 KiB.
    pub target_bytes: usize,
    /// From the first byte of a head to its last. Default 5 s.
    pub head_time: Duration,
    /// Without a byte, between requests and before the first. Default 60 s.
    pub idle_time: Duration,
    /// A request's body, in bytes, at most 16 MiB. Default 1 MiB.
    pub body_bytes: usize,
    /// From the end of a head to the last byte of its body. Default 15 s.
    pub body_time: Duration,
    /// All bodies that are not yet with the engine, in bytes. Default 16 MiB.
    pub bodies_in_memory: usize,
    /// Requests that wait for a place in flight. Default 1,024.
    pub waiting_requests: usize,
    /// How long one waits for a place in flight. Default 2 s.
    pub waiting_time: Duration,
    /// From a request that is in flight to its answer, and between two pieces of an answer: longer than the
    /// longest deadline a request may have. Default 130 s.
    pub response_wait: Duration,
    /// Without the client taking a byte of an answer that waits for it. Default 10 s.
    pub answer_progress: Duration,
    /// From the first byte of an answer to its last; event streams have no such limit. Default 120 s.
    pub answer_time: Duration,
    /// What one answer may always have in memory, in bytes. Default 256 KiB.
    pub answer_buffer: usize,
    /// Up to where answers may have more than that, all together, in bytes. Default 32 MiB.
    pub answers_in_memory: usize,
    /// How long to listen to a client after an error was sent, so that it can be read. Default 1 s.
    pub linger_time: Duration,
    /// How much to listen to, then, in bytes. Default 64 KiB.
    pub linger_bytes: usize,
    /// An address of this host that counts as near besides loopback: the one it listens on, which the acceptor
    /// fills in, so that the host's own watchdog is never kept waiting by others.
    pub own_address: Option<IpAddr>,
}

impl Limits {
    /// The file descriptors that the acceptor and the engine need together, at most.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        // Each link is one descriptor here and two in tiny_http; the rest: listeners, pollers, a link that is
        // being replaced, a client that is being refused.
        self.max_connections + 3 * self.links() + 32
    }

    /// The threads that the engine has for these limits: one per link, one that accepts.
    #[must_use]
    pub fn engine_threads(&self) -> usize {
        self.links() + 1
    }

    /// Connections between acceptor and engine.
    #[must_use]
    pub fn links(&self) -> usize {
        self.max_in_flight + self.health_reserve
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_in_flight: 128,
            health_reserve: 4,
            head_bytes: 16 * 1024,
            head_lines: 64,
            target_bytes: 8 * 1024,
            head_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(60),
            body_bytes: 1024 * 1024,
            body_time: Duration::from_secs(15),
            bodies_in_memory: 16 * 1024 * 1024,
            waiting_requests: 1024,
            waiting_time: Duration::from_secs(2),
            response_wait: Duration::from_secs(130),
            answer_progress: Duration::from_secs(10),
            answer_time: Duration::from_secs(120),
            answer_buffer: 256 * 1024,
            answers_in_memory: 32 * 1024 * 1024,
            linger_time: Duration::from_secs(1),
            linger_bytes: 64 * 1024,
            own_address: None,
        }
    }
}
