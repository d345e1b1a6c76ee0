//! People at a device: what is recorded of them, what is told of them, and what happens to the log.

use std::time::{Duration, Instant};

use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::bulk::{CHUNK_TCP, Table};
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::command::Command;
use zkgate::wire::event::{Event, LivePunch};
use zkgate::wire::record::UserId;
use zkgate::wire::record::table::PunchTable;
use zkgate::wire::sizes::FreeSizes;

use crate::raw::{Got, Not, PATIENCE, Raw, SILENCE, one};

fn set(device: &DeviceHandle, fault: &str) {
    device.set_fault(Fault::parse(fault).unwrap());
}

fn punch(device: &DeviceHandle) {
    let user_id = device.users()[0].user_id;
    device.punch(user_id, 1, 15).unwrap();
}

/// A device and a client that registered for punches.
fn listening(profile: Profile, udp: bool) -> (Simulator, DeviceHandle, Raw) {
    let (simulator, device) = one(Config { profile, users: 3, punches: 100, ..Config::default() });
    let client = if udp { Raw::udp(device.address()) } else { Raw::tcp(device.address()) };
    let mut client = client.session(0);
    assert_eq!(client.code(500, &1u32.to_le_bytes()), Command::ACK_OK);
    (simulator, device, client)
}

fn event(client: &mut Raw) -> Got {
    let event = client.receive(PATIENCE).unwrap();
    assert_eq!((event.command, event.session, event.reply), (Command::REG_EVENT, 1, 0));
    event
}

#[test]
fn the_news_of_a_punch_is_lost_doubled_late_or_rubbish_and_the_record_is_made() {
    for udp in [false, true] {
        let (_simulator, device, mut client) = listening(Profile::Tft, udp);
        set(&device, "event-lost*1");
        punch(&device);
        assert_eq!(client.receive(SILENCE), Err(Not::Nothing));
        assert_eq!(device.punches().len(), 101);
        punch(&device);
        event(&mut client);

        set(&device, "event-twice*1");
        punch(&device);
        assert_eq!(event(&mut client), event(&mut client));

        set(&device, "event-late:200ms*1");
        let since = Instant::now();
        punch(&device);
        event(&mut client);
        assert!(since.elapsed() >= Duration::from_millis(200));

        set(&device, "event-garbage*1");
        punch(&device);
        let rubbish = event(&mut client).payload;
        assert_eq!(LivePunch::parse(&rubbish), None);

        set(&device, "event-abbreviated*1");
        punch(&device);
        let told = LivePunch::parse(&event(&mut client).payload).unwrap();
        let last = *device.punches().last().unwrap();
        assert_eq!((told.verify_mode, told.punch_state, told.time), (0, 255, last.time.fields()));
        assert_eq!((last.verify_mode, last.punch_state), (15, 1));
        assert_eq!((device.punches().len(), device.counters().punches), (106, 6));
        assert_eq!(device.counters().faults, 5);
    }
}

#[test]
fn several_punches_are_told_in_one_packet() {
    for (profile, count) in
        [(Profile::Tft, 2), (Profile::TftBig, 3), (Profile::OldUdp, 6), (Profile::Bw16Udp, 5)]
    {
        let (_simulator, device, mut client) = listening(profile, true);
        set(&device, &format!("event-batch:{count}"));
        for _ in 1..count {
            punch(&device);
        }
        assert_eq!(client.receive(SILENCE), Err(Not::Nothing), "{profile}");
        punch(&device);
        let Got { command, session, reply, payload } = event(&mut client);
        let packet = zkgate::wire::packet::Packet { command, session, reply, payload: &payload };
        let told = Event::each(&packet).filter(|event| matches!(event, Event::Punch { .. })).count();
        assert_eq!(told, count, "{profile}");
    }
}

#[test]
fn somebody_punches_in_the_moment_of_a_request() {
    for (scope, command, payload) in [
        ("sizes", 50, &[][..]),
        ("prepare", 1503, &Table::ATTENDANCE.request()),
        ("clear-log", 15, &[]),
        ("enable", 1002, &[]),
        ("disable", 1003, &[]),
    ] {
        for (when, after) in [("before", false), ("after", true)] {
            let (_simulator, device, mut client) = listening(Profile::Tft, false);
            set(&device, &format!("punch:{when}@{scope}*1"));
            client.send(Command(command), payload);
            let mut got = [client.receive(PATIENCE).unwrap(), client.receive(PATIENCE).unwrap()];
            got.sort_by_key(|got| got.command);
            let [event, answer] = got;
            assert_eq!(
                (event.command, answer.command),
                (Command::REG_EVENT, Command::ACK_OK),
                "{scope} {when}"
            );
            let expected = match (command, after) {
                (15, true) => 1,
                (15, false) => 0,
                _ => 101,
            };
            assert_eq!(device.punches().len(), expected, "{scope} {when}");
            if command == 50 {
                let counted = FreeSizes::parse(&answer.payload).punches;
                assert_eq!(counted, Some(if after { 100 } else { 101 }), "{when}");
            }
            if command == 1503 {
                let size = zkgate::wire::bulk::buffered_size(&answer.payload).unwrap();
                assert_eq!(size, if after { 4004 } else { 4044 }, "{when}");
            }
            assert_eq!(client.code(50, &[]), Command::ACK_OK, "it is spent");
            assert_eq!(device.counters().punches, 1);
        }
    }
    let (_simulator, device) = one(Config { punches: 100, ..Config::default() });
    let mut client = Raw::tcp(device.address()).session(0);
    set(&device, "punch@chunk");
    assert_eq!(client.table(Table::ATTENDANCE, 1000).len(), 4004, "the snapshot was taken before");
    assert_eq!(device.punches().len(), 105, "and somebody punched at each of its five chunks");
    assert_eq!(device.punches().last().unwrap().user_id, UserId::from_number(1001), "with nobody enrolled");
}

#[test]
fn disabling_keeps_people_away_unless_it_is_ignored() {
    let (_simulator, device) = one(Config { users: 1, ..Config::default() });
    let mut client = Raw::tcp(device.address()).session(0);
    let user_id = device.users()[0].user_id;
    assert_eq!(client.code(1003, &[]), Command::ACK_OK);
    assert!(device.punch(user_id, 0, 1).is_none());
    assert_eq!(device.punch_many(9), 0);
    assert_eq!(client.code(1002, &[]), Command::ACK_OK);
    set(&device, "ignore-disable");
    assert_eq!(client.code(1003, &[]), Command::ACK_OK);
    assert!(device.punch(user_id, 0, 1).is_some() && !device.is_disabled());
    device.clear_faults();
    assert_eq!(client.code(1003, &[]), Command::ACK_OK);
    assert!(device.is_disabled());
}

#[test]
fn a_refused_buffer_leaves_the_direct_form() {
    for (fault, code) in [("no-buffer", 2001), ("no-buffer:unknown", 65_535)] {
        let (_simulator, device) = one(Config { punches: 100, ..Config::default() });
        let mut client = Raw::tcp(device.address()).session(0);
        set(&device, fault);
        assert_eq!(client.code(1503, &Table::ATTENDANCE.request()), Command(code));
        client.send(Command::ATTLOG_RRQ, &[]);
        assert_eq!(crate::raw::data(&client.transfer()).len(), 4004);
    }
}

#[test]
fn the_log_wraps_is_cleared_and_damaged_under_a_client_that_reads_it() {
    let (_simulator, device) =
        one(Config { users: 3, punches: 100, log_capacity: 100, wrap_block: 10, ..Config::default() });
    let mut client = Raw::tcp(device.address()).session(0);
    let before = device.punches();
    let mut read = || {
        let data = client.table(Table::ATTENDANCE, CHUNK_TCP);
        let table = PunchTable::parse(data, None, ClockWord::MAX).unwrap();
        (table.slots(), table.iter().collect::<Vec<_>>())
    };
    punch(&device);
    let (slots, punches) = read();
    assert_eq!((slots, &punches[..90]), (91, &before[10..]));
    assert_eq!(punches, device.punches());
    device.wrap(20);
    assert_eq!(read().1[..70], before[30..]);
    device.damage_record(0, &[0; 40]);
    device.damage_record(1, &[0xff; 4]);
    let (slots, punches) = read();
    assert_eq!((slots, punches.len()), (71, 70), "one of them is blank");
    assert_ne!(punches[0].user_id, before[31].user_id);
    assert_eq!(punches[1..69], before[32..]);
    device.set_log_capacity(5, 1);
    assert_eq!(read().1, device.punches());
    assert_eq!(device.punch_many(3), 3);
    assert_eq!(read().0, 5);
    device.clear_log();
    punch(&device);
    assert_eq!(read(), (1, device.punches()));
    let record = client.table(Table::ATTENDANCE, CHUNK_TCP)[4..6].to_vec();
    assert_eq!(record, [1, 0], "its numbers begin again");
    assert_eq!(device.counters().clears, 1);
}

#[test]
fn another_device_behind_the_same_address_has_another_serial_number() {
    let (_simulator, device) = one(Config::default());
    let mut client = Raw::tcp(device.address()).session(0);
    device.set_serial("SIM0000000099");
    let answer = client.ask(Command::OPTIONS_RRQ, b"~SerialNumber\0").unwrap();
    assert_eq!(answer.payload, b"~SerialNumber=SIM0000000099\0");
    assert_eq!(device.serial_number(), "SIM0000000099");
}

#[test]
fn what_a_device_sends_is_counted_by_what_was_asked() {
    for udp in [false, true] {
        let (_simulator, device) = one(Config { users: 3, punches: 1000, ..Config::default() });
        let client = if udp { Raw::udp(device.address()) } else { Raw::tcp(device.address()) };
        let mut client = client.session(0);
        let size = client.table(Table::ATTENDANCE, 16_384).len() as u64;
        let counters = device.counters();
        let header = if udp { 8 } else { 16 };
        assert_eq!(counters.bytes(1503), header + 13);
        let chunks = counters.command(1504);
        assert_eq!(chunks, 3);
        let packets = if udp { 16 + 16 + 8 } else { 3 };
        assert_eq!(counters.bytes(1504), size + chunks * (header + 8 + header) + packets * header);
        assert_eq!(counters.bytes(1502), header);
        set(&device, "truncate:40@chunk");
        let before = counters.bytes(1504);
        client.ask(Command::DATA_WRRQ, &Table::ATTENDANCE.request()).unwrap();
        client.send(Command::DATA_RDY, &zkgate::wire::bulk::Chunk { start: 0, size: 1000 }.emit());
        client.all();
        assert_eq!(device.counters().bytes(1504) - before, 3 * header + 8 + 960, "as it was sent");
    }
}

#[test]
fn half_a_million_punches_are_made_in_a_moment_and_shared_until_they_change() {
    let since = Instant::now();
    let config = Config { devices: 20, users: 100, punches: 500_000, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    // Far less would do; a debug build on a busy machine is slow.
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    assert!(memory() < 200 << 20, "twenty logs of 20 MB each take {} bytes", memory());
    let sizes =
        Raw::tcp(simulator.devices()[7].address()).session(0).ask(Command::GET_FREE_SIZES, &[]).unwrap();
    assert_eq!(FreeSizes::parse(&sizes.payload).punches, Some(500_000));
}
