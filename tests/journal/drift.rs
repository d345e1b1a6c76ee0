//! Devices' clocks: how wrong they are is shown, and they are set right where that is wanted, when it does no harm.

use jiff::SignedDuration;
use jiff::civil::Time;
use zkgate::base::clock::Clock;
use zkgate::journal::DeviceSettings;
use zkgate::journal::civil::{civil_now, zone_of};
use zkgate::journal::correction::Correction;
use zkgate::simulator::Config;

use crate::rig::{Rig, SET_TIME, Setup, Site, one_of};

fn ahead(seconds: i64) -> Config {
    Config { users: 5, punches: 20, clock_offset: SignedDuration::from_secs(seconds), ..Config::default() }
}

/// Clocks are set right, and may be set back between these many hours from now.
fn correcting(from: i64, until: i64) -> Setup {
    let now = civil_now(std::time::SystemTime::now(), &zone_of(None)).time();
    let at = |hours: i64| {
        let time = now.wrapping_add(SignedDuration::from_hours(hours));
        Time::constant(time.hour(), time.minute(), 0, 0)
    };
    let mut setup = Setup::default();
    setup.collector.correction = Correction { on: true, tolerance: 5, quiet: (at(from), at(until)) };
    setup
}

fn drift(rig: &Rig) -> i64 {
    rig.status(0).drift.unwrap()
}

#[test]
fn drift_is_shown_and_left_alone_unless_it_is_to_be_corrected() {
    for seconds in [100, -100, 7200] {
        let (_site, rig) = one_of(ahead(seconds), &Setup::default());
        rig.settled(0);
        rig.read(0);
        assert!((drift(&rig) - seconds).abs() <= 2, "{} of {seconds}", drift(&rig));
        assert_eq!(rig.device(0).counters().command(SET_TIME), 0);
    }
}

#[test]
fn a_clock_that_is_behind_is_set_right_at_any_time() {
    let (_site, rig) = one_of(ahead(-100), &correcting(5, 6));
    rig.settled(0);
    assert_eq!(rig.device(0).counters().command(SET_TIME), 1);
    rig.read(0);
    assert!(drift(&rig).abs() <= 2, "{}", drift(&rig));
    assert_eq!(rig.device(0).counters().command(SET_TIME), 1, "once");
    rig.has_all_of(0);
}

#[test]
fn a_clock_that_is_ahead_is_set_back_in_the_quiet_hours_only() {
    let (_site, rig) = one_of(ahead(100), &correcting(5, 6));
    rig.settled(0);
    rig.read(0);
    assert_eq!(rig.device(0).counters().command(SET_TIME), 0);
    // Five and a half hours later, for our clock and for the device's.
    rig.clock.shift_wall(5 * 3600 + 1800);
    let now =
        civil_now(rig.clock.wall(), &zone_of(None)).checked_add(SignedDuration::from_secs(100)).unwrap();
    rig.device(0).set_clock(zkgate::journal::civil::possible(now));
    rig.read(0);
    assert_eq!(rig.device(0).counters().command(SET_TIME), 1);
    rig.read(0);
    assert!(drift(&rig).abs() <= 2, "{}", drift(&rig));
    rig.has_all_of(0);
}

#[test]
fn a_device_for_which_it_is_switched_off_keeps_its_time() {
    let device = DeviceSettings { correct_clock: Some(false), ..DeviceSettings::default() };
    let (_site, rig) = one_of(ahead(-100), &Setup { device: Some(device), ..correcting(-1, 1) });
    rig.settled(0);
    rig.read(0);
    assert_eq!(rig.device(0).counters().command(SET_TIME), 0);
    assert!(drift(&rig) <= -98);
}

#[test]
fn the_clock_of_a_stranger_is_left_alone() {
    let site = Site::of(ahead(-100));
    let rig = site.start(&Setup::default());
    rig.settled(0);
    rig.stop();
    site.device(0).set_serial("SIM0000000099");
    let rig = site.start(&correcting(5, 6));
    crate::rig::until("the other one was read", || rig.cursor("SIM0000000099").complete);
    // It is this record's device now, and its clock is set once, after a read of its own.
    rig.settled(0);
    assert_eq!(site.device(0).counters().command(SET_TIME), 1);
}
