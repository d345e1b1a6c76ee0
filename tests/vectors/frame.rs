//! Lines that are frames: header, payload, and the same bytes built again.

use zkgate::wire::access::{Combination, DaySpan, GroupZones, TimeZone};
use zkgate::wire::bulk::{self, Announcement, Chunk, Table};
use zkgate::wire::checksum::checksum;
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::command::Command;
use zkgate::wire::enrolment::EnrolmentRequest;
use zkgate::wire::event::{Enrolment, Event};
use zkgate::wire::frame::{self, FrameBuffer, FrameError};
use zkgate::wire::option;
use zkgate::wire::packet::{Checksums, Packet, PacketError};
use zkgate::wire::record::people_block::PeopleBlock;
use zkgate::wire::record::table::{PunchTable, UserTable};
use zkgate::wire::record::template::{Template, Validity};
use zkgate::wire::record::user::{User, UserLayout};
use zkgate::wire::record::user_record::UserRecord;
use zkgate::wire::text::until_nul;

use crate::LATEST;
use crate::line::{Case, Line, hex};
use crate::value::{Outcome, alarm, byte, comm_key, free_sizes, half, live_punch, table_request, user, word};

/// A packet apart from the buffer it was received in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) command: Command,
    pub(crate) session: u16,
    pub(crate) reply: u16,
    pub(crate) payload: Vec<u8>,
}

impl From<Packet<'_>> for Owned {
    fn from(packet: Packet<'_>) -> Self {
        let Packet { command, session, reply, payload } = packet;
        Self { command, session, reply, payload: payload.to_vec() }
    }
}

impl Owned {
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet { command: self.command, session: self.session, reply: self.reply, payload: &self.payload }
    }
}

/// Every packet of a stream that arrives in pieces of at most `piece` bytes, and what ended it, if it is no end.
pub(crate) fn packets(stream: &[u8], piece: usize) -> (Vec<Owned>, Option<FrameError>) {
    let (mut buffer, mut seen) = (FrameBuffer::new(), Vec::new());
    for bytes in stream.chunks(piece) {
        buffer.push(bytes);
        loop {
            match buffer.next_packet(Checksums::Strict) {
                Ok(Some(packet)) => seen.push(packet.into()),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    assert!(buffer.is_empty(), "bytes are left over");
    (seen, None)
}

/// The packet of a valid line.
pub(crate) fn packet(line: &Line) -> Result<Owned, String> {
    if line.kind == "udp-frame" {
        let packet = Packet::parse(&line.bytes, Checksums::Strict).map_err(|error| error.to_string())?;
        return Ok(packet.into());
    }
    match packets(&line.bytes, line.bytes.len()) {
        (mut packets, None) if packets.len() == 1 => Ok(packets.remove(0)),
        (packets, error) => Err(format!("gives {} packets and {error:?}", packets.len())),
    }
}

pub(crate) fn valid(case: &mut Case<'_>) -> Outcome {
    let (line, bytes) = (case.line, &case.line.bytes);
    let owned = packet(line)?;
    let packet = owned.packet();
    let header = &bytes[bytes.len() - 8 - packet.payload.len()..];
    case.must("valid", true);
    case.must("command", packet.command.0);
    case.must("session", packet.session);
    case.must("reply", packet.reply);
    case.must("checksum", half(header, 2)?);
    let sum = checksum(packet.command.0, packet.session, packet.reply, packet.payload);
    case.same("the checksum built again", &sum, &half(header, 2)?);
    case.must("payload_len", packet.payload.len());
    if (1..=64).contains(&packet.payload.len()) {
        case.must("payload", hex(packet.payload));
    }
    match packet.command.name() {
        Some(name) => case.must("command_name", in_the_style_of(line.text("command_name"), name)),
        None => case.fail("has a code without a name"),
    }
    let mut out = Vec::new();
    match line.kind.as_str() {
        "udp-frame" => packet.emit(&mut out),
        _ => frame::emit(&packet, &mut out),
    }
    case.same("the frame built again", &hex(&out), &hex(bytes));
    case.leave("sequence");
    case.leave("step");
    match line.text("dir") {
        "c2d" => {
            case.must("dir", "c2d");
            request(case, &packet)
        }
        "d2c" => {
            case.must("dir", "d2c");
            reply(case, &packet)
        }
        _ => Ok(()), // `dir` stays unasked for, and fails by that.
    }
}

/// The vectors write `CMD_…`, and put the number into the name of some codes; ours have neither.
fn in_the_style_of(theirs: &str, ours: &str) -> String {
    let plain = |part: &&str| *part != "CMD" && part.parse::<u16>().is_err();
    let stripped = theirs.split('_').filter(plain).collect::<Vec<_>>().join("_");
    if stripped == ours { theirs.to_owned() } else { ours.to_owned() }
}

fn request(case: &mut Case<'_>, packet: &Packet<'_>) -> Outcome {
    let payload = packet.payload;
    match packet.command {
        Command::OPTIONS_RRQ => {
            let name = option::requested_name(payload);
            // A device takes the name with and without its NUL; we send it with.
            let built = option::read_request(&name);
            case.same_bytes("the request built again", &built[..payload.len()], payload);
            case.must("option", name);
        }
        Command::OPTIONS_WRQ => {
            let (name, value) = option::assignment(payload).ok_or("assigns nothing")?;
            case.same_bytes(
                "the request built again",
                &option::write_request(&name, &value)[..payload.len()],
                payload,
            );
            case.check("text", format!("{name}={value}"));
        }
        Command::ACK_UNKNOWN => case.must("text", until_nul(payload)),
        Command::DATA_WRRQ => table_request(case, payload)?,
        Command::DATA_RDY => {
            let chunk = Chunk::parse(payload).map_err(|error| error.to_string())?;
            case.must("start", chunk.start);
            case.must("size", chunk.size);
            case.same_bytes("the request built again", &chunk.emit()[..], payload);
        }
        Command::USERTEMP_RRQ => {
            case.must("fct", byte(payload, 0)?);
            case.same_bytes("the request built again", &Table::USERS.direct_request()[..], payload);
        }
        Command::PREPARE_DATA => {
            let announced = Announcement::parse(payload).map_err(|error| error.to_string())?;
            case.must("total", announced.total);
            case.same("a fragment's size", &announced.fragment, &None);
        }
        Command::DATA => upload(case, payload)?,
        Command::AUTH => comm_key(case, packet.session, payload)?,
        Command::SET_TIME => {
            let time = ClockWord(word(payload, 0)?).time().map_err(|error| error.to_string())?;
            case.must("time", time.to_string());
            case.same_bytes("the request built again", &ClockWord::pack(time).0.to_le_bytes()[..], payload);
        }
        Command::USER_WRQ => user(case, UserLayout::FULL, payload)?,
        // Requests of a number or two: their fields are read where they stand.
        Command::REG_EVENT => case.must("mask", word(payload, 0)?),
        Command::UNLOCK => case.must("delay", word(payload, 0)?),
        Command::DELETE_USER => case.must("uid", half(payload, 0)?),
        Command::VERIFY_WRQ => {
            case.must("uid", half(payload, 0)?);
            case.must("verify_style", byte(payload, 2)?);
        }
        Command::STARTENROLL => {
            let request =
                EnrolmentRequest::parse(payload, UserLayout::FULL).map_err(|error| error.to_string())?;
            case.must("user_id", request.user_id.to_text());
            case.must("finger", request.finger);
            case.must("flag", request.validity.to_byte());
            let built = request.emit(UserLayout::FULL).ok_or("cannot be built")?;
            case.same_bytes("the request built again", &built, payload);
        }
        _ => {}
    }
    Ok(())
}

fn reply(case: &mut Case<'_>, packet: &Packet<'_>) -> Outcome {
    let payload = packet.payload;
    match packet.command {
        Command::PREPARE_DATA => {
            let announced = Announcement::parse(payload).map_err(|error| error.to_string())?;
            let fragment = announced.fragment.ok_or("announces no size of fragments")?;
            case.must("total", announced.total);
            case.must("max_fragment", fragment);
            case.same_bytes(
                "the reply built again",
                &Announcement::emit(announced.total, fragment)[..],
                payload,
            );
        }
        Command::DATA => {
            case.check("fragment_index", packet.session);
            case.check("leading_size", word(payload, 0)?);
            table(case, payload)?;
        }
        Command::REG_EVENT => event(case, packet),
        Command::ACK_OK => acknowledged(case, packet)?,
        _ => {}
    }
    Ok(())
}

/// `CMD_ACK_OK`: what it carries depends on what was asked, which a single line tells by its keys.
fn acknowledged(case: &mut Case<'_>, packet: &Packet<'_>) -> Outcome {
    let payload = packet.payload;
    case.check("state", packet.session);
    case.check("bytes_sent_mod_65536", packet.session);
    if case.has("text") {
        let text = until_nul(payload);
        let value = text.split_once('=').map_or(&*text, |(_, value)| value);
        case.same("the option's value", &option::value(payload).as_deref(), &Some(value));
        case.must("text", &*text);
    }
    if case.has("layout") {
        free_sizes(case, payload);
    }
    if case.has("total") {
        let total = bulk::buffered_size(payload).map_err(|error| error.to_string())?;
        case.must("total", total);
        case.same_bytes(
            "the reply built again",
            &bulk::buffered_reply(total, word(payload, 9)?)[..],
            payload,
        );
    }
    if case.has("time") {
        case.must("time", ClockWord(word(payload, 0)?).fields().to_string());
    }
    if case.has("pin_width") {
        case.must("pin_width", byte(payload, 0)?);
    }
    if case.has("door_open") {
        case.must("door_open", byte(payload, 0)? == 1);
    }
    if case.has("combination") {
        let read = Combination::parse(payload).map_err(|error| error.to_string())?;
        case.must("combination", read.index);
        case.must("groups", read.groups.into_iter().filter(|group| *group != 0).collect::<Vec<u8>>());
        case.same_bytes("the reply built again", &read.emit(), payload);
    } else if case.has("group") {
        let read = GroupZones::parse(payload).map_err(|error| error.to_string())?;
        case.must("group", read.group);
        case.must("tz", read.zones);
        case.must("verify_style", read.verify_style);
        case.must("holiday", read.holidays);
        case.same_bytes("the reply built again", &read.emit(), payload);
    } else if case.has("tz") {
        let read = TimeZone::parse(payload).map_err(|error| error.to_string())?;
        case.must("tz", read.index);
        for (day, key) in [(0, "sunday"), (1, "monday"), (6, "saturday")] {
            let DaySpan { from: (a, b), to: (c, d) } = read.days[day];
            case.must(key, format!("{a:02}:{b:02}-{c:02}:{d:02}"));
        }
        case.same_bytes("the reply built again", &read.emit(), payload);
    }
    Ok(())
}

fn event(case: &mut Case<'_>, packet: &Packet<'_>) {
    case.must("event", packet.session);
    let mut events: Vec<_> = Event::each(packet).collect();
    assert_eq!(events.len(), 1, "each of these packets holds one event");
    match events.remove(0) {
        Event::Punch { punch, payload } => {
            assert_eq!(payload, packet.payload);
            live_punch(case, punch, payload.len());
        }
        Event::Finger => {}
        Event::Score(score) => case.must("score", score),
        Event::Enrolment(Enrolment::Done { template_size, user_id, finger }) => {
            case.must("result", 0);
            case.must("template_size", template_size);
            case.must("user_id", user_id.to_text());
            case.must("finger", finger);
        }
        Event::Enrolment(Enrolment::Failed { result }) => case.must("result", result),
        Event::Verification(uid) => case.must("uid", uid),
        Event::Alarm(what) => alarm(case, what),
        other @ (Event::Other { .. } | Event::Unreadable { .. }) => {
            case.fail(&format!("is not understood: {other:?}"));
        }
    }
}

/// The payload of a `CMD_DATA` that holds a whole table, or memory that must not pass for one.
fn table(case: &mut Case<'_>, payload: &[u8]) -> Outcome {
    if case.has("records_valid") {
        case.must("records_valid", PunchTable::parse(payload.to_vec(), Some(3), LATEST).is_ok());
    }
    let count = u32::try_from(case.line.number("count")).ok();
    let layout = case.line.text("layout");
    let mut found = Vec::new();
    for counted in [None, count] {
        found.push(if layout.starts_with("users") {
            let table = UserTable::parse(payload.to_vec(), counted).map_err(|error| error.to_string())?;
            (table.layout().map(|layout| format!("users{}", layout.stride())), table.iter().count())
        } else if layout.starts_with("att") {
            let table =
                PunchTable::parse(payload.to_vec(), counted, LATEST).map_err(|error| error.to_string())?;
            (table.layout().map(|layout| format!("att{}", layout.stride())), table.iter().count())
        } else {
            return Ok(());
        });
    }
    case.same("the table read without a count", &found[0], &found[1]);
    case.must("layout", &found[1].0);
    case.must("count", found[1].1);
    Ok(())
}

/// The block of an upload of users with their templates, which nothing in this crate sends yet.
fn upload(case: &mut Case<'_>, block: &[u8]) -> Outcome {
    let (users, table, templates) = (word(block, 0)?, word(block, 4)?, word(block, 8)?);
    case.must("user_bytes", users);
    case.must("table_bytes", table);
    case.must("template_bytes", templates);
    case.same("the sum of the parts", &(12 + users + table + templates), &(block.len() as u32));
    let record = block.get(13..).unwrap_or_default();
    let user = User::parse(record, UserLayout::FULL).map_err(|error| error.to_string())?;
    case.same("the user", &(user.uid, &*user.user_id.to_text()), &(3, "1003"));
    let template = half(block, 12 + users as usize + table as usize)?;
    case.same("the template's length", &u32::from(template), &(templates - 2));
    let record = UserRecord::new(record, UserLayout::FULL).map_err(|error| error.to_string())?;
    let bytes = block.get(block.len() - usize::from(template)..).unwrap_or_default();
    let print = Template::new(3, 6, Validity::Valid, bytes).map_err(|error| error.to_string())?;
    let mut built = PeopleBlock::default();
    built.push_user(&record);
    built.push_template(&print);
    case.same_bytes("the block built again", &built.emit(), block);
    Ok(())
}

/// A line that is said to be invalid, and the error it must give.
pub(crate) fn invalid(case: &mut Case<'_>) -> Outcome {
    let damaged = |command| FrameError::Packet(PacketError::Checksum { command });
    let line = case.line;
    let expected = match line.name.as_str() {
        "bad-checksum" => damaged(Command::GET_TIME),
        "bad-magic" => FrameError::Prefix { found: [0x50, 0x50, 0x82, 0x7e] },
        "bad-length-short" => FrameError::TooShort { declared: 7 },
        "bad-length-huge" => FrameError::TooLong { declared: 0x7fff_ffff },
        "bad-secure-magic" => FrameError::Encrypted,
        "bad-pull-panel" => FrameError::Panel,
        "doc-typo-pyzk-prepare" => damaged(Command::DATA_WRRQ),
        "doc-typo-js-prepare" | "doc-typo-js-prepare-users" => damaged(Command::PREPARE_DATA),
        _ => return Err("is said to be invalid, and no test knows why".to_owned()),
    };
    let packet = if line.kind == "udp-frame" {
        let error = Packet::parse(&line.bytes, Checksums::Strict).err();
        case.same("the error", &error.map(FrameError::Packet), &Some(expected));
        &line.bytes[..]
    } else {
        for piece in [1, 2, 3, 7, 1000] {
            let result = packets(&line.bytes, piece);
            case.same(&format!("the error in pieces of {piece}"), &result, &(Vec::new(), Some(expected)));
        }
        line.bytes.get(8..).unwrap_or_default()
    };
    case.must("valid", false);
    if let Some(said) = line.text("reason").strip_prefix("checksum field 0x") {
        let lenient = Packet::parse(packet, Checksums::Lenient).map_err(|error| error.to_string())?;
        let needed = checksum(lenient.command.0, lenient.session, lenient.reply, lenient.payload);
        let sums = format!("{:04x}, payload needs 0x{needed:04x}", half(packet, 2)?);
        case.same("what the reason says", &said.starts_with(&sums), &true);
    }
    case.leave("reason");
    Ok(())
}
