//! People of a device, through the service.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::{Client, segment};
use super::devices::text;
use super::operations::{self, is_over};
use crate::cli::device::file;
use crate::cli::device::grammar::{Import, Mode, Person};
use crate::cli::device::people::change_of;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side};
use crate::device::users::UserChange;
use crate::wire::record::user::TimeZones;

/// The most people in one request; far below what the service takes, so that a body stays small.
const TOGETHER: usize = 2000;

/// A row of an operation as the API shows it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Told(Map<String, Value>);

pub(super) fn add(
    client: &Client,
    out: Output,
    path: &str,
    person: &Person,
    timeout: Option<Duration>,
) -> Done {
    let told = client.post(path, Some(&body(&change_of(person)?)), timeout)?;
    written(out, &told)
}

pub(super) fn change(
    client: &Client,
    out: Output,
    path: &str,
    person: &Person,
    timeout: Option<Duration>,
) -> Done {
    let change = change_of(person)?;
    let path = format!("{path}/{}", segment(&person.user_id));
    written(out, &client.patch(&path, &body(&change), timeout)?)
}

pub(super) fn delete(
    client: &Client,
    out: Output,
    path: &str,
    user_ids: &[String],
    timeout: Option<Duration>,
) -> Done {
    if let [user_id] = user_ids {
        let told = client.delete_told(&format!("{path}/{}", segment(user_id)), timeout)?;
        return written(out, &told);
    }
    let shown = many(client, path, &json!({ "delete": user_ids }), &Bar::pieces("deleting"), timeout)?;
    judged(out, &[shown])
}

pub(super) fn import(
    client: &Client,
    out: Output,
    path: &str,
    import: &Import,
    timeout: Option<Duration>,
) -> Done {
    if import.mode != Mode::Upsert {
        let detail =
            "through the service people are created or changed, whichever is needed: leave --mode out";
        return Err(Failure::misused(detail));
    }
    let changes = file::read(import)?;
    let bar = Bar::pieces("writing people");
    let mut shown = Vec::new();
    for some in changes.chunks(TOGETHER) {
        let people: Vec<Value> = some.iter().map(body).collect();
        shown.push(many(client, path, &json!({ "upsert": people }), &bar, timeout)?);
    }
    drop(bar);
    judged(out, &shown)
}

/// Begins a long operation and waits for its end.
fn many(client: &Client, path: &str, body: &Value, bar: &Bar, timeout: Option<Duration>) -> Done<Value> {
    let mut shown = client.post(&format!("{path}/bulk"), Some(body), timeout)?;
    while !is_over(&shown) {
        shown = client.get(&format!("/api/v1/operations/{}?wait=1", text(shown.get("id"))), None)?;
        let part = |name: &str| shown.get("progress").and_then(|progress| progress.get(name)?.as_u64());
        if let (Some(done), Some(total)) = (part("done"), part("total")) {
            bar.set(done, total);
        }
    }
    Ok(shown)
}

/// The rows of all operations, and the first thing that went wrong.
fn judged(out: Output, shown: &[Value]) -> Done {
    let mut rows = Vec::new();
    for one in shown {
        let Some(told) = one.get("result").and_then(|result| result.get("rows")) else {
            return operations::show(out, one);
        };
        let told: Vec<Told> = serde_json::from_value(told.clone()).unwrap_or_default();
        rows.extend(told);
    }
    out.rows(&rows)?;
    let count = |word: &str| rows.iter().filter(|row| text(row.0.get("written")) == word).count();
    let words = ["created", "updated", "unchanged", "deleted"].map(|word| (count(word), word));
    let words: Vec<_> = words.iter().filter(|(count, _)| *count > 0).collect();
    let counts: Vec<_> = words.iter().map(|(count, word)| format!("{count} {word}")).collect();
    out.note(&counts.join(", "));
    let problem = shown.iter().find_map(|one| one.get("problem").filter(|problem| !problem.is_null()));
    let Some(problem) = problem else { return Ok(()) };
    // A row's own code says more than that some rows failed.
    let codes: Vec<String> =
        rows.iter().map(|row| text(row.0.get("code"))).filter(|code| !code.is_empty()).collect();
    let alike = codes.first().filter(|first| codes.iter().all(|code| code == *first));
    let code = alike.cloned().unwrap_or_else(|| text(problem.get("code")));
    Err(Failure::new(&code, text(problem.get("detail"))))
}

fn written(out: Output, told: &Value) -> Done {
    let sentence = format!("user {} is {}", text(told.get("user_id")), text(told.get("written")));
    out.done(told, &sentence)
}

/// A person as the API takes them.
fn body(change: &UserChange) -> Value {
    let UserChange { user_id, name, password, level, disabled, card_number, group, time_zones } = change;
    let mut body = Map::new();
    let mut say = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    say("user_id", Some(user_id.to_text().into()));
    say("name", name.as_deref().map(Value::from));
    say("password", password.as_ref().map(|password| password.expose().as_str().into()));
    say("privilege", level.map(|level| level.name().into()));
    say("enabled", disabled.map(|disabled| (!disabled).into()));
    say("card_number", card_number.map(Value::from));
    say("group", group.map(Value::from));
    let zones = time_zones.map(|zones| match zones {
        TimeZones::Set(bits) => json!({ "set": bits }),
        TimeZones::List { flag, zones } => json!({ "flag": flag, "zones": zones }),
    });
    say("time_zones", zones);
    Value::Object(body)
}

impl Row for Told {
    const COLUMNS: &'static [Column] =
        &[("USER ID", Side::Left), ("RESULT", Side::Left), ("UID", Side::Right), ("WHY", Side::Left)];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.0.get(name));
        let result = Some(of("written")).filter(|word| !word.is_empty()).unwrap_or_else(|| of("code"));
        vec![of("user_id"), result, of("uid"), of("detail")]
    }
}
