//! What there is on a device that can be cleared, clearing it in one command, and what became of it. Whoever clears
//! counts before and after: firmware differs in what it takes away.

use super::error::DeviceError;
use super::log::OpenLog;
use super::session::Session;
use super::upkeep::DataKind;
use super::users::Pause;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::dialog::hello::SERIAL_NUMBER;
use crate::wire::command::Command;

/// What one command takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearing {
    /// The rights of all administrators: they become common users.
    Administrators,
    /// All of one kind.
    Data(DataKind),
    /// People, fingerprints and all logs.
    Everything,
}

/// What there is on a device, as far as anybody can know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Whose it is.
    pub serial_number: Option<String>,
    /// People; these were read.
    pub users: u32,
    /// How many of them may do more than a common user.
    pub administrators: u32,
    /// Fingerprint templates.
    pub templates: Option<u32>,
    /// Faces.
    pub faces: Option<u32>,
    /// Records of the attendance log, as the device counts them.
    pub records: Option<u32>,
    /// Entries of the operation log, as the device counts them.
    pub operations: Option<u32>,
}

/// What became of a clearing that the device acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took place.
    Done,
    /// What was to be cleared is still there.
    Kept,
    /// Something is gone that was not to be cleared.
    More,
    /// The device does not count what was to be cleared.
    Unknown,
}

impl Session {
    /// What there is. Where the device's counts are worth nothing, templates are read to be counted if that is
    /// allowed (`may_read_templates`).
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn stock(
        &mut self,
        may_read_templates: bool,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<Stock, DeviceError> {
        let serial_number = self.option(SERIAL_NUMBER, deadline)?;
        let table = self.users(deadline)?;
        let sizes = self.free_sizes(deadline)?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let users = count(table.raw().count());
        let administrators = count(table.iter().filter(|user| user.privilege.name() != "user").count());
        let mut stock = Stock { serial_number, users, administrators, ..Stock::default() };
        // Many a device counts nothing, or says zero of everything.
        let counts = sizes.users == Some(users);
        if counts {
            stock.templates = sizes.fingerprints;
            stock.faces = sizes.faces;
            stock.records = sizes.punches;
            stock.operations = sizes.operations;
        }
        if stock.faces.is_none()
            && self.option("ZKFaceVersion", deadline)?.is_none_or(|version| version.trim() == "0")
        {
            stock.faces = Some(0);
        }
        // "None" of a device without people proves nothing: it may be one that counts nothing.
        let proves_nothing = users == 0 && stock.templates == Some(0);
        if (stock.templates.is_none() || proves_nothing) && may_read_templates {
            stock.templates = Some(count(self.templates_in_pieces(pause, deadline)?.len()));
        }
        Ok(stock)
    }

    /// Whether the attendance log has no records. The log itself is asked: not every device counts.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn log_is_empty(&mut self, deadline: Deadline) -> Result<bool, DeviceError> {
        Ok(match self.open_uncounted_log(None, deadline)? {
            OpenLog::Empty => true,
            OpenLog::Whole(_) => false,
            OpenLog::Prepared(buffer) => {
                buffer.release(self, deadline)?;
                false
            }
        })
    }

    /// Clears, and makes that effective: said once, there is no way back, and nothing is looked at afterwards.
    ///
    /// # Errors
    /// [`DeviceError`]; if it reached the device perhaps, only a look at the device tells whether it was done.
    pub fn clear(&mut self, what: Clearing, deadline: Deadline) -> Result<(), DeviceError> {
        self.people_changed();
        let request = match what {
            Clearing::Administrators => Request::bare(Command::CLEAR_ADMIN),
            Clearing::Data(kind) => Request::new(Command::CLEAR_DATA, [kind.number()]),
            Clearing::Everything => Request::bare(Command::CLEAR_DATA),
        };
        self.effect(request, deadline)?;
        self.refresh(deadline);
        Ok(())
    }
}

impl Stock {
    /// Whether there is more of anything than there was, of people, their rights or their fingerprints.
    #[must_use]
    pub fn has_grown_since(&self, before: &Self) -> bool {
        let more = |now: Option<u32>, then: Option<u32>| now.zip(then).is_some_and(|(now, then)| now > then);
        self.users > before.users
            || self.administrators > before.administrators
            || more(self.templates, before.templates)
            || more(self.faces, before.faces)
    }

    /// What became of a clearing after which this is there, and before which that was.
    #[must_use]
    pub fn after(&self, what: Clearing, before: &Self) -> Verdict {
        let done = match what {
            Clearing::Administrators => Some(self.administrators == 0),
            // A finger that stays would be that of whoever gets the index next.
            Clearing::Data(DataKind::Users) => {
                Some(self.users == 0 && self.templates.unwrap_or_default() == 0)
            }
            Clearing::Data(DataKind::Templates) => self.templates.map(|left| left == 0),
            Clearing::Data(DataKind::Attendance) => self.records.map(|left| left == 0),
            // It may have its next entry already: that it was cleared.
            Clearing::Data(DataKind::Operations) => {
                self.operations.zip(before.operations).map(|(now, then)| now <= 1 || now < then)
            }
            Clearing::Everything => Some(self.users == 0 && self.templates.unwrap_or_default() == 0),
        };
        match done {
            Some(false) => Verdict::Kept,
            _ if self.lacks_more(what, before) => Verdict::More,
            Some(true) => Verdict::Done,
            None => Verdict::Unknown,
        }
    }

    /// Whether all of something is gone that was not meant.
    fn lacks_more(&self, what: Clearing, before: &Self) -> bool {
        let gone = |now: Option<u32>, then: Option<u32>| now == Some(0) && then.is_some_and(|then| then > 0);
        let users = gone(Some(self.users), Some(before.users));
        let templates = gone(self.templates, before.templates);
        let records = gone(self.records, before.records);
        match what {
            Clearing::Administrators | Clearing::Data(DataKind::Operations) => users || templates || records,
            Clearing::Data(DataKind::Templates) => users || records,
            Clearing::Data(DataKind::Users) => records,
            Clearing::Data(DataKind::Attendance) => users || templates,
            Clearing::Everything => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Stock = Stock {
        serial_number: None,
        users: 5,
        administrators: 1,
        templates: Some(3),
        faces: Some(0),
        records: Some(40),
        operations: Some(7),
    };

    #[test]
    fn what_became_of_a_clearing_is_read_off_the_counts() {
        let users = Clearing::Data(DataKind::Users);
        let templates = Clearing::Data(DataKind::Templates);
        let operations = Clearing::Data(DataKind::Operations);
        let empty = Stock { users: 0, administrators: 0, templates: Some(0), ..BEFORE };
        let fingers = Stock { users: 0, administrators: 0, ..BEFORE };
        let unseen = Stock { templates: None, ..fingers.clone() };
        let nothing = Stock { records: Some(0), operations: Some(1), ..empty.clone() };
        let common = Stock { administrators: 0, ..BEFORE };
        let bare = Stock { templates: Some(0), ..BEFORE };
        let uncounted = Stock { templates: None, records: None, operations: None, ..BEFORE };
        for (what, after, verdict) in [
            (Clearing::Administrators, &common, Verdict::Done),
            (Clearing::Administrators, &BEFORE, Verdict::Kept),
            (Clearing::Administrators, &empty, Verdict::More),
            (users, &empty, Verdict::Done),
            (users, &BEFORE, Verdict::Kept),
            (users, &fingers, Verdict::Kept),
            (users, &unseen, Verdict::Done),
            (users, &nothing, Verdict::More),
            (templates, &bare, Verdict::Done),
            (templates, &BEFORE, Verdict::Kept),
            (templates, &empty, Verdict::More),
            (templates, &uncounted, Verdict::Unknown),
            (operations, &Stock { operations: Some(1), ..BEFORE }, Verdict::Done),
            (operations, &Stock { operations: Some(2), ..BEFORE }, Verdict::Done),
            (operations, &BEFORE, Verdict::Kept),
            (operations, &Stock { operations: Some(8), ..BEFORE }, Verdict::Kept),
            (operations, &uncounted, Verdict::Unknown),
            (operations, &nothing, Verdict::More),
            (Clearing::Everything, &nothing, Verdict::Done),
            (Clearing::Everything, &Stock { templates: Some(1), ..nothing.clone() }, Verdict::Kept),
        ] {
            assert_eq!(after.after(what, &BEFORE), verdict, "{what:?} {after:?}");
        }
    }

    #[test]
    fn more_than_before_is_seen_where_it_is_counted() {
        assert!(!BEFORE.has_grown_since(&BEFORE));
        assert!(Stock { users: 6, ..BEFORE }.has_grown_since(&BEFORE));
        assert!(Stock { administrators: 2, ..BEFORE }.has_grown_since(&BEFORE));
        assert!(Stock { templates: Some(4), ..BEFORE }.has_grown_since(&BEFORE));
        assert!(Stock { faces: Some(1), ..BEFORE }.has_grown_since(&BEFORE));
        let fewer = Stock { users: 4, templates: None, records: Some(50), operations: Some(9), ..BEFORE };
        assert!(!fewer.has_grown_since(&BEFORE));
    }
}
