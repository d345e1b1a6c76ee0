//! Access control: groups, time zones, and which groups together open the door.
//!
//! A door opens when somebody is verified, one of their time zones (or their group's) is open, and an unlock
//! combination is fulfilled. Source: captured replies of one family; older firmware is described differently, and
//! told by its lengths where that is possible.

use super::bytes::{EndOfBytes, Reader};

/// When one person may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonZones {
    /// Whether the zones are their own, and not their group's.
    pub own: bool,
    /// At most three zones, 0 for none.
    pub zones: [u16; 3],
}

/// When the people of a group may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupZones {
    /// The group's number.
    pub group: u8,
    /// At most three zones, 0 for none.
    pub zones: [u16; 3],
    /// Whether holidays count.
    pub holidays: bool,
    /// How its people are to be verified, 0 to 127.
    pub verify_style: u8,
}

/// A week of opening times, from Sunday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone {
    /// Its number, 1 to 50.
    pub index: u16,
    /// Each day's time.
    pub days: [DaySpan; 7],
}

/// From when to when a door may be opened; an end before the beginning means never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySpan {
    /// Hour and minute of the beginning.
    pub from: (u8, u8),
    /// Hour and minute of the end.
    pub to: (u8, u8),
}

/// Which groups together open the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Combination {
    /// Its number, 1 to 10.
    pub index: u8,
    /// At most five groups, 0 for none.
    pub groups: [u8; 5],
}

impl PersonZones {
    /// Reads the answer to `CMD_USERTZ_RRQ`: in eight bytes a flag (1: the group's) and three zones, in sixteen a
    /// number of zones and the zones.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        if payload.len() >= 16 {
            let own = reader.u32()? > 0;
            let mut zone = || reader.u32().map(|zone| u16::try_from(zone).unwrap_or(u16::MAX));
            return Ok(Self { own, zones: [zone()?, zone()?, zone()?] });
        }
        let own = reader.u16()? != 1;
        Ok(Self { own, zones: [reader.u16()?, reader.u16()?, reader.u16()?] })
    }

    /// The payload of `CMD_USERTZ_WRQ`.
    #[must_use]
    pub fn write_request(self, uid: u16) -> Vec<u8> {
        let [a, b, c] = self.zones.map(u32::from);
        [u32::from(uid), u32::from(self.own), a, b, c].map(u32::to_le_bytes).concat()
    }
}

impl GroupZones {
    const HOLIDAYS: u8 = 0x80;

    /// Reads the answer to `CMD_GRPTZ_RRQ`, or the payload of `CMD_GRPTZ_WRQ`.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        let group = reader.u8()?;
        let zones = [reader.u16()?, reader.u16()?, reader.u16()?];
        let style = reader.u8()?;
        let (holidays, verify_style) = (style & Self::HOLIDAYS != 0, style & !Self::HOLIDAYS);
        Ok(Self { group, zones, holidays, verify_style })
    }

    /// The eight bytes.
    #[must_use]
    pub fn emit(self) -> [u8; 8] {
        let [[a0, a1], [b0, b1], [c0, c1]] = self.zones.map(u16::to_le_bytes);
        let holidays = if self.holidays { Self::HOLIDAYS } else { 0 };
        [self.group, a0, a1, b0, b1, c0, c1, self.verify_style & !Self::HOLIDAYS | holidays]
    }

    /// The payload of `CMD_GRPTZ_RRQ`.
    #[must_use]
    pub const fn read_request(group: u8) -> [u8; 8] {
        [group, 0, 0, 0, 0, 0, 0, 0]
    }
}

impl TimeZone {
    /// The highest number.
    pub const LAST: u16 = 50;

    /// Reads the answer to `CMD_TZ_RRQ`; two bytes behind it are not understood.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        let index = reader.u16()?;
        Ok(Self { index, days: days(&mut reader)? })
    }

    /// Reads the payload of `CMD_TZ_WRQ`, as a device does.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse_write(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        let index = u16::try_from(reader.u32()?).unwrap_or(u16::MAX);
        Ok(Self { index, days: days(&mut reader)? })
    }

    /// The payload of `CMD_TZ_WRQ`.
    #[must_use]
    pub fn write_request(&self) -> Vec<u8> {
        [&u32::from(self.index).to_le_bytes()[..], &self.spans()].concat()
    }

    /// The answer to `CMD_TZ_RRQ`, as a device gives it.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        [&self.index.to_le_bytes()[..], &self.spans(), &[0xa7, 0x1c]].concat()
    }

    fn spans(&self) -> Vec<u8> {
        self.days.iter().flat_map(|day| [day.from.0, day.from.1, day.to.0, day.to.1]).collect()
    }
}

fn days(reader: &mut Reader<'_>) -> Result<[DaySpan; 7], EndOfBytes> {
    let mut days = [DaySpan::default(); 7];
    for day in &mut days {
        let [a, b, c, d] = reader.array()?;
        *day = DaySpan { from: (a, b), to: (c, d) };
    }
    Ok(days)
}

impl DaySpan {
    /// Open all day.
    pub const ALWAYS: Self = Self { from: (0, 0), to: (23, 59) };
    /// Closed all day.
    pub const NEVER: Self = Self { from: (23, 59), to: (0, 0) };

    /// Whether these are times of a day.
    #[must_use]
    pub const fn exists(self) -> bool {
        self.from.0 < 24 && self.from.1 < 60 && self.to.0 < 24 && self.to.1 < 60
    }
}

impl Combination {
    /// The highest number.
    pub const LAST: u8 = 10;

    /// Reads the answer to `CMD_ULG_RRQ`, or the payload of `CMD_ULG_WRQ`.
    ///
    /// # Errors
    /// [`EndOfBytes`] when it is shorter.
    pub fn parse(payload: &[u8]) -> Result<Self, EndOfBytes> {
        let mut reader = Reader::new(payload);
        Ok(Self { index: reader.u8()?, groups: reader.array()? })
    }

    /// The eight bytes: the number of groups stands behind them.
    #[must_use]
    pub fn emit(self) -> [u8; 8] {
        let [a, b, c, d, e] = self.groups;
        let count = self.groups.iter().fold(0u8, |count, group| count + u8::from(*group != 0));
        [self.index, a, b, c, d, e, count, 0]
    }

    /// The payload of `CMD_ULG_RRQ`.
    #[must_use]
    pub const fn read_request(index: u8) -> [u8; 8] {
        [index, 0, 0, 0, 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_of_a_persons_zones_are_read() {
        let own = PersonZones { own: true, zones: [1, 2, 0] };
        assert_eq!(PersonZones::parse(&[0, 0, 1, 0, 2, 0, 0, 0]), Ok(own));
        assert_eq!(PersonZones::parse(&[1, 0, 1, 0, 2, 0, 0, 0]), Ok(PersonZones { own: false, ..own }));
        assert_eq!(PersonZones::parse(&[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]), Ok(own));
        assert_eq!(own.write_request(7)[..8], [7, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_time_of_day_that_does_not_exist_is_read_and_told() {
        let mut payload = TimeZone { index: 3, days: [DaySpan::ALWAYS; 7] }.emit();
        payload[2] = 99;
        let zone = TimeZone::parse(&payload).unwrap();
        assert!(!zone.days[0].exists() && zone.days[1].exists() && DaySpan::NEVER.exists());
    }

    proptest! {
        #[test]
        fn any_payload_is_a_value_or_too_short(payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(PersonZones::parse(&payload).is_ok(), payload.len() >= 8);
            prop_assert_eq!(GroupZones::parse(&payload).is_ok(), payload.len() >= 8);
            prop_assert_eq!(TimeZone::parse(&payload).is_ok(), payload.len() >= 30);
            prop_assert_eq!(TimeZone::parse_write(&payload).is_ok(), payload.len() >= 32);
            prop_assert_eq!(Combination::parse(&payload).is_ok(), payload.len() >= 6);
        }

        #[test]
        fn what_is_emitted_is_read_back(
            zones: [u16; 3], group: u8, holidays: bool, verify_style in 0u8..128, index: u16, spans: [[u8; 4]; 7],
            groups: [u8; 5],
        ) {
            let of_group = GroupZones { group, zones, holidays, verify_style };
            prop_assert_eq!(GroupZones::parse(&of_group.emit()), Ok(of_group));
            let days = spans.map(|[a, b, c, d]| DaySpan { from: (a, b), to: (c, d) });
            let zone = TimeZone { index, days };
            prop_assert_eq!(TimeZone::parse(&zone.emit()), Ok(zone));
            prop_assert_eq!(TimeZone::parse_write(&zone.write_request()), Ok(zone));
            let combination = Combination { index: group, groups };
            prop_assert_eq!(Combination::parse(&combination.emit()), Ok(combination));
        }
    }
}
