//! `zkgate trace`: a capture, printed for people: one line for each packet.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use super::Exit;
use super::arguments::Trace;
use super::describe::Describer;
use crate::wire::capture::{Direction, Frame, Header, Line, Micros};

/// Longer than any line of a capture, in bytes: a packet of a mebibyte with many masks.
const LONGEST_LINE: u64 = 16 << 20;
/// How many bytes of a payload are shown.
const SHOWN: usize = 16;

pub(super) fn trace(trace: &Trace) -> Exit {
    match print_file(&trace.file, &mut io::stdout().lock()) {
        Ok(()) => Exit::Well,
        Err(Trouble::Unread(what)) => {
            complain(&format!("{}: {what}", trace.file.display()));
            Exit::Misused
        }
        Err(Trouble::Broken(what)) => {
            complain(&format!("{}: {what}", trace.file.display()));
            Exit::Failed
        }
        // A reader that has gone away, such as `head`, is no failure.
        Err(Trouble::Unheard) => Exit::Well,
    }
}

/// Why a capture was not printed to its end.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    /// The file cannot be read, or is no capture.
    Unread(String),
    /// A line of it makes no sense.
    Broken(String),
    /// Nobody reads what is printed.
    Unheard,
}

fn complain(what: &str) {
    let _ = writeln!(io::stderr().lock(), "error: {what}");
}

fn print_file(path: &Path, out: &mut impl Write) -> Result<(), Trouble> {
    let file = File::open(path).map_err(|error| Trouble::Unread(error.to_string()))?;
    print_capture(BufReader::new(file), out)
}

fn print_capture(mut from: impl BufRead, out: &mut impl Write) -> Result<(), Trouble> {
    let unheard = |_: io::Error| Trouble::Unheard;
    let unread = |error: io::Error| Trouble::Unread(error.to_string());
    let mut text = String::new();
    let mut next = |text: &mut String| {
        text.clear();
        (&mut from).take(LONGEST_LINE).read_line(text)
    };
    next(&mut text).map_err(unread)?;
    let header = Header::parse(text.trim_end()).map_err(|error| Trouble::Unread(error.to_string()))?;
    out.write_all(title(&header).as_bytes()).map_err(unheard)?;
    let mut describer = Describer::default();
    for number in 2.. {
        match next(&mut text) {
            Ok(0) => break,
            Ok(length) if length as u64 == LONGEST_LINE => {
                return Err(Trouble::Broken(format!("line {number}: it is too long")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(Trouble::Broken(format!("line {number}: it is no text")));
            }
            Err(error) => return Err(unread(error)),
        }
        match Line::parse(text.trim_end(), number) {
            Ok(line) => out.write_all(shown(&line, &mut describer).as_bytes()).map_err(unheard)?,
            Err(_) if !text.ends_with('\n') => {
                out.write_all(b"the file breaks off here\n").map_err(unheard)?;
            }
            Err(error) => return Err(Trouble::Broken(error.to_string())),
        }
    }
    out.flush().map_err(unheard)
}

fn title(header: &Header) -> String {
    let serial = header.serial_number.as_deref().map_or(String::new(), |serial| format!(" ({serial})"));
    let text = format!(
        "device {}{serial}, transport {}, from {}, by zkgate {}; secrets are masked",
        header.device, header.transport, header.started_at, header.zkgate
    );
    format!("{}\n", plain(&text))
}

fn shown(line: &Line, describer: &mut Describer) -> String {
    let at = time(line.at());
    let text = match line {
        Line::Begin { session, carrier, joined, .. } => {
            let joined = if *joined { ", which had begun before" } else { "" };
            format!("== session {session} over {}{joined}", carrier.name())
        }
        Line::End { session, how, .. } => format!("== session {session} ends: {how}"),
        Line::Gap { frames, .. } => format!("!! {frames} packets are missing here"),
        Line::Stop { why, frames, lost, .. } => {
            format!("== the trace ends: {why}; {frames} packets, {lost} missing")
        }
        Line::Frame { session, frame, .. } => packet(frame, &describer.describe(*session, frame)),
    };
    format!("{at}  {}\n", plain(&text))
}

fn packet(frame: &Frame, meaning: &str) -> String {
    let arrow = match frame.direction {
        Direction::Out => "->",
        Direction::In => "<-",
    };
    let Frame { command, session, reply, .. } = frame;
    let name = command.name().map_or_else(|| format!("code {}", command.0), str::to_owned);
    let text = format!("{arrow} {name:<15} {session:>5}/{reply:<5} {meaning:<32} {}", bytes(frame));
    text.trim_end().to_owned()
}

/// The beginning of a payload in hexadecimal; masked bytes are dots.
fn bytes(frame: &Frame) -> String {
    let masked = |at: usize| frame.masked.iter().any(|range| range.contains(&at));
    let mut text: String = frame
        .payload
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(at, byte)| if masked(at) { "··".to_owned() } else { format!("{byte:02x}") })
        .collect();
    if frame.payload.len() > SHOWN {
        text.push_str(&format!("… ({} bytes)", frame.payload.len()));
    }
    text
}

fn time(Micros(micros): Micros) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    format!("{seconds:>6}.{rest:06}")
}

/// What devices say is shown, never obeyed by a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "{\"zkgate_capture\":1,\"zkgate\":\"0.1.0\",\"device\":\"1\",\"serial_number\":\"A\\u001b[2J\",\
        \"transport\":\"tcp\",\"started_at\":\"2026-11-25T05:00:00Z\",\"masked\":true}\n";

    fn printed(text: impl AsRef<[u8]>) -> (String, Result<(), Trouble>) {
        let mut out = Vec::new();
        let result = print_capture(text.as_ref(), &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn a_packet_is_a_line_with_its_meaning_and_its_masks() {
        let text = format!(
            "{HEAD}{}",
            "{\"ms\":0.0,\"session\":1,\"is\":\"begin\",\"transport\":\"tcp\"}\n\
             {\"ms\":1.25,\"session\":1,\"dir\":\"out\",\"command\":1102,\"id\":7,\"reply\":1,\"hex\":\"00000000\",\"masked\":[[0,4]]}\n\
             {\"ms\":2.0,\"session\":1,\"dir\":\"in\",\"command\":2000,\"id\":7,\"reply\":1,\"hex\":\"\"}\n\
             {\"ms\":3.0,\"session\":1,\"is\":\"end\",\"how\":\"exit\"}\n\
             {\"ms\":3.0,\"is\":\"stop\",\"why\":\"asked\",\"frames\":2,\"lost\":0}\n"
        );
        let (out, result) = printed(&text);
        assert_eq!(result, Ok(()));
        assert!(!out.contains('\u{1b}'), "{out}");
        for expected in [
            "     0.000000  == session 1 over tcp",
            "     0.001250  -> AUTH                7/1",
            "comm key",
            "········",
            "<- ACK_OK",
            "== session 1 ends: exit",
            "== the trace ends: asked; 2 packets, 0 missing",
        ] {
            assert!(out.contains(expected), "{expected}: {out}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert!(matches!(printed("").1, Err(Trouble::Unread(_))));
        assert!(matches!(printed("{\"a\":1}\n").1, Err(Trouble::Unread(what)) if what.starts_with("line 1")));
        let (_, result) =
            printed(format!("{HEAD}{{\"ms\":1.0,\"is\":\"gap\",\"frames\":2}}\n{{\"ms\":1.0}}\n"));
        assert!(matches!(result, Err(Trouble::Broken(what)) if what.starts_with("line 3")));
        let (_, result) = printed([HEAD.as_bytes(), &[0xff, b'\n']].concat());
        assert_eq!(result, Err(Trouble::Broken("line 2: it is no text".into())));
        let (out, result) = printed(format!("{HEAD}{{\"ms\":1.0,\"is\":\"ga"));
        assert_eq!((out.lines().last(), result), (Some("the file breaks off here"), Ok(())));
    }
}
