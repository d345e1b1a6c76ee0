//! Where the secrets are: in a request, in an option, in a record, in the image of a table.

use std::ops::Range;

use super::Frame;
use super::classes::Class;
use crate::wire::command::Command;
use crate::wire::event;
use crate::wire::record::table::UserTable;
use crate::wire::record::template::TemplateHead;
use crate::wire::record::user::{User, UserLayout};

/// What the name of a secret option has in it, in small letters.
const SECRET_WORDS: [&str; 8] = ["key", "pass", "pwd", "secret", "token", "psk", "auth", "cert"];
/// The longest payload of an event about somebody's finger or an alarm, in bytes; more could be the finger's sample.
const EVENT: usize = 32;
/// The same for the score of a sample.
const SCORE: usize = 8;

/// Whether an option of this name is not to be written.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Hides what is secret in a request.
pub(super) fn hide_in_request(frame: &mut Frame) {
    match frame.command {
        Command::DATA | Command::AUTH => frame.hide_from(0),
        Command::USER_WRQ => match UserLayout::for_stride(frame.payload.len()) {
            Some(layout) => {
                let secrets = secrets_of_record(&frame.payload, layout, 0);
                secrets.into_iter().for_each(|secret| frame.overwrite(secret.range, secret.with));
            }
            None => frame.hide_from(0),
        },
        Command::OPTIONS_WRQ => hide_value(frame, false),
        command => {
            if Class::of(command, &frame.payload) == Class::Hidden {
                frame.hide_from(0);
            }
        }
    }
}

/// Hides the value of an option if its name, or anything else in the payload, says that it is secret.
pub(super) fn hide_value(frame: &mut Frame, secret: bool) {
    let text = String::from_utf8_lossy(&frame.payload);
    if !secret && !is_secret_name(&text) {
        return;
    }
    let start = frame.payload.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
    let end = frame.payload.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    if start < end {
        frame.overwrite(start..end, b'*');
    }
}

/// Hides what an event could tell that nobody has described.
pub(super) fn hide_in_event(frame: &mut Frame) {
    let known = match frame.session {
        event::SCORE => frame.payload.len() <= SCORE,
        event::FINGER | event::ENROLL_FINGER | event::VERIFY | event::ALARM => frame.payload.len() <= EVENT,
        // As many punches as fit.
        event::ATTLOG => true,
        _ => false,
    };
    if !known {
        frame.hide_from(0);
    }
}

/// Bytes that are not to be written, and what is written instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) range: Range<usize>,
    pub(super) with: u8,
}

impl Secret {
    const fn of(range: Range<usize>) -> Self {
        Self { range, with: 0 }
    }
}

/// The password, and whatever follows the bytes that are understood, in a record that begins at `at`. A password
/// becomes `*`: that there is one is no secret.
fn secrets_of_record(bytes: &[u8], layout: UserLayout, at: usize) -> [Secret; 3] {
    let (password, rest) = match layout {
        UserLayout::Compact => (at + 3..at + 8, at + 28..at + 28),
        UserLayout::Full { stride } => (at + 3..at + 11, at + 72..at + usize::from(stride)),
    };
    let empty = bytes.get(password.start).is_none_or(|byte| *byte == 0);
    let first = Secret { range: password.start..password.start + 1, with: if empty { 0 } else { b'*' } };
    [first, Secret::of(password.start + 1..password.end), Secret::of(rest)]
}

/// Where the secrets are in a user table, if it is proved complete and understood; a record that makes no sense is
/// hidden whole.
pub(super) fn secrets_of_users(image: &[u8], count: Option<u32>) -> Option<Vec<Secret>> {
    let table = UserTable::parse(image.to_vec(), count).ok()?;
    let body = table.body();
    let mut secrets = Vec::new();
    if let Some(layout) = table.layout() {
        for at in body.clone().step_by(layout.stride()) {
            let end = at + layout.stride();
            let record = image.get(at..end)?;
            let sound = User::parse(record, layout).is_ok_and(|user| user.plausibility() == 3);
            if sound {
                secrets.extend(secrets_of_record(image, layout, at));
            } else {
                secrets.push(Secret::of(at..end));
            }
        }
    }
    // Before the records stands the size word; what is behind them is not known.
    let after = body.end.max(4);
    secrets.push(Secret::of(after..image.len().max(after)));
    secrets.retain(|secret| !secret.range.is_empty());
    Some(secrets)
}

/// Where the templates are in a template table, if entry after entry ends where the table ends.
pub(super) fn secrets_of_templates(image: &[u8]) -> Option<Vec<Secret>> {
    let mut secrets = Vec::new();
    let mut at = 4;
    while at < image.len() {
        let head = TemplateHead::parse(image.get(at..)?).ok()?;
        let (begin, end) = (at + TemplateHead::SIZE, at + usize::from(head.size));
        if end < begin || end > image.len() {
            return None;
        }
        if begin < end {
            secrets.push(Secret::of(begin..end));
        }
        at = end;
    }
    (image.len() >= 4).then_some(secrets)
}
