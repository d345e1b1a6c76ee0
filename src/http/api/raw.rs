//! Any command to a device, for support: only where it was allowed for that device, and never what would put the
//! session out of step, or has a verb whose rules it would go round. What is sent and what comes back is kept nowhere.

use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Value, json};

use super::effect::{Act, quick_apart};
use super::options::refuse_secret;
use crate::device::raw::{NotRaw, RawCommand, Reply};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::wire::command::Command;
use crate::wire::option::words;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    command: u16,
    #[serde(default)]
    payload: String,
}

/// `POST /devices/{id}/raw`
pub fn send(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let Wanted { command, payload } = call.body()?;
    if !call.gateway.device_settings.of(&device.id).raw_commands {
        let detail = "Raw commands are off for this device; whoever may, sets raw_commands in its settings.";
        return Err(Problem::new(403, "raw_commands_off", detail).about(&device.id));
    }
    let payload = bytes(&payload).ok_or_else(|| {
        let detail = "The payload is bytes in hexadecimal, two digits each, without anything between them.";
        Problem::new(422, "invalid_value", detail).with("field", "payload")
    })?;
    if [Command::OPTIONS_RRQ, Command::OPTIONS_WRQ].contains(&Command(command)) {
        // Whichever of them the device takes for the option's name.
        words(&payload).iter().try_for_each(|word| refuse_secret(word))?;
    }
    let raw = RawCommand::new(command, payload).map_err(refusal)?;
    // The code is in the audit log, what was sent with it is not.
    let subject = Some(title(raw.command()));
    let act = Act { kind: "raw", subject, deadline: call.deadline()? };
    quick_apart(
        call,
        act,
        move |session, deadline| session.raw(&raw, deadline),
        |reply| Ok(shown(&reply)),
        kept,
    )
}

fn refusal(reason: NotRaw) -> Problem {
    let problem = match reason {
        NotRaw::TooLong => Problem::new(422, "invalid_value", format!("{reason}.")).with("field", "payload"),
        _ => Problem::new(422, "command_not_raw", format!("It is not sent: {reason}.")),
    };
    problem.with(
        "reason",
        match reason {
            NotRaw::Session(_) => "session",
            NotRaw::Transfer(_) => "transfer",
            NotRaw::Answer(_) => "answer",
            NotRaw::Disables(_) => "disables",
            NotRaw::Template(_) => "template",
            NotRaw::Clears(_) => "clears",
            NotRaw::TooLong => "too_long",
        },
    )
}

fn title(command: Command) -> String {
    command.name().map_or_else(|| command.0.to_string(), |name| format!("{} {name}", command.0))
}

fn shown(reply: &Reply) -> Value {
    json!({
        "command": reply.code.0,
        "name": reply.code.name(),
        "session_field": reply.word,
        "payload": hexadecimal(&reply.payload),
    })
}

/// What the books keep: that there was an answer, and which.
fn kept(told: &Value) -> Value {
    let mut kept = told.clone();
    if let Some(members) = kept.as_object_mut() {
        members.insert("payload".to_owned(), Value::Null);
    }
    kept
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to memory does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_read_as_they_are_shown(sent in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(bytes(&hexadecimal(&sent)), Some(sent));
        }

        #[test]
        fn any_text_is_bytes_or_not(text in "\\PC{0,9}") {
            let hex = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(bytes(&text).is_some(), hex);
        }
    }
}
