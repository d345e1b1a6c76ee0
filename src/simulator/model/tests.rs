//! Every command, asked of a model without sockets.

use std::time::{Duration, Instant};

use super::*;
use crate::simulator::profile::Profile;
use crate::wire::bulk::{self, Chunk};
use crate::wire::clock_word::ClockWord;
use crate::wire::record::UserId;
use crate::wire::record::user::UserLayout;
use crate::wire::sizes::FreeSizes;

/// A model and one client with a session.
struct Bench {
    model: DeviceModel,
    peer: Peer,
    session: u16,
    now: Instant,
    out: Vec<Outgoing>,
}

fn bench(config: Config) -> Bench {
    let now = Instant::now();
    let present = jiff::civil::date(2026, 7, 14).at(8, 0, 0, 0);
    let population = Population::generate(&config, present);
    let identity = Identity::new(7, "127.0.0.1:4370".parse().unwrap());
    let clock = DeviceClock::showing(present, now);
    let model = DeviceModel::new(&config, identity, &population, clock, now);
    let mut bench = Bench { model, peer: Peer::Tcp(0), session: 0, now, out: Vec::new() };
    bench.ask(1000, &[]);
    bench.session = bench.out[0].session;
    bench
}

fn tft() -> Bench {
    bench(Config { users: 5, punches: 100, templates: 2, ..Config::default() })
}

impl Bench {
    fn ask(&mut self, command: u16, payload: &[u8]) -> Effect {
        let packet = Packet { command: Command(command), session: self.session, reply: 9, payload };
        self.out.clear();
        self.model.handle(self.peer, &packet, self.now, &mut self.out)
    }

    /// The code of the only answer.
    fn code(&mut self, command: u16, payload: &[u8]) -> u16 {
        self.ask(command, payload);
        assert_eq!(self.out.len(), 1, "{command}");
        assert_eq!(self.out[0].reply, 9);
        self.out[0].command.0
    }

    /// The payload of the only answer, which is "done".
    fn given(&mut self, command: u16, payload: &[u8]) -> Vec<u8> {
        assert_eq!(self.code(command, payload), 2000, "{command}");
        self.out[0].body.bytes().to_vec()
    }

    fn data(&mut self, command: u16, payload: &[u8]) -> Vec<u8> {
        self.ask(command, payload);
        let data = self.out.iter().filter(|packet| packet.command == Command::DATA);
        data.flat_map(|packet| packet.body.bytes().to_vec()).collect()
    }
}

#[test]
fn commands_that_only_do_something_say_done() {
    let mut bench = tft();
    for command in [1002, 1003, 1006, 1007, 1013, 1014, 1017, 57, 62, 60, 67, 1502] {
        assert_eq!(bench.code(command, &[]), 2000, "{command}");
    }
    for (command, effect) in [(1004, Effect::Restart), (1005, Effect::PowerOff)] {
        assert_eq!(bench.ask(command, &[]), effect);
        assert_eq!(bench.out[0].command, Command::ACK_OK);
    }
    for command in [61, 3, 400, 2001, 65535, 10004] {
        let expected = if command == 61 { 2001 } else { 65535 };
        assert_eq!(bench.code(command, &[]), expected, "{command}");
    }
}

#[test]
fn what_a_device_says_about_itself() {
    let mut bench = tft();
    assert_eq!(bench.given(1100, &[]), b"Ver 6.60 (build39)\0");
    assert_eq!(bench.given(69, &[0x20, 0x50]), [9]);
    assert_eq!(bench.given(75, &[]), [0]);
    assert_eq!(bench.given(11, b"~SerialNumber\0"), b"~SerialNumber=SIM0000000007\0");
    assert_eq!(bench.given(11, b"TCPPort"), b"TCPPort=4370\0", "without its NUL, too");
    bench.ask(64, &[]);
    assert_eq!((bench.out[0].command, bench.out[0].session), (Command::ACK_OK, 0), "the state is idle");
    let sizes = FreeSizes::parse(&bench.given(50, &[]));
    assert_eq!((sizes.users, sizes.fingerprints, sizes.punches), (Some(5), Some(2), Some(100)));
    assert_eq!((sizes.users_free, sizes.punches_free), (Some(9995), Some(199_900)));
}

#[test]
fn an_absent_option_and_the_free_sizes_depend_on_the_profile() {
    for (profile, code, payload, sizes) in [
        (Profile::Tft, 2001, &b""[..], 92),
        (Profile::Vl49, 4999, b"", 112),
        (Profile::OldUdp, 2000, b"Nonsense=\0", 80),
        (Profile::D2, 2001, b"", 4),
        (Profile::TftBig, 2001, b"", 80),
    ] {
        let mut bench = bench(Config { profile, ..Config::default() });
        assert_eq!(bench.code(11, b"Nonsense\0"), code, "{profile}");
        assert_eq!(bench.out[0].body.bytes(), payload, "{profile}");
        assert_eq!(bench.given(50, &[]).len(), sizes, "{profile}");
    }
}

#[test]
fn an_option_is_written_and_read_back() {
    let mut bench = tft();
    assert_eq!(bench.code(12, b"LockOn=9"), 2000);
    assert_eq!(bench.given(11, b"LockOn\0"), b"LockOn=9\0");
    assert_eq!(bench.code(12, b"no assignment\0"), 2001);
    assert_eq!(bench.code(12, &[b'x'; 3000]), 2001);
}

#[test]
fn the_clock_runs_and_is_set() {
    let mut bench = tft();
    assert_eq!(bench.given(201, &[]), 852_883_200u32.to_le_bytes());
    bench.now += Duration::from_secs(61);
    assert_eq!(bench.given(201, &[]), 852_883_261u32.to_le_bytes());
    let leap = 776_563_199u32.to_le_bytes();
    assert_eq!(bench.code(202, &leap), 2000);
    assert_eq!(bench.given(201, &[]), leap);
    bench.now += Duration::from_secs(1);
    assert_eq!(ClockWord(u32::from_le_bytes(bench.given(201, &[]).try_into().unwrap())).fields().month, 3);
    for impossible in [&744_426_123u32.to_le_bytes()[..], &[0xff; 4], &[1, 2]] {
        assert_eq!(bench.code(202, impossible), 2001);
    }
}

#[test]
fn users_are_written_replaced_demoted_and_deleted() {
    let mut bench = tft();
    let mut user = (*bench.model.users()[0]).clone();
    (user.uid, user.user_id) = (500, UserId::new(b"A77").unwrap());
    let mut record = Vec::new();
    user.emit(UserLayout::FULL, &mut record);
    assert_eq!(bench.code(8, &record), 2000);
    assert_eq!(bench.model.users().last().map(|known| (**known).clone()), Some(user.clone()));
    record[11] = b'Z';
    assert_eq!(bench.code(8, &record), 2000);
    assert_eq!(bench.model.users().len(), 6, "the same uid is the same user");
    assert_eq!(bench.code(8, &record[..28]), 2001, "the other layout");
    record[..2].fill(0);
    assert_eq!(bench.code(8, &record), 2001, "uid 0");
    assert_eq!(bench.code(20, &[]), 2000);
    assert!(bench.model.users().iter().all(|user| user.privilege.0 & 0x0e == 0));
    assert_eq!(bench.code(18, &1u16.to_le_bytes()), 2000);
    assert_eq!(bench.code(18, &1u16.to_le_bytes()), 2001, "gone already");
    assert_eq!((bench.model.users().len(), bench.model.templates.rows().len()), (5, 1));
}

#[test]
fn templates_are_read_and_deleted_one_by_one() {
    let mut bench = tft();
    let truth = bench.model.templates.rows()[0].bytes.clone();
    assert_eq!(bench.data(9, &[1, 0, 6]), truth);
    assert_eq!(bench.data(88, &[1, 0, 6]), [&truth[..], &[1]].concat());
    assert_eq!(bench.code(88, &[1, 0, 5]), 2001);
    assert_eq!(bench.code(19, &[1, 0, 6]), 2000);
    assert_eq!(bench.code(19, &[1, 0, 6]), 2001);
    let mut newer = bench.model.users()[1].user_id.field().to_vec();
    newer.push(6);
    assert_eq!(bench.code(134, &newer), 2000);
    assert_eq!(bench.data(7, &[2]), [0; 4], "none is left");
}

#[test]
fn tables_are_cleared_one_by_one_or_all_at_once() {
    for (command, payload, left) in [
        (15, &[][..], (5, 0, 2)),
        (14, &[1], (5, 0, 2)),
        (14, &[2], (5, 100, 0)),
        (14, &[3], (5, 100, 2)),
        (14, &[5], (0, 100, 0)),
        (14, &[], (0, 0, 0)),
        (33, &[], (5, 100, 2)),
    ] {
        let mut bench = tft();
        assert_eq!(bench.code(command, payload), 2000);
        let model = &bench.model;
        let rows = (model.users().len(), model.punches().count(), model.templates.rows().len());
        assert_eq!(rows, left, "{command} {payload:?}");
    }
    assert_eq!(tft().code(14, &[9]), 2001);
}

#[test]
fn the_operation_log_tells_what_was_done() {
    let mut bench = tft();
    assert_eq!(bench.code(31, &3u32.to_le_bytes()), 2000);
    assert_eq!(bench.code(31, &[]), 2001);
    assert_eq!(bench.model.counters().unlocks, 1);
    let log = bench.data(34, &[]);
    assert_eq!((log.len(), log[4 + 2], log[20 + 2]), (4 + 2 * 16, 0, 29));
}

#[test]
fn a_small_table_comes_at_once_and_a_large_one_through_the_buffer() {
    let mut bench = tft();
    assert_eq!(bench.code(1503, &bulk::Table::USERS.request()), 1501);
    assert_eq!(bench.out[0].body.bytes().len(), 4 + 5 * 72);
    assert_eq!(bulk::buffered_size(&bench.given(1503, &bulk::Table::ATTENDANCE.request())), Ok(4004));
    let before = bench.data(1504, &Chunk { start: 0, size: 4004 }.emit());
    assert_eq!(bench.code(15, &[]), 2000);
    assert_eq!(bench.data(1504, &Chunk { start: 0, size: 4004 }.emit()), before, "a snapshot");
    for (start, size) in [(0, 0), (0, 4005), (4004, 1), (u32::MAX, u32::MAX)] {
        assert_eq!(bench.code(1504, &Chunk { start, size }.emit()), 2001, "{start} {size}");
    }
    assert_eq!(bench.code(1502, &[]), 2000);
    assert_eq!(bench.code(1504, &Chunk { start: 0, size: 4 }.emit()), 2001, "freed");
    assert_eq!(bench.code(1503, &[1, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 2001, "no such table");
}

#[test]
fn an_empty_log_is_told_as_each_family_does() {
    for (profile, code) in [(Profile::Tft, 2001), (Profile::Vl49, 4989)] {
        let mut bench = bench(Config { profile, ..Config::default() });
        assert_eq!(bench.code(1503, &bulk::Table::ATTENDANCE.request()), code);
        assert_eq!(bench.out[0].session, 0, "captured so");
        assert_eq!(bench.code(13, &[]), code);
        assert_eq!(bench.data(1503, &bulk::Table::USERS.request()), [0; 4]);
    }
}

#[test]
fn a_transfer_is_announced_numbered_and_summed_up() {
    let mut bench = tft();
    bench.ask(13, &[]);
    let seen: Vec<_> = bench.out.iter().map(|packet| (packet.command.0, packet.session)).collect();
    let session = bench.session;
    assert_eq!(seen, [(1500, session), (1501, 0), (1501, 1), (1501, 2), (1501, 3), (2000, 4004)]);
    let mut twice = self::bench(Config { profile: Profile::TftBig, punches: 2000, ..Config::default() });
    twice.ask(13, &[]);
    let seen: Vec<_> = twice.out.iter().map(|packet| packet.command.0).collect();
    assert_eq!(seen, [1500, 1500, 1501, 1501, 2000]);
    assert_eq!(twice.out[4].session, (80_004 & 0xffff) as u16);
}

#[test]
fn users_and_templates_are_uploaded_in_one_block() {
    let mut bench = tft();
    let mut user = (*bench.model.users()[0]).clone();
    user.uid = 600;
    let mut users = vec![2];
    user.emit(UserLayout::FULL, &mut users);
    let table = [&[2u8][..], &600u16.to_le_bytes(), &[0x13], &0u32.to_le_bytes()].concat();
    let templates = [&5u16.to_le_bytes()[..], b"hello"].concat();
    let head: Vec<u8> =
        [users.len(), table.len(), templates.len()].iter().flat_map(|n| (*n as u32).to_le_bytes()).collect();
    let block = [head, users, table, templates].concat();
    let upload = |bench: &mut Bench, block: &[u8]| {
        assert_eq!(bench.code(1500, &(block.len() as u32).to_le_bytes()), 2000);
        for part in block.chunks(50) {
            assert_eq!(bench.code(1501, part), 2000);
        }
    };
    upload(&mut bench, &block);
    assert_eq!(bench.code(1501, &[0]), 2001, "more than was announced");
    assert_eq!(bench.given(119, &[]).len(), 4);
    assert_eq!(bench.code(110, &[12, 0, 0, 0, 0, 0, 8, 0]), 2000);
    assert_eq!(bench.model.users().last().map(|known| (**known).clone()), Some(user.clone()));
    assert_eq!(bench.data(9, &[0x58, 2, 3]), b"hello");
    upload(&mut bench, &block[..block.len() - 1]);
    assert_eq!(bench.code(110, &[]), 2001, "cut short");
    upload(&mut bench, b"bare template");
    assert_eq!(bench.code(87, &[0x58, 2, 4, 1, 13, 0]), 2000);
    assert_eq!(bench.data(9, &[0x58, 2, 4]), b"bare template");
    assert_eq!(bench.code(1502, &[]), 2000);
    assert_eq!(bench.code(110, &[]), 2001, "freed");
    assert_eq!(bench.code(1500, &u32::MAX.to_le_bytes()), 2001, "beyond the ceiling");
}

impl Bench {
    fn punch(&mut self) -> Punch {
        let user_id = self.model.users()[0].user_id;
        let who = Verified { user_id, punch_state: 0, verify_mode: 1 };
        self.model.record(who, self.now)
    }

    fn tell(&mut self, after: Duration) {
        let payload = self.model.told(&self.model.last_punch().unwrap());
        self.model.tell(1, &payload, after, self.now);
    }
}

#[test]
fn an_unacknowledged_event_is_repeated_once() {
    let mut bench = tft();
    assert_eq!(bench.code(500, &1u32.to_le_bytes()), 2000);
    let mut out = Vec::new();
    bench.punch();
    bench.tell(Duration::ZERO);
    assert_eq!(bench.model.next_event(), Some(bench.now));
    bench.model.due_events(bench.now, &mut out);
    let due = bench.model.next_event().unwrap();
    assert_eq!((out.len(), due), (1, bench.now + Duration::from_secs(5)));
    bench.model.due_events(due, &mut out);
    bench.model.due_events(due + Duration::from_secs(60), &mut out);
    assert_eq!((out.len(), bench.model.next_event()), (2, None));
    assert_eq!(bench.model.counters().bytes(500), 2 * 48);
    assert_eq!(bench.code(500, &[0; 4]), 2000);
    bench.punch();
    bench.tell(Duration::ZERO);
    assert_eq!(bench.model.next_event(), None, "nobody wants events any more");
}

#[test]
fn a_late_event_does_not_overtake_and_is_not_overtaken_by_its_repetition() {
    let mut bench = tft();
    assert_eq!(bench.code(500, &1u32.to_le_bytes()), 2000);
    bench.punch();
    bench.tell(Duration::from_secs(9));
    let mut out = Vec::new();
    bench.model.due_events(bench.now + Duration::from_secs(8), &mut out);
    assert!(out.is_empty());
    bench.model.due_events(bench.now + Duration::from_secs(9), &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(bench.model.next_event(), Some(bench.now + Duration::from_secs(14)));
}

#[test]
fn a_disabled_device_takes_no_input_unless_it_ignores_that() {
    let mut bench = tft();
    assert_eq!(bench.code(1003, &3u32.to_le_bytes()), 2000);
    assert!(bench.model.is_disabled(bench.now));
    bench.now += Duration::from_secs(3);
    assert!(!bench.model.is_disabled(bench.now), "three seconds have passed");
    assert_eq!(bench.code(1003, &[]), 2000);
    assert_eq!(bench.code(1001, &[]), 2000, "disabled outlives the session");
    assert!(bench.model.is_disabled(bench.now));
    let mut newer = self::bench(Config { profile: Profile::Vl49, ..Config::default() });
    assert_eq!(newer.code(1003, &[]), 2000);
    assert!(!newer.model.is_disabled(newer.now));
}

#[test]
fn a_full_log_loses_its_oldest_records_one_by_one_or_in_blocks() {
    for (block, left) in [(1, 100), (10, 91)] {
        let config =
            Config { users: 5, punches: 100, log_capacity: 100, wrap_block: block, ..Config::default() };
        let mut bench = self::bench(config);
        let before: Vec<_> = bench.model.punches().collect();
        let punch = bench.punch();
        let after: Vec<_> = bench.model.punches().collect();
        assert_eq!(after.len(), left);
        assert_eq!(after[..left - 1], before[block..], "block {block}");
        assert_eq!((after[left - 1].time, after[left - 1].user_id), (punch.time, punch.user_id));
        let sizes = FreeSizes::parse(&bench.given(50, &[]));
        assert_eq!((sizes.punches, sizes.punch_capacity), (Some(left as u32), Some(100)));
    }
}

#[test]
fn a_session_ends_with_exit_and_keeps_its_id_on_a_second_connect() {
    let mut bench = tft();
    let first = bench.session;
    assert_eq!(bench.code(1000, &[]), 2000);
    assert_eq!(bench.out[0].session, first);
    assert_eq!(bench.code(1001, &[]), 2000);
    bench.ask(201, &[]);
    assert!(bench.out.is_empty(), "an unknown session");
    bench.session = 0;
    assert_eq!(bench.code(201, &[]), 2005, "no session");
}

#[test]
fn many_senders_do_not_fill_the_memory() {
    let mut bench = tft();
    for port in 1..2000 {
        bench.peer = Peer::Udp(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
        bench.session = 0;
        bench.now += Duration::from_millis(1);
        assert_eq!(bench.code(1000, &[]), 2000);
    }
    assert_eq!(bench.model.session_count(), DeviceModel::SESSIONS_CEILING);
}
