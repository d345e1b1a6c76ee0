//! The program, which may be killed and started again at any moment while others ask it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::service::{Service, Setup};

/// Longer than anything here should take; only a failure waits for it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program, in one of its lives.
pub struct Gateway {
    /// guards: the life that goes on
    running: Mutex<Service>,
    /// guards: where it answers now
    door: Mutex<Door>,
    /// guards: what earlier lives have logged
    past: Mutex<String>,
    agent: ureq::Agent,
}

#[derive(Clone)]
struct Door {
    base: String,
    token: String,
}

impl Gateway {
    pub fn start(setup: Setup) -> Self {
        let service = setup.start();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .max_idle_connections_per_host(8)
            .build()
            .new_agent();
        Self {
            door: Mutex::new(Door::of(&service)),
            running: Mutex::new(service),
            past: Mutex::default(),
            agent,
        }
    }

    /// The settings of a service that soon notices and soon tries again.
    pub fn setup() -> Setup {
        Setup::collecting()
            .set("ZKGATE_JOURNAL_POLL_INTERVAL", "1s")
            .set("ZKGATE_JOURNAL_COMPARE_INTERVAL", "2s")
            .set("ZKGATE_HTTP_MAX_IN_FLIGHT", "600")
    }

    /// Ends it as a power failure would, and starts it again.
    pub fn kill(&self) {
        self.kill_and(|| ());
    }

    /// The same, with something done before it is started again.
    pub fn kill_and<T>(&self, between: impl FnOnce() -> T) -> T {
        let mut running = lock(&self.running);
        running.signal(Signal::KILL);
        running.ended();
        let result = between();
        self.begin_again(&mut running);
        result
    }

    /// Asks it to stop, and starts it again.
    pub fn restart(&self) {
        let mut running = lock(&self.running);
        let (code, _) = running.stop();
        assert_eq!(code, Some(0), "{}", running.log());
        self.begin_again(&mut running);
    }

    fn begin_again(&self, running: &mut Service) {
        lock(&self.past).push_str(&running.log());
        *running = running.setup.again().start();
        *lock(&self.door) = Door::of(running);
    }

    /// Asks it to stop, for good.
    pub fn stop(&self) {
        let mut running = lock(&self.running);
        let (code, _) = running.stop();
        assert_eq!(code, Some(0), "{}", running.log());
    }

    /// One request; `None` when nobody has answered.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let Door { base, token } = lock(&self.door).clone();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{base}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let response = match body {
            Some(body) => self.agent.run(request.body(body.to_string().into_bytes()).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = response.ok()?;
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().ok()?;
        Some((response.status().as_u16(), serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// A request that is made until it is answered so; for what may be asked twice.
    pub fn until(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        so: impl Fn(u16, &Value) -> bool,
    ) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.ask(method, path, body);
            match answer {
                Some((status, shown)) if so(status, &shown) => return shown,
                answer => {
                    assert!(began.elapsed() < PATIENCE, "{method} {path} is never answered so: {answer:?}");
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }

    /// What it shows.
    pub fn show(&self, path: &str) -> Value {
        self.until("GET", path, None, |status, _| status == 200)
    }

    /// A stream that goes on until its connection ends; `None` when nobody has answered.
    pub fn stream(&self, path: &str) -> Option<impl std::io::Read + use<>> {
        let Door { base, token } = lock(&self.door).clone();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = ureq::http::Request::builder()
            .uri(format!("{base}{path}"))
            .header("authorization", format!("Bearer {token}"));
        let response = agent.run(request.body(()).unwrap()).ok()?;
        (response.status() == 200).then(|| response.into_body().into_reader())
    }

    /// The end of what was logged about a device, in all its lives.
    pub fn log_of(&self, id: &str, lines: usize) -> String {
        let log = format!("{}{}", lock(&self.past), lock(&self.running).log());
        let mark = format!("device {id}:");
        let about: Vec<&str> =
            log.lines().filter(|line| line.contains(&mark) || line.contains("listening on")).collect();
        about[about.len().saturating_sub(lines)..].join("\n")
    }
}

impl Door {
    fn of(service: &Service) -> Self {
        Self { base: format!("http://{}/api/v1", service.address), token: service.token.clone() }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that share it.
pub type Shared = Arc<Gateway>;
