//! The API description. No token: it holds no secrets, and is the same for everybody.

use crate::http::call::{Call, Handled, Outcome};
use crate::http::openapi;
use crate::http::response::{Answer, Caching};

/// How long others may keep a copy, in seconds: an upgrade shows soon.
const KEPT: u32 = 300;

/// `GET /api/openapi.json`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let answer = Answer::json(200, openapi::text().as_bytes());
    Ok(Outcome::Now(Answer { caching: Caching::Seconds(KEPT), ..answer }))
}
