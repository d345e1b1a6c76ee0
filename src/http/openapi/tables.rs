//! The log of a device, as it is.

use serde_json::{Value, json};

use super::Document;
use super::operation::timeout;
use super::problems::{ANSWER, SESSION, TABLE};
use super::schema::{between, civil, count, list, named, object, only, or_null, text};

/// What `timeout` is for a whole table.
pub(super) const SECONDS: &str = "the deadline, in seconds; 120 if it is left out";

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Attendance", "The whole log, in the device's order: complete, or an error.");
    doc.schema("AttendanceRecord", record());
    doc.schema(
        "AttendanceTable",
        object([
            ("count", count(), ""),
            ("complete", only(true), ""),
            ("blank", count(), "empty records, which are left out"),
            ("data", list(&named("AttendanceRecord")), ""),
        ]),
    );

    doc.get("/api/v1/devices/{id}/attendance", "listAttendance", "The device's own log")
        .tells("For payroll rather take the journal's punches, which ask no device.")
        .takes([timeout(SECONDS)])
        .answers(
            200,
            "All of it.",
            "AttendanceTable",
            json!({
                "count": 1, "complete": true, "blank": 0, "data": [{
                    "user_id": "1017", "timestamp": "2026-11-23T11:27:15", "punch_state": 1, "verify_mode": 0,
                    "work_code": 0,
                }],
            }),
        )
        .fails(&[SESSION, ANSWER, TABLE]);
}

fn record() -> Value {
    object([
        ("user_id", or_null(text()), "`null` where nobody has the index any more"),
        ("timestamp", civil(), "civil time, as the device stored it"),
        ("punch_state", between(0, 255), "mostly 0 in, 1 out"),
        ("verify_mode", between(0, 255), "mostly 0 password, 1 fingerprint, 15 face"),
        ("work_code", count(), ""),
        ("uid?", between(0, 65535), "where old firmware stores only that"),
        ("impossible_time?", only(true), "there is no such time"),
    ])
}
