//! People of a device, through the service.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::{Client, segment};
use super::operations;
use crate::cli::device::file;
use crate::cli::device::grammar::{Import, Mode, Person};
use crate::cli::device::people::change_of;
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side, text};
use crate::device::users::UserChange;
use crate::wire::record::user::TimeZones;

/// The most people in one request: as many as the service takes, because it looks at all people of a request before
/// it says anything to the device.
const TOGETHER: usize = 5000;

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
    let mode = match import.mode {
        Mode::Upsert => "upsert",
        Mode::Create => "create",
        Mode::Update => "update",
    };
    let changes = file::read(import)?;
    let bar = Bar::pieces("writing people");
    let mut shown = Vec::new();
    let mut failed = None;
    for some in changes.chunks(TOGETHER) {
        let people: Vec<Value> = some.iter().map(body).collect();
        match many(client, path, &json!({ "mode": mode, "upsert": people }), &bar, timeout) {
            Ok(one) => shown.push(one),
            Err(failure) => failed = Some(failure),
        }
        // After a session that broke, or a request that was refused, the rest would fare no better.
        if failed.is_some() || shown.last().is_some_and(|one| !is_whole(one)) {
            break;
        }
    }
    drop(bar);
    match failed {
        None => judged(out, &shown),
        // What is done is told, whatever came after it.
        Some(failure) if shown.is_empty() => Err(failure),
        Some(failure) => judged(out, &shown).and(Err(failure)),
    }
}

/// Begins a long operation and waits for its end.
fn many(client: &Client, path: &str, body: &Value, bar: &Bar, timeout: Option<Duration>) -> Done<Value> {
    operations::followed(client, &client.post(&format!("{path}/bulk"), Some(body), timeout)?, bar)
}

/// Whether an operation looked at all of its people, however they fared.
fn is_whole(shown: &Value) -> bool {
    text(shown.get("state")) == "done" || problem_code(shown) == "rows_failed"
}

fn problem_code(shown: &Value) -> String {
    shown.get("problem").map(|problem| text(problem.get("code"))).unwrap_or_default()
}

/// The rows of all operations, and what went wrong.
pub(super) fn judged(out: Output, shown: &[Value]) -> Done {
    let told = shown.iter().filter_map(|one| one.get("result")?.get("rows")?.as_array());
    let rows: Vec<Told> = told.flatten().filter_map(Value::as_object).cloned().map(Told).collect();
    if let ([one], true) = (shown, rows.is_empty()) {
        return operations::show(out, one);
    }
    out.rows(&rows)?;
    let count = |word: &str| rows.iter().filter(|row| text(row.0.get("written")) == word).count();
    let words = ["created", "updated", "unchanged", "deleted"].map(|word| (count(word), word));
    let words: Vec<_> = words.iter().filter(|(count, _)| *count > 0).collect();
    let counts: Vec<_> = words.iter().map(|(count, word)| format!("{count} {word}")).collect();
    out.note(&counts.join(", "));
    failure(shown, &rows).map_or(Ok(()), Err)
}

/// What went wrong, if something did: what ended an operation early comes before people who failed.
fn failure(shown: &[Value], rows: &[Told]) -> Option<Failure> {
    let failed = shown.iter().find(|one| !is_whole(one));
    let failed = failed.or_else(|| shown.iter().find(|one| text(one.get("state")) != "done"))?;
    let problem = failed.get("problem").filter(|problem| !problem.is_null());
    let detail = problem.map(|problem| text(problem.get("detail"))).unwrap_or_default();
    let again = "the same once more is harmless: who is as wanted is not written again";
    match (text(failed.get("state")).as_str(), problem_code(failed).as_str()) {
        ("cancelled", _) => {
            let detail = "it was cancelled before everybody was looked at";
            Some(Failure::new("cancelled", detail).advise(again))
        }
        ("outcome_unknown", _) => Some(Failure::new("outcome_unknown", detail).advise(again)),
        // The rows' own codes say more than that some rows failed, if they are of one kind.
        (_, "rows_failed") => {
            let codes: Vec<_> = rows.iter().map(|row| text(row.0.get("code"))).collect();
            let codes: Vec<_> = codes.iter().filter(|code| !code.is_empty()).collect();
            let first = codes.first().copied();
            let alike = first.filter(|first| codes.iter().all(|code| Exit::of(code) == Exit::of(first)));
            Some(Failure::new(alike.map_or("partly_failed", String::as_str), detail))
        }
        (_, code) => Some(Failure::new(code, detail)),
    }
}

fn written(out: Output, told: &Value) -> Done {
    let sentence = format!("user {} is {}", text(told.get("user_id")), text(told.get("written")));
    out.done(told, &sentence)
}

/// A person as the API takes them.
pub(super) fn body(change: &UserChange) -> Value {
    let UserChange { user_id, name, password, level, disabled, card_number, group, time_zones, like: _ } =
        change;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(state: &str, code: Option<&str>, rows: &[&str]) -> Option<Exit> {
        let problem = code.map(|code| json!({ "code": code, "detail": "It." }));
        let well = json!({ "state": "done", "problem": null });
        let rows: Vec<_> =
            rows.iter().map(|code| Told(Map::from_iter([("code".to_owned(), json!(code))]))).collect();
        failure(&[well, json!({ "state": state, "problem": problem })], &rows).map(|failure| failure.exit())
    }

    #[test]
    fn how_an_import_ends_is_the_same_as_when_the_device_is_asked_directly() {
        assert_eq!(exit("done", None, &[]), None);
        assert_eq!(exit("cancelled", None, &[]), Some(Exit::Failed), "not everybody was looked at");
        let rows = ["not_verified", "outcome_unknown", "not_tried"];
        assert_eq!(exit("outcome_unknown", Some("connection_lost"), &rows), Some(Exit::Unknown));
        assert_eq!(exit("failed", Some("connection_lost"), &["not_tried"]), Some(Exit::Unreachable));
        let rows = ["name_too_long", "unusable_password"];
        assert_eq!(exit("failed", Some("rows_failed"), &rows), Some(Exit::Misused), "of one kind");
        assert_eq!(exit("failed", Some("rows_failed"), &["name_too_long", "not_stored"]), Some(Exit::Failed));
    }
}
