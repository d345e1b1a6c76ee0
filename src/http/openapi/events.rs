//! What happens at the devices besides punches.

use serde_json::{Value, json};

use super::Document;
use super::operation::{header, query};
use super::problems::Case;
use super::schema::{
    DEVICE_ID, between, count, form, list, moment, named, object, or_null, text, truth, with, word,
};

const KINDS: &[&str] = &[
    "device_up",
    "device_down",
    "events_lost",
    "punch",
    "finger",
    "finger_score",
    "finger_enrolled",
    "finger_not_enrolled",
    "verification",
    "alarm",
    "user_enrolled",
    "button",
    "unlock",
    "other",
];
const FULL: &[Case] = &[(503, "too_many_followers")];

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Events",
        "Alarms, buttons, doors, who was verified, devices that come and go. The newest 1000 are in memory, and \
         nowhere else: what must not be lost is in the journal.",
    );
    doc.schema("Event", event());
    doc.schema(
        "EventPage",
        object([
            ("data", list(&named("Event")), "the oldest first"),
            (
                "missed",
                truth(),
                "something is missing before them: the service was restarted, or it is too long ago",
            ),
            ("next_after", text(), "`after` for the next page"),
            ("more", truth(), ""),
        ]),
    );
    let place = || form("^[0-9]{1,20}-[0-9]{1,20}$");
    let device = || {
        query(
            "device",
            form(&format!("^{DEVICE_ID}(?:,{DEVICE_ID}){{0,49}}$")),
            "only of these devices, up to 50 with commas between them",
        )
        .such_as("1")
    };
    let shown = json!({
        "id": "1794000000000-7", "at": "2026-11-25T05:41:02.115Z", "device_id": "1",
        "serial_number": "SIM0000000001", "event": "alarm", "alarm": "tamper",
    });
    doc.get("/api/v1/events", "listEvents", "The newest events")
        .takes([
            query("after", place(), "events behind this one; the oldest in memory if it is left out"),
            query("limit", with(between(1, 1000), "default", 100), "how many at the most").such_as(10),
            device(),
        ])
        .answers(
            200,
            "A page.",
            "EventPage",
            json!({
                "data": [shown.clone()], "missed": false, "next_after": "1794000000000-7", "more": false,
            }),
        );
    let stream = format!("id: 1794000000000-7\nevent: alarm\ndata: {shown}\n\n");
    doc.get("/api/v1/events/stream", "streamEvents", "Events as they come")
        .tells("Server-sent events. An event `missed` says that something is missing. Comments come when nothing else does.")
        .takes([
            query("after", place(), "events behind this one; only new ones if it is left out"),
            device(),
            header("Last-Event-ID", place(), "the same as `after`, as browsers send it"),
        ])
        .answers_as(200, "Events without end.", [("text/event-stream", text(), stream.into())])
        .fails(&[FULL]);
}

fn event() -> Value {
    object([
        ("id", text(), "its place"),
        ("at", moment(), "when the service heard of it"),
        ("device_id", text(), ""),
        ("serial_number", or_null(text()), ""),
        ("event", word(KINDS), ""),
        ("cause?", or_null(text()), "why a device is down, as a code"),
        ("count?", count(), "how many gave way"),
        ("score?", count(), "of a finger, from 0 to 100"),
        ("user_id?", text(), ""),
        ("finger?", count(), ""),
        ("result?", count(), "the device's number for why it failed"),
        ("uid?", or_null(count()), "the device's internal index of the person"),
        (
            "alarm?",
            word(&["misoperation", "tamper", "exit_button", "door_closing", "duress", "passback"]),
            "",
        ),
        ("code?", count(), "of an event that is known by its number alone"),
        ("bytes?", count(), "of its payload"),
    ])
}
