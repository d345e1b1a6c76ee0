//! What has to be written, worked out against the table that the device has.
//!
//! Two numbers are kept apart: the user id, which is the person, and the device's own index, which we choose
//! for somebody new (one above all others) and never take for an id.

use std::collections::{HashMap, HashSet};

use super::change::UserChange;
use super::report::{UserError, Written};
use super::write::Mode;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::table::UserTable;
use crate::wire::record::user::UserLayout;
use crate::wire::record::user_record::UserRecord;

/// The table of a device as plans see it.
#[derive(Debug)]
pub(in crate::device) struct Roster {
    known: HashMap<UserId, Vec<UserRecord>>,
    taken: HashSet<u16>,
    /// The highest index of all that are taken.
    last: u16,
}

/// One row of a plan.
#[derive(Clone, Debug)]
pub(in crate::device) enum Row {
    /// This record is to be written; afterwards it is this.
    Write(UserRecord, Written),
    /// Nothing has to be done any more.
    Settled(Result<Written, UserError>),
}

impl Roster {
    pub(in crate::device) fn new(users: &UserTable) -> Self {
        let mut known: HashMap<UserId, Vec<UserRecord>> = HashMap::new();
        let mut uids = Vec::new();
        for record in users.raw() {
            uids.push(record.user().uid);
            known.entry(record.user().user_id).or_default().push(record);
        }
        let mut roster = Self { known, taken: HashSet::new(), last: 0 };
        roster.reserve(uids.into_iter());
        roster
    }

    /// Gives these indices to nobody new.
    pub(in crate::device) fn reserve(&mut self, uids: impl Iterator<Item = u16>) {
        for uid in uids {
            self.taken.insert(uid);
            if uid != u16::MAX {
                self.last = self.last.max(uid);
            }
        }
    }

    /// The one record of a person.
    pub(in crate::device) fn find(&self, user_id: &UserId) -> Result<Option<&UserRecord>, UserError> {
        match self.known.get(user_id).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([record]) => Ok(Some(record)),
            Some(records) => Err(UserError::Ambiguous { records: records.len() }),
        }
    }

    /// What has to be done for one person.
    pub(in crate::device) fn plan(
        &mut self,
        change: &UserChange,
        mode: Mode,
        layout: UserLayout,
        encoding: NameEncoding,
    ) -> Row {
        self.work_out(change, mode, layout, encoding).unwrap_or_else(|error| Row::Settled(Err(error)))
    }

    fn work_out(
        &mut self,
        change: &UserChange,
        mode: Mode,
        layout: UserLayout,
        encoding: NameEncoding,
    ) -> Result<Row, UserError> {
        match (self.find(&change.user_id)?, mode) {
            (Some(_), Mode::Create) => Err(UserError::Exists),
            (None, Mode::Update) => Err(UserError::Unknown),
            (Some(before), Mode::Update | Mode::Upsert) => {
                let uid = before.user().uid;
                let after = change.apply(before.clone(), encoding)?;
                Ok(if after == *before {
                    Row::Settled(Ok(Written::Unchanged { uid }))
                } else {
                    Row::Write(after, Written::Updated { uid })
                })
            }
            (None, Mode::Create | Mode::Upsert) => {
                let uid = self.free()?;
                let record = change.create(uid, layout, encoding)?;
                self.reserve(std::iter::once(uid));
                Ok(Row::Write(record, Written::Created { uid }))
            }
        }
    }

    /// An index that nobody has; 0 and 65535 are none. It lies above all others, as long as there is such a one: what
    /// a device still has of somebody who is gone, a punch or a finger, must not become somebody else's.
    fn free(&self) -> Result<u16, UserError> {
        let above = self.last.checked_add(1).filter(|uid| *uid != u16::MAX);
        above.or_else(|| (1..u16::MAX).find(|uid| !self.taken.contains(uid))).ok_or(UserError::NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roster(people: &[(u16, u32)]) -> Roster {
        let mut data = vec![0; 4];
        for (uid, id) in people {
            let record = UserRecord::blank(UserLayout::FULL, *uid, &UserId::from_number(*id)).unwrap();
            data.extend_from_slice(record.bytes().expose());
        }
        let size = (data.len() - 4) as u32;
        data[..4].copy_from_slice(&size.to_le_bytes());
        Roster::new(&UserTable::parse(data, u32::try_from(people.len()).ok()).unwrap())
    }

    fn upsert(roster: &mut Roster, id: u32) -> Row {
        let change = UserChange::of(UserId::from_number(id));
        roster.plan(&change, Mode::Upsert, UserLayout::FULL, NameEncoding::UTF_8)
    }

    #[test]
    fn an_index_lies_above_all_others_and_is_never_the_user_id() {
        let mut roster = roster(&[(1, 5), (2, 3), (4, 1)]);
        for (id, uid) in [(2, 5), (4, 6), (9, 7)] {
            let Row::Write(record, Written::Created { uid: chosen }) = upsert(&mut roster, id) else {
                panic!()
            };
            assert_eq!((chosen, record.user().uid, record.user().user_id.to_number()), (uid, uid, Some(id)));
        }
        assert!(matches!(upsert(&mut roster, 5), Row::Settled(Ok(Written::Unchanged { uid: 1 }))));
    }

    #[test]
    fn a_person_with_two_records_is_touched_in_neither() {
        let mut roster = roster(&[(1, 5), (2, 5)]);
        let row = upsert(&mut roster, 5);
        assert!(matches!(row, Row::Settled(Err(UserError::Ambiguous { records: 2 }))), "{row:?}");
    }

    #[test]
    fn the_last_index_is_given_away_and_none_behind_it() {
        let mut roster = roster(&[(1, 1), (u16::MAX, 2)]);
        roster.reserve(2..u16::MAX - 1);
        assert!(matches!(upsert(&mut roster, 70), Row::Write(_, Written::Created { uid: 65_534 })));
        roster.taken.remove(&7);
        assert!(
            matches!(upsert(&mut roster, 72), Row::Write(_, Written::Created { uid: 7 })),
            "the only one left"
        );
        assert!(matches!(upsert(&mut roster, 71), Row::Settled(Err(UserError::NoRoom))));
    }

    proptest! {
        #[test]
        fn no_index_is_given_twice(taken in proptest::collection::btree_set(1u16..40, 0..30), count in 1u32..30) {
            let people: Vec<_> = taken.iter().map(|uid| (*uid, 1000 + u32::from(*uid))).collect();
            let mut roster = roster(&people);
            let mut given = taken.clone();
            for id in 1..=count {
                let Row::Write(record, _) = upsert(&mut roster, id) else { panic!() };
                let uid = record.user().uid;
                prop_assert!(uid != 0 && uid != u16::MAX && given.insert(uid));
            }
            prop_assert!(given.iter().max() <= Some(&(count as u16 + taken.iter().max().copied().unwrap_or(0))));
        }
    }
}
