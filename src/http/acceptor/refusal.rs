//! What the acceptor answers by itself, and its count. Every word is our own; nothing a client sent is echoed.

use std::io::Write;
use std::time::SystemTime;

use super::super::response::{problem, reason, write_date};

/// Why a request gets no further than the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not HTTP as RFC 9112 has it; says what is wrong.
    Malformed(&'static str),
    HeadTooLarge,
    BodyTooLarge,
    LengthRequired,
    VersionNotSupported,
    ExpectationFailed,
    /// Says which part did not come in time.
    TimedOut(&'static str),
    /// Says what is exhausted.
    Overloaded(&'static str),
    /// The engine's side broke off.
    EngineFailed,
    /// The engine's side did not answer.
    EngineSilent,
    ShuttingDown,
}

impl Refusal {
    /// The kinds, in the order of [`Refusal::index`]: the code that each is counted under.
    pub(super) const CODES: [&'static str; 11] = [
        "bad_request",
        "head_too_large",
        "body_too_large",
        "length_required",
        "http_version_not_supported",
        "expectation_failed",
        "request_timeout",
        "overloaded",
        "internal",
        "deadline_exceeded",
        "stopping",
    ];

    /// The place of this kind among [`Refusal::CODES`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::HeadTooLarge => 1,
            Self::BodyTooLarge => 2,
            Self::LengthRequired => 3,
            Self::VersionNotSupported => 4,
            Self::ExpectationFailed => 5,
            Self::TimedOut(_) => 6,
            Self::Overloaded(_) => 7,
            Self::EngineFailed => 8,
            Self::EngineSilent => 9,
            Self::ShuttingDown => 10,
        }
    }

    /// The status code.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::LengthRequired => 411,
            Self::VersionNotSupported => 505,
            Self::ExpectationFailed => 417,
            Self::TimedOut(_) => 408,
            Self::Overloaded(_) | Self::ShuttingDown => 503,
            Self::EngineFailed => 502,
            Self::EngineSilent => 504,
        }
    }

    /// The whole answer; the connection closes after it.
    pub(super) fn answer(self, head_only: bool, date: SystemTime) -> Vec<u8> {
        let status = self.status();
        let code = Self::CODES.get(self.index()).copied().unwrap_or("internal");
        let body = problem(status, code, self.detail());
        let mut out = Vec::with_capacity(512);
        // Writing to memory does not fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\nServer: zkgate\r\n", reason(status));
        write_date(date, &mut out);
        if status == 503 {
            out.extend_from_slice(b"Retry-After: 1\r\n");
        }
        let _ = write!(
            out,
            "Content-Type: application/problem+json\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            body.len()
        );
        if !head_only {
            out.extend_from_slice(&body);
        }
        out
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Malformed(what) | Self::TimedOut(what) | Self::Overloaded(what) => what,
            Self::HeadTooLarge => "The request line and headers are larger than this server takes.",
            Self::BodyTooLarge => "The body is larger than this server takes.",
            Self::LengthRequired => "A body needs a Content-Length; Transfer-Encoding is not taken.",
            Self::VersionNotSupported => "This server speaks HTTP/1.1 and HTTP/1.0.",
            Self::ExpectationFailed => "The only expectation this server knows is 100-continue.",
            Self::EngineFailed => "The request could not be answered because of a fault in the service.",
            Self::EngineSilent => "The service did not answer in time; the outcome is not known.",
            Self::ShuttingDown => "The service is stopping.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_with_its_exact_length() {
        let answer = Refusal::Overloaded("busy").answer(false, SystemTime::UNIX_EPOCH);
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.contains("\r\nRetry-After: 1\r\n") && head.contains("\r\nConnection: close"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "overloaded");
        assert_eq!(problem["status"], 503);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let answer = Refusal::HeadTooLarge.answer(true, SystemTime::UNIX_EPOCH);
        assert!(answer.ends_with(b"\r\n\r\n"));
    }
}
