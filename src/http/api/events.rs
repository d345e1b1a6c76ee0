//! What happens at the devices besides punches: alarms, buttons, doors, who was verified, devices that come and go.
//!
//! The newest are in memory, and nowhere else. Whoever comes from before the restart of the service, or later than
//! memory reaches back, is told that something is missing.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::punches::devices;
use super::view::moment;
use crate::base::ids::DeviceId;
use crate::http::call::{Call, Handled, Outcome, invalid};
use crate::http::follow::{self, Source};
use crate::http::problem::Problem;
use crate::http::reply::json as as_json;
use crate::registry::recent::{Happened, Place, RecentEvents, What};
use crate::wire::event::{Alarm, BUTTON, ENROLL_USER, Enrolment, Event, UNLOCK};

/// Events that a follower takes at a time.
const AT_ONCE: usize = 128;

/// `GET /events?after=`
pub fn list(call: &mut Call) -> Handled {
    call.allow(&["after", "limit", "device"])?;
    let limit = usize::try_from(call.number("limit", 100, 1, 1000)?).unwrap_or(1);
    let (after, devices) = (after(call)?, devices(call)?);
    let page = call.gateway.recent.behind(after, limit);
    let data: Vec<Value> =
        page.events.iter().filter(|event| chosen(&devices, event)).map(|event| shown(event)).collect();
    let body = json!({
        "data": data,
        "missed": page.missed,
        "next_after": page.next.to_string(),
        "more": page.more,
    });
    Ok(Outcome::Now(as_json(200, &body)))
}

/// `GET /events/stream`
pub fn stream(call: &mut Call) -> Handled {
    call.allow(&["after", "device"])?;
    let after = follow::begins_after(call, Place::parse, after)?;
    let devices = devices(call)?;
    let recent = Arc::clone(&call.gateway.recent);
    let gateway = Arc::clone(&call.gateway);
    let reply = call.later()?;
    if reply.is_head_only() {
        reply.send(follow::head());
        return Ok(Outcome::Later);
    }
    let after = after.unwrap_or_else(|| recent.head());
    let clock = Arc::clone(&gateway.clock);
    let follower = Follower { recent, devices, after, told: after };
    gateway.followers.follow(reply, move |reply| follow::run(reply, &clock, follower));
    Ok(Outcome::Later)
}

fn after(call: &Call) -> Result<Option<Place>, Problem> {
    let place = |text| Place::parse(text).ok_or_else(|| invalid("after", "the id of an event is needed"));
    call.parameter("after").map(place).transpose()
}

fn chosen(devices: &[DeviceId], event: &Happened) -> bool {
    devices.is_empty() || devices.contains(&event.device_id)
}

struct Follower {
    recent: Arc<RecentEvents>,
    devices: Vec<DeviceId>,
    /// All events up to this one have been looked at.
    after: Place,
    /// The last one that the client knows.
    told: Place,
}

impl Source for Follower {
    fn is_closed(&self) -> bool {
        self.recent.is_closed()
    }

    fn tell(&mut self, until: Instant, made: &mut Vec<u8>) {
        let page = self.recent.behind(Some(self.after), AT_ONCE);
        if page.missed {
            // Writing to memory does not fail.
            let _ = write!(made, "event: missed\ndata: {}\n\n", json!({ "after": self.after.to_string() }));
        } else if page.events.is_empty() {
            return self.recent.wait_beyond(self.after, until);
        }
        for event in page.events.iter().filter(|event| chosen(&self.devices, event)) {
            self.told = event.place;
            let shown = shown(event);
            let _ = write!(made, "id: {}\nevent: {}\ndata: {shown}\n\n", event.place, word(&event.what));
        }
        self.after = page.next;
    }

    fn beat(&mut self, made: &mut Vec<u8>) {
        if self.told != self.after {
            self.told = self.after;
            let _ = writeln!(made, "id: {}", self.told);
        }
    }
}

fn shown(happened: &Happened) -> Value {
    let Happened { place, at, device_id, serial_number, what } = happened;
    let mut shown = json!({
        "id": place.to_string(),
        "at": moment(*at),
        "device_id": device_id.as_str(),
        "serial_number": serial_number,
        "event": word(what),
    });
    if let Some(members) = shown.as_object_mut() {
        members.extend(details(what));
    }
    shown
}

/// The word for an event.
const fn word(what: &What) -> &'static str {
    match what {
        What::Up => "device_up",
        What::Down(_) => "device_down",
        What::Lost(_) => "events_lost",
        What::Told(event) => match event {
            Event::Punch { .. } | Event::Unreadable { .. } => "punch",
            Event::Finger => "finger",
            Event::Score(_) => "finger_score",
            Event::Enrolment(Enrolment::Done { .. }) => "finger_enrolled",
            Event::Enrolment(Enrolment::Failed { .. }) => "finger_not_enrolled",
            Event::Verification(_) => "verification",
            Event::Alarm(_) => "alarm",
            Event::Other { code: ENROLL_USER, .. } => "user_enrolled",
            Event::Other { code: BUTTON, .. } => "button",
            Event::Other { code: UNLOCK, .. } => "unlock",
            Event::Other { .. } => "other",
        },
    }
}

fn details(what: &What) -> Map<String, Value> {
    let details = match what {
        What::Down(cause) => json!({ "cause": cause }),
        What::Lost(count) => json!({ "count": count }),
        What::Told(Event::Score(score)) => json!({ "score": score }),
        What::Told(Event::Enrolment(Enrolment::Done { user_id, finger, .. })) => {
            json!({ "user_id": user_id.to_text(), "finger": finger })
        }
        What::Told(Event::Enrolment(Enrolment::Failed { result })) => json!({ "result": result }),
        What::Told(Event::Verification(uid)) => json!({ "uid": uid }),
        What::Told(Event::Alarm(alarm)) => of_alarm(*alarm),
        What::Told(Event::Other { code, length }) => json!({ "code": code, "bytes": length }),
        _ => Value::Null,
    };
    match details {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn of_alarm(alarm: Alarm) -> Value {
    match alarm {
        Alarm::Misoperation => json!({ "alarm": "misoperation" }),
        Alarm::Tamper => json!({ "alarm": "tamper" }),
        Alarm::ExitButton => json!({ "alarm": "exit_button" }),
        Alarm::DoorClosing => json!({ "alarm": "door_closing" }),
        Alarm::Duress { uid, .. } => json!({ "alarm": "duress", "uid": uid }),
        Alarm::Passback { uid, .. } => json!({ "alarm": "passback", "uid": uid }),
    }
}
