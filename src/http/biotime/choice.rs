//! Which punches: the filters of that server, by civil time and with both ends of a span in it.

use jiff::civil::DateTime;

use super::given;
use crate::base::ids::DeviceId;
use crate::http::call::Call;
use crate::journal::civil::possible;
use crate::store::journal::Filter;
use crate::store::journal::listing::Order;
use crate::store::journal::query::Bound;
use crate::store::journal::row::parse_user_id;
use crate::wire::clock_word::ClockWord;

/// What is chosen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen {
    /// What this filter takes.
    These(Filter),
    /// Nothing: there is no such device, or there can be no such person.
    Nothing,
}

/// Reads the filters.
///
/// # Errors
/// The name of the parameter that makes no sense.
pub(super) fn chosen(call: &Call) -> Result<Chosen, &'static str> {
    let given = |name| given(call, name);
    let bound = |name, edge| given(name).map(|text| moment(text, edge).ok_or(name)).transpose();
    let mut filter = Filter {
        from: bound("start_time", Edge::Start)?,
        to: bound("end_time", Edge::End)?,
        serial_numbers: given("terminal_sn").into_iter().map(str::to_owned).collect(),
        ..Filter::default()
    };
    if let Some(code) = given("emp_code") {
        let Some(user) = parse_user_id(code) else { return Ok(Chosen::Nothing) };
        filter.users.push(user);
    }
    if let Some(alias) = given("terminal_alias") {
        filter.devices = named(call, alias);
        if filter.devices.is_empty() {
            return Ok(Chosen::Nothing);
        }
    }
    Ok(Chosen::These(filter))
}

/// In which order: what arrived last comes first where the newest is asked for first, by whatever.
pub(super) fn order(call: &Call) -> Order {
    match call.parameter("ordering") {
        Some("-id" | "-upload_time" | "-punch_time") => Order::NewestFirst,
        _ => Order::OldestFirst,
    }
}

/// The devices with this name.
fn named(call: &Call, alias: &str) -> Vec<DeviceId> {
    let devices = call.gateway.store.devices();
    devices.iter().filter(|device| device.name == alias).map(|device| device.id.clone()).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Edge {
    Start,
    End,
}

/// A civil time. Both ends belong to the span, and rows have whole seconds.
fn moment(text: &str, edge: Edge) -> Option<Bound> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b"-:.T ".contains(&b)) {
        return None;
    }
    let time: DateTime = match text.len() {
        10 => format!("{text}T00:00:00").parse().ok()?,
        16.. => text.parse().ok()?,
        _ => return None,
    };
    let later = u32::from(edge == Edge::End || time.subsec_nanosecond() > 0);
    let word = match time.year() {
        ..2000 => return Some(Bound::Civil(ClockWord(0))),
        2000..=2099 => ClockWord::pack(possible(time)).0 + later,
        2100.. => u32::MAX,
    };
    Some(Bound::Civil(ClockWord(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_span_are_in_it() {
        let word = |text: &str| ClockWord::pack(possible(text.parse().unwrap())).0;
        let eight = word("2026-07-14T08:00:00");
        for (text, start, end) in [
            ("2026-07-14 08:00:00", Some(eight), Some(eight + 1)),
            ("2026-07-14T08:00:00", Some(eight), Some(eight + 1)),
            ("2026-07-14 08:00", Some(eight), Some(eight + 1)),
            ("2026-07-14 08:00:00.000", Some(eight), Some(eight + 1)),
            ("2026-07-14 08:00:00.5", Some(eight + 1), Some(eight + 1)),
            ("2026-07-14", Some(eight - 8 * 3600), Some(eight - 8 * 3600 + 1)),
            ("1999-12-31 23:59:59", Some(0), Some(0)),
            ("2100-01-01 00:00:00", Some(u32::MAX), Some(u32::MAX)),
            ("2026-02-30", None, None),
            ("2026-07-14 25:00:00", None, None),
            ("2026-07-14T08:00:00Z", None, None),
            ("2026-07-14T08:00:00+03:00", None, None),
            ("yesterday", None, None),
            ("2026", None, None),
        ] {
            let bound = |word: Option<u32>| word.map(|word| Bound::Civil(ClockWord(word)));
            assert_eq!(moment(text, Edge::Start), bound(start), "start_time={text}");
            assert_eq!(moment(text, Edge::End), bound(end), "end_time={text}");
        }
    }
}
