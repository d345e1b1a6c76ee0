//! An event of the API in the words of the command line: the same ones as from the device itself.

use serde_json::{Value, json};

use super::devices::text;

/// An event as an object, and in words.
pub(super) fn describe(event: &Value) -> (Value, String) {
    let of = |name: &str| event.get(name).cloned().unwrap_or_default();
    let said = |name: &str| text(event.get(name));
    match event.get("event").and_then(Value::as_str) {
        None => punch(event),
        Some("finger") => (json!({ "event": "finger" }), "a finger was placed".to_owned()),
        Some("finger_score") => {
            (json!({ "event": "score", "score": of("score") }), format!("score {}", said("score")))
        }
        Some("finger_enrolled") => (
            json!({ "event": "enrolled", "user_id": of("user_id"), "finger": of("finger") }),
            format!("finger {} of {} is enrolled", said("finger"), said("user_id")),
        ),
        Some("finger_not_enrolled") => (
            json!({ "event": "enrolment_failed", "result": of("result") }),
            format!("an enrolment failed with {}", said("result")),
        ),
        Some("verification") => {
            let uid = of("uid");
            let sentence = match uid.as_u64() {
                Some(uid) => format!("uid {uid} was verified"),
                None => "somebody unknown tried to be verified".to_owned(),
            };
            (json!({ "event": "verification", "uid": uid }), sentence)
        }
        Some("alarm") => {
            let uid = of("uid");
            let whom = uid.as_u64().map(|uid| format!(" of uid {uid}")).unwrap_or_default();
            let sentence = format!("alarm: {}{whom}", said("alarm").replace('_', " "));
            (json!({ "event": "alarm", "alarm": of("alarm"), "uid": uid }), sentence)
        }
        Some("device_up") => (json!({ "event": "device_up" }), "the device is connected".to_owned()),
        Some("device_down") => (
            json!({ "event": "device_down", "cause": of("cause") }),
            format!("the device is not connected: {}", said("cause")),
        ),
        Some("events_lost") => (
            json!({ "event": "events_lost", "count": of("count") }),
            format!("{} events came faster than they could be kept", said("count")),
        ),
        // What a device says without a meaning that is known for sure has a number and a length.
        Some(_) if event.get("code").is_some() => (
            json!({ "event": "other", "code": of("code"), "length": of("bytes") }),
            format!("an event {} that is not understood, {} bytes", said("code"), said("bytes")),
        ),
        Some(word) => (json!({ "event": word }), word.replace('_', " ")),
    }
}

/// A punch of the journal.
fn punch(event: &Value) -> (Value, String) {
    let of = |name: &str| event.get(name).cloned().unwrap_or_default();
    let said = |name: &str| text(event.get(name));
    let mut object = json!({
        "event": "punch", "user_id": of("user_id"), "timestamp": of("timestamp"),
        "punch_state": of("punch_state"), "verify_mode": of("verify_mode"),
    });
    let who = if of("user_id").is_null() {
        if let Some(members) = object.as_object_mut() {
            members.insert("uid".to_owned(), of("uid"));
        }
        format!("uid {}", said("uid"))
    } else {
        said("user_id")
    };
    let (time, state, mode) = (said("timestamp"), said("punch_state"), said("verify_mode"));
    (object, format!("{time}  punch  {who}  state {state}  verified by {mode}"))
}
