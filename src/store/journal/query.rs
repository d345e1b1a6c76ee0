//! What a reader of the journal may ask for.

use crate::base::ids::DeviceId;
use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};
use crate::wire::record::UserId;

use super::row::Row;

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these devices; empty for all.
    pub devices: Vec<DeviceId>,
    /// Only of these people, by user id; empty for all.
    pub users: Vec<UserId>,
    /// Only of these terminals, by serial number, under whatever device they came; empty for all.
    pub serial_numbers: Vec<String>,
    /// Only at or after this.
    pub from: Option<Bound>,
    /// Only before this.
    pub to: Option<Bound>,
}

/// A point in time by which rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Seconds since 1970 (UTC), compared with the rows' instants; rows without one are never chosen.
    Instant(i64),
    /// Civil time, compared with what the devices' clocks showed.
    Civil(ClockWord),
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Rows with a larger sequence number than this.
    pub after: u64,
    /// At most so many, 1 and up.
    pub limit: u32,
    /// Which rows.
    pub filter: Filter,
}

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows, by sequence number.
    pub rows: Vec<Row>,
    /// Where the next page begins: the last row's number, or further on where rows were looked at and not chosen.
    pub next_after: u64,
    /// Whether rows beyond that were there when it was read. A page may be short, even empty, and not the last:
    /// a search looks at a bounded number of rows at a time.
    pub more: bool,
}

/// What an index tells about the rows that a filter takes, without the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many there are; `None` when there are so many that they were not all met.
    pub count: Option<u64>,
    /// The lowest number above the one that was asked for, if all were met and there is one.
    pub first: Option<u64>,
    /// The numbers of all of them in order, if all were met and they are not too many.
    pub numbers: Option<Vec<u64>>,
}

/// How many entries of an index a survey goes through that holds all that the filter compares.
pub(super) const WALK: usize = 1_000_000;
/// How many numbers a survey gives.
pub(super) const NUMBERS: usize = 100_000;
/// How many rows one search looks at before it answers with what it has.
pub(super) const LOOK: usize = 100_000;
/// A span of time with at most so many rows is searched by time, a longer one by sequence number.
pub(super) const NARROW: usize = 16_384;
/// So many devices or people are each followed by an index; among more, rows are searched.
pub(super) const FOLLOWED: usize = 16;

impl Filter {
    /// Which devices' clocks could have shown a time that `from` and `to` allow: from the first on and before the
    /// second. `None` when neither is set.
    pub(super) fn clock_span(&self) -> Option<(ClockWord, ClockWord)> {
        if self.from.is_none() && self.to.is_none() {
            return None;
        }
        let from = self.from.map_or(ClockWord(0), |from| match from {
            Bound::Instant(instant) => clock_at(instant.saturating_sub(DAY)),
            Bound::Civil(time) => time,
        });
        let to = self.to.map_or(ClockWord(u32::MAX), |to| match to {
            Bound::Instant(instant) => clock_at(instant.saturating_add(DAY)),
            Bound::Civil(time) => time,
        });
        Some((from, to))
    }

    /// Whether every row is chosen.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this row is chosen.
    #[must_use]
    pub fn takes(&self, row: &Row) -> bool {
        let at = |bound: &Bound| match bound {
            Bound::Instant(instant) => row.record.moment.instant.map(|own| own.cmp(instant)),
            Bound::Civil(time) => Some(row.record.time.cmp(time)),
        };
        (self.devices.is_empty() || self.devices.contains(&row.device_id))
            && (self.users.is_empty() || row.record.user_id.is_some_and(|user| self.users.contains(&user)))
            && (self.serial_numbers.is_empty() || self.serial_numbers.contains(&row.serial_number))
            && self.from.as_ref().is_none_or(|from| at(from).is_some_and(std::cmp::Ordering::is_ge))
            && self.to.as_ref().is_none_or(|to| at(to).is_some_and(std::cmp::Ordering::is_lt))
    }
}

/// No place's clocks are further from UTC, in seconds.
const DAY: i64 = 86_400;

/// What a clock that shows UTC shows then; the nearest that a device can show.
fn clock_at(instant: i64) -> ClockWord {
    let first = PossibleTime::FIRST;
    let Ok(then) = jiff::Timestamp::from_second(instant) else {
        return if instant < 0 { ClockWord::pack(first) } else { ClockWord(u32::MAX) };
    };
    let then = jiff::tz::Offset::UTC.to_datetime(then);
    let field = |number: i8| u8::try_from(number).unwrap_or_default();
    let civil = CivilTime {
        year: u16::try_from(then.year()).unwrap_or_default(),
        month: field(then.month()),
        day: field(then.day()),
        hour: field(then.hour()),
        minute: field(then.minute()),
        second: field(then.second()),
    };
    match PossibleTime::new(civil) {
        Ok(time) => ClockWord::pack(time),
        Err(_) if civil.year < first.civil().year => ClockWord::pack(first),
        Err(_) => ClockWord(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> ClockWord {
        clock_at(text.parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[test]
    fn the_span_holds_every_clock_on_earth() {
        let at = |text: &str| Some(Bound::Instant(text.parse::<jiff::Timestamp>().unwrap().as_second()));
        let filter = Filter { from: at("2024-03-01T00:00:00Z"), to: None, ..Filter::default() };
        let (from, to) = filter.clock_span().unwrap();
        assert_eq!((from, to), (clock("2024-02-29T00:00:00Z"), ClockWord(u32::MAX)));
        let filter = Filter { from: None, to: at("2024-02-28T12:30:01Z"), ..Filter::default() };
        assert_eq!(filter.clock_span().unwrap(), (ClockWord(0), clock("2024-02-29T12:30:01Z")));
        let civil = Some(Bound::Civil(ClockWord(7)));
        let filter = Filter { from: civil, to: civil, ..Filter::default() };
        assert_eq!(filter.clock_span(), Some((ClockWord(7), ClockWord(7))));
        assert_eq!(Filter::default().clock_span(), None);
    }

    #[test]
    fn times_that_no_device_shows_are_beyond_all_that_they_show() {
        assert_eq!(clock("1969-12-31T00:00:00Z"), ClockWord(0));
        assert_eq!(clock("2100-01-01T00:00:00Z"), ClockWord(u32::MAX));
        assert_eq!((clock_at(i64::MIN), clock_at(i64::MAX)), (ClockWord(0), ClockWord(u32::MAX)));
        assert_eq!(clock("2000-01-01T00:00:59Z"), ClockWord(59));
    }
}
