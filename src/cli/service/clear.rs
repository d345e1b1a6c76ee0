//! Clearing tables of a device through the service: it says first what there is, and then whoever asked says yes.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::operations::{self, until_over};
use crate::cli::confirm::confirm;
use crate::cli::device::grammar::Kind;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::table::text;

/// What is to be cleared, and on what terms.
pub(super) struct Wanted<'w> {
    /// The device, for people.
    pub(super) whom: &'w str,
    /// Its path.
    pub(super) path: &'w str,
    pub(super) what: Kind,
    pub(super) backup: bool,
    pub(super) yes: bool,
    pub(super) timeout: Option<Duration>,
}

pub(super) fn clear(client: &Client, out: Output, wanted: &Wanted<'_>) -> Done {
    let Wanted { whom, path, what, backup, yes, timeout } = *wanted;
    if what == Kind::Attendance {
        return attendance(client, out, wanted);
    }
    let path = format!("{path}/clear");
    let word = what.name().replace('-', "_");
    let bar = Bar::waiting("looking at the device");
    let found =
        ended(client, &client.post(&path, Some(&json!({ "what": word, "dry_run": true })), timeout)?)?;
    drop(bar);
    let lost = found.get("not_in_backup").and_then(Value::as_object).filter(|lost| !lost.is_empty());
    let kept = match (backup, what, lost) {
        (_, Kind::OperationLog, _) => String::new(),
        (false, ..) => " No backup is made.".to_owned(),
        (true, _, None) => " A backup is made first.".to_owned(),
        (true, _, Some(lost)) => {
            let names: Vec<&str> = lost.keys().map(String::as_str).collect();
            let detail = format!("no backup would have the {}", names.join(" and "));
            let advice = "allow biometrics for the device, or say --no-backup if they may be lost";
            return Err(Failure::new("backup_incomplete", detail).advise(advice));
        }
    };
    confirm(whom, &format!("{} There are {}.{kept}", what.warning(), counts(found.get("before"))), yes)?;
    let body = json!({ "what": word, "confirmation": found.get("confirmation"), "backup": backup });
    let bar = Bar::waiting("clearing");
    let done = ended(client, &client.post(&path, Some(&body), timeout)?)?;
    drop(bar);
    let made = Some(text(done.get("backup"))).filter(|name| !name.is_empty());
    let made = made.map(|name| format!("; backup {name}")).unwrap_or_default();
    let left = counts(done.get("after"));
    let told = json!({
        "cleared": what.name(),
        "backup": done.get("backup"),
        "before": done.get("before"),
        "after": done.get("after"),
    });
    out.done(&told, &format!("{} cleared; left are {left}{made}", what.name()))
}

/// The log is cleared only if the journal has all of it, which says more than a yes.
fn attendance(client: &Client, out: Output, wanted: &Wanted<'_>) -> Done {
    let Wanted { whom, path, what, yes, timeout, .. } = *wanted;
    let path = format!("{path}/attendance/clear");
    let found = client.post(&path, Some(&json!({ "dry_run": true })), timeout)?;
    let records = text(found.get("records"));
    let warning =
        format!("the attendance log of {records} records will be deleted. The journal has all of them.");
    confirm(whom, &warning, yes)?;
    let body = json!({ "confirmation": found.get("confirmation") });
    let mut told = client.post(&path, Some(&body), timeout)?;
    if let Some(members) = told.as_object_mut() {
        members.insert("cleared".to_owned(), what.name().into());
    }
    out.done(&told, &format!("{} cleared, {records} records; the journal has them", what.name()))
}

/// The result of an operation that was done; how another one ended is a failure.
fn ended(client: &Client, begun: &Value) -> Done<Value> {
    let shown = until_over(client, begun)?;
    operations::ended(&shown).map_err(|failure| failure.advise(advice(&shown)))
}

/// What helps whoever does not know what is left.
fn advice(shown: &Value) -> String {
    let backup = shown.get("result").map(|result| text(result.get("backup"))).unwrap_or_default();
    match backup.as_str() {
        "" => String::new(),
        name => format!("a backup was made before: {name}"),
    }
}

fn counts(of: Option<&Value>) -> String {
    const NAMES: [(&str, &str); 6] = [
        ("users", "people"),
        ("administrators", "with rights"),
        ("templates", "fingerprints"),
        ("faces", "faces"),
        ("records", "records of the log"),
        ("operations", "of the operation log"),
    ];
    let told = NAMES.iter().filter_map(|(name, word)| {
        let count = of.and_then(|of| of.get(*name)).and_then(Value::as_u64)?;
        Some(format!("{count} {word}"))
    });
    told.collect::<Vec<_>>().join(", ")
}
