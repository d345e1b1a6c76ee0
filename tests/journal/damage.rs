//! Records that are damaged, blank, or of times that do not exist: the rest of the log is read all the same.

use zkgate::simulator::{Config, Profile};
use zkgate::store::journal::Certainty;
use zkgate::store::journal::quarantine::{Origin, Reason};
use zkgate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use zkgate::wire::record::punch::Punch;

use crate::rig::{Setup, Site, each, one_of, set, user};

#[test]
fn a_damaged_record_is_put_aside_with_its_bytes_and_the_log_is_complete() {
    for (profile, stride) in [(Profile::Tft, 40), (Profile::Vl49, 49)] {
        let site = Site::of(Config { profile, users: 20, punches: 300, ..Config::default() });
        let device = site.device(0);
        let mut bytes = vec![9, 9];
        bytes.extend_from_slice(b"\xff\xfe\x80");
        assert!(device.damage_record(150, &bytes));
        assert!(device.damage_record(151, b"\x01\x00a b"));
        let rig = site.start(&Setup::default());
        rig.settled(0);
        assert_eq!(rig.count(), 298, "{profile}");
        let aside = rig.quarantined(false);
        assert_eq!(aside.len(), 2, "{profile}");
        for strange in &aside {
            assert_eq!(strange.strange.origin, Origin::Log { stride }, "{profile}");
            assert_eq!(strange.strange.reason, Reason::BadUserId, "{profile}");
            assert_eq!(strange.strange.raw.len(), usize::from(stride), "{profile}");
        }
        assert_eq!(aside[0].strange.raw[..5], bytes, "{profile}");
        assert_eq!(rig.status(0).last.unwrap().quarantined, 2, "{profile}");
        // Read again, they are still the same two.
        rig.read_everything(0);
        assert_eq!((rig.count(), rig.quarantined(false).len()), (298, 2), "{profile}");
        // And what comes after them is read from where the log was left.
        device.punch(user(device, 0), 0, 1).unwrap();
        rig.read(0);
        assert_eq!((rig.count(), rig.gaps(0).len()), (299, 0), "{profile}");
    }
}

#[test]
fn blank_records_are_counted_and_are_no_punches() {
    let site = Site::of(Config { users: 20, punches: 300, ..Config::default() });
    set(site.device(0), "blank-records:10");
    let rig = site.start(&Setup::default());
    rig.settled(0);
    let read = rig.read_everything(0);
    assert_eq!((read.records, read.blank, rig.count()), (300, 30, 270));
    assert!(rig.quarantined(false).is_empty());
}

#[test]
fn a_time_that_does_not_exist_is_kept_as_it_came_and_marked() {
    each([Profile::Tft, Profile::OldUdp, Profile::Bw16Udp, Profile::Vl49], |profile| {
        let site = Site::of(Config { profile, users: 20, punches: 300, ..Config::default() });
        set(site.device(0), "impossible-dates:10");
        let rig = site.start(&Setup::default());
        rig.settled(0);
        let rows = rig.rows();
        let impossible: Vec<_> =
            rows.iter().filter(|row| row.record.moment.certainty == Certainty::Impossible).collect();
        assert_eq!((rows.len(), impossible.len()), (300, 30), "{profile}");
        for row in impossible {
            assert_eq!(row.record.time.fields().to_string(), "2023-02-30T01:02:03", "{profile}");
            assert_eq!(row.record.moment.instant, None, "{profile}");
        }
        rig.read_everything(0);
        assert_eq!((rig.count(), rig.gaps(0).len()), (300, 0), "{profile}");
    });
}

fn word(month: u8, day: u8, hour: u8, minute: u8) -> ClockWord {
    let time = CivilTime { year: 2026, month, day, hour, minute, second: 0 };
    ClockWord::pack(PossibleTime::new(time).unwrap())
}

#[test]
fn hours_that_a_place_lives_twice_or_never_are_marked_in_its_zone() {
    let times = [
        (word(3, 29, 1, 59), Certainty::Exact, Some(1_774_745_940)),
        (word(3, 29, 2, 30), Certainty::Skipped, Some(1_774_747_800)),
        (word(3, 29, 3, 0), Certainty::Exact, Some(1_774_746_000)),
        (word(10, 25, 1, 59), Certainty::Exact, Some(1_792_886_340)),
        (word(10, 25, 2, 30), Certainty::Ambiguous, Some(1_792_888_200)),
        (word(10, 25, 3, 0), Certainty::Exact, Some(1_792_893_600)),
    ];
    let clock = PossibleTime::new(CivilTime { year: 2026, month: 11, day: 1, hour: 0, minute: 0, second: 0 });
    let setup = Setup { timezone: Some("Europe/Berlin".into()), ..Setup::default() };
    let site = Site::of(Config { users: 1, clock: Some(clock.unwrap()), ..Config::default() });
    let user_id = user(site.device(0), 0);
    let of = |time| Punch { user_id, uid: None, time, punch_state: 0, verify_mode: 1, work_code: 0 };
    site.device(0).set_punches(&times.map(|(time, ..)| of(time)));
    let rig = site.start(&setup);
    rig.settled(0);
    let rows = rig.rows();
    for (row, (time, certainty, instant)) in rows.iter().zip(times) {
        let name = time.fields();
        assert_eq!((row.record.time, row.record.moment.certainty), (time, certainty), "{name}");
        assert_eq!(row.record.moment.instant, instant, "{name}");
    }
    assert_eq!(rows.len(), times.len());
}

#[test]
fn two_devices_in_two_places_have_their_own_instants() {
    let one = |zone: &str| {
        let setup = Setup { timezone: Some(zone.into()), ..Setup::default() };
        let clock =
            PossibleTime::new(CivilTime { year: 2026, month: 7, day: 1, hour: 12, minute: 0, second: 0 });
        let (_site, rig) =
            one_of(Config { users: 1, punches: 1, clock: Some(clock.unwrap()), ..Config::default() }, &setup);
        rig.settled(0);
        rig.rows()[0].record.moment.instant.unwrap()
    };
    assert_eq!(one("Asia/Tokyo") + 7 * 3600, one("Europe/Berlin"));
}
