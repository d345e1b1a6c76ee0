//! Fingerprints: which there are, deleting one, and enrolling one. What is in a template is never shown.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;

use super::Caller;
use super::grammar::Finger;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::interrupt::interrupts;
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side};
use crate::device::enrolment::{GoOn, Happening, Outcome};
use crate::wire::record::template::Validity;

/// A template, without what is in it.
#[derive(Serialize)]
pub(in crate::cli) struct TemplateRow {
    /// `None` for one that was left behind by somebody.
    pub(in crate::cli) user_id: Option<String>,
    pub(in crate::cli) uid: u16,
    pub(in crate::cli) finger: u8,
    pub(in crate::cli) validity: String,
    pub(in crate::cli) size: usize,
}

impl Row for TemplateRow {
    const COLUMNS: &'static [Column] = &[
        ("USER ID", Side::Left),
        ("FINGER", Side::Right),
        ("VALIDITY", Side::Left),
        ("BYTES", Side::Right),
        ("UID", Side::Right),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.user_id.clone().unwrap_or_default(),
            self.finger.to_string(),
            self.validity.clone(),
            self.size.to_string(),
            self.uid.to_string(),
        ]
    }
}

pub(super) fn list(caller: Caller<'_>, user_id: Option<&str>) -> Done {
    let bar = Bar::waiting("reading templates");
    let (wanted, table, users) = caller.work(|line| {
        let wanted = user_id.map(|id| line.person(id)).transpose()?.map(|person| person.user().uid);
        let table = line.read(|session, deadline| session.templates(deadline))?;
        Ok((wanted, table, line.read(|session, deadline| session.users(deadline))?))
    })?;
    drop(bar);
    let people: HashMap<u16, String> =
        users.iter().map(|user| (user.uid, user.user_id.to_text().into_owned())).collect();
    let rows: Vec<_> = table
        .iter()
        .filter(|template| wanted.is_none_or(|uid| template.uid == uid))
        .map(|template| TemplateRow {
            user_id: people.get(&template.uid).cloned(),
            uid: template.uid,
            finger: template.finger,
            validity: match template.validity {
                Validity::Invalid => "invalid".to_owned(),
                Validity::Valid => "valid".to_owned(),
                Validity::Duress => "duress".to_owned(),
                Validity::Other(number) => number.to_string(),
            },
            size: template.bytes().expose().len(),
        })
        .collect();
    caller.out.list(&rows)
}

pub(super) fn delete(caller: Caller<'_>, of: &Finger) -> Done {
    let there = caller.work(|line| {
        let person = line.person(&of.user_id)?;
        let there = line.read(|session, deadline| session.template(&person, of.finger, deadline))?.is_some();
        if there {
            line.effect(|session, deadline| session.delete_template(&person, of.finger, deadline))?;
        }
        Ok(there)
    })?;
    if !there {
        return Err(no_template(of));
    }
    deleted(caller.out, of)
}

pub(in crate::cli) fn no_template(of: &Finger) -> Failure {
    Failure::not_found(format!("there is no template of finger {} of {}", of.finger, of.user_id))
}

pub(in crate::cli) fn deleted(out: Output, of: &Finger) -> Done {
    let object = json!({ "user_id": of.user_id, "finger": of.finger, "deleted": true });
    out.done(&object, &format!("the template of finger {} of {} is deleted", of.finger, of.user_id))
}

pub(super) fn enrol(caller: Caller<'_>, of: &Finger) -> Done {
    let interrupted = interrupts()?;
    let outcome = caller.work(|line| {
        let person = line.person(&of.user_id)?;
        let mut told = |happening: Option<Happening>| {
            // Whoever does not read any more has also gone.
            let read = happening.is_none_or(|happening| news(caller.out, happening).is_ok());
            if read && interrupted.is_empty() { GoOn::Yes } else { GoOn::Cancel }
        };
        line.effect(|session, deadline| {
            session.enrol(&person, of.finger, Validity::Valid, &mut told, &mut |_| Ok(()), deadline)
        })
    })?;
    ended(caller.out, of, outcome)
}

/// How an enrolment ended.
pub(in crate::cli) fn ended(out: Output, of: &Finger, outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done { template_size } => {
            let object = json!({
                "event": "enrolled", "user_id": of.user_id, "finger": of.finger, "template_size": template_size,
            });
            out.event(&object)
        }
        Outcome::Failed { result } => {
            let detail =
                format!("the device could not enrol the finger (its reason has the number {result})");
            Err(Failure::new("enrolment_failed", detail).advise("place the same finger three times, firmly"))
        }
        Outcome::NotStored => {
            let detail = "the device says that the finger is enrolled, and has no template of it";
            Err(Failure::new("not_stored", detail).advise("try again, and look at the device"))
        }
        Outcome::AlreadyEnrolled => {
            let detail = "this finger is enrolled already, here or for somebody else";
            Err(Failure::with_exit(Exit::Refused, "already_enrolled", detail))
        }
        Outcome::Cancelled => {
            Err(Failure::new("cancelled", "the enrolment was cancelled; the device verifies people again"))
        }
        Outcome::TimedOut => Err(Failure::new("enrolment_timed_out", "nobody placed a finger in time")),
    }
}

pub(in crate::cli) fn news(out: Output, happening: Happening) -> Done {
    match happening {
        Happening::FingerPlaced => out.event(&json!({ "event": "finger" })),
        Happening::Score(score) => out.event(&json!({ "event": "score", "score": score })),
        Happening::Over(_) => Ok(()),
    }
}
