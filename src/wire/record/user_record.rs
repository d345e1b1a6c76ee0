//! A user as the device keeps them, byte for byte: what is not understood survives a change.
//!
//! A field that is set is written over its whole width; every other byte stays as it was, also garbage behind a
//! NUL and whatever follows the known 72 bytes.

use super::UserId;
use super::user::{Privilege, TimeZones, User, UserLayout};
use crate::base::secret::Secret;
use crate::wire::bytes::EndOfBytes;
use crate::wire::text::FixedText;

/// One record, all of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    bytes: Secret<Vec<u8>>,
    layout: UserLayout,
    /// What the bytes say.
    user: User,
}

/// A value that a record of this layout has no room or no form for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Too many bytes, or a NUL among them.
    #[error("{length} bytes do not fit the field, which holds {room}")]
    TooLong {
        /// Bytes of the value.
        length: usize,
        /// Bytes that fit.
        room: usize,
    },
    /// The layout has no such user id.
    #[error("this device stores user ids as numbers without leading zeros, up to 4294967295")]
    NotANumber,
    /// A set of zones where the layout has a list, or the other way round.
    #[error("this device keeps time zones in another form")]
    OtherTimeZones,
}

/// Where the fields of a layout are.
struct Fields {
    password: (usize, usize),
    name: (usize, usize),
    card: usize,
    group: usize,
    zones: usize,
    user_id: usize,
}

const PRIVILEGE: usize = 2;
const COMPACT: Fields =
    Fields { password: (3, 5), name: (8, 8), card: 16, group: 21, zones: 22, user_id: 24 };
/// The vendor keeps the last byte of a name zero.
const FULL: Fields = Fields { password: (3, 8), name: (11, 24), card: 35, group: 39, zones: 40, user_id: 48 };

impl UserLayout {
    /// The longest name that is written, in bytes.
    #[must_use]
    pub const fn name_room(self) -> usize {
        match self {
            Self::Compact => 8,
            Self::Full { .. } => 23,
        }
    }

    /// The longest password, in digits.
    #[must_use]
    pub const fn password_room(self) -> usize {
        match self {
            Self::Compact => 5,
            Self::Full { .. } => 8,
        }
    }

    const fn fields(self) -> Fields {
        match self {
            Self::Compact => COMPACT,
            Self::Full { .. } => FULL,
        }
    }
}

impl UserRecord {
    /// Takes the bytes of one record.
    ///
    /// # Errors
    /// [`EndOfBytes`] when there are fewer than the layout has; more are cut off.
    pub fn new(record: &[u8], layout: UserLayout) -> Result<Self, EndOfBytes> {
        let bytes = record.get(..layout.stride()).ok_or(EndOfBytes)?.to_vec();
        let user = User::parse(&bytes, layout)?;
        Ok(Self { bytes: Secret::new(bytes), layout, user })
    }

    /// A record of somebody new: no name, no password, no card, group 1.
    ///
    /// # Errors
    /// [`RecordError::NotANumber`] for a user id that the layout cannot store exactly.
    pub fn blank(layout: UserLayout, uid: u16, user_id: &UserId) -> Result<Self, RecordError> {
        let fields = layout.fields();
        let mut bytes = vec![0; layout.stride()];
        put(&mut bytes, 0, &uid.to_le_bytes());
        put(&mut bytes, fields.group, &[1]);
        match layout {
            UserLayout::Compact => {
                let number = user_id.to_number().filter(|number| UserId::from_number(*number) == *user_id);
                let number = number.filter(|number| *number > 0).ok_or(RecordError::NotANumber)?;
                put(&mut bytes, fields.zones, &1u16.to_le_bytes());
                put(&mut bytes, fields.user_id, &number.to_le_bytes());
            }
            UserLayout::Full { .. } => {
                // Flag 0, zones 1, 0, 0, as captured of users that nobody has touched.
                put(&mut bytes, fields.zones + 2, &1u16.to_le_bytes());
                put(&mut bytes, fields.user_id, user_id.field());
            }
        }
        Self::new(&bytes, layout).map_err(|EndOfBytes| RecordError::NotANumber)
    }

    /// What the record says.
    #[must_use]
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// The record's layout.
    #[must_use]
    pub const fn layout(&self) -> UserLayout {
        self.layout
    }

    /// The record as it is sent. It holds a password.
    #[must_use]
    pub const fn bytes(&self) -> &Secret<Vec<u8>> {
        &self.bytes
    }

    /// The bytes behind the known ones, which firmware with longer records has.
    #[must_use]
    pub fn beyond(&self) -> &[u8] {
        let known = self.layout.stride().min(72);
        self.bytes.expose().get(known..).unwrap_or_default()
    }

    /// The same person under another index, as another device wants it.
    #[must_use]
    pub fn with_uid(self, uid: u16) -> Self {
        self.with(0, &uid.to_le_bytes())
    }

    /// The same with other rights.
    #[must_use]
    pub fn with_privilege(self, privilege: Privilege) -> Self {
        self.with(PRIVILEGE, &[privilege.0])
    }

    /// The same with another card; 0 for none.
    #[must_use]
    pub fn with_card_number(self, card_number: u32) -> Self {
        let at = self.layout.fields().card;
        self.with(at, &card_number.to_le_bytes())
    }

    /// The same in another access group.
    #[must_use]
    pub fn with_group(self, group: u8) -> Self {
        let at = self.layout.fields().group;
        self.with(at, &[group])
    }

    /// The same with another name, already in the device's encoding.
    ///
    /// # Errors
    /// [`RecordError::TooLong`]; nothing is ever cut.
    pub fn with_name(self, name: &[u8]) -> Result<Self, RecordError> {
        let (field, room) = (self.layout.fields().name, self.layout.name_room());
        self.with_text(field, room, name)
    }

    /// The same with another password; empty for none.
    ///
    /// # Errors
    /// [`RecordError::TooLong`].
    pub fn with_password(self, password: &[u8]) -> Result<Self, RecordError> {
        let (field, room) = (self.layout.fields().password, self.layout.password_room());
        self.with_text(field, room, password)
    }

    /// The same with other time zones.
    ///
    /// # Errors
    /// [`RecordError::OtherTimeZones`] when the layout keeps them in another form.
    pub fn with_time_zones(self, zones: TimeZones) -> Result<Self, RecordError> {
        let at = self.layout.fields().zones;
        match (self.layout, zones) {
            (UserLayout::Compact, TimeZones::Set(set)) => Ok(self.with(at, &set.to_le_bytes())),
            (UserLayout::Full { .. }, TimeZones::List { flag, zones: [a, b, c] }) => {
                let words = [flag, a, b, c].map(u16::to_le_bytes).concat();
                Ok(self.with(at, &words))
            }
            _ => Err(RecordError::OtherTimeZones),
        }
    }

    fn with_text(self, (at, width): (usize, usize), room: usize, text: &[u8]) -> Result<Self, RecordError> {
        let long = RecordError::TooLong { length: text.len(), room };
        let field = FixedText::<24>::new(text).ok().filter(|_| text.len() <= room).ok_or(long)?;
        Ok(self.with(at, field.field().get(..width).unwrap_or_default()))
    }

    fn with(self, at: usize, new: &[u8]) -> Self {
        let Self { bytes, layout, user } = self;
        let mut changed = bytes.expose().clone();
        put(&mut changed, at, new);
        // As many bytes as before, so that they are read as before.
        let user = User::parse(&changed, layout).unwrap_or(user);
        Self { bytes: Secret::new(changed), layout, user }
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(new) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_record_says_what_it_should_and_nothing_else() {
        let user_id = UserId::new(b"1007").unwrap();
        for layout in [UserLayout::Compact, UserLayout::FULL, UserLayout::for_stride(84).unwrap()] {
            let record = UserRecord::blank(layout, 7, &user_id).unwrap();
            let user = record.user();
            assert_eq!((user.uid, user.user_id, user.group, user.privilege.0), (7, user_id, 1, 0));
            assert!(user.name.is_empty() && user.password.expose().is_empty() && user.card_number == 0);
            assert_eq!(record.bytes().expose().len(), layout.stride());
            assert!(format!("{record:?}").contains("***") && !format!("{record:?}").contains("[7, 0"));
        }
    }

    #[test]
    fn an_id_that_would_become_another_one_is_refused() {
        for id in ["007", "A7", "4294967296", "0", " 7", "+7"] {
            let id = UserId::new(id.as_bytes()).unwrap();
            assert_eq!(UserRecord::blank(UserLayout::Compact, 1, &id), Err(RecordError::NotANumber), "{id}");
            assert_eq!(UserRecord::blank(UserLayout::FULL, 1, &id).unwrap().user().user_id, id);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_zones_of_the_other_form_too() {
        let id = UserId::new(b"7").unwrap();
        let list = TimeZones::List { flag: 1, zones: [1, 2, 3] };
        for (layout, name, password, good, bad) in [
            (UserLayout::Compact, 8, 5, TimeZones::Set(5), list),
            (UserLayout::FULL, 23, 8, list, TimeZones::Set(5)),
        ] {
            let record = || UserRecord::blank(layout, 1, &id).unwrap();
            assert_eq!(record().with_name(&[b'n'; 24][..name]).unwrap().user().name.as_bytes().len(), name);
            let long = RecordError::TooLong { length: name + 1, room: name };
            assert_eq!(record().with_name(&[b'n'; 25][..=name]), Err(long));
            assert!(record().with_name(b"a\0b").is_err());
            let full = record().with_password(&b"123456789"[..password]).unwrap();
            assert_eq!(full.user().password.expose().as_bytes().len(), password);
            assert!(record().with_password(&b"123456789"[..=password]).is_err());
            assert_eq!(record().with_time_zones(good).unwrap().user().time_zones, good);
            assert_eq!(record().with_time_zones(bad), Err(RecordError::OtherTimeZones));
        }
    }

    proptest! {
        #[test]
        fn a_change_touches_the_bytes_of_its_field_only(
            bytes in proptest::collection::vec(any::<u8>(), 120), stride in 72usize..120, which in 0usize..7, seed: u64,
        ) {
            for layout in [UserLayout::Compact, UserLayout::for_stride(stride).unwrap()] {
                let before = UserRecord::new(&bytes, layout).unwrap();
                let mut random = fastrand::Rng::with_seed(seed);
                let record = before.clone();
                let compact = layout == UserLayout::Compact;
                let (after, field) = match which {
                    0 => (record.with_uid(random.u16(..)), 0..2),
                    1 => (record.with_privilege(Privilege(random.u8(..))), 2..3),
                    2 => (record.with_password(b"123").unwrap(), if compact { 3..8 } else { 3..11 }),
                    3 => (record.with_name(b"Ann").unwrap(), if compact { 8..16 } else { 11..35 }),
                    4 => (record.with_card_number(random.u32(..)), if compact { 16..20 } else { 35..39 }),
                    5 => (record.with_group(random.u8(..)), if compact { 21..22 } else { 39..40 }),
                    _ if compact => (record.with_time_zones(TimeZones::Set(random.u16(..))).unwrap(), 22..24),
                    _ => {
                        let zones = TimeZones::List { flag: random.u16(..), zones: [random.u16(..), 2, 3] };
                        (record.with_time_zones(zones).unwrap(), 40..48)
                    }
                };
                let (old, new) = (before.bytes().expose(), after.bytes().expose());
                prop_assert_eq!(old.len(), new.len());
                for (at, (old, new)) in old.iter().zip(new).enumerate() {
                    prop_assert!(field.contains(&at) || old == new, "byte {} of field {:?}", at, field);
                }
                prop_assert_eq!(after.user(), &User::parse(new, layout).unwrap());
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_too_few(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            for layout in [UserLayout::Compact, UserLayout::FULL] {
                prop_assert_eq!(UserRecord::new(&bytes, layout).is_ok(), bytes.len() >= layout.stride());
            }
        }
    }
}
