//! What is to be different about a person, and the record that comes of it.

use super::report::UserError;
use crate::base::secret::Secret;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::user::{Level, TimeZones, UserLayout};
use crate::wire::record::user_record::{RecordError, UserRecord};

/// What is to be set of one person; what is `None` stays as it is, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Who.
    pub user_id: UserId,
    /// Their name; empty for none.
    pub name: Option<String>,
    /// What they type on the device: digits, as many as the device has room for; empty for none.
    pub password: Option<Secret<String>>,
    /// What they may do in the device's menu.
    pub level: Option<Level>,
    /// Whether they are switched off.
    pub disabled: Option<bool>,
    /// Their card, 0 for none.
    pub card_number: Option<u32>,
    /// Their access group.
    pub group: Option<u8>,
    /// Their access time zones, in the form that the device has.
    pub time_zones: Option<TimeZones>,
    /// Somebody as another device, or this one at another time, has them: what is not said above is to be as there.
    pub like: Option<Likeness>,
}

/// A record of another table, and in which encoding its name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likeness {
    record: UserRecord,
    encoding: NameEncoding,
}

impl UserChange {
    /// Nothing but the person: creates them without anything, and changes nothing about them.
    #[must_use]
    pub fn of(user_id: UserId) -> Self {
        Self { user_id, ..Self::default() }
    }

    /// Somebody as they stand in another table. On a device with the same layout the record is the same byte for
    /// byte, but for the index; with another layout it is the same in all that this layout has a place for.
    #[must_use]
    pub fn like(record: UserRecord, encoding: NameEncoding) -> Self {
        let user_id = record.user().user_id;
        Self { like: Some(Likeness { record, encoding }), ..Self::of(user_id) }
    }

    /// A record of somebody whom the device does not know yet.
    pub(super) fn create(
        &self,
        uid: u16,
        layout: UserLayout,
        encoding: NameEncoding,
    ) -> Result<UserRecord, UserError> {
        if !self.user_id.is_plausible() {
            return Err(UserError::UserId);
        }
        let blank = UserRecord::blank(layout, uid, &self.user_id).map_err(|_| UserError::UserId)?;
        self.apply(blank, encoding)
    }

    /// The record with everything set that is to be set.
    pub(super) fn apply(&self, record: UserRecord, encoding: NameEncoding) -> Result<UserRecord, UserError> {
        let mut record = match &self.like {
            Some(like) => like.onto(record, encoding)?,
            None => record,
        };
        if let Some(name) = &self.name {
            let bytes = encoding.encode(name).map_err(UserError::NameNotEncodable)?;
            record = record.with_name(&bytes).map_err(too_long(UserError::NameTooLong))?;
        }
        if let Some(password) = &self.password {
            let digits = password.expose().as_bytes();
            let room = record.layout().password_room();
            if !digits.iter().all(u8::is_ascii_digit) {
                return Err(UserError::Password { room });
            }
            record = record.with_password(digits).map_err(|_| UserError::Password { room })?;
        }
        if let Some(zones) = self.time_zones {
            record = record.with_time_zones(zones).map_err(|_| UserError::TimeZones)?;
        }
        let mut privilege = record.user().privilege;
        privilege = self.level.map_or(privilege, |level| privilege.with_level(level));
        privilege = self.disabled.map_or(privilege, |disabled| privilege.with_disabled(disabled));
        if privilege != record.user().privilege {
            record = record.with_privilege(privilege);
        }
        if let Some(card_number) = self.card_number {
            record = record.with_card_number(card_number);
        }
        if let Some(group) = self.group {
            record = record.with_group(group);
        }
        Ok(record)
    }
}

impl Likeness {
    /// The record as somebody is to have it who has `record` now.
    fn onto(&self, record: UserRecord, encoding: NameEncoding) -> Result<UserRecord, UserError> {
        let like = self.record.user();
        let name = self.encoding.decode(like.name.as_bytes());
        let alike = self.record.layout() == record.layout();
        let mut made = if alike {
            self.record.clone().with_uid(record.user().uid)
        } else {
            let password = like.password.expose().as_bytes();
            let room = record.layout().password_room();
            record
                .with_privilege(like.privilege)
                .with_card_number(like.card_number)
                .with_group(like.group)
                .with_password(password)
                .map_err(|_| UserError::Password { room })?
        };
        if !alike {
            // Zones of their own have another form here; without them a door would open at other hours.
            let usual = match like.time_zones {
                TimeZones::Set(set) => set <= 1,
                // Whatever the flag says: administrators have been seen with flag 1 and no zone at all.
                TimeZones::List { zones, .. } => matches!(zones, [1 | 0, 0, 0]),
            };
            let zones = match made.layout() {
                UserLayout::Compact => TimeZones::Set(1),
                UserLayout::Full { .. } => TimeZones::List { flag: 0, zones: [1, 0, 0] },
            };
            let zones = usual.then_some(zones).ok_or(UserError::TimeZones)?;
            made = made.with_time_zones(zones).map_err(|_| UserError::TimeZones)?;
        }
        if alike && (!name.exact || self.encoding == encoding) {
            // The bytes say what nobody here can read.
            return Ok(made);
        }
        if !name.exact {
            return Err(UserError::NameUnreadable);
        }
        let bytes = encoding.encode(&name.text).map_err(UserError::NameNotEncodable)?;
        made.with_name(&bytes).map_err(too_long(UserError::NameTooLong))
    }
}

fn too_long(error: fn(usize, usize) -> UserError) -> impl Fn(RecordError) -> UserError {
    move |cause| match cause {
        RecordError::TooLong { length, room } => error(length, room),
        _ => UserError::UserId,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(layout: UserLayout) -> UserRecord {
        UserRecord::blank(layout, 9, &UserId::from_number(1009)).unwrap()
    }

    fn named(name: &str) -> UserChange {
        UserChange { name: Some(name.to_owned()), ..UserChange::default() }
    }

    #[test]
    fn a_name_is_encoded_or_refused_and_never_cut() {
        let gbk = NameEncoding::parse("gbk").unwrap();
        let applied = named("张伟").apply(record(UserLayout::Compact), gbk).unwrap();
        assert_eq!(applied.user().name.as_bytes(), [0xd5, 0xc5, 0xce, 0xb0]);
        let long = named("张伟张").apply(record(UserLayout::Compact), NameEncoding::UTF_8);
        assert_eq!(long, Err(UserError::NameTooLong(9, 8)));
        let refused = named("Zoë 😀").apply(record(UserLayout::FULL), gbk);
        assert!(matches!(refused, Err(UserError::NameNotEncodable(_))), "{refused:?}");
    }

    #[test]
    fn a_password_is_digits_that_fit_and_is_never_printed() {
        for (layout, good, bad) in
            [(UserLayout::Compact, "12345", "123456"), (UserLayout::FULL, "12345678", "123456789")]
        {
            let change = |digits: &str| UserChange {
                password: Some(Secret::new(digits.to_owned())),
                ..UserChange::default()
            };
            assert!(change(good).apply(record(layout), NameEncoding::UTF_8).is_ok());
            assert!(change("").apply(record(layout), NameEncoding::UTF_8).is_ok());
            for bad in [bad, "12a4", "١٢"] {
                let error = change(bad).apply(record(layout), NameEncoding::UTF_8).unwrap_err();
                assert_eq!(error, UserError::Password { room: layout.password_room() });
                assert!(!format!("{error} {error:?} {:?}", change(bad)).contains(bad));
            }
        }
    }

    #[test]
    fn nothing_set_is_nothing_changed() {
        for layout in [UserLayout::Compact, UserLayout::FULL] {
            let before = record(layout).with_privilege(crate::wire::record::user::Privilege(0xa7));
            let after = UserChange::default().apply(before.clone(), NameEncoding::UTF_8).unwrap();
            assert_eq!(after, before);
            let level = UserChange { level: Some(Level::User), ..UserChange::default() };
            let after = level.apply(before, NameEncoding::UTF_8).unwrap();
            assert_eq!(after.user().privilege.0, 0xa1, "the other bits stay");
        }
    }

    #[test]
    fn a_likeness_is_byte_for_byte_where_that_can_be() {
        let (utf8, gbk) = (NameEncoding::UTF_8, NameEncoding::parse("gbk").unwrap());
        let longer = UserLayout::for_stride(84).unwrap();
        for layout in [UserLayout::Compact, UserLayout::FULL, longer] {
            let mut bytes = record(layout).bytes().expose().clone();
            // The upper bits of the privilege, what lies behind a name, and what nobody has described.
            bytes[2] = 0xac;
            bytes[14] = 0x41;
            if let Some(last) = bytes.get_mut(80) {
                *last = 7;
            }
            let there = UserRecord::new(&bytes, layout).unwrap();
            let copied = UserChange::like(there.clone(), utf8).create(3, layout, utf8).unwrap();
            assert_eq!(copied, there.clone().with_uid(3), "{layout:?}");
            let named = there.clone().with_name(&[0xd5, 0xc5]).unwrap();
            let copied = UserChange::like(named.clone(), utf8).create(3, layout, utf8).unwrap();
            assert_eq!(copied, named.clone().with_uid(3), "bytes that are no UTF-8 stay");
            let copied = UserChange::like(named, gbk).create(3, layout, utf8).unwrap();
            assert_eq!(copied.user().name.as_bytes(), "张".as_bytes(), "{layout:?}");
        }
    }

    #[test]
    fn a_likeness_on_another_layout_has_all_that_there_is_a_place_for() {
        let utf8 = NameEncoding::UTF_8;
        let full = record(UserLayout::FULL).with_card_number(77).with_group(4);
        let full = full.with_name(b"Ann").unwrap().with_password(b"123").unwrap();
        let copied = UserChange::like(full.clone(), utf8).create(3, UserLayout::Compact, utf8).unwrap();
        let (one, other) = (full.user(), copied.user());
        assert_eq!((one.card_number, one.group, &one.name), (other.card_number, other.group, &other.name));
        assert_eq!(
            (other.user_id, other.uid, other.password.expose().as_bytes()),
            (one.user_id, 3, &b"123"[..])
        );
        assert_eq!(other.time_zones, TimeZones::Set(1), "as for everybody new");
        for (flag, zones, usual) in [
            (0, [0, 0, 0], true),
            (0, [1, 0, 0], true),
            (1, [0, 0, 0], true),
            (1, [1, 0, 0], true),
            (0, [3, 2, 1], false),
            (1, [3, 2, 1], false),
            (1, [1, 2, 0], false),
        ] {
            let there = full.clone().with_time_zones(TimeZones::List { flag, zones }).unwrap();
            let made = UserChange::like(there, utf8).create(3, UserLayout::Compact, utf8);
            let made = made.map(|record| record.user().time_zones);
            let expected = if usual { Ok(TimeZones::Set(1)) } else { Err(UserError::TimeZones) };
            assert_eq!(made, expected, "{flag} {zones:?}: a door must not open at other hours");
        }
        let unreadable = full.clone().with_name(&[0xff]).unwrap();
        let refused = UserChange::like(unreadable, utf8).create(3, UserLayout::Compact, utf8);
        assert_eq!(refused, Err(UserError::NameUnreadable));
        let long = full.with_password(b"12345678").unwrap();
        let refused = UserChange::like(long, utf8).create(3, UserLayout::Compact, utf8);
        assert_eq!(refused, Err(UserError::Password { room: 5 }));
    }

    #[test]
    fn an_id_that_nobody_can_type_is_refused() {
        for id in [&b""[..], b"a b", b"\xff", b"7\n"] {
            let change = UserChange::of(UserId::new(id).unwrap());
            let created = change.create(1, UserLayout::FULL, NameEncoding::UTF_8);
            assert_eq!(created, Err(UserError::UserId), "{id:?}");
        }
    }
}
