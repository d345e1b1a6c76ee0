//! The people that should be on devices: lists, and which of them counts for which device.

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::Book;
use crate::store::embedded::failed;
use crate::store::error::StoreError;

/// A list that is to count for some devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPeopleList {
    /// When it was sent, in milliseconds since 1970.
    pub put_at: i64,
    /// With which token.
    pub token: String,
    /// People on it.
    pub people: u32,
    /// At most so many people who are not on it are removed from each device.
    pub remove_at_most: u32,
    /// Also those who may do more than others.
    pub remove_administrators: bool,
    /// The list itself, sealed.
    pub content: Vec<u8>,
}

/// The list of one device, and how the device stands to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleList {
    /// The device.
    pub device_id: String,
    /// The list's number; devices with the same list have the same number.
    pub list_id: u64,
    /// When it was sent, in milliseconds since 1970.
    pub put_at: i64,
    /// With which token.
    pub token: String,
    /// People on it.
    pub people: u32,
    /// At most so many people who are not on it are removed from the device.
    pub remove_at_most: u32,
    /// Also those who may do more than others.
    pub remove_administrators: bool,
    /// The serial number of the device that the list was brought to first.
    pub serial_number: Option<String>,
    /// What was found when the device was looked at last, if it was.
    pub standing: Option<Standing>,
}

/// How a device stands to its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When it was looked at, in milliseconds since 1970.
    pub looked_at: i64,
    /// By which operation.
    pub operation_id: u64,
    /// In one word.
    pub state: StandingState,
    /// People on the list who are not on the device.
    pub missing: u32,
    /// People who are on both, and not the same.
    pub different: u32,
    /// People on the device who are not on the list.
    pub extra: u32,
    /// People who could not be compared or written.
    pub failed: u32,
    /// The code of what went wrong with the device as a whole.
    pub problem: Option<String>,
}

/// How a device stands to its list, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StandingState {
    /// Everybody on the list is there as wanted, and nobody is left who was to be removed.
    AsWanted,
    /// Something is different.
    Different,
    /// It could not be looked at, or not all of it was done.
    #[default]
    Failed,
}

impl StandingState {
    const ALL: [Self; 3] = [Self::AsWanted, Self::Different, Self::Failed];

    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsWanted => "as_wanted",
            Self::Different => "different",
            Self::Failed => "failed",
        }
    }
}

impl Book {
    /// Keeps a list under the number that is given back, and has it count for these devices instead of any other.
    /// Lists that count for nobody go.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn put_people(&mut self, list: &NewPeopleList, device_ids: &[String]) -> Result<u64, StoreError> {
        let NewPeopleList { put_at, token, people, remove_at_most, remove_administrators, content } = list;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let sql =
            "insert into people_list (put_at, token, people, remove_at_most, remove_administrators, content)
                   values (?, ?, ?, ?, ?, ?)";
        transaction
            .execute(sql, params![put_at, token, people, remove_at_most, remove_administrators, content])
            .map_err(failed)?;
        let list_id = transaction.last_insert_rowid();
        for device_id in device_ids {
            let sql = "insert or replace into people_device (device_id, list_id) values (?, ?)";
            transaction.execute(sql, params![device_id, list_id]).map_err(failed)?;
        }
        transaction.execute(UNUSED, []).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(list_id.unsigned_abs())
    }

    /// The lists of all devices that have one, by device, without their content.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn people_lists(&mut self) -> Result<Vec<PeopleList>, StoreError> {
        let sql = format!("select {COLUMNS} {JOIN} order by d.device_id");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map([], of_row);
        rows.and_then(Iterator::collect).map_err(failed)
    }

    /// The list of one device, with its sealed content.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn people_list(&mut self, device_id: &str) -> Result<Option<(PeopleList, Vec<u8>)>, StoreError> {
        let sql = format!("select {COLUMNS}, l.content {JOIN} where d.device_id = ?");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let found = statement.query_row([device_id], |row| Ok((of_row(row)?, row.get("content")?)));
        found.optional().map_err(failed)
    }

    /// Notes how a device stands to a list, if that list still counts for it, and which device it is, if that was not
    /// known yet.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn set_standing(
        &mut self,
        device_id: &str,
        list_id: u64,
        serial_number: Option<&str>,
        standing: &Standing,
    ) -> Result<(), StoreError> {
        let Standing { looked_at, operation_id, state, missing, different, extra, failed: wrong, problem } =
            standing;
        let sql =
            "update people_device set looked_at = ?, operation_id = ?, state = ?, missing = ?, different = ?,
                   extra = ?, failed = ?, problem = ?, serial_number = coalesce(serial_number, ?)
                   where device_id = ? and list_id = ?";
        let values = params![
            looked_at,
            operation_id,
            state.name(),
            missing,
            different,
            extra,
            wrong,
            problem,
            serial_number,
            device_id,
            list_id
        ];
        self.connection.execute(sql, values).map_err(failed)?;
        Ok(())
    }

    /// Has no list count for a device any more; `false` when none did.
    ///
    /// # Errors
    /// Whatever the file says.
    pub fn forget_people(&mut self, device_id: &str) -> Result<bool, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let gone = transaction
            .execute("delete from people_device where device_id = ?", [device_id])
            .map_err(failed)?;
        transaction.execute(UNUSED, []).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(gone > 0)
    }
}

const UNUSED: &str = "delete from people_list where id not in (select list_id from people_device)";

const COLUMNS: &str = "d.device_id, d.list_id, l.put_at, l.token, l.people, l.remove_at_most,
    l.remove_administrators, d.looked_at, d.operation_id, d.state, d.missing, d.different, d.extra, d.failed,
    d.problem, d.serial_number";

const JOIN: &str = "from people_device d join people_list l on l.id = d.list_id";

fn of_row(row: &Row<'_>) -> rusqlite::Result<PeopleList> {
    let looked_at: Option<i64> = row.get("looked_at")?;
    let state: Option<String> = row.get("state")?;
    let state = StandingState::ALL.into_iter().find(|known| Some(known.name()) == state.as_deref());
    let standing = match looked_at {
        None => None,
        Some(looked_at) => Some(Standing {
            looked_at,
            operation_id: row.get::<_, Option<u64>>("operation_id")?.unwrap_or_default(),
            state: state.unwrap_or_default(),
            missing: row.get("missing")?,
            different: row.get("different")?,
            extra: row.get("extra")?,
            failed: row.get("failed")?,
            problem: row.get("problem")?,
        }),
    };
    Ok(PeopleList {
        device_id: row.get("device_id")?,
        list_id: row.get("list_id")?,
        put_at: row.get("put_at")?,
        token: row.get("token")?,
        people: row.get("people")?,
        remove_at_most: row.get("remove_at_most")?,
        remove_administrators: row.get("remove_administrators")?,
        serial_number: row.get("serial_number")?,
        standing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(people: u32) -> NewPeopleList {
        NewPeopleList {
            put_at: 7,
            token: "hr".into(),
            people,
            remove_at_most: 2,
            remove_administrators: false,
            content: vec![1, 2, 3],
        }
    }

    fn ids(all: &[&str]) -> Vec<String> {
        all.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_last_list_counts_and_one_that_counts_for_nobody_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mut book = Book::open(directory.path()).unwrap();
        book.put_people(&list(5), &ids(&["a", "b"])).unwrap();
        book.put_people(&list(9), &ids(&["b"])).unwrap();
        let all = book.people_lists().unwrap();
        let seen: Vec<_> = all.iter().map(|row| (row.device_id.as_str(), row.people)).collect();
        assert_eq!(seen, [("a", 5), ("b", 9)]);
        assert!(all.iter().all(|row| row.standing.is_none()));
        book.put_people(&list(1), &ids(&["a"])).unwrap();
        let lists: i64 =
            book.connection.query_row("select count(*) from people_list", [], |row| row.get(0)).unwrap();
        assert_eq!(lists, 2, "the list with 5 people counts for nobody");
        assert!(book.forget_people("a").unwrap() && !book.forget_people("a").unwrap());
        assert_eq!(book.people_list("a").unwrap(), None);
        let (row, content) = book.people_list("b").unwrap().unwrap();
        assert_eq!((row.people, row.token.as_str(), content), (9, "hr", vec![1, 2, 3]));
    }

    #[test]
    fn how_a_device_stands_is_kept_for_the_list_that_it_was_compared_with() {
        let directory = tempfile::tempdir().unwrap();
        let mut book = Book::open(directory.path()).unwrap();
        book.put_people(&list(5), &ids(&["a"])).unwrap();
        let first = book.people_list("a").unwrap().unwrap().0.list_id;
        let standing = Standing {
            looked_at: 9,
            operation_id: 4,
            state: StandingState::Different,
            missing: 1,
            different: 2,
            extra: 3,
            failed: 4,
            problem: Some("device_unreachable".into()),
        };
        book.set_standing("a", first, Some("X1"), &standing).unwrap();
        book.set_standing("a", first, Some("X2"), &standing).unwrap();
        let row = book.people_list("a").unwrap().unwrap().0;
        assert_eq!((row.standing, row.serial_number.as_deref()), (Some(standing.clone()), Some("X1")));
        book.put_people(&list(6), &ids(&["a"])).unwrap();
        book.set_standing("a", first, None, &standing).unwrap();
        assert_eq!(book.people_list("a").unwrap().unwrap().0.standing, None, "of another list");
    }
}
