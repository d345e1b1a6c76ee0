//! Restarting a device, and making it speak.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::reply::json as as_json;
use crate::registry::Terms;

/// `POST /devices/{id}/restart`
pub fn restart(call: &mut Call) -> Handled {
    call.no_body()?;
    effect(call, "restarted", |session, deadline| session.restart(deadline))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Voice {
    #[serde(default)]
    index: u32,
}

/// `POST /devices/{id}/test-voice`
pub fn test_voice(call: &mut Call) -> Handled {
    let Voice { index } = call.body()?;
    effect(call, "played", move |session, deadline| session.test_voice(index, deadline))
}

fn effect<O>(call: &mut Call, done: &'static str, operation: O) -> Handled
where
    O: FnMut(
            &mut crate::device::Session,
            crate::base::deadline::Deadline,
        ) -> Result<(), crate::device::DeviceError>
        + Send
        + 'static,
{
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let terms = Terms::effect(call.deadline()?).brief();
    let reply = call.later()?;
    let id = device.id.clone();
    let registry = Arc::clone(&call.gateway.registry);
    registry.submit(&device.id, terms, operation, move |result| {
        reply.result(result.map(|()| as_json(200, &json!({ done: true }))).map_err(refused(&id)));
    });
    Ok(Outcome::Later)
}
