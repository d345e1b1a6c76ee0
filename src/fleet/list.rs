//! A list of people as bytes, to be sealed: it has passwords in it.

use serde::{Deserialize, Serialize};

use crate::base::secret::Secret;
use crate::device::users::UserChange;
use crate::wire::record::UserId;
use crate::wire::record::user::{Level, TimeZones};

/// What stands before the sealed bytes.
pub(super) const LABEL: &[u8] = br#"{"what":"people"}"#;

/// One person; what is left out is as it may be.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kept {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privilege: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_set: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_list: Option<(u16, [u16; 3])>,
}

/// The bytes of a list.
pub(super) fn emit(people: &[UserChange]) -> Secret<Vec<u8>> {
    let kept: Vec<Kept> = people
        .iter()
        .map(|person| {
            let (zone_set, zone_list) = match person.time_zones {
                None => (None, None),
                Some(TimeZones::Set(set)) => (Some(set), None),
                Some(TimeZones::List { flag, zones }) => (None, Some((flag, zones))),
            };
            Kept {
                user_id: person.user_id.to_text().into_owned(),
                name: person.name.clone(),
                password: person.password.as_ref().map(|password| password.expose().clone()),
                privilege: person.level.map(|level| level.name().to_owned()),
                disabled: person.disabled,
                card_number: person.card_number,
                group: person.group,
                zone_set,
                zone_list,
            }
        })
        .collect();
    // A struct of texts and numbers has no way to fail.
    Secret::new(serde_json::to_vec(&kept).unwrap_or_default())
}

/// The list of these bytes, if they are one.
pub(super) fn parse(bytes: &Secret<Vec<u8>>) -> Option<Vec<UserChange>> {
    let kept: Vec<Kept> = serde_json::from_slice(bytes.expose()).ok()?;
    kept.into_iter()
        .map(|kept| {
            let level = match kept.privilege {
                None => None,
                Some(name) => Some(Level::ALL.into_iter().find(|level| level.name() == name)?),
            };
            let zones = match (kept.zone_set, kept.zone_list) {
                (Some(set), _) => Some(TimeZones::Set(set)),
                (None, Some((flag, zones))) => Some(TimeZones::List { flag, zones }),
                (None, None) => None,
            };
            Some(UserChange {
                user_id: UserId::new(kept.user_id.as_bytes()).ok()?,
                name: kept.name,
                password: kept.password.map(Secret::new),
                level,
                disabled: kept.disabled,
                card_number: kept.card_number,
                group: kept.group,
                time_zones: zones,
                like: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zones() -> impl Strategy<Value = TimeZones> {
        prop_oneof![
            any::<u16>().prop_map(TimeZones::Set),
            any::<(u16, [u16; 3])>().prop_map(|(flag, zones)| TimeZones::List { flag, zones }),
        ]
    }

    proptest! {
        #[test]
        fn a_list_comes_back_as_it_was(
            user_id in "[!-~]{1,24}", name: Option<String>, password in proptest::option::of("[0-9]{0,8}"),
            level in proptest::option::of(0usize..4), disabled: Option<bool>, card_number: Option<u32>,
            group: Option<u8>, time_zones in proptest::option::of(zones()),
        ) {
            let person = UserChange {
                user_id: UserId::new(user_id.as_bytes()).unwrap(),
                name,
                password: password.map(Secret::new),
                level: level.map(|at| Level::ALL[at]),
                disabled,
                card_number,
                group,
                time_zones,
                like: None,
            };
            let people = vec![person.clone(), UserChange::of(person.user_id)];
            prop_assert_eq!(parse(&emit(&people)), Some(people));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&Secret::new(bytes));
        }
    }
}
