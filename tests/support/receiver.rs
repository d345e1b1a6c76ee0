//! A receiver of webhooks: a small HTTP server that behaves as it is told, keeps what it was sent, and can hold a
//! request back until the test lets it go on. Its port comes from the operating system; dropped, it is gone.

#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// Longer than anything here should take; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// With these further lines of the head, each with its end.
    With(u16, String),
    /// Nothing until the receiver is dropped.
    Silence,
    /// The connection is closed without a word.
    Close,
    /// 200 and a body without an end.
    Endless,
    /// 204 once the gate is open.
    Gate(Arc<Gate>),
}

/// Opens once.
#[derive(Debug, Default)]
pub struct Gate {
    open: Mutex<bool>,
    moved: Condvar,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Request {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
    /// The status that it was answered with, once it was.
    pub status: Option<u16>,
}

pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    requests: Mutex<Vec<Request>>,
    moved: Condvar,
    script: Mutex<VecDeque<Answer>>,
    always: Mutex<Option<Answer>>,
    connections: AtomicUsize,
    poured: AtomicUsize,
    over: AtomicBool,
    end: Gate,
    open: Mutex<Vec<TcpStream>>,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.moved.notify_all();
    }

    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.moved.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }
}

impl Receiver {
    /// Answers 204 to everything.
    pub fn new() -> Self {
        Self::scripted([])
    }

    /// Answers so in turn, and then 204.
    pub fn scripted(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Arc::new(Inner::default());
        inner.script.lock().unwrap().extend(script);
        let receiver = Self { address: listener.local_addr().unwrap(), inner: Arc::clone(&inner) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if inner.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                inner.connections.fetch_add(1, Ordering::SeqCst);
                inner.open.lock().unwrap().push(stream.try_clone().unwrap());
                let inner = Arc::clone(&inner);
                std::thread::spawn(move || drop(inner.serve(stream)));
            }
        });
        receiver
    }

    /// Answers so to everything.
    pub fn always(answer: Answer) -> Self {
        let receiver = Self::new();
        *receiver.inner.always.lock().unwrap() = Some(answer);
        receiver
    }

    /// From now on it answers so, in turn, and then 204.
    pub fn script(&self, script: impl IntoIterator<Item = Answer>) {
        *self.inner.always.lock().unwrap() = None;
        *self.inner.script.lock().unwrap() = script.into_iter().collect();
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of an endless body were taken.
    pub fn poured(&self) -> usize {
        self.inner.poured.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub fn until_requests(&self, count: usize) -> Vec<Request> {
        self.until(|requests| requests.len() >= count)
    }

    /// The numbers of the rows in requests that were answered with success, in order.
    pub fn taken(&self) -> Vec<u64> {
        taken(&self.requests())
    }

    /// Waits until so many rows were taken.
    pub fn until_taken(&self, count: usize) -> Vec<u64> {
        taken(&self.until(|requests| taken(requests).len() >= count))
    }

    pub fn until(&self, so: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let requests = self.inner.requests.lock().unwrap();
        let (requests, late) =
            self.inner.moved.wait_timeout_while(requests, PATIENCE, |requests| !so(requests)).unwrap();
        assert!(!late.timed_out(), "that never came: {requests:#?}");
        requests.clone()
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let index = {
            let mut requests = self.requests.lock().unwrap();
            let line = line.trim_end().to_owned();
            requests.push(Request { line, headers, body, at: Instant::now(), status: None });
            requests.len() - 1
        };
        self.moved.notify_all();
        let next = self.script.lock().unwrap().pop_front();
        let next = next.or_else(|| self.always.lock().unwrap().clone()).unwrap_or(Answer::Status(204));
        self.answer(stream, next, index)
    }

    fn answer(&self, mut stream: TcpStream, answer: Answer, index: usize) -> std::io::Result<()> {
        let (status, more) = match answer {
            Answer::Status(status) => (status, String::new()),
            Answer::With(status, more) => (status, more),
            Answer::Silence => {
                self.end.wait();
                return Ok(());
            }
            Answer::Close => return stream.shutdown(Shutdown::Both),
            Answer::Gate(gate) => {
                gate.wait();
                (204, String::new())
            }
            Answer::Endless => {
                self.answered(index, 200);
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
                loop {
                    stream.write_all(chunk.as_bytes())?;
                    self.poured.fetch_add(0x1000, Ordering::SeqCst);
                }
            }
        };
        // Noted before it is sent, so that whoever has seen its effect finds it here.
        self.answered(index, status);
        let length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
        stream.write_all(format!("HTTP/1.1 {status} X\r\n{length}{more}\r\n").as_bytes())
    }

    fn answered(&self, index: usize, status: u16) {
        self.requests.lock().unwrap()[index].status = Some(status);
        self.moved.notify_all();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
        self.inner.end.open();
        for stream in self.inner.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
    }
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn seqs(&self) -> Vec<u64> {
        let body = self.json();
        body["events"].as_array().unwrap().iter().filter_map(|event| event["seq"].as_u64()).collect()
    }

    /// Whether whoever knows the secret sent it: what every receiver must check.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{}.", self.header("x-zkgate-timestamp")).as_bytes());
        mac.update(&self.body);
        let code: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.header("x-zkgate-signature") == format!("v1={code}")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn taken(requests: &[Request]) -> Vec<u64> {
    let success = |request: &&Request| request.status.is_some_and(|status| (200..300).contains(&status));
    requests.iter().filter(success).flat_map(Request::seqs).collect()
}
