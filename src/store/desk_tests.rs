//! Deadlines at the desk, under a clock that the tests turn.

use std::sync::mpsc;

use super::*;
use crate::base::clock::ManualClock;
use crate::store::rules::tests::device;

type Told = Result<Arc<Device>, StoreError>;

struct Bench {
    clock: Arc<ManualClock>,
    desk: Desk,
    told: mpsc::Receiver<(&'static str, Told)>,
    tell: mpsc::Sender<(&'static str, Told)>,
}

fn bench(capacity: usize) -> Bench {
    let clock = Arc::new(ManualClock::new());
    let (tell, told) = mpsc::channel();
    Bench { desk: Desk::new(clock.clone(), capacity), clock, told, tell }
}

impl Bench {
    fn ask(&self, name: &'static str, seconds: u64) {
        let deadline = Deadline::after(self.clock.now(), Duration::from_secs(seconds));
        let tell = self.tell.clone();
        let answer = Box::new(move |result| tell.send((name, result)).unwrap());
        self.desk.submit(Job::Delete(DeviceId::from(1)), deadline, answer);
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        for (answer, error) in self.desk.take_expired() {
            give(answer, Err(error));
        }
    }

    fn next(&self) -> Work {
        self.desk.next(self.clock.now())
    }

    fn answers(&self) -> Vec<(&'static str, Option<StoreError>)> {
        self.told.try_iter().map(|(name, result)| (name, result.err())).collect()
    }
}

const NOT_DONE: StoreError = StoreError::TimedOut { outcome_unknown: false };

#[test]
fn what_waits_too_long_is_answered_and_never_done() {
    let bench = bench(8);
    bench.ask("short", 1);
    bench.ask("long", 9);
    bench.pass(1);
    assert_eq!(bench.answers(), [("short", Some(NOT_DONE))]);
    assert!(matches!(bench.next(), Work::Job(_)));
    bench.desk.finish(Some(Ok(Arc::new(device("1", "10.0.0.1")))));
    assert_eq!(bench.answers(), [("long", None)]);
    assert!(matches!(bench.next(), Work::Look));
}

#[test]
fn a_change_that_ran_out_of_time_before_its_commit_is_not_committed_later() {
    let bench = bench(8);
    bench.ask("frozen", 1);
    assert!(matches!(bench.next(), Work::Job(_)));
    let permit = bench.desk.permit();
    assert_eq!(permit.remaining(), Duration::from_secs(1));
    bench.pass(1);
    assert_eq!(bench.answers(), [("frozen", Some(NOT_DONE))]);
    assert_eq!(permit.commit(), Err(NOT_DONE));
    bench.desk.finish(Some(Err(NOT_DONE)));
    assert_eq!(bench.answers(), [], "answered once");
}

#[test]
fn a_change_that_ran_out_of_time_inside_its_commit_is_unknown() {
    let bench = bench(8);
    bench.ask("frozen", 1);
    assert!(matches!(bench.next(), Work::Job(_)));
    bench.desk.permit().commit().unwrap();
    bench.pass(1);
    assert_eq!(bench.answers(), [("frozen", Some(StoreError::TimedOut { outcome_unknown: true }))]);
    bench.desk.finish(Some(Ok(Arc::new(device("1", "10.0.0.1")))));
    assert_eq!(bench.answers(), [], "answered once");
}

#[test]
fn a_full_desk_and_a_closed_one_refuse_at_once() {
    let bench = bench(2);
    for name in ["a", "b", "c"] {
        bench.ask(name, 9);
    }
    assert_eq!(bench.answers(), [("c", Some(StoreError::Busy))]);
    bench.ask("late", 0);
    assert_eq!(bench.answers(), [("late", Some(NOT_DONE))]);
    bench.desk.close();
    bench.ask("d", 9);
    assert_eq!(bench.answers(), [("d", Some(StoreError::Closed))]);
    assert!(matches!(bench.next(), Work::Close));
    bench.desk.end();
    assert_eq!(bench.answers(), [("a", Some(StoreError::Closed)), ("b", Some(StoreError::Closed))]);
    assert!(!bench.desk.keep_time());
    assert!(bench.desk.wait_end(Deadline::at(bench.clock.now())));
}

#[test]
fn a_panic_in_the_work_or_in_an_answer_costs_nobody_else_anything() {
    let bench = bench(8);
    bench.ask("panicked", 9);
    assert!(matches!(bench.next(), Work::Job(_)));
    bench.desk.finish(None);
    assert_eq!(bench.answers(), [("panicked", Some(StoreError::Internal { outcome_unknown: false }))]);
    let deadline = Deadline::after(bench.clock.now(), Duration::from_secs(1));
    let answer = Box::new(|_: Told| panic!("on purpose"));
    bench.desk.submit(Job::Delete(DeviceId::from(1)), deadline, answer);
    bench.ask("next", 1);
    bench.pass(1);
    assert_eq!(bench.answers(), [("next", Some(NOT_DONE))]);
}

#[test]
fn observations_of_one_device_are_gathered_into_one() {
    let bench = bench(8);
    let seen = |seconds| {
        let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Observation { seen: Some(at), ..Observation::default() }
    };
    bench.desk.observe(DeviceId::from(1), seen(5));
    bench.desk.observe(DeviceId::from(1), seen(7));
    bench.desk.observe(DeviceId::from(1), seen(6));
    assert!(matches!(bench.next(), Work::Look));
    let observed = bench.desk.take_observed();
    assert_eq!(observed.into_values().collect::<Vec<_>>(), [seen(7)]);
    assert!(!bench.desk.has_observed());
}
