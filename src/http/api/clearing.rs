//! A clearing that was confirmed: looked at once more, backed up, said once, and looked at again.
//!
//! Up to the moment in which it is said, nothing is lost: whatever goes wrong before ends it, and a session that broke
//! is replaced. From then on nothing is said again, and what is not known is told as not known.

use std::time::Duration;

use serde_json::{Map, Value};

use super::clear_tables::{Place, What, counts};
use super::effect::over;
use super::take_backup::{With, take};
use crate::base::deadline::Deadline;
use crate::device::clearing::{Stock, Verdict};
use crate::device::power::Left;
use crate::device::{DeviceError, Fault, Reached, Session};
use crate::http::problem::Problem;
use crate::operations::{Ending, Ticket};
use crate::registry::error::Failure;
use crate::registry::{Between, Refusal};
use crate::store::backups::Entry;

/// One of them.
pub(super) struct Confirmed {
    place: Place,
    value: String,
    backup: bool,
    /// What the dry run showed, once the value was taken: it serves once, also when a session has to be replaced.
    shown: Option<Stock>,
}

/// The parts of it, for whoever watches.
const PARTS: u64 = 4;
/// How long the device may be looked at after it was cleared, even if the deadline has passed.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// What was found and done before it is said.
struct Ready {
    before: Stock,
    result: Map<String, Value>,
}

/// What came of saying it.
enum Said {
    /// It was not said after all.
    Refused(Problem),
    /// It was not said, or nothing of it left: the device cannot have done it.
    Untouched(DeviceError),
    /// The device says that it is done.
    Acknowledged,
    /// The device refused it, or nobody knows.
    Failed(DeviceError),
}

impl Said {
    fn failed(error: DeviceError) -> Self {
        if error.reached == Reached::No { Self::Untouched(error) } else { Self::Failed(error) }
    }
}

/// Nothing of a clearing was said yet: the device was only asked.
pub(super) fn untouched(error: DeviceError) -> DeviceError {
    DeviceError { reached: Reached::No, ..error }
}

impl Confirmed {
    pub(super) const fn new(place: Place, value: String, backup: bool) -> Self {
        Self { place, value, backup, shown: None }
    }

    pub(super) fn run(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let Ready { before, result } =
            match self.prepare(session, deadline, between, ticket).map_err(untouched)? {
                Ok(ready) => ready,
                Err(ending) => return Ok(ending),
            };
        match self.say(session, &before, deadline) {
            Said::Refused(problem) => Ok(refused(&problem, result)),
            Said::Untouched(error) => Err(untouched(error)),
            Said::Acknowledged => {
                log::warn!("device {}: {} cleared on request", self.place.id, self.place.what.name());
                ticket.progress(3, PARTS);
                self.look_again(session, &before, result, deadline, between, ticket)
            }
            Said::Failed(error) => {
                let is_refused = matches!(error.fault, Fault::Rejected { .. });
                let problem = self.problem(&error, !is_refused);
                let ending = match is_refused {
                    true => Ending::failed(problem.to_json()),
                    false => Ending::unknown(problem.to_json()),
                };
                over(ticket, ending.with_result(Value::Object(result)), error)
            }
        }
    }

    /// Everything that comes before: is it confirmed, the same device, no more than was shown, and in a backup?
    fn prepare(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Result<Ready, Ending>, DeviceError> {
        let Place { gateway, id, address: _, what, may_read_templates } = &self.place;
        ticket.progress(0, PARTS);
        if self.shown.is_none() {
            let now = gateway.clock.now();
            self.shown = gateway.confirmations.take(&self.place.about(), &self.value, now);
        }
        let Some(shown) = &self.shown else {
            let detail = "The confirmation is not the one of a dry run of this for this device, or was used, or is too \
                          old. Nothing was cleared.";
            let problem = Problem::new(409, "not_confirmed", detail).about(id);
            return Ok(Err(Ending::failed(problem.to_json()).before_it_began()));
        };
        let before = self.place.stock(session, between, deadline)?;
        let mut result = self.place.told(&before, false);
        result.insert("backup".to_owned(), Value::Null);
        if before.serial_number != shown.serial_number {
            let detail = "Another device answers now than the one of the dry run. Nothing was cleared.";
            return Ok(Err(refused(&Problem::new(409, "not_confirmed", detail).about(id), result)));
        }
        let problem = match self.grown(&before, None) {
            Some(problem) => Some(problem),
            None => self.place.log_problem(session, &before, deadline)?,
        };
        let problem = problem.or_else(|| self.incomplete(&before));
        if let Some(problem) = problem {
            return Ok(Err(refused(&problem, result)));
        }
        ticket.progress(1, PARTS);
        if ticket.is_cancelled() {
            return Ok(Err(Ending::cancelled(Some(Value::Object(result)))));
        }
        if self.backup && what.is_in_backups() {
            // Those who say that they have no fingerprints may not even have the table.
            let templates = *may_read_templates && before.templates != Some(0);
            let with = With { templates, settings: false };
            let taken = take(session, with, deadline, between, &mut |_| {})?;
            let entry = match taken.keep(gateway, id) {
                Ok(entry) => entry,
                Err(problem) => {
                    let detail = format!("Nothing was cleared, for there is no backup: {}", problem.detail);
                    return Ok(Err(refused(&Problem { detail, ..problem }.about(id), result)));
                }
            };
            result.insert("backup".to_owned(), entry.name.as_str().into());
            ticket.happened("backed_up", entry.name.as_str().into());
            let now = session.stock(false, &mut |session| between.pause(session), deadline)?;
            if let Some(problem) = self.grown(&now, Some(&entry)) {
                return Ok(Err(refused(&problem, result)));
            }
        }
        ticket.progress(2, PARTS);
        // The last moment: whoever waits for a door is served before it, not in it.
        between.pause(session)?;
        if ticket.is_cancelled() {
            return Ok(Err(Ending::cancelled(Some(Value::Object(result)))));
        }
        Ok(Ok(Ready { before, result }))
    }

    /// Whether there is more than was shown, or than is in the backup. The operation log grows by being asked.
    fn grown(&self, now: &Stock, backup: Option<&Entry>) -> Option<Problem> {
        let Place { id, what, .. } = &self.place;
        let more = |count: u32, kept: usize| usize::try_from(count).is_ok_and(|count| count > kept);
        let beyond = |Entry { label, .. }: &Entry| {
            more(now.users, label.users)
                || now.templates.zip(label.templates).is_some_and(|(count, kept)| more(count, kept))
        };
        let grown = self.shown.as_ref().is_some_and(|shown| now.has_grown_since(shown));
        if *what == What::OperationLog || !(grown || backup.is_some_and(beyond)) {
            return None;
        }
        let detail =
            "Nothing was cleared: there is more on the device now than the dry run showed. Make another one.";
        Some(Problem::new(409, "counts_grown", detail).about(id))
    }

    /// What would be lost although there is a backup.
    fn incomplete(&self, before: &Stock) -> Option<Problem> {
        let lost = self.place.not_in_backup(before);
        if !self.backup || lost.is_empty() {
            return None;
        }
        let names: Vec<&str> = lost.keys().map(String::as_str).collect();
        let detail = format!(
            "Nothing was cleared: the backup would not have the {}. Say \"backup\": false if they may be lost.",
            names.join(" and the ")
        );
        let problem = Problem::new(409, "backup_incomplete", detail).about(&self.place.id);
        Some(problem.with("not_in_backup", Value::Object(lost)))
    }

    fn say(&self, session: &mut Session, before: &Stock, deadline: Deadline) -> Said {
        let what = self.place.what;
        if what != What::Everything {
            return match session.clear(what.clearing(), deadline) {
                Ok(()) => Said::Acknowledged,
                Err(error) => Said::failed(error),
            };
        }
        // With nobody at the device who could punch between the look at the log and its end.
        let (mut said, mut done) = (false, false);
        let (result, left) = session.while_disabled(deadline, |session| {
            if let Some(problem) = self.place.log_problem(session, before, deadline)? {
                return Ok(Some(problem));
            }
            said = true;
            session.clear(what.clearing(), deadline)?;
            done = true;
            Ok(None)
        });
        if left == Left::Disabled {
            log::warn!("device {}: it may be left disabled; the next session enables it", self.place.id);
        }
        match result {
            // What was done is done, even if the device cannot be enabled afterwards.
            _ if done => Said::Acknowledged,
            Ok(Some(problem)) => Said::Refused(problem),
            Ok(None) => Said::Acknowledged,
            Err(error) if said => Said::failed(error),
            Err(error) => Said::Untouched(error),
        }
    }

    /// What the device has now that it has acknowledged it.
    fn look_again(
        &self,
        session: &mut Session,
        before: &Stock,
        mut result: Map<String, Value>,
        deadline: Deadline,
        between: &mut Between<'_>,
        ticket: &Ticket,
    ) -> Result<Ending, DeviceError> {
        let Place { gateway, id, what, .. } = &self.place;
        let later = deadline.max(Deadline::after(gateway.clock.now(), AFTERWARDS));
        let not_verified = "The device says that it is done, and nobody could look whether it is.";
        let not_verified = Problem::new(502, "not_verified", not_verified).about(id);
        let after = match self.place.stock(session, between, later) {
            Ok(after) => after,
            Err(error) => {
                log::warn!("device {id}: it could not be looked at after the clearing: {error}");
                let ending = Ending::unknown(not_verified.to_json());
                return over(ticket, ending.with_result(Value::Object(result)), error);
            }
        };
        result.insert("after".to_owned(), counts(&after));
        ticket.progress(PARTS, PARTS);
        let verdict = after.after(what.clearing(), before);
        result.insert("cleared".to_owned(), (verdict == Verdict::Done).into());
        let result = Value::Object(result);
        let failed = |code, detail| Ending::failed(Problem::new(502, code, detail).about(id).to_json());
        let ending = match verdict {
            Verdict::Done => return Ok(Ending::done(result)),
            Verdict::Unknown => Ending::unknown(not_verified.to_json()),
            Verdict::Kept => {
                failed("not_stored", "The device says that it is done, and still has some of it.")
            }
            Verdict::More => failed(
                "cleared_more",
                "The device has cleared more than it was asked to; the result has what it counts now.",
            ),
        };
        Ok(ending.with_result(result))
    }

    fn problem(&self, error: &DeviceError, is_unknown: bool) -> Problem {
        let failure = Failure::of(error, self.place.gateway.clock.now());
        let refusal = match is_unknown {
            true => Refusal::OutcomeUnknown(failure),
            false => Refusal::Failed(failure),
        };
        Problem::of_refusal(&refusal, &self.place.id)
    }
}

/// It was not said.
fn refused(problem: &Problem, result: Map<String, Value>) -> Ending {
    Ending::failed(problem.to_json()).with_result(Value::Object(result)).before_it_began()
}
