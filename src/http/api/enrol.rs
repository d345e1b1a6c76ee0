//! Enrolling a finger from afar. Only where fingerprints are allowed for the device.
//!
//! A device takes a new template of a finger only when it has none of it. So where one is to be replaced, the old one
//! is kept here meanwhile, and written back when the device did not get a new one.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::backups::may_touch_templates;
use super::effect::{long, over};
use super::fingers::act;
use super::user_problem::of_user;
use super::users::who;
use crate::base::deadline::Deadline;
use crate::device::enrolment::{GoOn, Happening, Outcome as Ended};
use crate::device::templates::{Fingerprint, UploadForm};
use crate::device::users::UserError;
use crate::device::{DeviceError, Fault, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;
use crate::store::ledger::State;
use crate::wire::record::UserId;
use crate::wire::record::template::Validity;
use crate::wire::record::user_record::UserRecord;

/// How long looking at the new template, or writing back the old one, may take once the enrolment is over.
const AFTERWARDS: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    finger: u8,
    #[serde(default)]
    replace: bool,
}

/// `POST /devices/{id}/users/{user_id}/enrol`
pub fn enrol(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    may_touch_templates(call)?;
    let who = who(call)?;
    let Wanted { finger, replace } = call.body()?;
    if finger > 9 {
        return Err(Problem::new(422, "invalid_value", "Fingers are 0 to 9.").with("field", "finger"));
    }
    let act = act(call, "enrol", &who, finger)?;
    let mut work = Work { who, finger, replace, old: None };
    long(call, act, move |session, deadline, between, ticket| work.run(session, deadline, between, ticket))
}

struct Work {
    who: UserId,
    finger: u8,
    replace: bool,
    /// What was deleted for the new one. It outlasts a session.
    old: Option<Fingerprint>,
}

impl Work {
    /// However it ends, the device verifies people again, at the latest with its next session.
    fn run(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let Some(person) = session.user(&self.who, deadline)? else {
            return Ok(Ending::failed(of_user(&UserError::Unknown).to_json()).before_it_began());
        };
        if self.old.is_none() && session.template(&person, self.finger, deadline)?.is_some() {
            if !self.replace {
                let detail = "The finger is enrolled already; say replace if a new template is wanted.";
                let problem = Problem::new(409, "already_enrolled", detail);
                return Ok(Ending::failed(problem.to_json()).before_it_began());
            }
            self.old = self.kept(session, &person, deadline)?;
        }
        let ended = match self.old {
            Some(_) => session.delete_template(&person, self.finger, deadline),
            None => Ok(()),
        }
        .and_then(|()| self.enrolled(session, &person, deadline, between, ticket));
        match ended {
            Ok(ending) if ending.state == State::Done => Ok(ending),
            Ok(ending) => self.put_back(session, &person, ending, ticket),
            Err(error) if self.old.is_none() => Err(error),
            Err(error) => {
                let problem = Problem::new(502, error.code(), format!("The enrolment broke off: {error}."));
                if error.keeps_session() {
                    return self.put_back(session, &person, Ending::failed(problem.to_json()), ticket);
                }
                let ending = Ending::unknown(problem.to_json()).with_result(old_template("lost"));
                over(ticket, ending, error)
            }
        }
    }

    /// The template that the finger has, with what it is good for, which only the table of all tells.
    fn kept(
        &self,
        session: &mut Session,
        person: &UserRecord,
        deadline: Deadline,
    ) -> Result<Option<Fingerprint>, DeviceError> {
        let table = session.templates(deadline)?;
        let uid = person.user().uid;
        let found = table.iter().find(|template| (template.uid, template.finger) == (uid, self.finger));
        Ok(found.and_then(|found| {
            Fingerprint::new(self.finger, found.validity, found.bytes().expose().to_vec()).ok()
        }))
    }

    fn enrolled(
        &self,
        session: &mut Session,
        person: &UserRecord,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let mut told = |happening: Option<Happening>| {
            match happening {
                Some(Happening::FingerPlaced) => ticket.happened("finger_placed", Value::Null),
                Some(Happening::Score(score)) => ticket.happened("score", json!({ "score": score })),
                Some(Happening::Over(_)) | None => {}
            }
            if ticket.is_cancelled() { GoOn::Cancel } else { GoOn::Yes }
        };
        let mut pause = |session: &mut Session| between.pause(session);
        let validity = self.old.as_ref().map_or(Validity::Valid, Fingerprint::validity);
        let ended = session.enrol(person, self.finger, validity, &mut told, &mut pause, deadline)?;
        let failed =
            |status, code, detail: String| Ending::failed(Problem::new(status, code, detail).to_json());
        Ok(match ended {
            Ended::Done { template_size } => Ending::done(json!({
                "user_id": self.who.to_text(), "finger": self.finger, "enrolled": true, "bytes": template_size,
            })),
            Ended::NotStored => failed(
                502,
                "not_stored",
                "The device says that the finger is enrolled, and has no template of it.".to_owned(),
            ),
            Ended::AlreadyEnrolled => failed(
                409,
                "already_enrolled",
                "The device knows this finger already, perhaps as somebody else's.".to_owned(),
            ),
            Ended::Failed { result } => failed(
                502,
                "enrolment_failed",
                format!(
                    "The samples were not good enough, or nobody came; the device's number for it is {result}."
                ),
            ),
            Ended::TimedOut => failed(
                504,
                "deadline_exceeded",
                "Nobody enrolled a finger within the deadline; the device verifies people again.".to_owned(),
            ),
            Ended::Cancelled => Ending::cancelled(None),
        })
    }

    /// Writes the old template back, and tells what became of it.
    fn put_back(
        &self,
        session: &mut Session,
        person: &UserRecord,
        ending: Ending,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let Some(old) = &self.old else { return Ok(ending) };
        let deadline = Deadline::after(Instant::now(), AFTERWARDS);
        let mut written = session.write_template(person, old, UploadForm::Single, deadline);
        if matches!(&written, Err(DeviceError { fault: Fault::Rejected { code, .. }, .. }) if code.is_unsupported())
        {
            // Old firmware knows only the block.
            written = session.write_template(person, old, UploadForm::Block, deadline);
        }
        match written {
            Ok(()) => Ok(ending.with_result(old_template("restored"))),
            Err(error) => {
                let (who, finger) = (self.who.to_text(), self.finger);
                log::error!(
                    "the old template of finger {finger} of {who} could not be written back: {error}"
                );
                over(ticket, ending.with_result(old_template("lost")), error)
            }
        }
    }
}

fn old_template(became: &str) -> Value {
    json!({ "old_template": became })
}
