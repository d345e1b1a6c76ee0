//! Operations and the audit log: what is being done, what was done, and by whom.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ServiceFlags;
use super::client::{Client, segment};
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::progress::Bar;
use crate::cli::table::{Column, Side, text};

/// Which operations are shown.
#[derive(Args, Clone, Debug)]
pub struct OperationsCall {
    /// Show this one
    pub id: Option<u64>,
    /// Wait until it has ended
    #[arg(long, requires = "id", conflicts_with = "cancel")]
    pub wait: bool,
    /// Ask it to end early
    #[arg(long, requires = "id")]
    pub cancel: bool,
    /// Only those of this device
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub device: Option<String>,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON instead of tables; failures too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// Which rows of the audit log are shown.
#[derive(Args, Clone, Debug)]
pub struct Audit {
    /// Rows after this one
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// Only those of this device
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Only those of the token with this name
    #[arg(long, value_name = "NAME")]
    pub token: Option<String>,
    /// Where the service is.
    #[command(flatten)]
    pub service: ServiceFlags,
    /// Print JSON, an object a line; failures too, on stderr
    #[arg(long)]
    pub json: bool,
}

/// For how long one answer is waited for, in seconds.
const WAIT: u64 = 30;

pub(super) fn run(client: &Client, out: Output, call: &OperationsCall) -> Done {
    let Some(id) = call.id else {
        let device = call.device.as_deref().map(|id| format!("&device={}", segment(id))).unwrap_or_default();
        let path = format!("/api/v1/operations?limit=100{device}");
        return out.list(&client.get::<Listed<OperationRow>>(&path, None)?.data);
    };
    let path = format!("/api/v1/operations/{id}");
    let shown: Value = match call.cancel {
        true => client.post(&format!("{path}/cancel"), None, None)?,
        false => client.get(&path, None)?,
    };
    show(out, &if call.wait { until_over(client, &shown)? } else { shown })
}

/// Waits until an operation has ended.
pub(super) fn until_over(client: &Client, shown: &Value) -> Done<Value> {
    let mut shown = shown.clone();
    while !is_over(&shown) {
        let path = format!("/api/v1/operations/{}?wait={WAIT}", text(shown.get("id")));
        shown = client.get(&path, None)?;
    }
    Ok(shown)
}

/// Prints an operation; one that has failed is a failure.
pub(super) fn show(out: Output, shown: &Value) -> Done {
    let of = |name: &str| Some(text(shown.get(name))).filter(|text| !text.is_empty());
    let part = |name: &str, of: &str| shown.get(name).and_then(|value| value.get(of));
    let progress = part("progress", "done").zip(part("progress", "total"));
    let pairs = [
        ("operation", of("id")),
        ("kind", of("kind")),
        ("device", of("device_id")),
        ("subject", of("subject")),
        ("state", of("state")),
        ("progress", progress.map(|(done, total)| format!("{done} of {total}"))),
        ("asked for by", of("token")),
        ("asked for at", of("created_at")),
        ("ended at", of("finished_at")),
        ("result", of("result")),
    ];
    out.one(shown, &pairs)?;
    match shown.get("problem").filter(|problem| !problem.is_null()) {
        Some(problem) => Err(Failure::new(&text(problem.get("code")), text(problem.get("detail")))),
        None => Ok(()),
    }
}

/// Waits until an operation has ended, and shows how far it is.
pub(super) fn followed(client: &Client, begun: &Value, bar: &Bar) -> Done<Value> {
    let mut shown = begun.clone();
    while !is_over(&shown) {
        shown = client.get(&format!("/api/v1/operations/{}?wait=1", text(shown.get("id"))), None)?;
        let part = |name: &str| shown.get("progress").and_then(|progress| progress.get(name)?.as_u64());
        if let (Some(done), Some(total)) = (part("done"), part("total")) {
            bar.set(done, total);
        }
    }
    Ok(shown)
}

/// The result of an operation that was done; how another one ended is a failure.
pub(super) fn ended(shown: &Value) -> Done<Value> {
    let state = text(shown.get("state"));
    match (state.as_str(), shown.get("problem").filter(|problem| !problem.is_null())) {
        ("done", _) => Ok(shown.get("result").cloned().unwrap_or_default()),
        (_, Some(problem)) => {
            let detail = text(problem.get("detail"));
            Err(Failure::new(&text(problem.get("code")), detail.trim_end_matches('.')))
        }
        _ => Err(Failure::new(&state, "it ended before it was done")),
    }
}

/// Whether an operation has ended.
pub(super) fn is_over(shown: &Value) -> bool {
    !matches!(shown.get("state").and_then(Value::as_str), Some("queued" | "running"))
}

/// The whole log after a row, in pages.
pub(super) fn audit(client: &Client, out: Output, audit: &Audit) -> Done {
    let filter = |name: &str, value: &Option<String>| {
        value.as_deref().map(|value| format!("&{name}={}", segment(value))).unwrap_or_default()
    };
    let filter = filter("device", &audit.device) + &filter("token", &audit.token);
    let (mut after, mut rows) = (audit.after, Vec::new());
    loop {
        let page: Page = client.get(&format!("/api/v1/audit?limit=1000&after={after}{filter}"), None)?;
        rows.extend(page.data);
        if !page.more || page.next_after <= after {
            return out.rows(&rows);
        }
        after = page.next_after;
    }
}

#[derive(Deserialize)]
struct Listed<R> {
    data: Vec<R>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<AuditRow>,
    more: bool,
    next_after: u64,
}

/// An operation as the API shows it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct OperationRow(Map<String, Value>);

/// A row of the audit log as the API shows it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct AuditRow(Map<String, Value>);

impl Row for OperationRow {
    const COLUMNS: &'static [Column] = &[
        ("ID", Side::Right),
        ("KIND", Side::Left),
        ("DEVICE", Side::Left),
        ("SUBJECT", Side::Left),
        ("STATE", Side::Left),
        ("BY", Side::Left),
        ("ASKED FOR AT", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        ["id", "kind", "device_id", "subject", "state", "token", "created_at"]
            .map(|name| text(self.0.get(name)))
            .to_vec()
    }
}

impl Row for AuditRow {
    const COLUMNS: &'static [Column] = &[
        ("SEQ", Side::Right),
        ("AT", Side::Left),
        ("TOKEN", Side::Left),
        ("ACTION", Side::Left),
        ("DEVICE", Side::Left),
        ("SUBJECT", Side::Left),
        ("RESULT", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        ["seq", "at", "token", "action", "device_id", "subject", "result"]
            .map(|name| text(self.0.get(name)))
            .to_vec()
    }
}
