//! The program, run to its end.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use zkgate::simulator::DeviceHandle;

use crate::service::Service;

/// How to run it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    first: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, running.
pub(crate) struct Running(Option<Child>);

/// Longer than anything here should take; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Program {
    pub(crate) fn new<const N: usize>(arguments: [&str; N]) -> Self {
        let first = arguments.map(str::to_owned).to_vec();
        Self { first, environment: Vec::new(), stdin: None }
    }

    /// Speaks to a simulated device directly.
    pub(crate) fn at(device: &DeviceHandle) -> Self {
        Self::new(["device", &device.address().to_string()])
    }

    /// Asks a running service.
    pub(crate) fn of<const N: usize>(service: &Service, arguments: [&str; N]) -> Self {
        let url = format!("http://{}", service.address);
        let token = service.setup.state_dir().join("token");
        Self::new(arguments).with(["--url", &url, "--token-file", token.to_str().unwrap()])
    }

    pub(crate) fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.first.extend(arguments.map(str::to_owned));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    pub(crate) fn start<const N: usize>(&self, arguments: [&str; N]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_zkgate"))
            .args(&self.first)
            .args(arguments)
            .env_clear()
            .env("HOME", "/nonexistent")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have ended already.
        let _ = stdin.write_all(self.stdin.as_deref().unwrap_or_default().as_bytes());
        Running(Some(child))
    }

    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Ran {
        self.start(arguments).ends()
    }

    /// Runs it and takes what it printed, as it must have ended well.
    pub(crate) fn well<const N: usize>(&self, arguments: [&str; N]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{self:?} {arguments:?}: {ran:?}");
        ran.out
    }

    /// The same as JSON.
    pub(crate) fn json<const N: usize>(&self, arguments: [&str; N]) -> Value {
        let out = self.clone().with(["--json"]).well(arguments);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{self:?} {arguments:?}: {error}: {out}"))
    }

    /// The same, a value a line.
    pub(crate) fn lines<const N: usize>(&self, arguments: [&str; N]) -> Vec<Value> {
        values(&self.clone().with(["--json"]).well(arguments))
    }

    /// Runs it as it must fail: with this exit code, and this code in what it says on stderr.
    pub(crate) fn fails<const N: usize>(&self, arguments: [&str; N], exit: i32, code: &str) -> Ran {
        let ran = self.clone().with(["--json"]).run(arguments);
        let told: Value =
            serde_json::from_str(ran.err.lines().last().unwrap_or_default()).unwrap_or_default();
        assert_eq!((ran.code, told["code"].as_str()), (exit, Some(code)), "{self:?} {arguments:?}: {ran:?}");
        assert_eq!(told["exit"], exit, "{ran:?}");
        assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{ran:?}");
        ran
    }
}

impl Running {
    pub(crate) fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&mut self) {
        kill_process(Pid::from_child(self.child()), Signal::INT).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ends(mut self) -> Ran {
        let mut child = self.0.take().unwrap();
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take().unwrap());
        let told = std::thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).unwrap();
            text
        });
        let printed = std::thread::spawn(move || {
            let mut text = String::new();
            out.as_mut().map(|out| out.read_to_string(&mut text).unwrap());
            text
        });
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("it does not end: {}", printed.join().unwrap());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        Ran { code: status.code().unwrap_or(-1), out: printed.join().unwrap(), err: told.join().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A value a line.
pub(crate) fn values(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}
