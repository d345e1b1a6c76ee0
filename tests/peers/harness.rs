//! Interpreters that drive other systems' clients, and what both sides say in comparable words.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zkgate::base::deadline::Deadline;
use zkgate::device::{Session, SessionSettings, Target};
use zkgate::simulator::{Config, DeviceHandle, Profile, Simulator};
use zkgate::wire::carrier::Carrier;
use zkgate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::record::punch::Punch;
use zkgate::wire::record::user::User;

/// Long enough for a loaded machine, and longer than any time-out of the clients.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running interpreter, which takes orders line by line.
pub(crate) struct Peer {
    process: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Peer {
    pub(crate) fn python() -> Self {
        let environment = installed("python", "tests/peers/requirements.txt");
        let mut command = Command::new(environment.join("bin/python"));
        Self::start(command.arg("-I").arg("tests/peers/pyzk_peer.py"))
    }

    pub(crate) fn node() -> Self {
        let environment = installed("node", "tests/peers/package-lock.json");
        let mut command = Command::new("node");
        Self::start(command.arg("tests/peers/node_peer.mjs").env("PEERS", environment))
    }

    fn start(command: &mut Command) -> Self {
        // The clients take civil time for the host's own.
        command.env("TZ", "UTC").current_dir(env!("CARGO_MANIFEST_DIR"));
        // What they print for people is of no use here.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{error}: run tests/run setup"));
        let orders = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { process, orders, answers }
    }

    pub(crate) fn begin(&mut self, order: &Value) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    /// What came of the last order: `Err` with what the client says went wrong.
    pub(crate) fn end(&self) -> Result<Value, String> {
        let line = self.answers.recv_timeout(PATIENCE).expect("the peer answers");
        let answer: Value = serde_json::from_str(&line).unwrap();
        match answer.get("ok") {
            Some(value) => Ok(value.clone()),
            None => Err(answer["error"].as_str().unwrap().to_owned()),
        }
    }

    pub(crate) fn ask(&mut self, order: &Value) -> Result<Value, String> {
        self.begin(order);
        self.end()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when there are no more orders; a test that failed does not wait for that.
        drop(self.orders.take());
        if std::thread::panicking() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Where the clients were installed, from the very list that is in force.
fn installed(name: &str, list: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = root.join("tests/.env").join(name);
    let made_from = fs::read(environment.join(".made-from")).unwrap_or_default();
    let present = made_from == fs::read(root.join(list)).unwrap();
    assert!(present, "the clients of other systems are not installed: run tests/run setup");
    environment
}

/// One device with people and a past, at a fixed time.
pub(crate) fn device(profile: Profile, comm_key: u32, more: Config) -> (Simulator, DeviceHandle) {
    let simulator = Simulator::start(Config {
        profile,
        comm_key: key(comm_key),
        users: 40,
        punches: 600,
        clock: Some(present()),
        threads: 1,
        ..more
    });
    let simulator = simulator.unwrap();
    let device = simulator.devices()[0].clone();
    (simulator, device)
}

/// The simulated devices' time at the start.
pub(crate) fn present() -> PossibleTime {
    PossibleTime::new(CivilTime { year: 2026, month: 7, day: 14, hour: 8, minute: 0, second: 0 }).unwrap()
}

/// Where a device is, in the words of the peers.
pub(crate) fn at(address: SocketAddr, carrier: Carrier, comm_key: u32) -> Value {
    json!({
        "ip": address.ip().to_string(), "port": address.port(), "udp": carrier == Carrier::Udp,
        "comm_key": comm_key, "timeout": 5,
    })
}

/// Our own client.
pub(crate) fn session_with(device: &DeviceHandle, carrier: Carrier, comm_key: u32) -> Session {
    let target = Target { address: device.address(), comm_key: key(comm_key), carriers: vec![carrier] };
    Session::connect(target, SessionSettings::default(), deadline()).unwrap()
}

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Instant::now(), PATIENCE)
}

/// What our own client reads from the same device.
pub(crate) fn read_by_us(device: &DeviceHandle, carrier: Carrier, comm_key: u32) -> (Vec<User>, Vec<Punch>) {
    let mut session = session_with(device, carrier, comm_key);
    assert_eq!(session.serial_number(), Some(device.serial_number().as_str()));
    let users = session.users(deadline()).unwrap().iter().collect();
    let punches = session.punches(ClockWord::pack(present()), deadline()).unwrap().iter().collect();
    session.exit();
    (users, punches)
}

fn key(number: u32) -> CommKey {
    CommKey::new(u64::from(number)).unwrap()
}
