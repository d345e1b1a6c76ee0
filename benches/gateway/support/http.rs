//! An HTTP client that costs next to nothing: prepared request bytes out, the answer's bytes in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::process::TOKEN;

/// A request as bytes.
#[derive(Clone)]
pub struct Url(pub Vec<u8>);

impl Url {
    /// A request with the token.
    pub fn get(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").into_bytes())
    }

    /// One with a body as well.
    pub fn post(path: &str, body: &str) -> Self {
        Self::with_body("POST", path, "", body)
    }

    /// One that changes something.
    pub fn patch(path: &str, body: &str) -> Self {
        Self::with_body("PATCH", path, "", body)
    }

    /// One under this `Idempotency-Key`.
    pub fn keyed(path: &str, key: &str, body: &str) -> Self {
        Self::with_body("POST", path, &format!("Idempotency-Key: {key}\r\n"), body)
    }

    fn with_body(method: &str, path: &str, more: &str, body: &str) -> Self {
        let length = body.len();
        Self(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {TOKEN}\r\n\
                 Content-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }

    /// A request without.
    pub fn open(path: &str) -> Self {
        Self(format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n").into_bytes())
    }

    pub fn time(device: usize) -> Self {
        Self::get(&format!("/api/v1/devices/{device}/time"))
    }

    pub fn connection(device: usize) -> Self {
        Self::get(&format!("/api/v1/devices/{device}/connection"))
    }
}

/// One kept connection.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer.
pub struct Answer {
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Http {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends a request and reads its whole answer, looking at nothing but its length.
    pub fn touch(&mut self, url: &Url) -> io::Result<u16> {
        self.stream.write_all(&url.0)?;
        self.answer().map(|(_, head)| head.status)
    }

    /// The same, giving the answer.
    pub fn exchange(&mut self, url: &Url) -> io::Result<Answer> {
        self.stream.write_all(&url.0)?;
        let (count, head) = self.answer()?;
        let text = String::from_utf8_lossy(&self.buffer[..head.body]);
        let retry_after = text
            .lines()
            .find_map(|line| line.strip_prefix("Retry-After: "))
            .and_then(|seconds| seconds.trim().parse().ok());
        Ok(Answer { status: head.status, retry_after, body: self.buffer[head.body..count].to_vec() })
    }

    /// Sends a request and reads an answer in chunks to its end, keeping nothing: how many bytes it had.
    pub fn drain(&mut self, url: &Url) -> io::Result<usize> {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        self.stream.write_all(&url.0)?;
        let mut total = 0;
        let mut tail: Vec<u8> = Vec::new();
        while !tail.ends_with(END) {
            let count = self.stream.read(&mut self.buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if total == 0 && !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                let answer = String::from_utf8_lossy(&self.buffer[..count]).into_owned();
                return Err(io::Error::other(answer));
            }
            total += count;
            tail.extend_from_slice(&self.buffer[count.saturating_sub(END.len())..count]);
            tail.drain(..tail.len().saturating_sub(END.len()));
        }
        Ok(total)
    }

    fn answer(&mut self) -> io::Result<(usize, Head)> {
        let mut count = 0;
        loop {
            match Head::of(&self.buffer[..count]) {
                Some(head) if count >= head.end => return Ok((count, head)),
                Some(head) if head.end > self.buffer.len() => self.buffer.resize(head.end, 0),
                _ => {}
            }
            match self.stream.read(&mut self.buffer[count..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => count += more,
            }
        }
    }
}

/// What must be known of an answer to know where it ends.
#[derive(Clone, Copy)]
pub struct Head {
    pub status: u16,
    /// Where its body begins.
    pub body: usize,
    /// Where it ends.
    pub end: usize,
}

impl Head {
    /// `None` while the head is not complete.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let body = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let name = b"Content-Length: ";
        let at = bytes[..body].windows(name.len()).position(|some| some == name);
        let digits = at.map_or(&b""[..], |at| &bytes[at + name.len()..body]);
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit());
        let length = length.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        let status = bytes.get(9..12)?.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        Some(Self { status, body, end: body + length })
    }
}
