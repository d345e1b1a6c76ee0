//! Reading all that a device is set to, one small command for each thing. What is not read is told, for whoever
//! restores a part of it should know that it is one.

use super::{Configured, GROUPS, Place};
use crate::base::deadline::Deadline;
use crate::device::error::{DeviceError, Fault};
use crate::device::options::{Setting, WRITABLE};
use crate::device::session::Session;
use crate::device::users::Pause;
use crate::wire::access::{Combination, TimeZone};

/// All that a device is set to and that is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// What was read, in the order in which it can be written.
    pub all: Vec<Configured>,
    /// What the device has and what was not read of it.
    pub not_read: Vec<NotRead>,
    /// What it refused twice, as one refuses that does not have it: options, and the end of a family.
    pub not_told: Vec<String>,
}

/// Something that a device is set to, and nobody knows how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRead {
    /// Its name, for people.
    pub name: String,
    /// Why, as a code of the API.
    pub code: &'static str,
}

/// What came of asking for one thing.
enum Told {
    Is(Configured),
    /// It makes no sense.
    Useless(&'static str),
    Refused(&'static str),
}

/// Something that was refused, and how.
type Refused = (Place, &'static str);

/// After so many in a row that are refused, nobody asks for the rest: a device has fewer of these than another.
const END: usize = 8;

impl Session {
    /// Everything that the device is set to and that is known here. What it refuses is asked for once more.
    ///
    /// # Errors
    /// [`DeviceError`] when the session fails.
    pub fn configuration(
        &mut self,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<Configuration, DeviceError> {
        let mut read = Configuration::default();
        let options: Vec<_> = WRITABLE.iter().map(|(name, _)| Place::Option(name)).collect();
        let (refused, _) = self.pass(&options, usize::MAX, &mut read, pause, deadline)?;
        let (refused, _) = self.pass(&places(&refused), usize::MAX, &mut read, pause, deadline)?;
        read.not_told.extend(refused.iter().map(|(place, _)| place.name()));
        let zones: Vec<_> = (1..=TimeZone::LAST).map(Place::TimeZone).collect();
        let groups: Vec<_> = (1..=GROUPS).map(Place::Group).collect();
        let combinations: Vec<_> = (1..=Combination::LAST).map(Place::Combination).collect();
        for (family, name) in [(zones, "time zones"), (groups, "groups"), (combinations, "combinations")] {
            let refused = self.family(&family, &mut read, pause, deadline)?;
            read.judge(refused, name);
        }
        read.all.sort_by_key(Configured::place);
        Ok(read)
    }

    /// Reads a family to its end, and gives what was refused twice.
    fn family(
        &mut self,
        family: &[Place],
        read: &mut Configuration,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Refused>, DeviceError> {
        let (mut rest, mut all) = (family, Vec::new());
        loop {
            let (refused, after) = self.pass(rest, END, read, pause, deadline)?;
            let last = refused.last().map(|(place, _)| *place);
            let (refused, _) = self.pass(&places(&refused), usize::MAX, read, pause, deadline)?;
            // If the last one was only refused for the moment, there may be more behind it.
            let is_end = refused.last().map(|(place, _)| *place) == last;
            all.extend(refused);
            if after.is_empty() || is_end {
                return Ok(all);
            }
            rest = after;
        }
    }

    /// Asks for one after the other until so many in a row were refused. Gives those, and the ones that were not asked
    /// for.
    fn pass<'p>(
        &mut self,
        places: &'p [Place],
        end: usize,
        read: &mut Configuration,
        pause: Pause<'_>,
        deadline: Deadline,
    ) -> Result<(Vec<Refused>, &'p [Place]), DeviceError> {
        let (mut refused, mut row, mut rest) = (Vec::new(), 0, places);
        while let Some((place, after)) = rest.split_first() {
            rest = after;
            row += 1;
            match self.told(*place, deadline)? {
                Told::Is(configured) => {
                    read.all.push(configured);
                    row = 0;
                }
                Told::Useless(code) => {
                    read.not_read.push(NotRead { name: place.name(), code });
                    row = 0;
                }
                Told::Refused(code) => refused.push((*place, code)),
            }
            pause(self)?;
            if row == end {
                break;
            }
        }
        Ok((refused, rest))
    }

    /// Asks for one thing.
    fn told(&mut self, place: Place, deadline: Deadline) -> Result<Told, DeviceError> {
        let told = match place {
            Place::Option(name) => {
                return Ok(match self.option(name, deadline)? {
                    // Firmware that lacks an option says so in several ways, a refusal among them.
                    None => Told::Refused("not_told"),
                    Some(value) => match Setting::new(name, &value) {
                        Ok(setting) => Told::Is(Configured::Option(setting)),
                        Err(_) => Told::Useless("unusable_value"),
                    },
                });
            }
            Place::TimeZone(number) => self.time_zone(number, deadline).map(Configured::TimeZone),
            Place::Group(number) => self.group_zones(number, deadline).map(Configured::Group),
            Place::Combination(number) => self.combination(number, deadline).map(Configured::Combination),
        };
        match told {
            Ok(configured) if configured.place() == place && configured.makes_sense() => {
                Ok(Told::Is(configured))
            }
            Ok(_) => Ok(Told::Useless("unusable_value")),
            Err(error) if !error.keeps_session() => Err(error),
            Err(error) => Ok(match error.fault {
                Fault::Rejected { .. } => Told::Refused(error.code()),
                _ => Told::Useless(error.code()),
            }),
        }
    }
}

fn places(refused: &[Refused]) -> Vec<Place> {
    refused.iter().map(|(place, _)| *place).collect()
}

impl Configuration {
    /// What was refused although something behind it was told is there; what was refused at the end may not be.
    fn judge(&mut self, refused: Vec<Refused>, family: &str) {
        let of_family = |place: &Place| refused.first().is_some_and(|(first, _)| place.is_like(*first));
        let last = self.all.iter().map(Configured::place).filter(of_family).max();
        let (holes, end): (Vec<_>, Vec<_>) =
            refused.into_iter().partition(|(place, _)| last.is_some_and(|last| *place < last));
        self.not_read.extend(holes.into_iter().map(|(place, code)| NotRead { name: place.name(), code }));
        if let Some(number) = end.first().and_then(|(first, _)| first.number()) {
            self.not_told.push(format!("{family} from {number} on"));
        }
    }
}
