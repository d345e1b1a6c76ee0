//! The tables of a device: users, attendance.

use serde_json::{Value, json};

use super::Document;
use super::operation::timeout;
use super::problems::{ANSWER, SESSION, TABLE};
use super::schema::{between, civil, count, list, named, object, only, or_null, text, truth, word};

/// What `timeout` is for a whole table.
const SECONDS: &str = "the deadline, in seconds; 120 if it is left out";

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Users and attendance", "Whole tables, in the device's order: complete, or an error.");
    doc.schema("User", user());
    doc.schema(
        "UserTable",
        object([("count", count(), ""), ("complete", only(true), ""), ("data", list(&named("User")), "")]),
    );
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

    doc.get("/api/v1/devices/{id}/users", "listUsers", "The people that the device knows")
        .tells("Passwords are never shown.")
        .takes([timeout(SECONDS)])
        .answers(200, "All of them.", "UserTable", json!({
            "count": 1, "complete": true, "data": [{
                "user_id": "1001", "uid": 1, "name": "Carla Adams", "privilege": "administrator",
                "privilege_code": 14, "enabled": true, "card_number": 0, "group": 1, "has_password": false,
            }],
        }))
        .fails(&[SESSION, ANSWER, TABLE]);
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

fn user() -> Value {
    object([
        ("user_id", text(), "what the person types in"),
        ("uid", between(0, 65535), "the device's internal index"),
        ("name", text(), ""),
        ("privilege", word(&["user", "enroller", "manager", "administrator"]), ""),
        ("privilege_code", between(0, 255), "the byte behind it"),
        ("enabled", truth(), ""),
        ("card_number", count(), "0 for none"),
        ("group", between(0, 255), ""),
        ("has_password", truth(), ""),
        ("name_is_utf8?", only(false), "the name is in another encoding"),
    ])
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
