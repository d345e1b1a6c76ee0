//! What a device was set to, as a whole: the options that can be written, time zones, groups and unlock combinations;
//! read one by one, kept, and written back.

mod reading;
mod writing;

pub use reading::{Configuration, NotRead};
pub use writing::Found;

use super::options::Setting;
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

/// Where something is set. What others refer to comes before them: a group that is written before its time zones opens
/// a door at the hours of other ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The option of this name.
    Option(&'static str),
    /// The time zone of this number.
    TimeZone(u16),
    /// The group of this number.
    Group(u8),
    /// The unlock combination of this number.
    Combination(u8),
}

/// The highest number of a group.
const GROUPS: u8 = 99;
/// The option that tells devices apart on one line: each has its own.
const OWN_NUMBER: &str = "DeviceID";

impl Place {
    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Option(name) => name.to_owned(),
            Self::TimeZone(number) => format!("time zone {number}"),
            Self::Group(number) => format!("group {number}"),
            Self::Combination(number) => format!("combination {number}"),
        }
    }

    /// Its number, if it has one.
    const fn number(self) -> Option<u16> {
        match self {
            Self::Option(_) => None,
            Self::TimeZone(number) => Some(number),
            Self::Group(number) | Self::Combination(number) => Some(number as u16),
        }
    }

    /// Whether the other one is of the same kind.
    fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

impl Configured {
    /// Where it is set.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self {
            Self::Option(setting) => Place::Option(setting.name()),
            Self::Group(zones) => Place::Group(zones.group),
            Self::TimeZone(zone) => Place::TimeZone(zone.index),
            Self::Combination(combination) => Place::Combination(combination.index),
        }
    }

    /// What it refers to, and means nothing without: the time zones of a group, the groups of a combination.
    #[must_use]
    pub fn refers_to(&self) -> Vec<Place> {
        match self {
            Self::Option(_) | Self::TimeZone(_) => Vec::new(),
            Self::Group(zones) => {
                zones.zones.into_iter().filter(|zone| *zone != 0).map(Place::TimeZone).collect()
            }
            Self::Combination(combination) => {
                combination.groups.into_iter().filter(|group| *group != 0).map(Place::Group).collect()
            }
        }
    }

    /// Whether the device may be out of reach once it is effective.
    #[must_use]
    pub fn may_cut_off(&self) -> bool {
        matches!(self, Self::Option(setting) if setting.may_cut_off())
    }

    /// Whether it tells a device from others, and is of no use to another one.
    #[must_use]
    pub fn is_its_own(&self) -> bool {
        matches!(self, Self::Option(setting) if setting.name() == OWN_NUMBER)
    }

    /// Whether a device can be set to it. What one tells may make no sense.
    fn makes_sense(&self) -> bool {
        match self {
            Self::Option(_) => true,
            Self::Group(zones) => (1..=GROUPS).contains(&zones.group),
            Self::TimeZone(zone) => {
                (1..=TimeZone::LAST).contains(&zone.index) && zone.days.iter().all(|day| day.exists())
            }
            Self::Combination(combination) => (1..=Combination::LAST).contains(&combination.index),
        }
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

    /// What was kept of it; `None` for what makes no sense here, or is of another version of this program.
    #[must_use]
    pub fn kept(kind: u8, bytes: &[u8]) -> Option<Self> {
        let kept = match kind {
            1 => {
                let (name, value) = std::str::from_utf8(bytes).ok()?.split_once('=')?;
                Setting::new(name, value).ok().map(Self::Option)
            }
            2 => GroupZones::parse(bytes).ok().map(Self::Group),
            3 => TimeZone::parse(bytes).ok().map(Self::TimeZone),
            4 => Combination::parse(bytes).ok().map(Self::Combination),
            _ => None,
        };
        kept.filter(Self::makes_sense)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::access::DaySpan;

    fn zone(index: u16) -> Configured {
        Configured::TimeZone(TimeZone { index, days: [DaySpan { from: (8, 0), to: (17, 30) }; 7] })
    }

    fn group(group: u8, zones: [u16; 3]) -> Configured {
        Configured::Group(GroupZones { group, zones, holidays: true, verify_style: 5 })
    }

    #[test]
    fn what_is_kept_comes_back() {
        let combination = Configured::Combination(Combination { index: 2, groups: [1, 3, 0, 0, 0] });
        for configured in [
            Configured::Option(Setting::new("VOLUME", "40").unwrap()),
            Configured::Option(Setting::new("IPAddress", "10.0.0.7").unwrap()),
            group(3, [1, 2, 0]),
            zone(9),
            combination,
        ] {
            let (kind, bytes) = configured.emit();
            assert_eq!(Configured::kept(kind, &bytes), Some(configured));
        }
        assert_eq!(Configured::kept(1, b"COMKey=1"), None, "no option that is not known to be harmless");
        for nonsense in [zone(0), zone(51), group(0, [1, 0, 0]), group(100, [1, 0, 0])] {
            let (kind, bytes) = nonsense.emit();
            assert_eq!(Configured::kept(kind, &bytes), None, "{nonsense:?}");
        }
    }

    #[test]
    fn what_others_refer_to_comes_before_them() {
        let combination = Configured::Combination(Combination { index: 1, groups: [2, 1, 0, 0, 0] });
        let group = group(2, [7, 0, 50]);
        assert_eq!(combination.refers_to(), [Place::Group(2), Place::Group(1)]);
        assert_eq!(group.refers_to(), [Place::TimeZone(7), Place::TimeZone(50)]);
        for configured in [combination, group, zone(7)] {
            assert!(configured.refers_to().iter().all(|place| *place < configured.place()));
            assert!(Place::Option("VOLUME") < configured.place());
        }
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
