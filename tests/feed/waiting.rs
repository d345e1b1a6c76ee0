//! Waiting for news: a request that holds nothing but its place.

use std::time::{Duration, Instant};

use crate::rig::{Site, seqs};

/// Waits until so many requests wait.
fn until_waiting(site: &Site, count: u64) {
    site.until("/journal", |shown| shown["long_polls"]["used"] == count);
}

#[test]
fn who_waits_is_answered_when_something_comes() {
    let site = Site::start();
    site.place(1..=5);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get("/punches?after=5&wait=60"));
        until_waiting(&site, 1);
        let placed = Instant::now();
        site.place(6..=6);
        let answer = waiting.join().unwrap();
        assert!(placed.elapsed() < Duration::from_secs(5));
        let page = answer.json();
        assert_eq!((seqs(&page), page["next_after"].as_u64()), (vec![6], Some(6)));
    });
    until_waiting(&site, 0);
    let there = site.get("/punches?after=3&wait=60");
    assert_eq!(seqs(&there.json()), [4, 5, 6]);
    assert!(there.took < Duration::from_secs(20), "what is there is not waited for");
}

#[test]
fn who_waits_with_a_token_that_is_revoked_meanwhile_is_told_nothing() {
    let site = Site::start();
    let (path, token) = site.reader();
    std::thread::scope(|scope| {
        let news = scope.spawn(|| site.send("GET", "/punches?after=0&wait=60", &[], Some(&token)));
        until_waiting(&site, 1);
        assert_eq!(site.ask("DELETE", &path, &[]).status, 204);
        site.place(1..=1);
        news.join().unwrap().problem(401, "unauthorized");
    });
    until_waiting(&site, 0);
}

#[test]
fn an_empty_page_comes_when_the_time_is_over() {
    let site = Site::start();
    for after in ["0", "7"] {
        let answer = site.get(&format!("/punches?after={after}&wait=0.3"));
        assert!(answer.took >= Duration::from_millis(300), "{:?}", answer.took);
        let page = answer.json();
        assert_eq!(page["next_after"].to_string(), after, "{page}");
        assert_eq!((seqs(&page), page["more"].as_bool()), (vec![], Some(false)));
    }
    assert_eq!(site.get("/journal").json()["long_polls"]["used"], 0);
}

#[test]
fn a_wait_with_a_filter_goes_on_until_the_filter_takes_something() {
    let site = Site::start();
    site.place(1..=5);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get("/punches?after=5&wait=60&user_id=1009&device=1"));
        until_waiting(&site, 1);
        for n in 6..=8 {
            site.place(n..=n);
        }
        assert_eq!(site.get("/journal").json()["long_polls"]["used"], 1, "nobody asked for these");
        site.place(9..=9);
        let page = waiting.join().unwrap().json();
        assert_eq!((seqs(&page), page["next_after"].as_u64()), (vec![9], Some(9)));
    });
    site.place(10..=20);
    let over = site.get("/punches?after=9&wait=0.2&user_id=1009&device=1").json();
    assert_eq!((seqs(&over), over["next_after"].as_u64()), (vec![], Some(20)), "as far as was looked");
}

#[test]
fn a_burst_that_memory_does_not_hold_is_read_from_the_database() {
    let site = Site::start();
    site.place(1..=1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get("/punches?after=1&wait=60&limit=5&from=2026-07-14T01:00:00"));
        until_waiting(&site, 1);
        site.place(2..=6000);
        let page = waiting.join().unwrap().json();
        assert_eq!(seqs(&page), [3600, 3601, 3602, 3603, 3604]);
    });
}

#[test]
fn those_who_wait_hold_no_thread() {
    let site = Site::start();
    site.place(1..=1);
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..40).map(|_| scope.spawn(|| site.get("/punches?after=1&wait=60"))).collect();
        until_waiting(&site, 40);
        // Ten times as many as there are workers or stream threads, and both still work.
        assert_eq!(site.get("/punches").status, 200);
        assert_eq!(site.get("/punches/export").body.iter().filter(|b| **b == b'\n').count(), 1);
        site.place(2..=2);
        for answer in waiting {
            assert_eq!(seqs(&answer.join().unwrap().json()), [2]);
        }
    });
    until_waiting(&site, 0);
}

#[test]
fn waits_that_end_empty_leave_nothing_behind() {
    let site = Site::start();
    site.place(1..=1);
    // More than may wait at a time, one after the other.
    for _ in 0..300 {
        assert_eq!(site.get("/punches?after=1&wait=0.002").json()["next_after"], 1);
    }
    assert_eq!(site.get("/journal").json()["long_polls"]["used"], 0);
}

#[test]
fn one_more_than_there_are_places_is_told_to_come_later() {
    let site = Site::with(&[("HTTP_MAX_IN_FLIGHT", "4"), ("HTTP_FOLLOWERS", "1")]);
    site.place(1..=1);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| site.get("/punches?after=1&wait=60"));
        until_waiting(&site, 1);
        let refused = site.get("/punches?after=1&wait=60").problem(503, "too_many_followers");
        assert!(refused["retry_after"].as_u64() > Some(0));
        assert_eq!(site.get("/punches").status, 200, "who does not wait needs no place");
        site.place(2..=2);
        assert_eq!(waiting.join().unwrap().status, 200);
    });
    assert_eq!(site.get("/punches?after=2&wait=0.1").status, 200);
}

#[test]
fn a_stop_answers_those_who_wait_at_once() {
    let mut site = Site::start();
    site.place(1..=1);
    let app = site.app.take().unwrap();
    let (address, token) = (app.address(), site.token.clone());
    let waiting = std::thread::spawn(move || {
        let uri = format!("http://{address}/api/v1/punches?after=1&wait=60");
        let mut answer = ureq::get(uri).header("authorization", format!("Bearer {token}")).call().unwrap();
        answer.body_mut().read_json::<serde_json::Value>().unwrap()
    });
    while app.gateway().followers.waits().taken() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let began = Instant::now();
    app.stop();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(waiting.join().unwrap()["next_after"], 1);
}
