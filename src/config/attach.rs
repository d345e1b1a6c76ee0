//! Working on somebody else's table of devices: which one, which columns, what to write back.
//!
//! Names are checked for what PostgreSQL can bear, not for whether they exist; whoever builds SQL from them
//! still quotes them.

use std::time::Duration;

use super::reader::Reader;

/// Section `[attach]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// Where the rows come from.
    pub source: AttachSource,
    /// The channel on which the backend says that rows have changed.
    pub notify_channel: Option<String>,
    /// How often the rows are read without having been told.
    pub poll_interval: Duration,
    /// What zkgate writes into the same table.
    pub write_back: WriteBack,
}

/// Where the rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachSource {
    /// A table, as `table` or `schema.table`.
    Table {
        /// Its name.
        table: String,
        /// Its columns.
        columns: Box<Columns>,
    },
    /// A query whose columns are named as in [`Columns`].
    Query(String),
}

/// The table's columns. `None`: it has no such column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The device's id; by default the column of the same name.
    pub id: String,
    /// Its address; by default the column of the same name.
    pub ip_address: String,
    /// Its port; by default the column of the same name.
    pub port: String,
    /// Its comm key; by default the column of the same name.
    pub com_password: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// The IANA name of its zone.
    pub timezone: Option<String>,
    /// Whether it may be used.
    pub enabled: Option<String>,
    /// When it was deleted; a row with a value here is left out.
    pub deleted_at: Option<String>,
    /// `auto`, `tcp` or `udp`.
    pub transport: Option<String>,
    /// `persistent` or `on_demand`.
    pub mode: Option<String>,
}

/// The columns that zkgate writes. `None`: it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBack {
    /// `up` or `down`.
    pub status: Option<String>,
    /// When the device last answered.
    pub last_seen: Option<String>,
    /// The serial number that it told.
    pub serial_number: Option<String>,
    /// How many users it can hold.
    pub max_users: Option<String>,
}

impl Attach {
    /// `None` when no setting of the section is given; also after a mistake in it, which the reader knows.
    pub(super) fn read(from: &mut Reader) -> Option<Self> {
        let table = from.text("attach.table", None, "table or schema.table", table_name);
        let query = from.text("attach.query", None, "a SELECT", query_text);
        let channel = from.text("attach.notify_channel", None, NAME, name);
        let poll_interval = from.duration(
            "attach.poll_interval",
            Duration::from_secs(15),
            Duration::from_secs(1)..=Duration::from_secs(3600),
        );
        let (columns, mapped) = Columns::read(from);
        let (write_back, written) = WriteBack::read(from);
        let source = match (table, query) {
            (Some(table), None) => AttachSource::Table { table: table.value, columns: Box::new(columns) },
            (None, Some(query)) => {
                from.rule(&["attach.query"], !mapped, || {
                    "names its columns itself: leave out attach.columns".into()
                });
                from.rule(&["attach.query"], !written, || {
                    "has no table to write to: leave out attach.write_back".into()
                });
                AttachSource::Query(query.value)
            }
            (Some(_), Some(_)) => {
                from.complain("attach.query", "and attach.table exclude each other: keep one");
                return None;
            }
            (None, None) => {
                let wanted = channel.is_some() || mapped || written;
                from.rule(&["attach.table", "attach.query"], !wanted, || {
                    "or attach.query is missing: the other settings of [attach] need one of them".into()
                });
                return None;
            }
        };
        Some(Self { source, notify_channel: channel.map(|found| found.value), poll_interval, write_back })
    }
}

impl Columns {
    /// The columns, and whether any was named.
    fn read(from: &mut Reader) -> (Self, bool) {
        let mut mapped = false;
        let mut column = |setting: &str, default: Option<&str>| {
            let found = from.text(&format!("attach.columns.{setting}"), default, NAME, name)?;
            mapped |= found.origin.rank() > 0;
            Some(found.value)
        };
        let mut own = |setting: &str| column(setting, Some(setting)).unwrap_or_default();
        let (id, ip_address, port, com_password) =
            (own("id"), own("ip_address"), own("port"), own("com_password"));
        let columns = Self {
            id,
            ip_address,
            port,
            com_password,
            name: column("name", None),
            serial_number: column("serial_number", None),
            timezone: column("timezone", None),
            enabled: column("enabled", None),
            deleted_at: column("deleted_at", None),
            transport: column("transport", None),
            mode: column("mode", None),
        };
        (columns, mapped)
    }
}

impl WriteBack {
    /// The columns, and whether any was named.
    fn read(from: &mut Reader) -> (Self, bool) {
        let mut column = |setting: &str| {
            from.text(&format!("attach.write_back.{setting}"), None, NAME, name).map(|found| found.value)
        };
        let write_back = Self {
            status: column("status"),
            last_seen: column("last_seen"),
            serial_number: column("serial_number"),
            max_users: column("max_users"),
        };
        let written = write_back != Self::default();
        (write_back, written)
    }
}

fn name(text: &str) -> Result<(), String> {
    let plain = !text.chars().any(char::is_control);
    (plain && text.len() <= NAME_CEILING).then_some(()).ok_or_else(|| format!("is no name: {NAME}"))
}

fn table_name(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split('.').collect();
    let named = parts.len() <= 2 && parts.iter().all(|part| !part.is_empty() && name(part).is_ok());
    named.then_some(()).ok_or_else(|| "is neither table nor schema.table".into())
}

fn query_text(text: &str) -> Result<(), String> {
    (text.len() <= QUERY_CEILING).then_some(()).ok_or_else(|| format!("is longer than {QUERY_CEILING} bytes"))
}

const NAME: &str = "a name of at most 63 bytes";
/// PostgreSQL cuts longer names.
const NAME_CEILING: usize = 63;
/// The longest query, in bytes.
const QUERY_CEILING: usize = 16 * 1024;
