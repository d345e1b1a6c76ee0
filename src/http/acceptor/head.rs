//! The strict reading of a request's head, and the head that is forwarded in its place.
//!
//! What two readers could understand differently is refused. The forwarded head is written anew from an
//! allow-list; no byte of the client's framing reaches the engine. Where a head ends, and that only visible
//! ASCII, blanks and tabs stand in it, is found by [`Scan`]; when it must have come is left to the intake.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::super::engine::{HOST_HEADER, PEER_HEADER};
use super::limits::Limits;
use super::refusal::Refusal;

/// What a head says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The head for the engine.
    pub(super) forward: Vec<u8>,
    /// The length of the body that follows, in bytes.
    pub(super) body: usize,
    /// The client waits for a word before it sends the body.
    pub(super) expects_continue: bool,
    pub(super) traits: Traits,
}

/// What of a request matters for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    /// The answer has no body.
    pub(super) head_only: bool,
    /// The client understands no chunks.
    pub(super) http_1_0: bool,
    /// The connection may be used again.
    pub(super) keep_alive: bool,
    /// A health request from this host.
    pub(super) health: bool,
}

/// A search for the end of a head that looks at each byte once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    at: usize,
    lines: usize,
    line: usize,
    after_cr: bool,
}

impl Scan {
    /// Looks at what is new in the buffer. The length of the head when it is complete.
    pub(super) fn advance(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let new = buffer.get(self.at..buffer.len().min(limits.head_bytes)).unwrap_or_default();
        for &byte in new {
            self.at += 1;
            match (byte, self.after_cr) {
                (b'\n', true) if self.line == 0 && self.lines == 0 => {
                    return Err(Refusal::Malformed("The request does not begin with a request line."));
                }
                (b'\n', true) if self.line == 0 => return Ok(Some(self.at)),
                (b'\n', true) => {
                    self.lines += 1;
                    // The request line is not a header line.
                    if self.lines > limits.head_lines + 1 {
                        return Err(Refusal::HeadTooLarge);
                    }
                    (self.line, self.after_cr) = (0, false);
                }
                (_, true) | (b'\n', false) => {
                    return Err(Refusal::Malformed("A line in the head does not end with CR LF."));
                }
                (b'\r', false) => self.after_cr = true,
                (b'\t' | b' '..=b'~', false) => self.line += 1,
                _ => return Err(Refusal::Malformed("A byte in the head is not visible ASCII.")),
            }
        }
        if self.at >= limits.head_bytes { Err(Refusal::HeadTooLarge) } else { Ok(None) }
    }
}

/// Reads one complete head, as [`Scan`] found it.
pub(super) fn parse(bytes: &[u8], peer: SocketAddr, limits: &Limits) -> Result<Head, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::Malformed("The head is not complete.")),
        Err(error) => return Err(refused(error, bytes)),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed("The request line is not complete."));
    };
    if !target.starts_with('/') {
        return Err(Refusal::Malformed("The target does not begin with a slash."));
    }
    if target.len() > limits.target_bytes {
        return Err(Refusal::Malformed("The target is too long."));
    }
    let http_1_0 = version == 0;
    let fields = Fields::read(request.headers)?;
    if fields.hosts != 1 && (!http_1_0 || fields.hosts > 1) {
        return Err(Refusal::Malformed("There must be exactly one Host."));
    }
    if fields.transfer_encoding {
        return Err(Refusal::LengthRequired);
    }
    let body = fields.length.map_or(Ok(0), |length| body_length(length, limits))?;
    // RFC 9110, 10.1.1: an expectation in an HTTP/1.0 request is ignored.
    let expects_continue = match fields.expect.filter(|_| !http_1_0) {
        None => false,
        Some(expected) if expected.eq_ignore_ascii_case(b"100-continue") => true,
        Some(_) => return Err(Refusal::ExpectationFailed),
    };
    let head_only = method == "HEAD";
    let traits = Traits {
        head_only,
        http_1_0,
        keep_alive: !http_1_0 && !fields.close,
        health: (head_only || method == "GET") && is_health(target) && is_near(peer.ip(), limits),
    };
    let forward = forward(method, target, &fields, body, peer);
    Ok(Head { forward, body, expects_continue, traits })
}

/// Whether an address is this host's own.
pub(super) fn is_near(address: IpAddr, limits: &Limits) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || limits.own_address == Some(address)
}

fn is_health(target: &str) -> bool {
    matches!(target.split('?').next(), Some("/healthz" | "/readyz"))
}

/// The headers that mean something here, each seen as often as the standard allows.
#[derive(Default)]
struct Fields<'a> {
    hosts: usize,
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    transfer_encoding: bool,
    expect: Option<&'a [u8]>,
    close: bool,
    passed: [Option<&'a [u8]>; PASSED.len()],
}

impl<'a> Fields<'a> {
    fn read(headers: &[httparse::Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for header in headers {
            let (name, value) = (header.name, header.value.trim_ascii());
            if name.eq_ignore_ascii_case("Host") {
                fields.hosts += 1;
                fields.host = Some(value);
            } else if name.eq_ignore_ascii_case("Content-Length") {
                once(&mut fields.length, value)?;
            } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
                fields.transfer_encoding = true;
            } else if name.eq_ignore_ascii_case("Expect") {
                once(&mut fields.expect, value)?;
            } else if name.eq_ignore_ascii_case("Connection") {
                let mut tokens = value.split(|&byte| byte == b',');
                fields.close |= tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
            } else {
                let mut slots = PASSED.iter().zip(&mut fields.passed);
                match slots.find(|(passed, _)| name.eq_ignore_ascii_case(passed)) {
                    // Lists, which may be spread over several lines; the first says what is liked best, or who stands
                    // nearest to the client.
                    Some((&("Accept" | "X-Forwarded-Proto"), slot)) => *slot = slot.or(Some(value)),
                    Some((_, slot)) => once(slot, value)?,
                    None => {}
                }
            }
        }
        Ok(fields)
    }
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Refusal> {
    if slot.replace(value).is_some() {
        return Err(Refusal::Malformed("A header that may stand once stands twice."));
    }
    Ok(())
}

fn body_length(digits: &[u8], limits: &Limits) -> Result<usize, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed("Content-Length is not a number."));
    }
    let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    // Digits that are no usize are too many of them.
    length.filter(|length| *length <= limits.body_bytes).ok_or(Refusal::BodyTooLarge)
}

fn forward(method: &str, target: &str, fields: &Fields<'_>, body: usize, peer: SocketAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(FORWARD_ROOM + target.len() + body.min(FORWARD_ROOM));
    for part in [method, " ", target, " HTTP/1.1\r\nHost: zkgate\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in PASSED.iter().zip(&fields.passed) {
        if let Some(value) = value {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
    // Longer than any name is: not worth the room.
    if let Some(host) = fields.host.filter(|host| (1..=HOST_CEILING).contains(&host.len())) {
        for part in [HOST_HEADER.as_bytes(), b": ", host, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    // Writing to memory does not fail.
    let _ = write!(out, "{PEER_HEADER}: {peer}\r\nContent-Length: {body}\r\n\r\n");
    out
}

fn refused(error: httparse::Error, bytes: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::HeadTooLarge,
        httparse::Error::Version if names_a_version(bytes) => Refusal::VersionNotSupported,
        httparse::Error::HeaderName => Refusal::Malformed("A header's name is not well formed."),
        httparse::Error::HeaderValue => Refusal::Malformed("A header's value is not well formed."),
        _ => Refusal::Malformed("The request line is not well formed."),
    }
}

/// Whether the request line ends as HTTP's do, in a version of two digits.
fn names_a_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let word = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(word, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// The headers that reach the engine as they came; everything else stays here.
const PASSED: [&str; 8] = [
    "Authorization",
    "Content-Type",
    "Accept",
    "User-Agent",
    "Last-Event-ID",
    "Idempotency-Key",
    "X-Request-Id",
    "X-Forwarded-Proto",
];
/// The longest host that is passed on, in bytes.
const HOST_CEILING: usize = 255;
const HEADERS: usize = 64;
const FORWARD_ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Head, Refusal> {
        read_bytes(text.as_bytes())
    }

    fn read_bytes(bytes: &[u8]) -> Result<Head, Refusal> {
        let limits = Limits::default();
        let end = Scan::default().advance(bytes, &limits)?.ok_or(Refusal::TimedOut("incomplete"))?;
        parse(&bytes[..end], "192.0.2.7:5000".parse().unwrap(), &limits)
    }

    fn status(bytes: &[u8]) -> u16 {
        read_bytes(bytes).map_or_else(Refusal::status, |_| 200)
    }

    #[test]
    fn the_forwarded_head_is_written_anew_from_the_allow_list() {
        let head = read(
            "POST /a?b=c HTTP/1.1\r\nhost: x\r\nauthorization: \t Bearer t \r\nX-Zkgate-Peer: 1.2.3.4:5\r\n\
             X-Zkgate-Host: y\r\n\
             Cookie: c\r\nTE: identity\r\nConnection: keep-alive, TE\r\nUpgrade: h2c\r\nAccept: a\r\n\
             Accept: b\r\nContent-Length: 03\r\n\r\n",
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(head.forward).unwrap(),
            "POST /a?b=c HTTP/1.1\r\nHost: zkgate\r\nAuthorization: Bearer t\r\nAccept: a\r\n\
             X-Zkgate-Host: x\r\nX-Zkgate-Peer: 192.0.2.7:5000\r\nContent-Length: 3\r\n\r\n"
        );
        assert_eq!((head.body, head.traits.keep_alive), (3, true));
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        for (name, expected, bytes) in [
            ("plain", 200, &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..]),
            ("unknown method", 200, b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("1.0 without a host", 200, b"GET / HTTP/1.0\r\n\r\n"),
            ("expectation in 1.0", 200, b"GET / HTTP/1.0\r\nExpect: wonders\r\n\r\n"),
            ("bare LF", 400, b"GET / HTTP/1.1\nHost: x\n\n"),
            ("bare CR", 400, b"GET / HTTP/1.1\r\nHost: x\ry\r\n\r\n"),
            ("leading CRLF", 400, b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("NUL", 400, b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n"),
            ("non-ASCII value", 400, b"GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
            ("non-ASCII target", 400, b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("TLS hello", 400, b"\x16\x03\x01\x02\x00"),
            ("junk", 400, b"hello\r\n\r\n"),
            ("obs-fold", 400, b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"),
            ("space before colon", 400, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
            ("two spaces", 400, b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("junk after the version", 400, b"GET / HTTP/1.1 x\r\nHost: x\r\n\r\n"),
            ("HTTP/0.9", 400, b"GET /\r\n\r\n"),
            ("lower case version", 400, b"GET / http/1.1\r\nHost: x\r\n\r\n"),
            ("HTTP/2.0", 505, b"GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
            ("HTTP/1.2", 505, b"GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
            ("preface of HTTP/2", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            ("no host", 400, b"GET / HTTP/1.1\r\n\r\n"),
            ("two hosts", 400, b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"),
            ("absolute target", 400, b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("asterisk", 400, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("CONNECT", 400, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("chunked", 411, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("identity", 411, b"POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: identity\r\n\r\n"),
            ("both", 411, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\n"),
            ("length abc", 400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n"),
            ("length +5", 400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n"),
            ("length -5", 400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
            ("length empty", 400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n"),
            ("length list", 400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n"),
            (
                "length twice",
                400,
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            ),
            (
                "length 9e18",
                413,
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000000000000\r\n\r\n",
            ),
            (
                "length beyond any number",
                413,
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            ),
            ("other expectation", 417, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n"),
            ("two tokens", 400, b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"),
        ] {
            assert_eq!(status(bytes), expected, "{name}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let long = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(n));
        assert_eq!(status(long(8191).as_bytes()), 200);
        assert_eq!(status(long(8192).as_bytes()), 400);
        assert_eq!(status(long(20_000).as_bytes()), 431);
        let many = |n: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(n));
        assert_eq!(status(many(63).as_bytes()), 200);
        assert_eq!(status(many(64).as_bytes()), 431);
    }

    #[test]
    fn a_client_says_whether_it_goes_on() {
        for (head, keeps) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\nConnection: te\r\nConnection: a ,close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ] {
            assert_eq!(read(head).unwrap().traits.keep_alive, keeps, "{head:?}");
        }
    }

    #[test]
    fn only_this_host_asks_for_health_on_the_reserve() {
        let limits = Limits::default();
        for (target, peer, health) in [
            ("/healthz", "127.0.0.1:1", true),
            ("/readyz?verbose", "[::1]:1", true),
            ("/healthz", "[::ffff:127.0.0.1]:1", true),
            ("/healthz", "192.0.2.1:1", false),
            ("/healthzz", "127.0.0.1:1", false),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            let head = parse(head.as_bytes(), peer.parse().unwrap(), &limits).unwrap();
            assert_eq!(head.traits.health, health, "{target} {peer}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_an_error_or_not_enough(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_bytes(&bytes);
        }

        #[test]
        fn any_bytes_after_a_sound_beginning_are_too(
            rest in "[ -~\t\r\n]{0,200}",
        ) {
            if let Ok(head) = read(&format!("GET / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n")) {
                let text = String::from_utf8(head.forward).unwrap();
                prop_assert!(text.ends_with("\r\n\r\n") && text.matches("\r\n\r\n").count() == 1);
            }
        }

        #[test]
        fn the_end_is_found_wherever_the_pieces_part(cut in 0usize..60) {
            let limits = Limits::default();
            let bytes = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\nand more";
            let mut scan = Scan::default();
            let cut = cut.min(bytes.len());
            let first = scan.advance(&bytes[..cut], &limits).unwrap();
            let end = first.or_else(|| scan.advance(bytes, &limits).unwrap());
            prop_assert_eq!(end, Some(bytes.len() - "and more".len()));
        }
    }
}
