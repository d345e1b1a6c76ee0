//! Whoever reads the journal from its beginning, across all lives of the program: by pages that wait, and as a
//! stream. Each checks what a reader is promised.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::gateway::{Gateway, Shared};

/// A reader at work.
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// Rows by their numbers, as they were first seen.
pub type Seen = BTreeMap<u64, Value>;

impl Reader {
    /// Reads pages.
    pub fn of_pages(gateway: &Shared) -> Self {
        Self::start(gateway, |gateway, stop, seen| {
            let after = seen.last_key_value().map_or(0, |(seq, _)| *seq);
            let page = gateway.ask("GET", &format!("/punches?after={after}&limit=1000&wait=1"), None);
            let Some((200, page)) = page else {
                std::thread::sleep(Duration::from_millis(5));
                return;
            };
            let rows = page["data"].as_array().unwrap();
            take(seen, rows.iter().cloned());
            let last = rows.last().map_or(after, |row| row["seq"].as_u64().unwrap());
            assert!(page["head"].as_u64().unwrap() >= last, "the head is behind the rows: {last}");
            assert!(page["next_after"].as_u64().unwrap() >= last, "{}", page["next_after"]);
            let _ = stop;
        })
    }

    /// Follows the stream.
    pub fn of_stream(gateway: &Shared) -> Self {
        Self::start(gateway, |gateway, stop, seen| {
            let after = seen.last_key_value().map_or(0, |(seq, _)| *seq);
            let Some(stream) = gateway.stream(&format!("/punches/stream?after={after}")) else {
                std::thread::sleep(Duration::from_millis(5));
                return;
            };
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                if let Some(row) = line.strip_prefix("data: ").and_then(|row| serde_json::from_str(row).ok())
                {
                    take(seen, std::iter::once(row));
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        })
    }

    fn start(gateway: &Shared, turn: impl Fn(&Gateway, &AtomicBool, &mut Seen) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (gateway, stopped) = (Arc::clone(gateway), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::new();
            while !stopped.load(Ordering::Relaxed) {
                turn(&gateway, &stopped, &mut seen);
            }
            seen
        });
        Self { stop, thread }
    }

    /// What it has seen. The program has ended, so that nobody waits for it.
    pub fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a reader was promised otherwise")
    }
}

/// Rows come in ascending order, each once.
fn take(seen: &mut Seen, rows: impl Iterator<Item = Value>) {
    for row in rows {
        let seq = row["seq"].as_u64().unwrap();
        let last = seen.last_key_value().map_or(0, |(seq, _)| *seq);
        assert!(seq > last, "{seq} came after {last}: {row}");
        seen.insert(seq, row);
    }
}

/// Everything that is in the journal now.
pub fn all(gateway: &Gateway) -> Seen {
    let mut seen = Seen::new();
    loop {
        let after = seen.last_key_value().map_or(0, |(seq, _)| *seq);
        let page = gateway.show(&format!("/punches?after={after}&limit=1000"));
        take(&mut seen, page["data"].as_array().unwrap().iter().cloned());
        if !page["more"].as_bool().unwrap() {
            return seen;
        }
    }
}

/// A reader met exactly the rows that there are, and none of them has become another punch since.
pub fn check(name: &str, seen: &Seen, all: &Seen) {
    let missed: Vec<_> = all.keys().filter(|seq| !seen.contains_key(seq)).take(10).collect();
    assert!(missed.is_empty(), "{name}: rows came at or below numbers that were read before: {missed:?}");
    for (seq, row) in seen {
        let now = all.get(seq).unwrap_or_else(|| panic!("{name}: a row has gone: {row}"));
        for member in ["serial_number", "device_id", "uid", "timestamp"] {
            assert_eq!(row[member], now[member], "{name}: row {seq} has become another punch");
        }
    }
}
