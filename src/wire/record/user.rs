//! Users: records of 28 bytes (old black-and-white firmware) and 72 bytes (everything since).
//! Source: captured records of both sizes.

use std::fmt;

use super::UserId;
use crate::base::secret::Secret;
use crate::wire::bytes::{EndOfBytes, Reader};
use crate::wire::carrier::Carrier;
use crate::wire::text::FixedText;

/// A person as one device knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The device's own index. It means nothing elsewhere.
    pub uid: u16,
    /// What they may do in the device's menu.
    pub privilege: Privilege,
    /// The password typed on the device; empty for none.
    pub password: Secret<FixedText<8>>,
    /// The name, in whatever encoding the device uses; at most 8 or 24 bytes.
    pub name: FixedText<24>,
    /// The card's number, 0 for none.
    pub card_number: u32,
    /// The access group.
    pub group: u8,
    /// Time zones of the access control.
    pub time_zones: TimeZones,
    /// The person's id.
    pub user_id: UserId,
}

/// A privilege byte: bit 0 disables the user, bits 1 to 3 are the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privilege(pub u8);

/// The access time zones of a user, as each layout has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZones {
    /// 28-byte layout: a set of bits.
    Set(u16),
    /// 72-byte layout: a flag and three zone numbers.
    List {
        /// 1 probably means "own zones"; captures are not conclusive.
        flag: u16,
        /// The zones.
        zones: [u16; 3],
    },
}

/// Which of the known layouts a user record has, and how many bytes it takes in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLayout {
    /// 28 bytes.
    Compact,
    /// 72 bytes and whatever follows up to the stride.
    Full {
        /// Bytes from one record to the next, at least 72.
        stride: u16,
    },
}

impl UserLayout {
    /// The layout of most devices.
    pub const FULL: Self = Self::Full { stride: 72 };

    /// The layout for a record of this many bytes.
    #[must_use]
    pub fn for_stride(stride: usize) -> Option<Self> {
        match stride {
            28 => Some(Self::Compact),
            72.. => u16::try_from(stride).ok().map(|stride| Self::Full { stride }),
            _ => None,
        }
    }

    /// Bytes from one record to the next.
    #[must_use]
    pub const fn stride(self) -> usize {
        match self {
            Self::Compact => 28,
            Self::Full { stride } => stride as usize,
        }
    }

    /// The layout of a device whose user table is empty, by what else is known of it; `None` where that is not
    /// enough to write by.
    #[must_use]
    pub fn of_empty(carrier: Carrier, platform: Option<&str>) -> Option<Self> {
        let named = platform.is_some_and(|name| {
            name.ends_with("_TFT")
                || ["ZMM", "ZAM", "ZLM", "JZ"].iter().any(|family| name.starts_with(family))
        });
        match carrier {
            _ if named => Some(Self::FULL),
            // Whoever has the long records answers over TCP too, and is asked there first.
            Carrier::Udp => Some(Self::Compact),
            Carrier::Tcp => None,
        }
    }
}

impl User {
    /// Reads one record.
    ///
    /// # Errors
    /// [`EndOfBytes`] when there are fewer bytes than the layout has.
    pub fn parse(record: &[u8], layout: UserLayout) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(record);
        let uid = reader.u16()?;
        let privilege = Privilege(reader.u8()?);
        match layout {
            UserLayout::Compact => {
                let password = widen(FixedText::<5>::from_field(&reader.array()?));
                let name = widen(FixedText::<8>::from_field(&reader.array()?));
                let card_number = reader.u32()?;
                reader.skip(1)?;
                let group = reader.u8()?;
                let time_zones = TimeZones::Set(reader.u16()?);
                let user_id = UserId::from_number(reader.u32()?);
                Ok(Self {
                    uid,
                    privilege,
                    password: Secret::new(password),
                    name,
                    card_number,
                    group,
                    time_zones,
                    user_id,
                })
            }
            UserLayout::Full { .. } => {
                let password = Secret::new(FixedText::from_field(&reader.array()?));
                let name = FixedText::from_field(&reader.array()?);
                let card_number = reader.u32()?;
                let group = reader.u8()?;
                let flag = reader.u16()?;
                let zones = [reader.u16()?, reader.u16()?, reader.u16()?];
                let user_id = UserId::from_field(&reader.array()?);
                let time_zones = TimeZones::List { flag, zones };
                Ok(Self { uid, privilege, password, name, card_number, group, time_zones, user_id })
            }
        }
    }

    /// Appends the record as it is sent and stored.
    ///
    /// A compact record holds 5 bytes of password, 8 of name and a numeric user id; what does not fit is cut.
    pub fn emit(&self, layout: UserLayout, out: &mut Vec<u8>) {
        let end = out.len() + layout.stride();
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.push(self.privilege.0);
        let password = self.password.expose().field();
        match layout {
            UserLayout::Compact => {
                out.extend_from_slice(password.first_chunk::<5>().unwrap_or(&[0; 5]));
                out.extend_from_slice(self.name.field().first_chunk::<8>().unwrap_or(&[0; 8]));
                out.extend_from_slice(&self.card_number.to_le_bytes());
                out.extend_from_slice(&[0, self.group]);
                let set = match self.time_zones {
                    TimeZones::Set(set) => set,
                    TimeZones::List { .. } => 0,
                };
                out.extend_from_slice(&set.to_le_bytes());
                out.extend_from_slice(&self.user_id.to_number().unwrap_or_default().to_le_bytes());
            }
            UserLayout::Full { .. } => {
                out.extend_from_slice(password);
                out.extend_from_slice(self.name.field());
                out.extend_from_slice(&self.card_number.to_le_bytes());
                out.push(self.group);
                let (flag, [a, b, c]) = match self.time_zones {
                    TimeZones::Set(_) => (0, [0; 3]),
                    TimeZones::List { flag, zones } => (flag, zones),
                };
                for word in [flag, a, b, c] {
                    out.extend_from_slice(&word.to_le_bytes());
                }
                out.extend_from_slice(self.user_id.field());
            }
        }
        out.resize(end, 0);
    }

    /// Whether the record is more than a blank slot.
    #[must_use]
    pub fn is_somebody(&self) -> bool {
        self.uid != 0 || !self.user_id.is_empty()
    }

    /// How much of a record is as one expects it, 0 to 3: what tells two possible layouts apart.
    #[must_use]
    pub fn plausibility(&self) -> u32 {
        let name = self.name.as_bytes().iter().all(|byte| *byte >= b' ');
        u32::from(self.uid != 0 && self.privilege.0 < 16)
            + u32::from(name)
            + u32::from(self.user_id.is_plausible())
    }
}

fn widen<const FROM: usize, const TO: usize>(text: FixedText<FROM>) -> FixedText<TO> {
    FixedText::new(text.as_bytes()).unwrap_or_default()
}

/// What somebody may do in a device's menu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// Nothing.
    #[default]
    User,
    /// Enrol people.
    Enroller,
    /// Everything but a few settings.
    Manager,
    /// Everything.
    Administrator,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::User, Self::Enroller, Self::Manager, Self::Administrator];

    /// The level's name, as [`Privilege::name`] gives it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Privilege(self.bits()).name()
    }

    const fn bits(self) -> u8 {
        match self {
            Self::User => 0,
            Self::Enroller => 2,
            Self::Manager => 6,
            Self::Administrator => 14,
        }
    }
}

impl Privilege {
    /// The bits of the level.
    const LEVEL: u8 = 0x0e;

    /// The same with another level; the other bits stay.
    #[must_use]
    pub const fn with_level(self, level: Level) -> Self {
        Self(self.0 & !Self::LEVEL | level.bits())
    }

    /// The same, switched off or on; the other bits stay.
    #[must_use]
    pub const fn with_disabled(self, disabled: bool) -> Self {
        Self(self.0 & !1 | disabled as u8)
    }

    /// Whether the user is switched off.
    #[must_use]
    pub const fn is_disabled(self) -> bool {
        self.0 & 1 != 0
    }

    /// The level's name; an unknown level other than 0 counts as an administrator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 & 0x0e {
            0 => "user",
            2 => "enroller",
            6 | 12 => "manager",
            _ => "administrator",
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let record = [&[4, 0, 14][..], b"1234\0\0\0\0", &[0; 61]].concat();
        let user = User::parse(&record, UserLayout::FULL).unwrap();
        assert_eq!(user.password.expose().to_text(), "1234");
        assert!(!format!("{user:?}").contains("1234"));
    }

    #[test]
    fn levels_have_names_and_the_disabled_bit_is_no_level() {
        for (byte, name, disabled) in [
            (0, "user", false),
            (1, "user", true),
            (2, "enroller", false),
            (6, "manager", false),
            (14, "administrator", false),
            (15, "administrator", true),
            (8, "administrator", false),
        ] {
            assert_eq!((Privilege(byte).name(), Privilege(byte).is_disabled()), (name, disabled), "{byte}");
        }
    }

    #[test]
    fn a_level_is_changed_and_nothing_else() {
        for byte in 0..=u8::MAX {
            for level in Level::ALL {
                let changed = Privilege(byte).with_level(level);
                assert_eq!((changed.name(), changed.0 & 0xf1), (level.name(), byte & 0xf1));
            }
            let off = Privilege(byte).with_disabled(true);
            assert_eq!((off.is_disabled(), off.with_disabled(false).0), (true, byte & 0xfe));
        }
    }

    #[test]
    fn an_empty_table_has_the_layout_of_its_family_or_none() {
        for (carrier, platform, expected) in [
            (Carrier::Tcp, Some("ZEM510_TFT"), Some(UserLayout::FULL)),
            (Carrier::Tcp, Some("ZMM220"), Some(UserLayout::FULL)),
            (Carrier::Udp, Some("JZ4725_TFT"), Some(UserLayout::FULL)),
            (Carrier::Udp, Some("ZEM500"), Some(UserLayout::Compact)),
            (Carrier::Udp, None, Some(UserLayout::Compact)),
            (Carrier::Tcp, Some("ZEM500"), None),
            (Carrier::Tcp, None, None),
        ] {
            assert_eq!(UserLayout::of_empty(carrier, platform), expected, "{carrier:?} {platform:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_user_or_an_error(
            record in proptest::collection::vec(any::<u8>(), 0..120), stride in 0usize..120,
        ) {
            if let Some(layout) = UserLayout::for_stride(stride) {
                prop_assert_eq!(User::parse(&record, layout).is_ok(), record.len() >= stride.min(72));
            }
        }

        #[test]
        fn what_is_read_is_emitted_and_read_again(
            record in proptest::collection::vec(any::<u8>(), 100), stride in 72usize..100,
        ) {
            for layout in [UserLayout::Compact, UserLayout::for_stride(stride).unwrap()] {
                let user = User::parse(&record, layout).unwrap();
                let mut out = Vec::new();
                user.emit(layout, &mut out);
                prop_assert_eq!(out.len(), layout.stride());
                prop_assert_eq!(User::parse(&out, layout).unwrap(), user);
            }
        }
    }
}
