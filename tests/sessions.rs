//! Sessions with every kind of device, over real sockets: what is read is compared with the device's own truth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use site::{
    TODAY, are_true_punches, are_true_users, carriers, device, peopled, quick, session, soon, target, until,
    within,
};
use zkgate::base::readiness::{Readiness, ReadyList};
use zkgate::device::dial::{Dial, DialStep, StepTaken};
use zkgate::device::power::Left;
use zkgate::device::{DeviceError, Reached, Session, Target};
use zkgate::dialog::Phase;
use zkgate::dialog::bulk_read::Method;
use zkgate::simulator::{Concurrency, Config, Fault, How, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::event::{Event, LivePunch};
use zkgate::wire::record::punch::PunchLayout;

/// The profiles that speak the protocol.
const DEVICES: [Profile; 8] = [
    Profile::OldUdp,
    Profile::Bw16Udp,
    Profile::Tft,
    Profile::TftDirectBroken,
    Profile::TftBig,
    Profile::Vl49,
    Profile::D2,
    Profile::Key,
];

fn connect(target: Target) -> Result<Session, DeviceError> {
    Session::connect(target, quick(), soon())
}

#[test]
fn every_device_is_read_as_it_is_over_both_carriers() {
    for profile in DEVICES {
        // Below and above what is answered at once, and above one chunk.
        for (users, punches) in [(0, 0), (3, 5), (60, 300), (400, 5000)] {
            let (_simulator, device) = peopled(profile, users, punches);
            let mut said_goodbye = 0;
            for carrier in carriers(&device) {
                let case = format!("{} over {carrier:?}, {users} users, {punches} punches", profile.name());
                let mut session = session(&device, carrier);
                assert_eq!(session.serial_number(), Some(&*device.serial_number()), "{case}");
                let read = session.users(soon()).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert!(are_true_users(&read, &device), "{case}");
                let read = session.punches(TODAY, soon()).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert!(are_true_punches(&read, &device, profile), "{case}");
                assert!(!session.is_doubtful(), "{case}");
                session.exit();
                said_goodbye += 1;
            }
            // A greeting that is repeated over UDP makes a session that nobody has.
            assert_eq!(
                device.counters().exits,
                said_goodbye,
                "{}: every session says goodbye",
                profile.name()
            );
        }
    }
}

#[test]
fn comm_keys_are_asked_for_accepted_and_refused() {
    for profile in [Profile::OldUdp, Profile::Tft, Profile::Vl49, Profile::Key] {
        for set in [0, 1, 123_456, 999_999_999] {
            let config = Config { profile, comm_key: CommKey::new(set).unwrap(), ..Config::default() };
            let (_simulator, device) = device(config);
            for carrier in carriers(&device) {
                let case = format!("{} over {carrier:?}, key {set}", profile.name());
                connect(target(&device, set, &[carrier])).expect(&case).exit();
                let wrong = connect(target(&device, 777, &[carrier]));
                if set == 0 && profile != Profile::Key {
                    wrong.expect(&case).exit();
                    continue;
                }
                let error = wrong.map(drop).unwrap_err();
                assert_eq!((error.code(), error.verdict()), ("auth_failed", "wrong_comm_key"), "{case}");
                assert!(error.needs_a_person() && error.phase == Phase::Authenticate, "{case}");
                assert!(!format!("{error} {error:?}").contains("777"), "{case}: a key is a secret");
            }
        }
    }
}

#[test]
fn a_device_tells_who_it_is_and_what_it_lacks_is_absent() {
    for profile in DEVICES {
        let (_simulator, device) = peopled(profile, 5, 7);
        for carrier in carriers(&device) {
            let mut session = session(&device, carrier);
            let info = session.info(soon()).unwrap();
            assert_eq!(info.serial_number, Some(device.serial_number()), "{}", profile.name());
            assert!(info.firmware_version.is_some_and(|version| version.starts_with("Ver ")));
            match profile {
                Profile::D2 => assert_eq!(info.sizes.users, None, "four bytes of sizes say nothing"),
                Profile::Vl49 => assert_eq!(info.sizes.users, Some(0), "its counts are all zero"),
                _ => assert_eq!((info.sizes.users, info.sizes.punches), (Some(5), Some(7))),
            }
            assert_eq!(session.option("NoSuchOption", soon()).unwrap(), None, "{}", profile.name());
            session.exit();
        }
    }
}

#[test]
fn the_clock_is_read_and_set() {
    for profile in DEVICES {
        let (_simulator, device) = device(Config { profile, ..Config::default() });
        for carrier in carriers(&device) {
            let mut session = session(&device, carrier);
            let read = session.time(soon()).unwrap().fields();
            let ahead = ClockWord::pack(PossibleTime::new(device.clock()).unwrap()).0
                - ClockWord::pack(PossibleTime::new(read).unwrap()).0;
            assert!(ahead <= 2, "{}: {read}", profile.name());
            let noon = PossibleTime::new(CivilTime::from_six([24, 2, 29, 12, 0, 0])).unwrap();
            session.set_time(noon, soon()).unwrap();
            let shown = session.time(soon()).unwrap().fields().to_string();
            assert!(shown.starts_with("2024-02-29T12:00:0"), "{}: {shown}", profile.name());
            session.exit();
        }
    }
}

#[test]
fn a_restart_is_said_once_and_ends_the_session() {
    for profile in [Profile::OldUdp, Profile::Tft] {
        for lost in [false, true] {
            let config = Config { profile, restart_time: Duration::from_secs(60), ..Config::default() };
            let (_simulator, device) = device(config);
            let carrier = carriers(&device)[0];
            let mut session = session(&device, carrier);
            if lost {
                device.set_fault(Fault::parse("swallow@1004").unwrap());
            }
            session.restart(soon()).unwrap();
            assert!(session.is_doubtful());
            site::until("the restart", || device.counters().restarts > 0);
            assert_eq!(device.counters().command(1004), 1, "{}", profile.name());
        }
    }
}

/// Faults, over which carrier, and what is known afterwards of a restart that they befall.
const UNANSWERED: [(&[&str], Carrier, Option<Reached>); 8] = [
    // Nothing is heard: perhaps it restarts, perhaps somebody has cut the cable.
    (&["blackhole"], Carrier::Tcp, Some(Reached::Perhaps)),
    (&["blackhole"], Carrier::Udp, Some(Reached::Perhaps)),
    // It is not carried out, and the device goes on in the same session.
    (&["reject@1004", "swallow@1004"], Carrier::Tcp, Some(Reached::Yes)),
    (&["reject@1004", "swallow@1004"], Carrier::Udp, Some(Reached::Yes)),
    // The session is forgotten: told over TCP by nobody, and over UDP by a new one.
    (&["forget@1004"], Carrier::Tcp, Some(Reached::Perhaps)),
    (&["forget@1004"], Carrier::Udp, None),
    // It restarts at once.
    (&["swallow@1004"], Carrier::Tcp, None),
    (&["swallow@1004"], Carrier::Udp, None),
];

#[test]
fn a_restart_that_is_not_answered_is_done_only_if_the_session_is_gone() {
    for (faults, carrier, expected) in UNANSWERED {
        let (_simulator, device) = device(Config { restart_time: Duration::ZERO, ..Config::default() });
        let mut session = session(&device, carrier);
        for fault in faults {
            device.set_fault(Fault::parse(fault).unwrap());
        }
        let outcome = session.restart(soon());
        let reached = outcome.as_ref().err().map(|error| error.reached);
        assert_eq!(reached, expected, "{faults:?} over {}: {outcome:?}", carrier.name());
        assert!(session.is_doubtful() && device.counters().command(1004) <= 1, "{faults:?}");
        site::until("nobody is left", || device.sessions() <= usize::from(outcome.is_err()));
    }
}

#[test]
fn a_device_that_was_to_be_switched_off_and_says_nothing_is_perhaps_off() {
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        for fault in ["blackhole", "swallow@1005"] {
            let (_simulator, device) = device(Config::default());
            let mut session = session(&device, carrier);
            device.set_fault(Fault::parse(fault).unwrap());
            let outcome = session.power_off(soon());
            let known = outcome.as_ref().map_err(|error| error.reached);
            // A connection that ends tells that it went off.
            let ends = fault != "blackhole" && carrier == Carrier::Tcp;
            let expected = if ends { Ok(&()) } else { Err(Reached::Perhaps) };
            assert_eq!(known, expected, "{fault} over {}: {outcome:?}", carrier.name());
        }
    }
}

#[test]
fn an_effect_whose_answer_is_lost_is_said_once_and_its_outcome_is_unknown() {
    for profile in [Profile::Tft, Profile::OldUdp] {
        let (_simulator, device) = device(Config { profile, ..Config::default() });
        for carrier in carriers(&device) {
            let before = device.counters().command(1017);
            let mut session = session(&device, carrier);
            device.set_fault(Fault::parse("swallow@1017*1").unwrap());
            let error = session.test_voice(0, soon()).unwrap_err();
            assert_eq!((error.code(), error.reached), ("device_silent", Reached::Perhaps), "{carrier:?}");
            assert!(!error.keeps_session());
            assert_eq!(device.counters().command(1017), before + 1, "{carrier:?}");
        }
    }
}

#[test]
fn an_effect_does_not_leave_on_a_connection_that_has_ended() {
    let (_simulator, device) = device(Config::default());
    let mut session = session(&device, Carrier::Tcp);
    device.drop_connections(How::Fin);
    site::until("the end of the stream", || !session.socket().is_quiet());
    let error = session.test_voice(0, soon()).unwrap_err();
    assert_eq!(error.reached, Reached::No, "so it may be made again");
}

#[test]
fn strangers_and_unusable_firmware_are_told_apart_quickly() {
    for (profile, code, verdict, person) in [
        (Profile::Secure, "unsupported_handshake", "unsupported_handshake", true),
        (Profile::Panel, "unsupported_handshake", "unsupported_handshake", true),
        (Profile::Http, "not_a_device", "not_a_device", false),
        (Profile::PushSilent, "device_unreachable", "silent", false),
    ] {
        let (_simulator, device) = device(Config { profile, ..Config::default() });
        let since = Instant::now();
        let error = connect(target(&device, 0, &[Carrier::Tcp, Carrier::Udp])).map(drop).unwrap_err();
        let case = profile.name();
        assert_eq!(
            (error.code(), error.verdict(), error.needs_a_person()),
            (code, verdict, person),
            "{case}"
        );
        let patience = quick().reply * 2 + Duration::from_secs(1);
        assert!(since.elapsed() < patience, "{case}: {:?}", since.elapsed());
    }
}

#[test]
fn what_an_address_says_has_a_plain_verdict() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let both = [Carrier::Tcp, Carrier::Udp];
    let address = |address| Target { address, comm_key: CommKey::default(), carriers: both.to_vec() };
    let error = connect(address(closed)).map(drop).unwrap_err();
    assert_eq!((error.code(), error.verdict()), ("device_unreachable", "refused"));
    // Nothing listens on TCP there, and what listens on UDP says nothing.
    let error = connect(address(silent.local_addr().unwrap())).map(drop).unwrap_err();
    assert_eq!((error.code(), error.verdict()), ("device_unreachable", "refused"));
    let (_simulator, device) = device(Config { concurrency: Concurrency::IgnoreSecond, ..Config::default() });
    let first = session(&device, Carrier::Tcp);
    let error = connect(target(&device, 0, &[Carrier::Tcp])).map(drop).unwrap_err();
    assert_eq!((error.code(), error.verdict()), ("device_unreachable", "silent"));
    first.exit();
    device.set_fault(Fault::parse("close:0@connect").unwrap());
    let error = connect(target(&device, 0, &[Carrier::Tcp])).map(drop).unwrap_err();
    assert_eq!((error.code(), error.verdict()), ("device_busy", "busy"));
}

#[test]
fn a_udp_only_device_is_found_and_every_step_is_reported() {
    let (_simulator, device) = peopled(Profile::OldUdp, 3, 3);
    let both = [Carrier::Tcp, Carrier::Udp];
    let mut session = connect(target(&device, 0, &both)).unwrap();
    assert_eq!(session.carrier(), Carrier::Udp);
    assert_eq!(session.users(soon()).unwrap().iter().count(), 3);
    assert_eq!(session.method(), Method::Direct, "and how it is read is remembered");
    session.exit();
    let steps: Vec<_> = steps(target(&device, 0, &both))
        .into_iter()
        .map(|step| (step.carrier, step.phase, step.ok))
        .collect();
    assert_eq!(
        steps,
        [
            (Carrier::Tcp, Phase::Reach, true),
            (Carrier::Tcp, Phase::Handshake, false),
            (Carrier::Udp, Phase::Reach, true),
            (Carrier::Udp, Phase::Handshake, true),
            (Carrier::Udp, Phase::Identify, true),
        ]
    );
}

/// Connects and gives the report.
fn steps(target: Target) -> Vec<StepTaken> {
    let readiness = Readiness::new().unwrap();
    let mut ready = ReadyList::new();
    let (mut dial, mut step) = Dial::begin(target, quick(), Instant::now());
    while matches!(step, DialStep::Wait) {
        let watch = readiness.watch(dial.socket().unwrap().clone(), 0, dial.interest()).unwrap();
        let now = Instant::now();
        readiness.wait(&mut ready, Some(dial.due(now).saturating_duration_since(now))).unwrap();
        drop(watch);
        step = dial.advance(Instant::now());
    }
    dial.steps().to_vec()
}

#[test]
fn old_records_name_the_people_that_the_device_still_knows() {
    let (_simulator, device) = peopled(Profile::OldUdp, 20, 100);
    let gone = device.users()[0].clone();
    let rest: Vec<_> = device.users().into_iter().skip(1).collect();
    device.set_users(&rest);
    let mut session = session(&device, Carrier::Udp);
    let read = session.punches(TODAY, soon()).unwrap();
    assert_eq!(read.layout(), Some(PunchLayout::Short));
    assert_eq!(read.iter().count(), 100);
    for punch in read.iter() {
        let user = rest.iter().find(|user| Some(user.uid) == punch.uid);
        assert_eq!(punch.user_id, user.map(|user| user.user_id).unwrap_or_default());
        assert!(user.is_some() || punch.uid == Some(gone.uid), "the index stays where the name is lost");
    }
    session.exit();
}

#[test]
fn a_deadline_ends_a_call_whatever_the_device_does() {
    let (_simulator, device) = peopled(Profile::Tft, 50, 5000);
    for fault in ["delay:3s@time", "silent@time", "drip:50ms@chunk", "delay:3s@chunk"] {
        let patient = zkgate::device::SessionSettings {
            reply: Duration::from_secs(20),
            progress: Duration::from_secs(20),
            ..quick()
        };
        let mut session = Session::connect(target(&device, 0, &[Carrier::Tcp]), patient, soon()).unwrap();
        device.set_fault(Fault::parse(fault).unwrap());
        let since = Instant::now();
        let deadline = within(Duration::from_millis(300));
        let error = match fault.ends_with("time") {
            true => session.time(deadline).map(drop).unwrap_err(),
            false => session.punches(TODAY, deadline).map(drop).unwrap_err(),
        };
        assert_eq!(error.code(), "deadline_exceeded", "{fault}");
        assert!(since.elapsed() < Duration::from_millis(1300), "{fault}: {:?}", since.elapsed());
        device.clear_faults();
    }
}

#[test]
fn a_device_is_enabled_again_on_every_way_out_or_its_state_is_told() {
    let (_simulator, device) = device(Config::default());
    let fresh = || session(&device, Carrier::Tcp);
    let mut session = fresh();
    let (read, left) = session.while_disabled(soon(), |session| {
        assert!(device.is_disabled());
        session.time(soon())
    });
    assert!(read.is_ok() && left == Left::Enabled && !device.is_disabled());
    let (refused, left) = session.while_disabled(soon(), |session| {
        session.register_events(1, soon())?;
        session.open_log(Some(3), soon()).map(drop)
    });
    assert!(
        refused.is_err() && left == Left::Enabled && !device.is_disabled(),
        "the work failed, not the session"
    );
    let (late, left) = session.while_disabled(soon(), |session| session.option("x", within(Duration::ZERO)));
    assert_eq!((late.unwrap_err().code(), left), ("deadline_exceeded", Left::Disabled));
    assert!(device.is_disabled(), "nothing can be said on a session that broke");
    let mut next = fresh();
    next.enable(soon()).unwrap();
    assert!(!device.is_disabled());
    for (fault, disabled, expected) in [
        ("swallow@1003", true, Left::Disabled),
        ("swallow@1002", false, Left::Disabled),
        ("rst:0@1002", false, Left::Disabled),
        ("swallow@time", true, Left::Disabled),
    ] {
        let mut session = fresh();
        device.set_fault(Fault::parse(fault).unwrap());
        let (outcome, left) = session.while_disabled(soon(), |session| session.time(soon()));
        assert_eq!((outcome.is_err(), left), (true, expected), "{fault}");
        assert_eq!(
            device.is_disabled(),
            disabled,
            "{fault}: what is not known to be enabled is called disabled"
        );
        device.clear_faults();
        fresh().enable(soon()).unwrap();
    }
    let mut session = fresh();
    device.drop_connections(How::Fin);
    let (never, left) = session.while_disabled(within(Duration::ZERO), |session| session.time(soon()));
    assert!(never.is_err() && left == Left::Enabled, "it was never said");
}

#[test]
fn the_log_is_cleared_once_and_on_command_only() {
    for profile in DEVICES {
        let (_simulator, device) = peopled(profile, 5, 300);
        let punches = device.punches();
        for carrier in carriers(&device) {
            let case = format!("{} over {}", profile.name(), carrier.name());
            device.set_punches(&punches);
            let mut session = session(&device, carrier);
            let (cleared, refreshed) = (device.counters().command(15), device.counters().command(1013));
            session.clear_punches(soon()).unwrap();
            assert!(device.punches().is_empty(), "{case}");
            assert_eq!(device.counters().command(15), cleared + 1, "{case}");
            assert_eq!(device.counters().command(1013), refreshed + 1, "{case}");
            assert_eq!(session.punches(TODAY, soon()).unwrap().slots(), 0, "{case}");
            device.set_fault(Fault::parse("swallow@15*1").unwrap());
            let error = session.clear_punches(soon()).unwrap_err();
            assert_eq!((error.code(), error.reached), ("device_silent", Reached::Perhaps), "{case}");
            assert_eq!(device.counters().command(15), cleared + 2, "{case}: said once");
            device.clear_faults();
        }
    }
}

#[test]
fn who_registered_is_told_of_punches_whatever_else_is_said() {
    for profile in DEVICES {
        let (_simulator, device) = peopled(profile, 5, 300);
        for carrier in carriers(&device) {
            let case = format!("{} over {}", profile.name(), carrier.name());
            let mut session = session(&device, carrier);
            session.register_events(1, soon()).unwrap();
            session.register_events(1, soon()).unwrap();
            let mut punched = Vec::new();
            for (number, user) in device.users().iter().enumerate() {
                punched.push(device.punch(user.user_id, 0, 1).unwrap());
                match number {
                    0 => drop(session.time(soon()).unwrap()),
                    1 => drop(session.users(soon()).unwrap()),
                    // What has an effect is said although an event lies waiting.
                    2 => {
                        until("the event", || carrier == Carrier::Udp || !session.socket().is_quiet());
                        session.test_voice(0, soon()).unwrap();
                    }
                    _ => drop(session.punches(TODAY, soon()).unwrap()),
                }
            }
            let mut told = Vec::new();
            until("all events", || {
                session.time(soon()).unwrap();
                let (events, lost) = session.take_events();
                told.extend(events);
                assert_eq!(lost, 0, "{case}");
                told.len() >= punched.len()
            });
            let times: Vec<_> = told
                .iter()
                .map(|event| match event {
                    Event::Punch { punch, payload } => {
                        assert_eq!(LivePunch::parse(payload), Some(*punch), "{case}");
                        punch.time
                    }
                    other => panic!("{case}: {other:?}"),
                })
                .collect();
            assert_eq!(times, punched.iter().map(|punch| punch.time.fields()).collect::<Vec<_>>(), "{case}");
            session.unregister_events(soon()).unwrap();
            let events = device.counters().events;
            device.punch(device.users()[0].user_id, 0, 1).unwrap();
            assert_eq!(device.counters().events, events, "{case}");
            session.exit();
        }
    }
}
