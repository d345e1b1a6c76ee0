//! Exports: whole, or visibly not; large ones in little memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::rig::{PATIENCE, Site, eventually, filled, soon};
use crate::service::{Service, Setup};

const ROWS: u32 = 100_000;

/// The lines of a streamed answer, given one by one; how many there were.
fn lines(service: &Service, path: &str, mut line: impl FnMut(usize, &str)) -> usize {
    let uri = format!("http://{}/api/v1{path}", service.address);
    let request = ureq::get(uri).header("authorization", format!("Bearer {}", service.token));
    let answer = request.call().unwrap();
    let reader = BufReader::new(answer.into_body().into_reader());
    let mut count = 0;
    for text in reader.lines() {
        line(count, &text.unwrap());
        count += 1;
    }
    count
}

#[test]
fn a_hundred_thousand_rows_come_whole_and_in_little_memory() {
    let setup = Setup::new().set("ZKGATE_LOG", "info");
    filled(&setup.state_dir(), ROWS);
    let mut service = setup.start();
    // What the first export takes once: the journal's reading connection keeps up to 8 MB of the file's pages.
    assert_eq!(lines(&service, "/punches/export", |_, _| {}), ROWS as usize);
    let before = service.proc_status("VmHWM");
    let mut bytes = 0;
    let count = lines(&service, "/punches/export", |at, line| {
        bytes += line.len();
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["seq"].as_u64(), Some(at as u64 + 1), "{line}");
    });
    assert_eq!(count, ROWS as usize);
    let count = lines(&service, "/punches/export?format=csv", |at, line| match at {
        0 => assert!(
            line.starts_with("seq,device_id,") && line.ends_with(",received_at\r")
                || line.ends_with(",received_at")
        ),
        at => assert!(line.starts_with(&format!("{at},1,SIM1,{},,", 1000 + at % 10)), "{line}"),
    });
    assert_eq!(count, ROWS as usize + 1);
    let grown = service.proc_status("VmHWM").saturating_sub(before);
    // Its writing connection keeps up to 16 MB and goes through the rows meanwhile, for those that are old enough
    // to go. Beside that, an export takes a page and no more.
    let (allowed, whole) = (20 * 1024, bytes / 1024);
    assert!(whole > allowed && grown < allowed, "{grown} kB more; all lines are {whole} kB");
    let page = service.get("/punches?after=99990").json();
    assert_eq!((page["data"].as_array().unwrap().len(), page["head"].as_u64()), (10, Some(u64::from(ROWS))));
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn an_export_is_chosen_by_the_same_parameters_and_comes_in_the_form_that_is_asked_for() {
    let site = Site::start();
    site.place(1..=2500);
    let seqs = |text: &str| -> Vec<u64> {
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect()
    };
    for (parameters, expected) in [
        ("", (1..=2500).collect::<Vec<u64>>()),
        ("?after=2000&limit=3", vec![2001, 2002, 2003]),
        ("?user_id=1004&device=2&after=2400", (2401..=2500).filter(|n| n % 10 == 4 && n % 3 == 1).collect()),
        ("?from=2026-07-14T00:40:00", (2400..=2500).collect()),
        ("?device=9", vec![]),
    ] {
        let answer = site.get(&format!("/punches/export{parameters}"));
        assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/x-ndjson"));
        assert_eq!(seqs(&String::from_utf8(answer.body).unwrap()), expected, "{parameters}");
    }
    let csv = site.ask("GET", "/punches/export?limit=1", &[("accept", "text/csv")]);
    assert_eq!(csv.content_type, "text/csv; charset=utf-8");
    assert_eq!(
        String::from_utf8(csv.body).unwrap(),
        "seq,device_id,serial_number,user_id,uid,timestamp,instant,time_certainty,punch_state,verify_mode,\
         work_code,source,received_at\r\n\
         1,2,SIM2,1001,,2026-07-14T00:00:01,2026-07-13T21:00:01Z,exact,1,1,,live,2026-07-14T03:33:20.001Z\r\n"
    );
    let none = site.get("/punches/export?format=csv&device=9");
    assert_eq!(none.body.iter().filter(|byte| **byte == b'\n').count(), 1, "the header alone");
}

/// An export whose client has read nothing yet, and cannot have got all of it.
fn begun(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(site.app().address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = &site.token;
    let head = format!(
        "GET /api/v1/punches/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
}

fn rest(mut stream: TcpStream) -> (usize, bool) {
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest).is_ok();
    let text = String::from_utf8_lossy(&rest);
    (text.matches("{\"seq\":").count(), ended && text.ends_with("\r\n0\r\n\r\n"))
}

#[test]
fn an_export_ends_where_the_journal_did_when_it_began() {
    let site = Site::start();
    site.place(1..=60_000);
    let stream = begun(&site);
    site.place(60_001..=60_500);
    assert_eq!(rest(stream), (60_000, true));
}

#[test]
fn an_export_whose_journal_fails_midway_is_cut_and_never_passes_for_whole() {
    let site = Site::start();
    site.place(1..=60_000);
    let stream = begun(&site);
    // The client takes nothing, so the export waits somewhere in the middle.
    let reading = || site.journal().waiting();
    eventually("the export stands still", || {
        let before = reading();
        std::thread::sleep(Duration::from_millis(50));
        before == reading() && before == (0, 0)
    });
    site.journal().close(soon()).unwrap();
    let (rows, whole) = rest(stream);
    assert!(rows < 60_000 && !whole, "{rows} rows, whole: {whole}");
    site.get("/punches/export").problem(503, "stopping");
    site.get("/punches").problem(503, "stopping");
}
