//! Lines that are no frames: payloads, records, times and comm keys; and the values that frames share with them.

use zkgate::wire::bulk::Table;
use zkgate::wire::bytes::Reader;
use zkgate::wire::clock_word::{CivilTime, ClockWord, ImpossibleTime, PossibleTime};
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::event::{Alarm, LivePunch, Who};
use zkgate::wire::record::operation::OperationEntry;
use zkgate::wire::record::punch::{Punch, PunchLayout};
use zkgate::wire::record::template::{Template, TemplateError, TemplateHead, TemplateTable};
use zkgate::wire::record::user::{TimeZones, User, UserLayout};
use zkgate::wire::sizes::FreeSizes;

use crate::line::{Case, hex};

/// What went wrong before anything could be compared.
pub(crate) type Outcome = Result<(), String>;

pub(crate) fn payload(case: &mut Case<'_>) -> Outcome {
    let (bytes, layout) = (&case.line.bytes, case.line.text("layout"));
    match layout {
        "freesizes" | "freesizes-short" => free_sizes(case, bytes),
        "req1503" => table_request(case, bytes)?,
        "event-alarm-12" => {
            case.check("layout", format!("event-alarm-{}", bytes.len()));
            alarm(case, Alarm::parse(bytes).ok_or("is no alarm")?);
        }
        _ => live_punch(case, LivePunch::parse(bytes).ok_or("is no live punch")?, bytes.len()),
    }
    Ok(())
}

pub(crate) fn record(case: &mut Case<'_>) -> Outcome {
    let (bytes, layout) = (&case.line.bytes, case.line.text("layout"));
    match layout {
        "user28" => user(case, UserLayout::Compact, bytes),
        "user72" => user(case, UserLayout::FULL, bytes),
        "att8" | "att16" | "att40" | "att49" => punch(case, bytes),
        "oplog16" => operation(case, bytes),
        "template" => template(case, bytes),
        "template-head" => template_head(case, bytes),
        _ => Ok(()), // The layout stays unasked for, and fails by that.
    }
}

pub(crate) fn time(case: &mut Case<'_>) -> Outcome {
    let bytes = &case.line.bytes;
    let (format, civil) = if let [a, b, c, d] = **bytes {
        let word = ClockWord(u32::from_le_bytes([a, b, c, d]));
        case.must("value", word.0);
        let packed = word.time().map(ClockWord::pack);
        let expected = if packed.is_ok() { Ok(word) } else { Err(ImpossibleTime(word.fields())) };
        case.same("the word packed again", &packed, &expected);
        ("packed32", word.fields())
    } else {
        let six: [u8; 6] = bytes.as_slice().try_into().map_err(|_| "is neither four nor six bytes")?;
        let civil = CivilTime::from_six(six);
        case.same("the six bytes built again", &PossibleTime::new(civil).map(PossibleTime::to_six), &Ok(six));
        ("bytes6", civil)
    };
    let CivilTime { year, month, day, hour, minute, second } = civil;
    case.must("format", format);
    case.must("fields", [year, month.into(), day.into(), hour.into(), minute.into(), second.into()]);
    case.must("text", civil.to_string());
    case.must("valid_date", PossibleTime::new(civil).is_ok());
    Ok(())
}

pub(crate) fn comm_key(case: &mut Case<'_>, session: u16, scrambled: &[u8]) -> Outcome {
    let scrambled: [u8; 4] = scrambled.try_into().map_err(|_| "is not four bytes")?;
    let number = case.line.number("key");
    let key = CommKey::new(number).map_err(|error| error.to_string())?;
    case.must("key", key.expose());
    case.must("ticks", scrambled[2]);
    case.same("the scrambled key", &key.scramble(session, scrambled[2]), &scrambled);
    case.same("the device's verdict", &key.accepts(session, scrambled), &true);
    let other = CommKey::new(number ^ 1).map_err(|error| error.to_string())?;
    case.same("the verdict of a device with another key", &other.accepts(session, scrambled), &false);
    Ok(())
}

pub(crate) fn table_request(case: &mut Case<'_>, bytes: &[u8]) -> Outcome {
    let table = Table::parse(bytes).map_err(|error| error.to_string())?;
    case.check("layout", "req1503");
    case.must("sub_command", table.command.0);
    case.must("fct", table.fct);
    case.must("ext", word(bytes, 7)?);
    case.same_bytes("the request built again", &table.request()[..], bytes);
    Ok(())
}

pub(crate) fn free_sizes(case: &mut Case<'_>, bytes: &[u8]) {
    let sizes = FreeSizes::parse(bytes);
    if bytes.len() == 4 {
        case.must("layout", "freesizes-short");
        case.same("the sizes", &sizes, &FreeSizes::default());
        return;
    }
    case.must("layout", "freesizes");
    for (key, got) in [
        ("users", sizes.users),
        ("fingers", sizes.fingerprints),
        ("records", sizes.punches),
        ("oplogs", sizes.operations),
        ("admins", sizes.administrators),
        ("passwords", sizes.passwords),
        ("finger_cap", sizes.fingerprint_capacity),
        ("user_cap", sizes.user_capacity),
        ("record_cap", sizes.punch_capacity),
        ("finger_free", sizes.fingerprints_free),
        ("user_free", sizes.users_free),
        ("record_free", sizes.punches_free),
        ("faces", sizes.faces),
        ("face_cap", sizes.face_capacity),
    ] {
        case.check(key, got);
    }
    case.same_bytes("the reply built again", &sizes.emit(bytes.len() / 4)[..], bytes);
}

pub(crate) fn live_punch(case: &mut Case<'_>, punch: LivePunch, length: usize) {
    case.must("layout", format!("event-attlog-{length}"));
    match punch.who {
        Who::UserId(user_id) => case.must("user_id", user_id.to_text()),
        Who::Uid(uid) => case.must("uid", uid),
    }
    case.must("verify", punch.verify_mode);
    case.must("state", punch.punch_state);
    case.must("time", punch.time.to_string());
}

pub(crate) fn alarm(case: &mut Case<'_>, alarm: Alarm) {
    let (name, about) = match alarm {
        Alarm::Misoperation => ("misoperation", None),
        Alarm::Tamper => ("tamper", None),
        Alarm::ExitButton => ("exit button", None),
        Alarm::DoorClosing => ("door closing", None),
        Alarm::Duress { uid, match_type } => ("duress", Some((0x20, uid, match_type))),
        Alarm::Passback { uid, match_type } => ("passback", Some((0x22, uid, match_type))),
    };
    case.check("alarm", name);
    if let Some((kind, uid, match_type)) = about {
        case.must("alarm_type", kind);
        case.must("uid", uid);
        case.must("match_type", match_type);
    }
}

pub(crate) fn user(case: &mut Case<'_>, layout: UserLayout, bytes: &[u8]) -> Outcome {
    let user = User::parse(bytes, layout).map_err(|error| error.to_string())?;
    case.check("layout", format!("user{}", layout.stride()));
    case.same("the record's length", &bytes.len(), &layout.stride());
    case.must("uid", user.uid);
    case.must("privilege", user.privilege.0);
    case.must("password", user.password.expose().to_text());
    case.must("name", user.name.to_text());
    case.must("card", user.card_number);
    case.must("group", user.group);
    case.must("user_id", user.user_id.to_text());
    match user.time_zones {
        TimeZones::Set(set) => case.check("timezones", set),
        TimeZones::List { flag, zones } => {
            case.check("tz_flag", flag);
            case.check("tz", zones);
        }
    }
    let mut out = Vec::new();
    user.emit(layout, &mut out);
    case.same("the record built and read again", &User::parse(&out, layout), &Ok(user));
    // Captured fields hold garbage behind their NUL, which is not built again; all else is.
    let kept = out.iter().zip(bytes).all(|(ours, theirs)| ours == theirs || *ours == 0);
    case.same("every byte but garbage kept", &kept, &true);
    Ok(())
}

fn punch(case: &mut Case<'_>, bytes: &[u8]) -> Outcome {
    let layout = PunchLayout::for_stride(bytes.len()).ok_or("has no layout for its length")?;
    let punch = Punch::parse(bytes, layout).map_err(|error| error.to_string())?;
    case.must("layout", format!("att{}", layout.stride()));
    case.must("state", punch.punch_state);
    case.must("verify", punch.verify_mode);
    case.must("time", punch.time.fields().to_string());
    match punch.uid {
        Some(uid) => case.must("uid", uid),
        None => case.must("user_id", punch.user_id.to_text()),
    }
    case.check("workcode", punch.work_code);
    // Beside the punch: marks and reserved bytes that no decoder of ours gives a meaning.
    if layout == PunchLayout::Short {
        case.must("flags", bytes[2]);
        case.must("short_form", bytes[2] & 0b100 != 0);
    }
    let number = u16::from_le_bytes([bytes[0], bytes[1]]);
    case.check("first_u16", number);
    let reserved = bytes.get(32..40).map(hex);
    case.check("reserved", &reserved);
    case.check("trailer", bytes.get(40..).map(hex));
    let mut out = Vec::new();
    punch.emit(layout, number, &mut out);
    if case.line.name == "att40-f19" {
        // The only captured record with a reserved byte that is not zero.
        out[36] = 0xff;
    }
    case.same_bytes("the record built again", &out[..], bytes);
    Ok(())
}

fn operation(case: &mut Case<'_>, bytes: &[u8]) -> Outcome {
    let entry = OperationEntry::parse(bytes).map_err(|error| error.to_string())?;
    case.must("layout", format!("oplog{}", OperationEntry::STRIDE));
    case.must("admin", entry.administrator);
    case.must("op", entry.action.0);
    case.must("time", entry.time.fields().to_string());
    case.must("params", entry.parameters);
    let mut out = Vec::new();
    entry.emit(&mut out);
    case.same_bytes("the entry built again", &out[..], bytes);
    Ok(())
}

fn template(case: &mut Case<'_>, bytes: &[u8]) -> Outcome {
    let (template, rest) = Template::parse(bytes).map_err(|error| error.to_string())?;
    case.must("layout", "template");
    case.must("size", bytes.len() - rest.len());
    case.must("uid", template.uid);
    case.must("finger", template.finger);
    case.must("valid", template.validity.to_byte());
    case.must("template_len", template.bytes().expose().len());
    let mut out = (bytes.len() as u32).to_le_bytes().to_vec();
    template.emit(&mut out);
    case.same_bytes("the entry built again", &out[4..], bytes);
    let table = TemplateTable::parse(out, Some(1)).map_err(|error| error.to_string())?;
    case.same("a table of this entry alone", &table.iter().collect::<Vec<_>>(), &vec![template]);
    Ok(())
}

/// The first bytes of a captured entry: its head is read, and nobody takes it for the whole.
fn template_head(case: &mut Case<'_>, bytes: &[u8]) -> Outcome {
    let head = TemplateHead::parse(bytes).map_err(|error| error.to_string())?;
    case.must("layout", "template-head");
    case.must("size", head.size);
    case.must("uid", head.uid);
    case.must("finger", head.finger);
    case.must("valid", head.validity.to_byte());
    case.same_bytes("the head built again", &head.emit()[..], &bytes[..TemplateHead::SIZE]);
    let cut = TemplateError::Entry { offset: 0, declared: head.size, available: bytes.len() };
    case.same("the whole entry", &Template::parse(bytes), &Err(cut));
    Ok(())
}

/// The little-endian word at an offset, for fields that no decoder of ours reads.
pub(crate) fn word(bytes: &[u8], offset: usize) -> Result<u32, String> {
    let mut reader = Reader::new(bytes);
    reader.skip(offset).and_then(|()| reader.u32()).map_err(|error| error.to_string())
}

/// The same, two bytes long.
pub(crate) fn half(bytes: &[u8], offset: usize) -> Result<u16, String> {
    let mut reader = Reader::new(bytes);
    reader.skip(offset).and_then(|()| reader.u16()).map_err(|error| error.to_string())
}

/// The same, one byte long.
pub(crate) fn byte(bytes: &[u8], offset: usize) -> Result<u8, String> {
    bytes.get(offset).copied().ok_or_else(|| format!("has no byte {offset}"))
}
