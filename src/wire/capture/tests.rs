//! The text of a capture, and its masks, against whatever can be said.

use proptest::prelude::*;

use super::mask::Masker;
use super::*;
use crate::wire::bulk::Chunk;
use crate::wire::bulk::{Table, buffered_reply};
use crate::wire::comm_key::CommKey;
use crate::wire::option;
use crate::wire::record::UserId;
use crate::wire::record::template::{Template, Validity};
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;
use crate::wire::sizes::FreeSizes;

const CEILING: usize = 1 << 20;

fn packet(direction: Direction, command: Command, reply: u16, payload: &[u8]) -> Frame {
    Frame::of(direction, &Packet { command, session: 7, reply, payload })
}

fn out(command: Command, reply: u16, payload: impl AsRef<[u8]>) -> Frame {
    packet(Direction::Out, command, reply, payload.as_ref())
}

fn back(command: Command, reply: u16, payload: impl AsRef<[u8]>) -> Frame {
    packet(Direction::In, command, reply, payload.as_ref())
}

/// What a session looks like in a capture.
fn masked(carrier: Carrier, joined: bool, frames: Vec<Frame>) -> Vec<Frame> {
    let (mut masker, mut written) = (Masker::new(carrier, joined, CEILING), Vec::new());
    frames.into_iter().for_each(|frame| masker.hear((), frame, &mut written));
    masker.finish(&mut written);
    written.into_iter().map(|((), frame)| frame).collect()
}

fn record(layout: UserLayout, uid: u16) -> Vec<u8> {
    let blank = UserRecord::blank(layout, uid, &UserId::from_number(1000 + u32::from(uid))).unwrap();
    let mut record = blank.bytes().expose().clone();
    record[3..8].copy_from_slice(b"31337");
    if layout.stride() > 72 {
        record[73..78].copy_from_slice(b"31337");
    }
    record
}

/// A user table and the conversation in which it is read at once.
fn users(layout: UserLayout) -> (Vec<u8>, Vec<Frame>) {
    let body = [record(layout, 1), record(layout, 2), record(layout, 3)].concat();
    let table = [(body.len() as u32).to_le_bytes().to_vec(), body].concat();
    let sizes = FreeSizes { users: Some(3), ..FreeSizes::default() }.emit(20);
    let frames = vec![
        out(Command::GET_FREE_SIZES, 1, []),
        back(Command::ACK_OK, 1, sizes),
        out(Command::DATA_WRRQ, 2, Table::USERS.request()),
        back(Command::DATA, 2, &table),
        out(Command::FREE_DATA, 3, []),
        back(Command::ACK_OK, 3, []),
    ];
    (table, frames)
}

fn holds(frames: &[Frame], secret: &[u8]) -> bool {
    frames.iter().any(|frame| frame.payload.windows(secret.len()).any(|window| window == secret))
}

#[test]
fn a_user_table_keeps_everything_but_the_passwords() {
    for layout in [UserLayout::Compact, UserLayout::FULL, UserLayout::Full { stride: 80 }] {
        let (table, frames) = users(layout);
        let written = masked(Carrier::Tcp, false, frames);
        let seen = &written[3];
        assert_eq!((seen.payload.len(), seen.masked.len() >= 3), (table.len(), true), "{layout:?}");
        assert!(!holds(&written, b"31337"), "{layout:?}");
        for user in 0..3 {
            let at = 4 + user * layout.stride();
            assert_eq!(seen.payload[at..at + 3], table[at..at + 3], "the uid stays");
        }
        assert!(seen.is_like(&table), "a mask fits what it covers");
    }
}

#[test]
fn what_comes_late_or_belongs_to_nothing_is_hidden() {
    let (table, mut frames) = users(UserLayout::FULL);
    // A doubled datagram, when something else was asked; and one when nothing was.
    frames.push(out(Command::GET_TIME, 4, []));
    frames.push(back(Command::DATA, 2, &table));
    frames.push(back(Command::ACK_OK, 4, [1, 2, 3, 4]));
    frames.push(back(Command::DATA, 99, &table));
    let written = masked(Carrier::Udp, false, frames);
    assert!(!holds(&written, b"31337"));
    assert_eq!(written[8].payload, [1, 2, 3, 4], "an answer to what was asked stays");
}

#[test]
fn a_table_that_is_not_proved_complete_is_hidden_whole() {
    let (table, frames) = users(UserLayout::FULL);
    for (name, bytes) in [("a byte too few", &table[..table.len() - 1]), ("shifted", &table[1..])] {
        let mut frames = frames.clone();
        frames[3].payload = bytes.to_vec();
        let written = masked(Carrier::Tcp, false, frames);
        assert!(!holds(&written, b"31337"), "{name}");
        assert_eq!(written[3].payload.len(), bytes.len(), "{name}");
    }
    // Joined when the table stood in the device's buffer already.
    let joined = vec![
        out(Command::DATA_RDY, 5, Chunk { start: 0, size: table.len() as u32 }.emit()),
        back(Command::DATA, 5, &table),
    ];
    assert!(!holds(&masked(Carrier::Tcp, true, joined), b"31337"));
}

#[test]
fn chunks_are_followed_to_their_table_and_other_calls_between_them_stay_in_order() {
    let (table, frames) = users(UserLayout::FULL);
    let half = 100;
    let size = table.len() as u32;
    let chunk = |start: u32, size: u32| Chunk { start, size }.emit();
    let frames = vec![
        frames[0].clone(),
        frames[1].clone(),
        out(Command::DATA_WRRQ, 2, Table::USERS.request()),
        back(Command::ACK_OK, 2, buffered_reply(size, 0)),
        out(Command::DATA_RDY, 3, chunk(0, half)),
        back(Command::DATA, 3, &table[..100]),
        out(Command::GET_TIME, 4, []),
        back(Command::ACK_OK, 4, [1, 2, 3, 4]),
        out(Command::DATA_RDY, 5, chunk(half, size - half)),
        back(Command::DATA, 5, &table[100..]),
        out(Command::FREE_DATA, 6, []),
    ];
    let before = frames.clone();
    let written = masked(Carrier::Tcp, false, frames);
    assert!(!holds(&written, b"31337"));
    assert_eq!(written[7].payload, [1, 2, 3, 4]);
    let image = [&written[5].payload[..], &written[9].payload].concat();
    assert_eq!(image[4..7], table[4..7]);
    let order = |frames: &[Frame]| frames.iter().map(|frame| frame.reply).collect::<Vec<_>>();
    assert_eq!(order(&written), order(&before));
}

#[test]
fn a_table_too_large_to_be_held_is_hidden_whole() {
    let (table, frames) = users(UserLayout::FULL);
    let (mut masker, mut written) = (Masker::new(Carrier::Tcp, false, 300), Vec::new());
    frames.into_iter().for_each(|frame| masker.hear((), frame, &mut written));
    assert_eq!(written.len(), 6, "nothing is held any more");
    let seen = &written[3].1;
    let hidden = seen.masked.iter().map(ExactSizeIterator::len).sum::<usize>();
    assert_eq!((seen.payload.len(), hidden), (table.len(), table.len()));
}

#[test]
fn something_missed_makes_the_mask_forget_what_it_knew() {
    let (table, frames) = users(UserLayout::FULL);
    let (mut masker, mut written) = (Masker::new(Carrier::Tcp, false, CEILING), Vec::new());
    let log = out(Command::DATA_WRRQ, 1, Table::ATTENDANCE.request());
    masker.hear((), log, &mut written);
    masker.hear((), back(Command::ACK_OK, 1, buffered_reply(400, 0)), &mut written);
    // Here the users were asked for, and that was missed.
    drop(frames);
    masker.gap(&mut written);
    let chunk = Chunk { start: 0, size: table.len() as u32 };
    masker.hear((), out(Command::DATA_RDY, 3, chunk.emit()), &mut written);
    masker.hear((), back(Command::DATA, 3, &table), &mut written);
    let written: Vec<Frame> = written.into_iter().map(|((), frame)| frame).collect();
    assert!(!holds(&written, b"31337"));
}

#[test]
fn templates_are_zeros_of_the_same_length() {
    let mut table = vec![0; 4];
    for (uid, length) in [(1, 40), (2, 0), (3, 7)] {
        Template::new(uid, 6, Validity::Valid, &vec![0xa5; length]).unwrap().emit(&mut table);
    }
    let size = (table.len() - 4) as u32;
    table[..4].copy_from_slice(&size.to_le_bytes());
    let read = vec![
        out(Command::DATA_WRRQ, 1, Table::TEMPLATES.request()),
        back(Command::DATA, 1, &table),
        out(Command::TEMPLATE_RRQ, 2, [1, 0, 6]),
        back(Command::PREPARE_DATA, 2, [41, 0, 0, 0, 0, 4, 0, 0]),
        back(Command::DATA, 2, vec![0xa5; 41]),
        back(Command::ACK_OK, 2, []),
        out(Command::DATA, 3, vec![0xa5; 40]),
    ];
    let written = masked(Carrier::Tcp, false, read);
    assert!(!holds(&written, &[0xa5; 4]));
    let expected: Vec<u8> = table.iter().map(|byte| if *byte == 0xa5 { 0 } else { *byte }).collect();
    assert_eq!(written[1].payload, expected, "heads and sizes stay");
    assert_eq!(written[3].payload[0], 41);
}

#[test]
fn keys_and_secret_options_are_hidden_and_other_options_stay() {
    let key = CommKey::new(123_456).unwrap().scramble(7, 50);
    let said = vec![
        out(Command::AUTH, 1, key),
        out(Command::OPTIONS_WRQ, 2, option::write_request("ComKey", "123456")),
        out(Command::OPTIONS_RRQ, 3, option::read_request("~SerialNumber")),
        back(Command::ACK_OK, 3, b"~SerialNumber=ABC1\0"),
        out(Command::OPTIONS_RRQ, 4, option::read_request("WifiPassword")),
        back(Command::ACK_OK, 4, b"123456\0"),
        // The answer names another option than was asked for.
        out(Command::OPTIONS_RRQ, 5, option::read_request("Language")),
        back(Command::ACK_OK, 5, b"ComKey=123456\0"),
        out(Command(2999), 6, b"123456"),
        back(Command::ACK_OK, 6, b"123456"),
    ];
    let written = masked(Carrier::Tcp, false, said);
    assert!(!holds(&written, b"123456") && !holds(&written, &key));
    assert_eq!(written[3].payload, b"~SerialNumber=ABC1\0");
    assert_eq!(written[7].payload, b"ComKey=******\0");
}

#[test]
fn a_capture_whose_last_line_breaks_off_is_read_as_far_as_it_goes() {
    let header = header();
    let gap = Line::Gap { at: Micros(5), frames: 2 };
    let text = [header.emit(), gap.emit(), "{\"ms\":1".to_owned()].concat();
    let read = Capture::parse(&text).unwrap();
    assert_eq!(read, Capture { header, lines: vec![gap], breaks_off: true });
    let error = Capture::parse(&text.replace("gap", "hole")).unwrap_err().to_string();
    assert!(error.starts_with("line 2:"), "{error}");
    let newer = text.replace("\"zkgate_capture\":1", "\"zkgate_capture\":2");
    assert_eq!(Capture::parse(&newer), Err(CaptureError::Version { found: 2 }));
}

fn header() -> Header {
    Header {
        zkgate: "0.1.0".into(),
        device: "1".into(),
        serial_number: Some("SIM0000000001".into()),
        transport: "auto".into(),
        started_at: "2026-11-25T05:00:00.000Z".into(),
    }
}

prop_compose! {
    fn any_frame()(
        direction in prop_oneof![Just(Direction::Out), Just(Direction::In)],
        command in prop_oneof![
            any::<u16>(),
            proptest::sample::select(vec![8, 9, 11, 12, 50, 88, 201, 500, 1000, 1102, 1500, 1501, 1502, 1503, 1504, 2000]),
        ],
        session in 0u16..6,
        reply in 0u16..6,
        payload in proptest::collection::vec(any::<u8>(), 0..120),
    ) -> Frame {
        Frame { direction, command: Command(command), session, reply, payload, masked: Vec::new() }
    }
}

fn any_line() -> impl Strategy<Value = Line> {
    let at = (0u64..3_600_000_000).prop_map(Micros);
    let masked = any_frame().prop_map(|mut frame| {
        frame.hide(2..5);
        frame.hide(9..40);
        frame
    });
    prop_oneof![
        (at.clone(), any::<u32>(), any::<bool>(), any::<bool>()).prop_map(|(at, session, tcp, joined)| {
            let carrier = if tcp { Carrier::Tcp } else { Carrier::Udp };
            Line::Begin { at, session, carrier, joined }
        }),
        (at.clone(), any::<u32>(), masked).prop_map(|(at, session, frame)| Line::Frame {
            at,
            session,
            frame
        }),
        (at.clone(), any::<u32>(), ".{0,12}").prop_map(|(at, session, how)| Line::End { at, session, how }),
        (at.clone(), any::<u64>()).prop_map(|(at, frames)| Line::Gap { at, frames }),
        (at, ".{0,12}", any::<u64>(), any::<u64>()).prop_map(|(at, why, frames, lost)| Line::Stop {
            at,
            why,
            frames,
            lost
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(lines in proptest::collection::vec(any_line(), 0..20)) {
        let text: String = std::iter::once(header().emit()).chain(lines.iter().map(Line::emit)).collect();
        let capture = Capture { header: header(), lines, breaks_off: false };
        prop_assert_eq!(Capture::parse(&text), Ok(capture));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", line in any_line(), cut in 0usize..400, put in any::<char>()) {
        let _ = (Capture::parse(&text), Line::parse(&text, 1), Header::parse(&text));
        let mut spoiled: Vec<char> = line.emit().chars().collect();
        if let Some(at) = spoiled.get_mut(cut) {
            *at = put;
        }
        let spoiled: String = spoiled.into_iter().collect();
        let _ = Line::parse(&spoiled, 1);
        let _ = Capture::parse(&[header().emit(), spoiled].concat());
    }

    #[test]
    fn a_mask_changes_nothing_but_what_it_says(
        frames in proptest::collection::vec(any_frame(), 0..60),
        udp in any::<bool>(),
        joined in any::<bool>(),
    ) {
        let carrier = if udp { Carrier::Udp } else { Carrier::Tcp };
        let written = masked(carrier, joined, frames.clone());
        prop_assert_eq!(written.len(), frames.len());
        for (before, after) in frames.iter().zip(&written) {
            prop_assert!(after.is_like(&before.payload));
            let whole = Frame { payload: before.payload.clone(), masked: Vec::new(), ..after.clone() };
            prop_assert_eq!(&whole, before);
        }
    }
}
