//! What may be said of a person, and what is made of it.

use serde::{Deserialize, Deserializer};

use crate::base::secret::Secret;
use crate::device::users::UserChange;
use crate::http::problem::Problem;
use crate::wire::encoding::NameEncoding;
use crate::wire::record::UserId;
use crate::wire::record::user::{Level, TimeZones};

/// A person in a request; what is not said stays as it is. It has a password in it, and cannot be printed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    /// Who; not where the path says it.
    user_id: Option<String>,
    name: Option<String>,
    privilege: Option<LevelName>,
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    password: Option<Password>,
    card_number: Option<u32>,
    group: Option<u8>,
    time_zones: Option<Zones>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelName {
    User,
    Enroller,
    Manager,
    Administrator,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Zones {
    Set(Bits),
    List(List),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bits {
    set: u16,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default = "own")]
    flag: u16,
    zones: [u16; 3],
}

/// The flag with which devices mark zones of a person's own.
const fn own() -> u16 {
    1
}

/// Digits; `null` takes the password away. An error never repeats it.
struct Password(Secret<String>);

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Password>, D::Error> {
    use serde::de::Error;
    let value = serde_json::Value::deserialize(deserializer)?;
    match value {
        serde_json::Value::Null => Ok(Some(Password(Secret::default()))),
        serde_json::Value::String(text) => Ok(Some(Password(Secret::new(text)))),
        _ => Err(D::Error::custom("password must be a string of digits, or null for none")),
    }
}

/// The longest user id that a device stores, in bytes.
const USER_ID_CEILING: usize = 24;

/// A user id that a device may have.
///
/// # Errors
/// 422 when none can.
pub(super) fn user_id(text: &str) -> Result<UserId, Problem> {
    let id = UserId::new(text.as_bytes()).ok().filter(UserId::is_plausible);
    id.ok_or_else(|| {
        let detail = format!(
            "A user id has 1 to {USER_ID_CEILING} visible ASCII characters and no blanks; most devices take digits only."
        );
        Problem::new(422, "unusable_user_id", detail).with("field", "user_id")
    })
}

impl Person {
    /// Who it is about, if the body says it.
    pub(super) fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// What is to be set of this person on a device with this encoding.
    ///
    /// # Errors
    /// 422 for a name that the encoding does not have.
    pub(super) fn change(self, id: UserId, encoding: NameEncoding) -> Result<UserChange, Problem> {
        if let Some(name) = &self.name {
            encoding.encode(name).map_err(|error| {
                let detail = format!("The name cannot be written: {error}.");
                Problem::new(422, "name_not_encodable", detail).with("field", "name")
            })?;
        }
        Ok(UserChange {
            user_id: id,
            name: self.name,
            password: self.password.map(|password| password.0),
            level: self.privilege.map(|name| match name {
                LevelName::User => Level::User,
                LevelName::Enroller => Level::Enroller,
                LevelName::Manager => Level::Manager,
                LevelName::Administrator => Level::Administrator,
            }),
            disabled: self.enabled.map(|enabled| !enabled),
            card_number: self.card_number,
            group: self.group,
            time_zones: self.time_zones.map(|zones| match zones {
                Zones::Set(Bits { set }) => TimeZones::Set(set),
                Zones::List(List { flag, zones }) => TimeZones::List { flag, zones },
            }),
            like: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(body: &str) -> Result<UserChange, String> {
        let person: Person = serde_json::from_str(body).map_err(|error| error.to_string())?;
        person.change(user_id("7").unwrap(), NameEncoding::UTF_8).map_err(|problem| problem.code.to_owned())
    }

    #[test]
    fn what_is_not_said_stays_and_null_takes_the_password_away() {
        assert_eq!(change("{}").unwrap(), UserChange::of(user_id("7").unwrap()));
        assert_eq!(change(r#"{"password":null}"#).unwrap().password.unwrap().expose(), "");
        let said = change(
            r#"{"name":"Ann","privilege":"manager","enabled":false,"password":"12","card_number":9,"group":2,
                "time_zones":{"zones":[1,2,0]}}"#,
        );
        let said = said.unwrap();
        assert_eq!(
            (said.level, said.disabled, said.card_number),
            (Some(Level::Manager), Some(true), Some(9))
        );
        assert_eq!(said.time_zones, Some(TimeZones::List { flag: 1, zones: [1, 2, 0] }));
        assert_eq!(change(r#"{"time_zones":{"set":5}}"#).unwrap().time_zones, Some(TimeZones::Set(5)));
    }

    #[test]
    fn nothing_else_is_taken_and_no_password_is_repeated() {
        for body in [
            r#"{"password":71293}"#,
            r#"{"password":["71293"]}"#,
            r#"{"uid":4}"#,
            r#"{"privilege":"king"}"#,
            r#"{"card_number":-1}"#,
            r#"{"time_zones":{"set":1,"zones":[1,2,3]}}"#,
        ] {
            let error = change(body).unwrap_err();
            assert!(!error.contains("71293"), "{error}");
        }
        for id in ["", "a b", "ä", &"7".repeat(25)] {
            assert!(user_id(id).is_err(), "{id}");
        }
    }
}
