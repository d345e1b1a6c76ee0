//! Reads that break off: nothing is believed that is not whole, what was kept is not read again, and nothing is
//! there twice.

use std::time::Duration;

use zkgate::journal::status::ReadResult;
use zkgate::simulator::{Config, How, Profile};

use crate::rig::{CHUNK, Setup, Site, Told, each, one_of, result, set, until};

fn quick_polls() -> Setup {
    Setup::polling(Duration::from_millis(200))
}

#[test]
fn a_size_that_is_a_lie_never_makes_a_short_list() {
    each([Profile::Tft, Profile::OldUdp, Profile::Vl49], |profile| {
        for fault in [
            "lying-size-word:larger",
            "lying-size-word:smaller",
            "lying-size-word:zero",
            "lying-counts:larger",
        ] {
            let site = Site::of(Config { profile, users: 20, punches: 300, ..Config::default() });
            set(site.device(0), fault);
            let rig = site.start(&Setup::default());
            until("the read is over", || result(&rig, 0).is_some());
            let read = rig.try_read(0);
            if read.as_ref().is_ok_and(|read| read.result.is_proof()) {
                assert_eq!(rig.count(), 300, "{fault} {profile}");
                rig.has_all_of(0);
            } else {
                assert!(rig.count() == 0, "{fault} {profile}: {read:?}");
            }
            rig.device(0).clear_faults();
            rig.read(0);
            rig.has_all_of(0);
            assert!(rig.gaps(0).is_empty(), "{fault} {profile}");
        }
    });
}

#[test]
fn a_reply_that_is_cut_short_is_an_error_and_the_next_read_has_it_all() {
    each(["truncate:40@chunk*2", "close@chunk*2", "rst:100@data*2", "missing-fragment@chunk*2"], |fault| {
        let config =
            Config { profile: Profile::TftDirectBroken, users: 20, punches: 3000, ..Config::default() };
        let site = Site::of(config);
        set(site.device(0), fault);
        let rig = site.start(&quick_polls());
        until("all is there", || rig.count() == 3000);
        rig.read(0);
        rig.has_all_of(0);
        assert!(rig.gaps(0).is_empty(), "{fault}");
    });
}

#[test]
fn a_read_that_breaks_off_goes_on_where_it_was() {
    let size = 40_000 * 40;
    let site = Site::of(Config { users: 50, punches: 40_000, ..Config::default() });
    let device = site.device(0);
    // Twice in the middle, each time with much read since.
    set(device, "rst:30000@chunk+9*1");
    set(device, "rst:30000@chunk+18*1");
    let rig = site.start(&quick_polls());
    until("all is there", || rig.count() == 40_000);
    rig.read(0);
    rig.has_all_of(0);
    assert!(device.counters().faults >= 2);
    let bytes = device.counters().bytes(CHUNK);
    // The pieces that were cut, twice the overlap and both ends, and no batch twice.
    assert!(bytes < size + 8 * 65_536, "{bytes} bytes for a log of {size}");
    assert!(rig.gaps(0).is_empty());
    let cursor = rig.cursor("SIM0000000001");
    assert!(cursor.complete && cursor.pass == 1, "one pass: {cursor:?}");
}

#[test]
fn a_stop_in_the_middle_of_a_read_costs_no_record_twice() {
    let size = 40_000 * 40;
    let site = Site::of(Config { users: 50, punches: 40_000, ..Config::default() });
    let device = site.device(0);
    set(device, "delay:60ms@chunk");
    let rig = site.start(&Setup::default());
    until("some was read", || device.counters().command(CHUNK) >= 8);
    let since = std::time::Instant::now();
    rig.stop();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!((device.counters().exits, device.sessions()), (1, 0), "it said goodbye");
    device.clear_faults();
    let rig = site.start(&Setup::default());
    rig.settled(0);
    rig.has_all_of(0);
    let bytes = device.counters().bytes(CHUNK);
    assert!(bytes < size + 6 * 65_536, "{bytes} bytes for a log of {size}");
}

#[test]
fn a_log_that_changes_between_the_halves_of_a_read_is_read_anew() {
    let site = Site::of(Config { users: 50, punches: 40_000, ..Config::default() });
    let device = site.device(0);
    set(device, "close:30000@chunk+12*1");
    let rig = site.start(&Setup::polling(Duration::from_secs(3600)));
    until("the first half is kept", || rig.count() >= 8192);
    device.wrap(20_000);
    device.drop_connections(How::Rst);
    rig.settled(0);
    rig.read_everything(0);
    let log = rig.device(0).punches();
    let known: std::collections::HashSet<_> =
        rig.rows().iter().map(|row| (Told::of_row(row), row.ordinal)).collect();
    assert_eq!(known.len(), rig.count(), "no row is there twice");
    let rows: std::collections::HashSet<_> = rig.rows().iter().map(Told::of_row).collect();
    assert!(
        log.iter().all(|punch| rows.contains(&Told::of_punch(punch, rig.device(0)))),
        "nothing is missing"
    );
    assert!(rig.status(0).last.unwrap().result == ReadResult::Complete);
}

#[test]
fn a_lossy_line_costs_time_and_nothing_else() {
    let config = Config { profile: Profile::Bw16Udp, users: 30, punches: 3000, ..Config::default() };
    let setup = Setup {
        collector: crate::rig::Setup::polling(Duration::from_millis(300)).collector,
        ..quick_polls()
    };
    let (_site, rig) = one_of(config, &setup);
    set(rig.device(0), "udp-drop:3");
    until("all is there", || rig.count() == 3000);
    rig.device(0).clear_faults();
    rig.settled_poll(0);
    rig.has_all_of(0);
}

#[test]
fn a_log_that_is_refused_is_not_an_empty_one() {
    for fault in ["no-buffer*1", "no-buffer*3", "no-buffer"] {
        let site = Site::of(Config { profile: Profile::D2, users: 20, punches: 300, ..Config::default() });
        set(site.device(0), fault);
        let rig = site.start(&Setup::default());
        let read = rig.try_read(0).unwrap();
        assert!(!read.result.is_proof() || read.records == 300, "{fault}: {read:?}");
        rig.device(0).clear_faults();
        rig.read(0);
        rig.has_all_of(0);
        assert!(rig.gaps(0).is_empty(), "{fault}: {:?}", rig.gaps(0));
    }
}
