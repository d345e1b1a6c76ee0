//! What a caller may say of a webhook, as types that cannot be wrong. A secret or a URL that is none is refused
//! without being repeated.

use serde::{Deserialize, Deserializer, de};

use super::input::{Name, given};
use crate::base::ids::DeviceId;
use crate::base::secret::Secret;
use crate::delivery::{InvalidSecret, Target, new_secret, parse_secret};
use crate::http::problem::Problem;
use crate::store::journal::Filter;
use crate::store::journal::delivery::{NewWebhook, Webhook, WebhookPatch};
use crate::store::journal::row::parse_user_id;
use crate::wire::record::UserId;

/// `POST /webhooks`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    name: Option<Name>,
    url: Receiver,
    #[expect(dead_code, reason = "it is checked where it is read, and there is only one event")]
    events: Option<Events>,
    devices: Option<List<DeviceId>>,
    users: Option<List<UserId>>,
    secret: Option<Key>,
    batch: Option<Batch>,
    enabled: Option<bool>,
    /// Which rows come first.
    #[serde(default)]
    pub after: Start,
}

/// `PATCH /webhooks/{id}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default, deserialize_with = "given")]
    name: Option<Name>,
    #[serde(default, deserialize_with = "given")]
    url: Option<Receiver>,
    #[serde(default, deserialize_with = "given")]
    events: Option<Events>,
    #[serde(default, deserialize_with = "given")]
    devices: Option<List<DeviceId>>,
    #[serde(default, deserialize_with = "given")]
    users: Option<List<UserId>>,
    /// `null` for a new one.
    #[serde(default, deserialize_with = "given")]
    secret: Option<Option<Key>>,
    #[serde(default, deserialize_with = "given")]
    batch: Option<Batch>,
    #[serde(default, deserialize_with = "given")]
    enabled: Option<bool>,
}

/// `POST /webhooks/{id}/replay`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Behind which row to go on.
    pub after: Start,
}

/// Behind which row to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what comes from now on.
    #[default]
    Now,
    /// Behind this row.
    After(u64),
}

/// What a change leaves to be done where the webhook is known.
#[derive(Debug)]
pub struct Changed {
    patch: WebhookPatch,
    devices: Option<Vec<DeviceId>>,
    users: Option<Vec<UserId>>,
    /// The new secret, when it is one that the caller does not know.
    pub told: Option<Secret<String>>,
}

#[derive(Debug)]
struct Receiver {
    url: String,
    host: String,
}
#[derive(Debug)]
struct Events;
#[derive(Debug)]
struct List<T>(Vec<T>);
#[derive(Debug)]
struct Key(Secret<String>);
#[derive(Debug)]
struct Batch(u32);

/// The events that there are.
pub const PUNCH: &str = "punch";
/// The most devices, and the most people, that a filter names.
const NAMES: usize = 1000;
/// The most rows in one request.
const BATCH_CEILING: u32 = 1000;
const BATCH_DEFAULT: u32 = 100;

impl Create {
    /// The webhook to be made; its cursor is still to be set.
    ///
    /// # Errors
    /// 500 when the system has no random bytes for a secret.
    pub fn into_new(self) -> Result<NewWebhook, Problem> {
        let secret = match self.secret {
            Some(Key(secret)) => secret,
            None => made_secret()?,
        };
        let name = self.name.map_or_else(|| self.url.host.chars().take(100).collect(), |name| name.0);
        Ok(NewWebhook {
            name,
            url: self.url.url,
            secret,
            filter: Filter {
                devices: self.devices.map(|list| list.0).unwrap_or_default(),
                users: self.users.map(|list| list.0).unwrap_or_default(),
                ..Filter::default()
            },
            batch: self.batch.map_or(BATCH_DEFAULT, |batch| batch.0),
            enabled: self.enabled.unwrap_or(true),
            cursor: 0,
        })
    }
}

impl Change {
    /// What is to change.
    ///
    /// # Errors
    /// 400 when nothing is; 500 when the system has no random bytes for a secret.
    pub fn into_changed(self) -> Result<Changed, Problem> {
        let Self { name, url, events, devices, users, secret, batch, enabled } = self;
        let nothing = name.is_none() && url.is_none() && events.is_none() && devices.is_none();
        if nothing && users.is_none() && secret.is_none() && batch.is_none() && enabled.is_none() {
            return Err(Problem::bad_request("invalid_body", "The body changes nothing."));
        }
        let (secret, told) = match secret {
            None => (None, None),
            Some(Some(Key(secret))) => (Some(secret), None),
            Some(None) => {
                let made = made_secret()?;
                (Some(made.clone()), Some(made))
            }
        };
        let patch = WebhookPatch {
            name: name.map(|name| name.0),
            url: url.map(|receiver| receiver.url),
            secret,
            filter: None,
            batch: batch.map(|batch| batch.0),
            enabled,
            cursor: None,
        };
        Ok(Changed { patch, devices: devices.map(|list| list.0), users: users.map(|list| list.0), told })
    }
}

impl Changed {
    /// The patch for a webhook that is so now.
    #[must_use]
    pub fn patch(self, now: &Webhook) -> WebhookPatch {
        let filter = (self.devices.is_some() || self.users.is_some()).then(|| Filter {
            devices: self.devices.unwrap_or_else(|| now.filter.devices.clone()),
            users: self.users.unwrap_or_else(|| now.filter.users.clone()),
            ..now.filter.clone()
        });
        WebhookPatch { filter, ..self.patch }
    }
}

fn made_secret() -> Result<Secret<String>, Problem> {
    new_secret().map_err(|error| {
        log::error!("no secret could be made: {error}");
        Problem::new(500, "internal", "The system gives no random bytes for a secret.")
    })
}

impl<'de> Deserialize<'de> for Receiver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Through a value: serde's own messages repeat what they do not like.
        let text = text(deserializer, "url must be text")?;
        let target = Target::parse(&text).map_err(|error| de::Error::custom(format_args!("url: {error}")))?;
        let host = target.host().to_owned();
        Ok(Self { url: text, host })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "secret must be text")?;
        parse_secret(&text)
            .map(Self)
            .map_err(|error: InvalidSecret| de::Error::custom(format_args!("secret: {error}")))
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D, wrong: &'static str) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(de::Error::custom(wrong)),
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let events = Vec::<String>::deserialize(deserializer)?;
        if events.is_empty() || events.iter().any(|event| event != PUNCH) {
            return Err(de::Error::custom(format_args!("events is [\"{PUNCH}\"], there are no others")));
        }
        Ok(Self)
    }
}

impl<'de, T: Named> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.len() > NAMES {
            return Err(de::Error::custom(format_args!("{} has at most {NAMES} entries", T::FIELD)));
        }
        let mut found: Vec<T> = Vec::with_capacity(texts.len());
        for text in texts {
            let one = T::parse(&text)
                .ok_or_else(|| de::Error::custom(format_args!("{} has an entry that is no id", T::FIELD)))?;
            if !found.contains(&one) {
                found.push(one);
            }
        }
        Ok(Self(found))
    }
}

/// What a list is of.
trait Named: Sized + PartialEq {
    const FIELD: &'static str;
    fn parse(text: &str) -> Option<Self>;
}

impl Named for DeviceId {
    const FIELD: &'static str = "devices";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Named for UserId {
    const FIELD: &'static str = "users";

    fn parse(text: &str) -> Option<Self> {
        parse_user_id(text)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = u32::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format_args!("batch is a number from 1 to {BATCH_CEILING}"));
        (1..=BATCH_CEILING).contains(&rows).then_some(Self(rows)).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text == "now" => Some(Self::Now),
            serde_json::Value::Number(number) => number.as_u64().map(Self::After),
            _ => None,
        };
        found.ok_or_else(|| de::Error::custom("after is a sequence number (0 for everything) or \"now\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(more: &str) -> Result<NewWebhook, String> {
        let body = format!(r#"{{"url":"https://example.com/hook"{more}}}"#);
        let create: Create = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        create.into_new().map_err(|problem| problem.detail)
    }

    #[test]
    fn what_is_not_said_is_sensible() {
        let new = create("").unwrap();
        assert_eq!((new.name.as_str(), new.batch, new.enabled), ("example.com", 100, true));
        assert!(new.filter.is_all() && new.secret.expose().len() == 64);
        let new = create(r#","devices":["1","1","b"],"users":["1001"],"batch":1000,"name":" pay "}"#);
        assert!(new.is_err(), "that was no JSON");
        let new = create(r#","devices":["1","1","b"],"users":["1001"],"batch":1000,"name":" pay ""#).unwrap();
        assert_eq!((new.filter.devices.len(), new.filter.users.len(), new.name.as_str()), (2, 1, "pay"));
    }

    #[test]
    fn nothing_wrong_is_taken_and_no_secret_is_repeated() {
        let many = format!(r#","devices":[{}"1"]"#, r#""1","#.repeat(1000));
        for (more, says) in [
            (r#","secret":"hunter2""#, "16 to 128"),
            (r#","secret":"hunter2 hunter2 hunter2""#, "16 to 128"),
            (r#","secret":7351735173517351"#, "secret must be text"),
            (r#","events":[]"#, "no others"),
            (r#","events":["punch","user"]"#, "no others"),
            (r#","devices":["a/b"]"#, "devices"),
            (r#","users":["a b"]"#, "users"),
            (r#","users":["0123456789012345678901234"]"#, "users"),
            (r#","batch":0"#, "1 to 1000"),
            (r#","batch":1001"#, "1 to 1000"),
            (r#","after":-1"#, "sequence number"),
            (r#","after":"yesterday""#, "sequence number"),
            (r#","colour":"red""#, "unknown field"),
            (many.as_str(), "at most 1000"),
        ] {
            let error = create(more).unwrap_err();
            assert!(error.contains(says), "{more}: {error}");
            assert!(!error.contains("hunter2") && !error.contains("7351"), "{error}");
        }
        let url = serde_json::from_str::<Create>(r#"{"url":"https://u:hunter2@example.com/"}"#).unwrap_err();
        assert!(url.to_string().contains("user name") && !url.to_string().contains("hunter2"), "{url}");
    }

    #[test]
    fn a_secret_of_null_is_a_new_one_and_only_that_is_told() {
        let change = |body: &str| serde_json::from_str::<Change>(body).unwrap().into_changed();
        let made = change(r#"{"secret":null}"#).unwrap();
        assert!(made.told.is_some() && made.told == made.patch.secret);
        let given = change(r#"{"secret":"0123456789abcdef"}"#).unwrap();
        assert!(given.told.is_none() && given.patch.secret.is_some());
        assert!(change(r#"{"enabled":false}"#).unwrap().patch.secret.is_none());
        assert!(change("{}").is_err());
    }
}
