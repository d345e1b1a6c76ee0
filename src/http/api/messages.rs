//! Short messages on the display of a device, and whom they are for.

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{among, numbered};
use super::effect::{Act, only, quick, thorough};
use super::info::ask;
use super::person_access::{nobody, with};
use super::time;
use super::users::who;
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::wire::clock_word::ClockWord;
use crate::wire::encoding::NameEncoding;
use crate::wire::message::ShortMessage;
use crate::wire::text::FixedText;

/// The tag of a message for everybody, and that of one for those it was given to.
const TAGS: [(&str, u8); 2] = [("everybody", 253), ("persons", 254)];

fn number(call: &Call) -> Result<u16, Problem> {
    let number = numbered(call, "messages", 1..=u32::from(u16::MAX))?;
    u16::try_from(number).map_err(|_| missing(u16::MAX))
}

fn missing(number: u16) -> Problem {
    Problem::new(404, "not_found", format!("There is no message {number} on the device."))
}

/// `GET /devices/{id}/messages/{n}`
pub fn one(call: &mut Call) -> Handled {
    let number = number(call)?;
    let encoding = call.gateway.device_settings.encoding(&call.device()?.id);
    ask(
        call,
        move |session, deadline| session.message(number, deadline),
        move |_, message| message.map(|message| shown(&message, encoding)).ok_or_else(|| missing(number)),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    text: String,
    #[serde(default)]
    r#for: For,
    #[serde(default)]
    minutes: u32,
    start: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum For {
    #[default]
    Everybody,
    Persons,
}

/// `PUT /devices/{id}/messages/{n}`
pub fn set(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let number = number(call)?;
    let encoding = call.gateway.device_settings.encoding(&call.device()?.id);
    let Wanted { text, r#for, minutes, start } = call.body()?;
    among("minutes", minutes, 0..=u32::from(u16::MAX))?;
    let start = match start {
        Some(text) => ClockWord::pack(time::parse(&text, "start")?),
        None if minutes == 0 => ClockWord(0),
        None => {
            let detail = "A message that is shown for a while needs start, civil time of the device.";
            return Err(Problem::new(422, "invalid_value", detail).with("field", "start"));
        }
    };
    let [(_, everybody), (_, persons)] = TAGS;
    let tag = match r#for {
        For::Everybody => everybody,
        For::Persons => persons,
    };
    let text = encoded(&text, encoding)?;
    let minutes = u16::try_from(minutes).unwrap_or(u16::MAX);
    let message = ShortMessage { tag, id: number, minutes, start, text };
    let act = Act { kind: "write_message", subject: Some(number.to_string()), deadline: call.deadline()? };
    quick(
        call,
        act,
        move |session, deadline| session.write_message(&message, deadline),
        move |()| Ok(shown(&message, encoding)),
    )
}

/// The text as the device keeps it: all of it, or an error.
fn encoded(text: &str, encoding: NameEncoding) -> Result<FixedText<61>, Problem> {
    let wrong = |detail: String| Problem::new(422, "invalid_value", detail).with("field", "text");
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(wrong("A text has letters and signs, and no control characters.".to_owned()));
    }
    let bytes = encoding.encode(text).map_err(|error| wrong(format!("{error}.")))?;
    FixedText::new(&bytes).map_err(|error| wrong(format!("{error}.")))
}

fn shown(message: &ShortMessage, encoding: NameEncoding) -> Value {
    let ShortMessage { tag, id, minutes, start, text } = message;
    let r#for = TAGS.iter().find(|(_, known)| known == tag).map(|(name, _)| *name);
    json!({
        "message": id,
        "text": encoding.decode(text.as_bytes()).text,
        "for": r#for,
        "tag": tag,
        "minutes": minutes,
        "start": start.fields().to_string(),
    })
}

/// `DELETE /devices/{id}/messages/{n}`
pub fn delete(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let number = number(call)?;
    let act = Act { kind: "delete_message", subject: Some(number.to_string()), deadline: call.deadline()? };
    quick(
        call,
        act,
        move |session, deadline| session.delete_message(number, deadline),
        |()| Ok(only("deleted")),
    )
}

/// `PUT /devices/{id}/users/{user_id}/messages/{n}`
pub fn give(call: &mut Call) -> Handled {
    hand(call, "give_message", true)
}

/// `DELETE /devices/{id}/users/{user_id}/messages/{n}`
pub fn take(call: &mut Call) -> Handled {
    hand(call, "take_message", false)
}

fn hand(call: &mut Call, kind: &'static str, give: bool) -> Handled {
    call.allow(&["timeout"])?;
    call.no_body()?;
    let (number, user_id) = (number(call)?, who(call)?);
    let subject = Some(format!("{} {number}", user_id.to_text()));
    let act = Act { kind, subject, deadline: call.deadline()? };
    thorough(
        call,
        act,
        move |session, deadline| {
            with(session, &user_id, deadline, |session, person| {
                if give {
                    session.give_message(person, number, deadline)
                } else {
                    session.take_message(person, number, deadline)
                }
            })
        },
        move |done| {
            done.ok_or_else(|| nobody(&user_id.to_text()))?;
            Ok(only(if give { "given" } else { "taken" }))
        },
    )
}
