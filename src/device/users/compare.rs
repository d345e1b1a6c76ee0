//! What would have to be done so that a device has the people that it should have. Only reads.

use std::collections::HashSet;

use super::change::UserChange;
use super::plan::{Roster, Row};
use super::report::{Field, UserError, Written};
use super::write::Mode;
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::user::Level;

/// How the people of a device differ from those asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// One for each person asked about, in that order.
    pub rows: Vec<Result<Step, UserError>>,
    /// Who is there and was not asked about, in the order of the table.
    pub others: Vec<Other>,
}

/// What is to be done with one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// They are not there.
    Add,
    /// They are there, and these parts of their record are not as wanted.
    Change(Vec<Field>),
    /// They are there as wanted.
    Keep,
}

/// Somebody who was not asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// Who.
    pub user_id: UserId,
    /// May do more in the device's menu than a common user.
    pub is_privileged: bool,
}

impl Session {
    /// Compares everybody with what they should be.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn compare_users(
        &mut self,
        changes: &[UserChange],
        encoding: NameEncoding,
        deadline: Deadline,
    ) -> Result<Comparison, DeviceError> {
        let table = self.users(deadline)?;
        let layout = self.layout_of(&table, deadline)?;
        let mut roster = Roster::new(&table);
        let mut asked = HashSet::new();
        let rows = changes.iter().map(|change| {
            if !asked.insert(change.user_id) {
                return Err(UserError::Twice);
            }
            let before = roster.find(&change.user_id)?.cloned();
            match (roster.plan(change, Mode::Upsert, layout, encoding), before) {
                (Row::Settled(result), _) => result.map(|_| Step::Keep),
                (Row::Write(after, Written::Updated { .. }), Some(before)) => {
                    Ok(Step::Change(Field::differing(&after, &before)))
                }
                (Row::Write(..), _) => Ok(Step::Add),
            }
        });
        let rows = rows.collect();
        let others = table.iter().filter(|user| !asked.contains(&user.user_id));
        let others = others
            .map(|user| Other {
                user_id: user.user_id,
                is_privileged: user.privilege.name() != Level::User.name(),
            })
            .collect();
        Ok(Comparison { rows, others })
    }
}
