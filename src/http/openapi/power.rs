//! Restarting a device, and making it speak.

use serde_json::json;

use super::Document;
use super::operation::{SECONDS, key, timeout};
use super::problems::{ANSWER, EFFECT, NOTED, SESSION};
use super::schema::{between, count, input, object, only, with};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Power and voice", "Restarting a device, and making it speak.");
    doc.schema("Restarted", object([("restarted", only(true), ""), ("operation_id?", count(), "")]));
    doc.schema("Played", object([("played", only(true), ""), ("operation_id?", count(), "")]));
    let index = with(between(0, u64::from(u32::MAX)), "default", 0);
    doc.schema(
        "Voice",
        input([("index?", index, "0 says \"thank you\", 10 beeps; others depend on the firmware")]),
    );

    doc.post("/api/v1/devices/{id}/restart", "restartDevice", "Restart a device")
        .tells(
            "That ends the session; it comes back when the device does. A device that neither answers nor ends the \
             connection has restarted if it has forgotten the session (`device_silent` if it has not); if it does not \
             say anything, it is `outcome_unknown`.",
        )
        .takes([timeout(SECONDS), key()])
        .no_body()
        .answers(200, "It restarts.", "Restarted", json!({ "restarted": true, "operation_id": 7 }))
        .fails(&[SESSION, ANSWER, EFFECT, NOTED]);
    doc.schema("SwitchedOff", object([("off", only(true), ""), ("operation_id?", count(), "")]));
    doc.post("/api/v1/devices/{id}/power-off", "powerOff", "Switch a device off")
        .tells(
            "Only somebody who stands before it switches it on again. `outcome_unknown` if it falls silent without a \
             word: perhaps it is off, perhaps it has not heard it.",
        )
        .takes([timeout(SECONDS), key()])
        .body_or_none("Confirm", json!({ "confirm": true }))
        .answers(200, "It is off.", "SwitchedOff", json!({ "off": true, "operation_id": 7 }))
        .fails(&[SESSION, ANSWER, EFFECT, NOTED, &[(409, "confirmation_needed")]]);
    doc.post("/api/v1/devices/{id}/test-voice", "testVoice", "Let a device say something")
        .takes([timeout(SECONDS), key()])
        .body_or_none("Voice", json!({ "index": 10 }))
        .answers(200, "It was said.", "Played", json!({ "played": true, "operation_id": 7 }))
        .fails(&[SESSION, ANSWER, EFFECT, NOTED]);
}
