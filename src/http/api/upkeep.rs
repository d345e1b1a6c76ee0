//! Putting a device right: what was changed made effective, its buffer given back, its keypad in use again.

use super::effect::{Act, only, quick};
use crate::base::deadline::Deadline;
use crate::device::{DeviceError, Session};
use crate::http::call::{Call, Handled};

/// `POST /devices/{id}/refresh`
pub fn refresh(call: &mut Call) -> Handled {
    plain(call, "refresh", "refreshed", Session::refresh_data)
}

/// `POST /devices/{id}/free-buffer`
pub fn free_buffer(call: &mut Call) -> Handled {
    plain(call, "free_buffer", "freed", Session::free_buffer)
}

/// `POST /devices/{id}/enable`
pub fn enable(call: &mut Call) -> Handled {
    plain(call, "enable", "enabled", Session::enable)
}

fn plain(
    call: &mut Call,
    kind: &'static str,
    done: &'static str,
    verb: fn(&mut Session, Deadline) -> Result<(), DeviceError>,
) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let act = Act { kind, subject: None, deadline: call.deadline()? };
    quick(call, act, verb, move |()| Ok(only(done)))
}
