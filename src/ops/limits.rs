//! How many threads and open files the service can need at most, from its fixed numbers, and making room for
//! them.
//!
//! Both numbers are known before the first thread starts. The unit's limits are twice what the defaults need;
//! they are a net under the process, never its way to refuse work.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The fixed numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedNumbers {
    /// Client connections at a time.
    pub max_connections: usize,
    /// Requests being answered at a time.
    pub max_in_flight: usize,
    /// HTTP workers.
    pub http_workers: usize,
    /// Streamed answers at a time.
    pub streams: usize,
    /// Programs that follow the journal at a time.
    pub followers: usize,
    /// Device workers, those for suspects included.
    pub device_workers: usize,
    /// Connection attempts to devices at a time.
    pub dials: usize,
    /// Sessions at a time: the number of devices that room is made for.
    pub sessions: usize,
    /// Webhooks at the most.
    pub webhooks: usize,
    /// Whether there is PostgreSQL beside the embedded store.
    pub postgres: bool,
}

/// What is needed at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// What for and how many threads.
    pub threads: Vec<(&'static str, usize)>,
    /// What for and how many open files.
    pub files: Vec<(&'static str, usize)>,
}

impl FixedNumbers {
    /// Adds up what they need.
    #[must_use]
    pub fn needs(&self) -> Needs {
        // The acceptor keeps a few connections to the engine free for health requests from loopback.
        let upstream = self.max_in_flight + RESERVED_UPSTREAM;
        let receivers = self.webhooks + WEBHOOK_TESTS;
        let threads = vec![
            ("main, signals, watchdog, spare", 4),
            ("acceptor", 1),
            ("HTTP engine: accept, one per connection to it, 4 kept ready", 1 + upstream + 4),
            ("HTTP workers", self.http_workers),
            ("streams", self.streams),
            ("followers of the journal", self.followers),
            ("device workers", self.device_workers),
            ("watcher, collector, dialer", 3),
            ("traces", 1),
            ("discovery", 1),
            ("embedded store: writer, reader", 2),
            ("journal: writer, reader", 2),
            ("ledger", 1),
            (
                "webhooks: supervisor, one for each and for each test, as many name look-ups",
                1 + 2 * receivers,
            ),
            (
                "PostgreSQL: store, pool, listener, undertaker, name look-ups",
                if self.postgres { 12 } else { 0 },
            ),
        ];
        let files = vec![
            ("standard streams, log, directories", 16),
            ("waiting places: a poller and its bell, each for the acceptor and the watcher", 8),
            ("listening sockets", 2),
            ("client connections", self.max_connections),
            ("connections to the engine: one end, and the other twice", 3 * upstream),
            ("sessions", self.sessions),
            ("connection attempts", self.dials),
            ("traces", 8),
            ("embedded store: database, log and index for each connection", 16),
            ("journal: database, log and index for each connection", 16),
            ("ledger: database, log and index", 8),
            ("webhooks: a connection and a name look-up for each and for each test", 2 * receivers),
            ("PostgreSQL: 4 for each connection", if self.postgres { 4 * 6 } else { 0 }),
        ];
        Needs { threads, files }
    }
}

impl Needs {
    /// All threads.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        self.threads.iter().map(|(_, count)| count).sum()
    }

    /// All open files.
    #[must_use]
    pub fn file_count(&self) -> usize {
        self.files.iter().map(|(_, count)| count).sum()
    }
}

/// How many files the process may open now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit in force; `None` for none.
    pub allowed: Option<u64>,
    /// Whether it is enough for what was asked.
    pub enough: bool,
}

/// Raises the limit on open files to what is needed, as far as the hard limit lets it.
///
/// # Errors
/// When the system refuses a limit that the hard limit allows.
pub fn allow_open_files(needed: usize) -> io::Result<OpenFiles> {
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    let now = getrlimit(Resource::Nofile);
    let (soft, enough) = raised(now.current, now.maximum, needed);
    if soft != now.current {
        setrlimit(Resource::Nofile, Rlimit { current: soft, maximum: now.maximum })?;
    }
    Ok(OpenFiles { allowed: soft, enough })
}

// `None` is no limit. A limit is never lowered.
fn raised(soft: Option<u64>, hard: Option<u64>, needed: u64) -> (Option<u64>, bool) {
    match (soft, hard) {
        (None, _) => (None, true),
        (Some(soft), _) if soft >= needed => (Some(soft), true),
        (Some(_), Some(hard)) if hard < needed => (Some(hard), false),
        (Some(_), _) => (Some(needed), true),
    }
}

/// The number of sessions that room is made for when nobody says: as many devices as one site has, and more.
pub const SESSIONS: usize = 4096;
/// The most webhooks.
pub const WEBHOOKS: usize = 32;
/// What the unit file allows: `LimitNOFILE`, at least twice what the defaults need.
pub const UNIT_OPEN_FILES: usize = 20_480;
/// What the unit file allows: `TasksMax`, at least twice what the defaults need.
pub const UNIT_TASKS: usize = 768;
const RESERVED_UPSTREAM: usize = 4;
/// Tests of webhooks at a time.
const WEBHOOK_TESTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_as_far_as_it_goes_and_never_lowered() {
        let table = [
            ("room enough", raised(Some(1024), Some(4096), 500), (Some(1024), true)),
            ("raised", raised(Some(1024), Some(4096), 2000), (Some(2000), true)),
            ("as far as it goes", raised(Some(1024), Some(4096), 9000), (Some(4096), false)),
            ("no hard limit", raised(Some(1024), None, 9000), (Some(9000), true)),
            ("no limit", raised(None, None, 9000), (None, true)),
        ];
        for (case, found, expected) in table {
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn what_is_needed_does_not_depend_on_what_is_connected() {
        let numbers = FixedNumbers {
            max_connections: 10,
            max_in_flight: 2,
            http_workers: 3,
            streams: 1,
            followers: 7,
            device_workers: 5,
            dials: 4,
            sessions: 100,
            webhooks: 2,
            postgres: false,
        };
        let needs = numbers.needs();
        assert_eq!(needs.thread_count(), 4 + 1 + (1 + 6 + 4) + 3 + 1 + 7 + 5 + 3 + 1 + 1 + 2 + 2 + 1 + 13);
        assert_eq!(needs.file_count(), 16 + 8 + 2 + 10 + 18 + 100 + 4 + 8 + 16 + 16 + 8 + 12);
        let more = FixedNumbers { postgres: true, ..numbers }.needs();
        assert!(more.thread_count() > needs.thread_count() && more.file_count() > needs.file_count());
    }

    #[test]
    fn room_that_is_there_already_is_granted() {
        assert!(allow_open_files(1).unwrap().enough);
    }
}
