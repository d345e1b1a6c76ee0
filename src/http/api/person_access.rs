//! When one person may pass, and how they are verified.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::access::{GROUPS, STYLES, among, zones};
use super::effect::{Act, thorough};
use super::info::ask_thoroughly;
use super::users::who;
use crate::base::deadline::Deadline;
use crate::device::access::VerifyStyle;
use crate::device::{DeviceError, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::wire::access::PersonZones;
use crate::wire::record::UserId;
use crate::wire::record::user_record::UserRecord;

/// Nobody on the device has this id.
pub(super) fn nobody(user_id: &str) -> Problem {
    let shown: String = user_id.chars().filter(char::is_ascii_graphic).take(24).collect();
    Problem::new(404, "unknown_user", format!("Nobody on the device has the user id {shown}."))
}

/// Does something with a person, or finds that nobody has the id.
pub(super) fn with<T>(
    session: &mut Session,
    user_id: &UserId,
    deadline: Deadline,
    act: impl FnOnce(&mut Session, &UserRecord) -> Result<T, DeviceError>,
) -> Result<Option<T>, DeviceError> {
    let Some(person) = session.user(user_id, deadline)? else { return Ok(None) };
    act(session, &person).map(Some)
}

/// `GET /devices/{id}/users/{user_id}/access`
pub fn show(call: &mut Call) -> Handled {
    let user_id = who(call)?;
    ask_person(
        call,
        user_id,
        |session, person, deadline| {
            Ok((session.group_of(person, deadline)?, session.zones_of(person, deadline)?))
        },
        |(group, zones)| json!({ "group": group, "time_zones": shown(&zones) }),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    group: Option<u8>,
    #[serde(default, deserialize_with = "given")]
    time_zones: Option<Option<Vec<u16>>>,
}

/// Null is something that is said.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `PUT /devices/{id}/users/{user_id}/access`
pub fn set(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let user_id = who(call)?;
    let Wanted { group, time_zones } = call.body()?;
    if group.is_none() && time_zones.is_none() {
        return Err(Problem::bad_request("invalid_body", "The body needs group, time_zones, or both."));
    }
    if let Some(group) = group {
        among("group", u32::from(group), GROUPS)?;
    }
    let wanted = time_zones
        .map(|chosen| match chosen {
            None => Ok(PersonZones { own: false, zones: [0; 3] }),
            Some(chosen) if chosen.is_empty() => {
                let detail = "A person has 1 to 3 time zones of their own, or null for those of their group.";
                Err(Problem::new(422, "invalid_value", detail).with("field", "time_zones"))
            }
            Some(mut chosen) => {
                // Some devices keep a set, which has no order.
                chosen.sort_unstable();
                zones(&chosen).map(|zones| PersonZones { own: true, zones })
            }
        })
        .transpose()?;
    let act =
        Act { kind: "set_access", subject: Some(user_id.to_text().into_owned()), deadline: call.deadline()? };
    let who = user_id;
    thorough(
        call,
        act,
        move |session, deadline| {
            with(session, &user_id, deadline, |session, person| {
                session.set_access_of(person, (group, wanted), deadline)
            })
        },
        move |done| {
            let (group, zones) = done.ok_or_else(|| nobody(&who.to_text()))?;
            Ok(json!({ "user_id": who.to_text(), "group": group, "time_zones": shown(&zones) }))
        },
    )
}

/// `GET /devices/{id}/users/{user_id}/verify-style`
pub fn style(call: &mut Call) -> Handled {
    let user_id = who(call)?;
    ask_person(
        call,
        user_id,
        |session, person, deadline| session.verify_style(person, deadline),
        |style| json!({ "verify_style": number(style) }),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Style {
    #[serde(deserialize_with = "Option::deserialize")]
    verify_style: Option<u8>,
}

/// `PUT /devices/{id}/users/{user_id}/verify-style`
pub fn set_style(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let user_id = who(call)?;
    let Style { verify_style } = call.body()?;
    if let Some(style) = verify_style {
        among("verify_style", u32::from(style), STYLES)?;
    }
    let style = verify_style.map_or(VerifyStyle::Group, VerifyStyle::Own);
    let subject = Some(user_id.to_text().into_owned());
    let act = Act { kind: "set_verify_style", subject, deadline: call.deadline()? };
    thorough(
        call,
        act,
        move |session, deadline| {
            with(session, &user_id, deadline, |session, person| {
                session.set_verify_style(person, style, deadline)
            })
        },
        move |done| {
            done.ok_or_else(|| nobody(&user_id.to_text()))?;
            Ok(json!({ "user_id": user_id.to_text(), "verify_style": verify_style }))
        },
    )
}

fn ask_person<T: Send + 'static>(
    call: &mut Call,
    user_id: UserId,
    question: impl Fn(&mut Session, &UserRecord, Deadline) -> Result<T, DeviceError> + Send + 'static,
    shape: impl FnOnce(T) -> Value + Send + 'static,
) -> Handled {
    call.allow(&["timeout"])?;
    ask_thoroughly(
        call,
        move |session, deadline| {
            with(session, &user_id, deadline, |session, person| question(session, person, deadline))
        },
        move |_, found| {
            found.map(shape).ok_or_else(|| nobody(&user_id.to_text())).map(|mut told| {
                if let Some(members) = told.as_object_mut() {
                    members.insert("user_id".to_owned(), user_id.to_text().into());
                }
                told
            })
        },
    )
}

/// `null` for those of the group.
fn shown(zones: &PersonZones) -> Value {
    if zones.own { zones.zones.iter().filter(|zone| **zone != 0).copied().collect() } else { Value::Null }
}

const fn number(style: VerifyStyle) -> Option<u8> {
    match style {
        VerifyStyle::Group => None,
        VerifyStyle::Own(style) => Some(style),
    }
}
