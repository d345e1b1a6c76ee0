//! The breaker of one device: how often in a row it failed, since when, and when it may be tried again.
//!
//! Pure: (outage, event, now) → outage. The delay has full jitter below a ceiling that doubles with each failure
//! and never exceeds a share of how long the outage has lasted: a device that reboots for five seconds is found
//! again within two, one that has been gone for a day is asked once a minute.

use std::time::{Duration, Instant};

use super::settings::RegistrySettings;

/// What is known of a device that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it began.
    pub since: Instant,
    /// Failures in a row.
    pub failures: u32,
    /// Whether the last failure was of a call and not of an attempt to connect: only a call can end it then.
    pub in_call: bool,
}

/// The smallest ceiling of a delay once the first few have passed: how soon a rebooted device is found again.
const SOON: Duration = Duration::from_millis(1500);
/// The ceiling is at most this share of the outage so far.
const SHARE: u32 = 4;
/// No delay is shorter, so that an address that refuses at once is not asked in a loop.
const FLOOR: Duration = Duration::from_millis(50);

impl Outage {
    /// One more failure.
    #[must_use]
    pub fn after_failure(before: Option<Self>, in_call: bool, now: Instant) -> Self {
        match before {
            Some(outage) => {
                Self { since: outage.since, failures: outage.failures.saturating_add(1), in_call }
            }
            None => Self { since: now, failures: 1, in_call },
        }
    }

    /// What remains of an outage when the device could be connected to: nothing, unless it is calls that fail.
    #[must_use]
    pub fn after_connecting(before: Option<Self>) -> Option<Self> {
        before.filter(|outage| outage.in_call)
    }

    /// How long to wait before the next attempt. `jitter` is a random number from 0 to 1.
    #[must_use]
    pub fn delay(&self, settings: &RegistrySettings, jitter: f64, now: Instant) -> Duration {
        let doubled = settings.back_off_first.saturating_mul(1 << self.failures.saturating_sub(1).min(16));
        let lasted = now.saturating_duration_since(self.since) / SHARE;
        let ceiling = doubled.min(lasted.max(SOON)).min(settings.back_off_cap);
        ceiling.mul_f64(jitter.clamp(0.0, 1.0)).max(FLOOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_of_back_off() {
        let settings = RegistrySettings::default();
        let start = Instant::now();
        let (mut now, mut outage, mut attempts) = (start, None, 0);
        while now < start + Duration::from_secs(600) {
            let failed = Outage::after_failure(outage, false, now);
            let delay = failed.delay(&settings, 1.0, now);
            assert!(delay <= settings.back_off_cap);
            if now < start + Duration::from_secs(6) {
                assert!(delay <= SOON, "a short reboot is found out soon: {delay:?}");
            }
            now += delay;
            (outage, attempts) = (Some(failed), attempts + 1);
        }
        // Full delays, without jitter: at first one per 1.5 s, then ever fewer, at last one a minute.
        assert!((20..=40).contains(&attempts), "{attempts} attempts");
        assert_eq!(outage.unwrap().since, start);
    }

    #[test]
    fn jitter_is_full_but_never_nothing() {
        let settings = RegistrySettings::default();
        let now = Instant::now();
        let outage = Outage { since: now, failures: 3, in_call: false };
        assert_eq!(outage.delay(&settings, 0.0, now), FLOOR);
        assert_eq!(outage.delay(&settings, 0.5, now), Duration::from_millis(500));
        assert_eq!(outage.delay(&settings, 1.0, now), Duration::from_secs(1));
    }

    #[test]
    fn a_device_that_connects_and_then_fails_calls_stays_in_its_outage() {
        let now = Instant::now();
        let calling = Outage::after_failure(None, true, now);
        assert_eq!(Outage::after_connecting(Some(calling)), Some(calling));
        let dialling = Outage::after_failure(None, false, now);
        assert_eq!(Outage::after_connecting(Some(dialling)), None);
    }
}
