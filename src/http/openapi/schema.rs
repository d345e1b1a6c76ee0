//! Schemas (JSON Schema, draft 2020-12) in few words.

use serde_json::{Map, Value, json};

/// A member of an object: its name, its schema, and what it is. A name that ends in `?` may be missing.
pub(super) type Member = (&'static str, Value, &'static str);

/// Any text.
pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// A text of this form.
pub(super) fn form(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub(super) fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// `true` or `false`.
pub(super) fn truth() -> Value {
    json!({ "type": "boolean" })
}

/// This value and no other.
pub(super) fn only(value: impl Into<Value>) -> Value {
    json!({ "const": value.into() })
}

/// Any whole number from 0 on.
pub(super) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// Any whole number.
pub(super) fn whole() -> Value {
    json!({ "type": "integer" })
}

/// A whole number from this one to that one.
pub(super) fn between(lowest: u64, highest: u64) -> Value {
    json!({ "type": "integer", "minimum": lowest, "maximum": highest })
}

/// A number from 0 on.
pub(super) fn amount() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

/// A moment, in UTC.
pub(super) fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// What a device's clock shows, whether such a time exists or not.
pub(super) fn civil() -> Value {
    form("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$")
}

/// A date between 2000 and 2099 that exists.
pub(super) const DATE: &str = "20[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|20(?:[02468][048]|[13579][26])-02-29";
/// A time of the day, to the second.
pub(super) const TIME: &str = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
/// The id of a device.
pub(super) const DEVICE_ID: &str = r"\.*[A-Za-z0-9_:-][A-Za-z0-9._:-]*";

/// The id of a device.
pub(super) fn device_id() -> Value {
    json!({ "type": "string", "maxLength": 64, "pattern": format!("^{DEVICE_ID}$") })
}

/// One person's user id: at most 24 bytes. Texts beyond ASCII are told here only as far as they fit in any case.
pub(super) const USER_ID: &str = r"(?:[!-+\--~]{1,24}|[^\s,\x00-\x1f\x7f-\x9f]{1,6})";

/// A name for people: 1 to 100 characters, something to see among them, no control characters.
pub(super) fn name() -> Value {
    let any = r"[^\x00-\x1f\x7f-\x9f]*";
    let seen = r"[^\s\x00-\x1f\x7f-\x9f]";
    json!({ "type": "string", "minLength": 1, "maxLength": 100, "pattern": format!("^{any}{seen}{any}$") })
}

/// The same, or `null`.
pub(super) fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get_mut("type")
        && kind.is_string()
    {
        *kind = json!([kind.take(), "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Any number of these.
pub(super) fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// The schema with this name.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What an answer has. Members may be added to it one day.
pub(super) fn object(members: impl IntoIterator<Item = Member>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema, what) in members {
        let (name, needed) = name.strip_suffix('?').map_or((name, true), |name| (name, false));
        if needed {
            required.push(name);
        }
        properties.insert(name.to_owned(), told(schema, what));
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What a request may have, and nothing else.
pub(super) fn input(members: impl IntoIterator<Item = Member>) -> Value {
    let mut schema = object(members);
    put(&mut schema, "additionalProperties", false);
    schema
}

/// The same schema, with a rule or a word added.
pub(super) fn with(mut schema: Value, name: &str, value: impl Into<Value>) -> Value {
    put(&mut schema, name, value);
    schema
}

fn told(mut schema: Value, what: &str) -> Value {
    if !what.is_empty() {
        put(&mut schema, "description", what);
    }
    schema
}

fn put(schema: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = schema.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}
