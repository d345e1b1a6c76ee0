//! The only file that names tiny_http, which reads what the acceptor forwards and queues it for the workers.
//!
//! It listens on a private Unix socket and nowhere else. What leaves here is a complete [`Incoming`]: its body
//! is read to the last byte or the request is dropped. Answering is left to the [`Responder`], routing to the
//! workers.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::secret::Secret;

use super::responder::Responder;
use super::response::Answer;

/// The queue between the acceptor and the workers.
pub struct Engine {
    server: tiny_http::Server,
    /// Set once, by [`Engine::stop`].
    stopping: AtomicBool,
    /// Set once, when tiny_http has ended by itself.
    dead: AtomicBool,
}

/// Nothing will be received any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP engine has ended{}", if *.fatal { " by itself" } else { "" })]
pub struct EngineStopped {
    /// It was not asked to: the service cannot go on without a new one.
    pub fatal: bool,
}

/// One complete request.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked.
    pub method: Method,
    /// Path and query as they came: begins with `/`, visible ASCII, at most 8 KiB.
    pub target: String,
    /// The headers that are passed on.
    pub headers: Headers,
    /// Who asks. `None` only for requests that did not come through the acceptor.
    pub peer: Option<SocketAddr>,
    /// The whole body.
    pub body: Vec<u8>,
    /// How to answer.
    pub responder: Responder,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other token.
    Other(String),
}

/// The headers that are passed on; each at most once, visible ASCII, blanks and tabs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Authorization`
    pub authorization: Option<Secret<String>>,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Accept`
    pub accept: Option<String>,
    /// `User-Agent`
    pub user_agent: Option<String>,
    /// `Last-Event-ID`
    pub last_event_id: Option<String>,
    /// `Idempotency-Key`
    pub idempotency_key: Option<String>,
    /// `X-Request-Id`
    pub request_id: Option<String>,
    /// `X-Forwarded-Proto`: how a client reached the proxy in between.
    pub forwarded_proto: Option<String>,
    /// `Host`: by which name a client reached us.
    pub host: Option<String>,
}

impl Engine {
    /// Listens on a Unix socket at this path (mode 0600; its directory must exist and should be private).
    ///
    /// A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// When something else is at the path, somebody listens there, or the operating system refuses.
    pub fn start(socket_path: &Path) -> io::Result<Self> {
        clear_stale(socket_path)?;
        let listener = UnixListener::bind(socket_path)?;
        fs::set_permissions(socket_path, Permissions::from_mode(0o600))?;
        Self::on(listener)
    }

    fn on(listener: UnixListener) -> io::Result<Self> {
        let server = tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)?;
        Ok(Self { server, stopping: AtomicBool::new(false), dead: AtomicBool::new(false) })
    }

    /// Waits for the next request; called by as many threads as there are workers.
    ///
    /// # Errors
    /// When the engine has ended, for every caller.
    pub fn receive(&self) -> Result<Incoming, EngineStopped> {
        loop {
            if let Some(stopped) = self.ended() {
                return Err(stopped);
            }
            let request = match self.server.recv() {
                Ok(request) => request,
                Err(error) => {
                    if !self.stopping.load(Ordering::Acquire) && !self.dead.swap(true, Ordering::AcqRel) {
                        log::error!("the HTTP engine has ended: {error}");
                    }
                    continue;
                }
            };
            match Incoming::read(request) {
                Ok(Some(incoming)) => return Ok(incoming),
                Ok(None) => {}
                Err(error) => log::debug!("a request broke off between acceptor and engine: {error}"),
            }
        }
    }

    /// Ends every [`Engine::receive`], waiting and to come.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.server.unblock();
    }

    fn ended(&self) -> Option<EngineStopped> {
        let stopping = self.stopping.load(Ordering::Acquire);
        let dead = self.dead.load(Ordering::Acquire);
        if !stopping && !dead {
            return None;
        }
        // One call wakes one receiver: each wakes the next.
        self.server.unblock();
        Some(EngineStopped { fatal: !stopping })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("stopping", &self.stopping).field("dead", &self.dead).finish()
    }
}

impl Incoming {
    /// Reads the rest of a request. `None` when it was the acceptor's own, which is answered here.
    fn read(mut request: tiny_http::Request) -> io::Result<Option<Self>> {
        let method = Method::from(request.method());
        let target = request.url().to_owned();
        let mut headers = Headers::default();
        let mut peer = None;
        for header in request.headers() {
            let value = header.value.as_str();
            let field = header.field.as_str().as_str();
            if field.eq_ignore_ascii_case(PEER_HEADER) {
                peer = value.parse().ok();
            } else {
                headers.take(field, value);
            }
        }
        let declared = request.body_length().unwrap_or(0);
        if declared > BODY_CEILING {
            // Only the acceptor can reach this socket, and it forwards nothing larger. Answering or dropping
            // such a request would make tiny_http allocate what was declared.
            std::mem::forget(request);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a larger body than the acceptor forwards",
            ));
        }
        let mut body = vec![0; declared];
        request.as_reader().read_exact(&mut body)?;
        let head_only = method == Method::Head;
        let responder = Responder::new(request.into_writer(), head_only);
        if peer.is_none() && target == HELLO_TARGET {
            responder.send(Answer::empty(204));
            return Ok(None);
        }
        Ok(Some(Self { method, target, headers, peer, body, responder }))
    }
}

impl Method {
    /// The method as it stands in a request line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(token) => token,
        }
    }
}

impl From<&tiny_http::Method> for Method {
    fn from(method: &tiny_http::Method) -> Self {
        match method {
            tiny_http::Method::Get => Self::Get,
            tiny_http::Method::Head => Self::Head,
            tiny_http::Method::Post => Self::Post,
            tiny_http::Method::Put => Self::Put,
            tiny_http::Method::Patch => Self::Patch,
            tiny_http::Method::Delete => Self::Delete,
            tiny_http::Method::Options => Self::Options,
            other => Self::Other(other.as_str().to_owned()),
        }
    }
}

impl Headers {
    fn take(&mut self, field: &str, value: &str) {
        let fields = [
            ("Content-Type", &mut self.content_type),
            ("Accept", &mut self.accept),
            ("User-Agent", &mut self.user_agent),
            ("Last-Event-ID", &mut self.last_event_id),
            ("Idempotency-Key", &mut self.idempotency_key),
            ("X-Request-Id", &mut self.request_id),
            ("X-Forwarded-Proto", &mut self.forwarded_proto),
            (HOST_HEADER, &mut self.host),
        ];
        if field.eq_ignore_ascii_case("Authorization") {
            self.authorization = Some(Secret::new(value.to_owned()));
        } else if let Some((_, slot)) = fields.into_iter().find(|(name, _)| field.eq_ignore_ascii_case(name))
        {
            *slot = Some(value.to_owned());
        }
    }
}

/// Removes a socket that nobody listens on; leaves everything else.
fn clear_stale(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something else is where the socket belongs",
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens on the socket")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// What the acceptor asks to see that a new connection is served; answered without a worker's help.
pub(super) const HELLO_TARGET: &str = "/-/hello";
/// Where the acceptor says who asks.
pub(super) const PEER_HEADER: &str = "X-Zkgate-Peer";
/// Where the acceptor says by which name it was reached.
pub(super) const HOST_HEADER: &str = "X-Zkgate-Host";
/// The largest body that is forwarded, in bytes.
pub(super) const BODY_CEILING: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::thread::JoinHandle;

    use super::*;

    type Served = JoinHandle<Vec<(Method, String, Vec<u8>)>>;

    fn start() -> (tempfile::TempDir, Arc<Engine>, Served) {
        let home = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::start(&home.path().join("s")).unwrap());
        let worker = Arc::clone(&engine);
        let served = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while let Ok(incoming) = worker.receive() {
                seen.push((incoming.method, incoming.target, incoming.body));
                incoming.responder.send(Answer::json(200, "{}"));
            }
            seen
        });
        (home, engine, served)
    }

    fn exchange(home: &tempfile::TempDir, bytes: &str) -> String {
        let mut stream = UnixStream::connect(home.path().join("s")).unwrap();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn only_whole_requests_are_received_and_the_first_greeting_is_not() {
        let (home, engine, served) = start();
        let cut = "POST /cut HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc";
        let hello = format!("GET {HELLO_TARGET} HTTP/1.1\r\nHost: x\r\n\r\n");
        let whole =
            format!("POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
        let _ = exchange(&home, cut);
        assert!(exchange(&home, &hello).starts_with("HTTP/1.1 204 "));
        assert!(exchange(&home, &whole).starts_with("HTTP/1.1 200 "));
        engine.stop();
        assert_eq!(served.join().unwrap(), [(Method::Post, "/whole".to_owned(), vec![b'x'; 2000])]);
    }

    #[test]
    fn a_length_beyond_all_memory_does_not_end_the_process() {
        let (home, engine, served) = start();
        let mut stream = UnixStream::connect(home.path().join("s")).unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000000000000\r\n\r\n")
            .unwrap();
        assert!(exchange(&home, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 200 "));
        engine.stop();
        assert_eq!(served.join().unwrap().len(), 1);
    }

    fn receivers(engine: &Arc<Engine>) -> Vec<JoinHandle<Result<(), EngineStopped>>> {
        let receive = |engine: Arc<Engine>| std::thread::spawn(move || engine.receive().map(drop));
        (0..8).map(|_| receive(Arc::clone(engine))).collect()
    }

    #[test]
    fn a_stop_wakes_every_receiver_and_those_to_come() {
        let home = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::start(&home.path().join("s")).unwrap());
        let receivers = receivers(&engine);
        engine.stop();
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), Err(EngineStopped { fatal: false }));
        }
        assert_eq!(engine.receive().map(drop), Err(EngineStopped { fatal: false }));
    }

    #[test]
    fn an_engine_that_cannot_accept_any_more_tells_every_receiver() {
        let home = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(home.path().join("s")).unwrap();
        let handle = listener.try_clone().unwrap();
        let engine = Arc::new(Engine::on(listener).unwrap());
        let receivers = receivers(&engine);
        socket2::SockRef::from(&handle).shutdown(std::net::Shutdown::Both).unwrap();
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), Err(EngineStopped { fatal: true }));
        }
        assert_eq!(engine.receive().map(drop), Err(EngineStopped { fatal: true }));
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let engine = Engine::start(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Engine::start(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(engine);
        fs::write(&path, "mine").unwrap();
        assert_eq!(Engine::start(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(Engine::start(&home.path().join("no/such/place")).is_err());
    }
}
