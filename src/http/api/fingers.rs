//! Fingerprints of people: their templates. Only where that is allowed for the device.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::backups::may_touch_templates;
use super::effect::{Act, thorough};
use super::info::ask_thoroughly;
use super::person_access::{nobody, with};
use super::users::who;
use crate::device::templates::{Fingerprint, UploadForm};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::wire::record::UserId;
use crate::wire::record::template::Validity;

/// The option in which a device tells the version of its templates.
pub(super) const VERSION: &str = "~ZKFPVersion";

/// `GET /devices/{id}/templates`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["timeout", "data"])?;
    may_touch_templates(call)?;
    let with_data = call.flag("data")?.unwrap_or(false);
    ask_thoroughly(
        call,
        |session, deadline| {
            let templates = session.templates(deadline)?;
            Ok((session.option(VERSION, deadline)?, session.users(deadline)?, templates))
        },
        move |_, (algorithm, users, templates)| {
            let who: std::collections::HashMap<u16, String> =
                users.iter().map(|user| (user.uid, user.user_id.to_text().into_owned())).collect();
            let data: Vec<Value> = templates
                .iter()
                .map(|template| {
                    let bytes = template.bytes();
                    let mut shown = json!({
                        "user_id": who.get(&template.uid),
                        "uid": template.uid,
                        "finger": template.finger,
                        "use": word(template.validity),
                        "bytes": bytes.expose().len(),
                    });
                    if let (true, Some(members)) = (with_data, shown.as_object_mut()) {
                        members.insert("data".to_owned(), STANDARD.encode(bytes.expose()).into());
                    }
                    shown
                })
                .collect();
            json!({ "count": data.len(), "complete": true, "algorithm": algorithm, "data": data })
        },
    )
}

/// `GET /devices/{id}/users/{user_id}/templates/{finger}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    may_touch_templates(call)?;
    let (who, finger) = (who(call)?, finger(call)?);
    ask_thoroughly(
        call,
        move |session, deadline| {
            let algorithm = session.option(VERSION, deadline)?;
            let found =
                with(session, &who, deadline, |session, person| session.template(person, finger, deadline))?;
            Ok((algorithm, found))
        },
        move |_, (algorithm, found)| {
            let bytes = found.ok_or_else(|| nobody(&who.to_text()))?.ok_or_else(no_template)?;
            Ok(json!({
                "user_id": who.to_text(),
                "finger": finger,
                "algorithm": algorithm,
                "data": STANDARD.encode(bytes.expose()),
            }))
        },
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    data: String,
    algorithm: String,
    #[serde(default, rename = "use")]
    good_for: Use,
}

/// What a finger is to be good for.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Use {
    #[default]
    Valid,
    Duress,
}

impl Use {
    pub(super) const fn validity(self) -> Validity {
        match self {
            Self::Valid => Validity::Valid,
            Self::Duress => Validity::Duress,
        }
    }
}

/// `PUT /devices/{id}/users/{user_id}/templates/{finger}`
pub fn put(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    may_touch_templates(call)?;
    let (who, finger) = (who(call)?, finger(call)?);
    let Wanted { data, algorithm, good_for } = call.body()?;
    let wrong = || {
        Problem::new(422, "invalid_value", "The field data is a template in Base64.").with("field", "data")
    };
    let bytes = STANDARD.decode(data.as_bytes()).map_err(|_| wrong())?;
    let print = Fingerprint::new(finger, good_for.validity(), bytes).map_err(|_| wrong())?;
    let act = act(call, "write_template", &who, finger)?;
    thorough(
        call,
        act,
        move |session, deadline| {
            let here = session.option(VERSION, deadline)?;
            if here.as_deref() != Some(algorithm.as_str()) {
                return Ok(Err(here));
            }
            let written = with(session, &who, deadline, |session, person| {
                session.write_template(person, &print, UploadForm::Single, deadline)
            })?;
            Ok(Ok(written))
        },
        move |done| match done {
            Ok(Some(())) => Ok(json!({ "user_id": who.to_text(), "finger": finger, "written": true })),
            Ok(None) => Err(nobody(&who.to_text())),
            Err(here) => Err(other_algorithm(here)),
        },
    )
}

/// `DELETE /devices/{id}/users/{user_id}/templates/{finger}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    may_touch_templates(call)?;
    let (who, finger) = (who(call)?, finger(call)?);
    let act = act(call, "delete_template", &who, finger)?;
    thorough(
        call,
        act,
        move |session, deadline| {
            with(session, &who, deadline, |session, person| session.delete_template(person, finger, deadline))
        },
        move |done| {
            done.ok_or_else(|| nobody(&who.to_text()))?;
            Ok(json!({ "user_id": who.to_text(), "finger": finger, "deleted": true }))
        },
    )
}

pub(super) fn act(call: &Call, kind: &'static str, who: &UserId, finger: u8) -> Result<Act, Problem> {
    let deadline = call.deadline_or(call.gateway.table_timeout)?;
    Ok(Act { kind, subject: Some(format!("user {}, finger {finger}", who.to_text())), deadline })
}

fn finger(call: &Call) -> Result<u8, Problem> {
    let text = call.segment("finger");
    let finger = text.parse().ok().filter(|finger| *finger <= 9 && text.len() == 1);
    finger.ok_or_else(|| Problem::new(404, "not_found", "Fingers are 0 to 9."))
}

/// The device could not read these templates.
pub(super) fn other_algorithm(here: Option<String>) -> Problem {
    let here = here.unwrap_or_else(|| "that it does not tell".to_owned());
    let detail = format!("The device has templates of version {here}; it could not read these.");
    Problem::new(409, "other_algorithm", detail)
}

fn no_template() -> Problem {
    Problem::new(404, "unknown_template", "The device has no template of this finger.")
}

const fn word(validity: Validity) -> &'static str {
    match validity {
        Validity::Valid => "valid",
        Validity::Duress => "duress",
        Validity::Invalid => "invalid",
        Validity::Other(_) => "other",
    }
}
