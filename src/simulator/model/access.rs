//! Who may pass when: groups, time zones, unlock combinations, and how people are verified.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DeviceModel, Exchange};
use crate::simulator::outgoing::Outgoing;
use crate::wire::access::{Combination, DaySpan, GroupZones, TimeZone};
use crate::wire::bytes::Reader;
use crate::wire::command::Command;
use crate::wire::record::user::{TimeZones, UserLayout};

/// What differs from a new device.
#[derive(Debug, Default)]
pub(super) struct Access {
    groups: BTreeMap<u8, GroupZones>,
    zones: BTreeMap<u16, TimeZone>,
    combinations: BTreeMap<u8, Combination>,
    styles: BTreeMap<u16, u8>,
}

/// The highest number of a group.
const GROUPS: u8 = 99;
/// Bytes of a verification style, its uid and flag included.
const STYLE: usize = 24;

impl DeviceModel {
    pub(super) fn access(&mut self, ex: Exchange, payload: &[u8], out: &mut Vec<Outgoing>) {
        let answer = match ex.request {
            Command::USERGRP_RRQ => self.group_of(payload),
            Command::USERGRP_WRQ => self.put_into_group(payload),
            Command::USERTZ_RRQ => self.zones_of(payload),
            Command::USERTZ_WRQ => self.set_zones_of(payload),
            Command::GRPTZ_RRQ => payload.first().and_then(|group| self.group(*group)),
            Command::GRPTZ_WRQ => self.set_group(payload),
            Command::TZ_RRQ => self.zone(payload),
            Command::TZ_WRQ => self.set_zone(payload),
            Command::ULG_RRQ => payload.first().and_then(|index| self.combination(*index)),
            Command::ULG_WRQ => self.set_combination(payload),
            Command::VERIFY_RRQ => self.style(payload),
            Command::VERIFY_WRQ => self.set_style(payload),
            _ => {
                self.access = Access::default();
                Some(Vec::new())
            }
        };
        match answer {
            Some(data) => ex.give(data, out),
            None => ex.say(Command::ACK_ERROR, out),
        }
    }

    fn group_of(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let uid = uid(payload)?;
        let user = self.users.rows().iter().find(|user| user.uid == uid)?;
        Some(vec![user.group])
    }

    fn put_into_group(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let group = payload.get(4).copied()?;
        let at = if self.traits.users == UserLayout::Compact { 21 } else { 39 };
        self.change_person(uid(payload)?, at, &[group])
    }

    fn zones_of(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let uid = uid(payload)?;
        let user = self.users.rows().iter().find(|user| user.uid == uid)?;
        Some(match user.time_zones {
            TimeZones::Set(set) => {
                let zones: Vec<u32> = (0..16).filter(|bit| set >> bit & 1 == 1).map(|bit| bit + 1).collect();
                let zone = |index: usize| zones.get(index).copied().unwrap_or_default();
                let count = u32::try_from(zones.len().min(3)).unwrap_or_default();
                [count, zone(0), zone(1), zone(2)].map(u32::to_le_bytes).concat()
            }
            TimeZones::List { flag, zones: [a, b, c] } => {
                [u16::from(flag == 0), a, b, c].map(u16::to_le_bytes).concat()
            }
        })
    }

    fn set_zones_of(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::new(payload);
        let uid = u16::try_from(reader.u32().ok()?).ok()?;
        let own = reader.u32().ok()? == 1;
        let mut zone = || u16::try_from(reader.u32().ok()?).ok();
        let zones = [zone()?, zone()?, zone()?];
        if self.traits.users == UserLayout::Compact {
            let set = zones.iter().filter(|zone| (1..=16).contains(*zone));
            let set = set.fold(0u16, |set, zone| set | 1 << (zone - 1));
            return self.change_person(uid, 22, &set.to_le_bytes());
        }
        let [a, b, c] = zones;
        self.change_person(uid, 40, &[u16::from(own), a, b, c].map(u16::to_le_bytes).concat())
    }

    fn change_person(&mut self, uid: u16, at: usize, new: &[u8]) -> Option<Vec<u8>> {
        let layout = self.traits.users;
        let known = self.users.rows().iter().position(|user| user.uid == uid)?;
        let person = Arc::make_mut(&mut self.users).rows_mut().get_mut(known)?;
        person.change(layout, at, new);
        Some(Vec::new())
    }

    fn group(&self, group: u8) -> Option<Vec<u8>> {
        let new = GroupZones { group, zones: [1, 0, 0], holidays: false, verify_style: 0 };
        let known = self.access.groups.get(&group).copied().unwrap_or(new);
        (1..=GROUPS).contains(&group).then(|| known.emit().to_vec())
    }

    fn set_group(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let zones = GroupZones::parse(payload).ok().filter(|zones| (1..=GROUPS).contains(&zones.group))?;
        self.access.groups.insert(zones.group, zones);
        Some(Vec::new())
    }

    fn zone(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let index = u16::try_from(Reader::new(payload).u32().ok()?).ok()?;
        let new = TimeZone { index, days: [DaySpan::ALWAYS; 7] };
        let known = self.access.zones.get(&index).copied().unwrap_or(new);
        (1..=TimeZone::LAST).contains(&index).then(|| known.emit())
    }

    fn set_zone(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let zone = TimeZone::parse_write(payload).ok()?;
        let possible = (1..=TimeZone::LAST).contains(&zone.index) && zone.days.iter().all(|day| day.exists());
        if !possible {
            return None;
        }
        self.access.zones.insert(zone.index, zone);
        Some(Vec::new())
    }

    fn combination(&self, index: u8) -> Option<Vec<u8>> {
        let first = if index == 1 { 1 } else { 0 };
        let new = Combination { index, groups: [first, 0, 0, 0, 0] };
        let known = self.access.combinations.get(&index).copied().unwrap_or(new);
        (1..=Combination::LAST).contains(&index).then(|| known.emit().to_vec())
    }

    fn set_combination(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let wanted = Combination::parse(payload).ok()?;
        if !(1..=Combination::LAST).contains(&wanted.index) {
            return None;
        }
        self.access.combinations.insert(wanted.index, wanted);
        Some(Vec::new())
    }

    fn style(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let uid = Reader::new(payload).u16().ok()?;
        self.users.rows().iter().find(|user| user.uid == uid)?;
        let mut answer = uid.to_le_bytes().to_vec();
        answer.push(self.access.styles.get(&uid).copied().unwrap_or_default());
        answer.resize(STYLE, 0);
        Some(answer)
    }

    fn set_style(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut reader = Reader::new(payload);
        let (uid, style) = (reader.u16().ok()?, reader.u8().ok()?);
        self.users.rows().iter().find(|user| user.uid == uid).filter(|_| payload.len() == STYLE)?;
        self.access.styles.insert(uid, style);
        Some(Vec::new())
    }
}

/// The person that a request names: four bytes.
fn uid(payload: &[u8]) -> Option<u16> {
    u16::try_from(Reader::new(payload).u32().ok()?).ok()
}
