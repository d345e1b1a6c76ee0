//! Backups of devices: made, listed, handed out as they are, and deleted.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::effect::{Act, long};
use super::take_backup::{PARTS, With, take};
use super::view::moment;
use crate::base::ids::DeviceId;
use crate::base::scope::Scope;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::gateway::Gateway;
use crate::http::problem::{Problem, sentence};
use crate::http::reply::json as as_json;
use crate::http::response::{Answer, ContentType};
use crate::operations::Ending;
use crate::store::backups::{BackupError, Content, Entry, Label, Name};
use crate::store::sealer::SealError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    templates: bool,
    #[serde(default)]
    settings: bool,
}

/// `POST /devices/{id}/backups`
pub fn create(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let Wanted { templates, settings } = call.body()?;
    let with = With { templates, settings };
    if templates {
        may_touch_templates(call)?;
    }
    let act = Act { kind: "backup", subject: None, deadline: call.deadline_or(call.gateway.max_timeout)? };
    let (gateway, id) = (Arc::clone(&call.gateway), device.id.clone());
    long(call, act, move |session, deadline, between, ticket| {
        let mut progress = |done| ticket.progress(done, PARTS);
        let taken = take(session, with, deadline, between, &mut progress)?;
        Ok(match taken.keep(&gateway, &id) {
            Ok(entry) => Ending::done(view(&entry)),
            Err(problem) => Ending::failed(problem.to_json()),
        })
    })
}

/// Whether this token and the device in the path allow it.
pub(super) fn may_touch_templates(call: &Call) -> Result<(), Problem> {
    may_touch_templates_of(call, &call.device()?.id)
}

/// Whether this token and this device allow it.
pub(super) fn may_touch_templates_of(call: &Call, id: &DeviceId) -> Result<(), Problem> {
    if !call.who.may(Scope::Biometric) {
        let detail = "This token does not allow it; one with the scope biometric is needed.";
        return Err(Problem::new(403, "scope_needed", detail).with("scope", "biometric"));
    }
    if !call.gateway.device_settings.of(id).biometrics {
        let detail = "Templates are off for this device; whoever may, sets biometrics in its settings.";
        return Err(Problem::new(403, "biometrics_off", detail).about(id));
    }
    Ok(())
}

/// `GET /backups`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let all = call.gateway.backups.list().map_err(|error| of_backup(&error))?;
    let data: Vec<Value> = all.iter().map(view).collect();
    Ok(Outcome::Now(as_json(200, &json!({ "count": data.len(), "data": data }))))
}

/// `GET /backups/{id}`
pub fn one(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let name = name(call)?;
    let entry = call.gateway.backups.entry(&name).map_err(|error| of_backup(&error))?;
    Ok(Outcome::Now(as_json(200, &view(&entry))))
}

/// `GET /backups/{id}/file`
pub fn download(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let name = name(call)?;
    let file = call.gateway.backups.file(&name).map_err(|error| of_backup(&error))?;
    Ok(Outcome::Now(Answer::stream(200, ContentType::Bytes, file)))
}

/// `DELETE /backups/{id}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&[])?;
    call.no_body()?;
    let name = name(call)?;
    call.gateway.backups.remove(&name).map_err(|error| of_backup(&error))?;
    Ok(Outcome::Now(Answer::empty(204)))
}

/// The backup that a name means.
pub(super) fn named(gateway: &Gateway, text: &str) -> Result<(Label, Content), Problem> {
    let name = Name::parse(text).ok_or_else(|| Problem::none("backup", text))?;
    gateway.backups.read(&name).map_err(|error| of_backup(&error))
}

fn name(call: &Call) -> Result<Name, Problem> {
    let text = call.segment("id");
    Name::parse(text).ok_or_else(|| Problem::none("backup", text))
}

pub(super) fn of_backup(error: &BackupError) -> Problem {
    match error {
        BackupError::Unknown(name) => Problem::none("backup", name.as_str()),
        BackupError::Full { .. } => Problem::new(409, "backups_full", sentence(&error.to_string())),
        BackupError::Seal(SealError::Sealed(_) | SealError::NoKey(_)) => {
            log::warn!("a backup does not open: {error}");
            Problem::new(409, "backup_locked", sentence(&error.to_string()))
        }
        BackupError::Io(error) | BackupError::Seal(SealError::Io(error)) => {
            log::warn!("the directory of backups: {error}");
            let detail = "The directory of backups does not do what it should; the service's log says why.";
            Problem::new(503, "store_unavailable", detail)
        }
    }
}

fn view(entry: &Entry) -> Value {
    let Entry { name, bytes, label } = entry;
    let Label {
        made_at,
        device_id,
        serial_number,
        device_name,
        firmware_version,
        fingerprint_version,
        name_encoding,
        users,
        templates,
        settings,
    } = label;
    json!({
        "id": name.as_str(),
        "bytes": bytes,
        "made_at": moment(*made_at),
        "device_id": device_id,
        "serial_number": serial_number,
        "device_name": device_name,
        "firmware_version": firmware_version,
        "fingerprint_version": fingerprint_version,
        "name_encoding": name_encoding,
        "users": users,
        "templates": templates,
        "settings": settings,
    })
}
