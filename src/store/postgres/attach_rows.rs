//! Somebody else's rows, all columns as text, made into devices. Pure: no database here.
//!
//! A row that makes no sense is kept as a device that says why it cannot be used; it never spoils the others,
//! and no reason ever repeats a comm key.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};

use crate::base::ids::DeviceId;
use crate::store::device::{Device, Endpoint, Facts, SessionMode, Status, TransportChoice, Unusable};
use crate::store::error::StoreError;
use crate::store::list::rank;
use crate::store::row::Word;
use crate::store::rules;
use crate::wire::comm_key::CommKey;

/// One row of an attached table, everything as text.
#[derive(Clone, Default)]
pub(super) struct AttachRow {
    pub(super) id: Option<String>,
    pub(super) ip_address: Option<String>,
    pub(super) port: Option<String>,
    pub(super) com_password: Option<String>,
    pub(super) name: Option<String>,
    pub(super) serial_number: Option<String>,
    pub(super) timezone: Option<String>,
    /// `None`: there is no such column. `Some(None)`: it is null.
    pub(super) enabled: Option<Option<String>>,
    pub(super) transport: Option<String>,
    pub(super) mode: Option<String>,
}

/// All rows as devices: each id once, each address enabled once.
pub(super) fn devices(rows: Vec<AttachRow>) -> Vec<Device> {
    let mut by_id: BTreeMap<DeviceId, (Device, usize)> = BTreeMap::new();
    for row in rows {
        let device = device(row);
        by_id.entry(device.id.clone()).and_modify(|(_, count)| *count += 1).or_insert((device, 1));
    }
    let mut devices: Vec<Device> = by_id
        .into_values()
        .map(|(mut device, count)| {
            if count > 1 {
                device.endpoint = Err(Unusable(format!("{count} rows have the id {}", device.id)));
            }
            device
        })
        .collect();
    let mut taken: HashMap<SocketAddr, DeviceId> = HashMap::new();
    devices.sort_by(|a, b| rank(&a.id).cmp(&rank(&b.id)));
    for device in &mut devices {
        let Ok(endpoint) = &device.endpoint else { continue };
        if !device.enabled {
            continue;
        }
        if let Some(other) = taken.get(&endpoint.address) {
            let address = endpoint.address;
            device.endpoint = Err(Unusable(format!("device {other} is enabled at {address} already")));
        } else {
            taken.insert(endpoint.address, device.id.clone());
        }
    }
    devices
}

fn device(row: AttachRow) -> Device {
    let (id, id_trouble) = id(row.id.as_deref());
    let ip_text = row.ip_address.as_deref().map(str::trim).unwrap_or_default();
    let port = row.port.as_deref().map(str::trim).and_then(|text| text.parse::<i64>().ok());
    let enabled = match &row.enabled {
        None => Ok(true),
        Some(flag) => enabled(flag.as_deref()),
    };
    let timezone = filled(row.timezone.as_deref()).map(rules::timezone).transpose().map_err(plain);
    let mode = word::<SessionMode>("mode", row.mode.as_deref());
    let endpoint = id_trouble.and_then(|()| {
        let address = address(ip_text, row.port.as_deref())?;
        let comm_key = CommKey::parse(row.com_password.as_deref().unwrap_or_default())
            .map_err(|error| Unusable(format!("com_password: {error}")))?;
        let transport = word::<TransportChoice>("transport", row.transport.as_deref())?;
        enabled.as_ref().map_err(Clone::clone)?;
        timezone.as_ref().map_err(Clone::clone)?;
        mode.as_ref().map_err(Clone::clone)?;
        Ok(Endpoint { address, comm_key, transport })
    });
    let shown_address = match &endpoint {
        Ok(endpoint) => endpoint.address.ip().to_string(),
        Err(_) => clean(ip_text, 64),
    };
    let port = port.unwrap_or(0);
    let name = filled(row.name.as_deref()).map(|name| clean(name, 100)).filter(|name| !name.is_empty());
    let default_name = || match &endpoint {
        Ok(endpoint) => endpoint.address.to_string(),
        Err(_) => format!("{shown_address}:{port}"),
    };
    let mut facts =
        Facts { serial_number: filled(row.serial_number.as_deref()).map(str::to_owned), ..Facts::default() };
    rules::tidy(&mut facts);
    Device {
        id,
        name: name.unwrap_or_else(default_name),
        ip_address: shown_address,
        port,
        endpoint,
        mode: mode.unwrap_or_default(),
        timezone: timezone.ok().flatten(),
        enabled: enabled.unwrap_or(false),
        facts,
        status: Status::Unknown,
        last_seen: None,
        created_at: None,
        updated_at: None,
    }
}

/// The id, or a stand-in by which the row can be shown.
fn id(text: Option<&str>) -> (DeviceId, Result<(), Unusable>) {
    if let Some(id) = text.and_then(DeviceId::parse) {
        return (id, Ok(()));
    }
    let (suffix, why) = match text {
        None | Some("") => ("empty".to_owned(), "the id is empty".to_owned()),
        Some(text) => {
            let digest = Sha256::digest(text.as_bytes());
            let hex = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            let why = format!(
                "the id {} is not made of 1 to {} letters, digits, '-', '_', '.' or ':'",
                rules::shown(text),
                DeviceId::CEILING
            );
            (hex, why)
        }
    };
    let stand_in = DeviceId::parse(&format!("unusable-{suffix}")).unwrap_or_else(|| DeviceId::from(0));
    (stand_in, Err(Unusable(why)))
}

fn address(ip: &str, port: Option<&str>) -> Result<SocketAddr, Unusable> {
    if ip.is_empty() {
        return Err(Unusable("ip_address is empty".into()));
    }
    // The type inet shows itself with its mask.
    let bare = ip.split_once('/').map_or(ip, |(address, _)| address);
    let ip: IpAddr = bare.parse().map_err(|_| {
        Unusable(format!("ip_address {} is no IP address (host names are not looked up)", rules::shown(ip)))
    })?;
    let text = port.map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Err(Unusable("port is empty".into()));
    }
    let port = text.parse::<u16>().ok().filter(|port| *port != 0);
    let port =
        port.ok_or_else(|| Unusable(format!("port {} is not between 1 and 65535", rules::shown(text))))?;
    rules::address(ip, port).map_err(plain)
}

fn enabled(flag: Option<&str>) -> Result<bool, Unusable> {
    let Some(text) = flag.map(|flag| flag.trim().to_ascii_lowercase()) else { return Ok(false) };
    match text.as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" | "active" | "enabled" => Ok(true),
        "false" | "f" | "0" | "no" | "n" | "off" | "inactive" | "disabled" | "" => Ok(false),
        _ => Err(Unusable(format!("enabled {} is neither yes nor no", rules::shown(&text)))),
    }
}

fn word<T: Word>(column: &str, text: Option<&str>) -> Result<T, Unusable> {
    let Some(text) = filled(text) else { return Ok(T::default()) };
    T::from_word(text).ok_or_else(|| {
        let words: Vec<_> = T::WORDS.iter().map(|(_, word)| *word).collect();
        Unusable(format!("{column} {} is none of {}", rules::shown(text), words.join(", ")))
    })
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn clean(text: &str, ceiling: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(ceiling).collect()
}

fn plain(error: StoreError) -> Unusable {
    Unusable(error.to_string())
}

/// A name as PostgreSQL reads it: exactly this one.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's name, with its schema if there is one; a dot inside a name is written `"a.b"`.
///
/// # Errors
/// [`StoreError::Settings`] when it is none.
pub(super) fn quoted_table(name: &str) -> Result<String, StoreError> {
    let wrong = || StoreError::Settings {
        reason: format!("{} is not the name of a table (table, or schema.table)", rules::shown(name)),
    };
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let (part, after) = if let Some(inside) = rest.strip_prefix('"') {
            let (part, after) = inside.split_once('"').ok_or_else(wrong)?;
            (part, after)
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        if part.is_empty() || part.contains('\0') {
            return Err(wrong());
        }
        parts.push(quoted(part));
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix('.').ok_or_else(wrong)?;
    }
    if parts.len() > 2 { Err(wrong()) } else { Ok(parts.join(".")) }
}

#[cfg(test)]
#[path = "attach_rows_tests.rs"]
mod tests;
