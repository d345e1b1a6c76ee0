//! Fingerprints of many people in one call, in the fast form.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::backups::may_touch_templates;
use super::effect::{Act, long};
use super::fingers::{Use, VERSION, other_algorithm};
use super::user_input::user_id;
use super::users_bulk::{Told, pause, row_problem};
use crate::base::deadline::Deadline;
use crate::device::templates::{Fingerprint, PersonWrite};
use crate::device::users::{Mode, Progress, UserChange};
use crate::device::{DeviceError, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;
use crate::wire::encoding::NameEncoding;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    algorithm: String,
    people: Vec<Person>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    user_id: String,
    templates: Vec<Finger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finger {
    finger: u8,
    data: String,
    #[serde(default, rename = "use")]
    good_for: Use,
}

/// The most people in one call.
const PEOPLE: usize = 5000;
/// Fingers of a person.
const FINGERS: usize = 10;

/// `PUT /devices/{id}/templates`
pub fn write(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    may_touch_templates(call)?;
    let Wanted { algorithm, people } = call.body()?;
    if people.is_empty() || people.len() > PEOPLE {
        let detail = format!("There are 1 to {PEOPLE} people in \"people\".");
        return Err(Problem::new(422, "invalid_value", detail).with("field", "people"));
    }
    let mut seen = HashSet::new();
    let people = people.into_iter().zip(0..).map(|(person, index)| {
        let wrong = |problem| row_problem(problem, &format!("people[{index}]"));
        let write = person.checked().map_err(wrong)?;
        if !seen.insert(write.user.user_id) {
            return Err(wrong(Problem::new(422, "duplicate_user_id", "This user id is there twice.")));
        }
        Ok(write)
    });
    let people = people.collect::<Result<Vec<_>, Problem>>()?;
    let encoding = call.gateway.device_settings.encoding(&call.device()?.id);
    let fingers: usize = people.iter().map(|person| person.fingerprints.len()).sum();
    let act = Act {
        kind: "write_templates",
        subject: Some(format!("{fingers} fingers of {} people", people.len())),
        deadline: call.deadline_or(call.gateway.max_timeout)?,
    };
    long(call, act, move |session, deadline, between, ticket| {
        written(session, &people, &algorithm, encoding, deadline, between, ticket)
    })
}

impl Person {
    fn checked(self) -> Result<PersonWrite, Problem> {
        let id = user_id(&self.user_id)?;
        let mut seen = HashSet::new();
        let all_different = self.templates.iter().all(|finger| seen.insert(finger.finger));
        if self.templates.is_empty() || self.templates.len() > FINGERS || !all_different {
            let detail = "A person has 1 to 10 templates here, each of another finger.";
            return Err(Problem::new(422, "invalid_value", detail).with("field", "templates"));
        }
        let fingerprints = self.templates.into_iter().map(|Finger { finger, data, good_for }| {
            let wrong = || {
                let detail = "Fingers are 0 to 9, and the field data is a template in Base64.";
                Problem::new(422, "invalid_value", detail).with("field", "templates")
            };
            let bytes = STANDARD.decode(data.as_bytes()).map_err(|_| wrong())?;
            Fingerprint::new(finger, good_for.validity(), bytes).map_err(|_| wrong())
        });
        let fingerprints = fingerprints.collect::<Result<Vec<_>, Problem>>()?;
        Ok(PersonWrite { user: UserChange::of(id), fingerprints })
    }
}

/// Who is not there is not made here: a person is more than their fingers.
fn written(
    session: &mut Session,
    people: &[PersonWrite],
    algorithm: &str,
    encoding: NameEncoding,
    deadline: Deadline,
    between: &mut Between<'_>,
    ticket: &Ticket,
) -> Result<Ending, DeviceError> {
    let here = session.option(VERSION, deadline)?;
    if here.as_deref() != Some(algorithm) {
        return Ok(Ending::failed(other_algorithm(here).to_json()).before_it_began());
    }
    let total = people.len() as u64;
    ticket.progress(0, total);
    let mut progress = |now: Progress| ticket.progress(now.done as u64, total);
    let mut pause = pause(between, ticket);
    let report = session.write_people(people, Mode::Update, encoding, &mut pause, &mut progress, deadline);
    let ids: Vec<_> = people.iter().map(|person| person.user.user_id.to_text()).collect();
    let mut told = Told::default();
    told.take(&ids, report, ticket, total)?;
    ticket.progress(total, total);
    Ok(told.ending(total))
}
