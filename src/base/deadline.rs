//! One budget of time that is handed down through a call and only shrinks.
//!
//! A `Deadline` is a point in time, never a duration: whoever receives it cannot start it anew. It does not
//! know what time it is; the caller says.

use std::time::{Duration, Instant};

/// The instant at which a call must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `budget` after `now`.
    ///
    /// A budget too large for the clock is cut to [`Deadline::CEILING`].
    #[must_use]
    pub fn after(now: Instant, budget: Duration) -> Self {
        Self(now + budget.min(Self::CEILING))
    }

    /// The deadline at this instant.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left of the budget, or `None` when it is used up.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Whether the budget is used up.
    #[must_use]
    pub fn passed(self, now: Instant) -> bool {
        now >= self.0
    }

    /// The nearer of this deadline and one `limit` from `now`: a phase inside a call.
    #[must_use]
    pub fn within(self, now: Instant, limit: Duration) -> Self {
        self.min(Self::after(now, limit))
    }

    /// The longest budget there is: one day.
    pub const CEILING: Duration = Duration::from_secs(24 * 3600);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_only_shrinks() {
        let now = Instant::now();
        let whole = Deadline::after(now, Duration::from_secs(10));
        assert_eq!(whole.within(now, Duration::from_secs(3)).remaining(now), Some(Duration::from_secs(3)));
        assert_eq!(whole.within(now, Duration::from_secs(30)), whole);
    }

    #[test]
    fn a_deadline_that_has_passed_has_nothing_left() {
        let now = Instant::now();
        let deadline = Deadline::at(now);
        assert!(deadline.passed(now));
        assert_eq!(deadline.remaining(now), None);
    }

    #[test]
    fn an_absurd_budget_is_cut_to_the_ceiling() {
        let now = Instant::now();
        assert_eq!(Deadline::after(now, Duration::MAX).remaining(now), Some(Deadline::CEILING));
    }
}
