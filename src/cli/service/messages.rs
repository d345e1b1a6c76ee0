//! Short messages on the display of a device, through the service.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::access::Asked;
use crate::cli::device::clock::{now, parse};
use crate::cli::device::message_grammar::Message;
use crate::cli::device::messages::{self as sheets, Sheet};
use crate::cli::failure::{Done, Failure};

pub(super) fn message(asked: Asked<'_>, message: &Message) -> Done {
    let (client, out, timeout) = (asked.client, asked.out, asked.timeout);
    let path = |id: &u16| asked.of(&format!("/messages/{id}"));
    match message {
        Message::Show { id } => client.get::<Sheet>(&path(id), timeout)?.show(out),
        Message::Write { id, text, minutes, start, tag } => {
            let start = start.as_deref().map(parse).transpose()?.unwrap_or_else(|| now(&TimeZone::system()));
            let whom = match tag {
                253 => "everybody",
                254 => "persons",
                _ => {
                    let detail = "through the service a message has the tag 253, for everybody, or 254";
                    return Err(Failure::misused(detail));
                }
            };
            let start = start.to_string();
            let body = json!({ "text": text, "for": whom, "minutes": minutes, "start": start });
            client.put::<Value>(&path(id), Some(&body), timeout)?;
            sheets::written(out, *id)
        }
        Message::Delete { id } => {
            client.delete_told(&path(id), timeout)?;
            sheets::deleted(out, *id)
        }
        Message::Give { id, user_id } => {
            let path = asked.person(user_id, &format!("/messages/{id}"));
            client.put::<Value>(&path, None, timeout)?;
            sheets::handed(out, *id, user_id, true)
        }
        Message::Take { id, user_id } => {
            client.delete_told(&asked.person(user_id, &format!("/messages/{id}")), timeout)?;
            sheets::handed(out, *id, user_id, false)
        }
    }
}
