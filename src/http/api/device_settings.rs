//! What has to be known of a device besides its record: in which encoding its names are, how its door counts time,
//! and what may be asked of it at all.

use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::http::call::{Call, Handled, Outcome};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::store::ledger::DeviceSettings;
use crate::wire::encoding::NameEncoding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "given")]
    name_encoding: Option<Option<String>>,
    unlock_unit: Option<Unit>,
    biometrics: Option<bool>,
    raw_commands: Option<bool>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Seconds,
    Tenths,
}

/// Null is something that is said.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `GET /devices/{id}/settings`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let device = call.device()?;
    Ok(Outcome::Now(as_json(200, &view(&call.gateway.device_settings.of(&device.id)))))
}

/// `PATCH /devices/{id}/settings`
pub fn change(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Change { name_encoding, unlock_unit, biometrics, raw_commands } = call.body()?;
    let device = call.device()?;
    if let Some(Some(name)) = &name_encoding
        && NameEncoding::parse(name).is_err()
    {
        let detail = "The encoding is not known; it is one of those of the WHATWG, such as utf-8, gbk or windows-1256.";
        return Err(Problem::new(422, "invalid_value", detail).with("field", "name_encoding"));
    }
    let mut settings = call.gateway.device_settings.of(&device.id);
    settings.name_encoding = name_encoding.unwrap_or(settings.name_encoding);
    settings.unlock_in_tenths = unlock_unit.map_or(settings.unlock_in_tenths, |unit| unit == Unit::Tenths);
    settings.biometrics = biometrics.unwrap_or(settings.biometrics);
    settings.raw_commands = raw_commands.unwrap_or(settings.raw_commands);
    let (deadline, gateway, reply) = (call.deadline()?, Arc::clone(&call.gateway), call.later()?);
    let ledger = Arc::clone(gateway.operations.ledger());
    let (kept, id) = (settings.clone(), device.id.clone());
    ledger.then(
        deadline,
        move |book| book.set_device_settings(id.as_str(), &kept),
        move |done| {
            let answer = done.map_err(|error| Problem::of_store(&error)).map(|()| {
                let shown = as_json(200, &view(&settings));
                gateway.device_settings.set(&device.id, settings);
                shown
            });
            reply.result(answer);
        },
    );
    Ok(Outcome::Later)
}

fn view(settings: &DeviceSettings) -> Value {
    let DeviceSettings { name_encoding, unlock_in_tenths, biometrics, raw_commands } = settings;
    json!({
        "name_encoding": name_encoding,
        "unlock_unit": if *unlock_in_tenths { "tenths" } else { "seconds" },
        "biometrics": biometrics,
        "raw_commands": raw_commands,
    })
}
