//! A long journal: pages of it through HTTP, its size, and a start with it.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use super::support::bare::{Plain, insert_sqlite, make_empty, open_sqlite};
use super::support::process::prepare;
use super::support::{Gate, Report, Url, largest, median, ms};

const ROWS: i64 = 5_000_000;
const DEVICES: i64 = 50;
const USERS: i64 = 2000;
const PAGES: i64 = 25;

/// Pages of 1,000 from different places: of everything, and of one device, whose rows stand as far apart as can be.
pub fn pages(report: &mut Report) {
    let state = prepare(&[]);
    fill(state.path());
    let size = |name: &str| fs::metadata(state.path().join(name)).map_or(0, |file| file.len()) as f64 / 1e6;
    let megabytes = size("journal.db") + size("journal.db-wal");
    let (gate, took) = Gate::launch(state);
    let mut http = gate.http();
    let bare = open_sqlite(gate.state.path());
    let mut measure = |report: &mut Report, what: &str, first: i64, step: i64, device: Option<i64>| {
        let (mut times, mut limits, mut bytes, mut cpu) = (vec![], vec![], 0, 0.0);
        let filter = device.map_or(String::new(), |device| format!("&device={device}"));
        for page in 0..PAGES {
            let after = first + page * step;
            let url = Url::get(&format!("/api/v1/punches?after={after}&limit=1000{filter}"));
            let (since, used) = (Instant::now(), gate.cpu());
            let answer = http.exchange(&url).unwrap();
            times.push(ms(since.elapsed()));
            cpu += gate.cpu() - used;
            let page = answer.json();
            assert_eq!(page["data"].as_array().map(Vec::len), Some(1000), "{page}");
            bytes = answer.body.len();
            let since = Instant::now();
            look_at(&bare, after, device);
            limits.push(ms(since.elapsed()));
        }
        let what = format!("page of 1,000 from a journal of 5 million: {what}");
        report.at_most(&what, median(times.clone()), 10.0, "ms");
        report.at_most("  the slowest of 25", largest(&times), 10.0, "ms");
        report.note(&format!(
            "{:.0} kB of JSON, CPU {:.2} ms a page; a bare query of the same rows: {:.2} ms, slowest {:.1} ms",
            bytes as f64 / 1e3,
            1e3 * cpu / PAGES as f64,
            median(limits.clone()),
            largest(&limits)
        ));
    };
    let last = ROWS - PAGES * 1000;
    measure(report, "its start", 0, 1000, None);
    measure(report, "its end", last, 1000, None);
    // A page of a device goes over as many rows as there are devices times.
    measure(report, "its start, of one device", 0, 1000 * DEVICES, Some(7));
    measure(report, "its end, of one device", ROWS - PAGES * 1000 * DEVICES, 1000 * DEVICES, Some(8));
    report.figure("journal of 5 million: size of its file", megabytes, "MB");
    report.figure("journal of 5 million: start to first healthy answer", ms(took), "ms");
    report.note(&format!(
        "{:.0} bytes a row; {:.1} MB resident",
        megabytes * 1e6 / ROWS as f64,
        gate.resident()
    ));
}

/// Goes over the rows of a page.
fn look_at(connection: &Connection, after: i64, device: Option<i64>) {
    let of = device.map_or(String::new(), |device| format!("device_id = '{device}' and"));
    let sql = format!("select * from punch where {of} seq > ?1 order by seq limit 1000");
    let mut statement = connection.prepare_cached(&sql).unwrap();
    let mut rows = statement.query([after]).unwrap();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        std::hint::black_box(row.get_ref(14).unwrap());
        count += 1;
    }
    assert_eq!(count, 1000);
}

/// A journal as it comes to be in years: all devices in turns, everybody at every device, ever later.
fn fill(state: &Path) {
    make_empty(state, None);
    let mut connection = open_sqlite(state);
    // Nobody would wait for this disk.
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection.pragma_update(None, "cache_size", -256 * 1024).unwrap();
    for device in 1..=DEVICES {
        connection
            .execute(
                "insert into terminal (id, serial_number, device_id) values (?1, ?2, ?3)",
                (device, format!("SIM{device:010}"), device.to_string()),
            )
            .unwrap();
    }
    for million in 0..ROWS / 1_000_000 {
        let rows: Vec<Plain> = (million * 1_000_000 + 1..=(million + 1) * 1_000_000).map(row).collect();
        insert_sqlite(&mut connection, rows.iter());
    }
    connection.execute("update journal_head set last_seq = ?1", [ROWS]).unwrap();
    connection.pragma_update(None, "wal_checkpoint", "truncate").unwrap();
}

fn row(seq: i64) -> Plain {
    let device = seq % DEVICES + 1;
    let user = (1000 + fastrand::i64(0..USERS)).to_string();
    // Twenty seconds apart: three years.
    let instant = 1_600_000_000 + 20 * seq;
    Plain {
        seq,
        terminal: device as i32,
        device_id: device.to_string(),
        person: user.clone(),
        user_id: Some(user),
        time: 24 * 12 * 31 * 86_400 + 20 * seq,
        instant: Some(instant),
        certainty: 0,
        punch_state: fastrand::i16(0..2),
        verify_mode: 1,
        work_code: Some(0),
        ordinal: 0,
        pass: 1,
        source: 1,
        received_at: instant * 1000,
    }
}
