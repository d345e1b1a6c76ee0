//! What a test of the machine needs around it: sessions that are counted, and hands that carry effects out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::super::error::{Failure, Refusal};
use super::super::super::job::{Priority, Repeat, Ticket};
use super::super::super::settings::RegistrySettings;
use super::super::super::slot::Then;
use super::super::super::status::SlotStatus;
use super::super::{Assignment, Core, Effect, Finished};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::device::Reached;
use crate::store::device::{Device, Endpoint, Facts, SessionMode, Status, TransportChoice, Unusable};
use crate::wire::carrier::Carrier;
use crate::wire::comm_key::CommKey;

/// How many sessions of each device are alive.
pub(super) type Alive = Rc<RefCell<BTreeMap<DeviceId, usize>>>;

/// A session that counts itself.
#[derive(Debug)]
pub(super) struct Fake {
    id: DeviceId,
    alive: Alive,
}

impl Fake {
    pub(super) fn new(id: &DeviceId, alive: &Alive) -> Self {
        *alive.borrow_mut().entry(id.clone()).or_default() += 1;
        Self { id: id.clone(), alive: Rc::clone(alive) }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        *self.alive.borrow_mut().get_mut(&self.id).unwrap() -= 1;
    }
}

/// The machine and everything that it asked for and did not get yet.
pub(super) struct Rig {
    pub(super) core: Core<Fake, u32>,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) dials: Vec<String>,
    pub(super) dialled_last: Option<SocketAddr>,
    pub(super) answers: Vec<(u32, &'static str)>,
    pub(super) served: Vec<u32>,
    pub(super) closed: Vec<String>,
    pub(super) not_dialled: Vec<(String, &'static str)>,
    pub(super) busy: Vec<Assignment<Fake, u32>>,
    keep_alives: Vec<(DeviceId, Fake)>,
    overheard: Vec<(DeviceId, Fake)>,
    farewells: Vec<(DeviceId, Fake)>,
    changed: Vec<(DeviceId, bool)>,
    alive: Alive,
}

impl Rig {
    pub(super) fn new(settings: RegistrySettings) -> Self {
        let start = Instant::now();
        Self {
            core: Core::new(settings, 1),
            start,
            now: start,
            dials: Vec::new(),
            dialled_last: None,
            answers: Vec::new(),
            served: Vec::new(),
            closed: Vec::new(),
            not_dialled: Vec::new(),
            busy: Vec::new(),
            keep_alives: Vec::new(),
            overheard: Vec::new(),
            farewells: Vec::new(),
            changed: Vec::new(),
            alive: Alive::default(),
        }
    }

    pub(super) fn with(devices: &[Arc<Device>]) -> Self {
        let mut rig = Self::new(RegistrySettings::default());
        rig.configure(devices);
        rig
    }

    // --- asking ----------------------------------------------------------------------------------------------

    pub(super) fn configure(&mut self, devices: &[Arc<Device>]) {
        self.core.configure(devices.iter(), self.now);
        self.collect();
    }

    pub(super) fn submit(&mut self, name: &str, job: u32, seconds: u64) {
        self.submit_as(name, Priority::Interactive, job, seconds);
    }

    pub(super) fn submit_as(&mut self, name: &str, priority: Priority, job: u32, seconds: u64) {
        let ticket = ticket(priority, job, self.now, Duration::from_secs(seconds));
        self.core.submit(&id(name), ticket, self.now);
        self.collect();
    }

    pub(super) fn connect(&mut self, name: &str) -> Result<(), Refusal> {
        let result = self.core.connect(&id(name), self.now);
        self.collect();
        result
    }

    pub(super) fn disconnect(&mut self, name: &str, then: Then) -> Result<(), Refusal> {
        let result = self.core.disconnect(&id(name), then, self.now);
        self.collect();
        result
    }

    pub(super) fn resume(&mut self, name: &str) {
        self.core.resume(&id(name), self.now).unwrap();
        self.collect();
    }

    pub(super) fn stop(&mut self) {
        self.core.stop(self.now);
        self.collect();
    }

    // --- time ------------------------------------------------------------------------------------------------

    pub(super) fn after(&mut self, time: Duration) {
        self.now += time;
        self.core.tick(self.now);
        assert!(self.core.due().is_none_or(|due| due > self.now), "a timer in the past");
        self.collect();
    }

    pub(super) fn until_next_timer(&mut self) -> Duration {
        let time = self.core.due().unwrap().saturating_duration_since(self.now);
        self.after(time);
        time
    }

    // --- the watcher's part ----------------------------------------------------------------------------------

    pub(super) fn accept_dial(&mut self, name: &str) {
        self.dialled(name);
        let session = Fake::new(&id(name), &self.alive);
        self.core.dialed(&id(name), Ok((session, Carrier::Tcp, None)), self.now);
        self.collect();
    }

    pub(super) fn refuse_dial(&mut self, name: &str, failure: Arc<Failure>) {
        self.dialled(name);
        self.core.dialed(&id(name), Err(failure), self.now);
        self.collect();
    }

    pub(super) fn accept_all(&mut self) {
        while let Some(name) = self.dials.first().cloned() {
            self.accept_dial(&name);
        }
    }

    pub(super) fn connect_all(&mut self) {
        self.accept_all();
    }

    pub(super) fn keep_alives(&self) -> Vec<&str> {
        self.keep_alives.iter().map(|(id, _)| id.as_str()).collect()
    }

    pub(super) fn answer_keep_alives(&mut self) {
        for (id, session) in std::mem::take(&mut self.keep_alives) {
            self.core.returned(&id, session, true, self.now);
        }
        self.collect();
    }

    pub(super) fn lose_keep_alive(&mut self, name: &str, failure: Arc<Failure>) {
        let at = self.keep_alives.iter().position(|(of, _)| of.as_str() == name).unwrap();
        drop(self.keep_alives.remove(at));
        self.core.lost(&id(name), failure, self.now);
        self.collect();
    }

    pub(super) fn readable(&mut self, name: &str) {
        let key = self.core.slots[&id(name)].key;
        self.core.readable(key, self.now);
        self.collect();
    }

    pub(super) fn overheard_end(&mut self, name: &str, failure: Arc<Failure>) {
        let at = self.overheard.iter().position(|(of, _)| of.as_str() == name).unwrap();
        drop(self.overheard.remove(at));
        self.core.lost(&id(name), failure, self.now);
        self.collect();
    }

    pub(super) fn farewells(&self) -> Vec<&str> {
        self.farewells.iter().map(|(id, _)| id.as_str()).collect()
    }

    pub(super) fn said_goodbye(&mut self, name: &str) {
        let at = self.farewells.iter().position(|(of, _)| of.as_str() == name).unwrap();
        drop(self.farewells.remove(at));
        self.core.closed(&id(name), self.now);
        self.collect();
    }

    // --- the workers' part -----------------------------------------------------------------------------------

    pub(super) fn take_one(&mut self) -> bool {
        let taken = self.core.take(self.now);
        self.collect();
        taken.map(|assignment| self.busy.push(assignment)).is_some()
    }

    pub(super) fn take(&mut self) {
        while self.take_one() {}
    }

    pub(super) fn finish_first(&mut self) {
        let Assignment { id, session, ticket } = self.busy.remove(0);
        self.served.push(ticket.job);
        let finished = Finished { session: Some(session), retire: false, failure: None, again: None };
        self.core.finish(&id, finished, self.now);
        self.collect();
    }

    pub(super) fn serve_all(&mut self) {
        self.take();
        while !self.busy.is_empty() {
            self.finish_first();
            self.take();
        }
    }

    pub(super) fn fail(&mut self, name: &str, failure: Arc<Failure>, again: bool) {
        let at = self.busy.iter().position(|assignment| assignment.id.as_str() == name).unwrap();
        let Assignment { id, session, mut ticket } = self.busy.remove(at);
        drop(session);
        ticket.attempts += 1;
        let again = again.then_some(ticket);
        let finished = Finished { session: None, retire: false, failure: Some(failure), again };
        self.core.finish(&id, finished, self.now);
        self.collect();
    }

    /// Everything under way ends well, except that no new session is made.
    pub(super) fn finish_everything(&mut self) {
        if self.dialling_for_an_old_record() {
            self.accept_all();
        }
        self.serve_all();
        self.answer_keep_alives();
        for name in self.farewells().into_iter().map(str::to_owned).collect::<Vec<_>>() {
            self.said_goodbye(&name);
        }
        self.answer_keep_alives();
    }

    /// Whether an attempt is under way that began before the record changed: it has to end first.
    fn dialling_for_an_old_record(&self) -> bool {
        self.dials.iter().any(|name| self.core.slots.get(&id(name)).is_some_and(|slot| slot.then.is_some()))
    }

    // --- what came of it -------------------------------------------------------------------------------------

    pub(super) fn status(&self, name: &str) -> SlotStatus {
        self.core.status(&id(name)).unwrap()
    }

    pub(super) fn changes(&self, name: &str) -> Vec<bool> {
        self.changed.iter().filter(|(id, _)| id.as_str() == name).map(|(_, up)| *up).collect()
    }

    pub(super) fn alive(&self) -> usize {
        self.alive.borrow().values().sum()
    }

    fn dialled(&mut self, name: &str) {
        let at = self.dials.iter().position(|dial| dial == name).unwrap();
        self.dials.remove(at);
    }

    fn collect(&mut self) {
        for effect in self.core.effects() {
            match effect {
                Effect::Dial { device, .. } => {
                    let alive = self.alive.borrow().get(&device.id).copied().unwrap_or_default();
                    assert_eq!(alive, 0, "a second session for {}", device.id);
                    let name = device.id.to_string();
                    assert!(!self.dials.contains(&name), "a second attempt for {name}");
                    self.dialled_last = device.endpoint.as_ref().ok().map(|endpoint| endpoint.address);
                    self.dials.push(name);
                }
                Effect::KeepAlive { id, session } => self.keep_alives.push((id, session)),
                Effect::Overhear { id, session } => self.overheard.push((id, session)),
                Effect::Farewell { id, session } => self.farewells.push((id, session)),
                Effect::Answer { ticket, refusal } => self.answers.push((ticket.job, refusal.code())),
                Effect::NotDialled { id, refusal } => self.not_dialled.push((id.to_string(), refusal.code())),
                Effect::Wake => {}
                Effect::Closed { id } => self.closed.push(id.to_string()),
                Effect::Changed { id, up } => self.changed.push((id, up)),
            }
        }
    }
}

pub(super) fn id(name: &str) -> DeviceId {
    DeviceId::parse(name).unwrap()
}

pub(super) fn device(name: &str) -> Arc<Device> {
    Arc::new(record(name, [10, 0, 0, 1]))
}

/// The same at another address.
pub(super) fn moved(name: &str) -> Arc<Device> {
    Arc::new(record(name, [10, 0, 0, 2]))
}

pub(super) fn on_demand(name: &str) -> Arc<Device> {
    Arc::new(Device { mode: SessionMode::OnDemand, ..record(name, [10, 0, 0, 1]) })
}

pub(super) fn switched_off(name: &str) -> Arc<Device> {
    Arc::new(Device { enabled: false, ..record(name, [10, 0, 0, 1]) })
}

pub(super) fn nonsense(name: &str) -> Arc<Device> {
    let endpoint = Err(Unusable("the port is 0".to_owned()));
    Arc::new(Device { endpoint, port: 0, ..record(name, [10, 0, 0, 1]) })
}

fn record(name: &str, address: [u8; 4]) -> Device {
    let address = SocketAddr::from((address, 4370));
    Device {
        id: id(name),
        name: name.to_owned(),
        ip_address: address.ip().to_string(),
        port: 4370,
        endpoint: Ok(Endpoint { address, comm_key: CommKey::default(), transport: TransportChoice::Auto }),
        mode: SessionMode::Persistent,
        timezone: None,
        enabled: true,
        facts: Facts::default(),
        status: Status::Unknown,
        last_seen: None,
        created_at: None,
        updated_at: None,
    }
}

pub(super) fn ticket(priority: Priority, job: u32, now: Instant, within: Duration) -> Ticket<u32> {
    let deadline = Deadline::after(now, within);
    Ticket { priority, deadline, repeat: Repeat::Harmless, brief: false, since: now, attempts: 0, job }
}

pub(super) fn failure(code: &'static str) -> Arc<Failure> {
    Arc::new(Failure {
        transfer: None,
        code,
        detail: code.to_owned(),
        advice: "",
        phase: "reply",
        at: Instant::now(),
        verdict: code,
        needs_a_person: false,
        reached: Reached::Perhaps,
    })
}

pub(super) fn failure_for_a_person(code: &'static str) -> Arc<Failure> {
    Arc::new(Failure { needs_a_person: true, ..(*failure(code)).clone() })
}
