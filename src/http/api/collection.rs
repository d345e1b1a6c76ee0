//! How a device's log gets into the journal: what is set, how it went the last time, and reading it now.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ask_journal;
use super::input::given;
use super::view::{moment, rfc3339};
use crate::base::clock::{Clock, wall_of};
use crate::http::call::{Call, Handled, Outcome, refused};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::journal::{CollectionStatus, DeviceSettings, LastRead};
use crate::wire::clock_word::ClockWord;

/// `GET /devices/{id}/collection`
pub fn show(call: &mut Call) -> Handled {
    call.allow(&[])?;
    let device = call.device()?;
    let status = call.gateway.collector.status(&device.id);
    let status = status.ok_or_else(not_yet)?;
    Ok(Outcome::Now(as_json(200, &shown(&status, &*call.gateway.clock))))
}

/// `PATCH /devices/{id}/collection`: what is `null` goes back to the general setting.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "given")]
    enabled: Option<Option<bool>>,
    #[serde(default, deserialize_with = "given")]
    poll_interval_seconds: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    live: Option<Option<bool>>,
    #[serde(default, deserialize_with = "given")]
    calls_between_pieces: Option<Option<bool>>,
    #[serde(default, deserialize_with = "given")]
    correct_clock: Option<Option<bool>>,
}

/// `PATCH /devices/{id}/collection`
pub fn change(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let change: Change = call.body()?;
    let device = call.device()?;
    let deadline = call.deadline()?;
    let status = call.gateway.collector.status(&device.id).ok_or_else(not_yet)?;
    change.check()?;
    let (id, of) = (device.id.clone(), device.id.clone());
    let (collector, clock) =
        (std::sync::Arc::clone(&call.gateway.collector), std::sync::Arc::clone(&call.gateway.clock));
    let general = collector.settings();
    ask_journal::write(
        call,
        deadline,
        // What is set is read where it is written: nobody else's change comes in between, and none is undone.
        move |backend| {
            let all = backend.settings()?;
            let known = all.iter().find(|(other, _)| *other == id);
            let known = known.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_default();
            let settings = change.applied(known);
            let text = (settings != DeviceSettings::default()).then(|| json!(settings).to_string());
            backend.set_settings(&id, text.as_deref())?;
            Ok(settings)
        },
        move |settings| {
            collector.configure(&of, settings);
            let status = CollectionStatus { settings, effective: settings.with(&general), ..status };
            Ok(as_json(200, &shown(&status, &*clock)))
        },
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Read {
    /// Whether all of the log is compared, and not only what may be new.
    everything: bool,
}

/// `POST /devices/{id}/collection/read`
pub fn read(call: &mut Call) -> Handled {
    call.allow(&["timeout"])?;
    let body: Read = call.body()?;
    let device = call.device()?;
    let deadline = call.deadline_or(call.gateway.table_timeout)?;
    let reply = call.later()?.shared();
    let late = reply.clone();
    let id = device.id.clone();
    call.gateway.alarms.at(deadline.instant(), move || {
        if let Some(reply) = late.take() {
            let detail = "The read goes on; GET …/collection shows how it ends.";
            reply.send(Problem::new(504, "deadline_exceeded", detail).about(&id).answer());
        }
    });
    let id = device.id.clone();
    call.gateway.collector.read_now(&device.id, body.everything, move |result| {
        if let Some(reply) = reply.take() {
            reply.result(result.map(|read| as_json(200, &last(&read))).map_err(refused(&id)));
        }
    });
    Ok(Outcome::Later)
}

impl Change {
    /// Whether it can be made.
    fn check(self) -> Result<(), Problem> {
        let Self { enabled, poll_interval_seconds, live, calls_between_pieces, correct_clock } = self;
        let nothing = enabled.is_none() && poll_interval_seconds.is_none() && live.is_none();
        if nothing && calls_between_pieces.is_none() && correct_clock.is_none() {
            return Err(Problem::bad_request("invalid_body", "The body changes nothing."));
        }
        if let Some(Some(seconds)) = poll_interval_seconds {
            let (floor, ceiling) = (DeviceSettings::POLL_FLOOR, DeviceSettings::POLL_CEILING);
            if !(floor..=ceiling).contains(&seconds) {
                let detail = format!(
                    "The field poll_interval_seconds: a whole number from {floor} to {ceiling} is needed."
                );
                return Err(Problem::bad_request("invalid_body", detail));
            }
        }
        Ok(())
    }

    fn applied(self, mut settings: DeviceSettings) -> DeviceSettings {
        let Self { enabled, poll_interval_seconds, live, calls_between_pieces, correct_clock } = self;
        settings.enabled = enabled.unwrap_or(settings.enabled);
        settings.poll_interval_seconds = poll_interval_seconds.unwrap_or(settings.poll_interval_seconds);
        settings.live = live.unwrap_or(settings.live);
        settings.calls_between_pieces = calls_between_pieces.unwrap_or(settings.calls_between_pieces);
        settings.correct_clock = correct_clock.unwrap_or(settings.correct_clock);
        settings
    }
}

fn not_yet() -> Problem {
    let detail = "The device was registered a moment ago and is not collected yet.";
    Problem { retry_after: Some(Duration::from_secs(1)), ..Problem::new(503, "not_collected_yet", detail) }
}

fn shown(status: &CollectionStatus, clock: &dyn Clock) -> Value {
    let CollectionStatus { settings, effective, .. } = status;
    json!({
        "enabled": effective.enabled,
        "poll_interval_seconds": effective.poll_interval.as_secs_f64(),
        "calls_between_pieces": effective.calls_between_pieces,
        "correct_clock": effective.correction.on,
        "set_here": settings,
        "serial_number": status.serial_number,
        "live": status.live.word(),
        "live_wanted": effective.live,
        "live_punches": status.live_punches,
        "reading": status.reading,
        "next_read": status.next_read.map(|next| rfc3339(wall_of(next, clock))),
        "last_read": status.last.as_ref().map(last),
        "complete_until": status.proved.and_then(|proved| proved.until).map(civil),
        "verified_at": status.proved.map(|proved| moment(proved.at)),
        "drift_seconds": status.drift,
    })
}

fn last(read: &LastRead) -> Value {
    json!({
        "at": moment(read.at),
        "ms": read.took,
        "result": read.result.word(),
        "detail": read.detail,
        "added": read.added,
        "completed": read.completed,
        "records": read.records,
        "blank": read.blank,
        "quarantined": read.quarantined,
        "bytes": read.fetched,
        "device_count": { "before": read.device_count.0, "after": read.device_count.1 },
    })
}

/// What a device's clock showed.
pub(super) fn civil(word: ClockWord) -> String {
    word.fields().to_string()
}
