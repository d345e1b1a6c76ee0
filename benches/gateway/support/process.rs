//! The service and the simulated devices as processes; dropping one ends it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::liveness::Liveness;
use zkgate::store::device::{Facts, NewDevice, SessionMode, TransportChoice};
use zkgate::store::{Place, Store, StoreSettings};
use zkgate::wire::comm_key::CommKey;

use super::http::{Http, Url};

/// The binary under test: the one that was just built, or another to compare it with.
fn zkgate() -> OsString {
    std::env::var_os("ZKGATE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_zkgate").into())
}

pub const TOKEN: &str = "benches-benches-benches-benches-0123456789";

/// A process that ends with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Simulated devices in a process of their own.
pub struct Fleet {
    _process: Owned,
    pub devices: Vec<SocketAddr>,
    control: BufReader<TcpStream>,
}

impl Fleet {
    /// Starts so many, with further flags of `zkgate simulate`.
    pub fn start(devices: usize, flags: &[&str]) -> Self {
        let mut process = Command::new(zkgate())
            .args(["simulate", "--port", "0", "--control", "127.0.0.1:0", "--devices", &devices.to_string()])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the simulator starts");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let process = Owned(process);
        let mut addresses = Vec::new();
        for line in lines {
            let line = line.expect("the simulator says where it is");
            match line.split_once(' ').expect("an address and what it is") {
                ("control", address) => {
                    let control = TcpStream::connect(address).expect("orders are taken");
                    return Self { _process: process, devices: addresses, control: BufReader::new(control) };
                }
                (address, _) => addresses.push(address.parse().expect("an address")),
            }
        }
        panic!("the simulator ended at once");
    }

    /// Gives an order (see the simulator's control) and waits until it is carried out.
    pub fn order(&mut self, order: &str) {
        self.ask(order);
    }

    /// The same, giving the answer.
    pub fn ask(&mut self, order: &str) -> serde_json::Value {
        self.control.get_mut().write_all(format!("{order}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        self.control.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"ok\""), "{order}: {answer}");
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()["ok"].take()
    }
}

/// The service in a process of its own, with its own state.
pub struct Gate {
    process: Owned,
    pub address: SocketAddr,
    pub state: TempDir,
}

impl Gate {
    /// Starts the service with these devices, whose ids count from 1, and waits until it is healthy.
    pub fn start(devices: &[SocketAddr]) -> Self {
        let state = prepare(devices);
        let (gate, _) = Self::launch(state);
        gate
    }

    /// The same, telling how long it took from the start of the process to the first healthy answer.
    pub fn launch(state: TempDir) -> (Self, Duration) {
        let address = free_address();
        let since = Instant::now();
        let mut process = serve(state.path(), address);
        drain(process.stderr.take().unwrap());
        let gate = Self { process: Owned(process), address, state };
        let health = Url::open("/healthz");
        loop {
            let answer = Http::connect(address).and_then(|mut http| http.exchange(&health));
            if answer.is_ok_and(|answer| answer.status == 200) {
                return (gate, since.elapsed());
            }
            assert!(since.elapsed() < Duration::from_secs(20), "the service does not become healthy");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    pub fn http(&self) -> Http {
        Http::connect(self.address).expect("the service takes connections")
    }

    /// Waits until so many devices have a session.
    pub fn wait_connected(&self, wanted: usize) {
        let mut http = self.http();
        let since = Instant::now();
        loop {
            let answer = http.exchange(&Url::get("/api/v1/connections?state=idle")).expect("an answer");
            if answer.json()["count"].as_u64() >= Some(wanted as u64) {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{wanted} sessions do not come about");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Resident memory in MB (2^20 bytes).
    pub fn resident(&self) -> f64 {
        self.status("VmRSS:") / 1024.0
    }

    pub fn threads(&self) -> f64 {
        self.status("Threads:")
    }

    /// The most memory that was ever resident, in MB (2^20 bytes).
    pub fn peak(&self) -> f64 {
        self.status("VmHWM:") / 1024.0
    }

    /// CPU seconds used so far, user and system.
    pub fn cpu(&self) -> f64 {
        cpu_seconds(&format!("/proc/{}", self.process.0.id()))
    }

    fn status(&self, field: &str) -> f64 {
        let path = format!("/proc/{}/status", self.process.0.id());
        let text = fs::read_to_string(path).expect("the service still runs");
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("a known field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

/// What all threads of a process have run, in seconds; finer than the ticks of `stat`.
pub fn cpu_seconds(process: &str) -> f64 {
    let tasks = fs::read_dir(format!("{process}/task")).expect("the process still runs");
    let nanoseconds: u64 = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    nanoseconds as f64 / 1e9
}

/// A state directory with a token, and a database that already has the devices.
pub fn prepare(devices: &[SocketAddr]) -> TempDir {
    let state = tempfile::tempdir().expect("a temporary directory");
    let token = state.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(settings(state.path()), "").unwrap();
    let now = Instant::now();
    let mut place = StoreSettings::new(state.path(), Place::Sqlite);
    place.queue = 1024;
    let store = Store::open(place, Arc::new(SystemClock), &Liveness::new(now)).expect("a store");
    let deadline = Deadline::after(now, Duration::from_secs(60));
    let (told, tell) = crossbeam_channel::unbounded();
    for device in devices {
        let told = told.clone();
        store.create(new_device(*device), deadline, move |result| told.send(result.is_ok()).unwrap());
    }
    assert!(tell.iter().take(devices.len()).all(|created| created), "a device could not be stored");
    store.close(deadline).expect("the store closes");
    state
}

/// The settings that the service of this state directory will have.
pub fn configure(state: &TempDir, text: &str) {
    let path = settings(state.path());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn new_device(address: SocketAddr) -> NewDevice {
    NewDevice {
        name: None,
        ip_address: address.ip(),
        port: address.port(),
        comm_key: CommKey::default(),
        transport: TransportChoice::Auto,
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
    }
}

fn serve(state: &Path, address: SocketAddr) -> Child {
    Command::new(zkgate())
        .arg("serve")
        .args(["--listen", &address.to_string()])
        .arg("--state-dir")
        .arg(state)
        .arg("--config")
        .arg(settings(state))
        .env_clear()
        // What the C library is told about memory is measured too.
        .envs(std::env::vars().filter(|(name, _)| name.starts_with("MALLOC_")))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the service starts")
}

fn settings(state: &Path) -> PathBuf {
    state.join("settings.toml")
}

/// Passes on what the service finds worth a warning at the top of its voice, and drops the rest.
fn drain(stderr: ChildStderr) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("panic") || line.contains("ERROR") || line.starts_with("<3>") {
                eprintln!("zkgate: {line}");
            }
        }
    });
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
