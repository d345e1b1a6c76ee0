//! `zkgate people`: the list of people that should be on several devices.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ServiceFlags;
use super::client::{Client, segment};
use super::operations::{self, followed};
use super::people::body;
use crate::cli::confirm::confirm;
use crate::cli::device::file;
use crate::cli::device::grammar::{Format, Import, Mode};
use crate::cli::exit::Exit;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side, text};

/// What is done with lists of people.
#[derive(Args, Clone, Debug)]
pub struct PeopleCall {
    /// What to do.
    #[command(subcommand)]
    pub verb: PeopleVerb,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask before people are removed
    #[arg(long, global = true)]
    pub yes: bool,
}

/// What is done with lists of people.
#[derive(Clone, Debug, Subcommand)]
pub enum PeopleVerb {
    /// Say who should be on some devices, and bring them there
    Put {
        /// A .csv or .json file, as for import-users; - for stdin
        file: std::path::PathBuf,
        /// On which devices
        #[arg(long, value_name = "ID", required = true, value_delimiter = ',')]
        on: Vec<String>,
        /// What the file is [default: by its name]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Remove people who are not in the file, but no more than so many from each device
        #[arg(long, value_name = "N", default_value_t = 0)]
        remove_at_most: u16,
        /// Remove administrators too
        #[arg(long, requires = "remove_at_most")]
        remove_administrators: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Show which devices have a list, and how they were last
    List,
    /// Show who should be on a device
    Show {
        /// Which device
        id: String,
    },
    /// Look whether devices have the people that they should have
    Check {
        /// Which devices [default: all that have a list]
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        on: Vec<String>,
    },
    /// Bring devices to the people that they should have
    Apply {
        /// Which devices [default: all that were not as wanted last]
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        on: Vec<String>,
    },
    /// Have no list count for a device any more; nothing changes on the device
    Forget {
        /// Which device
        id: String,
    },
}

pub(super) fn run(client: &Client, out: Output, call: &PeopleCall) -> Done {
    match &call.verb {
        PeopleVerb::Put { file, on, format, remove_at_most, remove_administrators, dry_run } => {
            let import = Import { file: file.clone(), format: *format, mode: Mode::Upsert };
            let people: Vec<Value> = file::read(&import)?.iter().map(body).collect();
            let wanted = json!({
                "devices": on, "people": people, "remove_at_most": remove_at_most,
                "remove_administrators": remove_administrators,
            });
            put(client, out, wanted, *dry_run, call.yes)
        }
        PeopleVerb::List => out.list(&client.get::<Listed<KeptRow>>("/api/v1/people", None)?.data),
        PeopleVerb::Show { id } => {
            let path = format!("/api/v1/devices/{}/people", segment(id));
            let shown: Value = client.get(&path, None)?;
            let data = shown.get("data").cloned().unwrap_or_default();
            let rows: Vec<WantedRow> = serde_json::from_value(data).unwrap_or_default();
            out.list(&rows)
        }
        PeopleVerb::Check { on } => {
            let shown = go(client, "check", on, "looking at devices")?;
            told::<Planned>(out, &shown)
        }
        PeopleVerb::Apply { on } => {
            let shown = go(client, "apply", on, "writing people")?;
            told::<Written>(out, &shown)
        }
        PeopleVerb::Forget { id } => {
            client.delete(&format!("/api/v1/devices/{}/people", segment(id)))?;
            out.done(&json!({ "forgotten": id }), "forgotten")
        }
    }
}

/// Looks first; whoever would be removed is named before anybody is.
fn put(client: &Client, out: Output, wanted: Value, dry_run: bool, yes: bool) -> Done {
    let ask = |dry_run: bool, what| {
        let mut wanted = wanted.clone();
        if let Some(members) = wanted.as_object_mut() {
            members.insert("dry_run".to_owned(), dry_run.into());
        }
        let begun: Value = client.put("/api/v1/people", Some(&wanted), None)?;
        followed(client, &begun, &Bar::pieces(what))
    };
    if dry_run {
        return told::<Planned>(out, &ask(true, "looking at devices")?);
    }
    if wanted.get("remove_at_most").and_then(Value::as_u64) > Some(0) {
        let plan = ask(true, "looking at devices")?;
        let devices = devices(&plan);
        let leaving = |device: &&Map<String, Value>| device.get("remove").and_then(Value::as_u64) > Some(0);
        let parts: Vec<_> = devices
            .iter()
            .filter(leaving)
            .map(|device| {
                format!("{} from device {}", text(device.get("remove")), text(device.get("device_id")))
            })
            .collect();
        if !parts.is_empty() {
            let what = format!("People and their fingerprints will be deleted: {}.", parts.join(", "));
            confirm("people", &what, yes)?;
        }
    }
    told::<Written>(out, &ask(false, "writing people")?)
}

fn go(client: &Client, what: &str, on: &[String], doing: &'static str) -> Done<Value> {
    let begun = client.post(&format!("/api/v1/people/{what}"), Some(&json!({ "devices": on })), None)?;
    followed(client, &begun, &Bar::pieces(doing))
}

fn devices(shown: &Value) -> Vec<Map<String, Value>> {
    let told = shown.get("result").and_then(|result| result.get("devices")).and_then(Value::as_array);
    told.into_iter().flatten().filter_map(Value::as_object).cloned().collect()
}

/// What came of one person on several devices.
pub(super) fn told_of_all(out: Output, shown: &Value) -> Done {
    told_with::<Written>(out, shown, "the same once more is harmless: what is done is not done again")
}

fn told<R: Row + From<Map<String, Value>>>(out: Output, shown: &Value) -> Done {
    told_with::<R>(out, shown, "people apply does what was left; what is done is not done again")
}

/// A line for each device, and whoever could not be written; programs get the operation's result. `again` says how
/// what failed is completed.
fn told_with<R: Row + From<Map<String, Value>>>(out: Output, shown: &Value, again: &str) -> Done {
    if shown.get("result").is_none_or(Value::is_null) {
        return operations::ended(shown).map(drop);
    }
    let devices = devices(shown);
    if out.json {
        out.line(&shown.get("result").cloned().unwrap_or_default())?;
    } else {
        out.list(&devices.iter().cloned().map(R::from).collect::<Vec<_>>())?;
        let rows = devices.iter().flat_map(|device| {
            let rows = device.get("rows").and_then(Value::as_array).into_iter().flatten();
            rows.filter(|row| row.get("code").is_some()).map(|row| {
                let of = |name: &str| text(row.get(name));
                format!("device {}, user {}: {}", text(device.get("device_id")), of("user_id"), of("detail"))
            })
        });
        rows.for_each(|line| out.note(&line));
    }
    failure(shown, &devices, again).map_or(Ok(()), Err)
}

/// What went wrong, if something did: the codes of devices and people say more than that some failed, if they are of
/// one kind.
fn failure(shown: &Value, devices: &[Map<String, Value>], again: &str) -> Option<Failure> {
    let state = text(shown.get("state"));
    let problem = shown.get("problem").filter(|problem| !problem.is_null());
    match (state.as_str(), problem) {
        ("done", _) => None,
        ("outcome_unknown", Some(problem)) => {
            Some(Failure::new("outcome_unknown", text(problem.get("detail"))).advise(again))
        }
        (_, Some(problem)) => {
            let codes = devices.iter().flat_map(|device| {
                let own = device.get("problem").and_then(|problem| problem.get("code"));
                let rows = device.get("rows").and_then(Value::as_array).into_iter().flatten();
                own.into_iter().chain(rows.filter_map(|row| row.get("code")))
            });
            let exits: Vec<Exit> = codes.map(|code| Exit::of(&text(Some(code)))).collect();
            let first = exits.first().copied();
            let alike = first.filter(|first| exits.iter().all(|exit| exit == first));
            let (code, detail) = (text(problem.get("code")), text(problem.get("detail")));
            let exit = alike.unwrap_or_else(|| Exit::of(&code));
            Some(Failure::with_exit(exit, &code, detail).advise(again))
        }
        (_, None) => Some(Failure::new(&state, "it ended before all devices were looked at").advise(again)),
    }
}

#[derive(Deserialize)]
struct Listed<R> {
    data: Vec<R>,
}

/// What would be done on a device.
#[derive(Serialize)]
#[serde(transparent)]
struct Planned(Map<String, Value>);

/// What was done on a device.
#[derive(Serialize)]
#[serde(transparent)]
struct Written(Map<String, Value>);

/// The list of a device.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct KeptRow(Map<String, Value>);

/// Somebody on a list.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct WantedRow(Map<String, Value>);

impl From<Map<String, Value>> for Planned {
    fn from(device: Map<String, Value>) -> Self {
        Self(device)
    }
}

impl From<Map<String, Value>> for Written {
    fn from(device: Map<String, Value>) -> Self {
        Self(device)
    }
}

fn cells(device: &Map<String, Value>, names: &[&str]) -> Vec<String> {
    let mut cells: Vec<_> = names.iter().map(|name| text(device.get(*name))).collect();
    cells.push(device.get("problem").map(|problem| text(problem.get("detail"))).unwrap_or_default());
    cells
}

impl Row for Planned {
    const COLUMNS: &'static [Column] = &[
        ("DEVICE", Side::Left),
        ("STATE", Side::Left),
        ("ADD", Side::Right),
        ("CHANGE", Side::Right),
        ("REMOVE", Side::Right),
        ("UNCHANGED", Side::Right),
        ("OTHERS", Side::Right),
        ("FAILED", Side::Right),
        ("WHY", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let names = ["device_id", "state", "add", "change", "remove", "unchanged", "others", "failed"];
        cells(&self.0, &names)
    }
}

impl Row for Written {
    const COLUMNS: &'static [Column] = &[
        ("DEVICE", Side::Left),
        ("STATE", Side::Left),
        ("CREATED", Side::Right),
        ("UPDATED", Side::Right),
        ("DELETED", Side::Right),
        ("UNCHANGED", Side::Right),
        ("OTHERS", Side::Right),
        ("FAILED", Side::Right),
        ("WHY", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let names = ["device_id", "state", "created", "updated", "deleted", "unchanged", "others", "failed"];
        cells(&self.0, &names)
    }
}

impl Row for KeptRow {
    const COLUMNS: &'static [Column] = &[
        ("DEVICE", Side::Left),
        ("LIST", Side::Right),
        ("PEOPLE", Side::Right),
        ("SENT AT", Side::Left),
        ("BY", Side::Left),
        ("STATE", Side::Left),
        ("LOOKED AT", Side::Left),
        ("WHY", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.0.get(name));
        let last = |name: &str| text(self.0.get("last").and_then(|last| last.get(name)));
        let names = ["device_id", "list", "people", "put_at", "token"];
        let mut cells: Vec<_> = names.map(of).into();
        cells.extend(["state", "at", "problem"].map(last));
        cells
    }
}

impl Row for WantedRow {
    const COLUMNS: &'static [Column] = &[
        ("USER ID", Side::Left),
        ("NAME", Side::Left),
        ("PRIVILEGE", Side::Left),
        ("ENABLED", Side::Left),
        ("CARD", Side::Right),
        ("GROUP", Side::Right),
        ("PASSWORD", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        ["user_id", "name", "privilege", "enabled", "card_number", "group", "has_password"]
            .map(|name| text(self.0.get(name)))
            .to_vec()
    }
}
