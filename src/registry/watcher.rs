//! The watcher: one thread for everything periodic or unasked. It waits on all sockets that nobody uses, makes
//! sessions, asks idle devices whether they are still there, says goodbyes, and turns the machine's timers.
//!
//! Everything it does is driven by readiness, so a device that does not answer costs a socket and a timer. What
//! others want of it comes through its [`Inbox`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::error::{Failure, Refusal};
use super::held::Held;
use super::inbox::{Task, TestReport, Tester, WATCHER_BEAT};
use super::inner::Inner;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::{Liveness, Pulse};
use crate::base::lock::lock;
use crate::base::readiness::{Interest, ReadyList, Watched};
use crate::base::threads::contained;
use crate::device::dial::DialStep;
use crate::device::errand::{Errand, ErrandStep};
use crate::device::{DeviceError, Dial, Session, Target};
use crate::transport::Socket;

/// A conversation of the watcher's own.
struct Talk {
    id: Option<DeviceId>,
    watch: Option<Watched<Arc<Socket>>>,
    due: Instant,
    kind: Kind,
}

enum Kind {
    Dial { dial: Box<Dial>, probe: Option<(Deadline, Tester)> },
    KeepAlive(Option<Errand>),
    Farewell(Option<Errand>),
}

/// The watcher's own state.
pub(super) struct Watcher {
    inner: Arc<Inner>,
    pulse: Pulse,
    talks: HashMap<usize, Talk>,
    dues: BTreeSet<(Instant, usize)>,
    dialling: usize,
    /// Whose conversation is in hand, and whether it is an attempt to connect.
    in_hand: Option<(Option<DeviceId>, bool)>,
    /// Attempts that wait because enough others are under way.
    waiting: VecDeque<Task>,
    last_sweep: Instant,
}

/// How long it may take between two beats.
const SILENCE: Duration = Duration::from_secs(15);
/// How often the store is told who is there.
const SWEEP: Duration = Duration::from_secs(60);

impl Watcher {
    pub(super) fn new(inner: Arc<Inner>, liveness: &Liveness) -> Self {
        let now = inner.clock.now();
        let pulse = liveness.enter("watcher", SILENCE, now);
        Self {
            inner,
            pulse,
            talks: HashMap::new(),
            dues: BTreeSet::new(),
            dialling: 0,
            in_hand: None,
            waiting: VecDeque::new(),
            last_sweep: now,
        }
    }

    pub(super) fn run(mut self) {
        let mut ready = ReadyList::new();
        while !self.inner.ended.load(Ordering::Acquire) {
            self.guarded(|watcher| watcher.round(&mut ready));
        }
        self.refuse_testers();
    }

    /// Does one thing; a panic in it costs the conversation that it was about, not the watcher and not the others.
    fn guarded(&mut self, thing: impl FnOnce(&mut Self)) {
        if contained("the watcher", || thing(self)) {
            return;
        }
        let Some((id, dialling)) = self.in_hand.take() else { return };
        self.dialling = self.dialling.saturating_sub(usize::from(dialling));
        if let Some(id) = id {
            let now = self.inner.clock.now();
            self.inner.with(|core| core.gave_up(&id, Failure::internal(now), now));
        }
    }

    fn round(&mut self, ready: &mut ReadyList) {
        let now = self.inner.clock.now();
        self.pulse.beat(now);
        let due = lock(&self.inner.core).due();
        let own = self.dues.first().map(|(due, _)| *due);
        let due = due.into_iter().chain(own).chain(self.inner.inbox.nearest_tester()).min();
        let limit = due.map_or(WATCHER_BEAT, |due| due.saturating_duration_since(now).min(WATCHER_BEAT));
        if let Err(error) = self.inner.inbox.readiness.wait(ready, Some(limit)) {
            log::error!("the watcher cannot wait: {error}");
        }
        let now = self.inner.clock.now();
        for socket in ready.iter() {
            self.guarded(|watcher| {
                if watcher.talks.contains_key(&socket.key) {
                    watcher.go_on(socket.key, now);
                } else {
                    watcher.inner.with(|core| core.readable(socket.key, now));
                }
            });
        }
        while let Some((_, key)) = self.dues.first().filter(|(due, _)| *due <= now).copied() {
            self.guarded(|watcher| watcher.go_on(key, now));
        }
        self.inner.with(|core| core.tick(now));
        self.take_tasks();
        self.give_up_testers(now);
        if now.saturating_duration_since(self.last_sweep) >= SWEEP {
            self.last_sweep = now;
            self.inner.observe_all();
        }
    }

    fn take_tasks(&mut self) {
        loop {
            let task = lock(&self.inner.inbox.tasks).pop_front();
            let Some(task) = task else { break };
            self.guarded(|watcher| watcher.take_task(task));
        }
    }

    fn take_task(&mut self, task: Task) {
        let now = self.inner.clock.now();
        match task {
            Task::Dial { .. } if self.dialling >= self.inner.settings.dials => self.waiting.push_back(task),
            Task::Dial { id, key, target, probe } => self.dial(id, key, target, probe, now),
            Task::KeepAlive { id, held } => {
                self.in_hand = Some((Some(id.clone()), false));
                let step = Errand::keep_alive(held.session, now);
                self.errand(Some(id), held.watch, step, |errand| Kind::KeepAlive(Some(errand)), now);
            }
            Task::Farewell { id, held } => {
                self.in_hand = Some((id.clone(), false));
                let step = Errand::farewell(held.session, now);
                self.errand(id, held.watch, step, |errand| Kind::Farewell(Some(errand)), now);
            }
            Task::Overhear { id, held } => {
                self.in_hand = Some((Some(id.clone()), false));
                self.overhear(&id, held, now);
            }
        }
        self.in_hand = None;
    }

    // --- making sessions -------------------------------------------------------------------------------------

    fn dial(
        &mut self,
        id: Option<DeviceId>,
        key: usize,
        target: Target,
        probe: Option<(Deadline, Tester)>,
        now: Instant,
    ) {
        self.dialling += 1;
        self.in_hand = Some((id.clone(), true));
        let tap = id.as_ref().map(|id| self.inner.tap(id)).unwrap_or_default();
        let (dial, step) = Dial::begin_tapped(target, self.inner.settings.session, tap, now);
        let talk = Talk { id, watch: None, due: now, kind: Kind::Dial { dial: Box::new(dial), probe } };
        self.dial_step(key, talk, step, now);
    }

    fn dial_step(&mut self, key: usize, mut talk: Talk, step: DialStep, now: Instant) {
        let Kind::Dial { dial, probe } = &mut talk.kind else { return };
        let expired = probe.as_ref().is_some_and(|(deadline, _)| deadline.passed(now));
        match step {
            DialStep::Wait if !expired => {
                if let Some(socket) = dial.socket() {
                    let same = talk.watch.as_ref().is_some_and(|watch| Arc::ptr_eq(watch.socket(), socket));
                    let wanted = if same {
                        talk.watch.as_ref().map_or(Ok(()), |watch| watch.want(dial.interest()))
                    } else {
                        // The old socket leaves the list before the new one takes its key.
                        talk.watch = None;
                        let readiness = &self.inner.inbox.readiness;
                        readiness
                            .watch(Arc::clone(socket), key, dial.interest())
                            .map(|watch| talk.watch = Some(watch))
                    };
                    if let Err(error) = wanted {
                        log::error!("a socket cannot be watched: {error}");
                    }
                }
                talk.due = dial.due(now);
                if let Some((deadline, _)) = probe {
                    talk.due = talk.due.min(deadline.instant());
                }
                self.dues.insert((talk.due, key));
                self.talks.insert(key, talk);
            }
            DialStep::Wait => self.dialed(talk, None, now),
            DialStep::Done(result) => self.dialed(talk, Some(result), now),
        }
    }

    /// An attempt is over; without a result it ran out of time.
    fn dialed(&mut self, talk: Talk, result: Option<Result<Box<Session>, DeviceError>>, now: Instant) {
        self.dialling = self.dialling.saturating_sub(1);
        self.in_hand = Some((talk.id.clone(), false));
        let Talk { id, watch, kind, .. } = talk;
        let Kind::Dial { mut dial, probe } = kind else { return };
        let result = result.unwrap_or_else(|| Err(dial.abandon(now)));
        let outcome = result.map_err(|error| Failure::of(&error, now));
        let report = |result| TestReport { steps: dial.steps().to_vec(), result };
        let tell = |answer: Tester, found: TestReport| {
            contained("a tester's answer", || answer(Ok(found)));
        };
        let serial =
            outcome.as_ref().map_err(Arc::clone).map(|session| session.serial_number().map(str::to_owned));
        if let Some((_, answer)) = probe {
            tell(answer, report(serial));
            if let (Ok(session), Some(watch)) = (outcome, watch) {
                self.inner.inbox.push(Task::Farewell { id: None, held: Held { session, watch } });
            }
        } else if let Some(id) = id {
            let testers = lock(&self.inner.inbox.testers).remove(&id).unwrap_or_default();
            for waiting in testers {
                tell(waiting.answer, report(serial.clone()));
            }
            self.hand_over(&id, watch, outcome, now);
        }
        self.start_waiting(now);
    }

    fn hand_over(
        &self,
        id: &DeviceId,
        watch: Option<Watched<Arc<Socket>>>,
        outcome: Result<Box<Session>, Arc<Failure>>,
        now: Instant,
    ) {
        let mut result = match (outcome, watch) {
            (Ok(session), Some(watch)) => match watch.want(Interest::Read) {
                Ok(()) => {
                    let serial_number = session.serial_number().map(str::to_owned);
                    Ok((Held { session, watch }, serial_number))
                }
                Err(error) => Err(Failure::of(&DeviceError::from_io(error), now)),
            },
            (Ok(_), None) => Err(Failure::internal(now)),
            (Err(failure), _) => Err(failure),
        };
        match &result {
            Ok((held, _)) => log::debug!("device {id}: connected over {}", held.session.carrier().name()),
            Err(failure) => log::debug!("device {id}: {}", failure.detail),
        }
        let mut owes = false;
        // Said before anybody can use the session: what comes of it is said later.
        if let Ok((held, serial)) = &mut result {
            let amends = self.inner.amends(id);
            owes = amends.is_urgent();
            held.session.share_amends(amends);
            self.inner.tell_opened(id, serial.as_deref());
        }
        self.inner.with(|core| {
            let result = result.map(|(held, serial)| {
                let carrier = held.session.carrier();
                (held, carrier, serial)
            });
            core.dialed(id, result, now);
        });
        if owes {
            self.inner.make_amends(id, now);
        }
    }

    fn start_waiting(&mut self, now: Instant) {
        while self.dialling < self.inner.settings.dials {
            match self.waiting.pop_front() {
                Some(Task::Dial { id, key, target, probe }) => self.dial(id, key, target, probe, now),
                Some(_) => {}
                None => break,
            }
        }
    }

    // --- errands ---------------------------------------------------------------------------------------------

    fn errand(
        &mut self,
        id: Option<DeviceId>,
        watch: Watched<Arc<Socket>>,
        step: ErrandStep,
        kind: impl FnOnce(Errand) -> Kind,
        now: Instant,
    ) {
        match step {
            ErrandStep::Wait(errand) => {
                let key = watch.key();
                let due = errand.due();
                if let Err(error) = watch.want(Interest::Read) {
                    log::error!("a socket cannot be watched: {error}");
                }
                self.dues.insert((due, key));
                self.talks.insert(key, Talk { id, watch: Some(watch), due, kind: kind(errand) });
            }
            ErrandStep::Done(session) => self.errand_done(id, Held { session, watch }, true, now),
            ErrandStep::Failed(error) => {
                drop(watch);
                // A goodbye that cannot be said is a goodbye all the same.
                let Some(id) = id else { return };
                let failure = Failure::of(&error, now);
                self.inner.with(|core| core.gave_up(&id, failure, now));
            }
        }
    }

    fn errand_done(&self, id: Option<DeviceId>, mut held: Held, answered: bool, now: Instant) {
        let Some(id) = id else { return };
        self.inner.pass_on_events(&id, &mut held.session);
        if let Err(error) = held.watch.want(Interest::Read) {
            let failure = Failure::of(&DeviceError::from_io(error), now);
            return self.inner.with(|core| core.lost(&id, failure, now));
        }
        self.inner.with(|core| core.returned(&id, held, answered, now));
    }

    /// A talk's socket is ready, or its time has come.
    fn go_on(&mut self, key: usize, now: Instant) {
        let Some(talk) = self.talks.remove(&key) else {
            self.dues.retain(|(_, other)| *other != key);
            return;
        };
        self.dues.remove(&(talk.due, key));
        self.in_hand = Some((talk.id.clone(), matches!(talk.kind, Kind::Dial { .. })));
        self.advance(key, talk, now);
        self.in_hand = None;
    }

    fn advance(&mut self, key: usize, mut talk: Talk, now: Instant) {
        match &mut talk.kind {
            Kind::Dial { dial, .. } => {
                let step = dial.advance(now);
                self.dial_step(key, talk, step, now);
            }
            Kind::KeepAlive(errand) => {
                let (Some(errand), Some(watch)) = (errand.take(), talk.watch) else { return };
                self.errand(talk.id, watch, errand.advance(now), |errand| Kind::KeepAlive(Some(errand)), now);
            }
            Kind::Farewell(errand) => {
                let (Some(errand), Some(watch)) = (errand.take(), talk.watch) else { return };
                match errand.advance(now) {
                    step @ ErrandStep::Wait(_) => {
                        self.errand(talk.id, watch, step, |errand| Kind::Farewell(Some(errand)), now);
                    }
                    ErrandStep::Done(_) | ErrandStep::Failed(_) => {
                        drop(watch);
                        if let Some(id) = talk.id {
                            self.inner.with(|core| core.closed(&id, now));
                        }
                    }
                }
            }
        }
    }

    /// Something came on an idle session, or its end.
    fn overhear(&self, id: &DeviceId, mut held: Held, now: Instant) {
        let socket = held.session.socket();
        let heard = socket
            .set_blocking(false)
            .map_err(DeviceError::from_transport)
            .and_then(|()| held.session.overhear())
            .and_then(|()| socket.set_blocking(true).map_err(DeviceError::from_transport));
        match heard {
            Ok(()) => self.errand_done(Some(id.clone()), held, false, now),
            Err(error) => {
                drop(held);
                log::debug!("device {id}: its idle session ended: {error}");
                let failure = Failure::of(&error, now);
                self.inner.with(|core| core.lost(id, failure, now));
            }
        }
    }

    /// Answers those who have waited for a test for too long.
    fn give_up_testers(&self, now: Instant) {
        let mut late = Vec::new();
        lock(&self.inner.inbox.testers).retain(|_, waiting| {
            late.extend(waiting.extract_if(.., |tester| tester.until.passed(now)));
            !waiting.is_empty()
        });
        for tester in late {
            refuse(tester.answer, Refusal::DeadlineExceeded { waited: Duration::ZERO });
        }
    }

    /// The end: whoever still waits for a test is told so.
    fn refuse_testers(&mut self) {
        let waiting = std::mem::take(&mut *lock(&self.inner.inbox.testers));
        waiting.into_values().flatten().for_each(|tester| refuse(tester.answer, Refusal::Stopping));
        let tasks = std::mem::take(&mut *lock(&self.inner.inbox.tasks));
        for task in tasks.into_iter().chain(self.waiting.drain(..)) {
            if let Task::Dial { probe: Some((_, answer)), .. } = task {
                refuse(answer, Refusal::Stopping);
            }
        }
        for (_, talk) in self.talks.drain() {
            if let Kind::Dial { probe: Some((_, answer)), .. } = talk.kind {
                refuse(answer, Refusal::Stopping);
            }
        }
    }
}

fn refuse(answer: Tester, refusal: Refusal) {
    contained("a tester's answer", || answer(Err(refusal)));
}
