//! The door: opening it, and whether it is open.

use std::time::Duration;

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::wire::command::Command;

/// In which unit a device's firmware counts the time that a door stays unlocked. Sources disagree, and a wrong
/// guess opens the door ten times too long or too short, so it is a setting of each device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlockUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Tenths of a second.
    Tenths,
}

/// For how long a door is unlocked, as a device counts it: never nothing, and never more than it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnlockTime(u32);

/// A time that cannot be said to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlockTimeError {
    /// Nothing at all.
    #[error("a door is unlocked for longer than nothing")]
    Zero,
    /// Not a whole number of what the device counts.
    #[error("this device counts in {}", unit.name())]
    Broken {
        /// What it counts.
        unit: UnlockUnit,
    },
    /// More than the device can count.
    #[error("a door cannot be unlocked for that long")]
    TooLong,
}

/// What a door's sensor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorState {
    /// It is open.
    Open,
    /// It is closed.
    Closed,
    /// The device does not say. Some say "closed" although no sensor is connected.
    Unknown,
}

impl UnlockUnit {
    /// The unit's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Tenths => "tenths",
        }
    }

    const fn length(self) -> Duration {
        match self {
            Self::Seconds => Duration::from_secs(1),
            Self::Tenths => Duration::from_millis(100),
        }
    }
}

impl UnlockTime {
    /// Counts a time in the device's unit.
    ///
    /// # Errors
    /// [`UnlockTimeError`]; nothing is ever rounded.
    pub fn new(time: Duration, unit: UnlockUnit) -> Result<Self, UnlockTimeError> {
        if time.is_zero() {
            return Err(UnlockTimeError::Zero);
        }
        let (time, unit_nanos) = (time.as_nanos(), unit.length().as_nanos());
        if !time.is_multiple_of(unit_nanos) {
            return Err(UnlockTimeError::Broken { unit });
        }
        u32::try_from(time / unit_nanos).map(Self).map_err(|_| UnlockTimeError::TooLong)
    }
}

impl Session {
    /// Unlocks the door: said once, whatever happens.
    ///
    /// # Errors
    /// [`DeviceError`]; if it reached the device perhaps, nobody can tell whether the door was opened.
    pub fn unlock(&mut self, time: UnlockTime, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::new(Command::UNLOCK, time.0.to_le_bytes()), deadline)
    }

    /// Whether the door is open.
    ///
    /// # Errors
    /// [`DeviceError`]; a device without that function refuses.
    pub fn door_state(&mut self, deadline: Deadline) -> Result<DoorState, DeviceError> {
        let reply = self.ask(Request::bare(Command::DOORSTATE_RRQ), deadline)?;
        Self::accepted(Command::DOORSTATE_RRQ, &reply)?;
        Ok(match reply.payload.first() {
            Some(1) => DoorState::Open,
            Some(0) => DoorState::Closed,
            _ => DoorState::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_exactly_or_refused() {
        let tenths = |time| UnlockTime::new(time, UnlockUnit::Tenths);
        let seconds = |time| UnlockTime::new(time, UnlockUnit::Seconds);
        let (two, half) = (Duration::from_secs(2), Duration::from_millis(2500));
        assert_eq!((seconds(two), tenths(two)), (Ok(UnlockTime(2)), Ok(UnlockTime(20))));
        assert_eq!(tenths(half), Ok(UnlockTime(25)));
        assert_eq!(seconds(half), Err(UnlockTimeError::Broken { unit: UnlockUnit::Seconds }));
        assert_eq!(seconds(Duration::ZERO), Err(UnlockTimeError::Zero));
        let longest = Duration::from_secs(u32::MAX.into());
        assert_eq!(seconds(longest), Ok(UnlockTime(u32::MAX)));
        assert_eq!(tenths(longest), Err(UnlockTimeError::TooLong));
        assert_eq!(seconds(longest + Duration::from_secs(1)), Err(UnlockTimeError::TooLong));
    }
}
