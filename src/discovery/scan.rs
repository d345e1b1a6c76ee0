//! One scan: who is greeted when, and what is made of the answers.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::range::Range;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::threads::{LARGE_STACK, contained, spawn};
use crate::device::{Session, Target};
use crate::dialog::Phase;
use crate::registry::{Refusal, Registry, TestReport};
use crate::wire::carrier::Carrier;
use crate::wire::comm_key::CommKey;

/// What is looked for, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub range: Range,
    /// At which ports of each address.
    pub ports: Vec<u16>,
    /// Over what, in this order.
    pub carriers: Vec<Carrier>,
    /// The comm key that is tried where one is asked for.
    pub comm_key: CommKey,
    /// How many addresses are begun in a second, at most.
    pub rate: u32,
    /// Addresses that are not greeted: devices that are known already.
    pub known: BTreeMap<SocketAddr, Known>,
    /// When it must have ended.
    pub deadline: Deadline,
}

/// A device that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: DeviceId,
    /// The serial number that its record has.
    pub serial_number: Option<String>,
}

/// What was found at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub address: SocketAddr,
    /// What was made of it.
    pub verdict: Verdict,
    /// Over what it answered.
    pub carrier: Option<Carrier>,
    /// Who it is, as far as it says.
    pub identity: Identity,
}

/// What somebody at an address turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A device that can be used with the comm key that was tried.
    Device,
    /// A device that is known already; it was not greeted.
    Known(DeviceId),
    /// A device, or something else, with which no session can be had; the plain verdict of a connection test.
    Other(&'static str),
}

/// Who a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its serial number.
    pub serial_number: Option<String>,
    /// Its model.
    pub device_name: Option<String>,
    /// Its firmware.
    pub firmware_version: Option<String>,
    /// Its platform.
    pub platform: Option<String>,
}

/// Who is told how a scan goes on, on the scan's thread.
pub trait Watcher: Send {
    /// So many addresses are done, of so many.
    fn progress(&mut self, done: u64, total: u64);
    /// Somebody was found; who it is may not be known yet.
    fn found(&mut self, found: &Found);
    /// Whether to go on.
    fn goes_on(&self) -> bool;
    /// It is over: everybody who was found, in order, how many addresses were looked at, and whether all were.
    fn over(self: Box<Self>, found: Vec<Found>, looked_at: u64, complete: bool);
}

/// Addresses that are being greeted at the same time, at most: connections to devices must not wait long behind them.
const TOGETHER: usize = 48;
/// For how long one address may be greeted.
const GREETING: Duration = Duration::from_secs(10);
/// How often is looked whether to go on.
const GLANCE: Duration = Duration::from_millis(200);

/// Scans, one at a time.
#[derive(Debug)]
pub struct Discovery {
    registry: Arc<Registry>,
    running: Arc<AtomicBool>,
}

/// Gives the place back when the scan has ended, however it ends.
struct Place(Arc<AtomicBool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Discovery {
    /// With the dialers of this registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self { registry, running: Arc::default() }
    }

    /// Begins a scan on a thread of its own. `false` when one is running, or no thread can be had; `watcher` is dropped then.
    #[must_use]
    pub fn begin(&self, plan: Plan, watcher: Box<dyn Watcher>) -> bool {
        if self.running.swap(true, Ordering::AcqRel) {
            return false;
        }
        let place = Place(Arc::clone(&self.running));
        let registry = Arc::clone(&self.registry);
        let spawned = spawn("discovery", LARGE_STACK, move || {
            contained("a scan", || Scan::new(registry, plan, watcher).run());
            drop(place);
        });
        spawned.inspect_err(|error| log::error!("no thread for a scan: {error}")).is_ok()
    }
}

struct Scan {
    registry: Arc<Registry>,
    plan: Plan,
    watcher: Box<dyn Watcher>,
    answers: (Sender<Answer>, Receiver<Answer>),
    found: BTreeMap<SocketAddr, Found>,
    greeting: HashSet<SocketAddr>,
    done: u64,
    total: u64,
}

type Answer = (SocketAddr, Result<TestReport, Refusal>);

impl Scan {
    fn new(registry: Arc<Registry>, plan: Plan, watcher: Box<dyn Watcher>) -> Self {
        let total = u64::from(plan.range.count()) * plan.ports.len() as u64;
        let answers = unbounded();
        let (found, greeting) = (BTreeMap::new(), HashSet::new());
        Self { registry, plan, watcher, answers, found, greeting, done: 0, total }
    }

    fn run(mut self) {
        let ports = self.plan.ports.clone();
        let places = self.plan.range.addresses().flat_map(move |address| {
            ports.clone().into_iter().map(move |port| SocketAddr::new(address, port))
        });
        let pause = Duration::from_secs(1) / self.plan.rate.max(1);
        let mut next = Instant::now();
        let mut complete = true;
        for address in places {
            if let Some(known) = self.plan.known.get(&address).cloned() {
                self.knows(address, known);
                continue;
            }
            while self.greeting.len() >= TOGETHER || Instant::now() < next {
                let left = next.saturating_duration_since(Instant::now());
                self.hear(if self.greeting.len() >= TOGETHER { GLANCE } else { left.min(GLANCE) });
                if !self.goes_on() {
                    break;
                }
            }
            if !self.goes_on() {
                complete = false;
                break;
            }
            next = Instant::now() + pause;
            self.greet(address);
        }
        while !self.greeting.is_empty() && self.goes_on() {
            self.hear(GLANCE);
        }
        complete &= self.greeting.is_empty();
        self.identify();
        self.watcher.over(self.found.into_values().collect(), self.done, complete);
    }

    fn goes_on(&self) -> bool {
        self.watcher.goes_on() && !self.plan.deadline.passed(Instant::now())
    }

    fn knows(&mut self, address: SocketAddr, known: Known) {
        let identity = Identity { serial_number: known.serial_number, ..Identity::default() };
        self.add(Found { address, verdict: Verdict::Known(known.id), carrier: None, identity });
        self.looked();
    }

    fn greet(&mut self, address: SocketAddr) {
        let target = self.target(address, self.plan.carriers.clone());
        let deadline = self.plan.deadline.within(Instant::now(), GREETING);
        let answer = self.answers.0.clone();
        self.greeting.insert(address);
        // A scan that has ended hears no more.
        self.registry.probe(target, deadline, Box::new(move |result| drop(answer.send((address, result)))));
    }

    /// Takes one answer, if one comes in time.
    fn hear(&mut self, limit: Duration) {
        let (address, result) = match self.answers.1.recv_timeout(limit) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        };
        self.greeting.remove(&address);
        if let Some(found) = result.ok().and_then(|report| judge(address, report)) {
            self.add(found);
        }
        self.looked();
    }

    fn add(&mut self, found: Found) {
        self.watcher.found(&found);
        self.found.insert(found.address, found);
    }

    fn looked(&mut self) {
        self.done += 1;
        self.watcher.progress(self.done, self.total);
    }

    /// Asks every device that was found who it is, one after the other.
    fn identify(&mut self) {
        let devices: Vec<_> =
            self.found.values().filter(|found| found.verdict == Verdict::Device).cloned().collect();
        for mut found in devices {
            if !self.goes_on() {
                return;
            }
            let target = self.target(found.address, found.carrier.into_iter().collect());
            let deadline = self.plan.deadline.within(Instant::now(), GREETING);
            let settings = self.registry.settings().session;
            // Somebody else may have its one session by now; it is found all the same.
            let Ok(mut session) = Session::connect(target, settings, deadline) else { continue };
            if let Ok(info) = session.info(deadline) {
                found.identity = Identity {
                    serial_number: info.serial_number.or(found.identity.serial_number),
                    device_name: info.device_name,
                    firmware_version: info.firmware_version,
                    platform: info.platform,
                };
                self.found.insert(found.address, found);
            }
            session.exit();
        }
    }

    fn target(&self, address: SocketAddr, carriers: Vec<Carrier>) -> Target {
        Target { address, comm_key: self.plan.comm_key.clone(), carriers }
    }
}

/// What a report says, if it says that somebody is there.
fn judge(address: SocketAddr, report: TestReport) -> Option<Found> {
    let carrier = report.steps.last().map(|step| step.carrier);
    let (verdict, serial_number) = match report.result {
        Ok(serial_number) => (Verdict::Device, serial_number),
        Err(failure) => {
            let tcp = |phase, ok| {
                report
                    .steps
                    .iter()
                    .any(|step| step.carrier == Carrier::Tcp && step.phase == phase && step.ok == ok)
            };
            let there = match failure.verdict {
                "refused" | "unreachable" => false,
                // Over UDP silence is nobody; over TCP somebody listens and says nothing.
                "silent" => tcp(Phase::Reach, true),
                _ => true,
            };
            if !there {
                return None;
            }
            (Verdict::Other(failure.verdict), None)
        }
    };
    let identity = Identity { serial_number, ..Identity::default() };
    Some(Found { address, verdict, carrier, identity })
}
