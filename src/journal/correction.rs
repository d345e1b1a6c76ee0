//! When a device's clock is set right without being asked: never unless configured, never back in working hours.
//!
//! A clock that is set forward leaves out seconds, which harms nobody; one that is set back lives them twice, and
//! punches of two moments look alike. So it is set back in the quiet hours only.

use jiff::civil::Time;

/// How clocks are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Whether they are at all.
    pub on: bool,
    /// Up to so many seconds of drift are left alone.
    pub tolerance: i64,
    /// When a clock may be set back: from, until, in the device's own time; over midnight if `from` is later.
    pub quiet: (Time, Time),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Leave,
    /// Set it right.
    Set,
    /// Set it back, but not before the quiet hours.
    Later,
}

impl Correction {
    /// Judges a clock that is `drift` seconds ahead while it is `now` there.
    #[must_use]
    pub fn judge(&self, drift: i64, now: Time) -> Verdict {
        if !self.on || drift.abs() <= self.tolerance {
            Verdict::Leave
        } else if drift < 0 || self.is_quiet(now) {
            Verdict::Set
        } else {
            Verdict::Later
        }
    }

    fn is_quiet(&self, now: Time) -> bool {
        let (from, until) = self.quiet;
        if from <= until { (from..until).contains(&now) } else { now >= from || now < until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_is_never_set_back_in_working_hours() {
        let hours = |text: &str| text.split_once('-').map(|(from, until)| (at(from), at(until))).unwrap();
        let correction = |quiet| Correction { on: true, tolerance: 5, quiet: hours(quiet) };
        for (quiet, drift, now, verdict) in [
            ("02:00-04:00", 5, "12:00", Verdict::Leave),
            ("02:00-04:00", -6, "12:00", Verdict::Set),
            ("02:00-04:00", 6, "12:00", Verdict::Later),
            ("02:00-04:00", 6, "02:00", Verdict::Set),
            ("02:00-04:00", 6, "04:00", Verdict::Later),
            ("22:00-04:00", 6, "23:30", Verdict::Set),
            ("22:00-04:00", 6, "03:59", Verdict::Set),
            ("22:00-04:00", 6, "21:59", Verdict::Later),
        ] {
            assert_eq!(correction(quiet).judge(drift, at(now)), verdict, "{quiet} {drift} {now}");
        }
        let off = Correction { on: false, ..correction("02:00-04:00") };
        assert_eq!(off.judge(-9999, at("03:00")), Verdict::Leave);
    }
}
