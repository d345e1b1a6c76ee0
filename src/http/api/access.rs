//! Who may pass when: groups, time zones and unlock combinations of a device.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::effect::{Act, only, quick};
use super::info::ask;
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::wire::access::{Combination, DaySpan, GroupZones, TimeZone};

/// Numbers of groups.
pub(super) const GROUPS: RangeInclusive<u32> = 1..=99;
/// Numbers of verification styles: what the field holds. Known firmware has 0 to 14.
pub(super) const STYLES: RangeInclusive<u32> = 0..=127;
const ZONES: RangeInclusive<u32> = 1..=TimeZone::LAST as u32;
const COMBINATIONS: RangeInclusive<u32> = 1..=Combination::LAST as u32;
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// Checks a number of the body.
pub(super) fn among(field: &'static str, number: u32, range: RangeInclusive<u32>) -> Result<(), Problem> {
    if range.contains(&number) {
        return Ok(());
    }
    let detail = format!("The field {field} has numbers from {} to {}.", range.start(), range.end());
    Err(Problem::new(422, "invalid_value", detail).with("field", field))
}

/// At most three time zones, each once, as a device takes them.
pub(super) fn zones(chosen: &[u16]) -> Result<[u16; 3], Problem> {
    fields("time_zones", chosen, ZONES)
}

/// The numbers of a body in a device's fields, with zeros behind them.
fn fields<T: Copy + Default + PartialEq + Into<u32>, const N: usize>(
    field: &'static str,
    chosen: &[T],
    range: RangeInclusive<u32>,
) -> Result<[T; N], Problem> {
    let twice = |(at, one): (usize, &T)| chosen.iter().take(at).any(|other| other == one);
    if chosen.len() > N || chosen.iter().enumerate().any(twice) {
        let detail = format!("The field {field} has at most {N} numbers, each once.");
        return Err(Problem::new(422, "invalid_value", detail).with("field", field));
    }
    let mut fields = [T::default(); N];
    for (place, one) in fields.iter_mut().zip(chosen) {
        among(field, (*one).into(), range.clone())?;
        *place = *one;
    }
    Ok(fields)
}

/// The number that the path names.
pub(super) fn numbered(call: &Call, what: &str, range: RangeInclusive<u32>) -> Result<u32, Problem> {
    let text = call.segment("n");
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| {
        let detail = format!("There are {what} from {} to {}.", range.start(), range.end());
        Problem::new(404, "not_found", detail)
    })
}

/// A number that was checked to fit.
fn small<T: TryFrom<u32>>(number: u32) -> Result<T, Problem> {
    T::try_from(number).map_err(|_| Problem::new(404, "not_found", "There is no such number."))
}

/// `GET /devices/{id}/access/groups/{n}`
pub fn group(call: &mut Call) -> Handled {
    let group = small(numbered(call, "groups", GROUPS)?)?;
    ask(
        call,
        move |session, deadline| session.group_zones(group, deadline),
        |_, group| Ok(shown_group(&group)),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedGroup {
    time_zones: Vec<u16>,
    holidays: bool,
    verify_style: u8,
}

/// `PUT /devices/{id}/access/groups/{n}`
pub fn set_group(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let group = small(numbered(call, "groups", GROUPS)?)?;
    let WantedGroup { time_zones, holidays, verify_style } = call.body()?;
    among("verify_style", u32::from(verify_style), STYLES)?;
    let wanted = GroupZones { group, zones: zones(&time_zones)?, holidays, verify_style };
    let act = Act { kind: "set_group", subject: Some(group.to_string()), deadline: call.deadline()? };
    quick(
        call,
        act,
        move |session, deadline| session.set_group_zones(wanted, deadline),
        move |()| Ok(shown_group(&wanted)),
    )
}

fn shown_group(group: &GroupZones) -> Value {
    let GroupZones { group, zones, holidays, verify_style } = group;
    let zones: Vec<u16> = zones.iter().copied().filter(|zone| *zone != 0).collect();
    json!({ "group": group, "time_zones": zones, "holidays": holidays, "verify_style": verify_style })
}

/// `GET /devices/{id}/access/time-zones/{n}`
pub fn time_zone(call: &mut Call) -> Handled {
    let index = small(numbered(call, "time zones", ZONES)?)?;
    ask(call, move |session, deadline| session.time_zone(index, deadline), |_, zone| Ok(shown_zone(&zone)))
}

/// The times of a week; `null` for a day on which nobody passes.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Week {
    #[serde(deserialize_with = "Option::deserialize")]
    sunday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    monday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    tuesday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    wednesday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    thursday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    friday: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    saturday: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedZone {
    days: Week,
}

/// `PUT /devices/{id}/access/time-zones/{n}`
pub fn set_time_zone(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let index = small(numbered(call, "time zones", ZONES)?)?;
    let WantedZone { days } = call.body()?;
    let Week { sunday, monday, tuesday, wednesday, thursday, friday, saturday } = days;
    let mut wanted = TimeZone { index, days: [DaySpan::NEVER; 7] };
    let week = [sunday, monday, tuesday, wednesday, thursday, friday, saturday];
    for ((day, text), name) in wanted.days.iter_mut().zip(week).zip(DAYS) {
        if let Some(text) = text {
            *day = span(&text).ok_or_else(|| {
                let detail = format!(
                    "A day has a time such as 08:00-17:30 that ends after it begins, or null for never; {name} has \
                     something else."
                );
                Problem::new(422, "invalid_value", detail).with("field", format!("days.{name}"))
            })?;
        }
    }
    let act = Act { kind: "set_time_zone", subject: Some(index.to_string()), deadline: call.deadline()? };
    quick(
        call,
        act,
        move |session, deadline| session.set_time_zone(&wanted, deadline),
        move |()| Ok(shown_zone(&wanted)),
    )
}

/// `08:00-17:30`
fn span(text: &str) -> Option<DaySpan> {
    let (from, to) = text.split_once('-')?;
    let span = DaySpan { from: moment(from)?, to: moment(to)? };
    (span.exists() && span.from <= span.to).then_some(span)
}

/// `08:00`
fn moment(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    };
    Some((two(hour)?, two(minute)?))
}

fn shown_zone(zone: &TimeZone) -> Value {
    let day = |day: &DaySpan| {
        let DaySpan { from, to } = day;
        let never = to < from && day.exists();
        (!never).then(|| format!("{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1))
    };
    let days: serde_json::Map<String, Value> =
        DAYS.iter().zip(&zone.days).map(|(name, span)| ((*name).to_owned(), day(span).into())).collect();
    json!({ "time_zone": zone.index, "days": days })
}

/// `GET /devices/{id}/access/combinations/{n}`
pub fn combination(call: &mut Call) -> Handled {
    let index = small(numbered(call, "combinations", COMBINATIONS)?)?;
    ask(
        call,
        move |session, deadline| session.combination(index, deadline),
        |_, combination| Ok(shown_combination(&combination)),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedCombination {
    groups: Vec<u8>,
}

/// `PUT /devices/{id}/access/combinations/{n}`
pub fn set_combination(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let index = small(numbered(call, "combinations", COMBINATIONS)?)?;
    let WantedCombination { groups } = call.body()?;
    let wanted = Combination { index, groups: fields("groups", &groups, GROUPS)? };
    let act = Act { kind: "set_combination", subject: Some(index.to_string()), deadline: call.deadline()? };
    quick(
        call,
        act,
        move |session, deadline| session.set_combination(wanted, deadline),
        move |()| Ok(shown_combination(&wanted)),
    )
}

fn shown_combination(combination: &Combination) -> Value {
    let groups: Vec<u8> = combination.groups.iter().copied().filter(|group| *group != 0).collect();
    json!({ "combination": combination.index, "groups": groups })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    #[serde(default)]
    confirm: bool,
}

/// Refuses what nobody can undo unless it is confirmed.
pub(super) fn sure(confirm: bool, what: &str) -> Result<(), Problem> {
    if confirm {
        return Ok(());
    }
    Err(Problem::new(
        409,
        "confirmation_needed",
        format!("{what} To do it, ask again with \"confirm\": true."),
    ))
}

/// `POST /devices/{id}/access/clear`
pub fn clear(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Confirmed { confirm } = call.body()?;
    call.device()?;
    sure(confirm, "This puts all groups, time zones and combinations back to what a new device has.")?;
    let act = Act { kind: "clear_access", subject: None, deadline: call.deadline()? };
    quick(call, act, |session, deadline| session.clear_access(deadline), |()| Ok(only("cleared")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_days_time_is_read_exactly() {
        for (text, is) in [
            ("08:00-17:30", true),
            ("00:00-23:59", true),
            ("12:00-12:00", true),
            ("17:00-08:00", false),
            ("24:00-24:00", false),
            ("8:00-17:30", false),
            ("+8:00-17:30", false),
            ("08:00", false),
            ("08:60-09:00", false),
            ("", false),
        ] {
            assert_eq!(span(text).is_some(), is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_days_time_or_not(text in "\\PC{0,16}") {
            if let Some(span) = span(&text) {
                let shown = shown_zone(&TimeZone { index: 1, days: [span; 7] });
                prop_assert_eq!(shown["days"]["friday"].as_str(), Some(text.as_str()));
            }
        }

        #[test]
        fn numbers_fit_their_fields_or_are_refused(chosen in proptest::collection::vec(any::<u16>(), 0..6)) {
            if let Ok(fields) = zones(&chosen) {
                prop_assert_eq!(&fields[..chosen.len()], &chosen[..]);
                prop_assert!(chosen.iter().all(|zone| (1..=50).contains(zone)));
            }
        }
    }
}
