//! The request side of one client connection: bytes and time in, complete requests out. No socket, no clock.
//!
//! It takes no more bytes than one head or one body, whatever the client sends; what follows a complete request
//! waits here, bounded by the size of a head, until the answer is out. Sockets are left to the reactor.

use std::net::SocketAddr;
use std::time::Instant;

use super::head::{self, Head, Scan, Traits};
use super::limits::Limits;
use super::refusal::Refusal;

/// One client's requests, one after the other.
#[derive(Debug)]
pub(super) struct Intake {
    state: State,
    /// What came and is not yet part of a request.
    buffer: Vec<u8>,
}

/// One complete request, ready for the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Head and body.
    pub(super) bytes: Vec<u8>,
    pub(super) traits: Traits,
}

/// What the intake has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More bytes are needed.
    More,
    /// The client waits for `100 Continue`; then more bytes are needed.
    Continue,
    /// A request is complete.
    Complete(Request),
    /// What came is no request that can be served.
    Refused(Refusal),
}

/// What to do with a client that did not send in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It was idle: close without a word.
    Close,
    /// It had begun: tell it.
    Refuse(Refusal),
}

#[derive(Debug)]
enum State {
    /// Nothing has come yet.
    Idle { since: Instant },
    /// A part of a head has come.
    Head { since: Instant, scan: Scan },
    /// A part of a body is missing.
    Body { since: Instant, request: Request, missing: usize, word: Word },
    /// A complete request is out.
    Busy,
}

/// Whether the client waits for a word before it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Owed,
    NotOwed,
}

impl Intake {
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Idle { since: now }, buffer: Vec::new() }
    }

    /// How many bytes may be put in now.
    pub(super) fn appetite(&self, limits: &Limits) -> usize {
        match &self.state {
            State::Body { missing, .. } => *missing,
            _ => limits.head_bytes.saturating_sub(self.buffer.len()),
        }
    }

    /// Puts bytes in, no more than there is appetite for. How many of them belong to a body.
    pub(super) fn put(&mut self, bytes: &[u8], now: Instant) -> usize {
        match &mut self.state {
            State::Body { request, missing, .. } => {
                request.bytes.extend_from_slice(bytes);
                *missing = missing.saturating_sub(bytes.len());
                return bytes.len();
            }
            State::Idle { .. } => self.state = State::Head { since: now, scan: Scan::default() },
            State::Head { .. } | State::Busy => {}
        }
        self.buffer.extend_from_slice(bytes);
        0
    }

    /// What the bytes so far amount to.
    pub(super) fn step(&mut self, now: Instant, peer: SocketAddr, limits: &Limits) -> Step {
        if let State::Head { scan, .. } = &mut self.state {
            let head = match scan.advance(&self.buffer, limits) {
                Ok(None) => return Step::More,
                Ok(Some(end)) => {
                    let read = head::parse(self.buffer.get(..end).unwrap_or_default(), peer, limits);
                    read.map(|head| (head, end))
                }
                Err(refusal) => Err(refusal),
            };
            match head {
                Ok((head, end)) => self.begin_body(head, end, now),
                Err(refusal) => return Step::Refused(refusal),
            }
        }
        match std::mem::replace(&mut self.state, State::Busy) {
            State::Body { request, missing: 0, .. } => Step::Complete(request),
            State::Body { since, request, missing, word } => {
                self.state = State::Body { since, request, missing, word: Word::NotOwed };
                if word == Word::Owed { Step::Continue } else { Step::More }
            }
            other => {
                self.state = other;
                Step::More
            }
        }
    }

    /// The answer is out: the next request may come, or has come already.
    pub(super) fn resume(&mut self, now: Instant) {
        self.state = if self.buffer.is_empty() {
            State::Idle { since: now }
        } else {
            State::Head { since: now, scan: Scan::default() }
        };
    }

    /// When the client must have sent what is missing; `None` while it owes nothing.
    pub(super) fn due(&self, limits: &Limits) -> Option<Instant> {
        match &self.state {
            State::Idle { since } => Some(*since + limits.idle_time),
            State::Head { since, .. } => Some(*since + limits.head_time),
            State::Body { since, .. } => Some(*since + limits.body_time),
            State::Busy => None,
        }
    }

    /// What becomes of a client that is overdue.
    pub(super) fn expiry(&self) -> Expiry {
        match &self.state {
            State::Idle { .. } | State::Busy => Expiry::Close,
            State::Head { .. } => Expiry::Refuse(Refusal::TimedOut("The head did not come in time.")),
            State::Body { .. } => Expiry::Refuse(Refusal::TimedOut("The body did not come in time.")),
        }
    }

    /// Since when the client has owed a head, or a body (`true`); `None` while it owes nothing.
    pub(super) fn owing(&self) -> Option<(bool, Instant)> {
        match &self.state {
            State::Idle { since } | State::Head { since, .. } => Some((false, *since)),
            State::Body { since, .. } => Some((true, *since)),
            State::Busy => None,
        }
    }

    /// Whether the client has sent more than it was answered.
    pub(super) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether what came so far asks for an answer without a body.
    pub(super) fn head_only(&self) -> bool {
        match &self.state {
            State::Body { request, .. } => request.traits.head_only,
            _ => self.buffer.starts_with(b"HEAD "),
        }
    }

    fn begin_body(&mut self, head: Head, end: usize, now: Instant) {
        let Head { mut forward, body, expects_continue, traits } = head;
        let rest = self.buffer.get(end..).unwrap_or_default();
        let (here, later) = rest.split_at_checked(body).unwrap_or((rest, &[]));
        forward.extend_from_slice(here);
        let missing = body - here.len();
        // A client that has already begun to send does not wait for a word.
        let word =
            if expects_continue && here.is_empty() && missing > 0 { Word::Owed } else { Word::NotOwed };
        self.buffer = later.to_vec();
        self.state = State::Body { since: now, request: Request { bytes: forward, traits }, missing, word };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PEER: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9));

    /// Feeds bytes in pieces as a socket would, and collects what comes of it.
    fn run(pieces: &[&[u8]]) -> Vec<String> {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut intake = Intake::new(now);
        let mut seen = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            loop {
                let some = piece.len().min(intake.appetite(&limits));
                intake.put(&piece[..some], now);
                piece = &piece[some..];
                match intake.step(now, PEER, &limits) {
                    Step::More if piece.is_empty() || some == 0 => break,
                    Step::More => {}
                    Step::Continue => seen.push("continue".to_owned()),
                    Step::Complete(request) => {
                        let text = String::from_utf8(request.bytes).unwrap();
                        let (head, body) = text.split_once("\r\n\r\n").unwrap();
                        seen.push(format!("{} {body}", head.split(' ').nth(1).unwrap()));
                        intake.resume(now);
                    }
                    Step::Refused(refusal) => {
                        seen.push(refusal.status().to_string());
                        return seen;
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn any_split_of_the_stream_gives_the_same_requests() {
        let bytes = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n";
        let expected = ["/a hello", "/b "];
        assert_eq!(run(&[bytes]), expected);
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(run(&[first, second]), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(run(&single), expected);
    }

    #[test]
    fn a_word_is_given_once_and_only_to_those_who_wait_for_it() {
        let head =
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n".to_owned();
        assert_eq!(run(&[head.as_bytes(), b"bo", b"dy"]), ["continue", "/a body"]);
        assert_eq!(run(&[(head + "bo").as_bytes(), b"dy"]), ["/a body"]);
        let empty = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(run(&[empty]), ["/a "]);
    }

    #[test]
    fn a_flood_of_requests_is_taken_one_head_at_a_time() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut intake = Intake::new(now);
        let flood = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
        intake.put(&flood[..intake.appetite(&limits)], now);
        assert!(matches!(intake.step(now, PEER, &limits), Step::Complete(_)));
        let appetite = intake.appetite(&limits);
        intake.put(&flood[..appetite], now);
        assert_eq!((intake.appetite(&limits), intake.buffer.len()), (0, limits.head_bytes));
        assert_eq!(intake.step(now, PEER, &limits), Step::More, "nothing while a request is out");
    }

    #[test]
    fn each_phase_has_its_deadline_counted_from_its_first_byte() {
        let (limits, start) = (Limits::default(), Instant::now());
        let at = |s| start + Duration::from_secs(s);
        let mut intake = Intake::new(start);
        assert_eq!((intake.due(&limits), intake.expiry()), (Some(at(60)), Expiry::Close));
        intake.put(b"POST / HTTP/1.1\r\n", at(10));
        intake.put(b"Host: x\r\n", at(13));
        assert_eq!(intake.due(&limits), Some(at(15)), "a drip does not move it");
        assert!(matches!(intake.expiry(), Expiry::Refuse(Refusal::TimedOut(_))));
        intake.put(b"Content-Length: 2\r\n\r\n", at(14));
        assert_eq!(intake.step(at(14), PEER, &limits), Step::More);
        intake.put(b"x", at(20));
        assert_eq!(intake.due(&limits), Some(at(29)));
        intake.put(b"y", at(21));
        assert!(matches!(intake.step(at(21), PEER, &limits), Step::Complete(_)));
        assert_eq!(intake.due(&limits), None);
    }
}
