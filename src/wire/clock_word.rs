//! The device's time: local wall-clock seconds packed into 32 bits, or six bytes in events.
//!
//! The packed form gives every month 31 slots, so differences of two words are no seconds across month ends.
//! It carries neither time zone nor daylight saving. Impossible dates (30 February) do occur in stored records;
//! they are kept as they came and flagged, never corrected.
//! Source: public protocol descriptions, confirmed on captured words.

use std::fmt;

/// A packed time word, possible or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClockWord(pub u32);

/// Civil time as a device shows it: no zone, not necessarily a date that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivilTime {
    /// 2000 or later.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// A date or time of day that does not exist, or a year that a device cannot hold (2000 to 2099).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not exist or cannot be held by a device (2000 to 2099)")]
pub struct ImpossibleTime(pub CivilTime);

impl ClockWord {
    /// The largest word that stands for a time: 2099-12-31 23:59:59.
    pub const MAX: Self = Self(3_214_079_999);

    /// Packs a time that exists.
    #[must_use]
    pub fn pack(time: PossibleTime) -> Self {
        let CivilTime { year, month, day, hour, minute, second } = time.0;
        let days = (u32::from(year) % 100 * 12 + u32::from(month) - 1) * 31 + u32::from(day) - 1;
        Self(days * 86_400 + u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second))
    }

    /// What the word says, whether that exists or not.
    #[must_use]
    pub fn fields(self) -> CivilTime {
        let (rest, second) = (self.0 / 60, self.0 % 60);
        let (rest, minute) = (rest / 60, rest % 60);
        let (rest, hour) = (rest / 24, rest % 24);
        let (rest, day) = (rest / 31, rest % 31 + 1);
        let (years, month) = (rest / 12, rest % 12 + 1);
        // All are far below 256; the year is at most 2133.
        CivilTime {
            year: 2000 + years as u16,
            month: month as u8,
            day: day as u8,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
        }
    }

    /// The time, if it exists.
    ///
    /// # Errors
    /// [`ImpossibleTime`] with the fields as they stand in the word.
    pub fn time(self) -> Result<PossibleTime, ImpossibleTime> {
        PossibleTime::new(self.fields())
    }
}

/// A civil time between 2000 and 2099 that exists in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PossibleTime(CivilTime);

impl PossibleTime {
    /// The first second that a device can show: 2000-01-01 00:00:00.
    pub const FIRST: Self = Self(CivilTime { year: 2000, month: 1, day: 1, hour: 0, minute: 0, second: 0 });

    /// Takes fields that name a second of the calendar.
    ///
    /// # Errors
    /// [`ImpossibleTime`] otherwise.
    pub fn new(time: CivilTime) -> Result<Self, ImpossibleTime> {
        let leap =
            time.year.is_multiple_of(4) && (!time.year.is_multiple_of(100) || time.year.is_multiple_of(400));
        let days = match time.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        let exists = (2000..=2099).contains(&time.year)
            && (1..=days).contains(&time.day)
            && time.hour < 24
            && time.minute < 60
            && time.second < 60;
        if exists { Ok(Self(time)) } else { Err(ImpossibleTime(time)) }
    }

    /// The fields.
    #[must_use]
    pub const fn civil(self) -> CivilTime {
        self.0
    }
}

impl CivilTime {
    /// Reads the six bytes of an event: year since 2000, month, day, hour, minute, second.
    #[must_use]
    pub fn from_six([year, month, day, hour, minute, second]: [u8; 6]) -> Self {
        Self { year: 2000 + u16::from(year), month, day, hour, minute, second }
    }
}

impl PossibleTime {
    /// The six bytes of an event.
    #[must_use]
    pub fn to_six(self) -> [u8; 6] {
        let CivilTime { year, month, day, hour, minute, second } = self.0;
        // 2000 to 2099, so the difference fits.
        [(year - 2000) as u8, month, day, hour, minute, second]
    }
}

impl fmt::Display for CivilTime {
    /// ISO 8601 without a zone: `2026-07-14T08:00:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

impl fmt::Display for PossibleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn impossible_dates_are_kept_as_they_came() {
        let feb30 = ClockWord(744_426_123);
        assert_eq!(feb30.fields().to_string(), "2023-02-30T01:02:03");
        assert_eq!(feb30.time(), Err(ImpossibleTime(feb30.fields())));
        assert_eq!(ClockWord(u32::MAX).fields().year, 2133);
        assert!(ClockWord(u32::MAX).time().is_err());
    }

    #[test]
    fn the_range_is_one_century() {
        assert_eq!(ClockWord(0).time().unwrap().to_string(), "2000-01-01T00:00:00");
        assert_eq!(ClockWord::MAX.time().unwrap().to_string(), "2099-12-31T23:59:59");
        assert!(ClockWord(ClockWord::MAX.0 + 1).time().is_err());
    }

    #[test]
    fn the_year_2000_was_a_leap_year_and_a_day_of_zero_is_none() {
        assert!(PossibleTime::new(CivilTime::from_six([0, 2, 29, 0, 0, 0])).is_ok());
        assert!(PossibleTime::new(CivilTime::from_six([1, 2, 29, 0, 0, 0])).is_err());
        for six in [[20, 0, 1, 0, 0, 0], [20, 1, 0, 0, 0, 0], [20, 1, 1, 24, 0, 0], [100, 1, 1, 0, 0, 0]] {
            assert!(PossibleTime::new(CivilTime::from_six(six)).is_err(), "{six:?}");
        }
    }

    proptest! {
        #[test]
        fn any_word_has_fields_and_a_possible_one_is_packed_again(word: u32) {
            let word = ClockWord(word);
            if let Ok(time) = word.time() {
                prop_assert_eq!(ClockWord::pack(time), word);
                prop_assert_eq!(CivilTime::from_six(time.to_six()), time.civil());
            }
        }
    }
}
