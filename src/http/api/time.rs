//! The device's clock, and how far it is from ours.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::info::ask;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::registry::Terms;
use crate::wire::clock_word::{CivilTime, ClockWord, PossibleTime};

/// `GET /devices/{id}/time`
pub fn show(call: &mut Call) -> Handled {
    ask(
        call,
        |session, deadline| session.time(deadline),
        |context, word| shown(word, context.device.timezone.as_deref(), context.gateway.clock.wall()),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTime {
    /// Civil time, e.g. `2026-07-14T08:00:00`; without it, now.
    time: Option<String>,
}

/// `PUT /devices/{id}/time`
pub fn set(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let body: SetTime = call.body()?;
    let device = call.device()?;
    let zone = zone_of(device.timezone.as_deref());
    let chosen = body.time.as_deref().map(parse).transpose()?;
    let terms = Terms::effect(call.deadline()?).brief();
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?;
    let (clock, id) = (Arc::clone(&gateway.clock), device.id.clone());
    let set = move |session: &mut crate::device::Session, deadline| {
        // "Now" is taken when the device listens, not when the request came.
        let time = chosen.unwrap_or_else(|| possible(civil_now(clock.wall(), &zone)));
        session.set_time(time, deadline)?;
        session.time(deadline)
    };
    let registry = Arc::clone(&gateway.registry);
    registry.submit(&id.clone(), terms, set, move |result| {
        let now = gateway.clock.wall();
        let shaped = result.map(|word| as_json(200, &shown(word, device.timezone.as_deref(), now)));
        reply.result(shaped.map_err(refused(&id)));
    });
    Ok(Outcome::Later)
}

/// Both clocks, as civil time in the device's zone.
fn shown(word: ClockWord, timezone: Option<&str>, wall: SystemTime) -> Value {
    let zone = zone_of(timezone);
    let host = civil_now(wall, &zone);
    let device = word.time().ok().and_then(civil);
    let drift = device.map(|device| device.duration_since(host).as_secs());
    json!({
        "device_time": word.fields().to_string(),
        "host_time": host.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "drift_seconds": drift,
        "timezone": zone.iana_name(),
        "device_time_exists": word.time().is_ok(),
    })
}

/// The device's zone; the host's own where the record names none.
pub(super) fn zone_of(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

/// What a clock on the wall shows there now, to the second.
pub(super) fn civil_now(wall: SystemTime, zone: &TimeZone) -> DateTime {
    let now = Timestamp::try_from(wall).unwrap_or(Timestamp::UNIX_EPOCH);
    let civil = zone.to_datetime(now);
    civil.with().subsec_nanosecond(0).build().unwrap_or(civil)
}

/// A civil time as a device can hold it; the bounds are those of its clock.
pub(super) fn possible(civil: DateTime) -> PossibleTime {
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let time = CivilTime {
        year: u16::try_from(civil.year()).unwrap_or(0),
        month: part(civil.month()),
        day: part(civil.day()),
        hour: part(civil.hour()),
        minute: part(civil.minute()),
        second: part(civil.second()),
    };
    PossibleTime::new(time).unwrap_or(PossibleTime::FIRST)
}

fn civil(time: PossibleTime) -> Option<DateTime> {
    let CivilTime { year, month, day, hour, minute, second } = time.civil();
    let part = |value: u8| i8::try_from(value).ok();
    let year = i16::try_from(year).ok()?;
    DateTime::new(year, part(month)?, part(day)?, part(hour)?, part(minute)?, part(second)?, 0).ok()
}

fn parse(text: &str) -> Result<PossibleTime, Problem> {
    let wrong = || {
        let detail =
            "The field time is civil time of the device between 2000 and 2099, e.g. 2026-07-14T08:00:00.";
        Problem::bad_request("invalid_body", detail)
    };
    // A zone or an offset would be ignored by the parser, and that would be a wrong time set in silence.
    let plain = text.len() == 19 && text.bytes().all(|b| b.is_ascii_digit() || b"-T: ".contains(&b));
    let time: DateTime = text.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    let year = (2000..=2099).contains(&time.year());
    if year { Ok(possible(time)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_civil_time_is_taken() {
        assert_eq!(parse("2026-07-14T08:00:00").unwrap().to_string(), "2026-07-14T08:00:00");
        assert_eq!(parse("2026-07-14 08:00:00").unwrap().to_string(), "2026-07-14T08:00:00");
        for bad in [
            "",
            "now",
            "2026-02-30T00:00:00",
            "2026-07-14T08:00:00Z",
            "2026-07-14T08:00:00+03:00",
            "1999-12-31T23:59:59",
            "2100-01-01T00:00:00",
            "2026-07-14",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn drift_is_what_the_device_is_ahead() {
        let wall = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_784_000_000);
        let zone = zone_of(Some("Asia/Baghdad"));
        let host = possible(civil_now(wall, &zone));
        let ahead = ClockWord(ClockWord::pack(host).0 + 90);
        let body = shown(ahead, Some("Asia/Baghdad"), wall);
        assert_eq!(
            (body["drift_seconds"].as_i64(), body["timezone"].as_str()),
            (Some(90), Some("Asia/Baghdad"))
        );
        let months = ClockWord::pack(parse("2024-02-29T00:00:00").unwrap());
        let drift = shown(months, Some("UTC"), wall)["drift_seconds"].as_i64().unwrap();
        assert!((-90_000_000..-70_000_000).contains(&drift), "{drift}: more than a day apart");
        let impossible = shown(ClockWord(744_426_123), None, wall);
        assert_eq!(impossible["device_time"].as_str(), Some("2023-02-30T01:02:03"));
        assert!(impossible["drift_seconds"].is_null());
    }
}
