//! The clock on a device's wall: civil time that runs, without a zone. It does not know what time it really is.

use std::time::Instant;

use jiff::civil::DateTime;
use jiff::{SignedDuration, ZonedDateTime};

use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};

/// A running civil clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceClock {
    shown: DateTime,
    at: Instant,
}

impl DeviceClock {
    /// A clock that shows this at that instant.
    pub(crate) fn showing(shown: DateTime, at: Instant) -> Self {
        Self { shown, at }
    }

    /// What it shows.
    pub(crate) fn read(&self, now: Instant) -> DateTime {
        let elapsed = now.saturating_duration_since(self.at);
        self.shown.saturating_add(SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO))
    }

    /// What it shows, as it is stored.
    pub(crate) fn word(&self, now: Instant) -> ClockWord {
        pack(self.read(now))
    }
}

/// The host's civil time, this much ahead.
pub(crate) fn host_time(ahead: SignedDuration) -> DateTime {
    ZonedDateTime::now().datetime().saturating_add(ahead)
}

/// A civil time as the calendar library has it.
pub(crate) fn date_time(time: PossibleTime) -> DateTime {
    let CivilTime { year, month, day, hour, minute, second } = time.civil();
    let part = u8::cast_signed;
    DateTime::new(year.cast_signed(), part(month), part(day), part(hour), part(minute), part(second), 0)
        .unwrap_or(DateTime::constant(2000, 1, 1, 0, 0, 0, 0))
}

/// A civil time that a device can show.
pub(crate) fn pack_checked(time: DateTime) -> Option<PossibleTime> {
    (2000..=2099).contains(&time.year()).then(|| pack(time).time().ok())?
}

/// Civil time packed, held within the century that a device can show.
pub(crate) fn pack(time: DateTime) -> ClockWord {
    let unsigned = i8::cast_unsigned;
    let held = time
        .clamp(DateTime::constant(2000, 1, 1, 0, 0, 0, 0), DateTime::constant(2099, 12, 31, 23, 59, 59, 0));
    let civil = CivilTime {
        year: held.year().cast_unsigned(),
        month: unsigned(held.month()),
        day: unsigned(held.day()),
        hour: unsigned(held.hour()),
        minute: unsigned(held.minute()),
        // A leap second is no second of a device.
        second: unsigned(held.second()).min(59),
    };
    PossibleTime::new(civil).map(ClockWord::pack).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_runs_and_stays_within_its_century() {
        let now = Instant::now();
        let clock = DeviceClock::showing(jiff::civil::date(2026, 7, 14).at(8, 0, 0, 0), now);
        assert_eq!(clock.word(now), ClockWord(852_883_200));
        assert_eq!(clock.word(now + Duration::from_millis(1999)), ClockWord(852_883_201));
        let late = DeviceClock::showing(jiff::civil::date(2150, 1, 1).at(0, 0, 0, 0), now);
        assert_eq!(late.word(now), ClockWord::MAX);
    }

    #[test]
    fn a_stored_time_is_read_back() {
        let time = ClockWord(852_883_200).time().unwrap();
        assert_eq!(pack(date_time(time)), ClockWord(852_883_200));
    }
}
