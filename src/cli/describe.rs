//! What a packet of a capture means, in a few words. An answer's meaning follows from what was asked, so the requests
//! of each session are followed.

use std::collections::HashMap;

use crate::wire::bulk::{Announcement, Chunk, Table, buffered_size};
use crate::wire::bytes::Reader;
use crate::wire::capture::{Direction, Frame};
use crate::wire::clock_word::ClockWord;
use crate::wire::command::Command;
use crate::wire::event::{Event, Who};
use crate::wire::packet::Packet;
use crate::wire::record::user::{User, UserLayout};
use crate::wire::sizes::FreeSizes;
use crate::wire::text::until_nul;

/// Follows the sessions of a capture.
#[derive(Debug, Default)]
pub(super) struct Describer {
    /// The last request of each session, with its number.
    asked: HashMap<u32, (Command, u16)>,
}

impl Describer {
    /// What a packet of this session means; empty where nothing is to be said.
    pub(super) fn describe(&mut self, session: u32, frame: &Frame) -> String {
        match frame.direction {
            Direction::Out => {
                if frame.command != Command::ACK_OK {
                    self.asked.insert(session, (frame.command, frame.reply));
                }
                request(frame)
            }
            Direction::In if frame.command == Command::REG_EVENT => events(frame),
            Direction::In => {
                let asked = self.asked.get(&session);
                match asked {
                    Some((asked, reply)) if *reply == frame.reply => answer(*asked, frame),
                    _ => "answers no request".to_owned(),
                }
            }
        }
    }
}

fn request(frame: &Frame) -> String {
    let payload = &frame.payload;
    let number = || Reader::new(payload).u32().ok();
    let said = match frame.command {
        Command::ACK_OK => Some("acknowledges an event".to_owned()),
        Command::AUTH => Some("comm key".to_owned()),
        Command::OPTIONS_RRQ | Command::OPTIONS_WRQ => Some(text(payload)),
        Command::SET_TIME => time(payload),
        Command::DATA_WRRQ => Table::parse(payload).ok().map(table_name),
        Command::DATA_RDY => Chunk::parse(payload).ok().map(|chunk| {
            format!("bytes {} to {}", chunk.start, u64::from(chunk.start) + u64::from(chunk.size))
        }),
        Command::DB_RRQ | Command::USERTEMP_RRQ | Command::ATTLOG_RRQ | Command::OPLOG_RRQ => {
            let fct = payload.first().copied().unwrap_or_default().into();
            Some(table_name(Table { command: frame.command, fct }))
        }
        Command::USER_WRQ => UserLayout::for_stride(payload.len())
            .and_then(|layout| User::parse(payload, layout).ok())
            .map(|user| format!("uid {}, user {}", user.uid, user.user_id.to_text())),
        Command::REG_EVENT => number().map(|mask| format!("events {mask:#06x}")),
        Command::UNLOCK => number().map(|number| format!("for {number}")),
        Command::PREPARE_DATA => number().map(|total| format!("{total} bytes follow")),
        Command::DATA => Some(format!("{} bytes", payload.len())),
        _ => None,
    };
    said.unwrap_or_default()
}

fn answer(asked: Command, frame: &Frame) -> String {
    let payload = &frame.payload;
    let said = match (asked, frame.command) {
        (Command::CONNECT, Command::ACK_OK) => Some(format!("session {}", frame.session)),
        (Command::CONNECT, Command::ACK_UNAUTH) => Some(format!("session {}, wants a key", frame.session)),
        (_, Command::PREPARE_DATA) => Announcement::parse(payload).ok().map(|announced| {
            let packets = announced.fragment.map_or(String::new(), |most| format!(", {most} in a packet"));
            format!("{} bytes follow{packets}", announced.total)
        }),
        (_, Command::DATA) => Some(format!("{} bytes, number {}", payload.len(), frame.session)),
        (Command::DATA_WRRQ, Command::ACK_OK | Command::ACK_DATA) => {
            buffered_size(payload).ok().map(|size| format!("{size} bytes are prepared"))
        }
        (Command::OPTIONS_RRQ | Command::GET_VERSION, Command::ACK_OK | Command::ACK_DATA) => {
            Some(text(payload))
        }
        (Command::GET_TIME, Command::ACK_OK | Command::ACK_DATA) => time(payload),
        (Command::GET_FREE_SIZES, Command::ACK_OK | Command::ACK_DATA) => {
            let sizes = FreeSizes::parse(payload);
            let count = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
            let (users, punches) = (count(sizes.users), count(sizes.punches));
            Some(format!("{users} users, {punches} punches, {} fingers", count(sizes.fingerprints)))
        }
        _ => None,
    };
    said.unwrap_or_default()
}

fn events(frame: &Frame) -> String {
    let Frame { command, session, reply, payload, .. } = frame;
    let packet = Packet { command: *command, session: *session, reply: *reply, payload };
    let told: Vec<String> = Event::each(&packet).map(|event| event_name(&event)).collect();
    told.join("; ")
}

fn event_name(event: &Event) -> String {
    match event {
        Event::Punch { punch, .. } => {
            let who = match punch.who {
                Who::UserId(user_id) => format!("user {}", user_id.to_text()),
                Who::Uid(uid) => format!("uid {uid}"),
            };
            format!("punch: {who} at {}", punch.time)
        }
        Event::Finger => "a finger is on the sensor".to_owned(),
        Event::Score(score) => format!("score {score}"),
        Event::Enrolment(enrolment) => format!("enrolment: {enrolment:?}"),
        Event::Verification(Some(uid)) => format!("verification of uid {uid}"),
        Event::Verification(None) => "verification of nobody known".to_owned(),
        Event::Alarm(alarm) => format!("alarm: {alarm:?}"),
        Event::Other { code, .. } => format!("event {code}"),
        Event::Unreadable { .. } => "punch of an unknown layout".to_owned(),
    }
}

fn table_name(table: Table) -> String {
    match (table.command, table.fct) {
        (Command::USERTEMP_RRQ, _) | (Command::DB_RRQ, 5) => "users".to_owned(),
        (Command::ATTLOG_RRQ, _) | (Command::DB_RRQ, 1) => "attendance log".to_owned(),
        (Command::DB_RRQ, 2) => "templates".to_owned(),
        (Command::OPLOG_RRQ, _) | (Command::DB_RRQ, 4) => "operation log".to_owned(),
        (command, fct) => format!("table {command}, {fct}"),
    }
}

fn time(payload: &[u8]) -> Option<String> {
    Reader::new(payload).u32().ok().map(|word| ClockWord(word).fields().to_string())
}

fn text(payload: &[u8]) -> String {
    until_nul(payload).chars().take(60).collect()
}
