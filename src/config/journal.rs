//! The journal of punches: where it is kept, and how it is filled.

use std::time::Duration;

use jiff::civil::Time;

use super::reader::Reader;

/// Section `[journal]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Whether it is kept in the database of `database_url`, in its schema `zkgate`, rather than in the embedded
    /// one.
    pub in_postgres: bool,
    /// Whether devices' logs are collected at all.
    pub collect: bool,
    /// How often a device's log is looked at, besides after every connect.
    pub poll_interval: Duration,
    /// How often the end of a log is compared although its count says that there is nothing new.
    pub compare_interval: Duration,
    /// For one read of a log, however long it is.
    pub read_timeout: Duration,
    /// Large reads under way at a time.
    pub large_reads: usize,
    /// Whether devices are asked to tell punches at once.
    pub live: bool,
    /// From how much drift of a device's clock on it is a warning.
    pub drift_warning: Duration,
    /// Whether devices' clocks are set right.
    pub correct_clocks: bool,
    /// From how much drift on.
    pub clock_tolerance: Duration,
    /// When a clock may be set back, in the device's own time.
    pub quiet_hours: (Time, Time),
    /// How long punches are kept that are delivered and not in their device's log any more; zero for ever.
    pub retention: Duration,
}

impl Journal {
    pub(super) fn read(from: &mut Reader, postgres: bool, attached: bool) -> Self {
        let (s, h) = (Duration::from_secs, |h: u64| Duration::from_secs(h * 3600));
        let kept = ["sqlite", "postgres"];
        let own = if postgres && !attached { "postgres" } else { "sqlite" };
        let store = from.text("journal.store", Some(own), "sqlite or postgres", |text| {
            if kept.contains(&text) { Ok(()) } else { Err("is neither sqlite nor postgres".into()) }
        });
        let in_postgres = store.is_some_and(|found| found.value == "postgres");
        from.rule(&["journal.store", "database_url"], postgres || !in_postgres, || {
            "is postgres, and there is no database_url".into()
        });
        let hours = "two times of day, such as 02:00-04:00";
        let quiet = from.text("journal.quiet_hours", Some("02:00-04:00"), hours, |text| {
            let right = quiet_hours(text).map(drop);
            right.ok_or_else(|| "are not two times of day such as 02:00-04:00".into())
        });
        Self {
            in_postgres,
            collect: from.switch("journal.collect", true),
            poll_interval: from.duration("journal.poll_interval", s(60), s(1)..=h(24)),
            compare_interval: from.duration("journal.compare_interval", h(1), s(1)..=h(168)),
            read_timeout: from.duration("journal.read_timeout", s(900), s(1)..=h(4)),
            large_reads: from.count("journal.large_reads", "reads at a time", 4, 1..=32),
            live: from.switch("journal.live", true),
            drift_warning: from.duration("journal.drift_warning", s(30), s(1)..=h(24)),
            correct_clocks: from.switch("journal.correct_clocks", false),
            clock_tolerance: from.duration("journal.clock_tolerance", s(10), s(1)..=h(1)),
            quiet_hours: quiet.and_then(|found| quiet_hours(&found.value)).unwrap_or_default(),
            retention: from.duration("journal.retention", s(0), s(0)..=h(24 * 3660)),
        }
    }
}

/// Reads `02:00-04:00`.
fn quiet_hours(text: &str) -> Option<(Time, Time)> {
    let (from, until) = text.split_once('-')?;
    let time = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = digits(hour) && digits(minute);
        fits.then(|| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()).flatten()
    };
    let hours = (time(from)?, time(until)?);
    (hours.0 != hours.1).then_some(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_are_two_times_of_day() {
        for bad in ["", "02:00", "02:00-02:00", "2:00-04:00", "02:00-24:00", "02:60-04:00", "aa:bb-cc:dd"] {
            assert_eq!(quiet_hours(bad), None, "{bad}");
        }
        assert!(quiet_hours(" 22:00 - 04:30 ").is_some());
    }
}
