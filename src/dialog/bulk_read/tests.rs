//! Everything that a device, a stream and a network of datagrams can do to the reading of a table.

use proptest::prelude::*;

use super::super::stage::{PROGRESS, REPLY, SESSION, Said, Stage, manners};
use super::super::transfer::LATE;
use super::*;
use crate::wire::bulk::Announcement;
use crate::wire::carrier::Carrier::{Tcp, Udp};

/// A table of so many bytes behind its size word.
fn table(bytes: usize) -> Vec<u8> {
    let word = u32::try_from(bytes).unwrap().to_le_bytes();
    word.into_iter().chain((0..bytes).map(|at| (at * 7 % 251) as u8)).collect()
}

fn opened(carrier: Carrier, method: Method, count: Option<u32>) -> Stage<BulkRead> {
    let read = BulkRead::new(Table::ATTENDANCE, method, count, manners(carrier), Instant::now());
    Stage::open(carrier, read.in_session(SESSION))
}

fn buffered(carrier: Carrier) -> Stage<BulkRead> {
    opened(carrier, Method::Buffered, None)
}

/// Announcement, data in fragments, and the end.
fn transfer(data: &[u8], fragment: usize) -> Vec<Said> {
    let total = data.len() as u32;
    let announcement = Announcement::emit(total, fragment as u32).to_vec();
    let fragments = data.chunks(fragment).enumerate();
    let fragments = fragments.map(|(index, bytes)| (Command::DATA, index as u16, bytes.to_vec()));
    let end = (Command::ACK_OK, total as u16, Vec::new());
    std::iter::once((Command::PREPARE_DATA, SESSION, announcement)).chain(fragments).chain([end]).collect()
}

/// Goes on until a chunk is asked for: where it begins, and its bytes.
fn chunk(stage: &mut Stage<BulkRead>, data: &[u8]) -> Vec<u8> {
    if stage.asked().command == Command::DATA_WRRQ {
        stage.say(Command::ACK_OK, SESSION, &bulk::buffered_reply(data.len() as u32, 9));
    }
    let asked = Chunk::parse(&stage.asked().payload).unwrap();
    data[asked.start as usize..][..asked.size as usize].to_vec()
}

/// An honest device serves the rest of the read; the stage's result is checked against the table.
fn serve(mut stage: Stage<BulkRead>, data: &[u8]) {
    while stage.done.is_none() {
        match stage.asked().command {
            Command::FREE_DATA => stage.say(Command::ACK_OK, SESSION, &[]),
            Command::DATA_WRRQ | Command::DATA_RDY => {
                let bytes = chunk(&mut stage, data);
                stage.say_all(&transfer(&bytes, 1008));
            }
            _ => stage.say_all(&transfer(data, 1008)),
        }
    }
    let bulk = stage.done.unwrap().unwrap();
    assert!(bulk.data == data && bulk.buffer == Buffer::Free && bulk.nothing.is_none());
}

fn failed(stage: &Stage<BulkRead>) -> &DialogError {
    stage.done.as_ref().expect("over").as_ref().expect_err("failed")
}

#[test]
fn a_table_is_read_in_each_of_the_three_forms() {
    let data = table(120);
    for (name, said) in [
        ("at once", vec![(Command::DATA, SESSION, data.clone())]),
        ("announced", transfer(&data, 50)),
        ("announced twice", [&transfer(&data, 50)[..1], &transfer(&data, 50)[..]].concat()),
    ] {
        for (carrier, method) in
            [(Tcp, Method::Buffered), (Udp, Method::Buffered), (Tcp, Method::Direct), (Udp, Method::Direct)]
        {
            let mut stage = opened(carrier, method, None);
            stage.say_all(&said);
            let bulk = stage.done.unwrap_or_else(|| panic!("{name} {carrier:?} {method:?}")).unwrap();
            assert!(bulk.data == data && bulk.method == method, "{name} {carrier:?} {method:?}");
        }
    }
    for size in [0usize, 1, 40, 65_468, 65_469, 130_000] {
        for carrier in [Tcp, Udp] {
            serve(buffered(carrier), &table(size));
        }
    }
}

#[test]
fn chunks_are_asked_for_one_after_the_other_and_the_buffer_is_given_back() {
    let data = table(150_000);
    let mut stage = buffered(Tcp);
    let mut starts = Vec::new();
    loop {
        let bytes = chunk(&mut stage, &data);
        starts.push(Chunk::parse(&stage.asked().payload).unwrap());
        stage.say_all(&transfer(&bytes, 65_528));
        if stage.asked().command == Command::FREE_DATA {
            break;
        }
    }
    let size = bulk::CHUNK_TCP;
    let last = Chunk { start: 2 * size, size: 150_004 - 2 * size };
    assert_eq!(starts, [Chunk { start: 0, size }, Chunk { start: size, size }, last]);
    stage.wait();
    let bulk = stage.done.unwrap().unwrap();
    assert!(bulk.data == data && bulk.buffer == Buffer::Doubtful, "whole, but the session is doubtful");
}

#[test]
fn a_closing_packet_that_never_comes_costs_a_moment_and_no_data() {
    for carrier in [Tcp, Udp] {
        let data = table(400);
        let mut stage = buffered(carrier);
        let bytes = chunk(&mut stage, &data);
        let said = transfer(&bytes, 100);
        stage.say_all(&said[..said.len() - 1]);
        assert_eq!(stage.wait(), CLOSING, "{carrier:?}");
        serve(stage, &data);
    }
}

#[test]
fn several_data_packets_without_announcement_fill_a_chunk() {
    let data = table(5000);
    let mut stage = buffered(Tcp);
    let bytes = chunk(&mut stage, &data);
    let bare: Vec<Said> = bytes.chunks(900).map(|part| (Command::DATA, 0, part.to_vec())).collect();
    stage.say_all(&bare);
    serve(stage, &data);
}

#[test]
fn a_short_chunk_is_asked_for_again_and_given_up_after_the_third_time() {
    let data = table(400);
    let mut stage = buffered(Tcp);
    for tries in 1..=CHUNK_TRIES {
        let bytes = chunk(&mut stage, &data);
        stage.say_all(&transfer(&bytes[..300], 100));
        assert_eq!(
            stage.requests().iter().filter(|c| **c == Command::DATA_RDY).count() as u32,
            (tries + 1).min(3)
        );
        if tries == 2 {
            let mut mended = buffered(Tcp);
            let bytes = chunk(&mut mended, &data);
            mended.say_all(&transfer(&bytes[..300], 100));
            serve(mended, &data);
        }
    }
    assert_eq!(stage.asked().command, Command::FREE_DATA, "the buffer is given back on the way out");
    stage.say(Command::ACK_OK, SESSION, &[]);
    assert_eq!(*failed(&stage), DialogError::Incomplete { announced: 404, received: 300 });
    assert!(failed(&stage).leaves_session_usable());
}

#[test]
fn giving_up_on_a_device_that_says_nothing_any_more_ends_the_session() {
    let data = table(400);
    let mut stage = buffered(Tcp);
    for _ in 0..CHUNK_TRIES {
        let bytes = chunk(&mut stage, &data);
        stage.say_all(&transfer(&bytes[..300], 100));
    }
    stage.wait();
    assert!(matches!(failed(&stage), DialogError::Stalled { announced: 404, received: 300, .. }));
    assert!(!failed(&stage).leaves_session_usable());
}

#[test]
fn a_lost_buffer_is_prepared_anew_once() {
    let data = table(100_000);
    let mut stage = buffered(Tcp);
    let first = chunk(&mut stage, &data);
    stage.say_all(&transfer(&first, 1008));
    stage.say(Command::ACK_ERROR, SESSION, &[]);
    assert_eq!(stage.asked().command, Command::DATA_WRRQ);
    serve(stage, &data);

    let mut stage = buffered(Tcp);
    for _ in 0..2 {
        chunk(&mut stage, &data);
        stage.say(Command::ACK_ERROR, SESSION, &[]);
    }
    stage.say(Command::ACK_OK, SESSION, &[]);
    assert_eq!(*failed(&stage), DialogError::TransferRefused { code: Command::ACK_ERROR });
}

#[test]
fn old_firmware_is_asked_in_the_direct_form_and_that_is_remembered() {
    let data = table(80);
    for code in [Command::ACK_UNKNOWN, Command::ACK_ERROR_CMD] {
        let mut stage = buffered(Udp);
        stage.say(code, SESSION, &[]);
        assert_eq!((stage.asked().command, stage.asked().payload.len()), (Command::ATTLOG_RRQ, 0));
        stage.say_all(&transfer(&data, 1024));
        assert_eq!(stage.done.unwrap().unwrap().method, Method::Direct);
        let mut empty = buffered(Udp);
        empty.say(code, SESSION, &[]);
        empty.say(Command::ACK_ERROR, 0, &[]);
        assert_eq!(empty.done.unwrap().unwrap().method, Method::Direct, "even if there was nothing");
        let mut nothing = buffered(Udp);
        nothing.say(code, SESSION, &[]);
        nothing.say(code, SESSION, &[]);
        assert_eq!(*failed(&nothing), DialogError::TransferRefused { code });
    }
}

#[test]
fn nothing_is_said_in_five_ways() {
    for (name, said) in [
        ("error", (Command::ACK_ERROR, 0, vec![])),
        ("no data", (Command::ERR_NO_DATA, SESSION, vec![])),
        ("done", (Command::ACK_OK, SESSION, vec![])),
        ("an empty packet", (Command::DATA, SESSION, vec![])),
        ("a size word of 0", (Command::DATA, SESSION, vec![0; 4])),
    ] {
        for carrier in [Tcp, Udp] {
            let mut stage = buffered(carrier);
            stage.say_all(std::slice::from_ref(&said));
            let bulk = stage.done.unwrap_or_else(|| panic!("{name} {carrier:?}")).unwrap();
            assert!(bulk.data.iter().all(|byte| *byte == 0) && bulk.data.len() <= 4, "{name}");
        }
    }
    let mut sized = buffered(Tcp);
    sized.say(Command::ACK_OK, SESSION, &bulk::buffered_reply(0, 0));
    sized.say(Command::ACK_OK, SESSION, &[]);
    assert!(sized.done.unwrap().unwrap().data.is_empty());
}

#[test]
fn no_other_code_passes_for_nothing() {
    for code in (4987..5000).chain([2002, 2006, 2032, 6001, 1, 60_000, 65_531, 65_532]).map(Command) {
        if [Command::ERR_NO_DATA, Command::ACK_DATA].contains(&code) {
            continue;
        }
        let mut stage = opened(Tcp, Method::Direct, None);
        stage.say(code, SESSION, &[]);
        assert_eq!(*failed(&stage), DialogError::TransferRefused { code });
        let mut stage = buffered(Tcp);
        stage.say(code, SESSION, &[]);
        assert_eq!(stage.asked().command, Command::ATTLOG_RRQ, "{code}: the direct form may still work");
    }
}

#[test]
fn nothing_in_spite_of_a_count_is_checked_in_the_direct_form() {
    let data = table(80);
    let mut stage = opened(Tcp, Method::Buffered, Some(2));
    stage.say(Command::ACK_ERROR, SESSION, &[]);
    stage.say_all(&transfer(&data, 1024));
    let bulk = stage.done.unwrap().unwrap();
    assert!(bulk.data == data && bulk.method == Method::Direct);
    let mut stage = opened(Tcp, Method::Buffered, Some(2));
    stage.say(Command::ACK_ERROR, SESSION, &[]);
    stage.say(Command::ACK_ERROR, SESSION, &[]);
    let bulk = stage.done.unwrap().unwrap();
    assert_eq!((bulk.nothing, bulk.method), (Some(Command::ACK_ERROR), Method::Buffered));
}

#[test]
fn a_device_that_asks_for_patience_is_asked_again_once() {
    let mut stage = buffered(Tcp);
    stage.say(Command::ACK_RETRY, SESSION, &[]);
    stage.say(Command::ACK_RETRY, SESSION, &[]);
    assert_eq!(stage.wait(), PAUSE);
    serve(stage, &table(100));
}

#[test]
fn the_end_of_a_transfer_whose_packets_were_lost_is_not_nothing() {
    let data = table(80);
    for carrier in [Udp, Tcp] {
        let mut stage = opened(carrier, Method::Direct, None);
        let end = transfer(&data, 1024).pop().unwrap();
        stage.say_all(&[end]);
        assert!(stage.done.is_none());
        assert_eq!(stage.wait(), LATE);
        stage.say_all(&transfer(&data, 1024));
        assert_eq!(stage.done.unwrap().unwrap().data, data, "{carrier:?}");
    }
}

#[test]
fn more_than_was_announced_is_an_error_on_a_stream_and_asked_for_again_over_datagrams() {
    let data = table(400);
    let mut stage = buffered(Tcp);
    let mut bytes = chunk(&mut stage, &data);
    bytes.extend([1, 2, 3]);
    let mut said = transfer(&data, 100);
    said[4].2.extend([0; 120]);
    stage.say_all(&said);
    assert!(matches!(failed(&stage), DialogError::Overrun { announced: 404, .. }));
    assert!(!failed(&stage).leaves_session_usable());
    let mut stage = buffered(Udp);
    chunk(&mut stage, &data);
    stage.say_all(&said);
    serve(stage, &data);
}

#[test]
fn sizes_beyond_the_ceiling_are_refused_before_any_memory_is_taken() {
    let over = BulkSize::CEILING + 1;
    let said = [
        ("buffered", (Command::ACK_OK, SESSION, bulk::buffered_reply(u32::MAX, 0).to_vec())),
        ("announced", (Command::PREPARE_DATA, SESSION, Announcement::emit(over, 1024).to_vec())),
        ("claimed", (Command::DATA, SESSION, [&u32::MAX.to_le_bytes()[..], &[1; 50]].concat())),
    ];
    for (name, said) in said {
        let mut stage = buffered(Tcp);
        stage.say_all(&[said]);
        assert!(matches!(failed(&stage), DialogError::TooLarge(_)), "{name}");
        assert!(!failed(&stage).leaves_session_usable(), "{name}: data may follow");
    }
    let mut stage = buffered(Tcp);
    stage.say(Command::ACK_OK, SESSION, &bulk::buffered_reply(BulkSize::CEILING, 0));
    assert_eq!(stage.talk.dialog().progress(), (u64::from(BulkSize::CEILING), 0));
    assert!(stage.done.is_none(), "at the ceiling is fine");
}

#[test]
fn a_stream_that_stops_half_way_is_told_with_its_numbers() {
    let data = table(400);
    let mut stage = buffered(Tcp);
    let bytes = chunk(&mut stage, &data);
    stage.say_all(&transfer(&bytes, 100)[..3]);
    assert_eq!(stage.wait(), PROGRESS);
    assert_eq!(*failed(&stage), DialogError::Stalled { announced: 404, received: 200, waited: PROGRESS });
}

#[test]
fn silence_before_anything_came_names_the_phase() {
    for (carrier, tries) in [(Tcp, 1), (Udp, 3)] {
        let mut stage = buffered(carrier);
        while stage.done.is_none() {
            stage.wait();
        }
        assert_eq!(*failed(&stage), DialogError::Silent { phase: Phase::Prepare, waited: REPLY });
        assert_eq!(stage.sent.len(), tries, "{carrier:?}");
    }
}

#[test]
fn datagrams_in_any_order_are_put_in_order() {
    let data = table(4000);
    for (name, order) in [
        ("doubled", vec![0, 0, 1, 1, 2, 3, 2, 4, 5, 5]),
        ("backwards", vec![5, 4, 3, 2, 1, 0]),
        ("the end first", vec![5, 0, 1, 2, 3, 4]),
        ("the announcement last", vec![1, 2, 3, 4, 5, 0]),
        ("in the middle", vec![3, 1, 0, 4, 5, 2]),
    ] {
        for method in [Method::Buffered, Method::Direct] {
            let mut stage = opened(Udp, method, None);
            let bytes = match method {
                Method::Buffered => chunk(&mut stage, &data),
                Method::Direct => data.clone(),
            };
            let said = transfer(&bytes, 1024);
            let requests = stage.requests().len();
            stage.say_all(&order.iter().map(|at| said[*at].clone()).collect::<Vec<_>>());
            if method == Method::Buffered {
                assert_eq!(stage.requests().len(), requests + 1, "{name}: without asking again");
                serve(stage, &data);
            } else {
                assert_eq!(stage.done.unwrap_or_else(|| panic!("{name}")).unwrap().data, data, "{name}");
            }
        }
    }
}

#[test]
fn a_lost_datagram_is_asked_for_again_and_late_strays_do_no_harm() {
    let data = table(4000);
    let mut stage = buffered(Udp);
    let bytes = chunk(&mut stage, &data);
    let mut said = transfer(&bytes, 1024);
    let lost = said.remove(2);
    let first = stage.asked().reply;
    stage.say_all(&said);
    assert_eq!(stage.wait(), LATE);
    assert_ne!(stage.asked().reply, first, "asked again");
    stage.hear(&Packet { command: lost.0, session: lost.1, reply: first, payload: &lost.2 });
    serve(stage, &data);
}

#[test]
fn an_end_that_overtakes_data_on_a_stream_is_believed_by_its_number() {
    let data = table(400);
    let mut stage = buffered(Tcp);
    let bytes = chunk(&mut stage, &data);
    let mut said = transfer(&bytes, 100);
    let end = said.len() - 1;
    said.swap(end, end - 1);
    stage.say_all(&said);
    assert_eq!(stage.asked().command, Command::FREE_DATA);
    serve(stage, &data);
}

/// A part of a table that stands in the buffer.
fn part(carrier: Carrier, start: u32, size: u32, limit: u32) -> Stage<BulkRead> {
    let part = Chunk { start, size };
    Stage::open(carrier, BulkRead::part(Table::ATTENDANCE, part, limit, manners(carrier), Instant::now()))
}

#[test]
fn a_table_that_is_only_prepared_stays_in_the_buffer() {
    let read =
        |count| BulkRead::new(Table::ATTENDANCE, Method::Buffered, count, manners(Tcp), Instant::now());
    let data = table(120);
    for (name, said, expected) in [
        (
            "buffered",
            vec![(Command::ACK_OK, SESSION, bulk::buffered_reply(5000, 9).to_vec())],
            Buffer::Holds(5000),
        ),
        ("at once", vec![(Command::DATA, SESSION, data.clone())], Buffer::Free),
        ("announced", transfer(&data, 50), Buffer::Free),
        ("nothing", vec![(Command::ACK_ERROR, 0, Vec::new())], Buffer::Free),
    ] {
        let mut stage = Stage::open(Tcp, read(None).stopping_when_prepared());
        stage.say_all(&said);
        assert_eq!(stage.requests(), [Command::DATA_WRRQ], "{name}: and nothing else is asked");
        let bulk = stage.done.unwrap_or_else(|| panic!("{name}")).unwrap();
        assert_eq!(bulk.buffer, expected, "{name}");
        let whole = matches!(name, "at once" | "announced");
        assert_eq!(bulk.data, if whole { data.clone() } else { Vec::new() }, "{name}");
    }
    let mut old = Stage::open(Tcp, read(Some(3)).stopping_when_prepared());
    old.say(Command::ACK_UNKNOWN, SESSION, &[]);
    old.say_all(&transfer(&data, 50));
    let bulk = old.done.unwrap().unwrap();
    assert!(bulk.data == data && bulk.method == Method::Direct && bulk.buffer == Buffer::Free);
}

#[test]
fn a_part_is_exactly_the_bytes_asked_for_and_the_buffer_is_kept() {
    let data = table(100_000);
    for (carrier, start, size) in [(Tcp, 0, 4), (Tcp, 60_000, 40_004), (Udp, 99_964, 40), (Udp, 7, 40_000)] {
        let mut stage = part(carrier, start, size, 16_384);
        while stage.done.is_none() {
            assert_eq!(stage.asked().command, Command::DATA_RDY);
            let asked = Chunk::parse(&stage.asked().payload).unwrap();
            assert!(asked.size <= 16_384 && asked.start >= start);
            stage.say_all(&transfer(&data[asked.start as usize..][..asked.size as usize], 1008));
        }
        let bulk = stage.done.unwrap().unwrap();
        assert_eq!(bulk.data, data[start as usize..][..size as usize], "{carrier:?} {start} {size}");
        assert_eq!(bulk.buffer, Buffer::Holds(start + size));
    }
}

#[test]
fn a_part_of_a_lost_buffer_is_an_error_and_the_table_is_not_prepared_anew() {
    for code in [Command::ACK_ERROR, Command::ERR_NO_DATA, Command::ACK_UNKNOWN] {
        let mut stage = part(Tcp, 40, 4000, 65_472);
        stage.say(code, SESSION, &[]);
        assert_eq!(stage.requests(), [Command::DATA_RDY, Command::FREE_DATA]);
        stage.say(Command::ACK_OK, SESSION, &[]);
        assert_eq!(*failed(&stage), DialogError::TransferRefused { code });
        assert!(failed(&stage).leaves_session_usable());
    }
}

#[test]
fn a_short_part_is_asked_for_three_times_and_the_buffer_given_back() {
    let data = table(9000);
    for (carrier, limits) in [(Tcp, [8000, 8000, 8000]), (Udp, [8000, 4000, 2048])] {
        let mut stage = part(carrier, 100, 8000, 8000);
        for limit in limits {
            let asked = Chunk::parse(&stage.asked().payload).unwrap();
            assert_eq!(asked, Chunk { start: 100, size: limit }, "{carrier:?}");
            stage.say_all(&transfer(&data[100..][..asked.size as usize - 10], 1000));
        }
        assert_eq!(stage.asked().command, Command::FREE_DATA, "{carrier:?}");
        stage.say(Command::ACK_OK, SESSION, &[]);
        assert!(matches!(failed(&stage), DialogError::Incomplete { .. }), "{carrier:?}");
        assert_eq!(stage.talk.dialog().chunk_limit(), limits[2]);
    }
}

#[test]
fn a_part_that_stops_is_told_with_its_own_numbers() {
    let data = table(9000);
    let mut stage = part(Tcp, 100, 8000, 65_472);
    stage.say_all(&transfer(&data[100..8100], 1000)[..4]);
    assert_eq!(stage.talk.dialog().progress(), (8000, 3000));
    stage.wait();
    assert_eq!(*failed(&stage), DialogError::Stalled { announced: 8000, received: 3000, waited: PROGRESS });
}

/// A device over a bad network: every packet of its answers may be lost, doubled or moved.
fn mangled(said: Vec<Said>, dice: &mut impl FnMut(usize) -> usize) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for packet in said {
        match dice(10) {
            0 => {}
            1 => out.extend([packet.clone(), packet]),
            2 => out.insert(dice(out.len() + 1), packet),
            _ => out.push(packet),
        }
    }
    out
}

fn any_said() -> impl Strategy<Value = Option<Said>> {
    let code = prop_oneof![
        3 => Just(Command::PREPARE_DATA),
        6 => Just(Command::DATA),
        6 => Just(Command::ACK_OK),
        1 => Just(Command::ACK_ERROR),
        1 => Just(Command::ACK_RETRY),
        1 => Just(Command::ACK_UNKNOWN),
        1 => any::<u16>().prop_map(Command),
    ];
    let payload = prop_oneof![
        2 => Just(Vec::new()),
        3 => proptest::collection::vec(any::<u8>(), 0..40),
        3 => (0..200u32, 0..50u32).prop_map(|(total, most)| Announcement::emit(total, most).to_vec()),
        2 => (0..200u32).prop_map(|size| bulk::buffered_reply(size, 0).to_vec()),
        1 => any::<u32>().prop_map(|size| bulk::buffered_reply(size, 0).to_vec()),
    ];
    proptest::option::weighted(0.85, (code, 0..6u16, payload))
}

#[test]
fn the_last_byte_of_a_table_that_overtakes_the_rest_is_not_all_of_it() {
    let data = table(2045);
    assert_eq!(data.len() % 1024, 1);
    let mut said = transfer(&data, 1024);
    let last = said.iter().rposition(|(command, ..)| *command == Command::DATA).unwrap();
    let byte = said.remove(last);
    said.insert(0, byte);
    let mut stage = opened(Udp, Method::Direct, None);
    let reply = stage.asked().reply;
    for (command, session, payload) in said {
        stage.hear(&Packet { command, session, reply, payload: &payload });
    }
    assert_eq!(stage.done.unwrap().unwrap().data, data);
}

proptest! {
    #[test]
    fn anything_that_is_said_ends_in_a_result_or_a_wait(
        said in proptest::collection::vec(any_said(), 0..60), udp: bool, direct: bool, count: Option<u32>,
    ) {
        let method = if direct { Method::Direct } else { Method::Buffered };
        let mut stage = opened(if udp { Udp } else { Tcp }, method, count);
        for step in said {
            match step {
                Some((command, session, payload)) if stage.done.is_none() => stage.say(command, session, &payload),
                None if stage.done.is_none() => {
                    stage.wait();
                }
                _ => break,
            }
            let (_, received) = stage.talk.dialog().progress();
            prop_assert!(received <= u64::from(BulkSize::CEILING) + 65_536);
        }
        // Silence ends it in every state.
        for _ in 0..20 {
            if stage.done.is_none() {
                stage.wait();
            }
        }
        prop_assert!(stage.done.is_some());
    }

    #[test]
    fn over_a_bad_network_the_table_is_exact_or_there_is_an_error(
        size in 0usize..40_000, seed: u64, direct: bool, small: bool,
    ) {
        let data = table(if small { size % 900 } else { size });
        let method = if direct { Method::Direct } else { Method::Buffered };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut dice = |sides: usize| random.usize(0..sides.max(1));
        let mut stage = opened(Udp, method, None);
        let mut answered = None;
        while stage.done.is_none() {
            let asked = stage.asked().clone();
            if answered == Some(asked.reply) {
                stage.wait();
                continue;
            }
            answered = Some(asked.reply);
            let said = match asked.command {
                Command::DATA_WRRQ if data.len() <= 1024 => vec![(Command::DATA, SESSION, data.clone())],
                Command::DATA_WRRQ => {
                    vec![(Command::ACK_OK, SESSION, bulk::buffered_reply(data.len() as u32, 7).to_vec())]
                }
                Command::DATA_RDY => {
                    let Chunk { start, size } = Chunk::parse(&asked.payload).unwrap();
                    transfer(&data[start as usize..][..size as usize], 1024)
                }
                Command::FREE_DATA => vec![(Command::ACK_OK, SESSION, Vec::new())],
                _ => transfer(&data, 1024),
            };
            for (command, session, payload) in mangled(said, &mut dice) {
                stage.hear(&Packet { command, session, reply: asked.reply, payload: &payload });
            }
        }
        if let Some(Ok(bulk)) = stage.done {
            prop_assert!(bulk.data == data, "{} of {} bytes", bulk.data.len(), data.len());
        }
    }

    #[test]
    fn over_a_bad_network_a_part_is_exact_or_there_is_an_error(
        size in 1u32..30_000, start in 0u32..5000, limit in 1000u32..20_000, seed: u64, udp: bool,
    ) {
        let data = table(40_000);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut dice = |sides: usize| random.usize(0..sides.max(1));
        let mut stage = part(if udp { Udp } else { Tcp }, start, size, limit);
        let mut answered = None;
        while stage.done.is_none() {
            let asked = stage.asked().clone();
            if answered == Some(asked.reply) {
                stage.wait();
                continue;
            }
            answered = Some(asked.reply);
            let said = match asked.command {
                Command::DATA_RDY => {
                    let Chunk { start, size } = Chunk::parse(&asked.payload).unwrap();
                    transfer(&data[start as usize..][..size as usize], 1024)
                }
                Command::FREE_DATA => vec![(Command::ACK_OK, SESSION, Vec::new())],
                code => panic!("{code} is no business of a part"),
            };
            // Streams lose nothing; datagrams do.
            let said = if udp { mangled(said, &mut dice) } else { said };
            for (command, session, payload) in said {
                stage.hear(&Packet { command, session, reply: asked.reply, payload: &payload });
            }
        }
        match stage.done {
            Some(Ok(bulk)) => prop_assert!(bulk.data == data[start as usize..][..size as usize]),
            outcome => prop_assert!(udp, "{:?}", outcome),
        }
    }

    #[test]
    fn over_a_stream_the_table_is_exact_however_it_is_cut_and_whatever_comes_in_between(
        size in 0usize..150_000, fragment in 40usize..70_000, announced: bool, events in any::<u64>(),
    ) {
        let data = table(size);
        let mut stage = buffered(Tcp);
        let mut packets = 0;
        while stage.done.is_none() {
            if stage.asked().command == Command::FREE_DATA {
                stage.say(Command::ACK_OK, SESSION, &[]);
                continue;
            }
            let bytes = chunk(&mut stage, &data);
            let mut said = transfer(&bytes, fragment);
            if !announced {
                said.remove(0);
                said.pop();
            }
            let reply = stage.asked().reply;
            for (command, session, payload) in said {
                if events >> (packets % 64) & 1 == 1 {
                    stage.hear(&Packet { command: Command::REG_EVENT, session: 1, reply: 0, payload: &[0; 32] });
                }
                packets += 1;
                stage.hear(&Packet { command, session, reply, payload: &payload });
            }
        }
        prop_assert!(stage.done.unwrap().unwrap().data == data);
    }
}
