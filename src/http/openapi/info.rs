//! Who a device is and how full it is.

use serde_json::{Value, json};

use super::Document;
use super::devices;
use super::operation::{SECONDS, timeout};
use super::problems::{ANSWER, SESSION};
use super::schema::{count, named, object, or_null, text, with};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Information", "What a device says of itself. What it does not tell is `null`.");
    doc.schema("Info", info());
    let refreshed = devices::device().into_iter().chain([("info", named("Info"), "what it said just now")]);
    doc.schema("RefreshedDevice", object(refreshed));
    doc.schema("Serial", object([("serial_number", or_null(text()), "")]));
    doc.schema("Capacity", capacity());

    let found = json!({
        "serial_number": "SIM0000000001", "device_name": "K40", "firmware_version": "Ver 6.60 (build39)",
        "platform": "ZMM220_TFT", "mac_address": "00:17:61:00:00:01", "vendor": "ZKTeco Inc.",
        "fingerprint_version": "10", "face_version": "7", "users": 50, "user_capacity": 10000, "attendance": 500,
        "attendance_capacity": 200_000, "fingerprints": 0, "fingerprint_capacity": 6000, "faces": 0,
        "face_capacity": 400,
    });
    doc.get("/api/v1/devices/{id}/info", "getInfo", "What the device says of itself")
        .takes([timeout(SECONDS)])
        .answers(200, "What it said.", "Info", found.clone())
        .fails(&[SESSION, ANSWER]);
    doc.post(
        "/api/v1/devices/{id}/info/refresh",
        "refreshInfo",
        "The same, and keep it in the device's record",
    )
    .takes([timeout(SECONDS)])
    .no_body()
    .answers(200, "The record, with what it said.", "RefreshedDevice", with(devices::shown(), "info", found))
    .fails(&[SESSION, ANSWER]);
    doc.get("/api/v1/devices/{id}/serial", "getSerial", "The serial number")
        .takes([timeout(SECONDS)])
        .answers(200, "The serial number.", "Serial", json!({ "serial_number": "SIM0000000001" }))
        .fails(&[SESSION, ANSWER]);
    doc.get("/api/v1/devices/{id}/capacity", "getCapacity", "How full the device is")
        .tells("The counts are what the device says; some firmware says zero, or numbers that do not fit its tables.")
        .takes([timeout(SECONDS)])
        .answers(200, "How full it is.", "Capacity", json!({
            "users": { "used": 50, "capacity": 10000, "free": 9950 },
            "attendance": { "used": 500, "capacity": 200_000, "free": 199_500 },
            "fingerprints": { "used": 0, "capacity": 6000, "free": 6000 },
            "faces": { "used": 0, "capacity": 400, "free": null },
            "administrators": 4, "passwords": 9, "operations": 1,
        }))
        .fails(&[SESSION, ANSWER]);
}

fn info() -> Value {
    object([
        ("serial_number", or_null(text()), ""),
        ("device_name", or_null(text()), ""),
        ("firmware_version", or_null(text()), ""),
        ("platform", or_null(text()), ""),
        ("mac_address", or_null(text()), ""),
        ("vendor", or_null(text()), ""),
        ("fingerprint_version", or_null(text()), ""),
        ("face_version", or_null(text()), ""),
        ("users", or_null(count()), ""),
        ("user_capacity", or_null(count()), ""),
        ("attendance", or_null(count()), "records in its log"),
        ("attendance_capacity", or_null(count()), ""),
        ("fingerprints", or_null(count()), ""),
        ("fingerprint_capacity", or_null(count()), ""),
        ("faces", or_null(count()), ""),
        ("face_capacity", or_null(count()), ""),
    ])
}

fn capacity() -> Value {
    let room = || {
        object([
            ("used", or_null(count()), ""),
            ("capacity", or_null(count()), ""),
            ("free", or_null(count()), ""),
        ])
    };
    object([
        ("users", room(), ""),
        ("attendance", room(), "its log"),
        ("fingerprints", room(), ""),
        ("faces", room(), ""),
        ("administrators", or_null(count()), ""),
        ("passwords", or_null(count()), ""),
        ("operations", or_null(count()), "records in its log of operations"),
    ])
}
