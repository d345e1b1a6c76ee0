//! Many people of one device in one call: a long operation with a row for each.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::effect::{Act, long};
use super::user_input::{Person, user_id};
use super::user_view::written;
use crate::base::deadline::Deadline;
use crate::device::users::{Mode, Progress, Report, UserChange, UserError, Written};
use crate::device::{DeviceError, Fault, Reached, Session};
use crate::http::call::{Call, Handled};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::Between;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    mode: How,
    #[serde(default)]
    upsert: Vec<Person>,
    #[serde(default)]
    delete: Vec<String>,
}

/// What may happen to the people of "upsert".
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Create,
    Update,
    #[default]
    Upsert,
}

impl How {
    const fn mode(self) -> Mode {
        match self {
            Self::Create => Mode::Create,
            Self::Update => Mode::Update,
            Self::Upsert => Mode::Upsert,
        }
    }
}

/// The most people in one call.
const PEOPLE: usize = 5000;
/// People between two looks at whether to go on; each part reads the table twice.
const PART: usize = 1000;

/// `POST /devices/{id}/users/bulk`
pub fn change(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let device = call.device()?;
    let Wanted { mode, upsert, delete } = call.body()?;
    let total = upsert.len() + delete.len();
    if total == 0 || total > PEOPLE {
        let detail = format!("There are 1 to {PEOPLE} people in \"upsert\" and \"delete\" together.");
        return Err(Problem::new(422, "invalid_value", detail));
    }
    let encoding = call.gateway.device_settings.encoding(&device.id);
    let mut seen = HashSet::new();
    let mut once = |id: UserId, place: String| match seen.insert(id) {
        true => Ok(id),
        false => {
            Err(row_problem(Problem::new(422, "duplicate_user_id", "This user id is there twice."), &place))
        }
    };
    let delete = delete.iter().zip(0..).map(|(text, index)| {
        let place = format!("delete[{index}]");
        once(user_id(text).map_err(|problem| row_problem(problem, &place))?, place)
    });
    let delete = delete.collect::<Result<Vec<_>, Problem>>()?;
    let upsert = upsert.into_iter().zip(0..).map(|(person, index)| {
        let place = format!("upsert[{index}]");
        let missing = || Problem::new(422, "unusable_user_id", "The field \"user_id\" is missing.");
        let id = person.user_id().ok_or_else(missing).and_then(user_id);
        let id = once(id.map_err(|problem| row_problem(problem, &place))?, place.clone())?;
        person.change(id, encoding).map_err(|problem| row_problem(problem, &place))
    });
    let upsert = upsert.collect::<Result<Vec<_>, Problem>>()?;
    let act = Act {
        kind: "write_users",
        subject: Some(format!("{total} users")),
        deadline: call.deadline_or(call.gateway.max_timeout)?,
    };
    let work = Work { delete, upsert, mode: mode.mode(), encoding };
    long(call, act, move |session, deadline, between, ticket| work.run(session, deadline, between, ticket))
}

/// Says which row of the request is meant.
pub(super) fn row_problem(problem: Problem, place: &str) -> Problem {
    let detail = format!("{place}: {}", problem.detail);
    Problem { detail, ..problem }.with("row", place)
}

struct Work {
    delete: Vec<UserId>,
    upsert: Vec<UserChange>,
    mode: Mode,
    encoding: NameEncoding,
}

/// What has become of the rows so far.
#[derive(Default)]
pub(super) struct Told {
    rows: Vec<Value>,
    failed: usize,
    disturbed: Vec<UserId>,
}

impl Work {
    /// Deletes first, so that there is room. What breaks the session is given back, after the ticket has got what
    /// was done by then.
    fn run(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let total = (self.delete.len() + self.upsert.len()) as u64;
        let mut told = Told::default();
        ticket.progress(0, total);
        for ids in self.delete.chunks(PART) {
            if ticket.is_cancelled() {
                return Ok(Ending::cancelled(Some(told.result(total))));
            }
            let before = told.rows.len() as u64;
            let mut progress = |now: Progress| ticket.progress(before + now.done as u64, total);
            let report = session.delete_users(ids, &mut pause(between, ticket), &mut progress, deadline);
            let ids: Vec<_> = ids.iter().map(|id| id.to_text()).collect();
            told.take(&ids, report, ticket, total)?;
        }
        for changes in self.upsert.chunks(PART) {
            if ticket.is_cancelled() {
                return Ok(Ending::cancelled(Some(told.result(total))));
            }
            let before = told.rows.len() as u64;
            let mut progress = |now: Progress| ticket.progress(before + now.done as u64, total);
            let (mode, encoding) = (self.mode, self.encoding);
            let mut pause = pause(between, ticket);
            let report = session.write_users(changes, mode, encoding, &mut pause, &mut progress, deadline);
            let ids: Vec<_> = changes.iter().map(|change| change.user_id.to_text()).collect();
            told.take(&ids, report, ticket, total)?;
        }
        ticket.progress(total, total);
        Ok(told.ending(total))
    }
}

impl Told {
    /// Takes the rows of a part. If the session broke, the operation ends here with what is known.
    pub(super) fn take(
        &mut self,
        ids: &[std::borrow::Cow<'_, str>],
        report: Result<Report, DeviceError>,
        ticket: &Ticket,
        total: u64,
    ) -> Result<(), DeviceError> {
        let (rows, broke) = match report {
            Ok(Report { rows, broke, disturbed }) => {
                self.disturbed.extend(disturbed);
                (rows, broke)
            }
            // Before anything was written in this part.
            Err(error) if self.rows.is_empty() => return Err(error),
            Err(error) => (Vec::new(), Some(error)),
        };
        for (id, row) in ids.iter().zip(rows) {
            self.failed += usize::from(row.is_err());
            self.rows.push(shown(id, row));
        }
        let Some(error) = broke else { return Ok(()) };
        let unknown =
            self.rows.iter().any(|row| row.get("code").and_then(Value::as_str) == Some("outcome_unknown"));
        Err(broken_off(error, unknown, std::mem::take(self).result(total), ticket))
    }

    /// How it ends when the session lasted.
    pub(super) fn ending(self, total: u64) -> Ending {
        let failed = self.failed;
        let result = self.result(total);
        if failed == 0 {
            return Ending::done(result);
        }
        let detail = format!("{failed} of {total} people are not as wanted; the result has a row for each.");
        Ending::failed(Problem::new(502, "rows_failed", detail).to_json()).with_result(result)
    }

    fn result(self, total: u64) -> Value {
        let is = |row: &Value, word: &str| row.get("written").and_then(Value::as_str) == Some(word);
        let count = |word| self.rows.iter().filter(|row| is(row, word)).count();
        let mut result = json!({
            "people": total,
            "created": count("created"),
            "updated": count("updated"),
            "unchanged": count("unchanged"),
            "deleted": count("deleted"),
            "failed": self.failed,
            "rows": self.rows,
        });
        tell_disturbed(&mut result, &self.disturbed);
        result
    }
}

/// Tells who was not written and is not as they were: somebody else changes people of the device at the same time.
pub(super) fn tell_disturbed(result: &mut Value, disturbed: &[UserId]) {
    if let (Value::Object(members), false) = (result, disturbed.is_empty()) {
        let ids: Vec<_> = disturbed.iter().map(|id| id.to_text()).collect();
        log::warn!(
            "{} people of a device were changed by somebody else while others were written",
            ids.len()
        );
        members.insert("disturbed".to_owned(), json!(ids));
    }
}

/// Between two people: others are served, and it may be the end.
pub(super) fn pause<'b>(
    between: &'b mut Between<'_>,
    ticket: &'b Ticket,
) -> impl FnMut(&mut Session) -> Result<(), DeviceError> + 'b {
    move |session| between.pause_unless(session, ticket.is_cancelled())
}

/// Ends the operation of a job that an error ended early, with what came of it by then. Gives the error of a job whose
/// caller was told: it must not be made again.
pub(super) fn broken_off(error: DeviceError, unknown: bool, result: Value, ticket: &Ticket) -> DeviceError {
    let what = if error.keeps_session() { "It ended early" } else { "The session with the device broke" };
    let detail = format!("{what}: {error}. Ask for the same once more: what is done is not done again.");
    let problem = Problem::new(502, error.code(), detail).to_json();
    ticket.end(match error.fault {
        Fault::Stopped if ticket.is_cancelled() => Ending::cancelled(Some(result)),
        _ if unknown => Ending::unknown(problem).with_result(result),
        _ => Ending::failed(problem).with_result(result),
    });
    DeviceError { reached: Reached::Yes, ..error }
}

/// One row: what was done, or the code of what is wrong.
pub(super) fn shown(user_id: &str, row: Result<Written, UserError>) -> Value {
    match row {
        Ok(done) => written(user_id, done),
        Err(error) => json!({ "user_id": user_id, "code": error.code(), "detail": error.to_string() }),
    }
}
