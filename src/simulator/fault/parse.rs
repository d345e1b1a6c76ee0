//! Faults as text, both ways.

use std::fmt;
use std::time::Duration;

use super::{Fault, Kind, Lie, Phase, Place, Scope, Warp};
use crate::simulator::outgoing::Role;
use crate::wire::command::Command;

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is none of that name.
    #[error("there is no fault {name:?}; there are {}", names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The parameter does not fit.
    #[error("the fault {name} takes {expected}, not {found:?}")]
    Parameter {
        /// The fault.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// The scope is none.
    #[error("{found:?} is no scope; there are {}, and command codes", scopes())]
    Scope {
        /// What was given.
        found: String,
    },
    /// What stands behind `+` or `*` is no count.
    #[error("{found:?} is no number of occasions")]
    Count {
        /// What was given.
        found: String,
    },
}

/// Every fault: its name, and what it does and takes.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("refuse", "connections are refused; those that are open stay"),
    ("blackhole", "nothing is heard and nothing is said: no answer even to the first packet of TCP"),
    ("silent-accept", "connections are accepted and never answered"),
    ("silent", "nothing is answered from here on, in this conversation"),
    ("swallow", "one answer is not sent"),
    ("close", "the connection is closed in order after so many bytes (default: half of the answer)"),
    ("rst", "the connection is reset after so many bytes (default: half of the answer)"),
    ("reboot", "the device restarts and is away for so long (default 5s)"),
    ("forget", "the session is forgotten: silence (default) or code 2005 (unauth)"),
    ("split", "the stream comes in pieces of at most so many bytes (default 7)"),
    ("merge", "an answer leaves in one piece, an event behind it"),
    ("drip", "the stream comes byte by byte with this pause (default 10ms)"),
    ("delay", "the answer comes so much later (default 200ms)"),
    ("wrong-checksum", "the checksum does not fit"),
    ("wrong-reply", "the reply id is another one"),
    ("late-duplicate", "the answer to the command before comes once more, first"),
    ("oversize", "a frame declares 2 GiB (huge, default) or 7 bytes (tiny)"),
    (
        "stray-event",
        "events inside exchanges: everywhere (default), before-reply, before-announce, between-data, before-ack",
    ),
    ("truncate", "so many bytes of a transfer are missing, and its end says so (default 40)"),
    ("missing-fragment", "a data packet in the middle of a transfer is not sent"),
    ("missing-ack", "the end of a transfer is not said"),
    ("wrong-total", "the announced size is larger (default) or smaller by 40"),
    ("fragments", "data packets hold at most so many bytes (default 100)"),
    ("bare-data", "one data packet instead of announcement, data and acknowledgement"),
    ("double-prepare", "a transfer is announced twice"),
    ("early-ack", "the end of a transfer is said before its last data"),
    ("udp-drop", "datagrams are lost with this probability in percent (default 20)"),
    ("udp-duplicate", "datagrams come twice"),
    ("udp-reorder", "the datagrams of an answer come in another order"),
    ("punch", "somebody punches in the moment of a request: before it is carried out (default) or after"),
    ("ignore-disable", "disabling the device is acknowledged and has no effect"),
    ("event-lost", "a punch is recorded, but not told"),
    ("event-twice", "a punch is told twice"),
    ("event-late", "a punch is told so much later (default 500ms)"),
    ("event-garbage", "what is told of a punch is of no known length"),
    ("event-abbreviated", "a punch is told with verify mode 0 and state 255, whatever the log says"),
    ("event-batch", "so many punches are told in one packet, with the last of them (default 3)"),
    ("no-buffer", "the buffered form of reading is refused: with 2001 (error, default) or 65535 (unknown)"),
    ("reject", "the command is not carried out, and answered with this code (default 2001)"),
    ("not-kept", "a change is acknowledged, and nothing is kept of it"),
    ("kept-otherwise", "a change is acknowledged, and something else is kept"),
    ("lying-counts", "the free sizes say more (larger), fewer (smaller) or zero (default)"),
    ("lying-size-word", "the word before a table is larger (default), smaller or zero"),
    ("impossible-dates", "every n-th punch has a date that does not exist (default 10)"),
    ("blank-records", "every n-th punch is all zero (default 10)"),
    ("garbage-after-nul", "rubbish behind the end of texts in records"),
    ("gbk-names", "the names of users are GBK, not UTF-8"),
];

const SCOPES: [(&str, Scope); 17] = [
    ("any", Scope::Any),
    ("connect", Scope::Phase(Phase::Connect)),
    ("auth", Scope::Phase(Phase::Auth)),
    ("option", Scope::Phase(Phase::Option)),
    ("sizes", Scope::Phase(Phase::Sizes)),
    ("time", Scope::Phase(Phase::Time)),
    ("prepare", Scope::Phase(Phase::Prepare)),
    ("chunk", Scope::Phase(Phase::Chunk)),
    ("free", Scope::Phase(Phase::Free)),
    ("exit", Scope::Phase(Phase::Exit)),
    ("clear-log", Scope::Code(Command::CLEAR_ATTLOG.0)),
    ("disable", Scope::Code(Command::DISABLEDEVICE.0)),
    ("enable", Scope::Code(Command::ENABLEDEVICE.0)),
    ("announce", Scope::Packet(Role::Announce)),
    ("data", Scope::Packet(Role::Data)),
    ("closing-ack", Scope::Packet(Role::Closing)),
    ("event", Scope::Packet(Role::Event)),
];

const PLACES: [(&str, Place); 5] = [
    ("everywhere", Place::Everywhere),
    ("before-reply", Place::BeforeReply),
    ("before-announce", Place::BeforeAnnounce),
    ("between-data", Place::BetweenData),
    ("before-ack", Place::BeforeClosing),
];

const REFUSALS: [(&str, Command); 2] = [("error", Command::ACK_ERROR), ("unknown", Command::ACK_UNKNOWN)];

const LIES: [(&str, Lie); 3] = [("larger", Lie::Larger), ("smaller", Lie::Smaller), ("zero", Lie::Zero)];

/// The longest time a fault may take.
const TIME_CEILING: Duration = Duration::from_secs(3600);

pub(super) fn fault(text: &str) -> Result<Fault, FaultError> {
    let (rest, times) = suffix(text, '*');
    let (rest, skip) = suffix(rest, '+');
    let (rest, scope) = suffix(rest, '@');
    let (name, parameter) = rest.split_once(':').map_or((rest, None), |(name, p)| (name, Some(p)));
    Ok(Fault {
        kind: kind(name, parameter)?,
        scope: scope.map(scope_of).transpose()?.unwrap_or_default(),
        skip: skip.map(count).transpose()?.unwrap_or_default(),
        times: times.map(count).transpose()?,
    })
}

fn suffix(text: &str, mark: char) -> (&str, Option<&str>) {
    text.rsplit_once(mark).map_or((text, None), |(rest, suffix)| (rest, Some(suffix)))
}

fn count(text: &str) -> Result<u32, FaultError> {
    text.parse().map_err(|_| FaultError::Count { found: shown(text) })
}

fn scope_of(text: &str) -> Result<Scope, FaultError> {
    let named = SCOPES.iter().find(|(name, _)| *name == text).map(|(_, scope)| *scope);
    let code = || text.parse().ok().map(Scope::Code);
    named.or_else(code).ok_or_else(|| FaultError::Scope { found: shown(text) })
}

fn kind(name: &str, parameter: Option<&str>) -> Result<Kind, FaultError> {
    let unknown = || FaultError::Unknown { name: shown(name) };
    let name = NAMES.iter().map(|(known, _)| *known).find(|known| *known == name).ok_or_else(unknown)?;
    let given = Given { name, parameter };
    Ok(match name {
        "refuse" => given.nothing(Kind::Refuse)?,
        "blackhole" => given.nothing(Kind::Blackhole)?,
        "silent-accept" => given.nothing(Kind::SilentAccept)?,
        "silent" => given.nothing(Kind::Silent)?,
        "swallow" => given.nothing(Kind::Swallow)?,
        "close" => Kind::Close(given.optional_number()?),
        "rst" => Kind::Rst(given.optional_number()?),
        "reboot" => Kind::Reboot(given.time(Duration::from_secs(5))?),
        "forget" => Kind::Forget { unauth: given.choice(&[("silent", false), ("unauth", true)], false)? },
        "split" => Kind::Split(given.number(7)?),
        "merge" => given.nothing(Kind::Merge)?,
        "drip" => Kind::Drip(given.time(Duration::from_millis(10))?),
        "delay" => Kind::Delay(given.time(Duration::from_millis(200))?),
        "wrong-checksum" => given.nothing(Kind::WrongChecksum)?,
        "wrong-reply" => given.nothing(Kind::WrongReply)?,
        "late-duplicate" => given.nothing(Kind::LateDuplicate)?,
        "oversize" => Kind::Oversize { tiny: given.choice(&[("huge", false), ("tiny", true)], false)? },
        "stray-event" => Kind::StrayEvent(given.choice(&PLACES, Place::Everywhere)?),
        "truncate" => Kind::Truncate(given.number(40)?),
        "missing-fragment" => given.nothing(Kind::MissingFragment)?,
        "missing-ack" => given.nothing(Kind::MissingAck)?,
        "wrong-total" => Kind::WrongTotal(given.choice(&LIES, Lie::Larger)?),
        "fragments" => Kind::Fragments(given.number(100)?),
        "bare-data" => given.nothing(Kind::BareData)?,
        "double-prepare" => given.nothing(Kind::DoublePrepare)?,
        "early-ack" => given.nothing(Kind::EarlyAck)?,
        "udp-drop" => Kind::UdpDrop(given.percent(20)?),
        "udp-duplicate" => given.nothing(Kind::UdpDuplicate)?,
        "udp-reorder" => given.nothing(Kind::UdpReorder)?,
        "punch" => Kind::Punch { after: given.choice(&[("before", false), ("after", true)], false)? },
        "ignore-disable" => given.nothing(Kind::IgnoreDisable)?,
        "event-lost" => given.nothing(Kind::EventLost)?,
        "event-twice" => given.nothing(Kind::EventTwice)?,
        "event-late" => Kind::EventLate(given.time(Duration::from_millis(500))?),
        "event-garbage" => given.nothing(Kind::EventGarbage)?,
        "event-abbreviated" => given.nothing(Kind::EventAbbreviated)?,
        "event-batch" => Kind::EventBatch(given.number(3)?),
        "no-buffer" => Kind::NoBuffer(given.choice(&REFUSALS, Command::ACK_ERROR)?),
        "reject" => Kind::Reject(given.code(Command::ACK_ERROR)?),
        "not-kept" => given.nothing(Kind::NotKept)?,
        "kept-otherwise" => given.nothing(Kind::KeptOtherwise)?,
        "lying-counts" => Kind::LyingCounts(given.choice(&LIES, Lie::Zero)?),
        "lying-size-word" => Kind::Table(Warp::SizeWord(given.choice(&LIES, Lie::Larger)?)),
        "impossible-dates" => Kind::Table(Warp::ImpossibleDates(given.number(10)?)),
        "blank-records" => Kind::Table(Warp::BlankRecords(given.number(10)?)),
        "garbage-after-nul" => given.nothing(Kind::Table(Warp::GarbageAfterNul))?,
        "gbk-names" => given.nothing(Kind::Table(Warp::GbkNames))?,
        _ => return Err(unknown()),
    })
}

/// A fault's name and the text behind its colon.
struct Given<'a> {
    name: &'static str,
    parameter: Option<&'a str>,
}

impl Given<'_> {
    fn nothing(&self, kind: Kind) -> Result<Kind, FaultError> {
        if self.parameter.is_some() { Err(self.wrong("no parameter")) } else { Ok(kind) }
    }

    fn optional_number(&self) -> Result<Option<usize>, FaultError> {
        let number = |text: &str| text.parse().map_err(|_| self.wrong("a number of bytes"));
        self.parameter.map(number).transpose()
    }

    fn number(&self, default: usize) -> Result<usize, FaultError> {
        let Some(text) = self.parameter else { return Ok(default) };
        text.parse().ok().filter(|number| *number > 0).ok_or_else(|| self.wrong("a number above 0"))
    }

    fn code(&self, default: Command) -> Result<Command, FaultError> {
        let Some(text) = self.parameter else { return Ok(default) };
        text.parse().map(Command).map_err(|_| self.wrong("a reply code"))
    }

    fn percent(&self, default: u8) -> Result<u8, FaultError> {
        let Some(text) = self.parameter else { return Ok(default) };
        text.parse().ok().filter(|number| *number <= 100).ok_or_else(|| self.wrong("a percentage"))
    }

    fn time(&self, default: Duration) -> Result<Duration, FaultError> {
        let Some(text) = self.parameter else { return Ok(default) };
        duration(text).ok_or_else(|| self.wrong("a time of at most an hour such as 200ms or 5s"))
    }

    fn choice<T: Copy>(&self, choices: &[(&'static str, T)], default: T) -> Result<T, FaultError> {
        let Some(text) = self.parameter else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| self.wrong("one of the words in its description"))
    }

    fn wrong(&self, expected: &'static str) -> FaultError {
        FaultError::Parameter { name: self.name, expected, found: shown(self.parameter.unwrap_or_default()) }
    }
}

/// `200ms`, `5s`, or a number of seconds; at most an hour.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis(1)),
        None => (text.strip_suffix('s').unwrap_or(text), Duration::from_secs(1)),
    };
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u32 = digits.parse().ok().filter(|_| whole)?;
    unit.checked_mul(count).filter(|time| *time <= TIME_CEILING)
}

/// Foreign text for an error, cut.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

fn names() -> String {
    NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn scopes() -> String {
    SCOPES.map(|(name, _)| name).join(", ")
}

pub(super) fn write(fault: &Fault, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_kind(fault.kind, f)?;
    match fault.scope {
        Scope::Any => {}
        Scope::Code(code) => write!(f, "@{code}")?,
        scope => {
            if let Some((name, _)) = SCOPES.iter().find(|(_, known)| *known == scope) {
                write!(f, "@{name}")?;
            }
        }
    }
    if fault.skip > 0 {
        write!(f, "+{}", fault.skip)?;
    }
    fault.times.map_or(Ok(()), |times| write!(f, "*{times}"))
}

fn write_kind(kind: Kind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let lie = |lie: Lie| LIES.iter().find(|(_, known)| *known == lie).map_or("", |(name, _)| *name);
    let bytes = |name: &str, count: Option<usize>| count.map_or(name.to_owned(), |n| format!("{name}:{n}"));
    let ms = |time: Duration| format!("{}ms", time.as_millis());
    let text = match kind {
        Kind::Refuse => "refuse".to_owned(),
        Kind::Blackhole => "blackhole".to_owned(),
        Kind::SilentAccept => "silent-accept".to_owned(),
        Kind::Silent => "silent".to_owned(),
        Kind::Swallow => "swallow".to_owned(),
        Kind::Close(count) => bytes("close", count),
        Kind::Rst(count) => bytes("rst", count),
        Kind::Reboot(time) => format!("reboot:{}", ms(time)),
        Kind::Forget { unauth } => format!("forget:{}", if unauth { "unauth" } else { "silent" }),
        Kind::Split(most) => format!("split:{most}"),
        Kind::Merge => "merge".to_owned(),
        Kind::Drip(time) => format!("drip:{}", ms(time)),
        Kind::Delay(time) => format!("delay:{}", ms(time)),
        Kind::WrongChecksum => "wrong-checksum".to_owned(),
        Kind::WrongReply => "wrong-reply".to_owned(),
        Kind::LateDuplicate => "late-duplicate".to_owned(),
        Kind::Oversize { tiny } => format!("oversize:{}", if tiny { "tiny" } else { "huge" }),
        Kind::StrayEvent(place) => {
            let name = PLACES.iter().find(|(_, known)| *known == place).map_or("", |(name, _)| *name);
            format!("stray-event:{name}")
        }
        Kind::Truncate(count) => format!("truncate:{count}"),
        Kind::MissingFragment => "missing-fragment".to_owned(),
        Kind::MissingAck => "missing-ack".to_owned(),
        Kind::WrongTotal(way) => format!("wrong-total:{}", lie(way)),
        Kind::Fragments(most) => format!("fragments:{most}"),
        Kind::BareData => "bare-data".to_owned(),
        Kind::DoublePrepare => "double-prepare".to_owned(),
        Kind::EarlyAck => "early-ack".to_owned(),
        Kind::UdpDrop(percent) => format!("udp-drop:{percent}"),
        Kind::UdpDuplicate => "udp-duplicate".to_owned(),
        Kind::UdpReorder => "udp-reorder".to_owned(),
        Kind::Punch { after } => format!("punch:{}", if after { "after" } else { "before" }),
        Kind::IgnoreDisable => "ignore-disable".to_owned(),
        Kind::EventLost => "event-lost".to_owned(),
        Kind::EventTwice => "event-twice".to_owned(),
        Kind::EventLate(time) => format!("event-late:{}", ms(time)),
        Kind::EventGarbage => "event-garbage".to_owned(),
        Kind::EventAbbreviated => "event-abbreviated".to_owned(),
        Kind::EventBatch(count) => format!("event-batch:{count}"),
        Kind::NoBuffer(code) => {
            let name = REFUSALS.iter().find(|(_, known)| *known == code).map_or("", |(name, _)| *name);
            format!("no-buffer:{name}")
        }
        Kind::Reject(code) => format!("reject:{}", code.0),
        Kind::NotKept => "not-kept".to_owned(),
        Kind::KeptOtherwise => "kept-otherwise".to_owned(),
        Kind::LyingCounts(way) => format!("lying-counts:{}", lie(way)),
        Kind::Table(Warp::SizeWord(way)) => format!("lying-size-word:{}", lie(way)),
        Kind::Table(Warp::ImpossibleDates(every)) => format!("impossible-dates:{every}"),
        Kind::Table(Warp::BlankRecords(every)) => format!("blank-records:{every}"),
        Kind::Table(Warp::GarbageAfterNul) => "garbage-after-nul".to_owned(),
        Kind::Table(Warp::GbkNames) => "gbk-names".to_owned(),
    };
    f.write_str(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_by_its_name_alone_and_written_as_it_is_read() {
        for (name, _) in NAMES {
            let fault = Fault::parse(name).unwrap();
            assert_eq!(Fault::parse(&fault.to_string()), Ok(fault), "{name}");
        }
    }

    #[test]
    fn parameter_scope_skip_and_times_are_read() {
        let fault = Fault::parse("rst:100@data+2*1").unwrap();
        let expected =
            Fault { kind: Kind::Rst(Some(100)), scope: Scope::Packet(Role::Data), skip: 2, times: Some(1) };
        assert_eq!(fault, expected);
        assert_eq!(fault.to_string(), "rst:100@data+2*1");
        assert_eq!(Fault::parse("delay:3s@201").unwrap().scope, Scope::Code(201));
    }

    #[test]
    fn a_wrong_text_is_told_what_there_is() {
        for (text, expected) in [
            ("slience", "there is no fault \"slience\"; there are refuse"),
            ("silent:3", "the fault silent takes no parameter, not \"3\""),
            ("split:0", "the fault split takes a number above 0"),
            ("delay:soon", "the fault delay takes a time of at most an hour"),
            ("delay:4000s", "the fault delay takes a time of at most an hour"),
            ("udp-drop:101", "takes a percentage"),
            ("silent@nowhere", "\"nowhere\" is no scope; there are any, connect"),
            ("silent*often", "\"often\" is no number of occasions"),
            ("", "there is no fault \"\""),
        ] {
            let error = Fault::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
