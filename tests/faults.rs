//! Every fault of the simulator in every phase, over both carriers, with devices of every kind: what is read is
//! right, or there is an error that says why, within its time; and the next read works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use site::{TODAY, are_true_punches, are_true_users, carriers, device, target, within};
use zkgate::device::{DeviceError, Session, SessionSettings};
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::comm_key::CommKey;

const PROFILES: [Profile; 6] =
    [Profile::Tft, Profile::TftBig, Profile::Vl49, Profile::OldUdp, Profile::Bw16Udp, Profile::D2];
/// Enough for two chunks over UDP and several fragments, and for one of each over TCP.
const PUNCHES: usize = 450;
/// More than is answered at once.
const USERS: usize = 40;
/// What a whole case may take: three operations, each of which ends by its deadline.
const DEADLINE: Duration = Duration::from_secs(6);
const THREADS: usize = 120;
const KEY: u64 = 77;

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// The bytes are all there: the content is right.
    BeRight,
    /// The content is right, or there is an error.
    NotBeWrong,
}

struct Case {
    profile: Profile,
    carrier: Carrier,
    fault: String,
    must: Must,
}

/// Faults that strike at one answer, wherever it is.
const ANYWHERE: [&str; 14] = [
    "silent",
    "swallow",
    "close",
    "close:0",
    "close:9",
    "rst",
    "rst:0",
    "rst:30",
    "reboot:200ms",
    "forget",
    "forget:unauth",
    "wrong-checksum",
    "oversize",
    "oversize:tiny",
];
const PLACES: [&str; 12] = [
    "connect",
    "auth",
    "option",
    "sizes",
    "time",
    "prepare",
    "chunk",
    "free",
    "announce",
    "data",
    "data+3",
    "closing-ack",
];
/// Faults that leave all bytes where they are.
const INTACT: [&str; 30] = [
    "split:1@connect",
    "split:1",
    "split:7",
    "split:1000",
    "merge",
    "drip:1ms@connect",
    "drip:1ms@option",
    "drip:1ms@sizes",
    "drip:1ms@time",
    "drip:1ms@prepare",
    "delay:20ms",
    "delay:20ms@data",
    "delay:20ms@closing-ack",
    "stray-event",
    "stray-event:before-reply",
    "stray-event:before-announce",
    "stray-event:between-data",
    "stray-event:before-ack",
    "fragments:100",
    "fragments:33",
    "bare-data",
    "double-prepare",
    "lying-counts:zero",
    "lying-counts:larger",
    "lying-counts:smaller",
    "udp-duplicate",
    "garbage-after-nul",
    "late-duplicate",
    "missing-ack",
    "early-ack",
];
const MANGLED: [&str; 22] = [
    "truncate:1",
    "truncate:40",
    "truncate:40*1",
    "truncate:400+1*1",
    "missing-fragment",
    "missing-fragment*1",
    "missing-ack*1",
    "wrong-total:larger",
    "wrong-total:smaller",
    "wrong-total:larger*1",
    "wrong-total:smaller*1",
    "udp-drop:10",
    "udp-drop:40",
    "udp-reorder",
    "lying-size-word:larger",
    "lying-size-word:smaller",
    "lying-size-word:zero",
    "wrong-reply@option",
    "wrong-reply@chunk",
    "wrong-reply@sizes*1",
    "refuse",
    "silent-accept",
];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for profile in PROFILES {
        let (_simulator, one) = device(Config { profile, ..Config::default() });
        for carrier in carriers(&one) {
            let mut add = |fault: String, must| cases.push(Case { profile, carrier, fault, must });
            for fault in INTACT {
                add(fault.to_owned(), Must::BeRight);
            }
            for fault in MANGLED {
                add(fault.to_owned(), Must::NotBeWrong);
            }
            for fault in ANYWHERE {
                for place in PLACES {
                    add(format!("{fault}@{place}"), Must::NotBeWrong);
                }
            }
        }
    }
    cases
}

#[test]
fn no_fault_makes_a_read_wrong_and_none_outlives_itself() {
    let cases = cases();
    let (next, struck) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = play(case, &struck) {
                        let Case { profile, carrier, fault, .. } = case;
                        let complaint =
                            format!("{} over {}: {fault}: {complaint}", profile.name(), carrier.name());
                        complaints.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let mut complaints = complaints.into_inner().unwrap();
    complaints.sort();
    let struck = struck.into_inner();
    assert!(struck * 10 > cases.len() * 7, "only {struck} of {} faults struck", cases.len());
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

fn play(case: &Case, struck: &AtomicUsize) -> Result<(), String> {
    let config = Config {
        profile: case.profile,
        users: USERS,
        punches: PUNCHES,
        threads: 1,
        comm_key: CommKey::new(KEY).unwrap(),
        // Tables small enough are sent at once: the users of old devices, for one.
        direct_limit: 1024,
        ..Config::default()
    };
    let (_simulator, device) = device(config);
    device.set_fault(Fault::parse(&case.fault).unwrap());
    let since = Instant::now();
    let mut session = None;
    let outcome = read(case, &device, &mut session);
    let took = since.elapsed();
    match (&outcome, case.must) {
        (Err(Trouble::Wrong(what)), _) => return Err(what.clone()),
        (Err(Trouble::Error(error)), Must::BeRight) => return Err(format!("{error} ({})", error.code())),
        _ => {}
    }
    // The machine may be busy with other things.
    if took > DEADLINE * 3 + Duration::from_secs(3) {
        return Err(format!("it took {took:?}"));
    }
    struck.fetch_add(usize::from(device.counters().faults > 0), Ordering::Relaxed);
    device.clear_faults();
    // A session that is said to be usable is used; any other is made anew, which a rebooting device may refuse.
    let mut session = session.filter(|session| !session.is_doubtful());
    let begin = Instant::now();
    loop {
        let kept = session.is_some();
        match read(case, &device, &mut session) {
            Ok(()) => return Ok(()),
            Err(Trouble::Wrong(what)) => return Err(format!("the next read: {what}")),
            Err(Trouble::Error(error)) if kept && error.keeps_session() => {
                return Err(format!("the kept session still fails: {error} after {outcome:?}"));
            }
            Err(Trouble::Error(error)) if begin.elapsed() > Duration::from_secs(8) => {
                return Err(format!("the next read: {error} after {outcome:?}"));
            }
            Err(Trouble::Error(_)) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[derive(Debug)]
enum Trouble {
    Wrong(String),
    Error(DeviceError),
}

/// Connects if need be, and reads both tables. What remains of the session is put back.
fn read(case: &Case, device: &DeviceHandle, kept: &mut Option<Session>) -> Result<(), Trouble> {
    let mut session = match kept.take() {
        Some(session) => session,
        None => {
            let patience = patience(case.must);
            let connected =
                Session::connect(target(device, KEY, &[case.carrier]), patience, within(DEADLINE));
            connected.map_err(Trouble::Error)?
        }
    };
    let users = session.users(within(DEADLINE));
    if let Err(error) = &users
        && !error.keeps_session()
    {
        return users.map(drop).map_err(Trouble::Error);
    }
    let punches = session.punches(TODAY, within(DEADLINE));
    let keeps = |error: Option<&DeviceError>| error.is_none_or(DeviceError::keeps_session);
    if keeps(users.as_ref().err()) && keeps(punches.as_ref().err()) {
        *kept = Some(session);
    }
    if let Ok(users) = &users
        && !are_true_users(users, device)
    {
        return Err(Trouble::Wrong(format!("{} users of {}", users.iter().count(), device.users().len())));
    }
    if let Ok(punches) = &punches
        && !are_true_punches(punches, device, case.profile)
    {
        let (read, truth) = (punches.iter().count(), device.punches().len());
        return Err(Trouble::Wrong(format!("{read} punches of {truth}, {:?}", punches.layout())));
    }
    users.map(drop).and(punches.map(drop)).map_err(Trouble::Error)
}

/// Where all is there, nobody needs to hurry; where something is missing, nobody wants to wait for it.
fn patience(must: Must) -> SessionSettings {
    let time = match must {
        Must::BeRight => Duration::from_secs(4),
        Must::NotBeWrong => Duration::from_millis(450),
    };
    SessionSettings {
        connect: time,
        reply: time,
        progress: time,
        farewell: time,
        ..SessionSettings::default()
    }
}
