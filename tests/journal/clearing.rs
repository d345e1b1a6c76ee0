//! Clearing a device's log: only what is in the journal, only on purpose, once; and people can use the device again
//! whatever happens.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rusqlite::Connection;
use zkgate::device::{Session, SessionSettings};
use zkgate::journal::clear::{Cleared, Inspection, Unsafe};
use zkgate::registry::Refusal;
use zkgate::simulator::{Config, Profile};

use crate::rig::{
    CLEAR_LOG, DISABLE, ENABLE, PATIENCE, Rig, Setup, Site, each, is_live, one, one_of, punch, set, soon,
    target, tick, until,
};

type Inspected = Result<Result<(Inspection, String), Unsafe>, Refusal>;

fn try_inspect(rig: &Rig, number: usize) -> Inspected {
    let (tell, told) = channel();
    rig.collector.inspect(&rig.ids[number], rig.soon(), move |result| drop(tell.send(result)));
    told.recv_timeout(PATIENCE).expect("a dry run is answered")
}

fn inspect(rig: &Rig, number: usize) -> (Inspection, String) {
    try_inspect(rig, number).unwrap().unwrap()
}

/// Begins a clearing; `None` when the value confirms nothing.
fn begin(rig: &Rig, number: usize, value: &str) -> Option<Receiver<Result<Cleared, Refusal>>> {
    let (tell, told) = channel();
    let begun =
        rig.collector.clear(&rig.ids[number], value, rig.soon(), move |result| drop(tell.send(result)));
    begun.then_some(told)
}

fn clear(rig: &Rig, number: usize) -> Result<Cleared, Refusal> {
    let (_, value) = inspect(rig, number);
    clear_with(rig, number, &value)
}

fn clear_with(rig: &Rig, number: usize, value: &str) -> Result<Cleared, Refusal> {
    begin(rig, number, value)
        .expect("it is confirmed")
        .recv_timeout(PATIENCE)
        .expect("a clearing is answered")
}

/// What holds after every clearing that was not done: the log is there, and people can punch.
fn nothing_happened(rig: &Rig, records: usize, name: &str) {
    let device = rig.device(0);
    assert_eq!(device.counters().clears, 0, "{name}");
    assert_eq!(device.punches().len(), records, "{name}");
    until("people can use it", || !device.is_disabled());
    rig.read(0);
    rig.has_all_of(0);
    assert!(rig.gaps(0).is_empty(), "{name}: {:?}", rig.gaps(0));
}

#[test]
fn a_log_is_cleared_once_all_of_it_is_in_the_journal() {
    each([Profile::Tft, Profile::OldUdp, Profile::Bw16Udp, Profile::Vl49, Profile::D2], |profile| {
        let (_site, rig) = one(profile, 300);
        rig.settled(0);
        let device = rig.device(0);
        let (inspection, value) = inspect(&rig, 0);
        assert_eq!((inspection.records, inspection.in_journal), (300, 300), "{profile}");
        assert_eq!(device.counters().command(DISABLE), 0, "{profile}: a dry run disturbs nobody");
        assert_eq!(device.punches().len(), 300, "{profile}");
        let before = rig.rows();
        let done = clear_with(&rig, 0, &value).unwrap();
        let Cleared::Done { inspection, window, .. } = done else { panic!("{profile}: {done:?}") };
        assert_eq!(inspection.in_journal, 300, "{profile}");
        assert!(window.0.is_some() && window.0 <= window.1, "{profile}");
        let counters = device.counters();
        assert_eq!((counters.clears, counters.command(CLEAR_LOG)), (1, 1), "{profile}");
        assert!(device.punches().is_empty() && !device.is_disabled(), "{profile}");
        rig.read(0);
        assert!(rig.rows() == before && rig.gaps(0).is_empty(), "{profile}");
        // Life goes on.
        punch(device);
        until("a punch is a row", || rig.count() == 301);
        rig.read(0);
        rig.read_everything(0);
        assert_eq!((rig.count(), rig.gaps(0).len()), (301, 0), "{profile}");
    });
}

#[test]
fn an_empty_log_can_be_cleared_too() {
    let (_site, rig) = one(Profile::Tft, 0);
    rig.settled(0);
    assert!(matches!(clear(&rig, 0), Ok(Cleared::Done { .. })));
    assert!(!rig.device(0).is_disabled() && rig.gaps(0).is_empty());
}

#[test]
fn a_confirmation_serves_once_for_its_device_and_for_ten_minutes() {
    let config = Config { devices: 2, users: 5, punches: 50, ..Config::default() };
    let (_site, rig) = one_of(config, &Setup::default());
    (0..2).for_each(|number| rig.settled(number));
    let (_, value) = inspect(&rig, 0);
    for wrong in ["", "0", &value[1..], &value.to_uppercase().replace('0', "1")] {
        assert!(begin(&rig, 0, wrong).is_none(), "{wrong:?}");
    }
    assert!(begin(&rig, 1, &value).is_none(), "it is another device's");
    assert!(matches!(clear_with(&rig, 0, &value), Ok(Cleared::Done { .. })));
    assert!(begin(&rig, 0, &value).is_none(), "it was used");
    let (_, old) = inspect(&rig, 1);
    let (_, new) = inspect(&rig, 1);
    assert!(begin(&rig, 1, &old).is_none(), "a later dry run counts");
    rig.clock.advance(Duration::from_secs(601));
    assert!(begin(&rig, 1, &new).is_none(), "it is too old");
    assert_eq!(rig.device(1).counters().clears + rig.device(1).counters().command(DISABLE), 0);
}

#[test]
fn a_log_with_a_record_that_is_not_in_the_journal_is_not_cleared() {
    let site = Site::of(Config { users: 20, punches: 100, ..Config::default() });
    site.start(&Setup::default()).stop();
    // A database that loses rows of one person without a word.
    let connection = Connection::open(site.state.path().join("journal.db")).unwrap();
    connection
        .execute_batch(
            "delete from punch; update terminal set complete = 0, records = 0, overlap = 0;
             create trigger lose before insert on punch when new.person = '1003'
             begin select raise(ignore); end;",
        )
        .unwrap();
    let rig = site.start(&Setup::default());
    rig.settled(0);
    let lost = site.device(0).punches().iter().filter(|punch| punch.user_id.to_text() == "1003").count();
    assert!(lost > 0);
    let found = try_inspect(&rig, 0).unwrap();
    let Err(Unsafe::Missing(inspection)) = found else { panic!("{found:?}") };
    assert_eq!(inspection.records - inspection.in_journal, lost as u64);
    assert_eq!(site.device(0).punches().len(), 100);
}

#[test]
fn a_punch_during_the_read_or_before_the_clearing_is_a_reason_not_to() {
    each([Profile::Tft, Profile::Vl49, Profile::OldUdp], |profile| {
        let prepare = if profile == Profile::OldUdp { "13" } else { "prepare" };
        for (fault, told) in [
            (format!("punch:after@{prepare}*1"), true),
            (format!("punch:after@{prepare}*1"), false),
            ("punch:before@sizes+2*1".to_owned(), true),
            ("punch:before@sizes+2*1".to_owned(), false),
        ] {
            let name = format!("{profile}, {fault}, told: {told}");
            let (_site, rig) = one(profile, 100);
            rig.settled(0);
            let device = rig.device(0);
            let (_, value) = inspect(&rig, 0);
            rig.settled(0);
            set(device, &fault);
            if !told {
                set(device, "event-lost*1");
            }
            let refused = clear_with(&rig, 0, &value);
            assert_eq!(refused.unwrap(), Cleared::Refused(Unsafe::PunchMeanwhile), "{name}");
            device.clear_faults();
            nothing_happened(&rig, 101, &name);
        }
    });
}

#[test]
fn a_punch_in_the_last_moment_is_in_the_journal_by_its_event() {
    each(["punch:before@clear-log*1", "punch:after@clear-log*1", "punch:before@enable*1"], |fault| {
        for ignores in [false, true] {
            let (_site, rig) = one(Profile::Tft, 100);
            rig.settled(0);
            let device = rig.device(0);
            if ignores {
                set(device, "ignore-disable");
            }
            tick(device);
            set(device, fault);
            let done = clear(&rig, 0);
            assert!(matches!(done, Ok(Cleared::Done { .. })), "{fault}: {done:?}");
            until("the punch is a row", || rig.count() == 101);
            rig.read(0);
            // One that came after the clearing is in the new log too.
            let gone = fault == "punch:before@clear-log*1";
            assert_eq!(is_live(rig.rows().last().unwrap()), gone, "{fault}");
            assert_eq!((rig.count(), rig.gaps(0).len()), (101, 0), "{fault}");
        }
    });
}

#[test]
fn a_device_that_is_not_asked_for_events_is_asked_before_its_log_is_cleared() {
    let mut setup = Setup::default();
    setup.collector.live = false;
    let (_site, rig) = one_of(Config { users: 20, punches: 100, ..Config::default() }, &setup);
    rig.settled(0);
    let device = rig.device(0);
    assert_eq!(device.counters().command(crate::rig::REG_EVENT), 0);
    set(device, "punch:before@clear-log*1");
    assert!(matches!(clear(&rig, 0), Ok(Cleared::Done { .. })));
    until("the punch is a row", || rig.count() == 101);
    assert!(is_live(&rig.rows()[100]));
}

#[test]
fn without_the_journal_nothing_is_cleared() {
    let (site, rig) = one(Profile::Tft, 100);
    rig.settled(0);
    let (_, value) = inspect(&rig, 0);
    rig.settled(0);
    let connection = Connection::open(site.state.path().join("journal.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.execute_batch("begin immediate").unwrap();
    let refused = clear_with(&rig, 0, &value);
    assert!(matches!(refused, Ok(Cleared::Refused(Unsafe::Journal(_)))), "{refused:?}");
    assert!(matches!(try_inspect(&rig, 0), Ok(Err(Unsafe::Journal(_)))));
    assert!(!rig.device(0).is_disabled());
    connection.execute_batch("rollback").unwrap();
    until("the journal is well again", || rig.journal.takes_rows());
    nothing_happened(&rig, 100, "the journal was held");
}

#[test]
fn a_clearing_whose_answer_is_lost_is_said_once_and_told_as_unknown() {
    each(["swallow@clear-log*1", "rst:0@clear-log*1", "close:0@clear-log*1"], |fault| {
        let (_site, rig) = one(Profile::Tft, 100);
        rig.settled(0);
        let device = rig.device(0);
        let (_, value) = inspect(&rig, 0);
        set(device, fault);
        let lost = clear_with(&rig, 0, &value);
        assert!(matches!(lost, Err(Refusal::OutcomeUnknown(_))), "{fault}: {lost:?}");
        until("people can use it again", || !device.is_disabled());
        rig.settled(0);
        let counters = device.counters();
        assert_eq!((counters.command(CLEAR_LOG), counters.clears), (1, 1), "{fault}");
        set(device, "event-lost*1");
        punch(device);
        rig.read(0);
        assert_eq!((rig.count(), rig.gaps(0).len()), (101, 0), "{fault}: no gap is made up");
    });
}

#[test]
fn a_session_that_breaks_inside_leaves_no_device_disabled_and_no_log_cleared() {
    each(
        [
            "rst@chunk*1",
            "silent@prepare*1",
            "rst:0@disable*1",
            "rst:0@sizes+2*1",
            "reboot:0ms@time+1*1",
            "swallow@enable*1",
        ],
        |fault| {
            let mut setup = Setup::default();
            setup.registry.session.reply = Duration::from_millis(700);
            let (_site, rig) = one_of(Config { users: 20, punches: 100, ..Config::default() }, &setup);
            rig.settled(0);
            let device = rig.device(0);
            let (_, value) = inspect(&rig, 0);
            rig.settled(0);
            set(device, fault);
            let result = clear_with(&rig, 0, &value);
            until("people can use it again", || !device.is_disabled());
            rig.settled(0);
            assert!(device.counters().faults >= 1, "{fault}");
            let cleared = matches!(result, Ok(Cleared::Done { .. }));
            let counters = device.counters();
            assert!(counters.command(CLEAR_LOG) <= 1, "{fault}");
            assert_eq!(u64::from(cleared), counters.clears, "{fault}: {result:?}");
            assert!(device.counters().command(ENABLE) >= 1, "{fault}");
            assert_eq!((rig.count(), rig.gaps(0).len()), (100, 0), "{fault}");
        },
    );
}

#[test]
fn a_device_that_was_left_disabled_is_enabled_at_the_next_start() {
    let site = Site::of(Config { users: 20, punches: 100, ..Config::default() });
    let device = site.device(0);
    let mut session = Session::connect(target(device), SessionSettings::default(), soon()).unwrap();
    let (_, _) = session.while_disabled(soon(), |session| {
        session.register_events(1, soon())?;
        // The power goes.
        device.drop_connections(zkgate::simulator::How::Rst);
        session.time(soon())
    });
    drop(session);
    assert!(device.is_disabled());
    let rig = site.start(&Setup::default());
    until("people can use it", || !device.is_disabled());
    rig.settled(0);
    assert_eq!(device.counters().command(ENABLE), 1);
    rig.has_all_of(0);
}

#[test]
fn a_clearing_that_was_not_confirmed_by_the_device_that_answers_is_refused() {
    let (_site, rig) = one(Profile::Tft, 100);
    rig.settled(0);
    let device = rig.device(0);
    let (_, value) = inspect(&rig, 0);
    device.set_serial("SIM0000000777");
    device.reboot(Duration::ZERO);
    until("the other one was read", || rig.cursor("SIM0000000777").complete);
    let refused = clear_with(&rig, 0, &value);
    assert!(matches!(refused, Ok(Cleared::Refused(Unsafe::NotRead(_)))), "{refused:?}");
    assert_eq!((device.counters().clears, device.is_disabled()), (0, false));
}

#[test]
fn a_device_that_refuses_what_a_clearing_needs_keeps_its_log() {
    each(["reject@500", "reject@disable", "reject@clear-log", "reject@enable"], |fault| {
        let mut setup = Setup::default();
        setup.collector.live = false;
        let (_site, rig) = one_of(Config { users: 20, punches: 100, ..Config::default() }, &setup);
        rig.settled(0);
        let device = rig.device(0);
        let (_, value) = inspect(&rig, 0);
        set(device, fault);
        let result = clear_with(&rig, 0, &value);
        device.clear_faults();
        match fault {
            "reject@500" => assert_eq!(result, Ok(Cleared::Refused(Unsafe::NoLiveEvents))),
            "reject@enable" => assert!(matches!(result, Ok(Cleared::Done { .. })), "{result:?}"),
            _ => assert!(matches!(result, Err(Refusal::Failed(_))), "{fault}: {result:?}"),
        }
        until("people can use it", || !device.is_disabled());
        rig.read(0);
        let cleared = u64::from(fault == "reject@enable");
        assert_eq!(device.counters().clears, cleared, "{fault}");
        assert_eq!((rig.count(), rig.gaps(0).len()), (100, 0), "{fault}");
    });
}

#[test]
fn a_device_that_tells_nothing_live_is_read_all_the_same() {
    let site = Site::of(Config { users: 20, punches: 100, ..Config::default() });
    set(site.device(0), "reject@500");
    let rig = site.start(&Setup::polling(Duration::from_millis(200)));
    until("it was read", || rig.status(0).proved.is_some());
    assert_eq!(rig.status(0).live, zkgate::journal::status::Live::Refused);
    tick(rig.device(0));
    punch(rig.device(0));
    until("a punch is polled", || rig.count() == 101);
    rig.has_all_of(0);
}
