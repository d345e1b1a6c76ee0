//! A clock that calls back: one thread for all deadlines whose owner must not wait.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use super::liveness::Liveness;
use super::lock::{lock, wait_for};
use super::threads::{SMALL_STACK, contained, spawn};

/// Calls things at their time; share it in its [`Arc`]. Dropped, it calls nothing any more.
pub struct Alarms {
    /// guards: what is to be called
    agenda: Mutex<Agenda>,
    changed: Condvar,
}

#[derive(Default)]
struct Agenda {
    /// By its time, and then by the order in which it was set.
    due: BTreeMap<(Instant, u64), Callback>,
    set: u64,
}

type Callback = Box<dyn FnOnce() + Send>;

const BEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(10);

impl Alarms {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system grants none.
    pub fn start(liveness: &Liveness) -> io::Result<Arc<Self>> {
        let alarms = Arc::new(Self { agenda: Mutex::default(), changed: Condvar::new() });
        let pulse = liveness.enter("alarms", SILENCE, Instant::now());
        let weak = Arc::downgrade(&alarms);
        spawn("alarms", SMALL_STACK, move || {
            while Self::round(&weak) {
                pulse.beat(Instant::now());
            }
        })?;
        Ok(alarms)
    }

    /// Sets an alarm. The callback must be quick: all alarms share one thread.
    pub fn at(&self, when: Instant, callback: impl FnOnce() + Send + 'static) {
        let mut agenda = lock(&self.agenda);
        agenda.set += 1;
        let number = agenda.set;
        let first = agenda.due.first_key_value().is_none_or(|((first, _), _)| when < *first);
        agenda.due.insert((when, number), Box::new(callback));
        if first {
            self.changed.notify_one();
        }
    }

    fn round(weak: &Weak<Self>) -> bool {
        let Some(alarms) = weak.upgrade() else { return false };
        let mut agenda = lock(&alarms.agenda);
        let now = Instant::now();
        let next = agenda.due.first_key_value().map(|((when, _), _)| *when);
        if next.is_some_and(|when| when <= now) {
            let callback = agenda.due.pop_first().map(|(_, callback)| callback);
            drop(agenda);
            contained("an alarm", || callback.into_iter().for_each(|callback| callback()));
        } else {
            let limit = next.map_or(BEAT, |when| when.saturating_duration_since(now).min(BEAT));
            drop(wait_for(&alarms.changed, agenda, limit));
        }
        true
    }
}

impl std::fmt::Debug for Alarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Alarms({})", lock(&self.agenda).due.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn alarms_ring_in_the_order_of_their_times_whatever_the_order_they_were_set_in() {
        let alarms = Alarms::start(&Liveness::new(Instant::now())).unwrap();
        let (sender, receiver) = mpsc::channel();
        let now = Instant::now();
        for (number, after) in [(3, 30), (1, 0), (2, 10)] {
            let sender = sender.clone();
            alarms.at(now + Duration::from_millis(after), move || sender.send(number).unwrap());
        }
        assert_eq!(receiver.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
