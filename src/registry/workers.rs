//! The device workers: a fixed number of threads, each of which takes whatever device is next, does one job with
//! its session, and gives it back.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
use crate::device::Reached;

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
            serve(inner, assignment);
        }
        core = lock(&inner.core);
    }
}

fn serve(inner: &Arc<Inner>, assignment: Assignment<Held, Order>) {
    let Assignment { id, session: held, ticket } = assignment;
    // From here on what comes is an answer, which is no news to the watcher.
    if let Err(error) = held.watch.want(Interest::Nothing) {
        log::debug!("device {id}: its socket could not be taken out of the readiness list: {error}");
    }
    let Ticket { priority, deadline, repeat, since, attempts, job } = ticket;
    match job {
        Order::Lease(waiting) => waiting(Ok(held)),
        Order::Work(work) => {
            let terms = Terms { priority, deadline, repeat };
            attempt(inner, &id, held, &Attempt { terms, since, number: attempts + 1 }, work);
        }
    }
}

/// A ticket without its job.
struct Attempt {
    terms: Terms,
    since: Instant,
    number: u32,
}

fn attempt(inner: &Arc<Inner>, id: &DeviceId, mut held: Held, this: &Attempt, mut work: Box<dyn Work>) {
    let Terms { priority, deadline, repeat } = this.terms;
    let result = catch_unwind(AssertUnwindSafe(|| work.attempt(&mut held.session, deadline)));
    let now = inner.clock.now();
    let panicked = result.is_err();
    let (held, failure, reached) = match result {
        Ok(Ok(())) => (Some(held), None, Reached::Yes),
        Ok(Err(error)) => {
            let failure = Failure::of(&error, now);
            (error.keeps_session().then_some(held), Some(failure), error.reached)
        }
        Err(_) => {
            log::error!("device {id}: a panic ended one of its calls; the session is given up");
            (None, Some(Failure::internal(now)), Reached::Perhaps)
        }
    };
    let may_repeat = match repeat {
        Repeat::Harmless => true,
        Repeat::IfNotReached => reached == Reached::No,
    };
    let worthwhile = deadline.remaining(now).is_some_and(|left| left >= WORTHWHILE);
    let again = held.is_none() && !panicked && may_repeat && worthwhile && this.number < ATTEMPTS;
    let lost = failure.as_ref().filter(|_| held.is_none()).cloned();
    if again {
        log::debug!("device {id}: a call failed and is made again: {}", shown(lost.as_deref()));
        let job = Order::Work(work);
        let ticket = Ticket { priority, deadline, repeat, since: this.since, attempts: this.number, job };
        return give_back(inner, id, None, lost, Some(ticket));
    }
    give_back(inner, id, held, lost, None);
    let unknown = repeat == Repeat::IfNotReached && reached == Reached::Perhaps;
    let refusal = failure.map(|failure| match unknown {
        true => Refusal::OutcomeUnknown(failure),
        false => Refusal::Failed(failure),
    });
    contained("a caller's answer", || work.finish(refusal));
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
    inner.with(|core| core.finish(id, Finished { session, retire, failure, again }, now));
}

fn shown(failure: Option<&Failure>) -> &str {
    failure.map_or("", |failure| failure.detail.as_str())
}
