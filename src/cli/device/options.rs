//! Who a device is, and its options.

use serde_json::{Map, Value, json};

use super::Caller;
use crate::cli::failure::{Done, Failure};
use crate::cli::rows::InfoSheet;
use crate::cli::table::sheet;
use crate::device::options::{Options, Setting};

pub(super) fn info(caller: Caller<'_>) -> Done {
    let info = caller.work(|line| line.read(|session, deadline| session.info(deadline)))?;
    let sheet = InfoSheet::from(info);
    caller.out.one(&sheet, &sheet.pairs())
}

pub(super) fn show(caller: Caller<'_>, names: &[String]) -> Done {
    if names.is_empty() {
        let options = caller.work(|line| line.read(|session, deadline| session.options(deadline)))?;
        return important(caller, &options);
    }
    for name in names {
        if name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'=') {
            return Err(Failure::misused("the name of an option has letters, digits and signs, but no ="));
        }
        if is_secret(name) {
            return Err(Failure::misused(format!("{name} is a secret, which is never shown")));
        }
    }
    let values = caller.work(|line| {
        names
            .iter()
            .map(|name| line.read(|session, deadline| session.option(name, deadline)))
            .collect::<Done<Vec<_>>>()
    })?;
    let found = values.iter().filter(|value| value.is_some()).count();
    let pairs: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
    if caller.out.json {
        let object: Map<String, Value> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        caller.out.line(&object)?;
    } else {
        caller.out.text(&sheet(&pairs))?;
    }
    match pairs.len() - found {
        0 => Ok(()),
        missing => Err(Failure::not_found(format!("the device has nothing under {missing} of these names"))),
    }
}

pub(super) fn set(caller: Caller<'_>, name: &str, value: &str) -> Done {
    let setting = Setting::new(name, value).map_err(Failure::misused)?;
    caller.work(|line| line.effect(|session, deadline| session.write_option(&setting, deadline)))?;
    let object: Map<String, Value> = [(name.to_owned(), value.into())].into_iter().collect();
    caller.out.done(&object, &format!("{name} is {value}"))
}

fn important(caller: Caller<'_>, options: &Options) -> Done {
    fn text(value: Option<impl ToString>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let object = json!({
        "address": text(options.address), "netmask": text(options.netmask), "gateway": text(options.gateway),
        "tcp_port": options.tcp_port, "udp_port": options.udp_port, "device_id": options.device_id,
        "volume": options.volume, "voice": options.voice, "language": options.language,
        "new_language": options.new_language, "lock_seconds": options.lock_seconds,
        "fingerprint_version": options.fingerprint_version, "face_version": options.face_version,
        "finger_vein_version": options.finger_vein_version, "has_fingerprints": options.has_fingerprints,
        "has_faces": options.has_faces, "user_id_width": options.user_id_width,
        "user_id_letters": options.user_id_letters,
    });
    let pairs = [
        ("address", text(options.address)),
        ("netmask", text(options.netmask)),
        ("gateway", text(options.gateway)),
        ("TCP port", text(options.tcp_port)),
        ("UDP port", text(options.udp_port)),
        ("device id", text(options.device_id)),
        ("volume", text(options.volume)),
        ("voice", text(options.voice)),
        ("language", text(options.language)),
        ("new language", text(options.new_language)),
        ("lock seconds", text(options.lock_seconds)),
        ("fingerprint version", text(options.fingerprint_version)),
        ("face version", text(options.face_version)),
        ("finger vein version", text(options.finger_vein_version)),
        ("has fingerprints", text(options.has_fingerprints)),
        ("has faces", text(options.has_faces)),
        ("user id width", text(options.user_id_width)),
        ("user id letters", text(options.user_id_letters)),
    ];
    caller.out.one(&object, &pairs)
}

/// Whether an option holds what opens the device: the comm key is one.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["comkey", "commkey", "password", "passwd", "pwd", "secret"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_hold_secrets_are_known() {
        for (name, secret) in [("COMKey", true), ("~CommKey", true), ("MQPassword", true), ("VOLUME", false)]
        {
            assert_eq!(is_secret(name), secret, "{name}");
        }
    }
}
