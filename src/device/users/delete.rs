//! Deleting people, each with one command, all of them verified by one read at the end.

use super::Pause;
use super::plan::Roster;
use super::report::{Progress, Report, UserError, Written};
use super::watch::Watch;
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::record::UserId;

impl Session {
    /// Deletes people by their user ids. That their templates go with them is what all known firmware does; the
    /// protocol has no answer that says so.
    ///
    /// # Errors
    /// [`DeviceError`] when the session failed before anything was deleted. What broke it later is in the report.
    pub fn delete_users(
        &mut self,
        user_ids: &[UserId],
        pause: Pause<'_>,
        progress: &mut dyn FnMut(Progress),
        deadline: Deadline,
    ) -> Result<Report, DeviceError> {
        let (mut watch, table, _) = Watch::begin(self, deadline)?;
        let mut roster = Roster::new(&table);
        drop(table);
        let mut rows = vec![Err(UserError::NotTried); user_ids.len()];
        let (mut broke, mut deleted) = (None, Vec::new());
        for ((user_id, row), index) in user_ids.iter().zip(&mut rows).zip(0..) {
            if deleted.contains(&index_of(user_ids, user_id)) {
                *row = Err(UserError::Twice);
                continue;
            }
            let (outcome, ended) = self.delete_one(user_id, &mut roster, &mut watch, deadline);
            if outcome.is_ok() {
                deleted.push(index);
            }
            *row = outcome;
            if ended.is_some() {
                broke = ended;
                break;
            }
            progress(Progress { done: index + 1, total: user_ids.len() });
            let edition = self.people_edition;
            let paused = pause(self).and_then(|()| {
                if self.people_edition != edition {
                    roster = Roster::new(&watch.begin_anew(self, deadline)?);
                }
                Ok(())
            });
            if let Err(error) = paused {
                broke = Some(error);
                break;
            }
        }
        let mut disturbed = Vec::new();
        if !deleted.is_empty() {
            let after = match &broke {
                Some(error) if !error.keeps_session() => None,
                _ => match self.users(deadline.max(self.shortly())) {
                    Ok(table) => {
                        disturbed = watch.end(&table);
                        Some(Roster::new(&table))
                    }
                    Err(error) => {
                        broke = broke.or(Some(error));
                        None
                    }
                },
            };
            broke = broke.map(DeviceError::after_effects);
            for (row, user_id) in rows.iter_mut().zip(user_ids) {
                if row.is_ok() {
                    match after.as_ref().map(|roster| roster.find(user_id)) {
                        Some(Ok(None)) => {}
                        Some(_) => *row = Err(UserError::StillThere),
                        None => *row = Err(UserError::NotVerified),
                    }
                }
            }
        }
        // Who is not there is gone perhaps by a call that broke before it could do this.
        let gone = !deleted.is_empty() || rows.contains(&Err(UserError::Unknown));
        if gone && broke.as_ref().is_none_or(DeviceError::keeps_session) {
            self.refresh(deadline.max(self.shortly()));
        }
        Ok(Report { rows, broke, disturbed })
    }

    /// Deletes one of many, said once; with what ends the call, if something does.
    fn delete_one(
        &mut self,
        user_id: &UserId,
        roster: &mut Roster,
        watch: &mut Watch,
        deadline: Deadline,
    ) -> (Result<Written, UserError>, Option<DeviceError>) {
        let find = |roster: &Roster| {
            let record = roster.find(user_id)?;
            record.map(|record| record.user().uid).ok_or(UserError::Unknown)
        };
        let mut found = find(roster);
        if let Ok(uid) = found {
            // An index may be somebody else's by now.
            match watch.look(self, Written::Deleted { uid }, deadline) {
                Ok(None) => {}
                Ok(Some(table)) => {
                    *roster = Roster::new(&table);
                    found = find(roster);
                }
                Err(error) => return (Err(UserError::NotTried), Some(error)),
            }
        }
        let uid = match found {
            Ok(uid) => uid,
            Err(error) => return (Err(error), None),
        };
        self.people_changed();
        match self.effect(Request::new(Command::DELETE_USER, uid.to_le_bytes()), deadline) {
            Ok(()) => {
                watch.deleted(uid);
                (Ok(Written::Deleted { uid }), None)
            }
            Err(error) => {
                let (row, ended) = UserError::of(error);
                (Err(row), ended)
            }
        }
    }
}

/// Where somebody stands first.
fn index_of(user_ids: &[UserId], user_id: &UserId) -> usize {
    user_ids.iter().position(|known| known == user_id).unwrap_or(usize::MAX)
}
