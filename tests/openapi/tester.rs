//! A published tester (schemathesis) makes up requests from the description alone, right ones and wrong ones, and
//! holds every answer against it.
//!
//! `SCHEMATHESIS_EXAMPLES` and `SCHEMATHESIS_SEED` make it look longer, or elsewhere.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use zkgate::simulator::{Config, Simulator};

use crate::service::Setup;

/// Longer than the few examples of every run need on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(100);

/// Where the tester was installed, from the very list that is in force.
fn installed() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = root.join("tests/.env/schemathesis");
    let made_from = std::fs::read(environment.join(".made-from")).unwrap_or_default();
    let present = made_from == std::fs::read(root.join("tests/openapi/requirements.txt")).unwrap();
    assert!(present, "the tester is not installed: run tests/run setup");
    environment.join("bin/schemathesis")
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn chosen(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn a_tester_that_knows_only_the_description_finds_nothing() {
    let config =
        Config { devices: 2, users: 5, punches: 20, restart_time: Duration::ZERO, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let [known, other] = simulator.devices() else { panic!("two devices") };
    let service = Setup::collecting().start();
    service.add_up(known);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let examples = chosen("SCHEMATHESIS_EXAMPLES", "4");
    let report = service.setup.home().join("report");
    let mut command = Command::new(installed());
    command
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .args(["run", &format!("http://{}/api/openapi.json", service.address)])
        // Its answer has no end; a test of its own reads the beginning.
        .args(["--exclude-operation-id", "streamPunches", "--exclude-operation-id", "streamEvents"])
        .args(["--max-examples", &examples, "--seed", &chosen("SCHEMATHESIS_SEED", "20260101")])
        .args(["--request-timeout", "20", "--no-color", "--generation-database", "none"])
        .env_clear()
        .env("HOME", service.setup.home())
        .env("TOKEN", &service.token)
        .env("DEVICE", other.address().to_string())
        .env("PYTHONPATH", &here)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .current_dir(service.setup.home())
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&report).unwrap())
        .stderr(Stdio::inherit());
    let mut tester = Running(command.spawn().unwrap());
    let began = Instant::now();
    let limit = PATIENCE * (1 + examples.parse::<u32>().unwrap() / 50);
    let status = loop {
        if let Some(status) = tester.0.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < limit, "the tester does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut said = String::new();
    std::fs::File::open(&report).unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{status}: {said}");
    // It must have looked: a tester that was turned away at the door finds nothing either.
    let summary = said.lines().find(|line| line.contains(" generated,")).unwrap_or_else(|| panic!("{said}"));
    let made: usize = summary.trim().split(' ').next().unwrap().parse().unwrap();
    assert!(made > 1000, "{said}");
}
