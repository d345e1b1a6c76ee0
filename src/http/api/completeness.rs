//! Whether the journal has everything of a device, up to when, and what is known to be missing.

use serde_json::{Value, json};

use super::ask_journal;
use super::collection::civil;
use super::view::moment;
use super::view::rfc3339;
use crate::base::clock::wall_of;
use crate::http::call::{Call, Handled, invalid};
use crate::http::reply::json as as_json;
use crate::journal::civil::{civil_now, zone_of};
use crate::journal::completeness::{Day, Evidence};
use crate::store::journal::{Cursor, Gap};

/// What the journal says.
struct Known {
    cursor: Option<Cursor>,
    in_journal: u64,
    gaps: Vec<Gap>,
    quarantined: u64,
}

/// The most things in quarantine that are counted.
const COUNTED: u32 = 1000;

/// `GET /devices/{id}/completeness?date=`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&["date", "timeout"])?;
    let device = call.device()?;
    let zone = zone_of(device.timezone.as_deref());
    let today = civil_now(call.gateway.clock.wall(), &zone).date();
    let date = match call.parameter("date") {
        None => today,
        Some(text) => date(text).ok_or_else(|| invalid("date", "a date such as 2026-07-14 is needed"))?,
    };
    let part = |value: i8| u8::try_from(value).unwrap_or(0);
    let day = Day::new(u16::try_from(date.year()).unwrap_or(0), part(date.month()), part(date.day()));
    let day = day.ok_or_else(|| invalid("date", "a date that a device can show is needed: 2000 to 2099"))?;

    let deadline = call.deadline()?;
    let status = call.gateway.collector.status(&device.id);
    let slot = call.gateway.registry.status(&device.id);
    let clock = std::sync::Arc::clone(&call.gateway.clock);
    let serial_number = status.as_ref().and_then(|status| status.serial_number.clone());
    let serial_number = serial_number.or_else(|| device.facts.serial_number.clone());
    let (of, id) = (serial_number.clone(), device.id.clone());
    ask_journal::read(
        call,
        deadline,
        move |backend| {
            let cursor = of.as_deref().map_or(Ok(None), |of| backend.cursor(of))?;
            let in_journal = match (of.as_deref(), &cursor) {
                (Some(of), Some(cursor)) => backend.met_by(of, cursor.pass)?,
                _ => 0,
            };
            let gaps = backend.gaps(&id)?;
            let quarantined = backend.quarantined(0, COUNTED, Some(&id), Some(false))?.len() as u64;
            Ok(Known { cursor, in_journal, gaps, quarantined })
        },
        move |known| {
            let proved = status.as_ref().and_then(|status| status.proved);
            let kept = known.cursor.as_ref();
            let proved_until = proved.and_then(|proved| proved.until).or(kept.and_then(|c| c.verified_time));
            let verified_at = proved.map(|proved| proved.at).or(kept.and_then(|c| c.verified_at));
            let evidence = Evidence { proved_until, gaps: known.gaps, quarantined: known.quarantined };
            let lacks: Vec<&str> = day.lacks(&evidence).into_iter().map(|lack| lack.word()).collect();
            let up = slot.as_ref().is_some_and(|slot| slot.state.is_up());
            let offline_since = slot.filter(|_| !up).map(|slot| match slot.heard {
                Some(heard) => Value::from(rfc3339(wall_of(heard, &*clock))),
                None => Value::from(rfc3339(wall_of(slot.since, &*clock))),
            });
            Ok(as_json(
                200,
                &json!({
                    "device_id": device.id.as_str(),
                    "serial_number": serial_number,
                    "date": date.to_string(),
                    "complete": lacks.is_empty(),
                    "lacks": lacks,
                    "complete_until": proved_until.map(civil),
                    "verified_at": verified_at.map(moment),
                    "online": up,
                    "offline_since": offline_since,
                    "counts": {
                        "log_records": kept.map(|cursor| cursor.records),
                        "in_journal": known.in_journal,
                        "device_count": proved.map_or(kept.and_then(|c| c.device_count), |p| p.device_count),
                        "quarantined": known.quarantined,
                    },
                    "gaps": day.gaps(&evidence).map(gap).collect::<Vec<_>>(),
                    "all_gaps": evidence.gaps.len(),
                    "timezone": zone.iana_name(),
                }),
            ))
        },
    )
}

fn gap(gap: &Gap) -> Value {
    json!({
        "from": gap.from.map(civil),
        "to": civil(gap.to),
        "reason": gap.reason.word(),
        "noticed_at": moment(gap.noticed_at),
        "serial_number": gap.serial_number,
    })
}

/// `2026-07-14` and nothing else.
fn date(text: &str) -> Option<jiff::civil::Date> {
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| plain)
}
