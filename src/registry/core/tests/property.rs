//! Any order of events: no second session, no lost and no doubled answer, no slot that stays stuck.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::super::error::Refusal;
use super::super::super::job::Priority;
use super::super::super::settings::RegistrySettings;
use super::super::super::slot::{State, Then};
use super::super::{Assignment, Core, Effect, Finished};
use super::rig::{
    Alive, Fake, device, failure, failure_for_a_person, id, moved, nonsense, on_demand, switched_off, ticket,
};
use crate::base::ids::DeviceId;
use crate::store::device::Device;
use crate::wire::carrier::Carrier;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// One thing that happens. Numbers choose among what is possible just then.
#[derive(Clone, Debug)]
enum Event {
    Submit { device: usize, priority: usize, within: u64 },
    Take,
    Finish { which: usize, how: u8 },
    Dialled { which: usize, how: u8 },
    Asked { which: usize, answered: bool },
    Overheard { which: usize, quiet: bool },
    SaidGoodbye { which: usize },
    Readable { device: usize },
    Pass { millis: u64 },
    PassToNextTimer,
    Connect { device: usize },
    Disconnect { device: usize, then: u8 },
    Resume { device: usize },
    Configure { records: Vec<u8> },
    Stop,
}

fn event() -> impl Strategy<Value = Event> {
    let device = 0..NAMES.len();
    let which = 0..8usize;
    prop_oneof![
        12 => (device.clone(), 0..3usize, 0..30_000u64)
            .prop_map(|(device, priority, within)| Event::Submit { device, priority, within }),
        10 => Just(Event::Take),
        10 => (which.clone(), 0..5u8).prop_map(|(which, how)| Event::Finish { which, how }),
        10 => (which.clone(), 0..6u8).prop_map(|(which, how)| Event::Dialled { which, how }),
        4 => (which.clone(), any::<bool>()).prop_map(|(which, answered)| Event::Asked { which, answered }),
        4 => (which.clone(), any::<bool>()).prop_map(|(which, quiet)| Event::Overheard { which, quiet }),
        6 => which.prop_map(|which| Event::SaidGoodbye { which }),
        4 => device.clone().prop_map(|device| Event::Readable { device }),
        6 => (0..20_000u64).prop_map(|millis| Event::Pass { millis }),
        6 => Just(Event::PassToNextTimer),
        2 => device.clone().prop_map(|device| Event::Connect { device }),
        5 => (device.clone(), 0..4u8).prop_map(|(device, then)| Event::Disconnect { device, then }),
        2 => device.prop_map(|device| Event::Resume { device }),
        3 => proptest::collection::vec(0..7u8, NAMES.len()).prop_map(|records| Event::Configure { records }),
        1 => Just(Event::Stop),
    ]
}

struct World {
    core: Core<Fake, u32>,
    settings: RegistrySettings,
    now: Instant,
    alive: Alive,
    dials: Vec<DeviceId>,
    busy: Vec<Assignment<Fake, u32>>,
    asked: Vec<(DeviceId, Fake)>,
    overheard: Vec<(DeviceId, Fake)>,
    farewells: Vec<(DeviceId, Fake)>,
    submitted: u32,
    /// Jobs that were not answered yet, and by when they must be.
    open: BTreeMap<u32, Instant>,
}

impl World {
    fn new() -> Self {
        let settings = RegistrySettings { suspect_workers: 1, queue_limit: 4, ..RegistrySettings::default() };
        Self {
            core: Core::new(settings, 7),
            settings,
            now: Instant::now(),
            alive: Alive::default(),
            dials: Vec::new(),
            busy: Vec::new(),
            asked: Vec::new(),
            overheard: Vec::new(),
            farewells: Vec::new(),
            submitted: 0,
            open: BTreeMap::new(),
        }
    }

    fn happen(&mut self, event: &Event) {
        let now = self.now;
        match event {
            Event::Submit { device, priority, within } => {
                let within = Duration::from_millis(*within);
                let ticket = ticket(Priority::ALL[*priority], self.submitted, now, within);
                self.open.insert(self.submitted, now + within);
                self.submitted += 1;
                self.core.submit(&id(NAMES[*device]), ticket, now);
            }
            Event::Take => {
                if let Some(assignment) = self.core.take(now) {
                    assert!(!assignment.ticket.deadline.passed(now), "a late job was begun");
                    self.busy.push(assignment);
                }
            }
            Event::Finish { which, how } => self.finish(*which, *how),
            Event::Dialled { which, how } => self.dialled(*which, *how),
            Event::Asked { which, answered } => {
                if let Some((id, session)) = pick(&mut self.asked, *which) {
                    self.hand_back(&id, session, *answered, true);
                }
            }
            Event::Overheard { which, quiet } => {
                if let Some((id, session)) = pick(&mut self.overheard, *which) {
                    self.hand_back(&id, session, *quiet, false);
                }
            }
            Event::SaidGoodbye { which } => {
                if let Some((id, session)) = pick(&mut self.farewells, *which) {
                    drop(session);
                    self.core.closed(&id, now);
                }
            }
            Event::Readable { device } => {
                if let Some(slot) = self.core.slots.get(&id(NAMES[*device])) {
                    self.core.readable(slot.key, now);
                }
            }
            Event::Pass { millis } => self.pass(Duration::from_millis(*millis)),
            Event::PassToNextTimer => {
                if let Some(due) = self.core.due() {
                    self.pass(due.saturating_duration_since(now));
                }
            }
            Event::Connect { device } => drop(self.core.connect(&id(NAMES[*device]), now)),
            Event::Disconnect { device, then } => {
                let then = match then {
                    0 => Then::Park,
                    1 => Then::Redial,
                    _ => Then::Lend { by: "x".to_owned(), until: now + Duration::from_secs(5) },
                };
                drop(self.core.disconnect(&id(NAMES[*device]), then, now));
            }
            Event::Resume { device } => drop(self.core.resume(&id(NAMES[*device]), now)),
            Event::Configure { records } => self.configure(records),
            Event::Stop => self.core.stop(now),
        }
        self.carry_out();
        self.check();
    }

    fn configure(&mut self, records: &[u8]) {
        let mut devices: Vec<Arc<Device>> = Vec::new();
        for (name, kind) in NAMES.iter().zip(records) {
            match kind {
                0 => {}
                1 => devices.push(on_demand(name)),
                2 => devices.push(moved(name)),
                3 => devices.push(switched_off(name)),
                4 => devices.push(nonsense(name)),
                5 => devices.extend([device(name), moved(name)]),
                _ => devices.push(device(name)),
            }
        }
        self.core.configure(devices.iter(), self.now);
    }

    fn finish(&mut self, which: usize, how: u8) {
        let Some(Assignment { id, session, mut ticket }) = pick(&mut self.busy, which) else { return };
        let (session, failed) = match how {
            0..=2 => (Some(session), None),
            _ => {
                drop(session);
                (None, Some(failure("device_silent")))
            }
        };
        ticket.attempts += 1;
        let job = ticket.job;
        let again = (how == 4 && ticket.attempts < 2).then_some(ticket);
        let made_again = again.is_some();
        self.core.finish(&id, Finished { session, retire: how == 2, failure: failed, again }, self.now);
        if !made_again {
            self.answered(job);
        }
    }

    fn dialled(&mut self, which: usize, how: u8) {
        let Some(id) = pick(&mut self.dials, which) else { return };
        let result = match how {
            0..=3 => Ok((Fake::new(&id, &self.alive), Carrier::Tcp, None)),
            4 => Err(failure("device_unreachable")),
            _ => Err(failure_for_a_person("auth_failed")),
        };
        self.core.dialed(&id, result, self.now);
    }

    fn hand_back(&mut self, id: &DeviceId, session: Fake, well: bool, answered: bool) {
        if well {
            self.core.returned(id, session, answered, self.now);
        } else {
            drop(session);
            let code = if answered { "device_silent" } else { "connection_lost" };
            self.core.lost(id, failure(code), self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.core.tick(self.now);
        assert!(self.core.due().is_none_or(|due| due > self.now), "a timer in the past");
    }

    fn carry_out(&mut self) {
        for effect in self.core.effects() {
            match effect {
                Effect::Dial { device, .. } => {
                    let alive = self.alive.borrow().get(&device.id).copied().unwrap_or_default();
                    assert_eq!(alive, 0, "a second session for {}", device.id);
                    assert!(!self.dials.contains(&device.id), "a second attempt for {}", device.id);
                    assert!(device.enabled && device.endpoint.is_ok(), "{} may not be dialled", device.id);
                    self.dials.push(device.id.clone());
                }
                Effect::KeepAlive { id, session } => self.asked.push((id, session)),
                Effect::Overhear { id, session } => self.overheard.push((id, session)),
                Effect::Farewell { id, session } => self.farewells.push((id, session)),
                Effect::Answer { ticket, refusal } => {
                    let late = matches!(refusal, Refusal::DeadlineExceeded { .. });
                    assert!(!late || ticket.deadline.passed(self.now), "told too early that it is late");
                    self.answered(ticket.job);
                }
                Effect::Wake | Effect::NotDialled { .. } | Effect::Closed { .. } | Effect::Changed { .. } => {
                }
            }
        }
    }

    fn answered(&mut self, job: u32) {
        assert!(self.open.remove(&job).is_some(), "job {job} was answered twice");
    }

    fn check(&self) {
        let count = |of: &dyn Fn(&State<Fake>) -> bool| {
            let slots = self.core.slots.values().filter(|slot| of(slot.state()));
            slots.map(|slot| slot.id().clone()).collect::<BTreeSet<_>>()
        };
        let ids = |held: &[(DeviceId, Fake)]| held.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        // Whatever waits for somebody else is in somebody else's hands, and only that.
        let connecting = count(&|state| matches!(state, State::Connecting));
        assert_eq!(connecting, self.dials.iter().cloned().collect(), "connecting");
        let busy = count(&|state| matches!(state, State::Busy { .. }));
        assert_eq!(busy, self.busy.iter().map(|assignment| assignment.id.clone()).collect(), "busy");
        let probing = count(&|state| matches!(state, State::Probing { .. }));
        assert_eq!(probing, &ids(&self.asked) | &ids(&self.overheard), "probing");
        assert_eq!(count(&|state| matches!(state, State::Closing)), ids(&self.farewells), "closing");
        let suspects = count(&|state| matches!(state, State::Busy { suspect: true })).len();
        assert_eq!(self.core.suspects_busy, suspects);
        assert!(suspects <= self.settings.suspect_workers, "{suspects} suspects are being served");
        // Jobs are in a queue, with a worker, or answered.
        let waiting: usize = self.core.slots.values().map(|slot| slot.queue.len()).sum();
        assert_eq!(self.open.len(), waiting + self.busy.len(), "a job was lost");
        // Work that can be done stands in a line.
        for slot in self.core.slots.values().filter(|slot| !slot.queue.is_empty()) {
            if matches!(slot.state(), State::Idle { .. }) {
                assert!(slot.listed.is_some(), "{} has work and is not in line", slot.id());
            }
        }
        if let Some(due) = self.core.due() {
            let nearest = self.core.slots.values().filter_map(|slot| slot.due(&self.settings)).min();
            assert_eq!(nearest, Some(due), "the nearest timer");
        }
    }

    /// Everything ends well from here on: does everybody get an answer, and every slot its rest?
    fn settle(&mut self) {
        for _ in 0..1000 {
            let events = [
                Event::Take,
                Event::Dialled { which: 0, how: 0 },
                Event::Finish { which: 0, how: 0 },
                Event::Asked { which: 0, answered: true },
                Event::Overheard { which: 0, quiet: true },
                Event::SaidGoodbye { which: 0 },
            ];
            events.iter().for_each(|event| self.happen(event));
            let in_hand = self.dials.len()
                + self.busy.len()
                + self.asked.len()
                + self.overheard.len()
                + self.farewells.len();
            if self.open.is_empty() && in_hand == 0 {
                return;
            }
            if in_hand == 0 {
                self.happen(&Event::PassToNextTimer);
            }
        }
        panic!("never at rest: {} open", self.open.len());
    }
}

fn pick<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    if from.is_empty() { None } else { Some(from.remove(which % from.len())) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_events_keeps_every_promise(events in proptest::collection::vec(event(), 1..120)) {
        let mut world = World::new();
        world.happen(&Event::Configure { records: vec![6, 6, 1, 6] });
        for event in &events {
            world.happen(event);
        }
        world.settle();
        prop_assert_eq!(world.core.suspects_busy, 0);
        let over = world.now;
        prop_assert!(world.open.values().all(|until| *until > over));
    }
}
