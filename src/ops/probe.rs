//! One real HTTP request to the running service, within one deadline: what the watchdog and `zkgate health` ask.
//!
//! Not an HTTP client: it reads a status line and a short body of announced length, and nothing else.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Instant;

use crate::base::deadline::Deadline;

/// The longest answer that is read, in bytes.
pub const ANSWER_CEILING: usize = 64 * 1024;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as far as it is text.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection was made.
    #[error("no connection to {address}")]
    Unreachable {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The connection ended, or time did, before the answer was there.
    #[error("no answer from {address}")]
    Silent {
        /// From where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What came is no HTTP answer.
    #[error("{address} does not speak HTTP")]
    Strange {
        /// From where.
        address: SocketAddr,
    },
}

impl ProbeError {
    /// The error and its cause in one line.
    #[must_use]
    pub fn told(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// Asks for `path`, which is written as it is.
///
/// # Errors
/// When there is no whole answer within the deadline.
pub fn get(listen: SocketAddr, path: &str, deadline: Deadline) -> Result<Answer, ProbeError> {
    let address = reachable(listen);
    let unreachable = |source| ProbeError::Unreachable { address, source };
    let mut stream =
        TcpStream::connect_timeout(&address, left(deadline).map_err(unreachable)?).map_err(unreachable)?;
    let answer = exchange(&mut stream, address, path, deadline);
    answer.map_err(|source| ProbeError::Silent { address, source })?.ok_or(ProbeError::Strange { address })
}

/// Where a service that listens there is reached from this machine.
#[must_use]
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn exchange(
    stream: &mut TcpStream,
    address: SocketAddr,
    path: &str,
    deadline: Deadline,
) -> io::Result<Option<Answer>> {
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(read) => bytes.extend(piece.iter().take(read)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if let Some(answer) = parse(&bytes) {
            return Ok(Some(answer));
        }
        if bytes.len() > ANSWER_CEILING {
            return Ok(None);
        }
    }
}

fn left(deadline: Deadline) -> io::Result<std::time::Duration> {
    deadline.remaining(Instant::now()).ok_or_else(|| io::ErrorKind::TimedOut.into())
}

// Every health answer has a Content-Length; one that is shorter than announced is none yet.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes).ok()? else { return None };
    let announced = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let length: usize = std::str::from_utf8(announced.value).ok()?.trim().parse().ok()?;
    let body = bytes.get(start..)?.get(..length)?;
    Some(Answer { status: head.code?, body: String::from_utf8_lossy(body).into_owned() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    fn serve(answer: &'static [u8], close: bool) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            if !close {
                // Until the client gives up.
                let _ = stream.read(&mut [0; 1]);
            }
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (address, server)
    }

    fn within(ms: u64) -> Deadline {
        Deadline::after(Instant::now(), Duration::from_millis(ms))
    }

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let (address, server) =
            serve(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}", true);
        let answer = get(address, "/readyz", within(5000)).unwrap();
        assert_eq!(answer, Answer { status: 503, body: "{}".into() });
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    }

    #[test]
    fn what_is_no_whole_answer_is_none() {
        for (case, bytes) in
            [("short", &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"[..]), ("other", b"hello\r\n\r\n")]
        {
            let (address, server) = serve(bytes, true);
            assert!(matches!(get(address, "/", within(5000)), Err(ProbeError::Strange { .. })), "{case}");
            server.join().unwrap();
        }
    }

    #[test]
    fn a_service_that_holds_the_line_is_silent_at_the_deadline() {
        let (address, server) = serve(b"HTTP/1.1 200 OK\r\n", false);
        assert!(matches!(get(address, "/", within(50)), Err(ProbeError::Silent { .. })));
        server.join().unwrap();
    }

    #[test]
    fn a_service_that_listens_everywhere_is_reached_by_loopback() {
        for (listen, expected) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.7:1", "192.0.2.7:1")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
