//! Short messages on the display.

use jiff::tz::TimeZone;
use serde_json::json;

use super::Caller;
use super::clock::{now, parse};
use super::message_grammar::Message;
use crate::cli::failure::{Done, Failure};
use crate::wire::clock_word::ClockWord;
use crate::wire::message::ShortMessage;
use crate::wire::text::FixedText;

pub(super) fn message(caller: Caller<'_>, message: &Message) -> Done {
    match message {
        Message::Show { id } => show(caller, *id),
        Message::Write { id, text, minutes, start, tag } => {
            let start = start.as_deref().map(parse).transpose()?.unwrap_or_else(|| now(&TimeZone::system()));
            let text = caller.call.direct.encoding.encode(text).map_err(Failure::misused)?;
            let text = FixedText::new(&text).map_err(Failure::misused)?;
            let (start, minutes) = (ClockWord::pack(start), *minutes);
            let written = ShortMessage { tag: *tag, id: *id, minutes, start, text };
            caller.work(|line| line.effect(|session, deadline| session.write_message(&written, deadline)))?;
            caller.out.done(&json!({ "id": id, "written": true }), &format!("message {id} is written"))
        }
        Message::Delete { id } => {
            caller.work(|line| line.effect(|session, deadline| session.delete_message(*id, deadline)))?;
            caller.out.done(&json!({ "id": id, "deleted": true }), &format!("message {id} is deleted"))
        }
        Message::Give { id, user_id } | Message::Take { id, user_id } => {
            let give = matches!(message, Message::Give { .. });
            caller.work(|line| {
                let person = line.person(user_id)?;
                line.effect(|session, deadline| match give {
                    true => session.give_message(&person, *id, deadline),
                    false => session.take_message(&person, *id, deadline),
                })
            })?;
            let word = if give { "given" } else { "taken" };
            let object = json!({ "id": id, "user_id": user_id, word: true });
            caller.out.done(&object, &format!("message {id} is {word}"))
        }
    }
}

fn show(caller: Caller<'_>, id: u16) -> Done {
    let found = caller.work(|line| line.read(|session, deadline| session.message(id, deadline)))?;
    let message = found.ok_or_else(|| Failure::not_found(format!("the device has no message {id}")))?;
    let text = caller.call.direct.encoding.decode(message.text.as_bytes()).text;
    let start = message.start.fields().to_string();
    let object = json!({
        "id": message.id, "tag": message.tag, "minutes": message.minutes, "start": start, "text": text,
    });
    let minutes =
        if message.minutes == 0 { "always".to_owned() } else { format!("{} minutes", message.minutes) };
    let pairs = [
        ("message", Some(message.id.to_string())),
        ("text", Some(text)),
        ("from", Some(start)),
        ("shown for", Some(minutes)),
        ("tag", Some(message.tag.to_string())),
    ];
    caller.out.one(&object, &pairs)
}
