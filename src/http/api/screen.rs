//! The display of old devices.

use serde::Deserialize;

use super::access::numbered;
use super::effect::{Act, only, quick};
use crate::device::screen::ScreenLine;
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;

/// The highest line: more than any known display has.
const LAST_LINE: u16 = 63;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    text: String,
}

/// `PUT /devices/{id}/screen/{n}`
pub fn write(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let number = numbered(call, "lines", 0..=u32::from(LAST_LINE))?;
    let Wanted { text } = call.body()?;
    let encoding = call.gateway.device_settings.encoding(&call.device()?.id);
    let wrong = |detail: String| Problem::new(422, "invalid_value", detail).with("field", "text");
    if text.chars().any(char::is_control) {
        return Err(wrong("A line has no control characters.".to_owned()));
    }
    let line = ScreenLine::new(u16::try_from(number).unwrap_or(LAST_LINE), &text, encoding)
        .map_err(|error| wrong(format!("{error}.")))?;
    let act = Act { kind: "write_screen", subject: Some(number.to_string()), deadline: call.deadline()? };
    quick(call, act, move |session, deadline| session.write_lcd(&line, deadline), |()| Ok(only("written")))
}

/// `DELETE /devices/{id}/screen`
pub fn clear(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let act = Act { kind: "clear_screen", subject: None, deadline: call.deadline()? };
    quick(call, act, |session, deadline| session.clear_lcd(deadline), |()| Ok(only("cleared")))
}
