//! The text of a capture, line by line. Fields that are not known are passed over, so that a later program may add
//! some; whatever else is not as it should be is refused with the number of its line.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Capture, Direction, Frame, Header, Line, Micros};
use crate::wire::carrier::Carrier;
use crate::wire::command::Command;
use crate::wire::frame::PACKET_CEILING;

/// Why a text is no capture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// The first line is not a capture's.
    #[error("line 1: this is no capture of zkgate")]
    NotACapture,
    /// The form is another one than this program knows.
    #[error("line 1: the capture has form {found}; this program reads form {}", Capture::VERSION)]
    Version {
        /// Which form it has.
        found: u64,
    },
    /// A line makes no sense.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct RawHeader {
    zkgate_capture: u64,
    #[serde(default)]
    zkgate: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    serial_number: Option<String>,
    #[serde(default)]
    transport: String,
    #[serde(default)]
    started_at: String,
    /// Said for people; there is no other kind.
    #[serde(default)]
    masked: bool,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RawLine {
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<u16>,
    /// For people; the number counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<Vec<(usize, usize)>>,
}

impl Header {
    /// The line, with its end.
    #[must_use]
    pub fn emit(&self) -> String {
        let Self { zkgate, device, serial_number, transport, started_at } = self.clone();
        let zkgate_capture = Capture::VERSION;
        text(&RawHeader {
            zkgate_capture,
            zkgate,
            device,
            serial_number,
            transport,
            started_at,
            masked: true,
        })
    }

    /// Reads the line.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn parse(text: &str) -> Result<Self, CaptureError> {
        let raw: RawHeader = serde_json::from_str(text).map_err(|_| CaptureError::NotACapture)?;
        if raw.zkgate_capture != Capture::VERSION {
            return Err(CaptureError::Version { found: raw.zkgate_capture });
        }
        let RawHeader { zkgate, device, serial_number, transport, started_at, .. } = raw;
        Ok(Self { zkgate, device, serial_number, transport, started_at })
    }
}

impl Line {
    /// The line, with its end.
    #[must_use]
    pub fn emit(&self) -> String {
        let is = |word: &str| Some(word.to_owned());
        let raw = match self {
            Self::Begin { session, carrier, joined, .. } => RawLine {
                is: is("begin"),
                session: Some(*session),
                transport: Some(carrier.name().to_owned()),
                joined: joined.then_some(true),
                ..RawLine::default()
            },
            Self::Frame { session, frame, .. } => RawLine { session: Some(*session), ..raw_frame(frame) },
            Self::End { session, how, .. } => RawLine {
                is: is("end"),
                session: Some(*session),
                how: Some(how.clone()),
                ..RawLine::default()
            },
            Self::Gap { frames, .. } => {
                RawLine { is: is("gap"), frames: Some(*frames), ..RawLine::default() }
            }
            Self::Stop { why, frames, lost, .. } => RawLine {
                is: is("stop"),
                why: Some(why.clone()),
                frames: Some(*frames),
                lost: Some(*lost),
                ..RawLine::default()
            },
        };
        text(&RawLine { ms: self.at().0 as f64 / 1000.0, ..raw })
    }

    /// Reads a line; `number` is its number in the text, for the error.
    ///
    /// # Errors
    /// [`CaptureError::Line`].
    pub fn parse(text: &str, number: u64) -> Result<Self, CaptureError> {
        let raw: RawLine = serde_json::from_str(text)
            .map_err(|error| wrong(number, format!("it is no JSON object of a capture ({error})")))?;
        read(raw).map_err(|what| wrong(number, what.to_owned()))
    }
}

fn read(raw: RawLine) -> Result<Line, &'static str> {
    if !(0.0..=LATEST).contains(&raw.ms) {
        return Err("\"ms\" is no time");
    }
    let at = Micros((raw.ms * 1000.0).round() as u64);
    let session = raw.session.ok_or("\"session\" is missing");
    match raw.is.as_deref() {
        None => Ok(Line::Frame { at, session: session?, frame: read_frame(raw)? }),
        Some("begin") => {
            let carrier = match raw.transport.as_deref() {
                Some("tcp") => Carrier::Tcp,
                Some("udp") => Carrier::Udp,
                _ => return Err("\"transport\" is neither tcp nor udp"),
            };
            Ok(Line::Begin { at, session: session?, carrier, joined: raw.joined.unwrap_or_default() })
        }
        Some("end") => Ok(Line::End { at, session: session?, how: raw.how.unwrap_or_default() }),
        Some("gap") => Ok(Line::Gap { at, frames: raw.frames.unwrap_or_default() }),
        Some("stop") => Ok(Line::Stop {
            at,
            why: raw.why.unwrap_or_default(),
            frames: raw.frames.unwrap_or_default(),
            lost: raw.lost.unwrap_or_default(),
        }),
        Some(_) => Err("\"is\" is none of begin, end, gap and stop"),
    }
}

fn raw_frame(frame: &Frame) -> RawLine {
    let masked: Vec<_> = frame.masked.iter().map(|range| (range.start, range.end)).collect();
    let direction = match frame.direction {
        Direction::Out => "out",
        Direction::In => "in",
    };
    RawLine {
        dir: Some(direction.to_owned()),
        command: Some(frame.command.0),
        name: frame.command.name().map(str::to_owned),
        id: Some(frame.session),
        reply: Some(frame.reply),
        hex: Some(to_hex(&frame.payload)),
        masked: (!masked.is_empty()).then_some(masked),
        ..RawLine::default()
    }
}

fn read_frame(raw: RawLine) -> Result<Frame, &'static str> {
    let direction = match raw.dir.as_deref() {
        Some("out") => Direction::Out,
        Some("in") => Direction::In,
        _ => return Err("\"dir\" is neither out nor in"),
    };
    let command = Command(raw.command.ok_or("\"command\" is missing")?);
    let session = raw.id.ok_or("\"id\" is missing")?;
    let reply = raw.reply.ok_or("\"reply\" is missing")?;
    let payload = from_hex(&raw.hex.unwrap_or_default()).ok_or("\"hex\" is no hexadecimal payload")?;
    let mut masked: Vec<Range<usize>> = Vec::new();
    for (start, end) in raw.masked.unwrap_or_default() {
        let after = masked.last().map_or(0, |last| last.end);
        if start < after || start >= end || end > payload.len() {
            return Err("\"masked\" has a range that is not in the payload");
        }
        masked.push(start..end);
    }
    Ok(Frame { direction, command, session, reply, payload, masked })
}

fn text(value: &impl Serialize) -> String {
    // Numbers, texts and lists of them: there is nothing in it that cannot be written.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

const fn wrong(line: u64, what: String) -> CaptureError {
    CaptureError::Line { line, what }
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    let hex = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    // Digits and letters are always text.
    String::from_utf8(hex).unwrap_or_default()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > PACKET_CEILING {
        return None;
    }
    let half = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(half(*high)? << 4 | half(*low)?).ok()).collect()
}

/// No capture is longer than this, in milliseconds: a day.
const LATEST: f64 = 86_400_000.0;
