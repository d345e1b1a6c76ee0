//! One punch: as a device told it, and as it stands in the journal.

use std::borrow::Cow;

use crate::base::ids::DeviceId;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::UserId;

/// Who punched, as far as the identity of a punch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Person {
    /// By user id: letters, digits and signs, without blanks.
    UserId(UserId),
    /// By the device's internal index, where its log has nothing better (8-byte records). An index can pass to
    /// somebody else, so the user id that it resolves to is no part of the identity.
    Uid(u16),
}

impl Person {
    /// The text under which the journal keeps a person: the user id, or `uid 17`, which no user id can be because
    /// of its blank.
    #[must_use]
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::UserId(user_id) => user_id.to_text(),
            Self::Uid(uid) => Cow::Owned(format!("{UID}{uid}")),
        }
    }

    /// The person kept under this text; `None` for a text that no person has.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        if let Some(uid) = key.strip_prefix(UID) {
            return uid.parse().ok().map(Self::Uid);
        }
        parse_user_id(key).map(Self::UserId)
    }

    /// The internal index, if that is all there is.
    #[must_use]
    pub const fn uid(&self) -> Option<u16> {
        match self {
            Self::UserId(_) => None,
            Self::Uid(uid) => Some(*uid),
        }
    }
}

/// Whether a user id can be kept as it is: UTF-8, not empty, no blank and no control character in it.
#[must_use]
pub fn is_user_id(user_id: &UserId) -> bool {
    let text = std::str::from_utf8(user_id.as_bytes());
    text.is_ok_and(|text| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control()))
}

/// The user id with this text, if it can be kept as it is.
#[must_use]
pub fn parse_user_id(text: &str) -> Option<UserId> {
    UserId::new(text.as_bytes()).ok().filter(is_user_id)
}

const UID: &str = "uid ";

/// A punch as a device told it, with the moment that its civil time stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub person: Person,
    /// Their user id: the same as `person`, or what the user table says of the internal index, if it does.
    pub user_id: Option<UserId>,
    /// When, by the device's clock; not necessarily a time that exists.
    pub time: ClockWord,
    /// When, by everybody's.
    pub moment: Moment,
    /// In, out, …
    pub punch_state: u8,
    /// How the person was verified.
    pub verify_mode: u8,
    /// The work code; `None` where the source does not say, as live events do not.
    pub work_code: Option<u32>,
}

/// What a device's civil time stands for in its time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970 (UTC); `None` for a time that is not in the calendar.
    pub instant: Option<i64>,
    /// Whether there was a choice.
    pub certainty: Certainty,
}

/// Whether a civil time names exactly one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    /// It does.
    #[default]
    Exact,
    /// The clocks were set back over it: it names two, and the earlier one was taken.
    Ambiguous,
    /// The clocks were set forward over it: it names none, and the one it would have been was taken.
    Skipped,
    /// It is in no calendar.
    Impossible,
}

impl Certainty {
    /// All of them, in the order of their numbers in the database.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Ambiguous, Self::Skipped, Self::Impossible];

    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Ambiguous => "ambiguous",
            Self::Skipped => "skipped",
            Self::Impossible => "impossible",
        }
    }

    /// The number in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Exact => 0,
            Self::Ambiguous => 1,
            Self::Skipped => 2,
            Self::Impossible => 3,
        }
    }

    /// The certainty with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|certainty| i64::from(certainty.number()) == number)
    }
}

/// How a row came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// By a live event; the log has not confirmed it yet.
    Live,
    /// By the device's log.
    Log,
    /// By a live event first, and then by the log, whose values it has.
    Both,
}

impl Source {
    /// All of them, in the order of their numbers in the database.
    pub const ALL: [Self; 3] = [Self::Live, Self::Log, Self::Both];

    /// The word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Log => "log",
            Self::Both => "live_and_log",
        }
    }

    /// The number in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Live => 0,
            Self::Log => 1,
            Self::Both => 2,
        }
    }

    /// The source with this number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|source| i64::from(source.number()) == number)
    }
}

/// A punch in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its sequence number, 1 and up. Whoever has seen a number never later meets a new row below it.
    pub seq: u64,
    /// The device under which it came.
    pub device_id: DeviceId,
    /// The device itself.
    pub serial_number: String,
    /// What was told.
    pub record: Record,
    /// Which one it is of several that are equal in every other respect, 0 and up.
    pub ordinal: u32,
    /// How it came to be known.
    pub source: Source,
    /// When it came, in milliseconds since 1970 (UTC).
    pub received_at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_kept_under_a_text_that_is_theirs_alone() {
        for person in [
            Person::UserId(UserId::from_number(17)),
            Person::UserId(UserId::new("ümit-7".as_bytes()).unwrap()),
            Person::Uid(17),
            Person::Uid(0),
        ] {
            assert_eq!(Person::parse(&person.key()), Some(person));
        }
        for none in ["", "uid x", "uid 70000", "a b", "a\tb", "more than twenty-four bytes long"] {
            assert_eq!(Person::parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn an_id_with_blanks_control_characters_or_other_bytes_is_none() {
        for bad in [&b""[..], b"a b", b"a\x01", b"\xff\xfe", "a\u{a0}b".as_bytes()] {
            assert!(!is_user_id(&UserId::new(bad).unwrap()), "{bad:?}");
        }
    }
}
