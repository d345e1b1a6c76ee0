//! A client gets from a capture what it got from the device.

use std::time::{Duration, Instant};

use zkgate::device::{Session, SessionSettings};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile};
use zkgate::transport::trace::Limits;
use zkgate::wire::capture::{Capture, Line};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::event::{ATTLOG, Event};
use zkgate::wire::record::UserId;

use crate::recorder::{Recorder, replayed};
use crate::site::{TODAY, carriers, device, quick, session, soon, until};

const KEY: u64 = 471_147;

/// What a client sees of a device, secrets left out, attempt by attempt.
#[derive(Debug, PartialEq)]
struct Seen(Vec<Result<String, String>>);

/// Reads everything there is, with a new session whenever the one before is of no use any more.
fn look(connect: impl Fn() -> Result<Session, zkgate::device::DeviceError>, attempts: usize) -> Seen {
    let mut seen = Vec::new();
    let mut session: Option<Session> = None;
    for attempt in 0..attempts {
        let mut this = match session.take().map_or_else(&connect, Ok) {
            Ok(session) => session,
            Err(error) => {
                seen.push(Err(error.to_string()));
                continue;
            }
        };
        let read = read(&mut this);
        let usable = read.as_ref().map_or_else(zkgate::device::DeviceError::keeps_session, |_| true);
        // Durations differ from one run to the next.
        seen.push(read.map_err(|error| format!("{} in {:?}", error.code(), error.phase)));
        if usable && attempt + 1 < attempts {
            session = Some(this);
        } else if usable {
            this.exit();
        }
    }
    Seen(seen)
}

fn read(session: &mut Session) -> Result<String, zkgate::device::DeviceError> {
    let info = session.info(soon())?;
    let users: Vec<String> = session
        .users(soon())?
        .iter()
        .map(|user| {
            let password = !user.password.expose().is_empty();
            let zkgate::wire::record::user::User { uid, user_id, name, privilege, card_number, .. } = user;
            format!("{uid} {user_id:?} {name:?} {privilege:?} {card_number} {password}")
        })
        .collect();
    let punches: Vec<_> = session.punches(TODAY, soon())?.iter().collect();
    let templates = session.templates(soon())?;
    let templates: Vec<_> =
        templates.iter().map(|t| (t.uid, t.finger, t.validity, t.bytes().expose().len())).collect();
    Ok(format!("{info:?} {users:?} {punches:?} {templates:?}"))
}

/// Long enough not to be reached but by faults, and short enough to wait for those.
fn patience() -> SessionSettings {
    let (reply, progress) = (Duration::from_millis(1200), Duration::from_millis(700));
    SessionSettings { reply, progress, ..quick() }
}

fn same(case: &str, config: Config, carrier: Carrier, fault: &str, attempts: usize) {
    let key = if config.comm_key.is_set() { KEY } else { 0 };
    let (simulator, truth) = device(config);
    if !fault.is_empty() {
        truth.set_fault(Fault::parse(fault).unwrap());
    }
    let recorder = Recorder::new(Limits::default());
    let before = look(|| recorder.connect(&truth, key, &[carrier], patience()), attempts);
    let capture = recorder.capture();
    drop(simulator);
    let (_simulator, again) = replayed(capture);
    // Any key will do.
    let target = || crate::site::target(&again, key.min(1), &[carrier]);
    let after = look(|| Session::connect(target(), patience(), soon()), attempts);
    assert!(before.0.iter().any(Result::is_ok), "{case}: nothing was read: {before:?}");
    assert_eq!(after, before, "{case}");
}

#[test]
fn every_kind_of_device_is_served_again_as_it_was() {
    std::thread::scope(|scope| {
        for profile in [
            Profile::OldUdp,
            Profile::Bw16Udp,
            Profile::Tft,
            Profile::TftDirectBroken,
            Profile::TftBig,
            Profile::Vl49,
            Profile::D2,
            Profile::Key,
        ] {
            for carrier in carriers(&device(Config { profile, ..Config::default() }).1) {
                scope.spawn(move || {
                    let comm_key = zkgate::wire::comm_key::CommKey::new(KEY).unwrap();
                    let (users, punches, templates) = (300, 2500, 40);
                    let config = Config {
                        profile,
                        users,
                        punches,
                        templates,
                        comm_key,
                        threads: 1,
                        ..Config::default()
                    };
                    same(&format!("{profile} over {}", carrier.name()), config, carrier, "", 2);
                });
            }
        }
    });
}

#[test]
fn what_went_wrong_goes_wrong_again() {
    let both = [
        "swallow@prepare*1",
        "reject@9*1",
        "wrong-reply@time*1",
        "stray-event",
        "missing-fragment@chunk*1",
        "truncate@chunk*1",
        "wrong-total:smaller*1",
        "double-prepare",
        "early-ack",
        "missing-ack*1",
        "bare-data",
        "late-duplicate",
        "no-buffer",
        "lying-counts",
        "lying-size-word",
        "forget:unauth@sizes*1",
        "blank-records",
        "gbk-names",
    ];
    let tcp = ["rst@chunk+2*1", "close@prepare*1", "silent@chunk+1*1", "split:7"];
    let udp = ["udp-drop:50*3", "udp-duplicate", "udp-reorder"];
    std::thread::scope(|scope| {
        for (carrier, faults) in
            [(Carrier::Tcp, [&both[..], &tcp].concat()), (Carrier::Udp, [&both[..], &udp].concat())]
        {
            for fault in faults {
                scope.spawn(move || {
                    let (users, punches) = (120, 700);
                    let config = Config { users, punches, threads: 1, ..Config::default() };
                    same(&format!("{fault} over {}", carrier.name()), config, carrier, fault, 3);
                });
            }
        }
    });
}

/// Waits until so many events have come.
fn events(session: &mut Session, count: usize) -> Vec<Event> {
    let mut all = Vec::new();
    session.socket().set_blocking(false).unwrap();
    until("the events", || {
        session.overhear().unwrap();
        all.extend(session.take_events().0);
        all.len() >= count
    });
    session.socket().set_blocking(true).unwrap();
    all
}

fn punch(device: &DeviceHandle, number: u32) {
    device.punch(UserId::from_number(number), 0, 1).unwrap();
}

#[test]
fn live_events_are_told_again_after_the_registration() {
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        let (_simulator, truth) = device(Config { users: 5, ..Config::default() });
        let recorder = Recorder::new(Limits::default());
        let mut live = recorder.connect(&truth, 0, &[carrier], quick()).unwrap();
        live.register_events(ATTLOG.into(), soon()).unwrap();
        punch(&truth, 1001);
        punch(&truth, 1003);
        let before = events(&mut live, 2);
        live.exit();
        let (_simulator, again) = replayed(recorder.capture());
        let mut live = session(&again, carrier);
        live.register_events(ATTLOG.into(), soon()).unwrap();
        assert_eq!(events(&mut live, 2), before, "{carrier:?}");
    }
}

#[test]
fn a_trace_that_begins_in_the_middle_of_a_session_can_be_served_too() {
    let (_simulator, truth) = device(Config { users: 40, punches: 900, ..Config::default() });
    let recorder = Recorder::new(Limits::default());
    drop(recorder.text());
    let mut live = recorder.connect(&truth, 0, &[Carrier::Tcp], quick()).unwrap();
    live.register_events(ATTLOG.into(), soon()).unwrap();
    recorder.begin(Limits::default());
    let before: Vec<_> = live.punches(TODAY, soon()).unwrap().iter().collect();
    punch(&truth, 1002);
    let told = events(&mut live, 1);
    let capture = recorder.capture();
    assert!(
        matches!(capture.lines[0], Line::Begin { joined: true, session: 1, .. }),
        "{:?}",
        capture.lines[0]
    );
    let (_simulator, again) = replayed(capture);
    let mut live = session(&again, Carrier::Tcp);
    assert_eq!(live.punches(TODAY, soon()).unwrap().iter().collect::<Vec<_>>(), before);
    live.register_events(ATTLOG.into(), soon()).unwrap();
    assert_eq!(events(&mut live, 1), told);
}

#[test]
fn what_was_never_asked_is_unknown_and_other_chunks_are_cut_from_the_same_table() {
    let (_simulator, truth) = device(Config { users: 10, punches: 3000, ..Config::default() });
    let recorder = Recorder::new(Limits::default());
    let mut live = recorder.connect(&truth, 0, &[Carrier::Tcp], quick()).unwrap();
    let count = live.free_sizes(soon()).unwrap().punches;
    let zkgate::device::log::OpenLog::Prepared(mut log) = live.open_log(count, soon()).unwrap() else {
        panic!()
    };
    let size = log.size();
    let whole = log.read(&mut live, 0, size, soon()).unwrap();
    live.exit();
    let (_simulator, again) = replayed(recorder.capture());
    let mut live = session(&again, Carrier::Tcp);
    let zkgate::device::log::OpenLog::Prepared(mut log) = live.open_log(count, soon()).unwrap() else {
        panic!()
    };
    let (start, length) = (60_000, 20_001);
    let part = log.read(&mut live, start, length, soon()).unwrap();
    assert_eq!(part, whole[60_000..80_001]);
    log.release(&mut live, soon()).unwrap();
    let error = live.test_voice(3, soon()).unwrap_err();
    assert_eq!(error.code(), "unsupported_command");
}

#[test]
fn a_capture_says_when_and_how_each_session_began_and_ended() {
    let (_simulator, truth) = device(Config { users: 5, ..Config::default() });
    let recorder = Recorder::new(Limits::default());
    let began = Instant::now();
    recorder.connect(&truth, 0, &[Carrier::Tcp], quick()).unwrap().exit();
    let mut cut = recorder.connect(&truth, 0, &[Carrier::Tcp], quick()).unwrap();
    truth.drop_connections(zkgate::simulator::How::Rst);
    assert!(cut.time(soon()).is_err());
    drop(cut);
    drop(recorder.connect(&truth, 0, &[Carrier::Udp], quick()).unwrap());
    let Capture { lines, .. } = recorder.capture();
    let told: Vec<String> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Begin { session, carrier, joined: false, .. } => {
                Some(format!("{session} {}", carrier.name()))
            }
            Line::End { session, how, .. } => Some(format!("{session} {how}")),
            Line::Stop { why, frames, lost, .. } => Some(format!("{why} {} {lost}", *frames > 10)),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["1 tcp", "1 exit", "2 tcp", "2 reset", "3 udp", "3 dropped", "asked true 0"]);
    assert!(lines.last().unwrap().at().0 <= began.elapsed().as_micros() as u64 + 1_000_000);
}
