//! The people that a device knows.

use serde::Serialize;

use super::Caller;
use super::grammar::{Level, Person};
use super::line::{unknown, user_id};
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Row, maybe};
use crate::cli::progress::Bar;
use crate::cli::rows::UserRow;
use crate::cli::secrets;
use crate::cli::table::{Column, Side};
use crate::device::Fault;
use crate::device::users::{Mode, Report, UserChange, UserError, Written};
use crate::wire::record::user;

pub(super) fn list(caller: Caller<'_>) -> Done {
    let bar = Bar::waiting("reading users");
    let users = caller.work(|line| line.read(|session, deadline| session.users(deadline)))?;
    drop(bar);
    let rows: Vec<_> = users.iter().map(|user| UserRow::new(&user, caller.call.direct.encoding)).collect();
    caller.out.list(&rows)
}

pub(super) fn show(caller: Caller<'_>, user_id: &str) -> Done {
    let record = caller.work(|line| line.person(user_id))?;
    let row = UserRow::new(record.user(), caller.call.direct.encoding);
    caller.out.one(&row, &row.pairs())
}

pub(super) fn add(caller: Caller<'_>, person: &Person) -> Done {
    write(caller, person, Mode::Create)
}

pub(super) fn change(caller: Caller<'_>, person: &Person) -> Done {
    write(caller, person, Mode::Update)
}

fn write(caller: Caller<'_>, person: &Person, mode: Mode) -> Done {
    let changes = [change_of(person)?];
    let report = caller.work(|line| {
        let encoding = line.encoding;
        line.many(|session, deadline| {
            session.write_users(&changes, mode, encoding, &mut |_| Ok(()), &mut |_| {}, deadline)
        })
    })?;
    let outcome = Outcome::all(&[person.user_id.as_str()], &report).pop();
    match (report.rows.first(), outcome) {
        (Some(Ok(_)), Some(outcome)) => {
            caller.out.done(&outcome, &format!("user {} is {}", outcome.user_id, outcome.result))
        }
        (Some(Err(error)), _) if report.broke.is_none() => Err(Failure::of_user(error)),
        _ => judge(&report),
    }
}

/// What is to be set of this person.
pub(in crate::cli) fn change_of(person: &Person) -> Done<UserChange> {
    let id = user_id(&person.user_id)?;
    let password = match (&person.password_file, person.password_stdin) {
        (Some(file), _) => Some(secrets::of_file(file)?),
        (None, true) => Some(secrets::of_stdin()?),
        (None, false) => None,
    };
    Ok(UserChange {
        name: person.name.clone(),
        password,
        level: person.privilege.map(Level::of_device),
        disabled: person.enabled.map(|enabled| !enabled),
        card_number: person.card,
        group: person.group,
        ..UserChange::of(id)
    })
}

pub(super) fn delete(caller: Caller<'_>, user_ids: &[String]) -> Done {
    let ids = user_ids.iter().map(|id| user_id(id)).collect::<Done<Vec<_>>>()?;
    if ids.len() > 1 {
        caller.confirm(&format!("{} people and their fingerprints will be deleted.", ids.len()))?;
    }
    let bar = Bar::pieces("deleting");
    let report = caller.work(|line| {
        line.many(|session, deadline| {
            let mut told = |progress: crate::device::users::Progress| {
                bar.set(progress.done as u64, progress.total as u64);
            };
            session.delete_users(&ids, &mut |_| Ok(()), &mut told, deadline)
        })
    })?;
    drop(bar);
    if let ([id], [Err(error)], None) = (user_ids, report.rows.as_slice(), &report.broke) {
        return Err(if *error == UserError::Unknown { unknown(id) } else { Failure::of_user(error) });
    }
    let ids: Vec<_> = user_ids.iter().map(String::as_str).collect();
    let outcomes = Outcome::all(&ids, &report);
    match (outcomes.as_slice(), &report.broke) {
        ([one], None) => caller.out.done(one, &format!("user {} is deleted", one.user_id))?,
        (all, _) => caller.out.rows(all)?,
    }
    judge(&report)
}

/// What became of one person.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) user_id: String,
    /// `created`, `updated`, `unchanged`, `deleted` or `failed`.
    pub(super) result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Outcome {
    /// The rows of a report, in the order of the call.
    pub(super) fn all(user_ids: &[&str], report: &Report) -> Vec<Self> {
        let row = |(user_id, result): (&&str, &Result<Written, UserError>)| {
            let blank =
                Self { user_id: (*user_id).to_owned(), result: "", uid: None, code: None, detail: None };
            match result {
                Ok(Written::Created { uid }) => Self { result: "created", uid: Some(*uid), ..blank },
                Ok(Written::Updated { uid }) => Self { result: "updated", uid: Some(*uid), ..blank },
                Ok(Written::Unchanged { uid }) => Self { result: "unchanged", uid: Some(*uid), ..blank },
                Ok(Written::Deleted { uid }) => Self { result: "deleted", uid: Some(*uid), ..blank },
                Err(error) => {
                    let (code, detail) = (Some(error.code()), Some(error.to_string()));
                    Self { result: "failed", code, detail, ..blank }
                }
            }
        };
        user_ids.iter().zip(&report.rows).map(row).collect()
    }
}

impl Row for Outcome {
    const COLUMNS: &'static [Column] =
        &[("USER ID", Side::Left), ("RESULT", Side::Left), ("UID", Side::Right), ("WHY", Side::Left)];

    fn cells(&self) -> Vec<String> {
        let result = self.code.unwrap_or(self.result).to_owned();
        vec![self.user_id.clone(), result, maybe(self.uid), self.detail.clone().unwrap_or_default()]
    }
}

/// Whether everybody is as wanted; if not, the class of what went wrong.
pub(super) fn judge(report: &Report) -> Done {
    let failed: Vec<_> = report.rows.iter().filter_map(|row| row.as_ref().err()).collect();
    let all = report.rows.len();
    if report.broke.as_ref().is_some_and(|error| matches!(error.fault, Fault::Stopped)) {
        let detail = format!("it was ended early: {} of {all} people are as wanted", all - failed.len());
        return Err(Failure::new("cancelled", detail).advise("the same once more does the rest"));
    }
    if let Some(error) = &report.broke {
        let doubtful = failed.iter().any(|error| Exit::of(error.code()) == Exit::Unknown);
        return Err(match doubtful {
            true => {
                let detail = format!(
                    "the session broke, and of some people nobody knows whether it was done: {error}"
                );
                Failure::new("outcome_unknown", detail)
                    .advise("the same once more is harmless: who is as wanted is not written again")
            }
            false => Failure::of_device(error),
        });
    }
    let Some(first) = failed.first() else { return Ok(()) };
    let alike = failed.iter().all(|error| Exit::of(error.code()) == Exit::of(first.code()));
    let code = if alike { first.code() } else { "partly_failed" };
    Err(Failure::new(code, format!("{} of {all} people are not as wanted; the first: {first}", failed.len())))
}

impl Level {
    /// The same for a record.
    pub(super) const fn of_device(self) -> user::Level {
        match self {
            Self::User => user::Level::User,
            Self::Enroller => user::Level::Enroller,
            Self::Manager => user::Level::Manager,
            Self::Administrator => user::Level::Administrator,
        }
    }
}
