//! What others want of the watcher: tasks for it, and those who wait for a connection test.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::error::{Failure, Refusal};
use super::held::Held;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::readiness::Readiness;
use crate::base::threads::contained;
use crate::device::Target;
use crate::device::dial::StepTaken;
use crate::store::device::{Device, TransportChoice};
use crate::wire::carrier::Carrier;

/// What a connection test found.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// Every step of every attempt.
    pub steps: Vec<StepTaken>,
    /// The serial number of whoever answered, or why nobody did.
    pub result: Result<Option<String>, Arc<Failure>>,
}

/// Who waits for a connection test.
pub type Tester = Box<dyn FnOnce(Result<TestReport, Refusal>) + Send>;

/// What the watcher is asked to do.
pub(super) struct Inbox {
    pub(super) readiness: Readiness,
    /// guards: what the watcher has not looked at yet
    pub(super) tasks: Mutex<VecDeque<Task>>,
    /// guards: who waits for the next attempt to connect to a device
    pub(super) testers: Mutex<HashMap<DeviceId, Vec<Waiting>>>,
    next_key: AtomicUsize,
}

/// Somebody who waits for the next attempt to connect to a device.
pub(super) struct Waiting {
    number: usize,
    pub(super) until: Deadline,
    pub(super) answer: Tester,
}

pub(super) enum Task {
    Dial { id: Option<DeviceId>, key: usize, target: Target, probe: Option<(Deadline, Tester)> },
    KeepAlive { id: DeviceId, held: Held },
    Overhear { id: DeviceId, held: Held },
    Farewell { id: Option<DeviceId>, held: Held },
}

/// The watcher wakes at least this often, to show that it lives.
pub(super) const WATCHER_BEAT: Duration = Duration::from_secs(1);
/// Probes have no slot; their keys begin where slots' will never reach.
const PROBE_KEYS: usize = 1 << 40;

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            readiness: Readiness::new()?,
            tasks: Mutex::default(),
            testers: Mutex::default(),
            next_key: AtomicUsize::new(PROBE_KEYS),
        })
    }

    pub(super) fn dial(&self, device: &Arc<Device>, key: usize, prefer: Option<Carrier>) {
        let target = match &device.endpoint {
            Ok(endpoint) => {
                let remembered = prefer.or(match device.facts.transport_used {
                    Some(TransportChoice::Tcp) => Some(Carrier::Tcp),
                    Some(TransportChoice::Udp) => Some(Carrier::Udp),
                    _ => None,
                });
                let comm_key = endpoint.comm_key.clone();
                Target {
                    address: endpoint.address,
                    comm_key,
                    carriers: carriers(endpoint.transport, remembered),
                }
            }
            // The machine never dials a device whose record is unusable.
            Err(_) => return,
        };
        self.push(Task::Dial { id: Some(device.id.clone()), key, target, probe: None });
    }

    pub(super) fn keep_alive(&self, id: DeviceId, held: Held) {
        self.push(Task::KeepAlive { id, held });
    }

    pub(super) fn overhear(&self, id: DeviceId, held: Held) {
        self.push(Task::Overhear { id, held });
    }

    pub(super) fn farewell(&self, id: DeviceId, held: Held) {
        self.push(Task::Farewell { id: Some(id), held });
    }

    pub(super) fn probe(&self, target: Target, deadline: Deadline, answer: Tester) {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        self.push(Task::Dial { id: None, key, target, probe: Some((deadline, answer)) });
    }

    /// Notes somebody who waits for the next attempt to connect to a device, and gives the number by which that
    /// can be withdrawn.
    pub(super) fn expect(&self, id: DeviceId, until: Deadline, answer: Tester) -> usize {
        let number = self.next_key.fetch_add(1, Ordering::Relaxed);
        lock(&self.testers).entry(id).or_default().push(Waiting { number, until, answer });
        number
    }

    /// Withdraws what was noted under this number; the answer is dropped.
    pub(super) fn forget(&self, id: &DeviceId, number: usize) {
        let mut testers = lock(&self.testers);
        if let Some(waiting) = testers.get_mut(id) {
            waiting.retain(|other| other.number != number);
            if waiting.is_empty() {
                testers.remove(id);
            }
        }
    }

    /// Tells those who wait for an attempt to connect to a device that there will be none.
    pub(super) fn refuse_testers(&self, id: &DeviceId, refusal: &Refusal) {
        let waiting = lock(&self.testers).remove(id).unwrap_or_default();
        for tester in waiting {
            contained("a tester's answer", || (tester.answer)(Err(refusal.clone())));
        }
    }

    /// Until when the most impatient tester waits.
    pub(super) fn nearest_tester(&self) -> Option<Instant> {
        lock(&self.testers).values().flatten().map(|waiting| waiting.until.instant()).min()
    }

    /// Wakes the watcher if the next timer is due sooner than it was: it sleeps until then, and at most for a beat.
    pub(super) fn hasten(&self, before: Option<Instant>, due: Option<Instant>, clock: &dyn Clock) {
        let sooner = due.filter(|due| before.is_none_or(|before| *due < before));
        if sooner.is_some_and(|due| due < clock.now() + WATCHER_BEAT) {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        self.readiness.wake();
    }

    pub(super) fn push(&self, task: Task) {
        lock(&self.tasks).push_back(task);
        self.wake();
    }
}

/// What to try, in which order: what worked the last time first.
#[must_use]
pub fn carriers(choice: TransportChoice, remembered: Option<Carrier>) -> Vec<Carrier> {
    match (choice, remembered) {
        (TransportChoice::Tcp, _) => vec![Carrier::Tcp],
        (TransportChoice::Udp, _) => vec![Carrier::Udp],
        (TransportChoice::Auto, Some(Carrier::Udp)) => vec![Carrier::Udp, Carrier::Tcp],
        (TransportChoice::Auto, _) => vec![Carrier::Tcp, Carrier::Udp],
    }
}
