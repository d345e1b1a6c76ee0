//! Live events: rows at once, completed by the log, never doubled; and what events get wrong, the log puts right.

use std::time::Duration;

use zkgate::journal::status::Live;
use zkgate::simulator::{Config, How, Profile};
use zkgate::store::journal::Source;
use zkgate::store::journal::quarantine::Reason;

use crate::rig::{PROFILES, Rig, Setup, crowd, each, is_live, one, one_of, punch, set, tick, until, user};

fn live_rows(rig: &Rig) -> usize {
    rig.rows().iter().filter(|row| is_live(row)).count()
}

#[test]
fn a_punch_is_a_row_at_once_and_the_log_completes_it_on_every_kind_of_device() {
    each(PROFILES, |profile| {
        let (_site, rig) = one(profile, 60);
        rig.settled(0);
        assert_eq!(rig.status(0).live, Live::On, "{profile}");
        let device = rig.device(0);
        let prepared = device.counters().command(crate::rig::PREPARE);
        tick(device);
        device.punch(user(device, 3), 1, 1).unwrap();
        until("the punch is a row", || rig.count() == 61);
        let row = rig.rows().pop().unwrap();
        assert_eq!((row.source, row.record.work_code), (Source::Live, None), "{profile}");
        assert_eq!(row.record.user_id, Some(user(device, 3)), "{profile}");
        assert_eq!(device.counters().command(crate::rig::PREPARE), prepared, "{profile}: no read was needed");
        let read = rig.read(0);
        assert_eq!((read.added, read.completed), (0, 1), "{profile}");
        let completed = rig.rows().pop().unwrap();
        assert_eq!((completed.seq, completed.source), (row.seq, Source::Both), "{profile}");
        assert_eq!(completed.record.work_code, Some(0), "{profile}");
        rig.has_all_of(0);
        let counters = device.counters();
        assert_eq!((counters.events, counters.event_acks), (1, 1), "{profile}");
        assert!(rig.quarantined(false).is_empty(), "{profile}");
    });
}

#[test]
fn an_event_that_comes_again_makes_no_second_row() {
    let (_site, rig) = one(Profile::Tft, 10);
    rig.settled(0);
    let device = rig.device(0);
    set(device, "event-twice");
    for number in 0..5 {
        device.punch(user(device, number), 0, 1).unwrap();
    }
    until("both news of all five came", || device.counters().events == 10 && rig.count() == 15);
    rig.read(0);
    set(device, "event-twice");
    device.punch(user(device, 7), 0, 1).unwrap();
    until("the last came too", || rig.count() == 16);
    rig.read(0);
    rig.has_all_of(0);
    assert!(rig.quarantined(false).is_empty());
    until("everything is acknowledged", || {
        let counters = device.counters();
        counters.event_acks >= 6 && counters.events == counters.punches * 2
    });
}

#[test]
fn two_equal_punches_in_one_second_are_two_rows_once_the_log_was_read() {
    let (_site, rig) = one(Profile::Tft, 10);
    rig.settled(0);
    let device = rig.device(0);
    let mut punches = vec![punch(device)];
    loop {
        let again = punch(device);
        let same = punches.last().unwrap().time == again.time;
        punches.push(again);
        if same {
            break;
        }
    }
    until("the events were taken", || rig.status(0).live_punches == punches.len() as u64);
    let read = rig.read(0);
    assert_eq!(read.added, 1, "the second of the two");
    rig.has_all_of(0);
    let ordinals: Vec<u32> = rig.rows().iter().rev().take(2).map(|row| row.ordinal).collect();
    assert_eq!(ordinals, [1, 0]);
    rig.read_everything(0);
    rig.has_all_of(0);
}

#[test]
fn the_log_has_the_last_word_on_what_an_event_said() {
    let (_site, rig) = one(Profile::Tft, 10);
    rig.settled(0);
    let device = rig.device(0);
    set(device, "event-abbreviated");
    device.punch(user(device, 0), 1, 15).unwrap();
    until("a row, as far as it was told", || rig.count() == 11);
    let told = rig.rows().pop().unwrap().record;
    assert_eq!((told.punch_state, told.verify_mode), (255, 0));
    rig.read(0);
    rig.has_all_of(0);

    // The same, but the log was read first.
    set(device, "event-late:500ms");
    let mut punches = 11;
    loop {
        device.punch(user(device, punches), 1, 15).unwrap();
        rig.read(0);
        punches += 1;
        if rig.rows().iter().any(|row| row.source == Source::Log && row.record.verify_mode == 15) {
            break;
        }
    }
    until("the event waits for the log, and the log was asked", || rig.quarantined(true).len() == 1);
    let settled = rig.quarantined(true).pop().unwrap();
    assert_eq!(settled.strange.reason, Reason::Conflict);
    assert_eq!(settled.settled_as.as_deref(), Some("in_log"));
    assert!(rig.quarantined(false).is_empty());
    rig.has_all_of(0);
}

#[test]
fn an_event_that_nobody_understands_is_kept_and_the_log_settles_it() {
    let (_site, rig) = one(Profile::Tft, 10);
    rig.settled(0);
    let device = rig.device(0);
    set(device, "event-garbage*1");
    punch(device);
    until("its punch came from the log", || rig.count() == 11);
    until("it is settled", || rig.quarantined(true).len() == 1);
    let settled = rig.quarantined(true).pop().unwrap();
    assert_eq!(settled.strange.reason, Reason::UnknownLayout);
    assert!(settled.strange.raw.starts_with(b"\xfe\xed\x00\x01garbage"));
    assert!(rig.quarantined(false).is_empty());
    rig.has_all_of(0);
}

#[test]
fn what_came_into_quarantine_during_a_read_is_settled_by_the_next() {
    let (_site, rig) = one(Profile::Tft, 3000);
    rig.settled(0);
    let device = rig.device(0);
    // The event comes while the whole log is read, and what it says is in none of the records so far.
    set(device, "delay:300ms@chunk");
    set(device, "event-garbage*1");
    let asked = rig.ask(0, true);
    let chunks = device.counters().command(crate::rig::CHUNK);
    until("the read is under way", || device.counters().command(crate::rig::CHUNK) > chunks);
    punch(device);
    assert!(asked.recv_timeout(crate::rig::PATIENCE).unwrap().unwrap().result.is_proof());
    until("it is settled", || rig.quarantined(true).len() == 1);
    assert!(rig.quarantined(false).is_empty());
    rig.has_all_of(0);
}

#[test]
fn what_happened_while_there_was_no_session_is_there_after_the_next_connect() {
    each([Profile::Tft, Profile::OldUdp], |profile| {
        // Over UDP nobody hears of a session that is gone until it is asked something.
        let mut setup = Setup::default();
        setup.registry.keep_alive = Duration::from_millis(300);
        setup.registry.session.connect = Duration::from_millis(500);
        let (_site, rig) = one_of(Config { profile, users: 30, punches: 40, ..Config::default() }, &setup);
        rig.settled(0);
        let device = rig.device(0);
        set(device, "blackhole");
        device.drop_connections(How::Rst);
        crowd(device, 25);
        device.clear_faults();
        device.reboot(Duration::ZERO);
        until("everything is there", || rig.count() == 65);
        rig.settled(0);
        rig.has_all_of(0);
        assert_eq!((live_rows(&rig), rig.gaps(0).len()), (0, 0), "{profile}");
    });
}

#[test]
fn people_who_punch_while_the_log_is_read_are_neither_lost_nor_doubled() {
    each([Profile::Tft, Profile::Vl49, Profile::Bw16Udp], |profile| {
        let config = Config { profile, users: 30, punches: 6000, ..Config::default() };
        let site = crate::rig::Site::of(config);
        set(site.device(0), "punch:after@chunk*9");
        set(site.device(0), "punch:before@prepare*2");
        let rig = site.start(&Setup::default());
        let device = rig.device(0);
        until("they have punched", || device.counters().punches >= 4);
        rig.settled(0);
        device.clear_faults();
        rig.read(0);
        rig.has_all_of(0);
        assert!(rig.rows().iter().any(|row| row.source == Source::Both), "{profile}");
        assert!(rig.gaps(0).is_empty(), "{profile}");
    });
}

#[test]
fn a_crowd_that_punches_at_once_is_told_in_a_few_packets_and_recorded_once_each() {
    let (_site, rig) = one_of(Config { users: 200, punches: 10, ..Config::default() }, &Setup::default());
    rig.settled(0);
    let device = rig.device(0);
    set(device, "event-batch:3");
    crowd(device, 198);
    until("all were told", || rig.count() == 208);
    rig.read(0);
    rig.has_all_of(0);
}

#[test]
fn a_flood_of_news_loses_and_doubles_nothing_though_most_of_it_finds_no_room() {
    let (_site, rig) = one_of(Config { users: 300, punches: 100, ..Config::default() }, &Setup::default());
    rig.settled(0);
    let device = rig.device(0);
    // Of each person several in one second, equal in everything.
    crowd(device, 3000);
    crowd(device, 3000);
    until("the news was taken", || rig.count() > 100);
    rig.read(0);
    rig.settled(0);
    rig.read(0);
    rig.has_all_of(0);
    rig.read_everything(0);
    rig.has_all_of(0);
    assert!(rig.quarantined(false).is_empty() && rig.gaps(0).is_empty());
}
