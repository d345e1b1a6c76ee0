//! The real program as a child process, and an HTTP client for it. Its directories are its own, its port comes
//! from the operating system, its log is kept; dropped, it is killed and cleared away.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use zkgate::simulator::DeviceHandle;

/// Longer than anything here should take; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How to start the program.
pub struct Setup {
    home: Arc<TempDir>,
    environment: BTreeMap<String, String>,
    config: String,
    listen: String,
}

/// The program, running.
pub struct Service {
    pub address: SocketAddr,
    pub token: String,
    pub setup: Setup,
    child: Child,
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Setup {
    /// Waits are short, so that what fails fails soon, and no device is asked for anything but what a test asks;
    /// everything else is as it is for everybody.
    pub fn new() -> Self {
        let setup = Self {
            home: Arc::new(tempfile::Builder::new().prefix("zkgate-").tempdir().unwrap()),
            environment: BTreeMap::new(),
            config: String::new(),
            listen: "127.0.0.1:0".into(),
        };
        setup
            .set("ZKGATE_LOG", "debug")
            .set("ZKGATE_SESSIONS_CONNECT_TIMEOUT", "400ms")
            .set("ZKGATE_SESSIONS_REPLY_TIMEOUT", "400ms")
            .set("ZKGATE_SESSIONS_PROGRESS_TIMEOUT", "400ms")
            .set("ZKGATE_SESSIONS_BACK_OFF_FIRST", "50ms")
            .set("ZKGATE_SESSIONS_BACK_OFF_CAP", "300ms")
            .set("ZKGATE_JOURNAL_COLLECT", "false")
    }

    /// The same, and the journal collects from the devices, as it does unless it is told not to.
    pub fn collecting() -> Self {
        let mut setup = Self::new();
        setup.environment.remove("ZKGATE_JOURNAL_COLLECT");
        setup
    }

    pub fn set(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.environment.insert(variable.into(), value.into());
        self
    }

    pub fn config(mut self, toml: &str) -> Self {
        self.config = toml.into();
        self
    }

    pub fn listen(mut self, address: impl ToString) -> Self {
        self.listen = address.to_string();
        self
    }

    /// The same directories for another run.
    pub fn again(&self) -> Self {
        Self {
            home: Arc::clone(&self.home),
            environment: self.environment.clone(),
            config: self.config.clone(),
            listen: self.listen.clone(),
        }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home().join("state")
    }

    /// The command, with nothing of this process's environment.
    pub fn command(&self, subcommand: &str) -> Command {
        let config = self.home().join("zkgate.toml");
        std::fs::write(&config, &self.config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_zkgate"));
        command
            .arg(subcommand)
            .args(["--listen", &self.listen])
            .arg("--config")
            .arg(&config)
            .env_clear()
            .env("HOME", self.home())
            .env("ZKGATE_STATE_DIR", self.state_dir())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end, which is expected soon: exit code, stdout and stderr.
    pub fn fails(&self) -> (i32, String) {
        let mut child = self.command("serve").spawn().unwrap();
        let status = wait(&mut child, PATIENCE).unwrap_or_else(|| {
            let _ = child.kill();
            panic!("it runs, although it should not")
        });
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code().unwrap_or(-1), said)
    }

    /// What `zkgate check` says.
    pub fn check(&self) -> (i32, String) {
        let output = self.command("check").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    pub fn start(self) -> Service {
        let mut child = self.command("serve").spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let mut address = None;
        while address.is_none() {
            let mut line = String::new();
            let count = lines.read_line(&mut line).unwrap();
            assert!(count > 0, "it ended: {}", lock(&log));
            lock(&log).push_str(&line);
            address = line.split("listening on ").nth(1).and_then(|text| text.trim().parse().ok());
        }
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                lock(&kept).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        let token = std::fs::read_to_string(self.state_dir().join("token")).unwrap_or_default();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .build()
            .new_agent();
        Service { address: address.unwrap(), token: token.trim().to_owned(), setup: self, child, log, agent }
    }
}

impl Service {
    pub fn start() -> Self {
        Setup::new().start()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None)
    }

    /// A request with the token. The path is below `/api/v1` unless it is one of the health paths, begins with `/api/`
    /// or belongs to the dialect of BioTime.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes());
        self.send(method, path, bytes, Some("application/json"), Some(&format!("Bearer {}", self.token)))
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        content_type: Option<&str>,
        authorization: Option<&str>,
    ) -> Answer {
        let whole = [
            "/healthz",
            "/readyz",
            "/api/",
            "/iclock/",
            "/personnel/",
            "/api-token-auth",
            "/jwt-api-token-auth",
        ];
        let whole = whole.iter().any(|begin| path.starts_with(begin));
        let prefix = if whole { "" } else { "/api/v1" };
        let uri = format!("http://{}{prefix}{path}", self.address);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if let (Some(kind), Some(_)) = (content_type, &body) {
            request = request.header("content-type", kind);
        }
        let began = Instant::now();
        let response = match body.or_else(|| matches!(method, "POST" | "PUT" | "PATCH").then(Vec::new)) {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        read(response.unwrap_or_else(|error| panic!("{method} {path}: {error}")), began)
    }

    /// A request with this `Idempotency-Key`.
    pub fn keyed(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.keyed_as(&self.token, key, path, body)
    }

    /// The same with another token.
    pub fn keyed_as(&self, token: &str, key: &str, path: &str, body: &Value) -> Answer {
        let uri = format!("http://{}/api/v1{path}", self.address);
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(uri)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        self.run(request.body(body.to_string().into_bytes()).unwrap())
    }

    /// A request with another token.
    pub fn as_somebody(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes());
        self.send(method, path, bytes, Some("application/json"), Some(&format!("Bearer {token}")))
    }

    fn run(&self, request: ureq::http::Request<impl ureq::AsSendBody>) -> Answer {
        let began = Instant::now();
        read(self.agent.run(request).unwrap_or_else(|error| panic!("{error}")), began)
    }

    /// A head with the token, for those who write the bytes themselves.
    pub fn head(&self, method: &str, path: &str, more: &str) -> String {
        let token = &self.token;
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends these bytes and reads what comes until the connection closes; nothing when there is none.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return String::new() };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(bytes.as_ref());
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Registers a simulated device and gives its id.
    pub fn add(&self, device: &DeviceHandle) -> String {
        self.add_with(device, &serde_json::json!({}))
    }

    pub fn add_with(&self, device: &DeviceHandle, more: &Value) -> String {
        let mut body = serde_json::json!({
            "ip_address": device.address().ip().to_string(), "port": device.address().port(),
        });
        let members = body.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        let made = self.post("/devices", &body);
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Registers it and waits for its session.
    pub fn add_up(&self, device: &DeviceHandle) -> String {
        let id = self.add(device);
        self.until_state(&id, "idle");
        id
    }

    pub fn connection(&self, id: &str) -> Value {
        self.get(&format!("/devices/{id}/connection")).json()
    }

    pub fn until_state(&self, id: &str, state: &str) -> Value {
        self.until(&format!("/devices/{id}/connection"), |shown| shown["state"] == state)
    }

    /// Asks until the answer is so.
    pub fn until(&self, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.get(path);
            let shown = answer.try_json().unwrap_or_default();
            if so(&shown) {
                return shown;
            }
            assert!(began.elapsed() < PATIENCE, "{path} never became so: {shown}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let log = Arc::clone(&self.log);
        wait(&mut self.child, PATIENCE).unwrap_or_else(|| panic!("it does not end: {}", lock(&log)))
    }

    /// Asks it to stop, and tells its exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        (self.ended().code(), began.elapsed())
    }

    /// A field of `/proc/<pid>/status`, in its own unit.
    pub fn proc_status(&self, field: &str) -> usize {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6000);
            let from = (from..log.len()).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            eprintln!("the end of the service's log:\n{}", &log[from..]);
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        self.try_json().unwrap_or_else(|| panic!("no JSON: {self:?}"))
    }

    pub fn try_json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Checks that this is a problem as the API promises them, and gives it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert!(zkgate::http::codes::find(status, code).is_some(), "{status} {code} has no row in codes.rs");
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{body}");
        let told = self.header("retry-after").map(|seconds| seconds.parse::<u64>().unwrap());
        if !matches!(code, "overloaded" | "stopping") {
            assert_eq!(told, body["retry_after"].as_u64(), "header and body say the same: {body}");
        }
        body
    }
}

fn read(response: ureq::http::Response<ureq::Body>, began: Instant) -> Answer {
    let mut response = response;
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
    Answer { status: response.status().as_u16(), headers, body, took: began.elapsed() }
}

/// Waits until something is so.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn lock(log: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
