//! Paging.

use std::collections::BTreeSet;

use crate::rig::{Site, seqs};

#[test]
fn paging_gives_every_row_once_and_in_order_while_rows_are_being_added() {
    let site = Site::start();
    const ROWS: u32 = 3000;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..ROWS / 50).for_each(|n| site.place(n * 50 + 1..=n * 50 + 50)));
        let (mut after, mut met) = (0, Vec::new());
        while met.len() < ROWS as usize {
            let page = site.get(&format!("/punches?after={after}&limit=37&wait=20")).json();
            let here = seqs(&page);
            assert!(!here.is_empty() && here.len() <= 37, "{page}");
            assert!(page["head"].as_u64() >= here.last().copied(), "{page}");
            after = page["next_after"].as_u64().unwrap();
            assert_eq!(Some(&after), here.last(), "without a filter it goes on behind the last row");
            met.extend(here);
        }
        assert!(met.iter().copied().eq(1..=u64::from(ROWS)));
    });
    let last = site.get(&format!("/punches?after={}&limit=1000", ROWS - 1)).json();
    assert_eq!((seqs(&last), last["more"].as_bool()), (vec![u64::from(ROWS)], Some(false)));
    let full = site.get("/punches?limit=1000").json();
    assert_eq!((seqs(&full).len(), full["more"].as_bool()), (1000, Some(true)));
    for beyond in [u64::from(ROWS), 1_000_000] {
        let nothing = site.get(&format!("/punches?after={beyond}")).json();
        let expected = serde_json::json!({"data": [], "next_after": beyond, "more": false, "head": ROWS});
        assert_eq!(nothing, expected);
    }
}

#[test]
fn a_row_is_shown_as_it_is_known_now() {
    let site = Site::start();
    site.place(1..=1);
    let row = site.get("/punches").json()["data"][0].clone();
    let expected = serde_json::json!({
        "seq": 1, "device_id": "2", "serial_number": "SIM2", "user_id": "1001",
        "timestamp": "2026-07-14T00:00:01", "instant": "2026-07-13T21:00:01Z", "time_certainty": "exact",
        "punch_state": 1, "verify_mode": 1, "work_code": null, "source": "live",
        "received_at": "2026-07-14T03:33:20.001Z",
    });
    assert_eq!(row, expected);
}

#[test]
fn filters_choose_by_device_person_and_time() {
    let site = Site::start();
    site.place(1..=600);
    for (filter, chosen) in [
        ("device=2", (|n| n % 3 == 1) as fn(u64) -> bool),
        ("device=1,3", |n| n % 3 != 1),
        ("device=99", |_| false),
        ("user_id=1004", |n| n % 10 == 4),
        ("user_id=1004,1007&device=1", |n| (n % 10 == 4 || n % 10 == 7) && n % 3 == 0),
        ("from=2026-07-14T00:01:00&to=2026-07-14T00:02:00", |n| (60..120).contains(&n)),
        ("from=2026-07-13T21:01:00Z&to=2026-07-14T00:02:00%2b03:00", |n| (60..120).contains(&n)),
        ("from=2026-07-14T00:01:00+03:00", |n| n >= 60),
        ("from=2026-07-14&to=2026-07-14", |_| true),
        ("to=2026-07-13", |_| false),
        ("from=2026-07-15", |_| false),
        ("to=2026-07-14T00:00:10&user_id=1009", |n| n == 9),
    ] {
        let (mut after, mut met, mut more) = (0, Vec::new(), true);
        while more {
            let page = site.get(&format!("/punches?limit=7&{filter}&after={after}")).json();
            met.extend(seqs(&page));
            after = page["next_after"].as_u64().unwrap();
            more = page["more"].as_bool().unwrap();
        }
        assert_eq!(met, (1..=600).filter(|n| chosen(*n)).collect::<Vec<_>>(), "{filter}");
    }
}

#[test]
fn a_parameter_that_makes_no_sense_is_named() {
    let site = Site::start();
    let many = vec!["1"; 51].join(",");
    for (path, parameter) in [
        ("/punches?after=-1".to_owned(), "after"),
        ("/punches?after=99999999999999999999".to_owned(), "after"),
        ("/punches?limit=0".to_owned(), "limit"),
        ("/punches?limit=1001".to_owned(), "limit"),
        ("/punches?device=a/b".to_owned(), "device"),
        ("/punches?device=".to_owned(), "device"),
        (format!("/punches?device={many}"), "device"),
        ("/punches?user_id=1,,2".to_owned(), "user_id"),
        ("/punches?user_id=1234567890123456789012345".to_owned(), "user_id"),
        (format!("/punches?user_id={many}"), "user_id"),
        ("/punches?from=yesterday".to_owned(), "from"),
        ("/punches?to=2026-02-30".to_owned(), "to"),
        ("/punches?wait=61".to_owned(), "wait"),
        ("/punches?wait=-1".to_owned(), "wait"),
        ("/punches?wait=NaN".to_owned(), "wait"),
        ("/punches?after=1&after=2".to_owned(), "after"),
        ("/punches/stream?after=x".to_owned(), "after"),
        ("/punches/export?format=xml".to_owned(), "format"),
        ("/punches/export?limit=0".to_owned(), "limit"),
        ("/quarantine?settled=maybe".to_owned(), "settled"),
        ("/quarantine?device=a/b".to_owned(), "device"),
    ] {
        let problem = site.get(&path).problem(400, "invalid_parameter");
        assert_eq!(problem["parameter"].as_str(), Some(parameter), "{path}");
    }
    let problem =
        site.ask("GET", "/punches/stream", &[("last-event-id", "x")]).problem(400, "invalid_parameter");
    assert_eq!(problem["parameter"], "Last-Event-ID");
    for path in
        ["/punches?since=1", "/punches/stream?wait=1", "/punches/export?wait=1", "/quarantine?user_id=1"]
    {
        site.get(path).problem(400, "unknown_parameter");
    }
}

#[test]
fn everything_needs_the_token_and_knows_head() {
    let site = Site::start();
    site.place(1..=3);
    let mut statuses = BTreeSet::new();
    for path in
        ["/punches", "/punches?wait=5", "/punches/stream", "/punches/export", "/quarantine", "/journal"]
    {
        for token in [None, Some("wrong")] {
            site.send("GET", path, &[], token).problem(401, "unauthorized");
        }
        let answer = site.ask("HEAD", path, &[]);
        assert!(answer.body.is_empty(), "{path}");
        assert!(!answer.content_type.is_empty(), "{path}");
        statuses.insert(answer.status);
        site.ask("DELETE", path, &[]).problem(405, "method_not_allowed");
    }
    assert_eq!(statuses, [200].into());
    assert_eq!(site.get("/journal").json()["followers"]["used"], 0, "HEAD follows nothing");
}
