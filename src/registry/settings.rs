//! The numbers of the registry, each with its reason.

use std::time::Duration;

use crate::device::SessionSettings;

/// Everything about sessions and their upkeep that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// How sessions are made and how long devices may take to answer.
    pub session: SessionSettings,
    /// An idle session is asked for its time after this long: before the device forgets it, and often enough to
    /// notice a pulled cable.
    pub keep_alive: Duration,
    /// A session of a device that is connected on demand is closed after this long without a call.
    pub on_demand_idle: Duration,
    /// A session is renewed after this long, shortened by up to a tenth at random so that sessions do not renew in
    /// one wave.
    pub lifetime: Duration,
    /// The ceiling of the first delay after a failure; it doubles with each further one.
    pub back_off_first: Duration,
    /// The ceiling of every delay.
    pub back_off_cap: Duration,
    /// How long a device is left alone that refused us for a reason only a person can mend.
    pub refused_retry: Duration,
    /// How many jobs may wait for one device.
    pub queue_limit: usize,
    /// Threads that run jobs.
    pub workers: usize,
    /// How many of them may be busy with devices whose last call failed.
    pub suspect_workers: usize,
    /// Attempts to connect under way at the same time.
    pub dials: usize,
    /// The longest time for which a device can be lent.
    pub lend_max: Duration,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            session: SessionSettings::default(),
            keep_alive: Duration::from_secs(45),
            on_demand_idle: Duration::from_secs(60),
            lifetime: Duration::from_secs(12 * 3600),
            back_off_first: Duration::from_millis(250),
            back_off_cap: Duration::from_secs(60),
            refused_retry: Duration::from_secs(600),
            queue_limit: 32,
            workers: 64,
            suspect_workers: 16,
            dials: 256,
            lend_max: Duration::from_secs(24 * 3600),
        }
    }
}
