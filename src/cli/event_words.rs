//! What happens at a device in words: the same ones whether the device itself tells it or the service does. They are made
//! of the object that programs get.

use serde_json::Value;

use super::table::text;

/// The sentence for an event's object.
pub(super) fn sentence(object: &Value) -> String {
    let said = |name: &str| text(object.get(name));
    let uid = object.get("uid").and_then(Value::as_u64);
    match said("event").as_str() {
        "punch" => {
            let who =
                if said("user_id").is_empty() { format!("uid {}", said("uid")) } else { said("user_id") };
            let (time, state, mode) = (said("timestamp"), said("punch_state"), said("verify_mode"));
            format!("{time}  punch  {who}  state {state}  verified by {mode}")
        }
        "finger" => "a finger was placed".to_owned(),
        "score" => format!("score {}", said("score")),
        "enrolled" => format!("finger {} of {} is enrolled", said("finger"), said("user_id")),
        "enrolment_failed" => format!("an enrolment failed with {}", said("result")),
        "verification" => match uid {
            Some(uid) => format!("uid {uid} was verified"),
            None => "somebody unknown tried to be verified".to_owned(),
        },
        "alarm" => {
            let whom = uid.map(|uid| format!(" of uid {uid}")).unwrap_or_default();
            format!("alarm: {}{whom}", said("alarm").replace('_', " "))
        }
        "other" => format!("an event {} that is not understood, {} bytes", said("code"), said("length")),
        "unreadable_punch" => format!("a punch that is not understood, {} bytes", said("length")),
        "device_up" => "the device is connected".to_owned(),
        "device_down" => format!("the device is not connected: {}", said("cause")),
        "events_lost" => format!("{} events came faster than they could be kept", said("count")),
        word => word.replace('_', " "),
    }
}
