//! The service in this process, with a journal that the test fills, and a client for it.

#![allow(unreachable_pub)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use zkgate::app::App;
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::config::{Environment, Flags, Settings, Sources};
use zkgate::store::journal::placing::{LiveRecord, LogOutcome};
use zkgate::store::journal::{Certainty, Cursor, Journal, JournalSettings, LogBatch, Moment, Person, Record};
use zkgate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use zkgate::wire::record::UserId;

use crate::events::Events;

/// Longer than anything here should take; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(25);

pub struct Site {
    pub app: Option<App>,
    pub token: String,
    agent: ureq::Agent,
    _home: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Site {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings, as variables without their prefix.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let home = tempfile::Builder::new().prefix("zkgate-").tempdir().unwrap();
        let variables = settings.iter().map(|(name, value)| (format!("ZKGATE_{name}"), (*value).to_owned()));
        let sources = Sources {
            flags: Flags {
                listen: Some("127.0.0.1:0".into()),
                state_dir: Some(home.path().join("state")),
                ..Flags::default()
            },
            environment: variables.collect::<Environment>(),
            default_file: home.path().join("none.toml"),
        };
        let (settings, _) = Settings::load(&sources).unwrap();
        let app = App::start(&settings, &zkgate::cli::fixed_numbers(&settings)).unwrap();
        let token = app.token().unwrap().expose().clone();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build()
            .new_agent();
        Self { app: Some(app), token, agent, _home: home }
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub fn journal(&self) -> &Arc<Journal> {
        &self.app().gateway().journal
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(method, path, headers, Some(&self.token))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], token: Option<&str>) -> Answer {
        let prefix = if path == "/readyz" { "" } else { "/api/v1" };
        let uri = format!("http://{}{prefix}{path}", self.app().address());
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let began = Instant::now();
        let mut response = self.agent.run(request.body(()).unwrap()).unwrap();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default().to_owned();
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status, content_type, retry_after, body, took: began.elapsed() }
    }

    /// A token that may only read: its path, and the token.
    pub fn reader(&self) -> (String, String) {
        let uri = format!("http://{}/api/v1/tokens", self.app().address());
        let request = ureq::http::Request::post(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(r#"{ "name": "reader", "scopes": ["read"] }"#)
            .unwrap();
        let made = self.agent.run(request).unwrap().body_mut().read_to_string().unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        (format!("/tokens/{}", made["id"]), made["token"].as_str().unwrap().to_owned())
    }

    /// Begins to follow.
    pub fn follow(&self, path: &str, headers: &str) -> Events {
        Events::open(self.app().address(), &self.token, path, headers)
    }

    /// Places live events and waits until they are kept.
    pub fn place(&self, numbers: std::ops::RangeInclusive<u32>) {
        place(self.journal(), numbers);
    }

    /// Asks until the answer is so.
    pub fn until(&self, path: &str, so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let shown = self.get(path).json();
            if so(&shown) {
                return shown;
            }
            assert!(began.elapsed() < PATIENCE, "{path} never became so: {shown}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.app.take().unwrap().stop();
        began.elapsed()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {text}", self.status))
    }

    /// Checks that this is a problem as the API promises them, and gives it.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.content_type, "application/problem+json", "{body}");
        assert_eq!(self.retry_after, body["retry_after"].as_u64(), "{body}");
        body
    }
}

/// The sequence numbers of a page.
pub fn seqs(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect()
}

/// Punch `n`: one of three devices, one of ten people, `n` seconds into 14 July 2026, by clocks that are three hours
/// ahead of UTC.
pub fn punch(n: u32) -> LiveRecord {
    LiveRecord {
        device_id: device(n),
        serial_number: format!("SIM{}", n % 3 + 1),
        record: record(n),
        raw: n.to_le_bytes().to_vec(),
        received_at: 1_784_000_000_000 + i64::from(n),
    }
}

pub fn device(n: u32) -> DeviceId {
    DeviceId::from(u64::from(n % 3 + 1))
}

pub fn user(n: u32) -> UserId {
    UserId::from_number(1000 + n % 10)
}

pub fn record(n: u32) -> Record {
    Record {
        person: Person::UserId(user(n)),
        user_id: Some(user(n)),
        time: ClockWord(midnight().0 + n),
        moment: Moment { instant: Some(MIDNIGHT + i64::from(n)), certainty: Certainty::Exact },
        punch_state: (n % 2) as u8,
        verify_mode: 1,
        work_code: None,
    }
}

/// 2026-07-14T00:00:00+03:00
pub const MIDNIGHT: i64 = 1_783_976_400;

pub fn midnight() -> ClockWord {
    let day = CivilTime { year: 2026, month: 7, day: 14, hour: 0, minute: 0, second: 0 };
    ClockWord::pack(PossibleTime::new(day).unwrap())
}

pub fn place(journal: &Journal, numbers: std::ops::RangeInclusive<u32>) {
    let numbers: Vec<u32> = numbers.collect();
    for some in numbers.chunks(4096) {
        let head = journal.feed().head() + some.len() as u64;
        assert_eq!(journal.place_live(some.iter().map(|n| punch(*n)).collect()), 0);
        let until = Instant::now() + PATIENCE;
        while journal.feed().head() < head {
            assert!(Instant::now() < until, "they were never kept");
            journal.feed().wait_beyond(head - 1, until, &SystemClock);
        }
    }
}

/// A journal in this state directory, filled by its log with punches 1 to `count`, all of one device, and closed.
pub fn filled(state_dir: &Path, count: u32) {
    std::fs::create_dir_all(state_dir).unwrap();
    let journal = open(state_dir);
    let mut cursor = Cursor { pass: 1, stride: 40, ..Cursor::default() };
    let numbers: Vec<u32> = (1..=count).collect();
    for some in numbers.chunks(10_000) {
        cursor.records += some.len() as u64;
        let batch = LogBatch {
            device_id: DeviceId::from(1),
            serial_number: "SIM1".into(),
            continues: cursor.revision,
            cursor: cursor.clone(),
            records: some.iter().map(|n| Record { work_code: Some(*n), ..record(*n) }).collect(),
            strange: Vec::new(),
            gap: None,
            received_at: 1_784_000_000_000,
        };
        let (tell, told) = std::sync::mpsc::channel();
        journal.place_log(batch, soon(), move |outcome| tell.send(outcome).unwrap()).unwrap();
        match told.recv_timeout(PATIENCE).unwrap().unwrap() {
            LogOutcome::Placed(placed) => cursor = placed.cursor,
            LogOutcome::Outdated => panic!("nobody else moves the cursor"),
        }
    }
    assert_eq!(journal.feed().head(), u64::from(count));
    journal.close(soon()).unwrap();
}

pub fn open(state_dir: &Path) -> Arc<Journal> {
    let settings = JournalSettings { state_dir: state_dir.to_owned(), postgres: None, queue: 256 };
    Journal::open(&settings, Arc::new(SystemClock), &Liveness::new(Instant::now())).unwrap()
}

pub fn soon() -> Deadline {
    Deadline::after(Instant::now(), PATIENCE)
}

/// Waits until something is so.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
