//! Following.

use std::time::{Duration, Instant};

use crate::events::{Block, End, Events};
use crate::rig::{PATIENCE, Site, eventually};

fn until_followers(site: &Site, count: u64) {
    site.until("/journal", |shown| shown["followers"]["used"] == count);
}

#[test]
fn without_a_place_to_begin_only_what_comes_from_now_on_is_told() {
    let site = Site::start();
    site.place(1..=3);
    let mut events = site.follow("/punches/stream", "");
    assert_eq!(events.status, 200, "{}", events.head);
    assert!(events.head.contains("Content-Type: text/event-stream\r\n"), "{}", events.head);
    assert_eq!(events.block(), Some(Block::Other(": zkgate\nretry: 2000".into())));
    site.place(4..=5);
    let (seq, row) = events.punch();
    assert_eq!((seq, row["user_id"].as_str()), (4, Some("1004")));
    assert_eq!(row, site.get("/punches?after=3&limit=1").json()["data"][0], "the same form everywhere");
    assert_eq!(events.seqs(1), [5]);
}

#[test]
fn a_follower_of_an_empty_journal_sees_the_first_punch() {
    let site = Site::start();
    let mut events = site.follow("/punches/stream", "");
    assert!(events.block().is_some());
    site.place(1..=1);
    assert_eq!(events.seqs(1), [1]);
}

#[test]
fn everything_is_told_from_the_beginning_and_then_goes_on() {
    let site = Site::start();
    // More than memory holds.
    site.place(1..=5000);
    let mut events = site.follow("/punches/stream?after=0", "");
    assert!(events.seqs(5000).into_iter().eq(1..=5000));
    site.place(5001..=5003);
    assert_eq!(events.seqs(3), [5001, 5002, 5003]);
}

#[test]
fn a_filter_leaves_out_what_it_does_not_take() {
    let site = Site::start();
    site.place(1..=4000);
    let mut events = site.follow("/punches/stream?after=3000&device=1&user_id=1009", "");
    let expected = |from, to| (from..=to).filter(|n| n % 3 == 0 && n % 10 == 9).collect::<Vec<u64>>();
    let there = expected(3001, 4000);
    assert_eq!(events.seqs(there.len()), there);
    site.place(4001..=4100);
    let then = expected(4001, 4100);
    assert_eq!(events.seqs(then.len()), then);
}

#[test]
fn who_comes_again_with_the_last_number_loses_nothing_and_gets_nothing_twice() {
    let site = Site::start();
    const ROWS: u32 = 4000;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..ROWS / 20).for_each(|n| site.place(n * 20 + 1..=n * 20 + 20)));
        let (mut met, mut last) = (Vec::new(), 0);
        for stay in [1, 7, 300, 2, 1200, 450].into_iter().cycle() {
            // The first parameter stays as it is in a client that comes again by itself.
            let mut events = site.follow("/punches/stream?after=0", &format!("Last-Event-ID: {last}\r\n"));
            assert_eq!(events.status, 200, "{}", events.head);
            let some = events.seqs(stay.min(ROWS as usize - met.len()));
            last = some.last().copied().unwrap_or(last);
            met.extend(some);
            if met.len() == ROWS as usize {
                break;
            }
        }
        assert!(met.into_iter().eq(1..=u64::from(ROWS)));
    });
}

#[test]
fn one_that_does_not_read_is_cut_and_delays_nobody() {
    let site = Site::start();
    let stuck = site.follow("/punches/stream", "");
    let mut sound = site.follow("/punches/stream", "");
    assert_eq!((stuck.status, sound.status), (200, 200));
    until_followers(&site, 2);
    let began = Instant::now();
    site.place(1..=6000);
    assert!(sound.seqs(6000).into_iter().eq(1..=6000));
    let read = began.elapsed();
    until_followers(&site, 1);
    let freed = began.elapsed();
    assert!(freed < PATIENCE + Duration::from_secs(5), "{freed:?}");
    assert!(read < freed, "the one that reads did not wait for the one that does not: {read:?}, {freed:?}");
    site.place(6001..=6001);
    assert_eq!(sound.seqs(1), [6001]);
    drop(stuck);
}

#[test]
fn there_are_as_many_followers_as_there_are_places_and_one_that_has_gone_leaves_its_own() {
    let site = Site::with(&[("HTTP_FOLLOWERS", "2")]);
    let (mut first, second) = (site.follow("/punches/stream", ""), site.follow("/punches/stream", ""));
    until_followers(&site, 2);
    let refused = site.get("/punches/stream").problem(503, "too_many_followers");
    assert!(refused["retry_after"].as_u64() > Some(0), "{refused}");
    drop(second);
    // Whoever has gone is noticed with the next word to it.
    let mut n = 0;
    eventually("the place is free", || {
        n += 1;
        site.place(n..=n);
        site.app().gateway().followers.streams().taken() == 1
    });
    assert_eq!(site.follow("/punches/stream", "").status, 200);
    assert_eq!(first.seqs(1), [1], "the other one was not disturbed");
}

#[test]
fn a_quiet_stream_beats_is_ended_by_no_limit_and_a_gone_client_is_noticed_by_the_beat() {
    let limits = [
        ("HTTP_ANSWER_TIMEOUT", "1s"),
        ("HTTP_IDLE_TIMEOUT", "1s"),
        ("HTTP_MAX_TIMEOUT", "1s"),
        ("HTTP_DEFAULT_TIMEOUT", "1s"),
    ];
    let site = Site::with(&limits);
    site.place(1..=2);
    let gone = site.follow("/punches/stream", "");
    let mut quiet = site.follow("/punches/stream?user_id=1009&after=1", "");
    assert!(quiet.block().is_some());
    until_followers(&site, 2);
    drop(gone);
    assert_eq!(
        quiet.block(),
        Some(Block::Other(": \nid: 2".into())),
        "nothing that it asked for, but how far it has looked"
    );
    until_followers(&site, 1);
    site.place(3..=9);
    assert_eq!(quiet.seqs(1), [9]);
}

#[test]
fn a_stream_ends_with_its_token_and_tells_nothing_after_it() {
    let site = Site::start();
    let (path, token) = site.reader();
    let follow = |path: &str| Events::open(site.app().address(), &token, path, "");
    let (mut told, mut quiet) = (follow("/punches/stream"), follow("/events/stream"));
    let mut mains = site.follow("/punches/stream", "");
    for stream in [&mut told, &mut quiet, &mut mains] {
        assert_eq!(stream.status, 200, "{}", stream.head);
        assert!(stream.block().is_some());
    }
    site.place(1..=1);
    assert_eq!(told.seqs(1), [1]);
    assert_eq!(site.ask("DELETE", &path, &[]).status, 204);
    site.place(2..=2);
    assert_eq!(told.block(), None);
    assert_eq!(told.end(), End::Whole);
    assert_eq!(mains.seqs(2), [1, 2], "the others go on");
    // With nothing to tell, it ends when it would show that it is there.
    assert_eq!(quiet.block(), None);
    assert_eq!(quiet.end(), End::Whole);
    assert_eq!(follow("/punches/stream").status, 401);
}

#[test]
fn a_stop_ends_every_stream_in_order_and_at_once() {
    let site = Site::start();
    site.place(1..=1);
    let mut streams: Vec<_> = (0..5).map(|_| site.follow("/punches/stream?after=0", "")).collect();
    for stream in &mut streams {
        assert_eq!(stream.seqs(1), [1]);
    }
    let took = site.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
    for stream in &mut streams {
        assert_eq!(stream.end(), End::Whole);
    }
}
