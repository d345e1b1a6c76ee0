//! What is done with one device of several.

use std::sync::{Arc, Mutex};

use super::{Aim, Fleet, Wanted, Wish, transfer};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::device::users::{Comparison, Field, Mode, Other, Progress, Report, Step, UserError, Written};
use crate::device::{DeviceError, Session};
use crate::operations::Ticket;
use crate::registry::{Between, Refusal};
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;

/// What came of one device.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub id: DeviceId,
    /// How many people are as wanted, and how many are not.
    pub counts: Counts,
    /// Everybody who was not as wanted, in the order in which they were worked on.
    pub lines: Vec<Line>,
    /// What kept the device from being looked at, or all of it from being done.
    pub problem: Option<Trouble>,
}

/// How many people there were of each kind. What was to be done counts also after it was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// On the list, and not there.
    pub add: usize,
    /// On the list, and there otherwise.
    pub change: usize,
    /// There, not on the list, and to be removed.
    pub remove: usize,
    /// On the list, and there as wanted.
    pub unchanged: usize,
    /// There, not on the list, and to be left alone.
    pub others: usize,
    /// Could not be planned, or not done.
    pub failed: usize,
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub user_id: UserId,
    /// What is to be done, or was.
    pub what: What,
}

/// What is to be done with a person, was done, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// To be added.
    Add,
    /// To be changed in these parts.
    Change(Vec<Field>),
    /// To be removed.
    Remove,
    /// It was done.
    Done(Written),
    /// It was not done.
    Failed(UserError),
}

/// Why a device was not looked at, or not all of it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The stable code of the API.
    pub code: &'static str,
    /// In a sentence.
    pub detail: String,
}

/// People between two looks at whether to go on; each part reads the table twice.
const PART: usize = 500;

/// What is done with one device. What is known so far outlives a session that breaks.
pub(super) struct Errand {
    pub(super) fleet: Arc<Fleet>,
    pub(super) wanted: Wanted,
    pub(super) aim: Aim,
    pub(super) encoding: NameEncoding,
    pub(super) ticket: Ticket,
    /// Told how many people more are done.
    pub(super) advance: Box<dyn Fn(usize) + Send>,
    pub(super) told: Arc<Mutex<Told>>,
}

impl Errand {
    pub(super) fn run(
        &self,
        session: &mut Session,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<(), DeviceError> {
        let wish = match &self.wanted {
            Wanted::Copied(copy) => {
                return transfer::write(session, copy, self.encoding, &self.told, deadline, between);
            }
            Wanted::Asked(wish) => Arc::clone(wish),
            Wanted::Kept(list) => match self.fleet.read(list, deadline) {
                Ok(wish) => Arc::new(wish),
                Err(trouble) => {
                    lock(&self.told).problem = Some(trouble);
                    return Ok(());
                }
            },
        };
        let found = session.compare_users(&wish.people, self.encoding, deadline)?;
        let leaving = leaving(&wish, &found.others);
        let mut told = lock(&self.told).clone();
        // After a session that broke, what was done on it is not told once more.
        told.lines.retain(|line| matches!(line.what, What::Done(_)));
        told.counts = counts(&found, leaving.len());
        for (person, row) in wish.people.iter().zip(&found.rows) {
            if let Err(error) = row {
                told.lines.push(Line { user_id: person.user_id, what: What::Failed(error.clone()) });
            }
        }
        let too_many = leaving.len() > wish.removal.at_most;
        if too_many {
            let (count, most) = (leaving.len(), wish.removal.at_most);
            let detail = format!(
                "{count} people of this device are not on the list; at most {most} may be removed. Nothing was changed."
            );
            told.problem = Some(Trouble { code: "too_many_removals", detail });
        }
        if self.aim == Aim::Compare || too_many {
            told.lines.extend(planned(&wish, &found, &leaving));
            *lock(&self.told) = told;
            return Ok(());
        }
        *lock(&self.told) = told;
        self.remove(session, &leaving, deadline, between)?;
        self.write(session, &wish, &found, deadline, between)
    }

    /// First, so that there is room.
    fn remove(
        &self,
        session: &mut Session,
        leaving: &[UserId],
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<(), DeviceError> {
        for (ids, open) in leaving.chunks(PART).zip((0..leaving.len()).step_by(PART)) {
            if self.is_cancelled(leaving.len() - open) {
                return Ok(());
            }
            let mut pause = |session: &mut Session| between.pause(session);
            let report = session.delete_users(ids, &mut pause, &mut |_| {}, deadline);
            self.take(ids, report)?;
        }
        Ok(())
    }

    fn write(
        &self,
        session: &mut Session,
        wish: &Wish,
        found: &Comparison,
        deadline: Deadline,
        between: &mut Between<'_>,
    ) -> Result<(), DeviceError> {
        let open = |row: &Result<Step, UserError>| matches!(row, Ok(Step::Add | Step::Change(_)));
        let rows = wish.people.iter().zip(&found.rows);
        let changes: Vec<_> = rows.filter(|(_, row)| open(row)).map(|(person, _)| person.clone()).collect();
        for (some, before) in changes.chunks(PART).zip((0..changes.len()).step_by(PART)) {
            if lock(&self.told).problem.is_some() || self.is_cancelled(changes.len() - before) {
                return Ok(());
            }
            let mut pause = |session: &mut Session| between.pause(session);
            let mut last = 0;
            let mut progress = |Progress { done, .. }: Progress| {
                (self.advance)(done.saturating_sub(last));
                last = last.max(done);
            };
            let report =
                session.write_users(some, Mode::Upsert, self.encoding, &mut pause, &mut progress, deadline);
            let ids: Vec<_> = some.iter().map(|person| person.user_id).collect();
            self.take(&ids, report)?;
        }
        Ok(())
    }

    /// Whether it is to end; then so many people were not tried.
    fn is_cancelled(&self, open: usize) -> bool {
        let cancelled = self.ticket.is_cancelled();
        if cancelled {
            let mut told = lock(&self.told);
            told.counts.failed += open;
            let detail = format!("It was cancelled; {open} people were not tried.");
            told.problem = Some(Trouble { code: "cancelled", detail });
        }
        cancelled
    }

    /// Takes the rows of a part. What broke the session is given back, after what was done by then was noted.
    fn take(&self, ids: &[UserId], report: Result<Report, DeviceError>) -> Result<(), DeviceError> {
        let Report { rows, broke } = report?;
        let mut told = lock(&self.told);
        for (user_id, row) in ids.iter().zip(rows) {
            told.counts.failed += usize::from(row.is_err());
            let what = row.map_or_else(What::Failed, What::Done);
            told.lines.push(Line { user_id: *user_id, what });
        }
        broke.map_or(Ok(()), Err)
    }
}

/// Who is to go.
fn leaving(wish: &Wish, others: &[Other]) -> Vec<UserId> {
    let removal = wish.removal;
    let leaves = |other: &&Other| removal.at_most > 0 && (removal.privileged || !other.is_privileged);
    others.iter().filter(leaves).map(|other| other.user_id).collect()
}

fn counts(found: &Comparison, remove: usize) -> Counts {
    let count = |is: fn(&Result<Step, UserError>) -> bool| found.rows.iter().filter(|row| is(row)).count();
    Counts {
        add: count(|row| matches!(row, Ok(Step::Add))),
        change: count(|row| matches!(row, Ok(Step::Change(_)))),
        remove,
        unchanged: count(|row| matches!(row, Ok(Step::Keep))),
        others: found.others.len() - remove,
        failed: count(Result::is_err),
    }
}

/// What would be done.
fn planned(wish: &Wish, found: &Comparison, leaving: &[UserId]) -> Vec<Line> {
    let mut lines: Vec<Line> =
        leaving.iter().map(|user_id| Line { user_id: *user_id, what: What::Remove }).collect();
    for (person, row) in wish.people.iter().zip(&found.rows) {
        let what = match row {
            Ok(Step::Add) => What::Add,
            Ok(Step::Change(fields)) => What::Change(fields.clone()),
            Ok(Step::Keep) | Err(_) => continue,
        };
        lines.push(Line { user_id: person.user_id, what });
    }
    lines
}

/// Why the registry did not have it done.
pub(super) fn trouble(refusal: &Refusal) -> Trouble {
    Trouble { code: refusal.code(), detail: refusal.to_string() }
}
