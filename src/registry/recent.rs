//! What happened at the devices lately, besides punches: the newest events, in memory only.
//!
//! Whoever follows pulls at their own pace; a slow one is told that something is missing, and costs nobody anything.
//! After a restart of the service numbers begin anew, so each number is said together with the epoch that it is of.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::listener::Listener;
use crate::base::clock::{Clock, millis};
use crate::base::ids::DeviceId;
use crate::base::lock::{lock, wait_for};
use crate::wire::event::Event;

/// The newest events.
pub struct RecentEvents {
    clock: Arc<dyn Clock>,
    epoch: u64,
    /// guards: all that changes
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// Their numbers are without a gap, up to the head.
    events: VecDeque<Arc<Happened>>,
    head: u64,
    closed: bool,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Where it stands.
    pub place: Place,
    /// When the gateway noticed it, in milliseconds since 1970.
    pub at: i64,
    /// At which device.
    pub device_id: DeviceId,
    /// Who answered there, if it is known.
    pub serial_number: Option<String>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The device told it; never a punch.
    Told(Event),
    /// The device told more than there was room for; so many events, punches among them, were lost. The journal gets
    /// its punches from the log.
    Lost(u64),
    /// It has a session.
    Up,
    /// It has none any more, for the reason with this code if one is known.
    Down(Option<&'static str>),
}

/// Where an event stands: its number, and the epoch in which it counts. Written `epoch-number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When the service began to count, in milliseconds since 1970.
    pub epoch: u64,
    /// The number, from 1 on; 0 is before the first.
    pub number: u64,
}

/// Events behind a place.
#[derive(Debug)]
pub struct Page {
    /// They, oldest first.
    pub events: Vec<Arc<Happened>>,
    /// Whether something between the place and the first of them is not known any more.
    pub missed: bool,
    /// Up to where was looked.
    pub next: Place,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Place {
    /// Reads what is written as `epoch-number`, in decimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| {
            let plain = (1..=19).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|_| plain)
        };
        let (epoch, number) = text.split_once('-')?;
        Some(Self { epoch: digits(epoch)?, number: digits(number)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl RecentEvents {
    /// Events kept.
    pub const KEPT: usize = 1000;

    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let epoch = u64::try_from(millis(clock.wall())).unwrap_or_default();
        Arc::new(Self { clock, epoch, state: Mutex::default(), moved: Condvar::new() })
    }

    /// Where it ends now.
    #[must_use]
    pub fn head(&self) -> Place {
        Place { epoch: self.epoch, number: lock(&self.state).head }
    }

    /// The events behind a place, at most so many. A place of another epoch, or one that was never reached, is before
    /// everything that is known; `None` is that too, but then nobody has missed anything.
    #[must_use]
    pub fn behind(&self, after: Option<Place>, limit: usize) -> Page {
        let state = lock(&self.state);
        let first = state.head - state.events.len() as u64;
        let known = after.filter(|place| place.epoch == self.epoch && place.number <= state.head);
        let begin = known.map_or(first, |place| place.number.max(first));
        let missed = after.is_some() && known.is_none_or(|place| place.number < first);
        let skip = usize::try_from(begin - first).unwrap_or(usize::MAX);
        let events: Vec<_> = state.events.iter().skip(skip).take(limit).cloned().collect();
        let number = begin + events.len() as u64;
        let next = Place { epoch: self.epoch, number };
        Page { events, missed, next, more: number < state.head }
    }

    /// Waits until there is something behind a place of this epoch, or until then. At once when it is closed.
    pub fn wait_beyond(&self, after: Place, until: Instant) {
        let mut state = lock(&self.state);
        while state.head <= after.number && !state.closed {
            let left = until.saturating_duration_since(self.clock.now());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.moved, state, left);
        }
    }

    /// There will be no more.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.moved.notify_all();
    }

    /// Whether there will be no more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    fn add(&self, device_id: &DeviceId, serial_number: Option<&str>, all: impl Iterator<Item = What>) {
        let at = millis(self.clock.wall());
        {
            let mut state = lock(&self.state);
            for what in all {
                state.head += 1;
                let place = Place { epoch: self.epoch, number: state.head };
                let (device_id, serial_number) = (device_id.clone(), serial_number.map(str::to_owned));
                if state.events.len() == Self::KEPT {
                    state.events.pop_front();
                }
                state.events.push_back(Arc::new(Happened { place, at, device_id, serial_number, what }));
            }
        }
        self.moved.notify_all();
    }
}

impl Listener for RecentEvents {
    fn opened(&self, _id: &DeviceId, _serial_number: Option<&str>) {}

    fn events(&self, id: &DeviceId, serial_number: Option<&str>, events: &[Event], lost: u64) {
        let punch = |event: &&Event| matches!(event, Event::Punch { .. } | Event::Unreadable { .. });
        let told = events.iter().filter(|event| !punch(event)).cloned().map(What::Told);
        self.add(id, serial_number, told.chain((lost > 0).then_some(What::Lost(lost))));
    }

    fn changed(&self, id: &DeviceId, up: bool, cause: Option<&'static str>) {
        self.add(id, None, std::iter::once(if up { What::Up } else { What::Down(cause) }));
    }
}

impl fmt::Debug for RecentEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecentEvents(up to {})", self.head())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::clock::SystemClock;

    fn numbers(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.place.number).collect()
    }

    fn recent(count: u64) -> Arc<RecentEvents> {
        let recent = RecentEvents::new(Arc::new(SystemClock));
        let id = DeviceId::parse("1").unwrap();
        (0..count).for_each(|n| recent.changed(&id, n % 2 == 0, None));
        recent
    }

    #[test]
    fn who_comes_from_another_epoch_or_too_late_is_told_that_something_is_missing() {
        let recent = recent(1005);
        let epoch = recent.head().epoch;
        let at = |epoch, number| Some(Place { epoch, number });
        for (after, missed, first) in [
            (None, false, 6),
            (at(epoch, 5), false, 6),
            (at(epoch, 4), true, 6),
            (at(epoch, 0), true, 6),
            (at(epoch, 1000), false, 1001),
            (at(epoch, 1006), true, 6),
            (at(epoch + 1, 1000), true, 6),
        ] {
            let page = recent.behind(after, 2);
            assert_eq!(
                (page.missed, numbers(&page), page.more),
                (missed, vec![first, first + 1], true),
                "{after:?}"
            );
        }
        let end = recent.behind(at(epoch, 1005), 10);
        assert!(!end.missed && end.events.is_empty() && !end.more && end.next.number == 1005);
    }

    #[test]
    fn punches_are_the_journals_and_what_was_lost_is_said() {
        let recent = recent(0);
        let id = DeviceId::parse("1").unwrap();
        recent.events(&id, Some("A"), &[Event::Unreadable { payload: vec![1] }, Event::Finger], 3);
        let told: Vec<_> = recent.behind(None, 9).events.iter().map(|event| event.what.clone()).collect();
        assert_eq!(told, [What::Told(Event::Finger), What::Lost(3)]);
    }

    proptest! {
        #[test]
        fn a_place_is_read_as_it_is_written(epoch in 0..u64::from(u32::MAX) << 20, number in 0..1u64 << 60) {
            let place = Place { epoch, number };
            prop_assert_eq!(Place::parse(&place.to_string()), Some(place));
        }

        #[test]
        fn any_text_is_a_place_or_not(text in "[0-9+-]{0,24}|\\PC{0,8}") {
            if let Some(place) = Place::parse(&text) {
                prop_assert_eq!(Place::parse(&place.to_string()), Some(place));
            }
        }

        #[test]
        fn pages_follow_each_other_without_a_gap(count in 0u64..1200, limit in 1usize..400) {
            let recent = recent(count);
            let (mut after, mut seen) = (None, Vec::new());
            loop {
                let page = recent.behind(after, limit);
                prop_assert!(!page.missed);
                seen.extend(numbers(&page));
                after = Some(page.next);
                if !page.more { break }
            }
            prop_assert!(seen.into_iter().eq(count.saturating_sub(1000) + 1..=count));
        }
    }
}
