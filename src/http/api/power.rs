//! Restarting a device, switching it off, and making it speak.

use serde::Deserialize;

use super::access::sure;
use super::effect::{Act, only, quick};
use crate::http::call::{Call, Handled};

/// `POST /devices/{id}/restart`
pub fn restart(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let act = Act { kind: "restart", subject: None, deadline: call.deadline()? };
    quick(call, act, |session, deadline| session.restart(deadline), |()| Ok(only("restarted")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Off {
    #[serde(default)]
    confirm: bool,
}

/// `POST /devices/{id}/power-off`
pub fn power_off(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Off { confirm } = call.body()?;
    call.device()?;
    sure(confirm, "Once it is off, only somebody who stands before the device switches it on again.")?;
    let act = Act { kind: "power_off", subject: None, deadline: call.deadline()? };
    quick(call, act, |session, deadline| session.power_off(deadline), |()| Ok(only("off")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Voice {
    #[serde(default)]
    index: u32,
}

/// `POST /devices/{id}/test-voice`
pub fn test_voice(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let Voice { index } = call.body()?;
    let act = Act { kind: "test_voice", subject: Some(index.to_string()), deadline: call.deadline()? };
    quick(call, act, move |session, deadline| session.test_voice(index, deadline), |()| Ok(only("played")))
}
