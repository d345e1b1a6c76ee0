//! Devices.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

use super::paging::{Asked, Next, no_page};
use super::row::here;
use super::{given, nothing};
use crate::base::clock::{millis, wall_of};
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome};
use crate::http::gateway::Gateway;
use crate::http::reply::json as as_json;
use crate::registry::SlotStatus;
use crate::store::device::{Device, Status};

/// One device. Texts that clients take for granted are empty where nothing is known, everything else is `null`.
#[derive(Debug, Serialize)]
struct Terminal<'d> {
    /// A number where the device's id is one.
    id: Value,
    sn: String,
    ip_address: &'d str,
    alias: &'d str,
    terminal_name: Option<&'d str>,
    fw_ver: Option<&'d str>,
    push_ver: Option<&'d str>,
    state: Option<u8>,
    terminal_tz: Option<i32>,
    area: Option<Value>,
    last_activity: Option<String>,
    user_count: Option<u32>,
    fp_count: Option<u32>,
    face_count: Option<u32>,
    palm_count: Option<u32>,
    transaction_count: Option<u32>,
    push_time: Option<String>,
    transfer_time: Option<String>,
    transfer_interval: Option<u32>,
    is_attendance: Option<u8>,
    area_name: Option<&'d str>,
}

/// `GET /iclock/api/terminals/` and `GET /iclock/api/devices/`
pub(super) fn list(call: &mut Call) -> Handled {
    let asked = Asked::of(call, "/iclock/api/terminals/")?;
    let devices = call.gateway.store.devices();
    let slots: HashMap<DeviceId, SlotStatus> =
        call.gateway.registry.statuses().into_iter().map(|slot| (slot.id.clone(), slot)).collect();
    let given = |name| given(call, name);
    let (sn, alias) = (given("sn"), given("alias"));
    let part = |name| given(name).map(str::to_lowercase);
    let (sn_part, alias_part) = (part("sn_icontains"), part("alias_icontains"));
    let holds = |text: &str, part: &Option<String>| {
        part.as_ref().is_none_or(|part| text.to_lowercase().contains(part.as_str()))
    };
    let all: Vec<&Arc<Device>> = devices
        .iter()
        .filter(|device| {
            let serial = serial(device, slots.get(&device.id));
            sn.is_none_or(|sn| serial == sn)
                && alias.is_none_or(|alias| device.name == alias)
                && holds(&serial, &sn_part)
                && holds(&device.name, &alias_part)
        })
        .collect();
    let size = asked.size as usize;
    let begin = usize::try_from(asked.page - 1).unwrap_or(usize::MAX).saturating_mul(size);
    if begin > 0 && begin >= all.len() {
        return Err(no_page());
    }
    let page = all.iter().skip(begin).take(size);
    let data: Vec<_> =
        page.map(|device| Terminal::of(device, slots.get(&device.id), &call.gateway)).collect();
    let next = (begin.saturating_add(size) < all.len()).then_some(Next::Page);
    Ok(Outcome::Now(asked.answer(all.len() as u64, next, &data)))
}

/// `GET /iclock/api/terminals/{id}/` and `GET /iclock/api/devices/{id}/`
pub(super) fn one(call: &mut Call) -> Handled {
    let device = call.device().map_err(|_| nothing())?;
    let slot = call.gateway.registry.status(&device.id);
    Ok(Outcome::Now(as_json(200, &Terminal::of(&device, slot.as_ref(), &call.gateway))))
}

impl<'d> Terminal<'d> {
    fn of(device: &'d Device, slot: Option<&SlotStatus>, gateway: &Gateway) -> Self {
        let clock = &*gateway.clock;
        let heard = slot.and_then(|slot| slot.heard).map(|heard| wall_of(heard, clock)).max(device.last_seen);
        let id = device.id.as_str();
        Self {
            id: id.parse::<u64>().map_or_else(|_| id.into(), Value::from),
            sn: serial(device, slot),
            ip_address: &device.ip_address,
            alias: &device.name,
            terminal_name: device.facts.device_name.as_deref(),
            fw_ver: device.facts.firmware_version.as_deref(),
            push_ver: None,
            state: state(device, slot),
            terminal_tz: device.timezone.as_deref().and_then(|zone| whole_hours(zone, clock.wall())),
            area: None,
            last_activity: heard.and_then(|heard| here(millis(heard), &TimeZone::system())),
            user_count: None,
            fp_count: None,
            face_count: None,
            palm_count: None,
            transaction_count: None,
            push_time: None,
            transfer_time: None,
            transfer_interval: None,
            is_attendance: None,
            area_name: None,
        }
    }
}

/// Who answered the last time, or who should.
fn serial(device: &Device, slot: Option<&SlotStatus>) -> String {
    let answered = slot.and_then(|slot| slot.serial_number.clone());
    answered.or_else(|| device.facts.serial_number.clone()).unwrap_or_default()
}

/// 1 for a device that is there, 0 for one that is not, nothing as long as that is not known.
fn state(device: &Device, slot: Option<&SlotStatus>) -> Option<u8> {
    if slot.is_some_and(|slot| slot.state.is_up()) {
        return Some(1);
    }
    match device.status {
        _ if slot.is_some_and(|slot| slot.failures > 0 || slot.disabled.is_some()) => Some(0),
        Status::Up => Some(1),
        Status::Down => Some(0),
        Status::Unknown => None,
    }
}

/// How far a zone's clocks are ahead of UTC now, where that is whole hours.
fn whole_hours(zone: &str, now: std::time::SystemTime) -> Option<i32> {
    let offset = TimeZone::get(zone).ok()?.to_offset(Timestamp::try_from(now).ok()?).seconds();
    (offset % 3600 == 0).then_some(offset / 3600)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_zone_that_is_no_whole_hours_off_is_not_rounded() {
        assert_eq!(whole_hours("Asia/Baghdad", SystemTime::UNIX_EPOCH), Some(3));
        assert_eq!(whole_hours("Asia/Kolkata", SystemTime::UNIX_EPOCH), None);
        assert_eq!(whole_hours("Nowhere/Land", SystemTime::UNIX_EPOCH), None);
    }
}
