//! How soon a door opens, with a note of it on the disk before the device is asked.

use rusqlite::Connection;
use zkgate::wire::command::Command;

use super::latency::p50;
use super::support::raw::{Raw, Step};
use super::support::{Fleet, Gate, Report, Url, median};

/// An unlock under a key of its own, over the two things that it cannot do without: a commit to the same disk and
/// the exchange with the device.
pub fn unlock(report: &mut Report) {
    const ROUNDS: usize = 5;
    const CALLS: usize = 200;
    let fleet = Fleet::start(1, &[]);
    let gate = Gate::start(&fleet.devices);
    gate.wait_connected(1);
    let mut raw = Raw::connect(fleet.devices[0]);
    let mut kept = gate.http();
    let directory = tempfile::tempdir().unwrap();
    let notes = Connection::open(directory.path().join("notes.db")).unwrap();
    notes
        .execute_batch("pragma journal_mode = wal; pragma synchronous = full; create table note (text text)")
        .unwrap();
    let (mut over, mut bare, mut commits, mut key) = (vec![], vec![], vec![], 0);
    for _ in 0..ROUNDS {
        let frames = raw.frames(&vec![Step::new(Command::GET_TIME, 20); CALLS]);
        let mut single = frames.chunks(1);
        let exchange = p50(CALLS, || assert_eq!(raw.play(single.next().unwrap()), 20));
        let commit = p50(CALLS, || drop(notes.execute("insert into note values ('a door is opened')", [])));
        let whole = p50(CALLS, || {
            key += 1;
            let url = Url::keyed("/api/v1/devices/1/unlock", &key.to_string(), r#"{"seconds":1}"#);
            assert_eq!(kept.touch(&url).unwrap(), 200);
        });
        over.push(whole - exchange - commit);
        bare.push(exchange);
        commits.push(commit);
    }
    report.at_most(
        "unlock under a key, over a bare commit and the raw round trip, p50",
        median(over),
        1.0,
        "ms",
    );
    report.note(&format!("raw round trip {:.3} ms, commit {:.3} ms", median(bare), median(commits)));
}
