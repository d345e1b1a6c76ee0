//! Door, options, display, access control, messages, and clearing.

use std::time::Duration;

use zkgate::device::access::VerifyStyle;
use zkgate::device::door::{DoorState, UnlockTime, UnlockUnit};
use zkgate::device::options::Setting;
use zkgate::device::screen::ScreenLine;
use zkgate::device::upkeep::DataKind;
use zkgate::device::{DeviceError, Reached, Session};
use zkgate::simulator::{DeviceHandle, Profile, Sensor};
use zkgate::wire::access::{Combination, DaySpan, GroupZones, PersonZones, TimeZone};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::encoding::NameEncoding;
use zkgate::wire::message::ShortMessage;
use zkgate::wire::record::user::TimeZones;
use zkgate::wire::text::FixedText;

use crate::site::{session, soon};
use crate::users::{find, id};
use crate::{everywhere, one, set};

#[test]
fn a_door_is_opened_once_for_as_long_as_was_meant() {
    everywhere(1, |case, device, carrier| {
        let mut session = session(device, carrier);
        for (unit, counted) in [(UnlockUnit::Seconds, 3), (UnlockUnit::Tenths, 30)] {
            let time = UnlockTime::new(Duration::from_secs(3), unit).unwrap();
            session.unlock(time, soon()).expect(case);
            assert_eq!(device.opened_for(), Some(counted), "{case}");
        }
        assert_eq!(device.counters().unlocks, 2, "{case}");
        for (sensor, state) in [
            (Sensor::Open, DoorState::Open),
            (Sensor::Closed, DoorState::Closed),
            (Sensor::Missing, DoorState::Unknown),
        ] {
            device.set_sensor(sensor);
            assert_eq!(session.door_state(soon()).unwrap(), state, "{case}");
        }
        // The answer gets lost: nobody knows, and nobody asks again.
        set(device, "swallow@31");
        let time = UnlockTime::new(Duration::from_secs(3), UnlockUnit::Seconds).unwrap();
        let error = session.unlock(time, soon()).unwrap_err();
        assert_eq!((error.reached, device.counters().unlocks), (Reached::Perhaps, 3), "{case}: {error}");
        set(device, "reject:65535@75");
        let mut session = crate::site::session(device, carrier);
        assert_eq!(session.door_state(soon()).unwrap_err().code(), "unsupported_command", "{case}");
        session.exit();
    });
}

#[test]
fn options_are_written_verified_and_made_effective() {
    everywhere(0, |case, device, carrier| {
        let mut session = session(device, carrier);
        for (name, value) in
            [("VOLUME", "35"), ("VoiceOn", "0"), ("GATEIPAddress", "10.1.2.3"), ("NewLng", "3")]
        {
            session.write_option(&Setting::new(name, value).unwrap(), soon()).expect(case);
            assert_eq!(session.option(name, soon()).unwrap().as_deref(), Some(value), "{case}");
        }
        assert_eq!((device.counters().command(12), device.counters().command(1014)), (5, 4), "{case}");
        let same = Setting::new("VOLUME", "35").unwrap();
        session.write_option(&same, soon()).expect(case);
        let said = [12, 1014].map(|code| device.counters().command(code));
        assert_eq!(said, [5, 5], "{case}: it is so already, and perhaps not effective");
        let options = session.options(soon()).unwrap();
        assert_eq!(
            (options.volume, options.voice, options.new_language),
            (Some(35), Some(false), Some(3)),
            "{case}"
        );
        assert_eq!(options.gateway, Some([10, 1, 2, 3].into()), "{case}");
        assert_eq!(options.tcp_port, Some(device.address().port()), "{case}");
        if case.starts_with("tft") {
            assert_eq!(options.face_version, Some(7), "{case}");
        }
        for (fault, code) in [
            ("not-kept@12*1", "not_stored"),
            ("kept-otherwise@12*1", "stored_differently"),
            ("reject@12*1", "device_rejected"),
        ] {
            set(device, fault);
            let error = session.write_option(&Setting::new("VOLUME", "90").unwrap(), soon()).unwrap_err();
            assert!(error.code() == code && error.keeps_session(), "{case} {fault}: {error}");
        }
        session.exit();
    });
}

#[test]
fn the_display_is_written_and_cleared() {
    let (_simulator, device) = one(Profile::OldUdp, 0);
    let mut session = session(&device, Carrier::Udp);
    let latin = NameEncoding::parse("windows-1252").unwrap();
    session.write_lcd(&ScreenLine::new(1, "Grüße", latin).unwrap(), soon()).unwrap();
    assert_eq!(device.lines()[&1], b"Gr\xfc\xdfe");
    session.clear_lcd(soon()).unwrap();
    assert!(device.lines().is_empty());
    assert!(ScreenLine::new(1, "陈", latin).is_err() && ScreenLine::new(1, &"x".repeat(61), latin).is_err());
    session.exit();
}

type Verb = (&'static str, u16, fn(&mut Session, u32) -> Result<(), DeviceError>);

/// Writes that are read back: each with its command, and a value made from a number.
const VERBS: [Verb; 7] = [
    ("group", 22, |session, n| {
        let person = session.user(&id(1001), soon())?.unwrap();
        session.set_group_of(&person, 3 + n as u8, soon())
    }),
    ("zones", 24, |session, n| {
        let person = session.user(&id(1001), soon())?.unwrap();
        session.set_zones_of(&person, PersonZones { own: true, zones: [2 + n as u16 * 2, 9, 0] }, soon())
    }),
    ("group zones", 26, |session, n| {
        let zones = GroupZones { group: 2, zones: [1, 2 + n as u16, 0], holidays: true, verify_style: 5 };
        session.set_group_zones(zones, soon())?;
        assert_eq!(session.group_zones(2, soon())?, zones);
        Ok(())
    }),
    ("time zone", 28, |session, n| {
        let day = DaySpan { from: (8, 30), to: (17, n as u8) };
        let zone = TimeZone { index: 7, days: [DaySpan::NEVER, day, day, day, day, day, DaySpan::ALWAYS] };
        session.set_time_zone(&zone, soon())?;
        assert_eq!(session.time_zone(7, soon())?, zone);
        Ok(())
    }),
    ("combination", 30, |session, n| {
        let wanted = Combination { index: 2, groups: [1, 2 + n as u8, 0, 0, 0] };
        session.set_combination(wanted, soon())?;
        assert_eq!(session.combination(2, soon())?, wanted);
        Ok(())
    }),
    ("verify style", 79, |session, n| {
        let person = session.user(&id(1001), soon())?.unwrap();
        session.set_verify_style(&person, VerifyStyle::Own(n as u8 * 2 + 2), soon())
    }),
    ("message", 70, |session, n| {
        let text = FixedText::new(format!("Good morning {n}").as_bytes()).unwrap();
        let message = ShortMessage { tag: 253, id: 5, minutes: 60, start: ClockWord(n), text };
        session.write_message(&message, soon())?;
        assert_eq!(session.message(5, soon())?, Some(message));
        Ok(())
    }),
];

#[test]
fn access_control_and_messages_are_written_once_verified_and_made_effective() {
    everywhere(2, |case, device, carrier| {
        let mut session = session(device, carrier);
        for (verb, code, write) in VERBS {
            write(&mut session, 1).unwrap_or_else(|error| panic!("{case} {verb}: {error}"));
            let refreshed = device.counters().command(1013);
            write(&mut session, 1).unwrap_or_else(|error| panic!("{case} {verb}: {error}"));
            let counters = device.counters();
            assert_eq!(counters.command(code), 1, "{case} {verb}: it is so already");
            assert_eq!(counters.command(1013), refreshed + 1, "{case} {verb}: and perhaps not effective");
            assert_eq!(device.unrefreshed(), 0, "{case} {verb}");
            for (fault, expected) in [
                ("not-kept", "not_stored"),
                ("kept-otherwise", "stored_differently"),
                ("reject:65535", "unsupported_command"),
            ] {
                set(device, &format!("{fault}@{code}*1"));
                let error = write(&mut session, 6).unwrap_err();
                assert!(error.code() == expected && error.keeps_session(), "{case} {verb} {fault}: {error}");
            }
            set(device, &format!("swallow@{code}*1"));
            let error = write(&mut session, 3).unwrap_err();
            assert_eq!(error.reached, Reached::Perhaps, "{case} {verb}: {error}");
            assert_eq!(device.counters().command(code), 5, "{case} {verb}: never twice");
            device.clear_faults();
            session = crate::site::session(device, carrier);
        }
        let user = find(device, 1001).unwrap();
        let expected = match user.time_zones {
            TimeZones::Set(_) => TimeZones::Set(1 << 7 | 1 << 8),
            TimeZones::List { .. } => TimeZones::List { flag: 1, zones: [8, 9, 0] },
        };
        assert_eq!((user.group, user.time_zones), (6, expected), "{case}");
        let person = session.user(&id(1001), soon()).unwrap().unwrap();
        session.give_message(&person, 5, soon()).expect(case);
        assert_eq!(device.given_messages(), [(1, 5)], "{case}");
        session.take_message(&person, 5, soon()).expect(case);
        session.delete_message(5, soon()).expect(case);
        session.delete_message(5, soon()).expect(case);
        assert_eq!((device.counters().command(72), session.message(5, soon()).unwrap()), (2, None), "{case}");
        session.clear_access(soon()).expect(case);
        assert_eq!(session.combination(2, soon()).unwrap().groups, [0; 5], "{case}");
        session.exit();
    });
}

#[test]
fn what_does_not_exist_is_not_sent() {
    let (_simulator, device) = one(Profile::Tft, 1);
    let mut session = session(&device, Carrier::Tcp);
    let person = session.user(&id(1001), soon()).unwrap().unwrap();
    let before: u64 = device.counters().commands.values().sum();
    let day = DaySpan { from: (24, 0), to: (25, 0) };
    let group = GroupZones { group: 0, zones: [1, 0, 0], holidays: false, verify_style: 0 };
    let errors = [
        session.set_time_zone(&TimeZone { index: 3, days: [day; 7] }, soon()),
        session.set_time_zone(&TimeZone { index: 51, days: [DaySpan::ALWAYS; 7] }, soon()),
        session.set_combination(Combination { index: 11, groups: [1; 5] }, soon()),
        session.set_group_zones(group, soon()),
        session.set_verify_style(&person, VerifyStyle::Own(128), soon()),
        session.template(&person, 10, soon()).map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!((error.code(), error.reached), ("invalid_request", Reached::No));
    }
    assert_eq!(device.counters().commands.values().sum::<u64>(), before);
    session.exit();
}

#[test]
fn tables_are_cleared_by_kind_and_a_device_that_only_says_so_is_found_out() {
    everywhere(5, |case, device, carrier| {
        let mut session = session(device, carrier);
        let count = |device: &DeviceHandle| (device.users().len(), device.templates().len());
        session.clear_administrators(soon()).expect(case);
        assert!(device.users().iter().all(|user| user.privilege.name() == "user"), "{case}");
        let told = session.free_sizes(soon()).unwrap().users == Some(5);
        for kind in [DataKind::Templates, DataKind::Users] {
            set(device, "not-kept@14*1");
            let outcome = session.clear_data(kind, soon());
            let code = outcome.as_ref().map_err(DeviceError::code);
            assert_eq!(code, if told { Err("not_stored") } else { Ok(&()) }, "{case} {kind:?}");
            if kind == DataKind::Templates {
                assert_eq!(count(device), (5, 3), "{case}");
                session.clear_data(kind, soon()).expect(case);
                assert_eq!(count(device), (5, 0), "{case}");
            }
        }
        session.clear_data(DataKind::Operations, soon()).expect(case);
        session.clear_everything(soon()).expect(case);
        assert_eq!((count(device), device.unrefreshed()), ((0, 0), 0), "{case}");
        assert_eq!(session.raw_table(8, soon()).unwrap(), [0; 4], "{case}: no work codes");
        session.refresh_data(soon()).expect(case);
        session.free_buffer(soon()).expect(case);
        session.exit();
    });
}
