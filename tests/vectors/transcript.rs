//! The transcripts: lines that belong together, in the order in which they were sent.
//!
//! Replies go with their requests, fragments with their announcement, and what they carry is a whole table: read
//! by the public tables, compared entry by entry, and cut into the same fragments again.

use std::collections::BTreeMap;

use zkgate::wire::bulk::{Announcement, Chunk, Table, buffered_size};
use zkgate::wire::command::Command;
use zkgate::wire::record::punch::Punch;
use zkgate::wire::record::table::{PunchTable, UserTable};

use crate::LATEST;
use crate::frame::{Owned, packet};
use crate::line::lines;

struct Step {
    name: String,
    to_device: bool,
    packet: Owned,
}

/// A table as a transcript delivers it, and the fragments that it came in.
#[derive(Debug)]
struct Transfer {
    table: Table,
    fragments: Vec<Vec<u8>>,
    /// The longest fragment by the announcement; a table that comes unannounced has none.
    most: Option<usize>,
}

fn transcripts() -> BTreeMap<String, Vec<Step>> {
    let mut all: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for line in lines().iter().filter(|line| line.is_frame() && line.decoded.contains_key("sequence")) {
        let steps = all.entry(line.text("sequence").to_owned()).or_default();
        assert_eq!(line.number("step"), steps.len() as u64 + 1, "{}: steps follow each other", line.name);
        let packet = packet(line).unwrap_or_else(|why| panic!("{}: {why}", line.name));
        steps.push(Step { name: line.name.clone(), to_device: line.text("dir") == "c2d", packet });
    }
    all
}

#[test]
fn every_transcript_is_there_whole() {
    let steps: Vec<_> = transcripts().into_iter().map(|(name, steps)| (name, steps.len())).collect();
    let expected = [
        ("att-chunked", 8),
        ("att-fragmented", 10),
        ("auth", 6),
        ("authfail", 4),
        ("live", 10),
        ("udp-old", 12),
        ("upload110", 10),
        ("users-small", 6),
    ];
    assert_eq!(steps, expected.map(|(name, steps)| (name.to_owned(), steps)));
}

#[test]
fn replies_carry_the_number_of_their_request_and_requests_count_up() {
    for (sequence, steps) in transcripts() {
        let mut asked: Option<u16> = None;
        for Step { name, to_device, packet } in steps {
            match (to_device, packet.command) {
                // An event and its acknowledgement stand outside the count.
                (false, Command::REG_EVENT) => assert_eq!(packet.reply, 0, "{name}"),
                (true, Command::ACK_OK) => assert_eq!(packet.reply, 0, "{name}"),
                (true, _) => {
                    let next = asked.map_or(packet.reply, |asked| asked + 1);
                    assert_eq!(packet.reply, next, "{name}");
                    asked = Some(next);
                }
                (false, _) => assert_eq!(Some(packet.reply), asked, "{name} of {sequence}"),
            }
        }
    }
}

#[test]
fn every_transfer_is_the_table_that_was_asked_for() {
    for (sequence, expected_users, expected_punches) in [
        ("users-small", &["1 1001 ALICE 14 1234 0", "2 1002 José 0  4294967295"][..], vec![]),
        (
            "att-chunked",
            &[],
            vec![
                "1001 2026-07-14T08:00:00 state 0 verify 1".to_owned(),
                "1002 2026-07-14T08:00:30 state 0 verify 15".to_owned(),
                "1001 2026-07-14T17:00:05 state 1 verify 1".to_owned(),
            ],
        ),
        ("att-fragmented", &[], (0..60).map(fragmented).collect()),
        (
            "udp-old",
            &["1 1001 ALICE 14 1234 0", "2 1002 BOB 0  12345"],
            vec![
                "uid 1 2011-03-18T08:00:00 state 0 verify 1".to_owned(),
                "uid 1 2011-03-18T17:00:00 state 1 verify 1".to_owned(),
            ],
        ),
    ] {
        let (mut users, mut punches) = (Vec::new(), Vec::new());
        for transfer in transfers(&transcripts()[sequence]) {
            let data = transfer.fragments.concat();
            let (rebuilt, entries) = match transfer.table {
                Table::USERS => read_users(&data),
                Table::ATTENDANCE => read_punches(&data),
                other => panic!("{sequence} asks for {other:?}"),
            };
            let most = transfer.most.unwrap_or(data.len());
            let again: Vec<_> = rebuilt.chunks(most).map(<[u8]>::to_vec).collect();
            assert_eq!(again, transfer.fragments, "{sequence}: built and cut again");
            if transfer.table == Table::USERS { users.extend(entries) } else { punches.extend(entries) }
        }
        assert_eq!(users, expected_users, "{sequence}");
        assert_eq!(punches, expected_punches, "{sequence}");
    }
}

#[test]
fn a_transfer_without_one_of_its_fragments_is_no_table() {
    let fragments = &transfers(&transcripts()["att-fragmented"])[0].fragments;
    assert_eq!(fragments.len(), 3);
    for missing in 0..fragments.len() {
        let mut rest = fragments.clone();
        rest.remove(missing);
        for count in [None, Some(60)] {
            let table = PunchTable::parse(rest.concat(), count, LATEST);
            assert!(table.is_err(), "without fragment {missing}, count {count:?}: {table:?}");
        }
    }
}

/// The tables that a transcript delivers, each proved by its own totals.
fn transfers(steps: &[Step]) -> Vec<Transfer> {
    let mut done = Vec::new();
    let mut table = None;
    let mut buffered = None;
    let mut running: Option<(usize, Transfer)> = None;
    for Step { name, to_device, packet } in steps {
        let payload = &packet.payload;
        match (to_device, packet.command) {
            (true, Command::DATA_WRRQ) => table = Some(Table::parse(payload).unwrap()),
            (true, Command::USERTEMP_RRQ) => table = Some(Table::USERS),
            (true, Command::ATTLOG_RRQ) => table = Some(Table::ATTENDANCE),
            (true, Command::DATA_RDY) => {
                let whole = Chunk { start: 0, size: buffered.unwrap() };
                assert_eq!(Chunk::parse(payload), Ok(whole), "{name}");
            }
            (false, Command::PREPARE_DATA) => {
                let Announcement { total, fragment } = Announcement::parse(payload).unwrap();
                assert_eq!(buffered.take().unwrap_or(total), total, "{name}: the buffer's size");
                let transfer = Transfer {
                    table: table.unwrap(),
                    fragments: Vec::new(),
                    most: fragment.map(|most| most as usize),
                };
                running = Some((total as usize, transfer));
            }
            (false, Command::DATA) => {
                if let Some((_, transfer)) = &mut running {
                    assert_eq!(
                        usize::from(packet.session),
                        transfer.fragments.len(),
                        "{name}: the fragment's index"
                    );
                    assert!(payload.len() <= transfer.most.unwrap(), "{name}: the fragment's length");
                    transfer.fragments.push(payload.clone());
                } else {
                    let fragments = vec![payload.clone()];
                    done.push(Transfer { table: table.unwrap(), fragments, most: None });
                }
            }
            (false, Command::ACK_OK) => {
                if let Some((total, transfer)) = running.take() {
                    assert_eq!(transfer.fragments.concat().len(), total, "{name}: every byte came");
                    assert_eq!(
                        usize::from(packet.session),
                        total % 65_536,
                        "{name}: the device counts the same"
                    );
                    done.push(transfer);
                } else if payload.len() == 13 {
                    buffered = Some(buffered_size(payload).unwrap());
                }
            }
            _ => {}
        }
    }
    assert!(running.is_none(), "a transfer has no end");
    done
}

/// The same table built again, and a line for each user.
fn read_users(data: &[u8]) -> (Vec<u8>, Vec<String>) {
    let table = UserTable::parse(data.to_vec(), Some(2)).unwrap();
    let mut body = Vec::new();
    let mut entries = Vec::new();
    for user in table.iter() {
        user.emit(table.layout().unwrap(), &mut body);
        let (password, card) = (user.password.expose().to_text(), user.card_number);
        entries.push(format!(
            "{} {} {} {} {password} {card}",
            user.uid, user.user_id, user.name, user.privilege.0
        ));
    }
    (with_size(&body), entries)
}

/// The same table built again, and a line for each punch.
fn read_punches(data: &[u8]) -> (Vec<u8>, Vec<String>) {
    let table = PunchTable::parse(data.to_vec(), None, LATEST).unwrap();
    let stride = table.layout().unwrap().stride();
    let mut body = Vec::new();
    let mut entries = Vec::new();
    for (punch, record) in table.iter().zip(data[4..].chunks(stride)) {
        let number = u16::from_le_bytes([record[0], record[1]]);
        punch.emit(table.layout().unwrap(), number, &mut body);
        entries.push(shown(&punch));
    }
    assert_eq!(entries.len(), table.slots(), "no slot is blank");
    (with_size(&body), entries)
}

fn shown(punch: &Punch) -> String {
    let Punch { time, punch_state, verify_mode, .. } = punch;
    let who = punch.uid.map_or_else(|| punch.user_id.to_string(), |uid| format!("uid {uid}"));
    format!("{who} {} state {punch_state} verify {verify_mode}", time.time().unwrap())
}

/// The punches of the fragmented transcript: two people, one month, in and out every day.
fn fragmented(index: u32) -> String {
    let (day, leaving) = (1 + index / 2, index % 2);
    let hour = if leaving == 1 { 17 } else { 8 };
    let person = 1001 + leaving;
    format!("{person} 2026-07-{day:02}T{hour:02}:{index:02}:{index:02} state {leaving} verify 1")
}

fn with_size(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_le_bytes(), body].concat()
}
