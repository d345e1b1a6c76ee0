//! The device's clock, and how far it is from ours.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::info::ask;
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::journal::civil::{civil_now, drift, possible, zone_of};
use crate::registry::Terms;
use crate::wire::clock_word::{ClockWord, PossibleTime};

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
    let chosen = body.time.as_deref().map(|text| parse(text, "time")).transpose()?;
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
    json!({
        "device_time": word.fields().to_string(),
        "host_time": host.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "drift_seconds": drift(word, wall, &zone),
        "timezone": zone.iana_name(),
        "device_time_exists": word.time().is_ok(),
    })
}

/// Civil time in a field of the body.
pub(super) fn parse(text: &str, field: &str) -> Result<PossibleTime, Problem> {
    let wrong = || {
        let detail = format!(
            "The field {field} is civil time of the device between 2000 and 2099, e.g. 2026-07-14T08:00:00."
        );
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
        assert_eq!(parse("2026-07-14T08:00:00", "time").unwrap().to_string(), "2026-07-14T08:00:00");
        assert_eq!(parse("2026-07-14 08:00:00", "time").unwrap().to_string(), "2026-07-14T08:00:00");
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
            assert!(parse(bad, "time").is_err(), "{bad:?}");
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
        let months = ClockWord::pack(parse("2024-02-29T00:00:00", "time").unwrap());
        let drift = shown(months, Some("UTC"), wall)["drift_seconds"].as_i64().unwrap();
        assert!((-90_000_000..-70_000_000).contains(&drift), "{drift}: more than a day apart");
        let impossible = shown(ClockWord(744_426_123), None, wall);
        assert_eq!(impossible["device_time"].as_str(), Some("2023-02-30T01:02:03"));
        assert!(impossible["drift_seconds"].is_null());
    }
}
