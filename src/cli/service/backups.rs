//! Backups of devices through the service, and a person who goes from one device to others.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ServiceFlags;
use super::backup_settings;
use super::client::{Client, segment};
use super::operations::{ended, followed};
use crate::cli::confirm::confirm;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side, text};

/// What is done with backups that there are.
#[derive(Args, Clone, Debug)]
pub struct BackupsCall {
    /// What to do [default: list them]
    #[command(subcommand)]
    pub verb: Option<BackupsVerb>,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask before one is deleted
    #[arg(long, global = true)]
    pub yes: bool,
}

/// What is done with backups that there are.
#[derive(Clone, Debug, Subcommand)]
pub enum BackupsVerb {
    /// List them, the newest first
    List,
    /// Save one as a file, sealed as it is
    Save {
        /// Its id, as `list` shows it
        id: String,
        /// Where to
        file: PathBuf,
    },
    /// Delete one
    Delete {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// What is to be in a backup besides people.
#[derive(Args, Clone, Copy, Debug)]
pub struct Backup {
    /// Also fingerprints
    #[arg(long)]
    pub templates: bool,
    /// Also options, groups, time zones and unlock combinations
    #[arg(long)]
    pub settings: bool,
}

/// How a backup is put back.
#[derive(Args, Clone, Debug)]
pub struct Restore {
    /// The backup's id, as `zkgate backups` shows it
    pub backup: String,
    /// Also fingerprints
    #[arg(long)]
    pub templates: bool,
    /// Also options, groups, time zones and unlock combinations; never the network's
    #[arg(long)]
    pub settings: bool,
    /// The backup is of another device, and that is meant
    #[arg(long)]
    pub other_device: bool,
}

/// Where a person goes.
#[derive(Args, Clone, Debug)]
pub struct Transfer {
    /// Their user id
    #[arg(value_parser = crate::cli::device::grammar::person_id)]
    pub user_id: String,
    /// To which devices of the service
    #[arg(long, value_name = "ID", required = true, value_delimiter = ',')]
    pub to: Vec<String>,
    /// Also their fingerprints
    #[arg(long)]
    pub templates: bool,
    /// Delete them here, once they are on all of the others
    #[arg(long)]
    pub remove_here: bool,
    /// Delete them here also if that loses fingerprints that are nowhere else
    #[arg(long, requires = "remove_here")]
    pub lose_templates: bool,
}

/// A backup as the API shows it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct BackupRow(Map<String, Value>);

#[derive(Deserialize)]
struct Listed {
    data: Vec<BackupRow>,
}

pub(super) fn run(client: &Client, out: Output, call: &BackupsCall) -> Done {
    let path = |id: &str| format!("/api/v1/backups/{}", segment(id));
    match call.verb.as_ref().unwrap_or(&BackupsVerb::List) {
        BackupsVerb::List => out.list(&client.get::<Listed>("/api/v1/backups", None)?.data),
        BackupsVerb::Save { id, file } => {
            let bytes = client.save(&format!("{}/file", path(id)), file)?;
            let told = json!({ "saved": file.display().to_string(), "bytes": bytes });
            out.done(&told, &format!("{bytes} bytes; to open it, the service's key is needed"))
        }
        BackupsVerb::Delete { id } => {
            confirm("backups", &format!("The backup {id} will be deleted."), call.yes)?;
            client.delete(&path(id))?;
            out.done(&json!({ "deleted": id }), "deleted")
        }
    }
}

/// Backs a device up.
pub(super) fn make(
    client: &Client,
    out: Output,
    path: &str,
    backup: &Backup,
    timeout: Option<Duration>,
) -> Done {
    let Backup { templates, settings } = backup;
    let body = json!({ "templates": templates, "settings": settings });
    let begun = client.post(path, Some(&body), timeout)?;
    let made = ended(&followed(client, &begun, &Bar::pieces("reading"))?)?;
    let of = |name: &str| Some(text(made.get(name))).filter(|text| !text.is_empty());
    let mut pairs = vec![
        ("backup", of("id")),
        ("people", of("users")),
        ("fingerprints", of("templates").or_else(|| Some("left out".to_owned()))),
    ];
    pairs.extend(backup_settings::counted(made.get("settings").unwrap_or(&Value::Null)));
    pairs.push(("bytes", of("bytes")));
    out.one(&made, &pairs)
}

/// Puts a backup back, after it was said what that would be.
pub(super) fn restore(
    client: &Client,
    out: Output,
    (whom, path): (&str, &str),
    restore: &Restore,
    yes: bool,
    timeout: Option<Duration>,
) -> Done {
    let Restore { backup, templates, settings, other_device } = restore;
    let ask = |dry_run: bool, what| {
        let body = json!({
            "backup": backup, "templates": templates, "settings": settings, "allow_other_device": other_device,
            "dry_run": dry_run,
        });
        let begun = client.post(path, Some(&body), timeout)?;
        followed(client, &begun, &Bar::pieces(what))
    };
    let plan = ended(&ask(true, "looking at the device")?)?;
    let of = |name: &str| text(plan.get(name));
    let what = format!(
        "{} people are written as they are in the backup, {} of them new; nobody is removed.{}",
        of("people"),
        of("new"),
        backup_settings::planned(plan.get("settings").unwrap_or(&Value::Null)),
    );
    confirm(whom, &what, yes)?;
    let ended = ask(false, "writing")?;
    if let Some(settings) = ended.get("result").and_then(|result| result.get("settings")) {
        backup_settings::written(out, settings)?;
    }
    super::people::judged(out, &[ended])
}

/// Brings a person to other devices.
pub(super) fn transfer(
    client: &Client,
    out: Output,
    (whom, path): (&str, &str),
    transfer: &Transfer,
    yes: bool,
    timeout: Option<Duration>,
) -> Done {
    let Transfer { user_id, to, templates, remove_here, lose_templates } = transfer;
    if *remove_here {
        let what = format!("User {user_id} will be deleted here, once they are on the others.");
        confirm(whom, &what, yes)?;
    }
    let body = json!({
        "to": to, "templates": templates, "remove_here": remove_here, "lose_templates": lose_templates,
    });
    let begun = client.post(&format!("{path}/{}/transfer", segment(user_id)), Some(&body), timeout)?;
    super::fleet::told_of_all(out, &followed(client, &begun, &Bar::pieces("writing"))?)
}

impl Client {
    /// Writes what a path gives into a new file, whole or not at all; tells how many bytes.
    fn save(&self, path: &str, file: &std::path::Path) -> Done<u64> {
        let unfinished = file.with_extension("unfinished");
        let failed = |error: std::io::Error| Failure::misused(format!("{}: {error}", file.display()));
        let mut from = self.stream(path, None, Duration::from_secs(600))?;
        let saved = std::fs::File::create(&unfinished).and_then(|mut to| {
            let bytes = std::io::copy(&mut from, &mut to)?;
            to.sync_all()?;
            std::fs::rename(&unfinished, file)?;
            Ok(bytes)
        });
        saved.map_err(|error| {
            // Half a file is of no use to anybody.
            let _ = std::fs::remove_file(&unfinished);
            failed(error)
        })
    }
}

impl Row for BackupRow {
    const COLUMNS: &'static [Column] = &[
        ("ID", Side::Left),
        ("DEVICE", Side::Left),
        ("SERIAL NUMBER", Side::Left),
        ("MADE AT", Side::Left),
        ("PEOPLE", Side::Right),
        ("FINGERPRINTS", Side::Right),
        ("BYTES", Side::Right),
    ];

    fn cells(&self) -> Vec<String> {
        ["id", "device_id", "serial_number", "made_at", "users", "templates", "bytes"]
            .map(|name| text(self.0.get(name)))
            .to_vec()
    }
}
