//! Access control: groups, time zones, combinations, and how people are verified. Every write is verified by
//! reading back.

use serde_json::{Map, Value, json};

use super::Caller;
use super::access_grammar::{Combination, Group, TimeZone, VerifyStyle, ZoneDays, shown};
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::device::access;
use crate::wire::access as wire;

/// The days of a zone, from Sunday.
pub(in crate::cli) const DAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

pub(super) fn group(caller: Caller<'_>, group: &Group) -> Done {
    match group {
        Group::Show { group } => {
            let zones =
                caller.work(|line| line.read(|session, deadline| session.group_zones(*group, deadline)))?;
            show_group(caller.out, zones)
        }
        Group::Set { group, zones, verify_style, holidays } => {
            let wanted = caller.work(|line| {
                let known = line.read(|session, deadline| session.group_zones(*group, deadline))?;
                let wanted = wire::GroupZones {
                    group: *group,
                    zones: zones.as_deref().map_or(known.zones, filled),
                    holidays: holidays.unwrap_or(known.holidays),
                    verify_style: verify_style.unwrap_or(known.verify_style),
                };
                line.effect(|session, deadline| session.set_group_zones(wanted, deadline))?;
                Ok(wanted)
            })?;
            show_group(caller.out, wanted)
        }
        Group::Of { user_id, set } => {
            let group = caller.work(|line| {
                let person = line.person(user_id)?;
                if let Some(group) = set {
                    line.effect(|session, deadline| session.set_group_of(&person, *group, deadline))?;
                    return Ok(*group);
                }
                line.read(|session, deadline| session.group_of(&person, deadline))
            })?;
            show_group_of(caller.out, user_id, group)
        }
    }
}

pub(in crate::cli) fn show_group_of(out: Output, user_id: &str, group: u8) -> Done {
    let object = json!({ "user_id": user_id, "group": group });
    out.done(&object, &format!("user {user_id} is in group {group}"))
}

pub(in crate::cli) fn show_group(out: Output, zones: wire::GroupZones) -> Done {
    let object = json!({
        "group": zones.group, "time_zones": named(zones.zones), "holidays": zones.holidays,
        "verify_style": zones.verify_style,
    });
    let pairs = [
        ("group", Some(zones.group.to_string())),
        ("time zones", Some(list(zones.zones))),
        ("holidays", Some(if zones.holidays { "count" } else { "do not count" }.to_owned())),
        ("verify style", Some(zones.verify_style.to_string())),
    ];
    out.one(&object, &pairs)
}

pub(super) fn time_zone(caller: Caller<'_>, zone: &TimeZone) -> Done {
    match zone {
        TimeZone::Show { zone } => {
            let zone =
                caller.work(|line| line.read(|session, deadline| session.time_zone(*zone, deadline)))?;
            show_zone(caller.out, zone.index, zone.days.map(shown))
        }
        TimeZone::Set(days) => {
            let chosen = chosen(days)?;
            let wanted = caller.work(|line| {
                let mut zone = line.read(|session, deadline| session.time_zone(days.zone, deadline))?;
                for (day, chosen) in zone.days.iter_mut().zip(chosen) {
                    *day = chosen.unwrap_or(*day);
                }
                zone.index = days.zone;
                line.effect(|session, deadline| session.set_time_zone(&zone, deadline))?;
                Ok(zone)
            })?;
            show_zone(caller.out, wanted.index, wanted.days.map(shown))
        }
        TimeZone::Of { user_id, set } => {
            let wanted = set.as_deref().map(zones_of).transpose()?;
            let zones = caller.work(|line| {
                let person = line.person(user_id)?;
                if let Some(zones) = wanted {
                    line.effect(|session, deadline| session.set_zones_of(&person, zones, deadline))?;
                    return Ok(zones);
                }
                line.read(|session, deadline| session.zones_of(&person, deadline))
            })?;
            show_zones_of(caller.out, user_id, zones)
        }
    }
}

pub(in crate::cli) fn show_zones_of(out: Output, user_id: &str, zones: wire::PersonZones) -> Done {
    let object = json!({ "user_id": user_id, "own": zones.own, "time_zones": named(zones.zones) });
    let sentence = match zones.own {
        true => format!("user {user_id} has the time zones {}", list(zones.zones)),
        false => format!("user {user_id} has the time zones of their group"),
    };
    out.done(&object, &sentence)
}

/// The days' times from Sunday.
pub(in crate::cli) fn show_zone(out: Output, zone: u16, spans: [String; 7]) -> Done {
    let mut object: Map<String, Value> =
        DAYS.iter().zip(&spans).map(|(day, span)| ((*day).to_owned(), json!(span))).collect();
    object.insert("time_zone".to_owned(), zone.into());
    let mut pairs = vec![("time zone", Some(zone.to_string()))];
    pairs.extend(DAYS.into_iter().zip(spans).map(|(day, span)| (day, Some(span))));
    out.one(&object, &pairs)
}

/// The days that are to be changed, from Sunday.
pub(in crate::cli) fn chosen(days: &ZoneDays) -> Done<[Option<wire::DaySpan>; 7]> {
    let ZoneDays { all, sunday, monday, tuesday, wednesday, thursday, friday, saturday, .. } = *days;
    let chosen = [sunday, monday, tuesday, wednesday, thursday, friday, saturday].map(|day| day.or(all));
    match chosen.iter().any(Option::is_some) {
        true => Ok(chosen),
        false => Err(Failure::misused("name a day, such as --monday 08:00-17:30, or --all")),
    }
}

pub(super) fn combination(caller: Caller<'_>, combination: &Combination) -> Done {
    let combination = match combination {
        Combination::Show { combination } => {
            caller.work(|line| line.read(|session, deadline| session.combination(*combination, deadline)))?
        }
        Combination::Set { combination, groups } => {
            let wanted = wire::Combination { index: *combination, groups: filled(groups) };
            caller.work(|line| line.effect(|session, deadline| session.set_combination(wanted, deadline)))?;
            wanted
        }
    };
    show_combination(caller.out, combination)
}

pub(in crate::cli) fn show_combination(out: Output, combination: wire::Combination) -> Done {
    let groups: Vec<u8> = combination.groups.into_iter().filter(|group| *group > 0).collect();
    let sentence = match groups.as_slice() {
        [] => format!("combination {} is not used", combination.index),
        groups => {
            let groups: Vec<_> = groups.iter().map(u8::to_string).collect();
            format!("combination {} is one each of the groups {}", combination.index, groups.join(", "))
        }
    };
    out.done(&json!({ "combination": combination.index, "groups": groups }), &sentence)
}

pub(super) fn verify_style(caller: Caller<'_>, style: &VerifyStyle) -> Done {
    let wanted = style.set.as_deref().map(style_of).transpose()?;
    let found = caller.work(|line| {
        let person = line.person(&style.user_id)?;
        if let Some(wanted) = wanted {
            line.effect(|session, deadline| session.set_verify_style(&person, wanted, deadline))?;
            return Ok(wanted);
        }
        line.read(|session, deadline| session.verify_style(&person, deadline))
    })?;
    show_style(caller.out, &style.user_id, found)
}

pub(in crate::cli) fn show_style(out: Output, user_id: &str, style: access::VerifyStyle) -> Done {
    let (value, words) = match style {
        access::VerifyStyle::Group => (json!("group"), "as their group is".to_owned()),
        access::VerifyStyle::Own(number) => (json!(number), format!("in the way {number}")),
    };
    let object = json!({ "user_id": user_id, "verify_style": value });
    out.done(&object, &format!("user {user_id} is verified {words}"))
}

pub(in crate::cli) fn style_of(text: &str) -> Done<access::VerifyStyle> {
    let own = text.parse().ok().filter(|style| *style < 128).map(access::VerifyStyle::Own);
    let style = if text == "group" { Some(access::VerifyStyle::Group) } else { own };
    style.ok_or_else(|| Failure::misused("a style is a number from 0 to 127, or group"))
}

pub(in crate::cli) fn zones_of(text: &str) -> Done<wire::PersonZones> {
    if text == "group" {
        return Ok(wire::PersonZones { own: false, zones: [0; 3] });
    }
    let zones: Option<Vec<u16>> = text.split(',').map(|zone| zone.trim().parse().ok()).collect();
    let zones = zones.filter(|zones| zones.len() <= 3 && zones.iter().all(|zone| *zone > 0));
    let zones = zones.ok_or_else(|| {
        Failure::misused("one to three numbers with commas between them, or group, are needed")
    })?;
    Ok(wire::PersonZones { own: true, zones: filled(&zones) })
}

/// What there is, and 0 for the rest.
pub(in crate::cli) fn filled<T: Copy + Default, const N: usize>(given: &[T]) -> [T; N] {
    let mut all = [T::default(); N];
    all.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
    all
}

pub(in crate::cli) fn named(zones: [u16; 3]) -> Vec<u16> {
    zones.into_iter().filter(|zone| *zone > 0).collect()
}

fn list(zones: [u16; 3]) -> String {
    let zones: Vec<_> = named(zones).iter().map(u16::to_string).collect();
    if zones.is_empty() { "none".to_owned() } else { zones.join(", ") }
}
