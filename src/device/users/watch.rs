//! Whether somebody else changes people while many are written: at the device's menu, or in another program.
//!
//! The protocol has no command that changes a record only if it is still what was read. So the device's count is asked
//! for every few writes before an index is given to somebody new, and the table is read again when the count is not what
//! it should be, or when records are to be changed that were read too long ago. At the end it is told who is not as they
//! were although nobody here wrote them. What is left is a moment: whoever is changed between the reading and the writing
//! of their record, or gets an index between the counting and the writing of it, is written over.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::plan::Roster;
use super::report::{Field, Written};
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::wire::record::UserId;
use crate::wire::record::table::UserTable;
use crate::wire::record::user_record::UserRecord;
use crate::wire::sizes::FreeSizes;

/// Writes after which the device's count is asked for before the next new index, or the time after which it is.
const WRITES: usize = 10;
const SOON: Duration = Duration::from_millis(500);
/// Changes after which the table is read again before the next one, or the time after which it is: so long, and so many
/// times as long as the reading takes.
const CHANGES: usize = 100;
const LATER: Duration = Duration::from_secs(1);
const TIMES: u32 = 10;

/// The people of a device as they should be, by what was read and what was written since.
#[derive(Debug)]
pub(in crate::device) struct Watch {
    known: HashMap<u16, UserRecord>,
    /// Indices that were written here. What is wrong with these is told in rows of their own.
    ours: HashSet<u16>,
    /// Indices that are given to nobody new although nobody has them.
    reserved: Vec<u16>,
    disturbed: BTreeMap<u16, UserId>,
    /// What the device counted when the table was read; `None` if its counts are worth nothing.
    counted: Option<u32>,
    /// How many people were in the table then.
    there: usize,
    /// How many more, or fewer, there are by what was written since.
    grown: i64,
    read: Instant,
    reading: Duration,
    looked: Instant,
    writes: usize,
    changes: usize,
}

impl Watch {
    /// Reads the people, with whatever else the device counts.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(in crate::device) fn begin(
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<(Self, UserTable, FreeSizes), DeviceError> {
        let began = Instant::now();
        let (table, sizes) = session.counted_users(deadline)?;
        let read = Instant::now();
        let known = by_index(&table);
        let watch = Self {
            ours: HashSet::new(),
            reserved: Vec::new(),
            disturbed: BTreeMap::new(),
            counted: sizes.users,
            there: known.len(),
            known,
            grown: 0,
            read,
            reading: read.saturating_duration_since(began),
            looked: read,
            writes: 0,
            changes: 0,
        };
        Ok((watch, table, sizes))
    }

    /// Reads them again because this program itself has served somebody who changed people.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(in crate::device) fn begin_anew(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<UserTable, DeviceError> {
        let (anew, table, _) = Self::begin(session, deadline)?;
        self.go_on_with(anew);
        Ok(table)
    }

    /// Looks whether the people are still those that were read, if it is time for that before `next` is done; gives the
    /// table if it had to be read again.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub(in crate::device) fn look(
        &mut self,
        session: &mut Session,
        next: Written,
        deadline: Deadline,
    ) -> Result<Option<UserTable>, DeviceError> {
        let is_fine = match next {
            Written::Created { .. } => self.is_counted_as_expected(session, deadline)?,
            Written::Updated { .. } => !self.is_old(),
            Written::Deleted { .. } => !self.is_old() && self.is_counted_as_expected(session, deadline)?,
            Written::Unchanged { .. } => true,
        };
        if is_fine {
            return Ok(None);
        }
        let (mut anew, table, _) = Self::begin(session, deadline)?;
        self.compare(&anew.known);
        anew.counted = anew.counted.filter(|counted| self.counts_follow(*counted, anew.there));
        self.go_on_with(anew);
        Ok(Some(table))
    }

    /// Takes note of what the device acknowledged.
    pub(in crate::device) fn wrote(&mut self, record: &UserRecord, what: Written) {
        let uid = record.user().uid;
        self.ours.insert(uid);
        self.known.insert(uid, record.clone());
        self.grown += i64::from(matches!(what, Written::Created { .. }));
        self.changes += usize::from(matches!(what, Written::Updated { .. }));
        self.writes += 1;
    }

    /// Takes note that the device acknowledged a deletion.
    pub(in crate::device) fn deleted(&mut self, uid: u16) {
        self.ours.insert(uid);
        self.known.remove(&uid);
        self.grown -= 1;
        self.changes += 1;
        self.writes += 1;
    }

    /// Has indices given to nobody new.
    pub(in crate::device) fn reserve(&mut self, uids: Vec<u16>) {
        self.reserved = uids;
    }

    /// The people as they were read, for plans. What was written here is given to nobody else, also if it is not there.
    pub(in crate::device) fn roster(&self, table: &UserTable) -> Roster {
        let mut roster = Roster::new(table);
        roster.reserve(self.ours.iter().chain(&self.reserved).copied());
        roster
    }

    /// Who vanished or was changed and was not written here, by what there is at the end.
    pub(in crate::device) fn end(mut self, table: &UserTable) -> Vec<UserId> {
        self.compare(&by_index(table));
        self.disturbed.retain(|uid, _| !self.ours.contains(uid));
        self.disturbed.into_values().collect()
    }

    fn go_on_with(&mut self, anew: Self) {
        let counted = self.counted.and(anew.counted);
        let Self { ours, reserved, disturbed, .. } = std::mem::replace(self, anew);
        (self.ours, self.reserved, self.disturbed, self.counted) = (ours, reserved, disturbed, counted);
    }

    fn compare(&mut self, now: &HashMap<u16, UserRecord>) {
        for (uid, before) in &self.known {
            let same = now.get(uid).is_some_and(|now| Field::differing(before, now).is_empty());
            if !same {
                self.disturbed.insert(*uid, before.user().user_id);
            }
        }
    }

    fn is_old(&self) -> bool {
        self.changes >= CHANGES || self.read.elapsed() > LATER.max(self.reading * TIMES)
    }

    fn is_counted_as_expected(
        &mut self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<bool, DeviceError> {
        let Some(counted) = self.counted else { return Ok(true) };
        if self.writes < WRITES && self.looked.elapsed() < SOON {
            return Ok(true);
        }
        let now = session.free_sizes(deadline)?.users;
        (self.writes, self.looked) = (0, Instant::now());
        Ok(now.map(i64::from) == Some(i64::from(counted) + self.grown))
    }

    /// Whether the device's count is that of its table, or has become another one as much as the table has.
    fn counts_follow(&self, counted: u32, there: usize) -> bool {
        let number = |there: usize| i64::try_from(there).unwrap_or(i64::MAX);
        let more = |before: u32| i64::from(counted) - i64::from(before);
        let follows = |before| more(before) == number(there) - number(self.there);
        i64::from(counted) == number(there) || self.counted.is_some_and(follows)
    }
}

fn by_index(table: &UserTable) -> HashMap<u16, UserRecord> {
    table.raw().map(|record| (record.user().uid, record)).collect()
}
