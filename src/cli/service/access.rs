//! Access control of a device, through the service: the same sheets and sentences as from the device itself.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Client, segment};
use crate::cli::device::access::{self as sheets, DAYS, filled, named};
use crate::cli::device::access_grammar::{Combination, Group, TimeZone, VerifyStyle, ZoneDays, shown};
use crate::cli::failure::Done;
use crate::cli::output::Output;
use crate::device::access as known;
use crate::wire::access::{self as wire, DaySpan};

/// A device that is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) out: Output,
    /// The device's path.
    pub(super) path: &'a str,
    pub(super) timeout: Option<Duration>,
}

impl Asked<'_> {
    /// A path below the device's.
    pub(super) fn of(&self, what: &str) -> String {
        format!("{}{what}", self.path)
    }

    /// A path below that of a person.
    pub(super) fn person(&self, user_id: &str, what: &str) -> String {
        self.of(&format!("/users/{}{what}", segment(user_id)))
    }
}

#[derive(Deserialize)]
struct GroupSheet {
    group: u8,
    time_zones: Vec<u16>,
    holidays: bool,
    verify_style: u8,
}

#[derive(Deserialize)]
struct PersonSheet {
    group: u8,
    /// `None` for those of the group.
    time_zones: Option<Vec<u16>>,
}

pub(super) fn group(asked: Asked<'_>, group: &Group) -> Done {
    let Asked { client, out, timeout, .. } = asked;
    let path = |group: &u8| asked.of(&format!("/access/groups/{group}"));
    let sheet: GroupSheet = match group {
        Group::Show { group } => client.get(&path(group), timeout)?,
        Group::Set { group, zones, verify_style, holidays } => {
            let found: GroupSheet = client.get(&path(group), timeout)?;
            let body = json!({
                "time_zones": zones.clone().unwrap_or(found.time_zones),
                "holidays": holidays.unwrap_or(found.holidays),
                "verify_style": verify_style.unwrap_or(found.verify_style),
            });
            client.put(&path(group), Some(&body), timeout)?
        }
        Group::Of { user_id, set } => {
            let person = person(asked, user_id, set.map(|group| json!({ "group": group })))?;
            return sheets::show_group_of(out, user_id, person.group);
        }
    };
    let GroupSheet { group, time_zones, holidays, verify_style } = sheet;
    sheets::show_group(out, wire::GroupZones { group, zones: filled(&time_zones), holidays, verify_style })
}

/// What a person may, after something was set or without.
fn person(asked: Asked<'_>, user_id: &str, set: Option<Value>) -> Done<PersonSheet> {
    let path = asked.person(user_id, "/access");
    match set {
        Some(body) => asked.client.put(&path, Some(&body), asked.timeout),
        None => asked.client.get(&path, asked.timeout),
    }
}

/// A day on which nobody passes has no times.
#[derive(Deserialize)]
struct ZoneSheet {
    time_zone: u16,
    days: Map<String, Value>,
}

pub(super) fn time_zone(asked: Asked<'_>, zone: &TimeZone) -> Done {
    let Asked { client, out, timeout, .. } = asked;
    let path = |zone: &u16| asked.of(&format!("/access/time-zones/{zone}"));
    let sheet: ZoneSheet = match zone {
        TimeZone::Show { zone } => client.get(&path(zone), timeout)?,
        TimeZone::Set(days) => {
            let chosen = sheets::chosen(days)?;
            let ZoneDays { zone, .. } = days;
            let mut week = client.get::<ZoneSheet>(&path(zone), timeout)?.days;
            for (day, span) in DAYS.iter().zip(chosen) {
                if let Some(span) = span {
                    let never = span == DaySpan::NEVER;
                    week.insert((*day).to_owned(), if never { Value::Null } else { times(span).into() });
                }
            }
            client.put(&path(zone), Some(&json!({ "days": week })), timeout)?
        }
        TimeZone::Of { user_id, set } => {
            let wanted = set.as_deref().map(sheets::zones_of).transpose()?;
            let wanted = wanted.map(|zones| zones.own.then(|| named(zones.zones)));
            let found = person(asked, user_id, wanted.map(|zones| json!({ "time_zones": zones })))?;
            let own = found.time_zones.is_some();
            let zones = filled(&found.time_zones.unwrap_or_default());
            return sheets::show_zones_of(out, user_id, wire::PersonZones { own, zones });
        }
    };
    let always = times(DaySpan::ALWAYS);
    let spans = DAYS.map(|day| match sheet.days.get(day).and_then(Value::as_str) {
        None => shown(DaySpan::NEVER),
        Some(times) if times == always => shown(DaySpan::ALWAYS),
        Some(times) => times.to_owned(),
    });
    sheets::show_zone(out, sheet.time_zone, spans)
}

/// Times as the API has them, also for a whole day.
fn times(span: DaySpan) -> String {
    let DaySpan { from, to } = span;
    format!("{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
}

#[derive(Deserialize)]
struct CombinationSheet {
    combination: u8,
    groups: Vec<u8>,
}

pub(super) fn combination(asked: Asked<'_>, combination: &Combination) -> Done {
    let Asked { client, out, timeout, .. } = asked;
    let path = |number: &u8| asked.of(&format!("/access/combinations/{number}"));
    let sheet: CombinationSheet = match combination {
        Combination::Show { combination } => client.get(&path(combination), timeout)?,
        Combination::Set { combination, groups } => {
            client.put(&path(combination), Some(&json!({ "groups": groups })), timeout)?
        }
    };
    let CombinationSheet { combination: index, groups } = sheet;
    sheets::show_combination(out, wire::Combination { index, groups: filled(&groups) })
}

/// `None` for that of the group.
#[derive(Deserialize)]
struct StyleSheet {
    verify_style: Option<u8>,
}

pub(super) fn verify_style(asked: Asked<'_>, style: &VerifyStyle) -> Done {
    let path = asked.person(&style.user_id, "/verify-style");
    let sheet: StyleSheet = match style.set.as_deref().map(sheets::style_of).transpose()? {
        None => asked.client.get(&path, asked.timeout)?,
        Some(wanted) => {
            let number = match wanted {
                known::VerifyStyle::Group => None,
                known::VerifyStyle::Own(number) => Some(number),
            };
            asked.client.put(&path, Some(&json!({ "verify_style": number })), asked.timeout)?
        }
    };
    let style_is = sheet.verify_style.map_or(known::VerifyStyle::Group, known::VerifyStyle::Own);
    sheets::show_style(asked.out, &style.user_id, style_is)
}
