//! `zkgate discover`: the service looks for devices, and what it finds is a table.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ServiceFlags;
use super::client::Client;
use super::operations;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::secrets;
use crate::cli::table::{Column, Side, text};

/// Where is looked, and how.
#[derive(Args, Clone, Debug)]
pub struct Discover {
    /// A network such as 192.168.1.0/24, two addresses such as 192.168.1.10-192.168.1.40, or one
    pub range: String,
    /// A port to look at; may be given several times [default: 4370]
    #[arg(long = "port", value_name = "PORT")]
    pub ports: Vec<u16>,
    /// How many addresses are begun in a second
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub rate: u32,
    /// Look also where this host has no address
    #[arg(long)]
    pub allow_foreign_networks: bool,
    /// The file with the comm key to try where one is asked for
    #[arg(long, value_name = "FILE")]
    pub comm_key_file: Option<std::path::PathBuf>,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Somebody who was found, as the API shows them.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct FoundRow(Map<String, Value>);

pub(super) fn run(client: &Client, out: Output, discover: &Discover) -> Done {
    let mut body = json!({
        "range": discover.range,
        "rate": discover.rate,
        "allow_foreign_networks": discover.allow_foreign_networks,
    });
    if let Some(members) = body.as_object_mut() {
        if !discover.ports.is_empty() {
            members.insert("ports".to_owned(), discover.ports.clone().into());
        }
        if let Some(file) = &discover.comm_key_file {
            members.insert("comm_key".to_owned(), secrets::of_file(file)?.expose().trim().into());
        }
    }
    let begun = client.post("/api/v1/discovery", Some(&body), None)?;
    let shown = operations::until_over(client, &begun)?;
    let result = shown.get("result").filter(|result| !result.is_null());
    let Some(result) = result else { return operations::show(out, &shown) };
    if out.json {
        out.line(result)?;
    } else {
        let found = result.get("found").cloned().unwrap_or_default();
        let rows: Vec<FoundRow> = serde_json::from_value(found).unwrap_or_default();
        out.list(&rows)?;
        out.note(&format!("{} addresses looked at", text(result.get("looked_at"))));
    }
    match shown.get("problem").filter(|problem| !problem.is_null()) {
        Some(problem) => Err(Failure::new(&text(problem.get("code")), text(problem.get("detail")))),
        None => Ok(()),
    }
}

impl Row for FoundRow {
    const COLUMNS: &'static [Column] = &[
        ("ADDRESS", Side::Left),
        ("WHAT", Side::Left),
        ("OVER", Side::Left),
        ("SERIAL NUMBER", Side::Left),
        ("MODEL", Side::Left),
        ("FIRMWARE", Side::Left),
        ("ID", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.0.get(name));
        let what = match of("verdict").as_str() {
            "ok" => "device".to_owned(),
            other => other.replace('_', " "),
        };
        vec![
            format!("{}:{}", of("ip_address"), of("port")),
            what,
            of("transport"),
            of("serial_number"),
            of("device_name"),
            of("firmware_version"),
            of("device_id"),
        ]
    }
}
