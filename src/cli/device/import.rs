//! Many people from a file: one read before, one command for each who is not as wanted, one read after.

use super::Caller;
use super::file;
use super::grammar::{Import, Mode};
use super::people::{Outcome, judge};
use crate::cli::failure::Done;
use crate::cli::interrupt::interrupts;
use crate::cli::progress::Bar;
use crate::device::{DeviceError, Session, users};

pub(super) fn import(caller: Caller<'_>, import: &Import) -> Done {
    let changes = file::read(import)?;
    let bar = Bar::pieces("writing people");
    let mode = match import.mode {
        Mode::Upsert => users::Mode::Upsert,
        Mode::Create => users::Mode::Create,
        Mode::Update => users::Mode::Update,
    };
    let interrupted = interrupts()?;
    let report = caller.work(|line| {
        let encoding = line.encoding;
        // What is written already is looked at and told, also after Ctrl-C.
        let mut pause = |_: &mut Session| match interrupted.is_empty() {
            true => Ok(()),
            false => Err(DeviceError::stopped()),
        };
        let mut told = |progress: users::Progress| bar.set(progress.done as u64, progress.total as u64);
        line.many(|session, deadline| {
            session.write_users(&changes, mode, encoding, &mut pause, &mut told, deadline)
        })
    })?;
    drop(bar);
    let ids: Vec<_> = changes.iter().map(|change| change.user_id.to_text().into_owned()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let outcomes = Outcome::all(&ids, &report);
    caller.out.rows(&outcomes)?;
    let count = |result: &&str| outcomes.iter().filter(|outcome| outcome.result == *result).count();
    let results = ["created", "updated", "unchanged", "failed"];
    let counts: Vec<_> = results.iter().map(|result| format!("{} {result}", count(result))).collect();
    caller.out.note(&counts.join(", "));
    judge(&report)
}
