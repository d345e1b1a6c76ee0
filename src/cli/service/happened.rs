//! An event of the API as the command line tells it: the same object as from the device itself.

use serde_json::{Value, json};

/// An event as an object.
pub(super) fn object(event: &Value) -> Value {
    let of = |name: &str| event.get(name).cloned().unwrap_or_default();
    match event.get("event").and_then(Value::as_str) {
        None => punch(event),
        Some("finger") => json!({ "event": "finger" }),
        Some("finger_score") => json!({ "event": "score", "score": of("score") }),
        Some("finger_enrolled") => {
            json!({ "event": "enrolled", "user_id": of("user_id"), "finger": of("finger") })
        }
        Some("finger_not_enrolled") => json!({ "event": "enrolment_failed", "result": of("result") }),
        Some("verification") => json!({ "event": "verification", "uid": of("uid") }),
        Some("alarm") => json!({ "event": "alarm", "alarm": of("alarm"), "uid": of("uid") }),
        Some("device_up") => json!({ "event": "device_up" }),
        Some("device_down") => json!({ "event": "device_down", "cause": of("cause") }),
        Some("events_lost") => json!({ "event": "events_lost", "count": of("count") }),
        // What a device says without a meaning that is known for sure has a number and a length.
        Some(_) if event.get("code").is_some() => {
            json!({ "event": "other", "code": of("code"), "length": of("bytes") })
        }
        Some(word) => json!({ "event": word }),
    }
}

/// A punch of the journal.
fn punch(event: &Value) -> Value {
    let of = |name: &str| event.get(name).cloned().unwrap_or_default();
    let mut object = json!({
        "event": "punch", "user_id": of("user_id"), "timestamp": of("timestamp"),
        "punch_state": of("punch_state"), "verify_mode": of("verify_mode"),
    });
    if let (true, Some(members)) = (of("user_id").is_null(), object.as_object_mut()) {
        members.insert("uid".to_owned(), of("uid"));
    }
    object
}
