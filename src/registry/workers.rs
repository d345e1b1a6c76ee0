//! The device workers: a fixed number of threads, each of which takes whatever device is next, does one job with
//! its session, and gives it back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::between::Between;
use super::core::{Assignment, Finished};
use super::error::{Failure, Refusal};
use super::held::Held;
use super::inner::{Inner, Order};
use super::job::{Repeat, Terms, Ticket, Work};
use crate::base::ids::DeviceId;
use crate::base::liveness::{Liveness, Pulse};
use crate::base::lock::{lock, wait_for};
use crate::base::readiness::Interest;
use crate::base::threads::{SMALL_STACK, contained, spawn};
use crate::device::{Reached, Session};

/// How often a worker that has nothing to do says that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// A call may take as long as its deadline, which is at most so much; only beyond that is a worker missing.
const SILENCE: Duration = Duration::from_secs(15 * 60);
/// An attempt that has less than this left is not made again.
const WORTHWHILE: Duration = Duration::from_millis(50);
/// How often a job is attempted.
const ATTEMPTS: u32 = 2;

/// Starts all workers.
pub(super) fn start(inner: &Arc<Inner>, liveness: &Liveness) -> io::Result<Vec<JoinHandle<()>>> {
    (1..=inner.settings.workers)
        .map(|number| {
            let name = format!("device-{number}");
            let pulse = liveness.enter(&name, SILENCE, inner.clock.now());
            let inner = Arc::clone(inner);
            spawn(name, SMALL_STACK, move || run(&inner, &pulse))
        })
        .collect()
}

fn run(inner: &Arc<Inner>, pulse: &Pulse) {
    let mut core = lock(&inner.core);
    loop {
        if inner.ended.load(Ordering::Acquire) {
            return;
        }
        let now = inner.clock.now();
        pulse.beat(now);
        let next = core.take(now);
        let effects = core.effects();
        if next.is_none() && effects.is_empty() {
            core = wait_for(&inner.work, core, BEAT);
            continue;
        }
        drop(core);
        inner.perform(effects);
        if let Some(assignment) = next {
            serve(inner, assignment, pulse);
        }
        core = lock(&inner.core);
    }
}

fn serve(inner: &Arc<Inner>, assignment: Assignment<Held, Order>, pulse: &Pulse) {
    let Assignment { id, session: held, ticket } = assignment;
    // From here on what comes is an answer, which is no news to the watcher.
    if let Err(error) = held.watch.want(Interest::Nothing) {
        log::debug!("device {id}: its socket could not be taken out of the readiness list: {error}");
    }
    let (this, job) = Attempt::of(ticket);
    match job {
        Order::Lease(waiting) => waiting(Ok(held)),
        Order::Work(work) => attempt(inner, &id, held, &this, work, pulse),
    }
}

/// A ticket without its job.
pub(super) struct Attempt {
    terms: Terms,
    since: Instant,
    number: u32,
}

/// What an attempt leaves behind.
pub(super) struct Attempted {
    /// Whether the session can be used again.
    pub(super) keeps_session: bool,
    /// What went wrong, if anything did.
    pub(super) failure: Option<Arc<Failure>>,
    /// How many punches came meanwhile and were handed on.
    pub(super) punches: u64,
    pub(super) next: Next,
}

/// What is to be done with the job.
pub(super) enum Next {
    /// It is to be made again on a fresh session.
    Again(Ticket<Order>),
    /// Its caller is to be told.
    Tell(Box<dyn Work>, Option<Refusal>),
}

impl Attempt {
    pub(super) fn of(ticket: Ticket<Order>) -> (Self, Order) {
        let Ticket { priority, deadline, repeat, brief, since, attempts, job } = ticket;
        let terms = Terms { priority, deadline, repeat, brief };
        (Self { terms, since, number: attempts + 1 }, job)
    }

    /// Makes the attempt.
    pub(super) fn make(
        &self,
        inner: &Inner,
        id: &DeviceId,
        session: &mut Session,
        mut work: Box<dyn Work>,
        (pulse, pausing): (&Pulse, bool),
    ) -> Attempted {
        let Terms { priority, deadline, repeat, brief } = self.terms;
        let mut between = Between::new(inner, id, pulse, pausing);
        let result = catch_unwind(AssertUnwindSafe(|| {
            // In a pause of another job the device is as that job wants it.
            if pausing {
                session.make_amends(deadline)?;
            }
            work.attempt(session, deadline, &mut between)
        }));
        let punches = inner.pass_on_events(id, session);
        let now = inner.clock.now();
        let panicked = result.is_err();
        let (keeps_session, failure, reached) = match result {
            Ok(Ok(())) => (true, None, Reached::Yes),
            Ok(Err(error)) => (error.keeps_session(), Some(Failure::of(&error, now)), error.reached),
            Err(_) => {
                log::error!("device {id}: a panic ended one of its calls; the session is given up");
                (false, Some(Failure::internal(now)), Reached::Perhaps)
            }
        };
        let may_repeat = match repeat {
            Repeat::Harmless => true,
            Repeat::IfNotReached => reached == Reached::No,
        };
        let worthwhile = deadline.remaining(now).is_some_and(|left| left >= WORTHWHILE);
        if !keeps_session && !panicked && may_repeat && worthwhile && self.number < ATTEMPTS {
            let lost = failure.as_deref().map_or("", |failure| failure.detail.as_str());
            log::debug!("device {id}: a call failed and is made again: {lost}");
            let (since, attempts, job) = (self.since, self.number, Order::Work(work));
            let ticket = Ticket { priority, deadline, repeat, brief, since, attempts, job };
            return Attempted { keeps_session, failure, punches, next: Next::Again(ticket) };
        }
        let unknown = repeat == Repeat::IfNotReached && reached == Reached::Perhaps;
        let refusal = failure.clone().map(|failure| match unknown {
            true => Refusal::OutcomeUnknown(failure),
            false => Refusal::Failed(failure),
        });
        Attempted { keeps_session, failure, punches, next: Next::Tell(work, refusal) }
    }
}

fn attempt(inner: &Inner, id: &DeviceId, mut held: Held, this: &Attempt, work: Box<dyn Work>, pulse: &Pulse) {
    let Attempted { keeps_session, failure, next, .. } =
        this.make(inner, id, &mut held.session, work, (pulse, true));
    let held = keeps_session.then_some(held);
    let lost = failure.filter(|_| held.is_none());
    match next {
        Next::Again(ticket) => give_back(inner, id, held, lost, Some(ticket)),
        Next::Tell(work, refusal) => {
            give_back(inner, id, held, lost, None);
            contained("a caller's answer", || work.finish(refusal));
        }
    }
}

fn give_back(
    inner: &Inner,
    id: &DeviceId,
    held: Option<Held>,
    failure: Option<Arc<Failure>>,
    again: Option<Ticket<Order>>,
) {
    let now = inner.clock.now();
    // Watched again before anybody else can have it; what comes in between is noticed by the machine.
    let session = held.filter(|held| held.watch.want(Interest::Read).is_ok());
    let retire = session.as_ref().is_some_and(|held| held.session.is_doubtful());
    let is_over = session.is_none() || retire;
    inner.with(|core| core.finish(id, Finished { session, retire, failure, again }, now));
    // Where nobody calls there may be no other session for long.
    if is_over && inner.amends(id).is_urgent() {
        inner.make_amends(id, now);
    }
}
