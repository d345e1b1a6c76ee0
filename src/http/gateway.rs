//! Everything that a handler may use.

use std::sync::Arc;
use std::time::Duration;

use super::device_settings::AllDeviceSettings;
use super::followers::Followers;
use super::stream::Streams;
use super::tokens::Tokens;
use crate::base::alarm::Alarms;
use crate::base::clock::Clock;
use crate::base::confirmations::Confirmations;
use crate::base::ids::DeviceId;
use crate::delivery::Deliveries;
use crate::device::clearing::Stock;
use crate::discovery::Discovery;
use crate::fleet::Fleet;
use crate::journal::Collector;
use crate::operations::Operations;
use crate::registry::Registry;
use crate::registry::recent::RecentEvents;
use crate::store::Store;
use crate::store::backups::Backups;
use crate::store::journal::Journal;

/// A health answer: status code and JSON body.
pub type HealthView = Box<dyn Fn() -> (u16, Vec<u8>) + Send + Sync>;

/// The rooms behind the API, and its numbers.
pub struct Gateway {
    /// The devices' sessions.
    pub registry: Arc<Registry>,
    /// What happened at the devices lately, besides punches.
    pub recent: Arc<RecentEvents>,
    /// The devices' records.
    pub store: Arc<Store>,
    /// Every punch.
    pub journal: Arc<Journal>,
    /// Who fills it.
    pub collector: Arc<Collector>,
    /// Who is told of it.
    pub deliveries: Arc<Deliveries>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Deadlines.
    pub alarms: Arc<Alarms>,
    /// Who reads the journal as it grows.
    pub followers: Followers,
    /// Threads for large answers.
    pub streams: Arc<Streams>,
    /// Who may come in.
    pub tokens: Tokens,
    /// What has to be known of devices besides their records.
    pub device_settings: AllDeviceSettings,
    /// Backups of devices.
    pub backups: Backups,
    /// Dry runs of clearings: of which device at which address and what, and what there was.
    pub confirmations: Confirmations<(DeviceId, String, &'static str), Stock>,
    /// Looking for devices.
    pub discovery: Discovery,
    /// The people of several devices.
    pub fleet: Arc<Fleet>,
    /// What is being done, and who did what.
    pub operations: Arc<Operations>,
    /// The deadline of a request that names none.
    pub default_timeout: Duration,
    /// The longest deadline that a request may name.
    pub max_timeout: Duration,
    /// The longest time that reading a whole table may take when the request names no deadline.
    pub table_timeout: Duration,
    /// Whether the dialect of BioTime is spoken too.
    pub biotime: bool,
    /// The answer to `/healthz`.
    pub alive: HealthView,
    /// The answer to `/readyz`.
    pub ready: HealthView,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway({:?})", self.registry)
    }
}
