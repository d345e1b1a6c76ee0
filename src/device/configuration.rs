//! What a device was set to, as a whole: the options that can be written, groups, time zones and unlock combinations;
//! read one by one, kept, and written back.

use super::error::DeviceError;
use super::options::{Setting, WRITABLE};
use super::session::Session;
use super::users::Pause;
use crate::base::deadline::Deadline;
use crate::wire::access::{Combination, GroupZones, TimeZone};

/// One thing that a device is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// An option.
    Option(Setting),
    /// The time zones of a group.
    Group(GroupZones),
    /// A time zone.
    TimeZone(TimeZone),
    /// Which groups together open the door.
    Combination(Combination),
}

/// The highest number of a group.
const GROUPS: u8 = 99;

impl Configured {
    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Option(setting) => setting.name().to_owned(),
            Self::Group(zones) => format!("group {}", zones.group),
            Self::TimeZone(zone) => format!("time zone {}", zone.index),
            Self::Combination(combination) => format!("combination {}", combination.index),
        }
    }

    /// Whether the device may be out of reach once it is effective.
    #[must_use]
    pub fn may_cut_off(&self) -> bool {
        matches!(self, Self::Option(setting) if setting.may_cut_off())
    }

    /// It as bytes to be kept: a number for its kind, and what [`Configured::kept`] reads.
    #[must_use]
    pub fn emit(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Option(setting) => (1, format!("{}={}", setting.name(), setting.value()).into_bytes()),
            Self::Group(zones) => (2, zones.emit().to_vec()),
            Self::TimeZone(zone) => (3, zone.emit()),
            Self::Combination(combination) => (4, combination.emit().to_vec()),
        }
    }

    /// What was kept of it; `None` for what makes no sense here, or is of a newer program.
    #[must_use]
    pub fn kept(kind: u8, bytes: &[u8]) -> Option<Self> {
        match kind {
            1 => {
                let (name, value) = std::str::from_utf8(bytes).ok()?.split_once('=')?;
                Setting::new(name, value).ok().map(Self::Option)
            }
            2 => GroupZones::parse(bytes).ok().map(Self::Group),
            3 => TimeZone::parse(bytes).ok().map(Self::TimeZone),
            4 => Combination::parse(bytes).ok().map(Self::Combination),
            _ => None,
        }
    }
}

impl Session {
    /// Everything that the device is set to and that is known here: one small command for each. A family that the
    /// device does not have, or that ends early, ends with the first one that it refuses.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn configuration(
        &mut self,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Configured>, DeviceError> {
        let mut all = Vec::new();
        for (name, _) in WRITABLE {
            let value = self.option(name, deadline)?;
            all.extend(value.and_then(|value| Setting::new(name, &value).ok()).map(Configured::Option));
            pause(self)?;
        }
        let group = |session: &mut Self, n| session.group_zones(n, deadline).map(Configured::Group);
        self.family(1..=GROUPS, group, pause, &mut all)?;
        let zone = |session: &mut Self, n| session.time_zone(n, deadline).map(Configured::TimeZone);
        self.family(1..=TimeZone::LAST, zone, pause, &mut all)?;
        let combination =
            |session: &mut Self, n| session.combination(n, deadline).map(Configured::Combination);
        self.family(1..=Combination::LAST, combination, pause, &mut all)?;
        Ok(all)
    }

    fn family<N>(
        &mut self,
        numbers: impl Iterator<Item = N>,
        mut read: impl FnMut(&mut Self, N) -> Result<Configured, DeviceError>,
        pause: Pause<'_>,
        all: &mut Vec<Configured>,
    ) -> Result<(), DeviceError> {
        for number in numbers {
            match read(self, number) {
                Ok(configured) => all.push(configured),
                Err(error) if error.keeps_session() => break,
                Err(error) => return Err(error),
            }
            pause(self)?;
        }
        Ok(())
    }

    /// Writes one thing back unless it is so already, said once, verified by reading it back.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn configure(&mut self, wanted: &Configured, deadline: Deadline) -> Result<(), DeviceError> {
        match wanted {
            Configured::Option(setting) => self.write_option(setting, deadline),
            Configured::Group(zones) => self.set_group_zones(*zones, deadline),
            Configured::TimeZone(zone) => self.set_time_zone(zone, deadline),
            Configured::Combination(combination) => self.set_combination(*combination, deadline),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::access::DaySpan;

    #[test]
    fn what_is_kept_comes_back() {
        for configured in [
            Configured::Option(Setting::new("VOLUME", "40").unwrap()),
            Configured::Option(Setting::new("IPAddress", "10.0.0.7").unwrap()),
            Configured::Group(GroupZones { group: 3, zones: [1, 2, 0], holidays: true, verify_style: 5 }),
            Configured::TimeZone(TimeZone { index: 9, days: [DaySpan { from: (8, 0), to: (17, 30) }; 7] }),
            Configured::Combination(Combination { index: 2, groups: [1, 3, 0, 0, 0] }),
        ] {
            let (kind, bytes) = configured.emit();
            assert_eq!(Configured::kept(kind, &bytes), Some(configured));
        }
        assert_eq!(Configured::kept(1, b"COMKey=1"), None, "no option that is not known to be harmless");
    }

    proptest! {
        #[test]
        fn any_bytes_are_something_or_nothing(
            kind in 0u8..6, bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = Configured::kept(kind, &bytes);
        }
    }
}
