//! What happens to logs: they wrap, are cleared, are replaced. A gap is told when punches may be missing, and not
//! otherwise.

use std::time::Duration;

use zkgate::journal::completeness::{Day, Evidence, Lack};
use zkgate::simulator::{Config, Profile};
use zkgate::store::journal::{Gap, GapReason};
use zkgate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use zkgate::wire::record::punch::PunchLayout;

use crate::rig::{Rig, Setup, Site, crowd, made_up, one, one_of, punch, set, silent_crowd};

fn small(log_capacity: usize, wrap_block: usize, punches: usize) -> (Site, Rig) {
    let config = Config { users: 20, punches, log_capacity, wrap_block, ..Config::default() };
    one_of(config, &Setup::default())
}

#[test]
fn a_log_that_wraps_loses_nothing_as_long_as_it_is_read_in_time() {
    for block in [1, 100] {
        let (_site, rig) = small(500, block, 480);
        rig.settled(0);
        let mut total = 480;
        for count in [15, 60, 5, 250] {
            silent_crowd(rig.device(0), count);
            total += count;
            let read = rig.read(0);
            assert_eq!((rig.count(), read.added), (total, count as u64), "blocks of {block}");
        }
        assert!(rig.gaps(0).is_empty(), "blocks of {block}");
        let rows = rig.rows();
        let tail: Vec<_> = rows.iter().rev().map(|row| row.record.time).take(100).collect();
        let log: Vec<_> = rig.device(0).punches().iter().rev().map(|punch| punch.time).take(100).collect();
        assert_eq!(tail, log, "in the order of the log");
    }
}

#[test]
fn a_log_that_wrapped_past_what_was_read_leaves_a_gap_between_the_two() {
    let (site, rig) = small(500, 1, 480);
    rig.settled(0);
    let known = rig.cursor("SIM0000000001").verified_time;
    rig.stop();
    crowd(site.device(0), 700);
    let rig = site.start(&Setup::default());
    rig.settled(0);
    assert_eq!(rig.count(), 980);
    let first = site.device(0).punches()[0].time;
    let gaps = rig.gaps(0);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from, gaps[0].to), (known, first));
    rig.read_everything(0);
    rig.read(0);
    assert_eq!((rig.gaps(0).len(), rig.count()), (1, 980), "it is told once");
}

#[test]
fn a_log_that_somebody_else_cleared_leaves_a_gap_and_keeps_what_was_read() {
    for profile in [Profile::Tft, Profile::Vl49, Profile::OldUdp, Profile::D2] {
        let (_site, rig) = one(profile, 300);
        rig.settled(0);
        let device = rig.device(0);
        let known = rig.status(0).proved.unwrap().until;
        device.clear_log();
        silent_crowd(device, 4);
        rig.read(0);
        let gaps = rig.gaps(0);
        assert_eq!(rig.count(), 304, "{profile}");
        assert_eq!(gaps.len(), 1, "{profile}: {gaps:?}");
        assert_eq!(gaps[0].reason, GapReason::Cleared, "{profile}");
        assert_eq!(gaps[0].to, device.punches()[0].time, "{profile}");
        assert!(gaps[0].from.is_some() && gaps[0].from <= known, "{profile}");
        // And emptied once more, with nothing in it afterwards.
        device.clear_log();
        rig.read(0);
        assert_eq!((rig.gaps(0).len(), rig.count()), (2, 304), "{profile}");
        rig.read(0);
        silent_crowd(device, 3);
        rig.read(0);
        assert_eq!((rig.gaps(0).len(), rig.count()), (2, 307), "{profile}: nothing is missing after that");
    }
}

#[test]
fn an_empty_log_that_is_cleared_leaves_no_gap() {
    for profile in [Profile::Tft, Profile::Vl49, Profile::OldUdp] {
        let (_site, rig) = one(profile, 0);
        rig.settled(0);
        let device = rig.device(0);
        device.clear_log();
        rig.read(0);
        silent_crowd(device, 2);
        rig.read(0);
        silent_crowd(device, 2);
        rig.read(0);
        assert_eq!((rig.count(), rig.gaps(0).len()), (4, 0), "{profile}");
        rig.has_all_of(0);
    }
}

#[test]
fn a_log_that_was_cleared_and_refilled_with_more_is_not_taken_for_a_longer_one() {
    for more in [100, 101, 350] {
        let (_site, rig) = one(Profile::Tft, 100);
        rig.settled(0);
        let device = rig.device(0);
        device.clear_log();
        silent_crowd(device, more);
        rig.read(0);
        assert_eq!(rig.count(), 100 + more);
        let gaps = rig.gaps(0);
        assert_eq!((gaps.len(), gaps[0].reason), (1, GapReason::Replaced), "{more}");
        assert_eq!(gaps[0].to, device.punches()[0].time);
    }
}

#[test]
fn a_log_that_was_replaced_is_read_beside_the_old_one() {
    let (_site, rig) = one(Profile::Tft, 100);
    rig.settled(0);
    let device = rig.device(0);
    let present = ClockWord::pack(PossibleTime::new(device.clock()).unwrap());
    let punches = made_up(150, ClockWord(present.0 - 86_400), PunchLayout::TEXT);
    device.set_punches(&punches);
    rig.read(0);
    assert_eq!((rig.count(), rig.gaps(0).len()), (250, 1));
    assert_eq!(rig.gaps(0)[0].reason, GapReason::Replaced);
    // The old one comes back: every punch is known.
    rig.read_everything(0);
    assert_eq!((rig.count(), rig.gaps(0).len()), (250, 1));
}

#[test]
fn a_log_that_lost_only_what_was_read_leaves_no_gap() {
    let (_site, rig) = one(Profile::Tft, 300);
    rig.settled(0);
    let device = rig.device(0);
    for oldest in [1, 100, 198] {
        device.wrap(oldest);
        silent_crowd(device, 2);
        rig.read(0);
    }
    assert_eq!((rig.count(), rig.gaps(0).len()), (306, 0));
}

fn at(day: u8, hour: u8) -> PossibleTime {
    PossibleTime::new(CivilTime { year: 2026, month: 7, day, hour, minute: 0, second: 0 }).unwrap()
}

fn lacks(rig: &Rig, day: u8) -> Vec<Lack> {
    let evidence = Evidence {
        proved_until: rig.status(0).proved.and_then(|proved| proved.until),
        gaps: rig.gaps(0),
        quarantined: rig.quarantined(false).len() as u64,
    };
    Day::new(2026, 7, day).unwrap().lacks(&evidence)
}

#[test]
fn a_day_is_complete_unless_a_gap_touches_it_or_it_is_not_over() {
    let config = Config { users: 20, punches: 300, clock: Some(at(14, 10)), ..Config::default() };
    let (_site, rig) = one_of(config, &Setup::default());
    rig.settled(0);
    let device = rig.device(0);
    assert_eq!((lacks(&rig, 13), lacks(&rig, 14)), (vec![], vec![Lack::NotReadSince]));
    device.clear_log();
    device.set_clock(at(16, 10));
    set(device, "event-lost*1");
    punch(device);
    rig.read(0);
    let [Gap { from, to, .. }] = rig.gaps(0)[..] else { panic!("{:?}", rig.gaps(0)) };
    assert!(from.is_some_and(|from| from < ClockWord::pack(at(14, 11))) && to >= ClockWord::pack(at(16, 10)));
    assert_eq!(lacks(&rig, 13), []);
    assert_eq!((lacks(&rig, 14), lacks(&rig, 15)), (vec![Lack::Gap], vec![Lack::Gap]));
    assert_eq!(lacks(&rig, 16), [Lack::NotReadSince, Lack::Gap]);
    device.set_clock(at(18, 0));
    rig.read(0);
    assert_eq!((lacks(&rig, 16), lacks(&rig, 17)), (vec![Lack::Gap], vec![]));
    assert_eq!(lacks(&rig, 18), [Lack::NotReadSince]);
}

#[test]
fn a_day_that_was_proved_stays_proved_after_a_start() {
    let config = Config { users: 20, punches: 300, clock: Some(at(14, 10)), ..Config::default() };
    let (site, rig) = one_of(config, &Setup::default());
    rig.settled(0);
    rig.stop();
    set(site.device(0), "refuse");
    let rig = site.start(&Setup::polling(Duration::from_millis(100)));
    let kept = rig.cursor("SIM0000000001");
    assert!(kept.complete && kept.verified_time.is_some_and(|time| time >= ClockWord::pack(at(14, 10))));
    assert_eq!(kept.device_count, Some(300));
}
