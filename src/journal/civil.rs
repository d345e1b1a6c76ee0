//! Civil time and the instants it stands for: a device shows the wall clock of its place and knows no zone.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::store::journal::{Certainty, Moment};
use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};

/// The device's zone; the host's own where the record names none.
#[must_use]
pub fn zone_of(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

/// What a clock on the wall shows there now, to the second.
#[must_use]
pub fn civil_now(wall: SystemTime, zone: &TimeZone) -> DateTime {
    let now = Timestamp::try_from(wall).unwrap_or(Timestamp::UNIX_EPOCH);
    let civil = zone.to_datetime(now);
    civil.with().subsec_nanosecond(0).build().unwrap_or(civil)
}

/// A civil time as a device can hold it; the bounds are those of its clock.
#[must_use]
pub fn possible(civil: DateTime) -> PossibleTime {
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let time = CivilTime {
        year: u16::try_from(civil.year()).unwrap_or(0),
        month: part(civil.month()),
        day: part(civil.day()),
        hour: part(civil.hour()),
        minute: part(civil.minute()),
        second: part(civil.second()),
    };
    PossibleTime::new(time).unwrap_or(PossibleTime::FIRST)
}

/// A device's time as the calendar has it.
#[must_use]
pub fn civil(time: PossibleTime) -> Option<DateTime> {
    let CivilTime { year, month, day, hour, minute, second } = time.civil();
    let part = |value: u8| i8::try_from(value).ok();
    let year = i16::try_from(year).ok()?;
    DateTime::new(year, part(month)?, part(day)?, part(hour)?, part(minute)?, part(second)?, 0).ok()
}

/// What a device's time stands for in its zone.
///
/// Where the clocks were set back, a time stands for two instants, and the earlier one is taken; where they were
/// set forward it stands for none, and the one it would have been without that is taken. Both are said.
#[must_use]
pub fn moment(word: ClockWord, zone: &TimeZone) -> Moment {
    let impossible = Moment { instant: None, certainty: Certainty::Impossible };
    let Some(civil) = word.time().ok().and_then(civil) else { return impossible };
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let certainty = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => Certainty::Exact,
        AmbiguousOffset::Fold { .. } => Certainty::Ambiguous,
        AmbiguousOffset::Gap { .. } => Certainty::Skipped,
    };
    match ambiguous.compatible() {
        Ok(instant) => Moment { instant: Some(instant.as_second()), certainty },
        Err(_) => impossible,
    }
}

/// By how many seconds a device's clock is ahead of ours; `None` for a time that is not in the calendar.
#[must_use]
pub fn drift(device: ClockWord, wall: SystemTime, zone: &TimeZone) -> Option<i64> {
    let device = device.time().ok().and_then(civil)?;
    Some(device.duration_since(civil_now(wall, zone)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> ClockWord {
        ClockWord::pack(possible(text.parse().unwrap()))
    }

    #[test]
    fn a_civil_time_stands_for_one_instant_for_two_or_for_none() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (civil, instant, certainty) in [
            ("2026-07-14T08:00:00", "2026-07-14T06:00:00Z", Certainty::Exact),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z", Certainty::Ambiguous),
            ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z", Certainty::Exact),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z", Certainty::Skipped),
        ] {
            let instant: Timestamp = instant.parse().unwrap();
            let expected = Moment { instant: Some(instant.as_second()), certainty };
            assert_eq!(moment(word(civil), &zone), expected, "{civil}");
        }
        for impossible in [ClockWord(744_426_123), ClockWord(u32::MAX)] {
            let expected = Moment { instant: None, certainty: Certainty::Impossible };
            assert_eq!(moment(impossible, &zone), expected);
        }
    }

    #[test]
    fn drift_is_what_the_device_is_ahead() {
        let wall = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_784_000_000);
        let zone = zone_of(Some("Asia/Baghdad"));
        let host = ClockWord::pack(possible(civil_now(wall, &zone)));
        assert_eq!(drift(host, wall, &zone), Some(0));
        assert_eq!(drift(ClockWord(host.0 + 90), wall, &zone), Some(90));
        assert_eq!(drift(ClockWord(744_426_123), wall, &zone), None);
        let months = drift(word("2024-02-29T00:00:00"), wall, &zone).unwrap();
        assert!((-90_000_000..-70_000_000).contains(&months), "{months}: more than a day apart");
    }
}
