//! Two dense tables over all connections: whose deadline is next, and who goes first when room is needed.
//!
//! They hold one row per connection and are walked from end to end; at a few thousand rows that is
//! microseconds, needs no cleaning up after connections that have gone, and cannot grow beyond the limit.

use std::time::{Duration, Instant};

/// One deadline per key.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: Vec<Option<Instant>>,
    /// No deadline lies before this.
    next: Option<Instant>,
}

impl Deadlines {
    /// Enters, changes or removes the deadline of a key.
    pub(super) fn set(&mut self, key: usize, due: Option<Instant>) {
        if key >= self.due.len() {
            self.due.resize(key + 1, None);
        }
        if let Some(row) = self.due.get_mut(key) {
            *row = due;
        }
        self.next = match (self.next, due) {
            (Some(next), Some(due)) => Some(next.min(due)),
            (next, due) => next.or(due),
        };
    }

    /// Removes the deadlines that have passed and names their keys.
    pub(super) fn expired(&mut self, now: Instant, into: &mut Vec<usize>) {
        into.clear();
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        let mut next: Option<Instant> = None;
        for (key, row) in self.due.iter_mut().enumerate() {
            let Some(due) = *row else { continue };
            if due <= now {
                *row = None;
                into.push(key);
            } else if next.is_none_or(|next| due < next) {
                next = Some(due);
            }
        }
        self.next = next;
    }

    /// How long nothing can expire; `None` when there is no deadline.
    pub(super) fn quiet(&self, now: Instant) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(now))
    }
}

/// What a connection is worth when another needs its place; the lowest goes first, then the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// It has had its answer and is only listened to out of politeness.
    Lingering,
    /// It has sent nothing, or a part of a head.
    Idle,
    /// It is sending a body.
    Sending,
    /// It is reading an answer.
    Reading,
}

/// Who may be asked to go.
#[derive(Debug, Default)]
pub(super) struct Standings {
    rows: Vec<Option<(bool, Worth, Instant)>>,
}

impl Standings {
    /// Enters a connection (`near`: from this host), or with `None` takes it out: in flight or gone.
    pub(super) fn set(&mut self, key: usize, near: bool, worth: Option<(Worth, Instant)>) {
        if key >= self.rows.len() {
            self.rows.resize(key + 1, None);
        }
        if let Some(row) = self.rows.get_mut(key) {
            *row = worth.map(|(worth, since)| (near, worth, since));
        }
    }

    /// The connection that goes first: those from elsewhere before those from this host.
    pub(super) fn first_to_go(&self) -> Option<usize> {
        let rows = self.rows.iter().enumerate();
        rows.filter_map(|(key, row)| row.map(|row| (row, key))).min().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deadline_expires_once_and_in_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut table = Deadlines::default();
        let mut expired = Vec::new();
        table.set(2, Some(at(20)));
        table.set(0, Some(at(10)));
        table.set(1, Some(at(30)));
        table.set(0, Some(at(40)));
        table.set(1, None);
        assert_eq!(
            table.quiet(start),
            Some(Duration::from_millis(10)),
            "too early is allowed, too late is not"
        );
        table.expired(at(10), &mut expired);
        assert!(expired.is_empty());
        table.expired(at(25), &mut expired);
        assert_eq!(expired, [2]);
        table.expired(at(99), &mut expired);
        assert_eq!(expired, [0]);
        table.expired(at(99), &mut expired);
        assert_eq!((expired.len(), table.quiet(start)), (0, None));
    }

    #[test]
    fn the_idlest_stranger_goes_first_and_a_neighbour_last() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut table = Standings::default();
        table.set(0, true, Some((Worth::Lingering, at(0))));
        table.set(1, false, Some((Worth::Reading, at(0))));
        table.set(2, false, Some((Worth::Idle, at(2))));
        table.set(3, false, Some((Worth::Idle, at(1))));
        table.set(4, false, None);
        let mut order = Vec::new();
        while let Some(key) = table.first_to_go() {
            order.push(key);
            table.set(key, false, None);
        }
        assert_eq!(order, [3, 2, 1, 0]);
    }
}
