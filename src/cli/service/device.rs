//! The verbs for a device that the service knows: each is one request.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Asked;
use super::clear::{self, Wanted};
use super::client::{Client, segment};
use super::{access, backups, fingers, messages, people, upkeep, watch};
use crate::base::ids::DeviceId;
use crate::cli::confirm::confirm;
use crate::cli::csv_rows;
use crate::cli::device::grammar::{DeviceCall, Verb};
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::Output;
use crate::cli::rows::{InfoSheet, PunchRow, TimeSheet, UserRow};
use crate::cli::table::text;

/// A list as the API gives it.
#[derive(Deserialize)]
struct Listed<R> {
    data: Vec<R>,
}

/// Asks the service to say a verb to one of its devices.
pub(in crate::cli) fn run(id: &DeviceId, call: &DeviceCall, out: Output) -> Done {
    let client = Client::new(&call.service)?;
    let of = |what: &str| format!("/api/v1/devices/{}{what}", segment(id.as_str()));
    let timeout = call.timeout;
    let path = of("");
    let asked = Asked { client: &client, out, path: &path, timeout };
    match &call.verb {
        Verb::Info => {
            let info: InfoSheet = client.get(&of("/info"), timeout)?;
            out.one(&info, &info.pairs())
        }
        Verb::Time { set } => {
            let time: TimeSheet = match set.as_deref() {
                None => client.get(&of("/time"), timeout)?,
                Some("now") => client.put(&of("/time"), None, timeout)?,
                Some(time) => client.put(&of("/time"), Some(&json!({ "time": time })), timeout)?,
            };
            out.one(&time, &time.pairs())
        }
        Verb::Users => out.list(&client.get::<Listed<UserRow>>(&of("/users"), timeout)?.data),
        Verb::User { user_id } => {
            let user: UserRow = client.get(&of(&format!("/users/{}", segment(user_id))), timeout)?;
            out.one(&user, &user.pairs())
        }
        Verb::AddUser(person) => people::add(&client, out, &of("/users"), person, timeout),
        Verb::ChangeUser(person) => people::change(&client, out, &of("/users"), person, timeout),
        Verb::DeleteUser { user_ids } => {
            if user_ids.len() > 1 {
                let what = format!("{} people and their fingerprints will be deleted.", user_ids.len());
                confirm(format!("@{id}"), &what, call.yes)?;
            }
            people::delete(&client, out, &of("/users"), user_ids, timeout)
        }
        Verb::ImportUsers(import) => people::import(&client, out, &of("/users"), import, timeout),
        Verb::Options { names } => upkeep::options(&client, out, &of("/options"), names, timeout),
        Verb::SetOption { name, value } => {
            upkeep::set_option(&client, out, &of(&format!("/options/{}", segment(name))), value, timeout)
        }
        Verb::Lcd { line, text, .. } => {
            let line = line.zip(text.as_deref());
            upkeep::lcd(&client, out, &of("/screen"), line, timeout)
        }
        Verb::Transfer(transfer) => {
            backups::transfer(&client, out, (&format!("@{id}"), &of("/users")), transfer, call.yes, timeout)
        }
        Verb::Backup(backup) => backups::make(&client, out, &of("/backups"), backup, timeout),
        Verb::Restore(restore) => {
            backups::restore(&client, out, (&format!("@{id}"), &of("/restore")), restore, call.yes, timeout)
        }
        Verb::Refresh => out.done(&client.post(&of("/refresh"), None, timeout)?, "done"),
        Verb::FreeBuffer => out.done(&client.post(&of("/free-buffer"), None, timeout)?, "done"),
        Verb::PowerOff => {
            confirm(format!("@{id}"), "Somebody has to go there to switch it on again.", call.yes)?;
            let told = client.post(&of("/power-off"), Some(&json!({ "confirm": true })), timeout)?;
            out.done(&told, "it is off")
        }
        Verb::Clear { what, no_backup } => {
            let whom = format!("@{id}");
            let (what, backup, yes) = (*what, !no_backup, call.yes);
            let wanted = Wanted { whom: &whom, path: &path, what, backup, yes, timeout };
            clear::clear(&client, out, &wanted)
        }
        Verb::Attendance { csv } => {
            let log: Listed<PunchRow> = client.get(&of("/attendance"), timeout)?;
            if *csv { csv_rows::print(out, &log.data) } else { out.rows(&log.data) }
        }
        Verb::Voice { index } => {
            let body = json!({ "index": index });
            out.done(&client.post(&of("/test-voice"), Some(&body), timeout)?, "played")
        }
        Verb::Unlock { unit: Some(_), .. } => Err(Failure::misused(
            "--unit is for a device that is spoken to directly; here it is one of its settings",
        )),
        Verb::Unlock { seconds, unit: None } => {
            let body = json!({ "seconds": seconds.as_secs_f64() });
            let told = client.post(&of("/unlock"), Some(&body), timeout)?;
            out.done(&told, &format!("unlocked for {} s", seconds.as_secs_f64()))
        }
        Verb::Door => {
            let told: Value = client.get(&of("/door"), timeout)?;
            out.done(&told, &text(told.get("door")))
        }
        Verb::Restart => out.done(&client.post(&of("/restart"), None, timeout)?, "it restarts"),
        Verb::Connect => connection(out, &client.post(&of("/connect"), None, timeout)?),
        Verb::Disconnect => connection(out, &client.post(&of("/disconnect"), None, timeout)?),
        Verb::Resume => connection(out, &client.post(&of("/resume"), None, None)?),
        Verb::Connection => connection(out, &client.get(&of("/connection"), None)?),
        Verb::Lend { minutes, to } => {
            let mut body = json!({ "minutes": minutes });
            if let (Some(to), Some(members)) = (to, body.as_object_mut()) {
                members.insert("to".to_owned(), to.as_str().into());
            }
            connection(out, &client.post(&of("/lend"), Some(&body), timeout)?)
        }
        Verb::Test => tested(out, &client.post(&of("/test"), None, timeout)?),
        Verb::Collect { everything } => {
            collected(&client, out, &of("/collection/read"), *everything, timeout)
        }
        Verb::Watch { count } => watch::watch(&client, out, id, *count, timeout),
        Verb::Templates { user_id } => fingers::list(asked, user_id.as_deref()),
        Verb::DeleteTemplate(finger) => fingers::delete(asked, finger),
        Verb::Enrol(finger) => fingers::enrol(asked, finger, call.verb.limit()),
        Verb::Message(message) => messages::message(asked, message),
        Verb::Group(group) => access::group(asked, group),
        Verb::TimeZone(zone) => access::time_zone(asked, zone),
        Verb::Combination(combination) => access::combination(asked, combination),
        Verb::VerifyStyle(style) => access::verify_style(asked, style),
    }
}

/// The state of a session.
fn connection(out: Output, shown: &Value) -> Done {
    let of = |name: &str| Some(text(shown.get(name))).filter(|text| !text.is_empty());
    let error = shown.get("last_error").and_then(|error| error.get("detail"));
    let pairs = [
        ("device", of("device_id")),
        ("state", of("state")),
        ("since", of("since")),
        ("lent to", of("lent_to")),
        ("disabled because", of("disabled_because")),
        ("next attempt", of("retry_at")),
        ("last error", error.map(|error| text(Some(error)))),
        ("serial number", of("serial_number")),
        ("transport", of("transport")),
        ("sessions", of("sessions_opened")),
        ("calls", of("calls")),
        ("of them failed", of("calls_failed")),
    ];
    out.one(shown, &pairs)
}

/// A test takes place, whatever comes of it.
fn tested(out: Output, shown: &Value) -> Done {
    let of = |name: &str| Some(text(shown.get(name))).filter(|text| !text.is_empty());
    let steps = shown.get("steps").and_then(Value::as_array).into_iter().flatten().map(|step| {
        let ok = step.get("ok") == Some(&Value::Bool(true));
        let part = |name: &str| text(step.get(name));
        format!(
            "{} {} {} ms{}",
            part("transport"),
            part("step"),
            part("ms"),
            if ok { "" } else { " (failed)" }
        )
    });
    let pairs = [
        ("verdict", of("verdict")),
        ("transport", of("transport")),
        ("serial number", of("serial_number")),
        ("steps", Some(steps.collect::<Vec<_>>().join(", "))),
    ];
    out.one(shown, &pairs)?;
    if shown.get("ok") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let code = of("code").unwrap_or_else(|| "device_unreachable".to_owned());
    Err(Failure::new(&code, of("detail").unwrap_or_default()).advise(of("advice").unwrap_or_default()))
}

/// A read of the log into the journal.
fn collected(client: &Client, out: Output, path: &str, everything: bool, timeout: Option<Duration>) -> Done {
    let shown = client.post(path, Some(&json!({ "everything": everything })), timeout)?;
    let of = |name: &str| Some(text(shown.get(name))).filter(|text| !text.is_empty());
    let pairs = [
        ("result", of("result")),
        ("detail", of("detail")),
        ("new rows", of("added")),
        ("records", of("records")),
        ("quarantined", of("quarantined")),
    ];
    out.one(&shown, &pairs)?;
    match of("result").as_deref() {
        Some("complete" | "nothing_new") => Ok(()),
        Some(result) => {
            let exit = if result == "device_failed" { Exit::Unreachable } else { Exit::Failed };
            Err(Failure::with_exit(
                exit,
                result,
                of("detail").unwrap_or_else(|| "the log was not read".into()),
            ))
        }
        None => Ok(()),
    }
}
