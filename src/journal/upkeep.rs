//! What the collector does now and then: follow the list of devices, note which events wait for a log, try what is
//! in quarantine again after an upgrade, and let go of what is old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::collector::{Collector, Told};
use super::decode::Decoder;
use super::reading::Effort;
use super::settings::DeviceSettings;
use super::watched::Stage;
use crate::base::clock::millis;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::store::StoreError;
use crate::store::journal::backend::Backend;
use crate::store::journal::quarantine::Quarantined;

/// When what is due.
pub(super) struct Upkeep {
    list: Option<u64>,
    pub(super) settings_known: bool,
    /// When the journal is asked for them.
    settings: Instant,
    purge: Instant,
    retry: Instant,
}

/// How often old rows are let go.
const PURGE: Duration = Duration::from_secs(3600);
/// How many at a time.
const PURGED: u32 = 2000;
/// How soon the next ones follow.
const PURGE_PAUSE: Duration = Duration::from_secs(1);
/// How soon after the start the quarantine is looked through: the journal and the devices come first.
const RETRY: Duration = Duration::from_secs(5);
/// How long a database call may take here.
const PATIENCE: Duration = Duration::from_secs(10);

impl Upkeep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            list: None,
            settings_known: false,
            settings: now,
            purge: now + PURGE_PAUSE,
            retry: now + RETRY,
        }
    }

    pub(super) fn turn(&mut self, collector: &Arc<Collector>) {
        let now = collector.clock.now();
        self.follow(collector);
        if !self.settings_known && now >= self.settings {
            self.settings = now + PATIENCE;
            collector.ask_for_settings();
        }
        for serial_number in collector.journal.take_conflicts() {
            for device in lock(&collector.devices).values_mut() {
                if device.serial_number() == serial_number {
                    device.unsettled = Some(millis(collector.clock.wall()));
                    device.want(Effort::Compare, now);
                }
            }
        }
        if now >= self.purge {
            self.purge = now + PURGE;
            collector.purge();
        }
        if now >= self.retry {
            self.retry = now + Duration::from_secs(24 * 3600);
            collector.retry_quarantine();
        }
    }

    pub(super) fn purge_more(&mut self, now: Instant) {
        self.purge = now + PURGE_PAUSE;
    }

    /// Follows the store's list.
    fn follow(&mut self, collector: &Collector) {
        let list = collector.store.devices();
        if self.list == Some(list.revision()) {
            return;
        }
        self.list = Some(list.revision());
        let gone = {
            let mut devices = lock(&collector.devices);
            let gone: Vec<DeviceId> = devices.keys().filter(|id| list.get(id).is_none()).cloned().collect();
            gone.iter().filter_map(|id| devices.remove(id)).collect::<Vec<_>>()
        };
        // Whoever waits for one of them learns it without the lock.
        drop(gone);
        for device in list.iter() {
            let known = lock(&collector.devices)
                .get_mut(&device.id)
                .map(|watched| watched.device = Arc::clone(device));
            if known.is_none() {
                collector.watch(device);
            }
        }
        collector.drifting.keep(|id| list.get(id).is_some());
        collector.strangers.keep(|id| list.get(id).is_some());
    }
}

impl Collector {
    /// Asks the journal what was set for each device.
    pub(super) fn ask_for_settings(self: &Arc<Self>) {
        let collector = Arc::clone(self);
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let answer = move |result: Result<Vec<(DeviceId, String)>, StoreError>| {
            let all = result.map(|all| all.into_iter().filter_map(parsed).collect());
            collector.tell(Told::AllSettings(all.ok()));
        };
        if let Err(error) = self.journal.read_then(deadline, |backend| backend.settings(), answer) {
            log::debug!("what was set for the devices' logs is not known yet: {error}");
        }
    }

    /// Has this version look at what others could not make anything of.
    fn retry_quarantine(&self) {
        let decoders: HashMap<DeviceId, Decoder> =
            lock(&self.devices).iter().map(|(id, device)| (id.clone(), device.decoder())).collect();
        let decode = move |waiting: &Quarantined| {
            let decoder = decoders.get(&waiting.device_id)?;
            decoder.again(&waiting.strange)
        };
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let now = millis(self.clock.wall());
        if let Err(error) = self.journal.retry_quarantine(env!("CARGO_PKG_VERSION"), decode, now, deadline) {
            log::debug!("the quarantine was not looked through: {error}");
        }
    }

    /// Lets go of rows that are old, delivered, and not in their device's log any more.
    fn purge(self: &Arc<Self>) {
        let Some(age) = self.settings.retention else { return };
        let Some(before) = self.clock.wall().checked_sub(age).map(millis) else { return };
        let collector = Arc::clone(self);
        let head = self.journal.feed().head();
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let purge = move |backend: &mut dyn Backend| {
            let delivered = backend.delivered_up_to()?.unwrap_or(head).min(head);
            backend.purge(before, delivered, PURGED)
        };
        let asked = self.journal.write_then(deadline, purge, move |result| match result {
            Ok(count) if count >= u64::from(PURGED) => collector.tell(Told::PurgeMore),
            Ok(0) => {}
            Ok(count) => log::info!("{count} old punches were let go"),
            Err(error) => log::debug!("old punches were not let go: {error}"),
        });
        if let Err(error) = asked {
            log::debug!("old punches were not let go: {error}");
        }
    }

    /// Whether a read of any device is under way.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        lock(&self.devices).values().any(|device| device.stage != Stage::Resting)
    }
}

fn parsed((id, text): (DeviceId, String)) -> Option<(DeviceId, DeviceSettings)> {
    match serde_json::from_str(&text) {
        Ok(settings) => Some((id, settings)),
        Err(error) => {
            log::warn!("device {id}: what was set for its log is not understood: {error}");
            None
        }
    }
}
