//! How the journal's values stand in a database's columns, the same in every one. What somebody wrote there that
//! cannot be a value is an error, never a guess.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::cursor::GapReason;
use super::quarantine::{Origin, Reason};
use super::query::Filter;
use super::row::{Certainty, Person, Source};
use crate::base::ids::DeviceId;
use crate::store::error::StoreError;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::UserId;

/// The program version that is noted beside what it could not understand.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A count or a sequence number, which no database holds without a sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it came from a database, which nothing but us made.
pub(super) fn number<T: TryFrom<i64>>(column: &str, number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| impossible(column))
}

/// A time by a device's clock.
pub(super) fn time(number: i64) -> Result<ClockWord, StoreError> {
    self::number("time", number).map(ClockWord)
}

/// The text of a user id; nothing for one that is no text.
pub(super) fn user_id_text(user_id: Option<&UserId>) -> Option<&str> {
    user_id.and_then(|user_id| std::str::from_utf8(user_id.as_bytes()).ok())
}

pub(super) fn person(text: &str) -> Result<Person, StoreError> {
    Person::parse(text).ok_or_else(|| impossible("person"))
}

pub(super) fn user_id(text: &str) -> Result<UserId, StoreError> {
    UserId::new(text.as_bytes()).map_err(|_| impossible("user_id"))
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, StoreError> {
    DeviceId::parse(text).ok_or_else(|| impossible("device_id"))
}

pub(super) fn certainty(number: i64) -> Result<Certainty, StoreError> {
    Certainty::from_number(number).ok_or_else(|| impossible("certainty"))
}

pub(super) fn source(number: i64) -> Result<Source, StoreError> {
    Source::from_number(number).ok_or_else(|| impossible("source"))
}

pub(super) fn gap_reason(word: &str) -> Result<GapReason, StoreError> {
    GapReason::from_word(word).ok_or_else(|| impossible("reason"))
}

pub(super) fn reason(word: &str) -> Result<Reason, StoreError> {
    Reason::from_word(word).ok_or_else(|| impossible("reason"))
}

/// An origin as a word and a stride.
pub(super) const fn origin_words(origin: Origin) -> (&'static str, Option<u16>) {
    match origin {
        Origin::Live => ("live", None),
        Origin::Log { stride } => ("log", Some(stride)),
    }
}

pub(super) fn origin(word: &str, stride: Option<i64>) -> Result<Origin, StoreError> {
    match (word, stride) {
        ("live", _) => Ok(Origin::Live),
        ("log", Some(stride)) => Ok(Origin::Log { stride: number("stride", stride)? }),
        _ => Err(impossible("origin")),
    }
}

/// A subscription's filter as JSON.
pub(super) fn filter_text(filter: &Filter) -> Result<String, StoreError> {
    let kept = KeptFilter {
        devices: filter.devices.iter().map(|device| Cow::Borrowed(device.as_str())).collect(),
        users: filter.users.iter().map(UserId::to_text).collect(),
    };
    serde_json::to_string(&kept).map_err(|_| StoreError::Internal { outcome_unknown: false })
}

pub(super) fn filter(text: &str) -> Result<Filter, StoreError> {
    let kept: KeptFilter<'_> = serde_json::from_str(text).map_err(|_| impossible("filter"))?;
    let devices = kept.devices.iter().map(|device| device_id(device)).collect::<Result<_, _>>()?;
    let users = kept.users.iter().map(|user| user_id(user)).collect::<Result<_, _>>()?;
    Ok(Filter { devices, users, ..Filter::default() })
}

#[derive(Serialize, Deserialize)]
struct KeptFilter<'t> {
    devices: Vec<Cow<'t, str>>,
    users: Vec<Cow<'t, str>>,
}

fn impossible(column: &str) -> StoreError {
    StoreError::Unusable { cause: format!("the journal holds a {column} that cannot be one") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let filter = Filter {
            devices: vec![DeviceId::from(1), DeviceId::parse("gate:2").unwrap()],
            users: vec![UserId::from_number(7), UserId::new("ümit\"".as_bytes()).unwrap()],
            ..Filter::default()
        };
        for filter in [filter, Filter::default()] {
            assert_eq!(self::filter(&filter_text(&filter).unwrap()), Ok(filter));
        }
        for origin in [Origin::Live, Origin::Log { stride: 40 }] {
            let (word, stride) = origin_words(origin);
            assert_eq!(self::origin(word, stride.map(i64::from)), Ok(origin));
        }
        for person in [Person::UserId(UserId::from_number(17)), Person::Uid(17)] {
            assert_eq!(self::person(&person.key()), Ok(person));
        }
    }

    #[test]
    fn what_nobody_can_have_written_is_an_error() {
        assert!(matches!(person("a b"), Err(StoreError::Unusable { .. })));
        assert!(matches!(number::<u8>("punch_state", 256), Err(StoreError::Unusable { .. })));
        assert!(matches!(origin("log", None), Err(StoreError::Unusable { .. })));
        assert!(matches!(filter("{}"), Err(StoreError::Unusable { .. })));
        assert_eq!(user_id_text(Some(&UserId::new(b"\xff").unwrap())), None);
    }
}
