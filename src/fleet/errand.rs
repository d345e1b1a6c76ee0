//! What is done with one device of several.

use std::sync::{Arc, Mutex};

use super::{Aim, Fleet, Wanted, Wish, transfer};
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::device::users::{Comparison, Field, Mode, Other, Progress, Report, Step, UserError, Written};
use crate::device::{DeviceError, Fault, Session};
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
    /// Everybody who was not as wanted, in the order in which they were worked on, as far as there is room.
    pub lines: Vec<Line>,
    /// How many more there were.
    pub lines_left_out: usize,
    /// Who was changed by somebody else at the same time, and not by this.
    pub disturbed: Vec<UserId>,
    /// Which device it was.
    pub serial_number: Option<String>,
    /// What kept the device from being looked at, or all of it from being done.
    pub problem: Option<Trouble>,
}

impl Told {
    /// Nothing yet of this device.
    pub(super) fn nothing(id: DeviceId) -> Self {
        Self {
            id,
            counts: Counts::default(),
            lines: Vec::new(),
            lines_left_out: 0,
            disturbed: Vec::new(),
            serial_number: None,
            problem: None,
        }
    }
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
    /// Of them those of whom nobody can tell.
    pub unknown: usize,
    /// Added.
    pub created: usize,
    /// Changed.
    pub updated: usize,
    /// Removed.
    pub deleted: usize,
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
        if !self.is_the_same(session, deadline)? {
            return Ok(());
        }
        let found = session.compare_users(&wish.people, self.encoding, deadline)?;
        let mut leaving = leaving(&wish, &found.others);
        let mut told = lock(&self.told).clone();
        // After a session that broke, what was done on it is not told once more.
        told.lines.retain(|line| matches!(line.what, What::Done(_)));
        // They count on over what was done.
        let Counts { created, updated, deleted, .. } = told.counts;
        told.counts = Counts { created, updated, deleted, ..counts(&found, leaving.len()) };
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
        // Whoever is on the list and cannot be stored here may be one of those who are there, by another spelling.
        let held_back = told.counts.failed > 0 && !leaving.is_empty() && !too_many;
        let held_back = held_back.then(|| {
            let (unclear, count) = (told.counts.failed, leaving.len());
            leaving.clear();
            let detail = format!(
                "{unclear} people on the list cannot be compared with this device, so {count} others were not removed."
            );
            Trouble { code: "removal_held_back", detail }
        });
        if self.aim == Aim::Compare || too_many {
            told.problem = told.problem.or(held_back);
            told.lines.extend(planned(&wish, &found, &leaving));
            *lock(&self.told) = told;
            return Ok(());
        }
        *lock(&self.told) = told;
        self.remove(session, &leaving, deadline, between)?;
        self.write(session, &wish, &found, deadline, between)?;
        let mut told = lock(&self.told);
        told.problem = told.problem.take().or(held_back);
        Ok(())
    }

    /// Whether the device is the one that the list was brought to first: another one may have its address by now.
    fn is_the_same(&self, session: &mut Session, deadline: Deadline) -> Result<bool, DeviceError> {
        let here = session.who_is_there(deadline)?.map(str::to_owned);
        let known = match &self.wanted {
            Wanted::Kept(list) => list.serial_number.as_ref(),
            Wanted::Asked(_) | Wanted::Copied(_) => None,
        };
        let mut told = lock(&self.told);
        let other = known.filter(|known| here.as_ref() != Some(known));
        told.problem = other.map(|known| {
            let here = here.as_deref().unwrap_or("none that it tells");
            let detail = format!(
                "The list was brought to the device with the serial number {known}; the one at this address has {here}. \
                 Send the list again if that is meant."
            );
            Trouble { code: "other_device", detail }
        });
        told.serial_number = here;
        Ok(told.problem.is_none())
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
            if self.is_over(leaving.len() - open) {
                return Ok(());
            }
            let mut pause = |session: &mut Session| self.pause(session, between);
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
        if changes.is_empty() && found.rows.contains(&Ok(Step::Keep)) {
            // They are as wanted perhaps by a call that broke before it could make that effective.
            session.refresh(deadline);
        }
        for (some, before) in changes.chunks(PART).zip((0..changes.len()).step_by(PART)) {
            if self.is_over(changes.len() - before) {
                return Ok(());
            }
            let mut pause = |session: &mut Session| self.pause(session, between);
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

    /// Between two people: others are served, and it may be the end.
    fn pause(&self, session: &mut Session, between: &mut Between<'_>) -> Result<(), DeviceError> {
        between.pause_unless(session, self.ticket.is_cancelled())
    }

    /// Whether it has ended early, or is to; then so many people were not tried.
    fn is_over(&self, open: usize) -> bool {
        let mut told = lock(&self.told);
        if told.problem.is_none() && self.ticket.is_cancelled() {
            told.problem = Some(self.ended_early());
        }
        let over = told.problem.is_some();
        told.counts.failed += if over { open } else { 0 };
        over
    }

    fn ended_early(&self) -> Trouble {
        if self.ticket.is_cancelled() {
            let detail = "It was cancelled before everybody was tried.".to_owned();
            return Trouble { code: "cancelled", detail };
        }
        let detail = "The session was wanted back before everybody was tried.".to_owned();
        Trouble { code: "device_disconnected", detail }
    }

    /// Takes the rows of a part. What broke the session is given back, after what was done by then was noted.
    fn take(&self, ids: &[UserId], report: Result<Report, DeviceError>) -> Result<(), DeviceError> {
        let Report { rows, broke, disturbed } = report?;
        let mut told = lock(&self.told);
        told.disturbed.extend(disturbed);
        for (user_id, row) in ids.iter().zip(rows) {
            told.counts.take(&row);
            let what = row.map_or_else(What::Failed, What::Done);
            told.lines.push(Line { user_id: *user_id, what });
        }
        match broke {
            Some(DeviceError { fault: Fault::Stopped, .. }) => {
                told.problem = Some(self.ended_early());
                Ok(())
            }
            broke => broke.map_or(Ok(()), Err),
        }
    }
}

impl Counts {
    /// Counts what became of somebody.
    pub(super) fn take(&mut self, row: &Result<Written, UserError>) {
        match row {
            Ok(Written::Created { .. }) => self.created += 1,
            Ok(Written::Updated { .. }) => self.updated += 1,
            Ok(Written::Deleted { .. }) => self.deleted += 1,
            Ok(Written::Unchanged { .. }) => self.unchanged += 1,
            Err(error) => {
                self.failed += 1;
                self.unknown += usize::from(*error == UserError::OutcomeUnknown);
            }
        }
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
        ..Counts::default()
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

/// Why the registry did not have it done. What nobody can tell is told of each person.
pub(super) fn trouble(refusal: &Refusal) -> Trouble {
    let code = match refusal {
        Refusal::OutcomeUnknown(failure) => failure.code,
        refusal => refusal.code(),
    };
    Trouble { code, detail: refusal.to_string() }
}
