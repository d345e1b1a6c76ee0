//! The devices that the service knows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::{Client, segment};
use crate::cli::failure::Done;
use crate::cli::output::{Output, Row};
use crate::cli::table::{Column, Side, text};

/// A device as the API shows it; programs get all of its members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DeviceRow(pub(super) Map<String, Value>);

#[derive(Deserialize)]
struct Page {
    data: Vec<DeviceRow>,
    next_after: Option<String>,
}

pub(super) fn list(client: &Client, out: Output) -> Done {
    out.list(&all(client)?)
}

/// Every device, in the service's order.
pub(super) fn all(client: &Client) -> Done<Vec<DeviceRow>> {
    let (mut rows, mut path) = (Vec::new(), "/api/v1/devices?limit=1000".to_owned());
    loop {
        let page: Page = client.get(&path, None)?;
        rows.extend(page.data);
        match page.next_after {
            Some(after) => path = format!("/api/v1/devices?limit=1000&after={}", segment(&after)),
            None => return Ok(rows),
        }
    }
}

impl DeviceRow {
    /// A member as text.
    pub(super) fn text(&self, name: &str) -> String {
        text(self.0.get(name))
    }

    /// Where it is.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.text("ip_address"), self.text("port"))
    }
}

impl Row for DeviceRow {
    const COLUMNS: &'static [Column] = &[
        ("ID", Side::Left),
        ("NAME", Side::Left),
        ("ADDRESS", Side::Left),
        ("STATUS", Side::Left),
        ("SERIAL NUMBER", Side::Left),
        ("MODEL", Side::Left),
        ("FIRMWARE", Side::Left),
        ("TIME ZONE", Side::Left),
    ];

    fn cells(&self) -> Vec<String> {
        let status = if self.0.get("enabled") == Some(&Value::Bool(false)) {
            "disabled".into()
        } else {
            self.text("status")
        };
        vec![
            self.text("id"),
            self.text("name"),
            self.address(),
            status,
            self.text("serial_number"),
            self.text("device_name"),
            self.text("firmware_version"),
            self.text("timezone"),
        ]
    }
}
