//! A long read gives way: to brief calls between its pieces, and to those who want the device itself.

use std::sync::mpsc;
use std::time::Duration;

use zkgate::journal::DeviceSettings;
use zkgate::registry::{Priority, StateName, Terms};
use zkgate::simulator::Config;

use crate::rig::{CHUNK, PATIENCE, Rig, Setup, Site, each, set, soon, until};

const RECORDS: usize = 25_000;
/// Pieces of a log of that length.
const PIECES: u64 = 16;

/// A device in the middle of a read that takes a while.
fn reading(setup: &Setup) -> (Site, Rig) {
    let site = Site::of(Config { users: 50, punches: RECORDS, ..Config::default() });
    set(site.device(0), "delay:80ms@chunk");
    let rig = site.start(setup);
    until("the read is under way", || site.device(0).counters().command(CHUNK) >= 4);
    (site, rig)
}

#[test]
fn brief_calls_are_served_between_the_pieces_of_a_long_read() {
    let (_site, rig) = reading(&Setup::default());
    let device = rig.device(0);
    for terms in
        [Terms::read(soon()).brief(), Terms { priority: Priority::Urgent, ..Terms::read(soon()).brief() }]
    {
        let (took, time) = rig.call(0, terms);
        assert!(time.is_ok() && took < Duration::from_secs(1), "{time:?} after {took:?}");
        assert!(device.counters().command(CHUNK) < PIECES, "the read goes on");
        assert!(rig.status(0).reading);
    }
    device.clear_faults();
    rig.settled(0);
    rig.has_all_of(0);
    assert_eq!(device.counters().sessions, 1, "all in one session");
    assert!(device.counters().bytes(CHUNK) < RECORDS as u64 * 40 + 4 * 65_536, "and read once");
}

#[test]
fn no_calls_are_served_between_the_pieces_where_that_is_set() {
    let device = DeviceSettings { calls_between_pieces: Some(false), ..DeviceSettings::default() };
    let (_site, rig) = reading(&Setup { device: Some(device), ..Setup::default() });
    let pieces = rig.device(0).counters().command(CHUNK);
    let (_, time) = rig.call(0, Terms::read(soon()).brief());
    assert!(time.is_ok(), "{time:?}");
    assert!(pieces < PIECES && rig.device(0).counters().command(CHUNK) >= PIECES, "it waited for the end");
    rig.settled(0);
    rig.has_all_of(0);
}

#[test]
fn whoever_wants_the_device_gets_it_soon_and_the_read_goes_on_afterwards() {
    each([true, false], |lend| {
        let (_site, rig) = reading(&Setup::polling(Duration::from_millis(300)));
        let device = rig.device(0);
        let (tell, told) = mpsc::channel();
        let done = move || tell.send(()).unwrap();
        if lend {
            rig.registry.lend(&rig.ids[0], "a test".into(), Duration::from_secs(600), done).unwrap();
        } else {
            rig.registry.disconnect(&rig.ids[0], done).unwrap();
        }
        let since = std::time::Instant::now();
        told.recv_timeout(PATIENCE).expect("the session is given back");
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert!(device.counters().command(CHUNK) < PIECES, "in the middle of the read");
        assert_eq!(device.counters().exits, 1);
        let kept = rig.count();
        assert!(kept > 0 && kept < RECORDS, "what had come is kept: {kept}");
        device.clear_faults();
        if lend {
            assert_eq!(rig.registry.status(&rig.ids[0]).unwrap().state, StateName::Lent);
            assert_eq!(device.sessions(), 0);
            rig.registry.resume(&rig.ids[0]).unwrap();
        }
        until("the rest came", || rig.count() == RECORDS);
        rig.settled_poll(0);
        rig.has_all_of(0);
        let bytes = device.counters().bytes(CHUNK);
        assert!(bytes < RECORDS as u64 * 40 + 6 * 65_536, "{bytes}: without beginning anew");
    });
}

#[test]
fn whoever_asks_for_a_read_during_one_is_answered_by_one_that_began_later() {
    let (_site, rig) = reading(&Setup::default());
    let device = rig.device(0);
    set(device, "event-lost*1");
    crate::rig::punch(device);
    let asked = rig.ask(0, false);
    device.clear_faults();
    let read = asked.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(read.records, RECORDS as u64 + 1, "{read:?}");
    rig.has_all_of(0);
}

#[test]
fn an_effect_is_never_said_on_a_session_that_broke_under_a_read() {
    let (_site, rig) = reading(&Setup::default());
    let device = rig.device(0);
    // The read goes silent in the middle of a piece; somebody wants the voice prompt at the same time.
    set(device, "silent@chunk*1");
    let (tell, told) = mpsc::channel();
    rig.registry.submit(
        &rig.ids[0],
        Terms { priority: Priority::Urgent, ..Terms::effect(soon()).brief() },
        |session, deadline| session.test_voice(0, deadline),
        move |result| drop(tell.send(result)),
    );
    let voiced = told.recv_timeout(PATIENCE).unwrap();
    assert!(voiced.is_ok(), "{voiced:?}: it is done on the next session");
    assert_eq!(device.counters().command(1017), 1, "once");
    device.clear_faults();
    rig.settled(0);
    rig.has_all_of(0);
}
