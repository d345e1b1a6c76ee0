//! Each fault does on the wire what its description says.

use std::time::{Duration, Instant};

use zkgate::simulator::{Config, DeviceHandle, Fault, Profile, Simulator};
use zkgate::wire::bulk::{Announcement, CHUNK_TCP, CHUNK_UDP, Chunk, Table};
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::command::Command;
use zkgate::wire::frame::FrameError;
use zkgate::wire::packet::{Checksums, PacketError};
use zkgate::wire::record::punch::{Punch, PunchLayout};
use zkgate::wire::record::table::{PunchTable, UserTable};
use zkgate::wire::sizes::FreeSizes;

use crate::raw::{Got, Not, PATIENCE, Raw, SILENCE, data, one};

const PUNCHES: u32 = 100;
pub(crate) const SIZE: u32 = 4 + 40 * PUNCHES;

/// A device with a hundred punches, and sessions that were opened before anything went wrong.
pub(crate) struct Scene {
    _simulator: Simulator,
    pub(crate) device: DeviceHandle,
    pub(crate) tcp: Raw,
    pub(crate) udp: Raw,
}

pub(crate) fn scene(fault: &str) -> Scene {
    // A device whose chunks come in several packets.
    let profile = Profile::TftDirectBroken;
    let config = Config { profile, users: 20, punches: PUNCHES as usize, ..Config::default() };
    let (simulator, device) = one(config);
    let tcp = Raw::tcp(device.address()).session(0);
    let udp = Raw::udp(device.address()).session(0);
    let mut scene = Scene { _simulator: simulator, device, tcp, udp };
    for client in [&mut scene.tcp, &mut scene.udp] {
        let buffered = client.ask(Command::DATA_WRRQ, &Table::ATTENDANCE.request()).unwrap();
        assert_eq!(buffered.command, Command::ACK_OK);
    }
    scene.device.set_fault(Fault::parse(fault).unwrap());
    scene
}

/// Asks for all of the log.
pub(crate) fn chunk(client: &mut Raw) {
    client.send(Command::DATA_RDY, &Chunk { start: 0, size: SIZE }.emit());
}

fn codes(packets: &[Got]) -> Vec<u16> {
    packets.iter().map(|got| got.command.0).collect()
}

#[test]
fn silent_falls_silent_for_good_and_swallow_for_one_answer() {
    for (fault, later) in [("silent@time*1", Err(Not::Nothing)), ("swallow@201*1", Ok(()))] {
        let mut scene = scene(fault);
        for client in [&mut scene.tcp, &mut scene.udp] {
            assert_eq!(client.code(1100, &[]), Command::ACK_OK, "another phase");
            client.send(Command::GET_TIME, &[]);
            assert_eq!(client.receive(SILENCE), Err(Not::Nothing), "{fault}");
            client.send(Command::GET_VERSION, &[]);
            assert_eq!(client.receive(SILENCE).map(drop), later, "{fault}");
            scene.device.clear_faults();
            scene.device.set_fault(Fault::parse(fault).unwrap());
        }
        assert_eq!(Raw::tcp(scene.device.address()).session(0).code(1100, &[]), Command::ACK_OK);
    }
}

#[test]
fn close_and_rst_come_after_so_many_bytes() {
    for (fault, length, end) in [
        ("close:5@time", 5, Not::Closed),
        ("close@time", 10, Not::Closed),
        ("close:0@time", 0, Not::Closed),
        ("rst:5@time", 5, Not::Reset),
        ("rst:0@201+0", 0, Not::Reset),
    ] {
        let mut scene = scene(fault);
        scene.tcp.send(Command::GET_TIME, &[]);
        let (pieces, ended) = scene.tcp.bytes(usize::MAX);
        assert_eq!((pieces.concat().len(), ended), (length, Some(end)), "{fault}");
    }
    let mut scene = scene("rst:10@data+1");
    chunk(&mut scene.tcp);
    let (pieces, end) = scene.tcp.bytes(usize::MAX);
    let length = 24 + 16 + 1008 + 10;
    assert_eq!((pieces.concat().len(), end), (length, Some(Not::Reset)), "in the second data packet");
}

#[test]
fn a_forgotten_session_is_met_with_silence_or_2005() {
    let mut silent = scene("forget@time*1");
    silent.tcp.send(Command::GET_TIME, &[]);
    assert_eq!(silent.tcp.receive(SILENCE), Err(Not::Nothing));
    let mut said = scene("forget:unauth@time");
    for client in [&mut said.tcp, &mut said.udp] {
        assert_eq!(client.code(201, &[]), Command::ACK_UNAUTH);
        assert_eq!(client.code(1100, &[]), Command::ACK_UNAUTH, "forgotten is forgotten");
        client.session = 0;
        client.session = client.ask(Command::CONNECT, &[]).unwrap().session;
        assert_eq!(client.code(1100, &[]), Command::ACK_OK);
    }
}

#[test]
fn split_and_drip_cut_the_stream_and_lose_nothing() {
    for fault in ["split:3", "split:1", "drip:1ms"] {
        let mut scene = scene(fault);
        // Pieces that come while this thread is not looking are read as one.
        let apart = (0..100).any(|_| {
            scene.tcp.send(Command::GET_TIME, &[]);
            let (pieces, _) = scene.tcp.bytes(20);
            assert_eq!(pieces.concat().len(), 20, "{fault}");
            pieces.len() >= 4
        });
        assert!(apart, "{fault}");
    }
    let mut scene = scene("split:7");
    chunk(&mut scene.tcp);
    assert_eq!(data(&scene.tcp.transfer()).len(), SIZE as usize);
}

#[test]
fn merge_puts_an_event_into_the_same_segment() {
    let mut scene = scene("merge@time");
    scene.tcp.send(Command::GET_TIME, &[]);
    let (pieces, _) = scene.tcp.bytes(20 + 48);
    assert_eq!(pieces.iter().map(Vec::len).collect::<Vec<_>>(), [20 + 48]);
}

#[test]
fn a_delayed_answer_is_late_and_the_latency_of_a_device_is_its_own() {
    let mut scene = scene("delay:60ms@time");
    for client in [&mut scene.tcp, &mut scene.udp] {
        let begun = Instant::now();
        assert_eq!(client.code(201, &[]), Command::ACK_OK);
        assert!(begun.elapsed() >= Duration::from_millis(60));
    }
    let (_simulator, device) = one(Config { latency: Duration::from_millis(30), ..Config::default() });
    for client in [Raw::tcp(device.address()), Raw::udp(device.address())] {
        let begun = Instant::now();
        client.session(0);
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }
}

#[test]
fn headers_are_wrong_where_they_should_be() {
    let mut checksum = scene("wrong-checksum@time");
    let mut reply = scene("wrong-reply@time");
    for (damaged, renumbered) in [(&mut checksum.tcp, &mut reply.tcp), (&mut checksum.udp, &mut reply.udp)] {
        damaged.send(Command::GET_TIME, &[]);
        let expected = FrameError::Packet(PacketError::Checksum { command: Command::ACK_OK });
        assert_eq!(damaged.receive(PATIENCE), Err(Not::Bad(expected)));
        assert_eq!(damaged.code(1100, &[]), Command::ACK_OK, "the stream goes on");
        let number = renumbered.send(Command::GET_TIME, &[]);
        assert_eq!(renumbered.receive(PATIENCE).unwrap().reply, number + 1000);
    }
    let mut once = scene("wrong-checksum@data+1*1");
    chunk(&mut once.tcp);
    let results: Vec<bool> = (0..6)
        .map(|_| match once.tcp.receive(PATIENCE) {
            Ok(_) => true,
            Err(Not::Bad(_)) => false,
            Err(not) => panic!("{not:?}"),
        })
        .collect();
    assert_eq!(results, [true, true, false, true, true, true]);
}

#[test]
fn a_frame_declares_more_or_less_than_there_can_be() {
    for (fault, expected) in [
        ("oversize@time", FrameError::TooLong { declared: 0x8000_0000 }),
        ("oversize:tiny@time", FrameError::TooShort { declared: 7 }),
    ] {
        let mut scene = scene(fault);
        scene.tcp.send(Command::GET_TIME, &[]);
        assert_eq!(scene.tcp.receive(PATIENCE), Err(Not::Bad(expected)), "{fault}");
    }
}

#[test]
fn the_answer_before_comes_once_more_first() {
    let mut scene = scene("late-duplicate");
    for client in [&mut scene.tcp, &mut scene.udp] {
        let first = client.ask(Command::GET_VERSION, &[]).unwrap();
        let number = client.send(Command::GET_TIME, &[]);
        assert_eq!(client.receive(PATIENCE), Ok(first));
        assert_eq!(client.receive(PATIENCE).unwrap().reply, number);
    }
}

#[test]
fn stray_events_stand_where_they_are_wanted() {
    const EVENT: u16 = 500;
    for (fault, expected) in [
        ("stray-event:before-reply@chunk", vec![EVENT, 1500, 1501, 1501, 1501, 1501, 2000]),
        ("stray-event:before-announce@chunk", vec![EVENT, 1500, 1501, 1501, 1501, 1501, 2000]),
        (
            "stray-event:between-data@chunk",
            vec![1500, EVENT, 1501, EVENT, 1501, EVENT, 1501, EVENT, 1501, 2000],
        ),
        ("stray-event:before-ack@chunk", vec![1500, 1501, 1501, 1501, 1501, EVENT, 2000]),
    ] {
        let mut scene = scene(fault);
        for client in [&mut scene.tcp, &mut scene.udp] {
            chunk(client);
            assert_eq!(codes(&client.all()), expected, "{fault}");
        }
    }
    let mut scene = scene("stray-event@time");
    scene.tcp.send(Command::GET_TIME, &[]);
    let packets = scene.tcp.all();
    assert_eq!(codes(&packets), [EVENT, 2000]);
    let live = zkgate::wire::event::LivePunch::parse(&packets[0].payload).unwrap();
    assert_eq!(live.time, scene.device.punches().last().unwrap().time.fields(), "it tells nothing new");
}

#[test]
fn transfers_go_wrong_as_described() {
    let cases: [(&str, Vec<u16>, usize, u16); 9] = [
        ("truncate:40", vec![1500, 1501, 1501, 1501, 1501, 2000], 3964, 3964),
        ("truncate:1100", vec![1500, 1501, 1501, 1501, 2000], 2904, 2904),
        ("missing-fragment", vec![1500, 1501, 1501, 1501, 2000], 2996, 4004),
        ("missing-ack", vec![1500, 1501, 1501, 1501, 1501], 4004, 3),
        ("wrong-total", vec![1500, 1501, 1501, 1501, 1501, 2000], 4004, 4004),
        ("fragments:900", vec![1500, 1501, 1501, 1501, 1501, 1501, 2000], 4004, 4004),
        ("bare-data", vec![1501], 4004, 0),
        ("double-prepare", vec![1500, 1500, 1501, 1501, 1501, 1501, 2000], 4004, 4004),
        ("early-ack", vec![1500, 1501, 1501, 1501, 2000, 1501], 4004, 3),
    ];
    for (fault, expected, length, last) in cases {
        let mut scene = scene(fault);
        chunk(&mut scene.tcp);
        let packets = scene.tcp.all();
        assert_eq!(codes(&packets), expected, "{fault}");
        assert_eq!(data(&packets).len(), length, "{fault}");
        if last != 0 {
            assert_eq!(packets.last().unwrap().session, last, "{fault}");
        }
        assert_eq!(scene.tcp.code(201, &[]), Command::ACK_OK, "{fault}: no transfer, no fault");
    }
    for (fault, total) in [("wrong-total:larger", SIZE + 40), ("wrong-total:smaller", SIZE - 40)] {
        let mut scene = scene(fault);
        chunk(&mut scene.udp);
        let announcement = scene.udp.receive(PATIENCE).unwrap();
        assert_eq!(Announcement::parse(&announcement.payload).unwrap().total, total);
    }
}

#[test]
fn datagrams_are_lost_doubled_and_mixed_up() {
    let mut lost = scene("udp-drop:50@chunk");
    chunk(&mut lost.udp);
    let got = lost.udp.all().len();
    assert!((1..6).contains(&got), "{got} of 6 came, always the same with this seed");
    let mut doubled = scene("udp-duplicate@time");
    doubled.udp.send(Command::GET_TIME, &[]);
    assert_eq!(codes(&doubled.udp.all()), [2000, 2000]);
    let mut mixed = scene("udp-reorder@chunk");
    chunk(&mut mixed.udp);
    let packets = codes(&mixed.udp.all());
    assert_ne!(packets.iter().position(|code| *code == 2000), None);
    let mut sorted = packets.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1500, 1501, 1501, 1501, 1501, 2000]);
    let mut untouched = scene("udp-drop:100");
    assert_eq!(untouched.tcp.code(201, &[]), Command::ACK_OK, "TCP loses nothing");
}

#[test]
fn counts_and_size_words_lie() {
    for (fault, users, punches) in
        [("lying-counts", 0, 0), ("lying-counts:larger", 27, 107), ("lying-counts:smaller", 13, 93)]
    {
        let mut scene = scene(fault);
        let sizes = FreeSizes::parse(&scene.tcp.ask(Command::GET_FREE_SIZES, &[]).unwrap().payload);
        assert_eq!((sizes.users, sizes.punches), (Some(users), Some(punches)), "{fault}");
    }
    for (fault, word) in [
        ("lying-size-word:larger", SIZE - 4 + 40),
        ("lying-size-word:smaller", SIZE - 4 - 40),
        ("lying-size-word:zero", 0),
    ] {
        let mut scene = scene(fault);
        let table = scene.tcp.table(Table::ATTENDANCE, CHUNK_TCP);
        assert_eq!((table.len(), &table[..4]), (SIZE as usize, &word.to_le_bytes()[..]), "{fault}");
    }
}

#[test]
fn records_are_damaged_as_described_and_the_truth_is_kept() {
    let mut scene = scene("impossible-dates:10");
    scene.device.set_fault(Fault::parse("blank-records:25").unwrap());
    scene.device.set_fault(Fault::parse("garbage-after-nul").unwrap());
    let table = scene.tcp.table(Table::ATTENDANCE, CHUNK_TCP);
    let read: Vec<_> =
        table[4..].chunks(40).map(|record| Punch::parse(record, PunchLayout::TEXT).unwrap()).collect();
    let truth = scene.device.punches();
    let wrong = read.iter().zip(&truth).filter(|(read, truth)| read != truth).count();
    let blank = read.iter().filter(|punch| punch.is_blank()).count();
    assert_eq!((wrong, blank), (12, 4));
    let users = UserTable::parse(scene.tcp.table(Table::USERS, CHUNK_TCP), Some(20)).unwrap();
    assert_eq!(users.iter().collect::<Vec<_>>(), scene.device.users(), "garbage means nothing");
    scene.device.clear_faults();
    scene.device.set_fault(Fault::parse("gbk-names").unwrap());
    let users = UserTable::parse(scene.tcp.table(Table::USERS, CHUNK_UDP), Some(20)).unwrap();
    assert!(users.iter().all(|user| !user.name.is_utf8()));
    scene.device.clear_faults();
    let table = scene.tcp.table(Table::ATTENDANCE, CHUNK_TCP);
    let read = PunchTable::parse(table, Some(PUNCHES), ClockWord::MAX).unwrap();
    assert_eq!(read.iter().collect::<Vec<_>>(), truth);
}

#[test]
fn the_direct_log_of_a_broken_device_is_stale_memory() {
    let (_simulator, device) =
        one(Config { profile: Profile::TftDirectBroken, punches: 100, ..Config::default() });
    let direct = |mut client: Raw| {
        client.send(Command::ATTLOG_RRQ, &[]);
        PunchTable::parse(data(&client.transfer()), Some(100), ClockWord::MAX).is_ok()
    };
    assert!(!direct(Raw::tcp(device.address()).session(0)));
    assert!(direct(Raw::udp(device.address()).session(0)));
}

#[test]
fn the_same_seed_gives_the_same_misfortune() {
    let misfortune = |seed| {
        let faults = vec![Fault::parse("udp-drop:50@time").unwrap().after(1)];
        let (_simulator, device) = one(Config { faults, seed, ..Config::default() });
        let mut client = Raw::udp(device.address()).session(0);
        (0..30).for_each(|_| {
            client.send(Command::GET_TIME, &[]);
        });
        client.all().iter().map(|got| got.reply).collect::<Vec<_>>()
    };
    assert_eq!(misfortune(5), misfortune(5));
    assert_ne!(misfortune(5), misfortune(6));
}

#[test]
fn a_lenient_client_reads_through_a_wrong_checksum() {
    let mut scene = scene("wrong-checksum");
    let number = scene.tcp.send(Command::GET_TIME, &[]);
    let got = scene.tcp.receive_checked(PATIENCE, Checksums::Lenient).unwrap();
    assert_eq!((got.command, got.reply), (Command::ACK_OK, number));
}
