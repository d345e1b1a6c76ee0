//! Whether the service is alive, and whether it is ready. No token, no device, no database.

use crate::http::call::{Call, Handled, Outcome};
use crate::http::response::Answer;

/// `GET /healthz`
pub fn alive(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let (status, body) = (call.gateway.alive)();
    Ok(Outcome::Now(Answer::json(status, body)))
}

/// `GET /readyz`
pub fn ready(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let (status, body) = (call.gateway.ready)();
    Ok(Outcome::Now(Answer::json(status, body)))
}
