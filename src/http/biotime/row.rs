//! A punch as that server shows it. What zkgate does not know is `null`; a person or serial number that is not known
//! is an empty text, because clients take these for texts.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::store::DeviceList;
use crate::store::journal::Row;
use crate::wire::clock_word::CivilTime;

/// One punch.
#[derive(Debug, Serialize)]
pub(super) struct Transaction<'r> {
    id: u64,
    emp: Option<u64>,
    emp_code: String,
    first_name: Option<&'r str>,
    last_name: Option<&'r str>,
    department: Option<&'r str>,
    position: Option<&'r str>,
    punch_time: String,
    punch_state: String,
    punch_state_display: Option<&'static str>,
    verify_type: u8,
    verify_type_display: Option<&'static str>,
    work_code: Option<String>,
    gps_location: Option<&'r str>,
    area_alias: Option<&'r str>,
    terminal_sn: &'r str,
    temperature: Option<f64>,
    is_mask: Option<&'r str>,
    terminal_alias: Option<&'r str>,
    upload_time: Option<String>,
}

impl<'r> Transaction<'r> {
    /// A row, with what its device is called now; `zone` is the service's own.
    pub(super) fn of(row: &'r Row, devices: &'r DeviceList, zone: &TimeZone) -> Self {
        let record = &row.record;
        let name = devices.get(&row.device_id).map(|device| device.name.as_str());
        Self {
            id: row.seq,
            emp: None,
            emp_code: record.user_id.map(|user| user.to_text().into_owned()).unwrap_or_default(),
            first_name: None,
            last_name: None,
            department: None,
            position: None,
            punch_time: civil(record.time.fields()),
            punch_state: record.punch_state.to_string(),
            punch_state_display: state(record.punch_state),
            verify_type: record.verify_mode,
            verify_type_display: verified(record.verify_mode),
            work_code: record.work_code.map(|code| code.to_string()),
            gps_location: None,
            area_alias: None,
            terminal_sn: &row.serial_number,
            temperature: None,
            is_mask: None,
            terminal_alias: name.filter(|name| !name.is_empty()),
            upload_time: here(row.received_at, zone),
        }
    }
}

/// Civil time as that server writes it.
fn civil(time: CivilTime) -> String {
    time.to_string().replacen('T', " ", 1)
}

/// What the service's own clock on the wall showed then.
pub(super) fn here(millis: i64, zone: &TimeZone) -> Option<String> {
    let moment = Timestamp::from_millisecond(millis).ok()?;
    Some(zone.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

const fn state(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "Check In",
        1 => "Check Out",
        2 => "Break Out",
        3 => "Break In",
        4 => "Overtime In",
        5 => "Overtime Out",
        255 => "Unknown",
        _ => return None,
    })
}

/// Only those that mean the same everywhere.
const fn verified(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "Fingerprint",
        4 => "Card",
        15 => "Face",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_the_wall_shows_them() {
        let baghdad = TimeZone::get("Asia/Baghdad").unwrap();
        assert_eq!(here(1_784_005_201_070, &baghdad).as_deref(), Some("2026-07-14 08:00:01"));
        assert_eq!(here(i64::MAX, &baghdad), None);
    }
}
