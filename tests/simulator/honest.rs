//! What an honest device answers, byte by byte and table by table.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;
use zkgate::simulator::{Config, Profile, Simulator};
use zkgate::wire::bulk::{CHUNK_TCP, CHUNK_UDP, Table};
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::command::Command;
use zkgate::wire::record::punch::{Punch, PunchLayout};
use zkgate::wire::record::table::{PunchTable, UserTable};
use zkgate::wire::record::user::{User, UserLayout};

use crate::raw::{Got, Not, PATIENCE, Raw, SILENCE, one};

struct Step {
    name: String,
    from_client: bool,
    bytes: Vec<u8>,
}

/// One of the recorded conversations, in order.
fn conversation(name: &str) -> Vec<Step> {
    let text = std::fs::read_to_string("tests/data/protocol-vectors.jsonl").unwrap();
    let mut steps: Vec<(u64, Step)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|vector| vector["decoded"]["sequence"] == name)
        .map(|vector| {
            let bytes = hex(vector["hex"].as_str().unwrap());
            let from_client = vector["decoded"]["dir"] == "c2d";
            let name = vector["name"].as_str().unwrap().to_owned();
            (vector["decoded"]["step"].as_u64().unwrap(), Step { name, from_client, bytes })
        })
        .collect();
    assert!(!steps.is_empty(), "{name}");
    steps.sort_by_key(|(step, _)| *step);
    steps.into_iter().map(|(_, step)| step).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Says the client's part and compares the device's part.
fn replay(client: &mut Raw, name: &str, udp: bool) {
    for step in conversation(name) {
        if step.from_client {
            client.send_bytes(&step.bytes);
            continue;
        }
        let got = client.receive(PATIENCE).unwrap();
        let packet = zkgate::wire::packet::Packet {
            command: got.command,
            session: got.session,
            reply: got.reply,
            payload: &got.payload,
        };
        let mut bytes = Vec::new();
        if udp {
            packet.emit(&mut bytes)
        } else {
            zkgate::wire::frame::emit(&packet, &mut bytes)
        }
        assert_eq!(bytes, step.bytes, "{}", step.name);
    }
}

#[test]
fn the_recorded_logins_are_answered_byte_by_byte() {
    for name in ["auth", "authfail"] {
        let (_simulator, device) = one(Config {
            comm_key: CommKey::new(123_456).unwrap(),
            first_session: Some(0x2a31),
            ..Config::default()
        });
        replay(&mut Raw::tcp(device.address()), name, false);
    }
}

#[test]
fn the_recorded_conversation_of_an_old_device_is_answered_byte_by_byte() {
    let (_simulator, device) =
        one(Config { profile: Profile::OldUdp, first_session: Some(0x574c), ..Config::default() });
    // The tables of the recording, taken from its data packets.
    let steps = conversation("udp-old");
    let payload = |step: usize| &steps[step].bytes[8 + 4..];
    let users = payload(4).chunks(28).map(|record| User::parse(record, UserLayout::Compact).unwrap());
    device.set_users(&users.collect::<Vec<_>>());
    let punches = payload(8).chunks(8).map(|record| Punch::parse(record, PunchLayout::Short).unwrap());
    device.set_punches(&punches.collect::<Vec<_>>());
    replay(&mut Raw::udp(device.address()), "udp-old", true);
}

#[test]
fn every_device_profile_gives_its_tables_whole_over_each_transport() {
    for profile in Profile::ALL {
        let (_simulator, device) = one(Config { profile, users: 130, punches: 3000, ..Config::default() });
        let mut clients = Vec::new();
        if device.speaks_tcp() && profile != Profile::Secure {
            clients.push((Raw::tcp(device.address()), CHUNK_TCP));
        }
        if device.speaks_udp() {
            clients.push((Raw::udp(device.address()), CHUNK_UDP));
        }
        for (client, chunk) in clients {
            let mut client = client.session(0);
            let (users, punches) = if profile == Profile::OldUdp {
                assert_eq!(client.code(1503, &Table::USERS.request()), Command::ACK_UNKNOWN);
                let mut direct = |table: Table| {
                    client.send(table.command, &table.direct_request());
                    crate::raw::data(&client.transfer())
                };
                (direct(Table::USERS), direct(Table::ATTENDANCE))
            } else {
                (client.table(Table::USERS, chunk), client.table(Table::ATTENDANCE, chunk))
            };
            let users = UserTable::parse(users, Some(130)).unwrap();
            assert_eq!(users.iter().collect::<Vec<_>>(), device.users(), "{profile}");
            let punches = PunchTable::parse(punches, Some(3000), ClockWord::MAX).unwrap();
            assert_eq!(punches.iter().collect::<Vec<_>>(), device.punches(), "{profile}");
        }
    }
}

#[test]
fn a_command_before_connect_or_auth_is_answered_2005_and_a_foreign_session_with_silence() {
    let (_simulator, device) = one(Config { comm_key: CommKey::new(7).unwrap(), ..Config::default() });
    for mut client in [Raw::tcp(device.address()), Raw::udp(device.address())] {
        assert_eq!(client.code(201, &[]), Command::ACK_UNAUTH, "before CONNECT");
        let hello = client.ask(Command::CONNECT, &[]).unwrap();
        client.session = hello.session;
        assert_eq!(client.code(201, &[]), Command::ACK_UNAUTH, "before AUTH");
        let mut client = client.session(7);
        client.send_as(Command::GET_TIME, client.session ^ 1, 9, &[]);
        assert_eq!(client.receive(SILENCE), Err(Not::Nothing), "a foreign session");
        assert_eq!(client.code(201, &[]), Command::ACK_OK);
    }
}

#[test]
fn a_wrong_checksum_is_not_answered() {
    let (_simulator, device) = one(Config::default());
    let mut client = Raw::tcp(device.address()).session(0);
    let mut bytes = Vec::new();
    let packet = zkgate::wire::packet::Packet {
        command: Command::GET_TIME,
        session: client.session,
        reply: 1,
        payload: &[],
    };
    zkgate::wire::frame::emit(&packet, &mut bytes);
    bytes[10] ^= 1;
    client.send_bytes(&bytes);
    assert_eq!(client.receive(SILENCE), Err(Not::Nothing));
    assert_eq!(client.code(201, &[]), Command::ACK_OK, "the connection lives on");
    assert_eq!(device.counters().ignored, 1);
}

#[test]
fn strangers_on_the_port_answer_in_their_own_way() {
    let hello = |profile| {
        let (simulator, device) = one(Config { profile, ..Config::default() });
        let mut client = Raw::tcp(device.address());
        client.send(Command::CONNECT, &[]);
        (simulator, client)
    };
    let (_s, mut panel) = hello(Profile::Panel);
    assert_eq!(panel.bytes(9).0.concat(), [0xaa, 1, 0xc9, 1, 0, 0xf3, 0x13, 0xd9, 0x55]);
    let (_s, mut http) = hello(Profile::Http);
    let (bytes, end) = http.bytes(usize::MAX);
    assert!(bytes.concat().starts_with(b"HTTP/1.1 400"));
    assert_eq!(end, Some(Not::Closed));
    let (_s, mut push) = hello(Profile::PushSilent);
    assert_eq!(push.receive(SILENCE), Err(Not::Nothing));
    let (_s, mut old) = hello(Profile::OldUdp);
    assert_eq!(old.receive(SILENCE), Err(Not::Nothing));
    let (_s, mut secure) = hello(Profile::Secure);
    assert_eq!(secure.receive(PATIENCE).unwrap().command, Command::ACK_SECURE);
}

#[test]
fn a_punch_reaches_who_registered_and_stands_in_the_log() {
    for (profile, length) in
        [(Profile::OldUdp, 10), (Profile::Bw16Udp, 12), (Profile::Tft, 32), (Profile::TftBig, 52)]
    {
        let (_simulator, device) = one(Config { profile, users: 3, ..Config::default() });
        let mut client = Raw::udp(device.address()).session(0);
        assert_eq!(client.code(500, &1u32.to_le_bytes()), Command::ACK_OK);
        let user = device.users()[1].clone();
        let punch = device.punch(user.user_id, 1, 1).unwrap();
        let event = client.receive(PATIENCE).unwrap();
        assert_eq!((event.command, event.session, event.reply), (Command::REG_EVENT, 1, 0));
        assert_eq!(event.payload.len(), length, "{profile}");
        let live = zkgate::wire::event::LivePunch::parse(&event.payload).unwrap();
        assert_eq!((live.punch_state, live.verify_mode), (1, 1));
        assert_eq!(live.time, punch.time.fields());
        client.send_as(Command::ACK_OK, client.session, 0, &[]);
        assert_eq!(client.code(201, &[]), Command::ACK_OK, "an acknowledgement is not answered");
        assert_eq!(device.counters().event_acks, 1);
        assert_eq!(device.punches(), [punch]);
    }
}

#[test]
fn a_thousand_devices_start_at_once_on_a_fixed_number_of_threads() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().filter(named).count();
    fn named(task: &std::io::Result<std::fs::DirEntry>) -> bool {
        let name = std::fs::read_to_string(task.as_ref().unwrap().path().join("comm"));
        name.is_ok_and(|name| name.starts_with("crowd-"))
    }
    assert_eq!(threads(), 0);
    let begun = Instant::now();
    let config =
        Config { devices: 1000, users: 200, punches: 2000, name: "crowd".into(), ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    // A thread writes its name itself, a moment after it has begun, and is listed a moment after it has ended.
    let settles_at = |expected: usize| {
        let end = Instant::now() + PATIENCE;
        while threads() != expected && Instant::now() < end {
            std::thread::yield_now();
        }
        assert_eq!(threads(), expected);
    };
    settles_at(2);
    for device in [&simulator.devices()[0], &simulator.devices()[999]] {
        assert_eq!(Raw::tcp(device.address()).session(0).code(201, &[]), Command::ACK_OK);
    }
    let address = simulator.devices()[500].address();
    drop(simulator);
    settles_at(0);
    TcpListener::bind(address).unwrap();
    std::net::UdpSocket::bind(address).unwrap();
}

#[test]
fn consecutive_ports_are_taken_or_refused() {
    let (_other, taken) = one(Config::default());
    let config = Config { first_port: taken.address().port(), ..Config::default() };
    assert_eq!(Simulator::start(config).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let beyond = Config { first_port: 65_535, devices: 2, ..Config::default() };
    assert!(Simulator::start(beyond).is_err());
}

#[test]
fn a_reboot_forgets_everything_but_the_tables() {
    let (_simulator, device) = one(Config { users: 3, ..Config::default() });
    let mut client = Raw::tcp(device.address()).session(0);
    let mut datagrams = Raw::udp(device.address()).session(0);
    device.reboot(Duration::from_secs(3600));
    assert_eq!(client.receive(PATIENCE), Err(Not::Reset));
    let refused = std::net::TcpStream::connect(device.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    device.reboot(Duration::ZERO);
    assert_eq!(Raw::tcp(device.address()).session(0).code(201, &[]), Command::ACK_OK);
    datagrams.send(Command::GET_TIME, &[]);
    assert!(matches!(datagrams.receive(SILENCE), Err(Not::Nothing | Not::Reset)));
    assert_eq!((device.counters().restarts, device.users().len()), (2, 3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_from_a_client_stop_a_device(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        requests in proptest::collection::vec(
            (prop_oneof![0u16..140, 200u16..203, Just(500), 1000u16..1018, 1100u16..1103, 1500u16..1505, any::<u16>()],
             proptest::collection::vec(any::<u8>(), 0..90)),
            0..12,
        ),
    ) {
        static DEVICE: std::sync::OnceLock<(Simulator, zkgate::simulator::DeviceHandle)> = std::sync::OnceLock::new();
        let (_, device) = DEVICE.get_or_init(|| one(Config {
            users: 5, punches: 50, restart_time: Duration::ZERO, ..Config::default()
        }));
        for (command, payload) in requests {
            if matches!(command, 1001 | 1004 | 1005) {
                continue;
            }
            let mut client = Raw::udp(device.address()).session(0);
            client.send(Command(command), &payload);
            let _ = client.receive(Duration::from_millis(1));
        }
        let mut client = Raw::tcp(device.address());
        client.send_bytes(&bytes);
        let answer: Result<Got, Not> = Raw::tcp(device.address()).session(0).ask(Command::GET_TIME, &[]);
        prop_assert!(answer.is_ok());
    }
}
