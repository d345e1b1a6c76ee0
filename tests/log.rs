//! The attendance log read in pieces, over real sockets: the same bytes as in one go, other commands in between,
//! and whatever goes wrong an error and never wrong bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[allow(dead_code)]
#[path = "support/site.rs"]
mod site;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use site::{TODAY, are_true_punches, carriers, device, peopled, quick, session, soon, target, until, within};
use zkgate::device::{DeviceError, LogBuffer, OpenLog, Session, SessionSettings};
use zkgate::dialog::bulk_read::Method;
use zkgate::simulator::{Config, DeviceHandle, Fault, Profile};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::record::punch::PunchLayout;
use zkgate::wire::record::table::PunchTable;

/// Every kind of device that has a log.
const PROFILES: [Profile; 8] = [
    Profile::Tft,
    Profile::TftDirectBroken,
    Profile::TftBig,
    Profile::Vl49,
    Profile::OldUdp,
    Profile::Bw16Udp,
    Profile::D2,
    Profile::Key,
];

fn prepared(open: OpenLog) -> LogBuffer {
    match open {
        OpenLog::Prepared(buffer) => buffer,
        other => panic!("{other:?}"),
    }
}

/// Reads a log piece by piece, something else in between.
fn in_pieces(
    session: &mut Session,
    count: Option<u32>,
    piece: u32,
    mut between: impl FnMut(&mut Session) -> Result<(), DeviceError>,
) -> Result<Vec<u8>, DeviceError> {
    let mut buffer = match session.open_log(count, soon())? {
        OpenLog::Empty => return Ok(Vec::new()),
        OpenLog::Whole(data) => return Ok(data),
        OpenLog::Prepared(buffer) => buffer,
    };
    let mut data = Vec::new();
    while data.len() < buffer.size() as usize {
        let start = data.len() as u32;
        let length = piece.min(buffer.size() - start);
        let bytes = buffer.read(session, start, length, soon())?;
        assert_eq!(bytes.len(), length as usize, "exactly the bytes asked for");
        data.extend(bytes);
        between(session)?;
    }
    buffer.release(session, soon())?;
    Ok(data)
}

/// Whether bytes are the log that the device has.
fn is_true(data: Vec<u8>, device: &DeviceHandle, profile: Profile) -> bool {
    let truth = u32::try_from(device.punches().len()).unwrap();
    let Ok(mut table) = PunchTable::parse(data, Some(truth), TODAY) else { return false };
    if profile.layouts().1 == PunchLayout::Short {
        table = table.with_people(device.users().iter().map(|user| (user.uid, user.user_id)));
    }
    are_true_punches(&table, device, profile)
}

#[test]
fn pieces_are_the_whole_on_every_device_whatever_is_said_in_between() {
    for profile in PROFILES {
        let (_simulator, device) = peopled(profile, 30, 2500);
        for carrier in carriers(&device) {
            for piece in [1000, 4096, u32::MAX] {
                let case = format!("{} over {} in pieces of {piece}", profile.name(), carrier.name());
                let mut session = session(&device, carrier);
                let mut said = 0;
                let data = in_pieces(&mut session, Some(2500), piece, |session| {
                    said += 1;
                    session.time(soon())?;
                    session.free_sizes(soon())?;
                    session.test_voice(0, soon())
                });
                let data = data.unwrap_or_else(|error| panic!("{case}: {error}"));
                assert!(is_true(data, &device, profile), "{case}");
                assert!(said > 1 || piece == u32::MAX || profile == Profile::OldUdp, "{case}");
                assert!(!session.is_doubtful(), "{case}");
                let whole = session.punches(TODAY, soon()).unwrap();
                assert!(are_true_punches(&whole, &device, profile), "{case}: and the whole after it");
                session.exit();
            }
        }
    }
}

#[test]
fn a_whole_read_tells_how_far_it_has_got() {
    for profile in PROFILES {
        let (_simulator, device) = peopled(profile, 30, 5000);
        for carrier in carriers(&device) {
            let case = format!("{} over {}", profile.name(), carrier.name());
            let mut session = session(&device, carrier);
            let mut told = Vec::new();
            let read =
                session.punches_in_pieces(TODAY, &mut |there, all| told.push((there, all)), soon()).unwrap();
            assert!(are_true_punches(&read, &device, profile), "{case}");
            assert!(told.is_sorted() && told.iter().all(|(there, all)| there <= all), "{case}: {told:?}");
            // What comes at once is not told.
            assert!(told.last().is_none_or(|(there, all)| there == all), "{case}: {told:?}");
            assert!(told.len() > 1 || profile == Profile::OldUdp, "{case}: {told:?}");
            assert!(!session.is_doubtful(), "{case}");
            session.exit();
        }
    }
}

#[test]
fn any_bytes_of_the_log_can_be_read_and_no_others() {
    let (_simulator, device) = peopled(Profile::Tft, 5, 3000);
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        let mut session = session(&device, carrier);
        let whole = in_pieces(&mut session, None, u32::MAX, |_| Ok(())).unwrap();
        let mut buffer = prepared(session.open_log(None, soon()).unwrap());
        let size = buffer.size();
        assert_eq!(size as usize, whole.len());
        for (start, length) in [
            (0, 4),
            (size - 40, 40),
            (3, 1),
            (0, 0),
            (size, 0),
            (40_000, 70_000),
            (100, buffer.chunk_limit()),
        ] {
            let bytes = buffer.read(&mut session, start, length, soon()).unwrap();
            assert_eq!(bytes, whole[start as usize..][..length as usize], "{length} from {start}");
        }
        for (start, length) in [(size, 1), (0, size + 1), (u32::MAX, 1), (1, u32::MAX), (size - 39, 40)] {
            let error = buffer.read(&mut session, start, length, soon()).unwrap_err();
            assert!(error.keeps_session(), "{error}");
        }
        assert_eq!(buffer.read(&mut session, 4, 40, soon()).unwrap(), whole[4..44], "no harm was done");
        buffer.release(&mut session, soon()).unwrap();
        assert_eq!(device.counters().command(1502), device.counters().command(1503));
        session.exit();
    }
}

#[test]
fn a_buffer_under_which_another_table_was_prepared_is_not_read() {
    let (_simulator, device) = peopled(Profile::Tft, 100, 500);
    let mut session = session(&device, Carrier::Tcp);
    let mut first = prepared(session.open_log(None, soon()).unwrap());
    session.users(soon()).unwrap();
    let chunks = device.counters().command(1504);
    let error = first.read(&mut session, 0, 40, soon()).unwrap_err();
    assert!(error.keeps_session() && error.code() == "incomplete_read", "{error}");
    let mut second = prepared(session.open_log(None, soon()).unwrap());
    let third = prepared(session.open_log(None, soon()).unwrap());
    assert!(second.read(&mut session, 0, 40, soon()).is_err(), "the log once more is another snapshot");
    assert_eq!(device.counters().command(1504), chunks, "nothing was asked for");
    let freed = device.counters().command(1502);
    first.release(&mut session, soon()).unwrap();
    second.release(&mut session, soon()).unwrap();
    assert_eq!(device.counters().command(1502), freed, "what is not theirs they do not give back");
    let mut other = site::session(&device, Carrier::Tcp);
    let mut third = third;
    assert!(third.read(&mut other, 0, 40, soon()).is_err(), "nor is it read in another session");
    assert_eq!(third.read(&mut session, 0, 4, soon()).unwrap(), 20_000u32.to_le_bytes());
    third.release(&mut session, soon()).unwrap();
    session.exit();
}

#[test]
fn a_snapshot_stays_as_it_was_while_people_punch() {
    let (_simulator, device) = peopled(Profile::Tft, 5, 500);
    let mut session = session(&device, Carrier::Tcp);
    let mut people = 0;
    let data = in_pieces(&mut session, Some(500), 4000, |_| {
        let punch = device.punch(device.users()[0].user_id, 0, 1);
        people += u32::from(punch.is_some());
        Ok(())
    });
    assert_eq!(data.unwrap().len(), 4 + 500 * 40);
    assert!(people > 4);
    let after = in_pieces(&mut session, Some(500 + people), 4000, |_| Ok(())).unwrap();
    assert!(is_true(after, &device, Profile::Tft));
    session.exit();
}

#[test]
fn people_who_punch_while_the_log_is_read_are_told_and_disturb_nothing() {
    for profile in [Profile::Tft, Profile::TftBig, Profile::Vl49, Profile::Bw16Udp] {
        let (_simulator, device) = peopled(profile, 5, 1500);
        for carrier in carriers(&device) {
            let case = format!("{} over {}", profile.name(), carrier.name());
            let mut session = session(&device, carrier);
            session.register_events(1, soon()).unwrap();
            let (before, punched) = (device.punches(), device.counters().punches);
            // Somebody punches in the moment in which a chunk is asked for, so the news stands in its answer.
            device.set_fault(Fault::parse("punch@chunk").unwrap());
            let data = in_pieces(&mut session, None, 4000, |session| session.test_voice(0, soon())).unwrap();
            device.clear_faults();
            let stride = profile.layouts().1.stride();
            assert_eq!(data.len(), 4 + before.len() * stride, "{case}");
            let table = PunchTable::parse(data, None, TODAY).unwrap();
            assert!(table.iter().eq(before), "{case}");
            let expected = (device.counters().punches - punched) as usize;
            assert!(expected > 5, "{case}");
            let mut told = 0;
            until("the news", || {
                session.time(soon()).unwrap();
                told += session.take_events().0.len();
                told >= expected
            });
            assert_eq!(told, expected, "{case}");
            session.exit();
        }
    }
}

#[test]
fn an_empty_log_is_empty_unless_the_device_counts_records_in_it() {
    for profile in PROFILES {
        let (_simulator, device) = peopled(profile, 5, 0);
        for carrier in carriers(&device) {
            let mut session = session(&device, carrier);
            for count in [None, Some(0)] {
                assert!(matches!(session.open_log(count, soon()), Ok(OpenLog::Empty)), "{profile}");
                let known = session.open_uncounted_log(count, soon());
                assert!(matches!(known, Ok(OpenLog::Empty)), "{profile}: {known:?}");
            }
            let error = session.open_log(Some(3), soon()).unwrap_err();
            assert_eq!(error.code(), "incomplete_read", "{profile}: {error}");
            assert!(error.keeps_session());
            session.exit();
        }
    }
}

#[test]
fn a_bare_refusal_is_not_taken_for_emptiness_where_the_count_tells_nothing() {
    for profile in [Profile::Tft, Profile::Vl49, Profile::D2] {
        let (_simulator, device) = peopled(profile, 5, 300);
        let mut session = session(&device, Carrier::Tcp);
        device.set_fault(Fault::parse("no-buffer").unwrap());
        let OpenLog::Whole(data) = session.open_uncounted_log(None, soon()).unwrap() else {
            panic!("{profile}")
        };
        assert!(is_true(data, &device, profile), "{profile}");
        session.exit();
    }
}

#[test]
fn a_small_log_and_one_of_old_firmware_come_at_once() {
    for (profile, punches) in [(Profile::Tft, 10), (Profile::OldUdp, 10), (Profile::OldUdp, 3000)] {
        let (_simulator, device) = peopled(profile, 5, punches);
        for carrier in carriers(&device) {
            let mut session = session(&device, carrier);
            let before = device.counters().command(1503);
            for _ in 0..2 {
                let OpenLog::Whole(data) = session.open_log(None, soon()).unwrap() else {
                    panic!("{profile}")
                };
                assert!(is_true(data, &device, profile), "{profile}");
            }
            let tried = device.counters().command(1503) - before;
            assert_eq!(
                tried,
                if profile == Profile::OldUdp { 1 } else { 2 },
                "{profile}: that is remembered"
            );
            session.exit();
        }
    }
}

#[test]
fn a_refused_buffer_leaves_the_direct_form_unless_that_delivers_stale_memory() {
    for (profile, believable) in [(Profile::Tft, true), (Profile::TftDirectBroken, false)] {
        let (_simulator, device) = peopled(profile, 5, 100);
        let mut session = session(&device, Carrier::Tcp);
        device.set_fault(Fault::parse("no-buffer*1").unwrap());
        let OpenLog::Whole(data) = session.open_log(Some(100), soon()).unwrap() else { panic!("{profile}") };
        assert_eq!(is_true(data, &device, profile), believable, "{profile}");
        let next = if believable { Method::Direct } else { Method::Buffered };
        assert_eq!(session.method(), next, "{profile}: what yielded nothing believable is not remembered");
        session.exit();
    }
}

const FAULTS: [&str; 29] = [
    "split:7",
    "drip:1ms@prepare",
    "stray-event",
    "fragments:100",
    "bare-data",
    "double-prepare",
    "missing-ack",
    "early-ack",
    "late-duplicate",
    "udp-duplicate",
    "lying-counts:zero",
    "lying-counts:larger",
    "truncate:1",
    "truncate:40",
    "truncate:40*1",
    "truncate:400+1*1",
    "missing-fragment",
    "missing-fragment*1",
    "missing-ack*1",
    "wrong-total:larger",
    "wrong-total:smaller",
    "wrong-total:smaller*1",
    "udp-drop:10",
    "udp-drop:40",
    "udp-reorder",
    "lying-size-word:larger",
    "lying-size-word:zero",
    "wrong-reply@chunk",
    "late-duplicate@chunk",
];
const ANYWHERE: [&str; 10] = [
    "silent",
    "swallow",
    "close:0",
    "close:9",
    "rst:30",
    "reboot:200ms",
    "forget",
    "forget:unauth",
    "wrong-checksum",
    "oversize",
];
const PLACES: [&str; 8] =
    ["prepare", "chunk", "chunk+2", "free", "announce", "data", "data+3", "closing-ack"];
const THREADS: usize = 48;
const PUNCHES: usize = 450;

struct Case {
    profile: Profile,
    carrier: Carrier,
    fault: String,
}

#[test]
fn no_fault_makes_a_piece_wrong_and_none_outlives_itself() {
    let mut cases = Vec::new();
    for profile in [Profile::Tft, Profile::TftDirectBroken, Profile::TftBig, Profile::Vl49, Profile::Bw16Udp]
    {
        let (_simulator, one) = device(Config { profile, ..Config::default() });
        for carrier in carriers(&one) {
            let mut add = |fault: String| cases.push(Case { profile, carrier, fault });
            FAULTS.iter().for_each(|fault| add((*fault).to_owned()));
            for fault in ANYWHERE {
                PLACES.iter().for_each(|place| add(format!("{fault}@{place}")));
            }
        }
    }
    let (next, struck, read) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(complaint) = play(case, &struck, &read) {
                        let Case { profile, carrier, fault } = case;
                        let complaint =
                            format!("{} over {}: {fault}: {complaint}", profile.name(), carrier.name());
                        complaints.lock().unwrap().push(complaint);
                    }
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    let (struck, read) = (struck.into_inner(), read.into_inner());
    assert!(struck * 10 > cases.len() * 7, "only {struck} of {} faults struck", cases.len());
    assert!(read * 10 > cases.len() * 2, "only {read} of {} reads came to their end", cases.len());
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

fn play(case: &Case, struck: &AtomicUsize, read: &AtomicUsize) -> Result<(), String> {
    let config =
        Config { profile: case.profile, users: 10, punches: PUNCHES, threads: 1, ..Config::default() };
    let (_simulator, device) = device(config);
    let time = Duration::from_millis(450);
    let patience = SessionSettings { connect: time, reply: time, progress: time, farewell: time, ..quick() };
    let connect =
        || Session::connect(target(&device, 0, &[case.carrier]), patience, within(Duration::from_secs(5)));
    let mut session = Some(connect().map_err(|error| error.to_string())?);
    device.set_fault(Fault::parse(&case.fault).unwrap());
    let pieces = |session: &mut Session| {
        let data = in_pieces(session, Some(PUNCHES as u32), 3000, |session| session.time(soon()).map(drop))?;
        Ok::<_, DeviceError>(data)
    };
    let mut outcome = pieces(session.as_mut().unwrap());
    struck.fetch_add(usize::from(device.counters().faults > 0), Ordering::Relaxed);
    device.clear_faults();
    let since = Instant::now();
    for again in 0.. {
        match outcome {
            // What the size word says is for the reader of the bytes to weigh.
            Ok(data) if case.fault.contains("size-word") && again == 0 => {
                if data.len() != device.punches().len() * case.profile.layouts().1.stride() + 4 {
                    return Err(format!("{} bytes", data.len()));
                }
            }
            Ok(data) => {
                if !is_true(data, &device, case.profile) {
                    return Err("wrong bytes".to_owned());
                }
                if again > 0 {
                    return Ok(());
                }
                read.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                if again > 0 && session.is_some() && since.elapsed() > Duration::from_secs(8) {
                    return Err(format!("the next read: {error}"));
                }
                if !error.keeps_session() {
                    session = None;
                }
            }
        }
        if session.as_ref().is_none_or(Session::is_doubtful) {
            drop(session.take());
            // A rebooting device refuses for a while.
            until("the device is back", || {
                session = connect().ok();
                session.is_some()
            });
        }
        outcome = pieces(session.as_mut().unwrap());
    }
    Ok(())
}
