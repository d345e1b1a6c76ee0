//! How the service is, and which of its devices are up.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::Client;
use super::devices::all;
use crate::cli::failure::{Done, Failure};
use crate::cli::output::{Output, Row};
use crate::cli::table::{Column, Side, Table, printable, text};

#[derive(Deserialize)]
struct Connections {
    states: Map<String, Value>,
    data: Vec<Map<String, Value>>,
}

/// A device and its connection.
#[derive(Serialize)]
struct StatusRow {
    id: String,
    name: String,
    address: String,
    connection: Map<String, Value>,
}

pub(super) fn show(client: &Client, out: Output) -> Done {
    let (ready, health) = client.health("/readyz")?;
    let connections: Connections = client.get("/api/v1/connections", None)?;
    let mut states: HashMap<String, Map<String, Value>> =
        connections.data.into_iter().map(|slot| (text(slot.get("device_id")), slot)).collect();
    let rows: Vec<StatusRow> = all(client)?
        .into_iter()
        .map(|device| StatusRow {
            connection: states.remove(&device.text("id")).unwrap_or_default(),
            id: device.text("id"),
            name: device.text("name"),
            address: device.address(),
        })
        .collect();
    let reasons = reasons(&health);
    if out.json {
        let states = connections.states;
        out.line(&json!({ "ready": ready, "health": health, "states": states, "devices": rows }))?;
    } else {
        out.text(&for_people(ready, &reasons, &rows))?;
    }
    match ready {
        true => Ok(()),
        false => Err(Failure::new("degraded", format!("the service is degraded: {reasons}"))),
    }
}

fn for_people(ready: bool, reasons: &str, rows: &[StatusRow]) -> String {
    let up = rows.iter().filter(|row| matches!(row.state().as_str(), "idle" | "busy")).count();
    let health = if ready { "ready".to_owned() } else { format!("degraded: {}", printable(reasons)) };
    let mut table = Table::new(StatusRow::COLUMNS);
    rows.iter().for_each(|row| table.push(row.cells()));
    let table = if rows.is_empty() { String::new() } else { format!("\n{}", table.text()) };
    format!("{health}, {up} of {} devices up\n{table}", rows.len())
}

/// Why it is not ready, in words.
fn reasons(health: &Value) -> String {
    let reasons = health.get("reasons").and_then(Value::as_array);
    let details = reasons.into_iter().flatten().map(|reason| text(reason.get("detail")));
    details.collect::<Vec<_>>().join("; ")
}

impl StatusRow {
    fn state(&self) -> String {
        text(self.connection.get("state"))
    }
}

impl Row for StatusRow {
    const COLUMNS: &'static [Column] = &[
        ("ID", Side::Left),
        ("NAME", Side::Left),
        ("ADDRESS", Side::Left),
        ("STATE", Side::Left),
        ("SINCE", Side::Left),
        ("CALLS", Side::Right),
        ("WHY", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let of = |name: &str| text(self.connection.get(name));
        let error = self.connection.get("last_error").and_then(|error| error.get("detail"));
        let lent = Some(of("lent_to")).filter(|to| !to.is_empty()).map(|to| format!("lent to {to}"));
        let why = lent.or_else(|| Some(of("disabled_because")).filter(|why| !why.is_empty()));
        let state = self.state().replace('_', "-");
        let why = why.unwrap_or_else(|| text(error));
        vec![self.id.clone(), self.name.clone(), self.address.clone(), state, of("since"), of("calls"), why]
    }
}
