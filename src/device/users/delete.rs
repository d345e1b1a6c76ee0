//! Deleting people, each with one command, all of them verified by one read at the end.

use super::Pause;
use super::plan::Roster;
use super::report::{Progress, Report, UserError, Written};
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
        let mut roster = Roster::new(&self.users(deadline)?);
        let mut rows = vec![Err(UserError::NotTried); user_ids.len()];
        let (mut broke, mut deleted) = (None, Vec::new());
        for ((user_id, row), index) in user_ids.iter().zip(&mut rows).zip(0..) {
            let found = roster.find(user_id).and_then(|record| record.ok_or(UserError::Unknown));
            let uid = match found {
                Ok(_) if deleted.contains(&index_of(user_ids, user_id)) => {
                    *row = Err(UserError::Twice);
                    continue;
                }
                Ok(record) => record.user().uid,
                Err(error) => {
                    *row = Err(error);
                    continue;
                }
            };
            self.people_changed();
            match self.effect(Request::new(Command::DELETE_USER, uid.to_le_bytes()), deadline) {
                Ok(()) => {
                    *row = Ok(Written::Deleted { uid });
                    deleted.push(index);
                }
                Err(error) => {
                    let (error, ended) = UserError::of(error);
                    *row = Err(error);
                    if ended.is_some() {
                        broke = ended;
                        break;
                    }
                }
            }
            progress(Progress { done: index + 1, total: user_ids.len() });
            let edition = self.people_edition;
            let paused = pause(self).and_then(|()| {
                if self.people_edition != edition {
                    roster = Roster::new(&self.users(deadline)?);
                }
                Ok(())
            });
            if let Err(error) = paused {
                broke = Some(error);
                break;
            }
        }
        if !deleted.is_empty() {
            let after = match &broke {
                Some(error) if !error.keeps_session() => None,
                _ => match self.users(deadline.max(self.shortly())) {
                    Ok(table) => Some(Roster::new(&table)),
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
        Ok(Report { rows, broke })
    }
}

/// Where somebody stands first.
fn index_of(user_ids: &[UserId], user_id: &UserId) -> usize {
    user_ids.iter().position(|known| known == user_id).unwrap_or(usize::MAX)
}
