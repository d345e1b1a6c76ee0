//! The door of a device: opening it, and whether it is open.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::effect::{Act, urgent};
use super::info::ask;
use crate::device::door::{DoorState, UnlockTime, UnlockUnit};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    seconds: f64,
}

/// The longest time that a door is unlocked by one request, in seconds. Whoever wants it to stand open for longer
/// sets a time zone in the device, which does not depend on us.
const LONGEST: f64 = 3600.0;

/// `POST /devices/{id}/unlock`
pub fn unlock(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Wanted { seconds } = call.body()?;
    let device = call.device()?;
    if !(seconds > 0.0 && seconds <= LONGEST) {
        return Err(wrong(format!("A door is unlocked for more than 0 and at most {LONGEST} seconds.")));
    }
    // To the millisecond, so that 0.1 is a tenth.
    let time = Duration::from_millis((seconds * 1000.0).round() as u64);
    let unit = if call.gateway.device_settings.of(&device.id).unlock_in_tenths {
        UnlockUnit::Tenths
    } else {
        UnlockUnit::Seconds
    };
    let time = UnlockTime::new(time, unit).map_err(|error| wrong(format!("{error}.")))?;
    let act = Act { kind: "unlock", subject: None, deadline: call.deadline()? };
    let done = json!({ "unlocked": true, "seconds": seconds });
    urgent(call, act, move |session, deadline| session.unlock(time, deadline), move |()| Ok(done))
}

/// `GET /devices/{id}/door`
pub fn state(call: &mut Call) -> Handled {
    ask(
        call,
        |session, deadline| session.door_state(deadline),
        |_, state| {
            json!({ "door": match state {
                DoorState::Open => "open",
                DoorState::Closed => "closed",
                DoorState::Unknown => "unknown",
            } })
        },
    )
}

fn wrong(detail: String) -> Problem {
    Problem::new(422, "invalid_value", detail).with("field", "seconds")
}
