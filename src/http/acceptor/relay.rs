//! The answer side of one exchange: the engine's bytes in, the client's bytes out. No socket, no clock.
//!
//! It knows where the answer ends, so that the connection to the engine can serve the next request, and it
//! accepts nothing but the framing that the engine writes: a length or plain chunks. Anything else, and any byte
//! after the end, breaks the exchange off; so an answer that was cut short is never passed on as whole.

use std::io::Write;

use super::super::response::{EVENT_STREAM, has_body, reason};

/// One answer on its way.
#[derive(Debug)]
pub(super) struct Relay {
    state: State,
    /// The part of the head that has come.
    head: Vec<u8>,
    head_only: bool,
    http_1_0: bool,
    endless: bool,
}

/// The engine's side sent what is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    /// Before or in a chunk's size; whether its CR has come.
    Size {
        value: u64,
        digits: u8,
        cr: bool,
    },
    Chunk(u64),
    /// The CR LF after a chunk, or after the last one (`true`), and how much of it has come.
    ChunkEnd {
        last: bool,
        cr: bool,
    },
    Done,
}

impl Relay {
    pub(super) fn new(head_only: bool, http_1_0: bool) -> Self {
        Self { state: State::Head, head: Vec::new(), head_only, http_1_0, endless: false }
    }

    /// The answer is complete.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The answer's head has been passed on.
    pub(super) fn has_begun(&self) -> bool {
        self.state != State::Head
    }

    /// The answer is a stream of events, which ends when it likes.
    pub(super) fn is_endless(&self) -> bool {
        self.endless
    }

    /// Takes what the engine sent and appends what the client gets; `close` when its connection closes after it.
    pub(super) fn pass(&mut self, mut bytes: &[u8], close: bool, out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.state == State::Head {
            let held = self.head.len();
            if held == 0 {
                match self.read_head(bytes, close, out)? {
                    Some(end) => bytes = bytes.get(end..).unwrap_or_default(),
                    None => return self.hold(bytes),
                }
            } else {
                self.hold(bytes)?;
                let head = std::mem::take(&mut self.head);
                match self.read_head(&head, close, out)? {
                    Some(end) => bytes = bytes.get(end.saturating_sub(held)..).unwrap_or_default(),
                    None => {
                        self.head = head;
                        return Ok(());
                    }
                }
            }
        }
        while !bytes.is_empty() {
            bytes = self.pass_body(bytes, out)?;
        }
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.head.extend_from_slice(bytes);
        // What is held may begin a body, but the engine's heads are a few hundred bytes.
        if self.head.len() > HEAD_CEILING { Err(Broken) } else { Ok(()) }
    }

    /// Where the head ends, when it is complete.
    fn read_head(&mut self, bytes: &[u8], close: bool, out: &mut Vec<u8>) -> Result<Option<usize>, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let end = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Broken),
        };
        let status = answer.code.filter(|status| *status >= 200).ok_or(Broken)?;
        let (mut length, mut chunked) = (None, false);
        // Writing to memory does not fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\n", reason(status));
        for header in answer.headers.iter() {
            if header.name.eq_ignore_ascii_case("Content-Length") {
                length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
                length.ok_or(Broken)?;
            } else if header.name.eq_ignore_ascii_case("Transfer-Encoding") {
                chunked = true;
                if self.http_1_0 {
                    continue;
                }
            } else if header.name.eq_ignore_ascii_case("Content-Type") {
                self.endless = header.value == EVENT_STREAM.as_bytes();
            }
            for part in [header.name.as_bytes(), b": ", header.value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        if close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.state = match (length, chunked) {
            _ if self.head_only || !has_body(status) => State::Done,
            (Some(0), false) => State::Done,
            (Some(length), false) => State::Length(length),
            (None, true) => NEXT_SIZE,
            _ => return Err(Broken),
        };
        Ok(Some(end))
    }

    /// Takes some bytes of the body; the rest.
    fn pass_body<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Broken> {
        match self.state {
            State::Length(left) | State::Chunk(left) => {
                let some = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (here, rest) = bytes.split_at_checked(some).ok_or(Broken)?;
                out.extend_from_slice(here);
                let left = left.saturating_sub(some as u64);
                self.state = match self.state {
                    State::Length(_) if left == 0 => State::Done,
                    State::Length(_) => State::Length(left),
                    _ if left == 0 => State::ChunkEnd { last: false, cr: false },
                    _ => State::Chunk(left),
                };
                Ok(rest)
            }
            State::Size { .. } | State::ChunkEnd { .. } => {
                let (byte, rest) = bytes.split_first().ok_or(Broken)?;
                self.state = self.after_framing(*byte)?;
                if !self.http_1_0 {
                    out.push(*byte);
                }
                Ok(rest)
            }
            State::Head | State::Done => Err(Broken),
        }
    }

    fn after_framing(&self, byte: u8) -> Result<State, Broken> {
        match (self.state, byte) {
            (State::Size { digits: 1.., value, cr: true }, b'\n') => Ok(match value {
                0 => State::ChunkEnd { last: true, cr: false },
                size => State::Chunk(size),
            }),
            (State::Size { digits: digits @ 1.., value, cr: false }, b'\r') => {
                Ok(State::Size { value, digits, cr: true })
            }
            (State::Size { value, digits: digits @ ..SIZE_DIGITS, cr: false }, byte) => {
                let digit = char::from(byte).to_digit(16).ok_or(Broken)?;
                Ok(State::Size { value: value * 16 + u64::from(digit), digits: digits + 1, cr: false })
            }
            (State::ChunkEnd { last, cr: false }, b'\r') => Ok(State::ChunkEnd { last, cr: true }),
            (State::ChunkEnd { last: true, cr: true }, b'\n') => Ok(State::Done),
            (State::ChunkEnd { last: false, cr: true }, b'\n') => Ok(NEXT_SIZE),
            _ => Err(Broken),
        }
    }
}

const NEXT_SIZE: State = State::Size { value: 0, digits: 0, cr: false };
/// Fifteen hexadecimal digits do not overflow.
const SIZE_DIGITS: u8 = 15;
const HEADERS: usize = 24;
const HEAD_CEILING: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n, world!!!\r\n0\r\n\r\n";
    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    fn pass(relay: &mut Relay, pieces: &[&[u8]]) -> Result<String, Broken> {
        let mut out = Vec::new();
        for piece in pieces {
            relay.pass(piece, false, &mut out)?;
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn any_split_of_an_answer_gives_the_same_answer() {
        for (bytes, http_1_0, expected) in [
            (PLAIN, false, PLAIN),
            (CHUNKED, false, CHUNKED),
            (CHUNKED, true, b"HTTP/1.1 200 OK\r\n\r\nhello, world!!!"),
        ] {
            for cut in 0..=bytes.len() {
                let mut relay = Relay::new(false, http_1_0);
                let (first, second) = bytes.split_at(cut);
                let seen = pass(&mut relay, &[first, second]).unwrap();
                assert_eq!(seen.as_bytes(), expected, "cut at {cut}");
                assert!(relay.is_done() && relay.has_begun());
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(pass(&mut Relay::new(false, http_1_0), &single).unwrap().as_bytes(), expected);
        }
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        for (name, head_only, bytes) in [
            ("HEAD", true, &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..]),
            ("HEAD of a stream", true, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("204", false, b"HTTP/1.1 204 No Content\r\n\r\n"),
            ("304", false, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
            ("empty", false, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ] {
            let mut relay = Relay::new(head_only, false);
            assert!(pass(&mut relay, &[bytes]).is_ok(), "{name}");
            assert!(relay.is_done(), "{name}");
        }
    }

    #[test]
    fn what_is_no_answer_breaks_the_exchange_off() {
        for (name, bytes) in [
            ("junk", &b"junk\r\n\r\n"[..]),
            ("no framing", b"HTTP/1.1 200 OK\r\n\r\n"),
            ("both framings", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("interim", b"HTTP/1.1 100 Continue\r\n\r\n"),
            ("bytes after the end", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy"),
            ("the mark of a cut", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\ncut\r\n"),
            ("no size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"),
            ("huge size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
        ] {
            assert_eq!(pass(&mut Relay::new(false, false), &[bytes]), Err(Broken), "{name}");
        }
    }

    #[test]
    fn a_closing_connection_and_an_event_stream_are_known() {
        let mut relay = Relay::new(false, false);
        let mut out = Vec::new();
        let head =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        relay.pass(head, true, &mut out).unwrap();
        assert!(relay.is_endless() && !relay.is_done());
        assert!(out.ends_with(b"\r\nConnection: close\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_passed_on_or_break_off(bytes in proptest::collection::vec(any::<u8>(), 0..300), chunked: bool) {
            let mut relay = Relay::new(false, chunked);
            let mut out = Vec::new();
            if chunked {
                relay.pass(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, &mut out).unwrap();
            }
            let _ = relay.pass(&bytes, false, &mut out);
            prop_assert!(out.len() <= bytes.len() + 128);
        }
    }
}
