//! Who may pass when: groups, time zones, unlock combinations, and how people are verified. Every write is
//! verified by reading back and then made effective.

use super::error::DeviceError;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::Request;
use crate::dialog::exchange::Reply;
use crate::wire::access::{Combination, GroupZones, PersonZones, TimeZone};
use crate::wire::bytes::{EndOfBytes, Reader};
use crate::wire::command::Command;
use crate::wire::record::user_record::UserRecord;

/// How somebody is to be verified: finger, password, card, or a combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyStyle {
    /// As their group is.
    Group,
    /// In a way of their own, 0 to 14 on known firmware.
    Own(u8),
}

impl VerifyStyle {
    const OWN: u8 = 0x80;
    /// Bytes of the record that holds it.
    const RECORD: usize = 24;

    const fn from_byte(byte: u8) -> Self {
        if byte & Self::OWN == 0 { Self::Group } else { Self::Own(byte & !Self::OWN) }
    }

    const fn to_byte(self) -> u8 {
        match self {
            Self::Group => 0,
            Self::Own(style) => style | Self::OWN,
        }
    }
}

impl Session {
    /// The access group of a person.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn group_of(&mut self, person: &UserRecord, deadline: Deadline) -> Result<u8, DeviceError> {
        let uid = u32::from(person.user().uid).to_le_bytes();
        self.read(Command::USERGRP_RRQ, &uid, deadline, |payload| Reader::new(payload).u8())
    }

    /// Puts a person into an access group.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_group_of(
        &mut self,
        person: &UserRecord,
        group: u8,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let payload = [&u32::from(person.user().uid).to_le_bytes()[..], &[group]].concat();
        self.people_changed();
        self.write(Command::USERGRP_WRQ, payload, &group, deadline, |session| {
            session.group_of(person, deadline)
        })
    }

    /// The time zones of a person.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn zones_of(&mut self, person: &UserRecord, deadline: Deadline) -> Result<PersonZones, DeviceError> {
        let uid = u32::from(person.user().uid).to_le_bytes();
        self.read(Command::USERTZ_RRQ, &uid, deadline, PersonZones::parse)
    }

    /// Sets the time zones of a person.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_zones_of(
        &mut self,
        person: &UserRecord,
        zones: PersonZones,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let payload = zones.write_request(person.user().uid);
        self.people_changed();
        self.write(Command::USERTZ_WRQ, payload, &zones, deadline, |session| {
            session.zones_of(person, deadline)
        })
    }

    /// Sets the group of a person, their time zones, or both; gives what they have then.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_access_of(
        &mut self,
        person: &UserRecord,
        (group, zones): (Option<u8>, Option<PersonZones>),
        deadline: Deadline,
    ) -> Result<(u8, PersonZones), DeviceError> {
        if let Some(group) = group {
            self.set_group_of(person, group, deadline)?;
        }
        if let Some(zones) = zones {
            let set = self.set_zones_of(person, zones, deadline);
            if group.is_some() { set.map_err(DeviceError::after_effects)? } else { set? }
        }
        let group = self.group_of(person, deadline).map_err(DeviceError::after_effects)?;
        let zones = self.zones_of(person, deadline).map_err(DeviceError::after_effects)?;
        Ok((group, zones))
    }

    /// The time zones of a group.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn group_zones(&mut self, group: u8, deadline: Deadline) -> Result<GroupZones, DeviceError> {
        self.read(Command::GRPTZ_RRQ, &GroupZones::read_request(group), deadline, GroupZones::parse)
    }

    /// Sets the time zones of a group.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_group_zones(&mut self, zones: GroupZones, deadline: Deadline) -> Result<(), DeviceError> {
        if zones.group == 0 || zones.verify_style > 127 {
            return Err(DeviceError::no_such("group or verification style"));
        }
        self.write(Command::GRPTZ_WRQ, zones.emit().to_vec(), &zones, deadline, |session| {
            session.group_zones(zones.group, deadline)
        })
    }

    /// A time zone, numbered from 1 to 50.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn time_zone(&mut self, index: u16, deadline: Deadline) -> Result<TimeZone, DeviceError> {
        self.read(Command::TZ_RRQ, &u32::from(index).to_le_bytes(), deadline, TimeZone::parse)
    }

    /// Sets a time zone.
    ///
    /// # Errors
    /// [`DeviceError`]; a number or a time of day that does not exist is not sent.
    pub fn set_time_zone(&mut self, zone: &TimeZone, deadline: Deadline) -> Result<(), DeviceError> {
        let exists = (1..=TimeZone::LAST).contains(&zone.index) && zone.days.iter().all(|day| day.exists());
        if !exists {
            return Err(DeviceError::no_such("time zone or time of day"));
        }
        self.write(Command::TZ_WRQ, zone.write_request(), zone, deadline, |session| {
            session.time_zone(zone.index, deadline)
        })
    }

    /// An unlock combination, numbered from 1 to 10.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn combination(&mut self, index: u8, deadline: Deadline) -> Result<Combination, DeviceError> {
        self.read(Command::ULG_RRQ, &Combination::read_request(index), deadline, Combination::parse)
    }

    /// Sets an unlock combination.
    ///
    /// # Errors
    /// [`DeviceError`]; a number that does not exist is not sent.
    pub fn set_combination(&mut self, wanted: Combination, deadline: Deadline) -> Result<(), DeviceError> {
        if !(1..=Combination::LAST).contains(&wanted.index) {
            return Err(DeviceError::no_such("unlock combination"));
        }
        self.write(Command::ULG_WRQ, wanted.emit().to_vec(), &wanted, deadline, |session| {
            session.combination(wanted.index, deadline)
        })
    }

    /// How a person is to be verified.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn verify_style(
        &mut self,
        person: &UserRecord,
        deadline: Deadline,
    ) -> Result<VerifyStyle, DeviceError> {
        let uid = person.user().uid.to_le_bytes();
        self.read(Command::VERIFY_RRQ, &uid, deadline, |payload| {
            let mut reader = Reader::new(payload);
            reader.skip(2)?;
            reader.u8().map(VerifyStyle::from_byte)
        })
    }

    /// Sets how a person is to be verified.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn set_verify_style(
        &mut self,
        person: &UserRecord,
        style: VerifyStyle,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        if matches!(style, VerifyStyle::Own(128..)) {
            return Err(DeviceError::no_such("verification style"));
        }
        let mut payload = person.user().uid.to_le_bytes().to_vec();
        payload.push(style.to_byte());
        payload.resize(VerifyStyle::RECORD, 0);
        self.write(Command::VERIFY_WRQ, payload, &style, deadline, |session| {
            session.verify_style(person, deadline)
        })
    }

    /// Puts groups, time zones and combinations back to what they were when the device was new: said once.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn clear_access(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::bare(Command::CLEAR_ACC), deadline)?;
        self.refresh(deadline);
        Ok(())
    }

    /// Asks for something small and reads it.
    pub(super) fn read<T>(
        &mut self,
        asked: Command,
        payload: &[u8],
        deadline: Deadline,
        parse: impl FnOnce(&[u8]) -> Result<T, EndOfBytes>,
    ) -> Result<T, DeviceError> {
        let reply: Reply = self.ask(Request::new(asked, payload), deadline)?;
        Self::accepted(asked, &reply)?;
        parse(&reply.payload).map_err(|EndOfBytes| Self::malformed(asked))
    }

    /// Writes something small, once, unless it is so already; reads it back, and makes it effective in any case.
    pub(super) fn write<T: PartialEq>(
        &mut self,
        asked: Command,
        payload: Vec<u8>,
        wanted: &T,
        deadline: Deadline,
        read: impl Fn(&mut Self) -> Result<T, DeviceError>,
    ) -> Result<(), DeviceError> {
        let before = read(self)?;
        if before == *wanted {
            // Perhaps by an attempt that broke before it could do this.
            self.refresh(deadline);
            return Ok(());
        }
        self.effect(Request::new(asked, payload), deadline)?;
        let now = read(self).map_err(DeviceError::after_effects)?;
        self.refresh(deadline);
        DeviceError::unless_kept(asked, &before, wanted, &now)
    }
}
