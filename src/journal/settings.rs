//! What can be set about collecting: for all devices, and for each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::correction::Correction;

/// What holds for all devices that say nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorSettings {
    /// Whether logs are collected where nothing else is said of a device.
    pub collect: bool,
    /// How often a device's log is looked at, besides after every connect and event that asks for it.
    pub poll_interval: Duration,
    /// How often the end of the log is compared although its count says that there is nothing new.
    pub compare_interval: Duration,
    /// For one read of a log, however long it is.
    pub read_timeout: Duration,
    /// Large reads under way at a time; what is already known to be small does not count.
    pub large_reads: usize,
    /// Whether devices are asked for live events.
    pub live: bool,
    /// From how much drift of a clock on it is a warning.
    pub drift_warning: Duration,
    /// How clocks are corrected.
    pub correction: Correction,
    /// How long rows are kept that are delivered and not in their device's log any more; `None` for ever.
    pub retention: Option<Duration>,
}

/// What is set for one device. `None` leaves it to the general settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceSettings {
    /// Whether its log is collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How often it is looked at, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_interval_seconds: Option<u32>,
    /// Whether it is asked for live events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<bool>,
    /// Whether urgent and brief calls are served between the pieces of a long read; yes, if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_between_pieces: Option<bool>,
    /// Whether its clock is corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct_clock: Option<bool>,
}

impl DeviceSettings {
    /// The shortest poll interval, in seconds.
    pub const POLL_FLOOR: u32 = 5;
    /// The longest, in seconds: a day.
    pub const POLL_CEILING: u32 = 86_400;

    /// What holds for this device.
    #[must_use]
    pub fn with(&self, general: &CollectorSettings) -> Effective {
        Effective {
            enabled: self.enabled.unwrap_or(general.collect),
            poll_interval: self
                .poll_interval_seconds
                .map_or(general.poll_interval, |seconds| Duration::from_secs(seconds.into())),
            live: self.live.unwrap_or(general.live),
            calls_between_pieces: self.calls_between_pieces.unwrap_or(true),
            correction: Correction {
                on: self.correct_clock.unwrap_or(general.correction.on),
                ..general.correction
            },
        }
    }
}

/// What holds for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Whether its log is collected.
    pub enabled: bool,
    /// How often it is looked at.
    pub poll_interval: Duration,
    /// Whether it is asked for live events.
    pub live: bool,
    /// Whether urgent and brief calls are served between the pieces of a long read.
    pub calls_between_pieces: bool,
    /// How its clock is corrected.
    pub correction: Correction,
}
