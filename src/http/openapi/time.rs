//! The device's clock.

use serde_json::json;

use super::Document;
use super::operation::{SECONDS, timeout};
use super::problems::{ANSWER, EFFECT, SESSION};
use super::schema::{DATE, TIME, civil, form, input, object, or_null, text, truth, whole};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Clock", "The device's clock, and how far it is from ours, as civil time in the device's zone.");
    doc.schema(
        "Clocks",
        object([
            ("device_time", civil(), ""),
            ("device_time_exists", truth(), "whether there is such a time"),
            ("host_time", civil(), ""),
            ("drift_seconds", or_null(whole()), "what the device is ahead"),
            ("timezone", or_null(text()), "IANA name"),
        ]),
    );
    let time = form(&format!("^(?:{DATE})[T ]{TIME}$"));
    doc.schema(
        "TimeInput",
        input([(
            "time?",
            or_null(time),
            "civil time between 2000 and 2099, without zone or offset; the host's time, if it is left out",
        )]),
    );

    let clocks = json!({
        "device_time": "2026-11-23T18:15:43", "device_time_exists": true, "host_time": "2026-11-23T18:15:43",
        "drift_seconds": 0, "timezone": "Etc/UTC",
    });
    doc.get("/api/v1/devices/{id}/time", "getTime", "What the clock shows")
        .takes([timeout(SECONDS)])
        .answers(200, "Both clocks.", "Clocks", clocks.clone())
        .fails(&[SESSION, ANSWER]);
    doc.put("/api/v1/devices/{id}/time", "setTime", "Set the clock")
        .takes([timeout(SECONDS)])
        .body_or_none("TimeInput", json!({ "time": "2026-07-14T08:00:00" }))
        .or("now", json!({}))
        .answers(200, "Both clocks, as they are now.", "Clocks", clocks)
        .fails(&[SESSION, ANSWER, EFFECT]);
}
