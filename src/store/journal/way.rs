//! Which index tells the most about the rows that a filter takes.

use super::query::{Bound, Filter, LOOK, Survey, WALK};
use crate::store::error::StoreError;

/// One index to go along. It is `whole` when its entries hold all that the filter compares, so that no row has to be
/// looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The rows of the people that are chosen.
    Users { whole: bool },
    /// The rows of the terminals that are chosen, within the span of time.
    Terminals { whole: bool },
    /// The rows within the span of time.
    Time { whole: bool },
    /// The rows of the devices that are chosen.
    Devices { whole: bool },
}

impl Way {
    /// How many entries are gone through at most.
    pub(super) const fn limit(self) -> usize {
        let (Self::Users { whole }
        | Self::Terminals { whole }
        | Self::Time { whole }
        | Self::Devices { whole }) = self;
        if whole { WALK } else { LOOK }
    }
}

/// Goes along the ways to the rows of a filter until one is not too far: what `walk` finds along it. Without such a way
/// nothing is known.
pub(super) fn survey(
    filter: &Filter,
    mut walk: impl FnMut(Way) -> Result<Option<Survey>, StoreError>,
) -> Result<Survey, StoreError> {
    for way in ways(filter) {
        if let Some(survey) = walk(way)? {
            return Ok(survey);
        }
    }
    Ok(Survey::default())
}

/// The first time of a filter's span of the device's clock, and the first behind it: all there is without one.
pub(super) fn span(filter: &Filter) -> (i64, i64) {
    let all = (0, i64::from(u32::MAX) + 1);
    filter.clock_span().map_or(all, |(low, high)| (i64::from(low.0), i64::from(high.0)))
}

/// The ways to the rows of a filter, the one with the fewest rows to be expected first.
fn ways(filter: &Filter) -> Vec<Way> {
    let Filter { devices, users, serial_numbers, from, to } = filter;
    let (any_users, any_devices) = (!users.is_empty(), !devices.is_empty());
    let (any_terminals, any_time) = (!serial_numbers.is_empty(), from.is_some() || to.is_some());
    let by_instant = [from, to].into_iter().any(|bound| matches!(bound, Some(Bound::Instant(_))));
    let mut ways = Vec::new();
    if any_users {
        ways.push(Way::Users { whole: !(any_devices || any_terminals || any_time) });
    }
    if any_terminals {
        ways.push(Way::Terminals { whole: !(any_devices || any_users || by_instant) });
    }
    if any_time {
        ways.push(Way::Time { whole: !(any_devices || any_users || any_terminals || by_instant) });
    }
    if any_devices {
        ways.push(Way::Devices { whole: !(any_users || any_terminals || any_time) });
    }
    ways
}
