//! What an answer may consist of: a closed set of headers and a body.
//!
//! No header takes text from outside, so a response cannot be split: numbers are numbers, names come from
//! enums and constants, and a [`Location`] can only hold the characters of a path. Which words an answer
//! carries is left to the handlers, how it travels to the engine.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// One answer to one request.
#[derive(Debug)]
pub struct Answer {
    /// The status code, 200 to 599; anything else is sent as 500.
    pub status: u16,
    /// What the body is. `None` when there is none.
    pub content_type: Option<ContentType>,
    /// After how many seconds to try again.
    pub retry_after: Option<u32>,
    /// Where the thing that was made is found.
    pub location: Option<Location>,
    /// The methods that the path knows, for a 405.
    pub allow: Option<&'static str>,
    /// Whether to ask for a bearer token, for a 401.
    pub www_authenticate: bool,
    /// How long others may keep a copy.
    pub caching: Caching,
    /// Which problem it tells, for our own books.
    pub code: Option<&'static str>,
    /// Whether it is what an earlier request with the same `Idempotency-Key` came to.
    pub replayed: bool,
    /// The body.
    pub body: Body,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`
    Json,
    /// `application/problem+json`
    ProblemJson,
    /// `text/event-stream`
    EventStream,
    /// `application/x-ndjson`
    NdJson,
    /// `text/csv`
    Csv,
    /// `text/html`, always with a policy that runs and loads nothing from elsewhere
    Html,
    /// `text/css`
    Css,
    /// `text/javascript`
    JavaScript,
    /// `image/svg+xml`
    Svg,
    /// `text/plain`
    Text,
    /// `text/plain` in the version that metrics collectors expect
    Metrics,
    /// `application/octet-stream`
    Bytes,
}

/// How long others may keep a copy of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// Not at all.
    #[default]
    NoStore,
    /// They may keep it but must ask each time whether it still holds.
    Revalidate,
    /// This many seconds.
    Seconds(u32),
}

/// A path on this server, safe in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location(String);

/// The bytes of an answer.
#[derive(Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// All of them, at once.
    Bytes(Vec<u8>),
    /// As they come. An error from the reader cuts the connection, so that a part never passes for the whole.
    Stream(Box<dyn Read + Send>),
}

impl Answer {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            location: None,
            allow: None,
            www_authenticate: false,
            caching: Caching::NoStore,
            code: None,
            replayed: false,
            body: Body::Empty,
        }
    }

    /// An answer with this body.
    #[must_use]
    pub fn bytes(status: u16, content_type: ContentType, bytes: impl Into<Vec<u8>>) -> Self {
        Self { content_type: Some(content_type), body: Body::Bytes(bytes.into()), ..Self::empty(status) }
    }

    /// An answer whose body comes as it is read, of unknown length.
    #[must_use]
    pub fn stream(status: u16, content_type: ContentType, body: impl Read + Send + 'static) -> Self {
        Self { content_type: Some(content_type), body: Body::Stream(Box::new(body)), ..Self::empty(status) }
    }

    /// An answer in `application/json`.
    #[must_use]
    pub fn json(status: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self::bytes(status, ContentType::Json, bytes)
    }

    /// What is sent when nobody answered: the handler panicked or forgot.
    #[must_use]
    pub fn internal() -> Self {
        Self::bytes(
            500,
            ContentType::ProblemJson,
            problem(500, "internal", "The request could not be answered because of a fault in the service."),
        )
    }

    /// Writes the head, with the length that the body has or chunked framing when it has none.
    pub(super) fn write_head(&self, length: Option<usize>, date: SystemTime, into: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = self.try_write_head(length, date, into);
    }

    fn try_write_head(&self, length: Option<usize>, date: SystemTime, into: &mut Vec<u8>) -> io::Result<()> {
        let status = self.sent_status();
        write!(into, "HTTP/1.1 {status} {}\r\nServer: zkgate\r\n", reason(status))?;
        write_date(date, into);
        if let Some(content_type) = self.content_type {
            write!(into, "Content-Type: {}\r\n", content_type.text())?;
            into.extend_from_slice(b"X-Content-Type-Options: nosniff\r\n");
            if content_type == ContentType::Html {
                into.extend_from_slice(HTML_POLICY);
            }
        }
        match self.caching {
            Caching::NoStore => into.extend_from_slice(b"Cache-Control: no-store\r\n"),
            Caching::Revalidate => into.extend_from_slice(b"Cache-Control: no-cache\r\n"),
            Caching::Seconds(seconds) => write!(into, "Cache-Control: max-age={seconds}\r\n")?,
        }
        if let Some(seconds) = self.retry_after {
            write!(into, "Retry-After: {seconds}\r\n")?;
        }
        if let Some(Location(path)) = &self.location {
            write!(into, "Location: {path}\r\n")?;
        }
        if let Some(methods) = self.allow.filter(|methods| methods.bytes().all(plain)) {
            write!(into, "Allow: {methods}\r\n")?;
        }
        if self.replayed {
            into.extend_from_slice(b"Idempotency-Replayed: true\r\n");
        }
        if self.www_authenticate {
            into.extend_from_slice(b"WWW-Authenticate: Bearer realm=\"zkgate\"\r\n");
        }
        match length {
            _ if !has_body(status) => {}
            Some(length) => write!(into, "Content-Length: {length}\r\n")?,
            None => into.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        into.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// The status code as it is sent.
    pub(super) fn sent_status(&self) -> u16 {
        if (200..600).contains(&self.status) { self.status } else { 500 }
    }
}

impl ContentType {
    fn text(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::ProblemJson => "application/problem+json",
            Self::EventStream => EVENT_STREAM,
            Self::NdJson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Css => "text/css; charset=utf-8",
            Self::JavaScript => "text/javascript; charset=utf-8",
            Self::Svg => "image/svg+xml",
            Self::Text => "text/plain; charset=utf-8",
            Self::Metrics => "text/plain; version=0.0.4; charset=utf-8",
            Self::Bytes => "application/octet-stream",
        }
    }
}

impl Location {
    /// The longest path, in bytes.
    pub const CEILING: usize = 1024;

    /// Takes an absolute path of unreserved characters, `:`, `%` and `/`; anything else is none.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let fits = path.len() <= Self::CEILING && path.starts_with('/') && !path.starts_with("//");
        let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~:%/".contains(&b));
        (fits && plain).then(|| Self(path.to_owned()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// Whether an answer with this status has a body at all (RFC 9110, 6.4.1).
pub(super) fn has_body(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

/// An RFC 9457 problem whose words are all our own.
pub(super) fn problem(status: u16, code: &'static str, detail: &'static str) -> Vec<u8> {
    let title = reason(status);
    serde_json::json!({
        "type": "about:blank", "title": title, "status": status, "code": code, "detail": detail,
    })
    .to_string()
    .into_bytes()
}

/// Writes the `Date` line; without one when the clock shows no year that the format can hold.
pub(super) fn write_date(date: SystemTime, into: &mut Vec<u8>) {
    let text = Timestamp::try_from(date)
        .ok()
        .and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok());
    if let Some(text) = text {
        into.extend_from_slice(b"Date: ");
        into.extend_from_slice(text.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
}

/// The words that go with a status code.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        423 => "Locked",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => class(status),
    }
}

/// The words for a status code that has none of its own here.
fn class(status: u16) -> &'static str {
    match status {
        200..300 => "Success",
        300..400 => "Redirect",
        400..500 => "Client Error",
        _ => "Server Error",
    }
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b',' || byte == b' '
}

/// How an endless answer of events calls itself.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

const HTML_POLICY: &[u8] =
    b"Content-Security-Policy: default-src 'self'; base-uri 'none'; form-action 'self'; \
frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn head(answer: &Answer, length: Option<usize>) -> String {
        let mut bytes = Vec::new();
        answer.write_head(length, SystemTime::UNIX_EPOCH, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_head_holds_what_the_answer_says_and_nothing_else() {
        let answer = Answer {
            retry_after: Some(7),
            location: Location::parse("/api/v1/devices/3"),
            allow: Some("GET, HEAD"),
            www_authenticate: true,
            ..Answer::json(201, "{}")
        };
        assert_eq!(
            head(&answer, Some(2)),
            "HTTP/1.1 201 Created\r\nServer: zkgate\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n\
             Cache-Control: no-store\r\nRetry-After: 7\r\nLocation: /api/v1/devices/3\r\n\
             Allow: GET, HEAD\r\nWWW-Authenticate: Bearer realm=\"zkgate\"\r\nContent-Length: 2\r\n\r\n"
        );
    }

    #[test]
    fn no_text_from_outside_can_split_a_response() {
        for bad in ["", "x", "//evil.example", "/a b", "/a\r\nSet-Cookie: x", "/a\nb", "/ä", "/a\"b", "/a\0"]
        {
            assert_eq!(Location::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Location::parse(&format!("/{}", "x".repeat(Location::CEILING))), None);
        let answer = Answer { allow: Some("GET\r\nX: y"), ..Answer::empty(405) };
        assert!(!head(&answer, Some(0)).contains("X: y"));
    }

    #[test]
    fn statuses_that_cannot_be_sent_become_500_and_bodiless_ones_have_no_length() {
        assert!(head(&Answer::empty(99), Some(0)).starts_with("HTTP/1.1 500 "));
        assert!(!head(&Answer::empty(204), Some(0)).contains("Content-Length"));
        assert!(head(&Answer::empty(200), None).contains("Transfer-Encoding: chunked"));
    }
}
