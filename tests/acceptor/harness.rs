//! A small service behind a real acceptor, and clients that say exactly the bytes they are told to.
#![allow(dead_code, unreachable_pub)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use zkgate::base::deadline::Deadline;
use zkgate::base::liveness::Liveness;
use zkgate::base::threads;
use zkgate::http::acceptor::{Acceptor, AcceptorStats, Limits};
use zkgate::http::engine::{Engine, Incoming};
use zkgate::http::response::{Answer, Body, ContentType};

/// Longer than anything here should take; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Service {
    pub addr: SocketAddr,
    pub engine: Arc<Engine>,
    pub site: Arc<Site>,
    acceptor: Option<Acceptor>,
    workers: Vec<JoinHandle<()>>,
    _home: tempfile::TempDir,
}

/// What the handlers share with the test.
#[derive(Default)]
pub struct Site {
    /// Requests that reached a handler.
    pub reached: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Service {
    pub fn start() -> Self {
        Self::with(Limits { max_in_flight: 16, ..Limits::default() })
    }

    pub fn with(limits: Limits) -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("engine.sock");
        let engine = Arc::new(Engine::start(&socket).unwrap());
        let site = Arc::new(Site::default());
        let workers = (0..4)
            .map(|n| {
                let (engine, site) = (Arc::clone(&engine), Arc::clone(&site));
                threads::spawn(format!("worker-{n}"), threads::LARGE_STACK, move || {
                    while let Ok(incoming) = engine.receive() {
                        threads::contained("a worker", || handle(&site, incoming));
                    }
                })
                .unwrap()
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let acceptor = Acceptor::start(listener, socket, limits, &Liveness::new(Instant::now())).unwrap();
        let service = Self {
            addr: acceptor.local_addr(),
            engine,
            site,
            acceptor: Some(acceptor),
            workers,
            _home: home,
        };
        service.until("all links are up", |stats| stats.links_up == stats.links_wanted);
        service
    }

    pub fn stats(&self) -> AcceptorStats {
        self.acceptor.as_ref().unwrap().stats()
    }

    pub fn refused(&self, code: &str) -> u64 {
        self.stats().refused.iter().find(|(name, _)| *name == code).unwrap().1
    }

    pub fn reached(&self) -> usize {
        self.site.reached.load(Ordering::SeqCst)
    }

    /// Waits until the counts are so.
    pub fn until(&self, what: &str, so: impl Fn(&AcceptorStats) -> bool) {
        let start = Instant::now();
        while !so(&self.stats()) {
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {:?}", self.stats());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// Sends bytes on a connection of their own and reads what comes until it closes.
    pub fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.client();
        // Whoever is refused in the middle cannot send the rest.
        let _ = client.socket.write_all(bytes.as_ref());
        String::from_utf8_lossy(&client.rest()).into_owned()
    }

    /// The status of the first answer to these bytes.
    pub fn status(&self, bytes: impl AsRef<[u8]>) -> u16 {
        let mut client = self.client();
        let _ = client.socket.write_all(bytes.as_ref());
        client.answer().map_or(0, |answer| answer.status)
    }

    /// An honest request on a new connection is answered, and soon.
    pub fn is_well(&self) {
        let start = Instant::now();
        let mut client = self.client();
        client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(client.answer().expect("an answer").status, 200);
        assert!(start.elapsed() < Duration::from_secs(5), "health took {:?}", start.elapsed());
    }

    pub fn acceptor(&self) -> &Acceptor {
        self.acceptor.as_ref().unwrap()
    }

    pub fn stop(&mut self, within: Duration) {
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.stop(Deadline::after(Instant::now(), within));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.site.open_the_gate();
        self.stop(Duration::ZERO);
        self.engine.stop();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl Site {
    /// Lets every held request go, those to come too.
    pub fn open_the_gate(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait_at_the_gate(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

fn handle(site: &Arc<Site>, incoming: Incoming) {
    let Incoming { method, target, headers, peer, body, responder } = incoming;
    if target != "/healthz" {
        site.reached.fetch_add(1, Ordering::SeqCst);
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let number = query.parse().unwrap_or(0);
    match path {
        "/healthz" => responder.send(Answer::json(200, "{}")),
        "/panic" => panic!("on purpose"),
        "/forget" => drop(responder),
        "/empty" => responder.send(Answer::empty(204)),
        "/big" => responder.send(Answer::bytes(200, ContentType::Bytes, pattern(number))),
        "/stream" => {
            responder.send(Answer::stream(200, ContentType::Bytes, io::Cursor::new(pattern(number))))
        }
        "/broken" => responder.send(Answer::stream(200, ContentType::Bytes, Breaks(number))),
        // Answered from another thread, as the registry does; the worker is free.
        "/hold" => {
            let site = Arc::clone(site);
            std::thread::spawn(move || {
                site.wait_at_the_gate();
                responder.send(Answer::json(200, "\"held\""));
            });
        }
        "/events" => {
            let site = Arc::clone(site);
            std::thread::spawn(move || {
                let head = Answer { body: Body::Empty, ..Answer::bytes(200, ContentType::EventStream, "") };
                let mut stream = responder.into_stream(head).unwrap();
                stream.write_all(b"data: first\n\n").and_then(|()| stream.flush()).unwrap();
                site.wait_at_the_gate();
                while stream.write_all(b"data: more\n\n").and_then(|()| stream.flush()).is_ok() {
                    std::thread::sleep(Duration::from_millis(1));
                    if number > 0 {
                        return stream.finish().unwrap();
                    }
                }
                site.reached.fetch_add(1000, Ordering::SeqCst);
            });
        }
        // As many bytes of events as there are to have, each counted when it is taken.
        "/flood" => {
            let site = Arc::clone(site);
            std::thread::spawn(move || {
                let head = Answer { body: Body::Empty, ..Answer::bytes(200, ContentType::EventStream, "") };
                let mut stream = responder.into_stream(head).unwrap();
                for piece in pattern(number).chunks(8 * 1024) {
                    if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
                        return;
                    }
                    site.reached.fetch_add(piece.len(), Ordering::SeqCst);
                }
            });
        }
        _ => {
            let told = serde_json::json!({
                "method": method.as_str(),
                "target": target,
                "peer": peer.map(|peer| peer.to_string()),
                "authorization": headers.authorization.map(|token| token.expose().clone()),
                "accept": headers.accept,
                "length": body.len(),
                "body": String::from_utf8_lossy(&body),
            });
            responder.send(Answer::json(200, told.to_string()));
        }
    }
}

pub fn pattern(size: usize) -> Vec<u8> {
    let mut bytes = (0..=250).collect::<Vec<u8>>().repeat(size / 251 + 1);
    bytes.truncate(size);
    bytes
}

/// A body that fails after so many bytes.
struct Breaks(usize);

impl Read for Breaks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("on purpose"));
        }
        let some = into.len().min(self.0);
        into[..some].fill(b'x');
        self.0 -= some;
        Ok(some)
    }
}

pub struct Client {
    pub socket: TcpStream,
    held: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, held: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    pub fn get(&mut self, target: &str) -> Reply {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        self.answer().expect("an answer")
    }

    /// The next answer; `None` when the connection ends before it is complete.
    pub fn answer(&mut self) -> Option<Reply> {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Option<Reply> {
        let head = String::from_utf8(self.through(b"\r\n\r\n")?).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new() };
        if method == "HEAD" || status < 200 || status == 204 {
            return Some(reply);
        }
        if let Some(length) = reply.header("content-length") {
            reply.body = self.exactly(length.parse().unwrap())?;
        } else if reply.header("transfer-encoding").is_some() {
            loop {
                let line = String::from_utf8(self.through(b"\r\n")?).unwrap();
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                let mut chunk = self.exactly(size + 2)?;
                chunk.truncate(size);
                if size == 0 {
                    break;
                }
                reply.body.append(&mut chunk);
            }
        } else {
            reply.body = self.rest();
        }
        Some(reply)
    }

    /// What comes until the connection closes or nothing comes for a long time.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.held)
    }

    /// Whether the other side has closed the connection and sent nothing before.
    pub fn is_closed(&mut self) -> bool {
        !self.more() && self.held.is_empty()
    }

    pub fn through(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.held.windows(mark.len()).position(|window| window == mark) {
                let rest = self.held.split_off(at + mark.len());
                return Some(std::mem::replace(&mut self.held, rest));
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn exactly(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.held.len() < size {
            if !self.more() {
                return None;
            }
        }
        let rest = self.held.split_off(size);
        Some(std::mem::replace(&mut self.held, rest))
    }

    fn more(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.held.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Lets this process have as many descriptors as it may.
pub fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// A number from `/proc/self/status`.
pub fn proc_status(field: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
