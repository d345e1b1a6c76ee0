//! Where the devices are kept. Checked when the store opens: a setting that cannot work is an error then.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::secret::Secret;

/// The store's settings.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The directory of the embedded database, or of the last known device list. Made if it is missing.
    pub state_dir: PathBuf,
    /// Where the devices are.
    pub place: Place,
    /// How many requests may wait for the database, 1 to 1024. Default 64.
    pub queue: usize,
    /// How long observations are gathered before they are written together, 10 ms to 60 s. Default 1 s.
    pub gather: Duration,
    /// How often PostgreSQL is asked for changes that no notification told, 100 ms to 1 h. Default 30 s.
    pub safety_poll: Duration,
}

/// Where the devices are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In `zkgate.db` in the state directory.
    Sqlite,
    /// In schema `zkgate` of a PostgreSQL database.
    Postgres {
        /// `postgres://…` or `key=value …`.
        url: Secret<String>,
    },
    /// In the table of an existing backend, in a PostgreSQL database.
    Attached {
        /// `postgres://…` or `key=value …`.
        url: Secret<String>,
        /// Where in it.
        attach: Box<AttachSettings>,
    },
}

/// How an existing backend's devices are read, and what is told back.
#[derive(Clone, Debug)]
pub struct AttachSettings {
    /// What is read.
    pub source: AttachSource,
    /// The channel on which the backend does NOTIFY when its devices change, if it does.
    pub notify_channel: Option<String>,
    /// How often the devices are read without a channel, 100 ms to 1 h. Default 15 s.
    pub poll_interval: Duration,
    /// What is written back, if anything.
    pub write_back: Option<WriteBack>,
}

/// What is read from an existing backend. Names are exact: `Devices` is not `devices`.
#[derive(Clone, Debug)]
pub enum AttachSource {
    /// A table or view, with its schema if it is not on the search path (`schema.table`).
    Table {
        /// Its name.
        table: String,
        /// Its columns.
        columns: Box<Columns>,
    },
    /// A query that returns columns with the names of the fields of [`Columns`]; the optional ones may be missing.
    Query(String),
}

/// Which column holds what. Every type is taken that PostgreSQL can show as text.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The device's id.
    pub id: String,
    /// Its IP address (text or inet).
    pub ip_address: String,
    /// Its port.
    pub port: String,
    /// Its comm key: digits, or empty or null for none.
    pub com_password: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its serial number.
    pub serial_number: Option<String>,
    /// IANA name of its time zone.
    pub timezone: Option<String>,
    /// Whether it is to be connected: boolean, 0/1, yes/no, on/off, active/inactive. Null is no.
    pub enabled: Option<String>,
    /// Soft delete: a row with anything but null (or false) here is gone.
    pub deleted_at: Option<String>,
    /// `auto`, `tcp` or `udp`; null is auto.
    pub transport: Option<String>,
    /// `persistent` or `on_demand`; null is persistent.
    pub mode: Option<String>,
}

/// Which columns of the backend's table are kept up to date by zkgate; the others are never touched.
#[derive(Clone, Debug, Default)]
pub struct WriteBack {
    /// The table; must be given with [`AttachSource::Query`], is the source table otherwise.
    pub table: Option<String>,
    /// Its id column; must be given with [`AttachSource::Query`], is the source's id column otherwise.
    pub id: Option<String>,
    /// Up or down: text, an enum, a boolean (up is true) or an integer (up is 1).
    pub status: Option<String>,
    /// The words for [`WriteBack::status`] where they are not `up` and `down`.
    pub status_words: Option<StatusWords>,
    /// When the device last answered: a timestamp (UTC where the column has no zone), text, or an integer
    /// (seconds since 1970). Written at most once a minute.
    pub last_seen: Option<String>,
    /// The serial number that the device told.
    pub serial_number: Option<String>,
    /// How many users the device can hold.
    pub max_users: Option<String>,
}

/// What up and down are called in a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWords {
    /// For a device that answers.
    pub up: String,
    /// For one that does not.
    pub down: String,
}

impl StoreSettings {
    /// Settings with every default.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>, place: Place) -> Self {
        Self {
            state_dir: state_dir.into(),
            place,
            queue: 64,
            gather: Duration::from_secs(1),
            safety_poll: Duration::from_secs(30),
        }
    }

    /// The same with every number inside its range.
    pub(super) fn within_bounds(mut self) -> Self {
        self.queue = self.queue.clamp(1, 1024);
        self.gather = self.gather.clamp(Duration::from_millis(10), Duration::from_secs(60));
        self.safety_poll = self.safety_poll.clamp(POLL_FLOOR, POLL_CEILING);
        if let Place::Attached { attach, .. } = &mut self.place {
            attach.poll_interval = attach.poll_interval.clamp(POLL_FLOOR, POLL_CEILING);
        }
        self
    }
}

impl AttachSettings {
    /// Reads this source every 15 seconds and writes nothing back.
    #[must_use]
    pub fn new(source: AttachSource) -> Self {
        Self { source, notify_channel: None, poll_interval: Duration::from_secs(15), write_back: None }
    }
}

impl Default for Columns {
    /// The four columns that must be there, under their own names.
    fn default() -> Self {
        Self {
            id: "id".into(),
            ip_address: "ip_address".into(),
            port: "port".into(),
            com_password: "com_password".into(),
            name: None,
            serial_number: None,
            timezone: None,
            enabled: None,
            deleted_at: None,
            transport: None,
            mode: None,
        }
    }
}

const POLL_FLOOR: Duration = Duration::from_millis(100);
const POLL_CEILING: Duration = Duration::from_secs(3600);
