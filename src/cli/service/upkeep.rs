//! Options, display and upkeep of a device, through the service.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Client, segment};
use crate::cli::failure::Done;
use crate::cli::output::{Output, Row};
use crate::cli::table::{Column, Side, text};

/// An option as the API shows it.
#[derive(Serialize, Deserialize)]
struct OptionRow {
    name: String,
    value: Option<String>,
}

impl Row for OptionRow {
    const COLUMNS: &'static [Column] = &[("NAME", Side::Left), ("VALUE", Side::Left)];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.value.clone().unwrap_or_default()]
    }
}

/// The important options, or those named.
pub(super) fn options(
    client: &Client,
    out: Output,
    path: &str,
    names: &[String],
    timeout: Option<Duration>,
) -> Done {
    if names.is_empty() {
        let told: Value = client.get(path, timeout)?;
        return if out.json { out.line(&told) } else { out.text(&sheet("", &told)) };
    }
    let rows = names.iter().map(|name| client.get(&format!("{path}/{}", segment(name)), timeout));
    out.rows(&rows.collect::<Done<Vec<OptionRow>>>()?)
}

/// Members of objects in objects, one a line.
fn sheet(before: &str, value: &Value) -> String {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let name = name.replace('_', " ");
                sheet(&if before.is_empty() { name } else { format!("{before}: {name}") }, value)
            })
            .collect(),
        Value::Null => String::new(),
        value => format!("{before:<28}  {}\n", text(Some(value))),
    }
}

pub(super) fn set_option(
    client: &Client,
    out: Output,
    path: &str,
    value: &str,
    timeout: Option<Duration>,
) -> Done {
    let told: Value = client.put(path, Some(&json!({ "value": value })), timeout)?;
    out.done(&told, &format!("{} is {}", text(told.get("name")), text(told.get("value"))))
}

pub(super) fn lcd(
    client: &Client,
    out: Output,
    path: &str,
    line: Option<(u16, &str)>,
    timeout: Option<Duration>,
) -> Done {
    match line {
        Some((line, said)) => {
            let told: Value =
                client.put(&format!("{path}/{line}"), Some(&json!({ "text": said })), timeout)?;
            out.done(&told, "written; newer devices show nothing")
        }
        None => out.done(&client.delete_told(path, timeout)?, "cleared"),
    }
}
