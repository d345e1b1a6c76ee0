//! Users and their templates in one block, as `CMD_SAVE_USERTEMPS` stores them after an upload.
//!
//! Three parts behind a head of three lengths: user records, a table of fingers, templates. A template's flag has
//! no place in it. Source: one public client that writes to real devices this way.

use super::template::Template;
use super::user_record::UserRecord;

/// A block under way.
#[derive(Debug, Default)]
pub struct PeopleBlock {
    users: Vec<u8>,
    table: Vec<u8>,
    templates: Vec<u8>,
}

/// What stands before each user and each entry of the table.
const MARK: u8 = 2;
/// What is added to the number of a finger.
const FINGER: u8 = 0x10;

impl PeopleBlock {
    /// The payload of the command that stores the block.
    pub const REQUEST: [u8; 8] = [12, 0, 0, 0, 0, 0, 8, 0];

    /// Appends a user; their templates must be in the same block.
    pub fn push_user(&mut self, record: &UserRecord) {
        self.users.push(MARK);
        self.users.extend_from_slice(record.bytes().expose());
    }

    /// Appends a template.
    pub fn push_template(&mut self, template: &Template<'_>) {
        let bytes = template.bytes().expose();
        let offset = u32::try_from(self.templates.len()).unwrap_or(u32::MAX);
        self.table.push(MARK);
        self.table.extend_from_slice(&template.uid.to_le_bytes());
        self.table.push(FINGER.wrapping_add(template.finger));
        self.table.extend_from_slice(&offset.to_le_bytes());
        // A template's ceiling lies below sixteen bits.
        self.templates.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        self.templates.extend_from_slice(bytes);
    }

    /// Whether nobody is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// How many bytes it will be sent as.
    #[must_use]
    pub const fn length(&self) -> usize {
        12 + self.users.len() + self.table.len() + self.templates.len()
    }

    /// The block as it is uploaded.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let parts = [&self.users, &self.table, &self.templates];
        let lengths = parts.map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        [lengths.concat(), self.users.clone(), self.table.clone(), self.templates.clone()].concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::UserId;
    use super::super::template::Validity;
    use super::super::user::UserLayout;
    use super::*;
    use crate::wire::bytes::Reader;

    #[test]
    fn one_person_with_one_finger_is_the_documented_block() {
        let user = UserRecord::blank(UserLayout::Compact, 3, &UserId::from_number(1003)).unwrap();
        let template = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25];
        let mut block = PeopleBlock::default();
        assert!(block.is_empty());
        block.push_user(&user);
        block.push_template(&Template::new(3, 6, Validity::Valid, &template).unwrap());
        let bytes = block.emit();
        assert_eq!((bytes.len(), block.length(), block.is_empty()), (12 + 29 + 8 + 12, bytes.len(), false));
        assert_eq!(bytes[..12], [29, 0, 0, 0, 8, 0, 0, 0, 12, 0, 0, 0]);
        assert_eq!(bytes[12..15], [2, 3, 0]);
        assert_eq!(bytes[41..49], [2, 3, 0, 0x16, 0, 0, 0, 0]);
        assert_eq!(bytes[49..], [&[10, 0][..], &template].concat());
    }

    proptest! {
        #[test]
        fn whoever_reads_the_block_by_its_lengths_finds_everything_in_it(
            people in proptest::collection::vec(
                (1u16.., proptest::collection::vec((0u8..10, proptest::collection::vec(any::<u8>(), 0..300)), 0..4)), 0..8,
            ),
        ) {
            let mut block = PeopleBlock::default();
            let mut expected = Vec::new();
            for (uid, fingers) in &people {
                block.push_user(&UserRecord::blank(UserLayout::FULL, *uid, &UserId::from_number(5)).unwrap());
                for (finger, bytes) in fingers {
                    block.push_template(&Template::new(*uid, *finger, Validity::Valid, bytes).unwrap());
                    expected.push((*uid, *finger, bytes.clone()));
                }
            }
            let bytes = block.emit();
            let mut reader = Reader::new(&bytes);
            let lengths = [reader.u32().unwrap(), reader.u32().unwrap(), reader.u32().unwrap()];
            let [users, table, templates] = lengths.map(|length| reader.take(length as usize).unwrap());
            prop_assert!(reader.rest().is_empty());
            let uids: Vec<u16> = users.chunks(73).map(|user| u16::from_le_bytes([user[1], user[2]])).collect();
            prop_assert_eq!(uids, people.iter().map(|person| person.0).collect::<Vec<_>>());
            let found: Vec<_> = table.chunks(8).map(|entry| {
                let mut entry = Reader::new(&entry[1..]);
                let (uid, finger) = (entry.u16().unwrap(), entry.u8().unwrap() - 0x10);
                let mut at = Reader::new(&templates[entry.u32().unwrap() as usize..]);
                let size = at.u16().unwrap();
                (uid, finger, at.take(size.into()).unwrap().to_vec())
            }).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
