//! Reading costs what is new, and finding out that nothing is costs next to nothing.

use std::time::Duration;

use zkgate::base::clock::Clock;
use zkgate::journal::status::ReadResult;
use zkgate::simulator::{Config, Profile};

use crate::rig::{CHUNK, FREE_SIZES, PREPARE, Setup, each, one, one_of, result, silent_crowd, until};

#[test]
fn twenty_new_records_behind_a_hundred_thousand_cost_no_fiftieth_of_the_log() {
    let (_site, rig) =
        one_of(Config { users: 100, punches: 100_000, ..Config::default() }, &Setup::default());
    let device = rig.device(0);
    rig.settled(0);
    let log = 100_000 * 40;
    let before = device.counters();
    let first = before.bytes(CHUNK);
    assert!(first < log + log / 20 || before.sessions > 1, "the first read took {first}");
    assert_eq!(rig.count(), 100_000);

    silent_crowd(device, 20);
    let read = rig.read(0);
    let fetched = device.counters().bytes(CHUNK) - before.bytes(CHUNK);
    assert!(fetched <= log / 50, "{fetched} bytes for 20 records");
    assert!(read.fetched <= log / 50 && read.fetched >= 20 * 40, "{read:?}");
    assert_eq!((read.result, read.added, read.records), (ReadResult::Complete, 20, 100_020));
    rig.has_all_of(0);
}

#[test]
fn that_nothing_is_new_is_found_out_by_two_small_commands() {
    let (_site, rig) = one_of(
        Config { users: 5, punches: 500, ..Config::default() },
        &Setup::polling(Duration::from_millis(100)),
    );
    let device = rig.device(0);
    until("nothing is new", || result(&rig, 0) == Some(ReadResult::NothingNew));
    let before = device.counters();
    let polls = |counters: &zkgate::simulator::Counters| counters.command(FREE_SIZES);
    until("it was polled five times", || polls(&device.counters()) >= polls(&before) + 5);
    let after = device.counters();
    let asked: Vec<u16> = after
        .commands
        .iter()
        .filter(|(code, count)| **count > before.command(**code))
        .map(|(code, _)| *code)
        .collect();
    assert_eq!(asked, [FREE_SIZES, 201], "the count, and the clock");
    let per_poll = (after.bytes(50) + after.bytes(201) - before.bytes(50) - before.bytes(201))
        / (polls(&after) - polls(&before));
    assert!(per_poll < 250, "{per_poll} bytes");
}

#[test]
fn a_device_whose_counts_mean_nothing_is_read_from_the_end_that_is_known() {
    each([Profile::Vl49, Profile::D2], |profile| {
        let (_site, rig) = one(profile, 20_000);
        let device = rig.device(0);
        rig.settled(0);
        let stride = profile.layouts().1.stride() as u64;
        for new in [0, 7] {
            silent_crowd(device, new);
            let before = device.counters();
            let read = rig.read(0);
            assert_eq!((read.result, read.added), (ReadResult::Complete, new as u64), "{profile}");
            assert_eq!(read.fetched, (64 + new as u64) * stride, "{profile}: the overlap and what is new");
            let bytes = device.counters().bytes(CHUNK) - before.bytes(CHUNK);
            assert!(bytes < read.fetched + 400, "{profile}: {bytes} on the wire");
            assert_eq!(device.counters().command(PREPARE) - before.command(PREPARE), 1, "{profile}");
        }
        rig.has_all_of(0);
    });
}

#[test]
fn a_device_that_is_connected_on_demand_is_read_once_per_poll() {
    let setup = Setup {
        mode: zkgate::store::device::SessionMode::OnDemand,
        ..Setup::polling(Duration::from_secs(3600))
    };
    let (_site, rig) =
        one_of(Config { users: 5, punches: 300, profile: Profile::OldUdp, ..Config::default() }, &setup);
    let device = rig.device(0);
    until("it was read", || result(&rig, 0).is_some());
    until("it rests", || {
        let status = rig.status(0);
        !status.reading && status.next_read.is_some_and(|due| due > rig.clock.now() + Duration::from_secs(60))
    });
    // 13 is the table read in the direct form, as a whole each time.
    assert_eq!(device.counters().command(13), 1, "the log was transferred once");
    rig.has_all_of(0);
}
