//! What may stand in a path for a name in braces.

use serde_json::{Value, json};

use super::schema::{between, device_id};

/// A name in braces: which paths it stands in, the schema, what it is, and one that can be tried.
type Segment = (&'static str, &'static str, fn() -> Value, &'static str, &'static str);

/// The first row with the name whose path begins the one asked for is the one that counts.
const SEGMENTS: &[Segment] = &[
    ("/api/v1/devices/{id}/options/{name}", "name", option, "the option's name", "VOLUME"),
    ("/api/v1/devices/{id}/access/groups", "n", || between(1, 99), "the group's number", "1"),
    ("/api/v1/devices/{id}/access/time-zones", "n", || between(1, 50), "the time zone's number", "1"),
    ("/api/v1/devices/{id}/access/combinations", "n", || between(1, 10), "the combination's number", "1"),
    ("/api/v1/devices/{id}/screen", "n", || between(0, 63), "the line's number", "1"),
    ("/api/v1/devices/{id}", "n", || between(1, 65535), "the message's number", "1"),
    ("/api/v1/devices/{id}", "id", device_id, "the device's `id`", "1"),
    ("/api/v1/devices/{id}", "finger", || between(0, 9), "which finger, 0 to 9", "1"),
    ("/api/v1/devices/{id}", "user_id", user_id, "the person's `user_id`", "1001"),
    ("/api/v1/operations/{id}", "id", number, "the operation's `id`", "1"),
    ("/api/v1/tokens/{id}", "id", number, "the token's `id`", "1"),
    ("/api/v1/traces/{id}", "id", trace, "the trace's `id`", "1-20260714T080000123"),
    ("/api/v1/backups/{id}", "id", trace, "the backup's `id`", "1-1794000000000"),
    ("/api/v1/webhooks/{id}", "id", number, "the webhook's `id`", "1"),
    ("/api/v1/quarantine/{id}", "id", number, "the entry's `id`", "1"),
];

fn number() -> Value {
    between(0, i64::MAX.unsigned_abs())
}

fn user_id() -> Value {
    json!({ "type": "string", "pattern": "^[!-~]{1,24}$" })
}

fn option() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9~_.-]{1,40}$" })
}

fn trace() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$" })
}

/// The parameter objects of a path, in its order.
pub(super) fn of(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let found =
                SEGMENTS.iter().find(|(before, known, ..)| *known == name && path.starts_with(before));
            let Some((_, _, schema, what, example)) = found else {
                // A test finds it by its missing description.
                return json!({ "name": name, "in": "path", "required": true, "schema": {} });
            };
            let schema = schema();
            let example = match schema.get("type").and_then(Value::as_str) {
                Some("integer") => example.parse::<u64>().map_or(Value::Null, Value::from),
                _ => Value::from(*example),
            };
            json!({
                "name": name, "in": "path", "required": true, "schema": schema, "description": what,
                "example": example,
            })
        })
        .collect()
}
