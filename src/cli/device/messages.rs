//! Short messages on the display.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Caller;
use super::clock::{now, parse};
use super::message_grammar::Message;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
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
            let message = ShortMessage { tag: *tag, id: *id, minutes, start, text };
            caller.work(|line| line.effect(|session, deadline| session.write_message(&message, deadline)))?;
            written(caller.out, *id)
        }
        Message::Delete { id } => {
            caller.work(|line| line.effect(|session, deadline| session.delete_message(*id, deadline)))?;
            deleted(caller.out, *id)
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
            handed(caller.out, *id, user_id, give)
        }
    }
}

pub(in crate::cli) fn written(out: Output, id: u16) -> Done {
    out.done(&json!({ "id": id, "written": true }), &format!("message {id} is written"))
}

pub(in crate::cli) fn deleted(out: Output, id: u16) -> Done {
    out.done(&json!({ "id": id, "deleted": true }), &format!("message {id} is deleted"))
}

pub(in crate::cli) fn handed(out: Output, id: u16, user_id: &str, give: bool) -> Done {
    let word = if give { "given" } else { "taken" };
    let object = json!({ "id": id, "user_id": user_id, word: true });
    out.done(&object, &format!("message {id} is {word}"))
}

/// A message as it is shown.
#[derive(Deserialize, Serialize)]
pub(in crate::cli) struct Sheet {
    /// The API calls it by what it is.
    #[serde(alias = "message")]
    id: u16,
    tag: u8,
    minutes: u16,
    start: String,
    text: String,
}

impl Sheet {
    pub(in crate::cli) fn show(&self, out: Output) -> Done {
        let Self { id, tag, minutes, start, text } = self;
        let minutes = if *minutes == 0 { "always".to_owned() } else { format!("{minutes} minutes") };
        let pairs = [
            ("message", Some(id.to_string())),
            ("text", Some(text.clone())),
            ("from", Some(start.clone())),
            ("shown for", Some(minutes)),
            ("tag", Some(tag.to_string())),
        ];
        out.one(self, &pairs)
    }
}

fn show(caller: Caller<'_>, id: u16) -> Done {
    let found = caller.work(|line| line.read(|session, deadline| session.message(id, deadline)))?;
    let message = found.ok_or_else(|| Failure::not_found(format!("the device has no message {id}")))?;
    let text = caller.call.direct.encoding.decode(message.text.as_bytes()).text;
    let start = message.start.fields().to_string();
    let ShortMessage { id, tag, minutes, .. } = message;
    Sheet { id, tag, minutes, start, text }.show(caller.out)
}
