//! The recorded conversations: what we say must be the recorded bytes, what the device said must be understood.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

use super::bulk_read::{Buffer, BulkRead, Method};
use super::error::DialogError;
use super::exchange::Exchange;
use super::hello::Hello;
use super::line::{Line, Matching};
use super::stage::{Stage, line_at, manners};
use super::{Dialog, Phase, Request};
use crate::wire::bulk::Table;
use crate::wire::carrier::Carrier;
use crate::wire::clock_word::ClockWord;
use crate::wire::comm_key::CommKey;
use crate::wire::command::Command;
use crate::wire::frame::FrameBuffer;
use crate::wire::packet::{Checksums, Packet};
use crate::wire::record::table::{PunchTable, UserTable};

struct Step {
    from_client: bool,
    bytes: Vec<u8>,
}

/// One conversation, what is left of it.
struct Transcript {
    name: &'static str,
    carrier: Carrier,
    steps: VecDeque<Step>,
}

impl Transcript {
    fn read(name: &'static str, carrier: Carrier) -> Self {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/protocol-vectors.jsonl");
        let text = std::fs::read_to_string(file).unwrap();
        let vectors = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut steps: Vec<(u64, Step)> = vectors
            .filter(|vector| vector["decoded"]["sequence"] == name)
            .map(|vector| {
                let hex = vector["hex"].as_str().unwrap();
                let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                let bytes = (0..hex.len()).step_by(2).map(byte).collect();
                let from_client = vector["decoded"]["dir"] == "c2d";
                (vector["decoded"]["step"].as_u64().unwrap(), Step { from_client, bytes })
            })
            .collect();
        steps.sort_by_key(|(number, _)| *number);
        assert!(!steps.is_empty(), "{name}");
        Self { name, carrier, steps: steps.into_iter().map(|(_, step)| step).collect() }
    }

    /// Plays a dialog until it is over or the conversation is; gives the stage for what came of it.
    fn play<D: Dialog>(&mut self, line: Line, dialog: D) -> Stage<D> {
        let mut stage = Stage::open_on(line, self.carrier, dialog);
        let mut compared = 0;
        loop {
            while let Some(sent) = stage.sent.get(compared) {
                let Some(step) = self.steps.pop_front() else { return stage };
                assert!(step.from_client, "{}: we speak out of turn", self.name);
                assert_eq!(hex(&sent.bytes), hex(&step.bytes), "{}: {:?}", self.name, sent.command);
                compared += 1;
            }
            if stage.done.is_some() {
                return stage;
            }
            let Some(step) = self.steps.pop_front() else { return stage };
            assert!(!step.from_client, "{}: we say nothing", self.name);
            let mut stream = FrameBuffer::new();
            stream.push(&step.bytes);
            let packet = match self.carrier {
                Carrier::Tcp => stream.next_packet(Checksums::Strict).unwrap().unwrap(),
                Carrier::Udp => Packet::parse(&step.bytes, Checksums::Strict).unwrap(),
            };
            stage.hear(&packet);
        }
    }

    /// Answers one of our requests that is no part of the dialog under test.
    fn skip_exchange(&mut self) {
        assert!(self.steps.pop_front().unwrap().from_client);
        assert!(!self.steps.pop_front().unwrap().from_client);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hello(key: u64) -> Hello {
    Hello::new(CommKey::new(key).unwrap(), manners(Carrier::Tcp), Instant::now())
}

fn read(table: Table, method: Method, session: u16, carrier: Carrier) -> BulkRead {
    BulkRead::new(table, method, None, manners(carrier), Instant::now()).in_session(session)
}

#[test]
fn the_recorded_greetings_are_ours() {
    let stage = Transcript::read("auth", Carrier::Tcp).play(Line::new(Matching::Strict), hello(123_456));
    assert_eq!((stage.line.session(), stage.asked().command), (0x2a31, Command::OPTIONS_RRQ));
    let stage = Transcript::read("authfail", Carrier::Tcp).play(Line::new(Matching::Strict), hello(0));
    assert_eq!(stage.done, Some(Err(DialogError::WrongCommKey)));
}

#[test]
fn the_recorded_user_table_in_one_packet_is_read() {
    let mut transcript = Transcript::read("users-small", Carrier::Tcp);
    let sizes =
        Exchange::harmless(Request::bare(Command::GET_FREE_SIZES), Phase::Reply, &manners(Carrier::Tcp));
    let stage = transcript.play(line_at(0x2a31, 3), sizes);
    let bulk = read(Table::USERS, Method::Buffered, 0x2a31, Carrier::Tcp);
    let bulk = transcript.play(stage.line, bulk).done.unwrap().unwrap();
    let users = UserTable::parse(bulk.data, Some(2)).unwrap();
    let ids: Vec<String> = users.iter().map(|user| user.user_id.to_text().into_owned()).collect();
    assert_eq!(ids, ["1001", "1002"]);
}

#[test]
fn the_recorded_logs_in_one_fragment_and_in_three_are_read() {
    for (name, first, count) in [("att-chunked", 6, 3), ("att-fragmented", 9, 60)] {
        let bulk = read(Table::ATTENDANCE, Method::Buffered, 0x2a31, Carrier::Tcp);
        let mut transcript = Transcript::read(name, Carrier::Tcp);
        let bulk = transcript.play(line_at(0x2a31, first), bulk).done.unwrap().unwrap();
        assert!(bulk.buffer == Buffer::Free && transcript.steps.is_empty(), "{name}: to the last step");
        let punches = PunchTable::parse(bulk.data, Some(count), ClockWord::MAX).unwrap();
        assert_eq!(punches.iter().count(), count as usize, "{name}");
    }
}

#[test]
fn the_recorded_direct_reads_of_an_old_device_are_ours() {
    let mut transcript = Transcript::read("udp-old", Carrier::Udp);
    transcript.skip_exchange();
    let users = read(Table::USERS, Method::Direct, 0x574c, Carrier::Udp);
    let stage = transcript.play(line_at(0x574c, 1), users);
    let table = UserTable::parse(stage.done.unwrap().unwrap().data, None).unwrap();
    assert_eq!(table.iter().count(), 2);
    let log = read(Table::ATTENDANCE, Method::Direct, 0x574c, Carrier::Udp);
    let stage = transcript.play(stage.line, log);
    let table = PunchTable::parse(stage.done.unwrap().unwrap().data, None, ClockWord::MAX).unwrap();
    assert_eq!(table.iter().map(|punch| punch.uid).collect::<Vec<_>>(), [Some(1), Some(1)]);
    let goodbye = transcript.play(stage.line, Exchange::farewell(manners(Carrier::Udp).reply));
    assert!(goodbye.done.unwrap().unwrap().is_ok() && transcript.steps.is_empty());
}
