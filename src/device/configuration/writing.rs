//! Setting a device to something: looked at first, said once, and read back.

use super::{Configured, Place};
use crate::base::deadline::Deadline;
use crate::device::error::DeviceError;
use crate::device::session::Session;
use crate::dialog::Request;
use crate::wire::command::Command;
use crate::wire::option;

/// What a device has in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found(Is);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    Nothing,
    /// The value of an option, whether it is one that can be written or not.
    Value(String),
    Access(Configured),
}

impl Found {
    fn of(configured: &Configured) -> Self {
        Self(match configured {
            Configured::Option(setting) => Is::Value(setting.value().to_owned()),
            access => Is::Access(access.clone()),
        })
    }

    /// Whether that is it.
    #[must_use]
    pub fn is(&self, wanted: &Configured) -> bool {
        *self == Self::of(wanted)
    }

    /// Whether the device has nothing there: it does not know the option.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0 == Is::Nothing
    }
}

impl Session {
    /// What the device has in this place.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn found(&mut self, place: Place, deadline: Deadline) -> Result<Found, DeviceError> {
        let found = match place {
            Place::Option(name) => self.option(name, deadline)?.map_or(Is::Nothing, Is::Value),
            Place::TimeZone(number) => Is::Access(Configured::TimeZone(self.time_zone(number, deadline)?)),
            Place::Group(number) => Is::Access(Configured::Group(self.group_zones(number, deadline)?)),
            Place::Combination(number) => {
                Is::Access(Configured::Combination(self.combination(number, deadline)?))
            }
        };
        Ok(Found(found))
    }

    /// Writes one thing in the place of what was found there: said once, verified by reading it back, and made
    /// effective.
    ///
    /// # Errors
    /// [`DeviceError`]; `reached` is [`Reached::No`](crate::device::Reached::No) only if nothing was written. What
    /// makes no sense is not sent.
    pub fn configure(
        &mut self,
        wanted: &Configured,
        before: &Found,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        if !wanted.makes_sense() {
            return Err(DeviceError::no_such("setting"));
        }
        let (asked, payload) = match wanted {
            Configured::Option(setting) => {
                (Command::OPTIONS_WRQ, option::write_request(setting.name(), setting.value()))
            }
            Configured::TimeZone(zone) => (Command::TZ_WRQ, zone.write_request()),
            Configured::Group(zones) => (Command::GRPTZ_WRQ, zones.emit().to_vec()),
            Configured::Combination(combination) => (Command::ULG_WRQ, combination.emit().to_vec()),
        };
        self.effect(Request::new(asked, payload), deadline)?;
        let now = self.found(wanted.place(), deadline).map_err(DeviceError::after_effects)?;
        let effective = match wanted {
            Configured::Option(_) => Command::REFRESHOPTION,
            _ => Command::REFRESHDATA,
        };
        // What was written is written, whatever becomes of this.
        self.doubtful |=
            self.ask(Request::bare(effective), deadline).is_err_and(|error| !error.keeps_session());
        DeviceError::unless_kept(asked, before, &Found::of(wanted), &now)
    }
}
