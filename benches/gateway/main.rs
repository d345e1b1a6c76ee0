//! What zkgate promises, measured: a table `what | figure | bar | met?`.
//!
//! `cargo bench --bench gateway` prints every row, `cargo bench --bench gateway -- latency bulk` only these;
//! `-- --list` names them. The service and the simulated devices are processes of their own, so what this program
//! costs is not theirs. Ratios are taken against a peer or a limit measured in the same run, in turns. Nothing is
//! asserted: the exit code says only whether the bench could run. `ZKGATE_BIN` names another binary to measure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod acceptor;
mod bulk;
mod door;
mod feed;
mod footprint;
mod isolation;
mod journal;
mod latency;
mod pages;
mod people;
mod support;
mod throughput;

use support::Report;

/// A row's name and what fills it in.
type Row = (&'static str, fn(&mut Report));

/// The rows by name, in the order in which they are printed.
const ROWS: [Row; 23] = [
    ("isolation", isolation::dead_neighbours),
    ("back-off", latency::back_off),
    ("latency", latency::warm_call),
    ("unlock", door::unlock),
    ("idle-close", latency::idle_close),
    ("reboot", latency::reboot),
    ("bulk", bulk::library),
    ("pyzk", bulk::pyzk),
    ("json", bulk::json),
    ("many", isolation::many_dead),
    ("throughput", throughput::calls),
    ("memory", footprint::memory),
    ("start", footprint::start),
    ("clients", acceptor::idle_clients),
    ("tail", journal::tail),
    ("sqlite", journal::into_sqlite),
    ("postgres", journal::into_postgres),
    ("hoard", journal::memory),
    ("feed", feed::punch_to_line),
    ("pages", pages::pages),
    ("people", people::write),
    ("backup", people::backup),
    ("polling", journal::polling),
];

fn main() {
    // Cargo says `--bench` to every bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("--list") => return ROWS.iter().for_each(|(name, _)| println!("{name}")),
        Some(bulk::READ_ONCE) => return bulk::read_once(&arguments[1]),
        Some(throughput::TRIVIAL_SERVER) => return throughput::trivial_server(),
        _ => {}
    }
    if let Some(unknown) = arguments.iter().find(|name| ROWS.iter().all(|(row, _)| row != name)) {
        eprintln!("there is no row {unknown:?}; `--list` names them");
        std::process::exit(2);
    }
    support::allow_many_files();
    let mut report = Report::begin();
    for (name, measure) in ROWS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            measure(&mut report);
        }
    }
    report.end();
}
