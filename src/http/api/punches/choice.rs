//! Which punches: the parameters that pages, the stream and the export share.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::base::ids::DeviceId;
use crate::http::call::{Call, invalid};
use crate::http::problem::Problem;
use crate::journal::civil::possible;
use crate::store::journal::Filter;
use crate::store::journal::query::Bound;
use crate::store::journal::row::parse_user_id;
use crate::wire::clock_word::ClockWord;

/// The largest sequence number that a journal can hold.
pub(super) const SEQ_CEILING: u64 = i64::MAX as u64;
/// The most devices, and the most people, that one request may choose.
const CHOSEN_CEILING: usize = 50;
/// One slot of a civil day in a clock word.
const DAY: u32 = 86_400;

/// `after`: the sequence number behind which to go on.
pub(super) fn after(call: &Call) -> Result<u64, Problem> {
    call.number("after", 0, 0, SEQ_CEILING)
}

/// `device`, `user_id`, `from` and `to`.
pub(super) fn filter(call: &Call) -> Result<Filter, Problem> {
    Ok(Filter {
        devices: devices(call)?,
        users: list(
            call,
            "user_id",
            "user ids of at most 24 bytes, without blanks, are needed",
            parse_user_id,
        )?,
        from: bound(call, "from", Edge::From)?,
        to: bound(call, "to", Edge::To)?,
        ..Filter::default()
    })
}

/// `device`: none for all.
pub fn devices(call: &Call) -> Result<Vec<DeviceId>, Problem> {
    list(call, "device", "device ids are needed", DeviceId::parse)
}

/// A list with commas between its parts.
fn list<T>(
    call: &Call,
    name: &str,
    needed: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Problem> {
    let Some(text) = call.parameter(name) else { return Ok(Vec::new()) };
    let parts: Option<Vec<T>> = text.split(',').take(CHOSEN_CEILING + 1).map(parse).collect();
    parts
        .filter(|parts| parts.len() <= CHOSEN_CEILING)
        .ok_or_else(|| invalid(name, &format!("{needed}, at most {CHOSEN_CEILING} with commas between them")))
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    From,
    To,
}

fn bound(call: &Call, name: &str, edge: Edge) -> Result<Option<Bound>, Problem> {
    let Some(text) = call.parameter(name) else { return Ok(None) };
    let wrong = "a time such as 2026-07-14T05:00:00Z, or civil time of the devices between 2000 and 2099 such as \
                 2026-07-14T08:00:00 or 2026-07-14 is needed";
    moment(text, edge).map(Some).ok_or_else(|| invalid(name, wrong))
}

/// A point in time: everybody's, with `Z` or an offset, or that of the devices' clocks, without.
fn moment(text: &str, edge: Edge) -> Option<Bound> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b"-+:.TtZz ".contains(&b)) {
        return None;
    }
    match text.len() {
        10 => {
            let day = word(&format!("{text}T00:00:00"))?;
            // The day named last is meant whole.
            Some(Bound::Civil(if edge == Edge::To { ClockWord(day.0 + DAY) } else { day }))
        }
        16 | 19 if has_no_zone(text) => word(text).map(Bound::Civil),
        _ => instant(text),
    }
}

fn has_no_zone(text: &str) -> bool {
    let time = text.get(11..).unwrap_or_default();
    time.bytes().all(|b| b.is_ascii_digit() || b == b':')
}

fn word(text: &str) -> Option<ClockWord> {
    let time: DateTime = text.parse().ok()?;
    (2000..=2099).contains(&time.year()).then(|| ClockWord::pack(possible(time)))
}

fn instant(text: &str) -> Option<Bound> {
    // A `+` that was not escaped comes as a blank.
    let sign = text.rfind(' ').filter(|at| *at > 10);
    let text = match sign.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((time, offset)) => format!("{time}+{offset}"),
        None => text.to_owned(),
    };
    let time: Timestamp = text.parse().ok()?;
    // Rows have whole seconds, so what is at or after half past is at or after the next.
    let whole = time.as_second() + i64::from(time.subsec_nanosecond() > 0);
    Some(Bound::Instant(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(text: &str) -> Option<Bound> {
        word(text).map(Bound::Civil)
    }

    #[test]
    fn a_time_with_a_zone_is_everybodys_and_one_without_is_the_devices() {
        for (text, expected) in [
            ("2026-07-14T05:00:00Z", Some(Bound::Instant(1_784_005_200))),
            ("2026-07-14T08:00:00+03:00", Some(Bound::Instant(1_784_005_200))),
            ("2026-07-14T08:00:00 03:00", Some(Bound::Instant(1_784_005_200))),
            ("2026-07-14T01:30:00-03:30", Some(Bound::Instant(1_784_005_200))),
            ("2026-07-14T04:59:59.001Z", Some(Bound::Instant(1_784_005_200))),
            ("1969-12-31T23:59:59.5Z", Some(Bound::Instant(0))),
            ("2026-07-14T08:00:00", civil("2026-07-14T08:00:00")),
            ("2026-07-14 08:00:00", civil("2026-07-14T08:00:00")),
            ("2026-07-14T08:00", civil("2026-07-14T08:00:00")),
            ("", None),
            ("now", None),
            ("2026-07-14T08", None),
            ("2026-02-30", None),
            ("2026-07-14T25:00:00", None),
            ("1999-12-31", None),
            ("2100-01-01T00:00:00", None),
            ("2026-07-14T08:00:00[Asia/Baghdad]", None),
            ("2026-07-14T08:00:00+03:00[Asia/Baghdad]", None),
            ("2026-07-14T08:00:00Z ", None),
        ] {
            assert_eq!(moment(text, Edge::From), expected, "from={text:?}");
            if text.len() != 10 {
                assert_eq!(moment(text, Edge::To), expected, "to={text:?}");
            }
        }
    }

    #[test]
    fn a_day_is_meant_whole() {
        for (day, next) in [
            ("2026-07-14", "2026-07-15T00:00:00"),
            ("2026-07-31", "2026-08-01T00:00:00"),
            ("2026-12-31", "2027-01-01T00:00:00"),
        ] {
            assert_eq!(moment(day, Edge::From), civil(&format!("{day}T00:00:00")), "{day}");
            assert_eq!(moment(day, Edge::To), civil(next), "{day}");
        }
        let Some(Bound::Civil(end)) = moment("2026-02-28", Edge::To) else { panic!("a date") };
        let last = word("2026-02-28T23:59:59").unwrap();
        assert!(last < end && end <= word("2026-03-01T00:00:00").unwrap());
        let Some(Bound::Civil(end)) = moment("2099-12-31", Edge::To) else { panic!("a date") };
        assert!(ClockWord::MAX < end, "the last second that a device can show is in the last day");
    }
}
