//! Options of a device: the important ones by their types, any one by its name, and writing those that are known.

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::sure;
use super::effect::{Act, quick};
use super::info::ask;
use crate::device::options::{Options, Setting, SettingError, WRITABLE, is_name, is_secret};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;

/// `GET /devices/{id}/options`
pub fn list(call: &mut Call) -> Handled {
    ask(call, |session, deadline| session.options(deadline), |_, options| Ok(shown(&options)))
}

fn shown(options: &Options) -> Value {
    let Options {
        address,
        netmask,
        gateway,
        tcp_port,
        udp_port,
        device_id,
        volume,
        voice,
        language,
        new_language,
        lock_seconds,
        fingerprint_version,
        face_version,
        finger_vein_version,
        has_fingerprints,
        has_faces,
        user_id_width,
        user_id_letters,
    } = options;
    json!({
        "network": {
            "ip_address": address, "netmask": netmask, "gateway": gateway,
            "tcp_port": tcp_port, "udp_port": udp_port, "device_number": device_id,
        },
        "sound": { "volume": volume, "voice": voice },
        "language": language,
        "new_language": new_language,
        "lock_seconds": lock_seconds,
        "fingerprints": { "present": has_fingerprints, "version": fingerprint_version },
        "faces": { "present": has_faces, "version": face_version },
        "finger_veins": { "version": finger_vein_version },
        "user_ids": { "width": user_id_width, "letters": user_id_letters },
    })
}

/// The name in the path, if it is one and no secret's.
fn name(call: &Call) -> Result<String, Problem> {
    let name = call.plain_segment("name").filter(|name| is_name(name)).ok_or_else(|| {
        let detail = "The name of an option has 1 to 40 letters, digits, ~, _, - and dots.";
        Problem::bad_request("invalid_parameter", detail).with("parameter", "name")
    })?;
    refuse_secret(&name)?;
    Ok(name)
}

/// Comm keys and passwords leave no device through here.
pub(super) fn refuse_secret(name: &str) -> Result<(), Problem> {
    if !is_secret(name) {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "secret_option",
        "By its name this option is a secret; secrets are not read or written here.",
    ))
}

/// `GET /devices/{id}/options/{name}`
pub fn one(call: &mut Call) -> Handled {
    call.device()?;
    let name = name(call)?;
    let asked = name.clone();
    ask(
        call,
        move |session, deadline| session.option(&asked, deadline),
        move |_, value| Ok(json!({ "name": name, "value": value })),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    value: String,
    #[serde(default)]
    confirm: bool,
}

/// `PUT /devices/{id}/options/{name}`
pub fn set(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.device()?;
    let name = name(call)?;
    let Wanted { value, confirm } = call.body()?;
    let setting = Setting::new(&name, &value).map_err(|error| match error {
        SettingError::Unknown { .. } => {
            let known: Vec<Value> = WRITABLE.iter().map(|(name, _)| (*name).into()).collect();
            let detail = "This option is not among those that can be written without harm.";
            Problem::new(422, "option_not_writable", detail).with("writable", known)
        }
        SettingError::Value { .. } => {
            Problem::new(422, "invalid_value", format!("{error}.")).with("field", "value")
        }
    })?;
    if setting.may_cut_off() {
        sure(confirm, "With a wrong value here nobody reaches the device any more but at its keypad.")?;
    }
    let act = Act { kind: "set_option", subject: Some(name.clone()), deadline: call.deadline()? };
    let value = setting.value().to_owned();
    quick(
        call,
        act,
        move |session, deadline| session.write_option(&setting, deadline),
        move |()| Ok(json!({ "name": name, "value": value })),
    )
}
