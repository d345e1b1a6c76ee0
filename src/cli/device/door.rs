//! The door, the voice, and the display.

use std::time::Duration;

use serde_json::json;

use super::Caller;
use super::grammar::Unit;
use crate::cli::failure::{Done, Failure};
use crate::device::door::{DoorState, UnlockTime, UnlockUnit};
use crate::device::screen::ScreenLine;

pub(super) fn unlock(caller: Caller<'_>, time: Duration, unit: Unit) -> Done {
    let unit = match unit {
        Unit::Seconds => UnlockUnit::Seconds,
        Unit::Tenths => UnlockUnit::Tenths,
    };
    let counted = UnlockTime::new(time, unit).map_err(Failure::misused)?;
    caller.work(|line| line.effect(|session, deadline| session.unlock(counted, deadline)))?;
    let seconds = time.as_secs_f64();
    caller.out.done(&json!({ "unlocked": true, "seconds": seconds }), &format!("unlocked for {seconds} s"))
}

pub(super) fn state(caller: Caller<'_>) -> Done {
    let state = caller.work(|line| line.read(|session, deadline| session.door_state(deadline)))?;
    let word = match state {
        DoorState::Open => "open",
        DoorState::Closed => "closed",
        DoorState::Unknown => "unknown",
    };
    caller.out.done(&json!({ "door": word }), word)
}

pub(super) fn voice(caller: Caller<'_>, index: u32) -> Done {
    caller.work(|line| line.effect(|session, deadline| session.test_voice(index, deadline)))?;
    caller.out.done(&json!({ "played": true }), "played")
}

pub(super) fn lcd(caller: Caller<'_>, text: Option<(u16, &str)>) -> Done {
    let encoding = caller.call.direct.encoding;
    let written = text.map(|(line, text)| ScreenLine::new(line, text, encoding)).transpose();
    let written = written.map_err(Failure::misused)?;
    caller.work(|line| {
        line.effect(|session, deadline| match &written {
            Some(text) => session.write_lcd(text, deadline),
            None => session.clear_lcd(deadline),
        })
    })?;
    match written {
        Some(_) => caller.out.done(&json!({ "written": true }), "written; newer devices show nothing"),
        None => caller.out.done(&json!({ "cleared": true }), "cleared"),
    }
}
