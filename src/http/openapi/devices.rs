//! The devices of the site.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, query, timeout};
use super::problems::{CHANGE, DEVICES, KEPT};
use super::schema::{
    Member, between, count, device_id, input, list, moment, name, named, object, or_null, text, truth, whole,
    with, word,
};

/// The states of a connection.
pub(super) const STATES: &[&str] =
    &["absent", "connecting", "idle", "busy", "back_off", "refused", "lent", "disabled"];

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Devices", "The devices of the site, as the store has them.");
    doc.schema("Device", object(device()));
    let probed = named("Probe");
    doc.schema(
        "NewDevice",
        object(device().into_iter().chain([("probe?", probed, "what the device said, if it was asked")])),
    );
    doc.schema("Probe", probe());
    doc.schema("DevicePage", page());
    doc.schema("DeviceInput", create());
    doc.schema("DeviceChange", change());

    doc.get("/api/v1/devices", "listDevices", "Devices, page by page")
        .takes([
            query("limit", between(1, 1000), "the most on this page; 100 if it is left out").such_as(100),
            query("after", device_id(), "the `next_after` of the page before"),
            query("enabled", truth(), "only these"),
            query("state", word(STATES), "only those whose connection is so"),
            query("name", text(), "only those with this in their name, in upper or lower case"),
            query("ip_address", text(), "only the one at this address"),
            query("serial_number", text(), "only the one with this serial number"),
        ])
        .answers(
            200,
            "A page.",
            "DevicePage",
            json!({
                "count": 1, "total": 3, "next_after": "1", "data": [shown()],
            }),
        );
    doc.post("/api/v1/devices", "createDevice", "Register a device")
        .tells("With `probe` it is asked for its information at once, within the deadline; it is registered in any case.")
        .takes([timeout(SECONDS)])
        .body("DeviceInput", json!({
            "name": "Back door", "ip_address": "192.0.2.7", "comm_key": 123_456, "timezone": "Asia/Baghdad",
        }))
        .answers(201, "It is registered.", "NewDevice", shown())
        .with_header("Location", text(), "where it is found")
        .fails(&[KEPT, CHANGE, DEVICES, &[(409, "address_in_use"), (409, "store_full"), (422, "invalid_value")]]);
    doc.get("/api/v1/devices/{id}", "getDevice", "One device").answers(200, "The device.", "Device", shown());
    doc.patch("/api/v1/devices/{id}", "changeDevice", "Change a device's record")
        .tells("What is left out stays. A new address, port, comm key or transport makes a new session.")
        .takes([timeout(SECONDS)])
        .body("DeviceChange", json!({ "name": "Rear door", "comm_key": "", "timezone": null }))
        .answers(200, "The device as it is now.", "Device", shown())
        .fails(&[KEPT, CHANGE, DEVICES, &[(409, "address_in_use"), (422, "invalid_value")]]);
    doc.delete("/api/v1/devices/{id}", "deleteDevice", "Forget a device")
        .tells("Its session is closed. Its punches stay in the journal.")
        .takes([timeout(SECONDS)])
        .answers_nothing(204, "It is forgotten.")
        .fails(&[KEPT, CHANGE, DEVICES]);
}

/// What a device shows of itself.
fn facts() -> [Member; 12] {
    [
        ("serial_number", or_null(text()), "its identity"),
        ("device_name", or_null(text()), "the product"),
        ("firmware_version", or_null(text()), ""),
        ("platform", or_null(text()), ""),
        ("mac_address", or_null(text()), ""),
        ("fingerprint_version", or_null(text()), "the fingerprint algorithm"),
        ("face_version", or_null(text()), "the face algorithm"),
        ("user_capacity", or_null(count()), ""),
        ("attendance_capacity", or_null(count()), "records that its log can hold"),
        ("fingerprint_capacity", or_null(count()), ""),
        ("face_capacity", or_null(count()), ""),
        ("transport_used", or_null(word(&["auto", "tcp", "udp"])), "what worked the last time"),
    ]
}

pub(super) fn device() -> Vec<Member> {
    let own: [Member; 15] = [
        ("id", text(), "its name in paths"),
        ("name", text(), "what people call it"),
        ("ip_address", text(), ""),
        ("port", whole(), ""),
        ("comm_key_set", or_null(truth()), "whether it has a comm key, which is never shown"),
        ("transport", or_null(word(&["auto", "tcp", "udp"])), ""),
        ("mode", word(&["persistent", "on_demand"]), "whether its session is kept, or made for each call"),
        ("timezone", or_null(text()), "IANA name: the zone of the civil time that its clock shows"),
        ("enabled", truth(), "whether zkgate connects to it"),
        ("problem", or_null(text()), "why the record cannot be used, if it cannot"),
        ("status", word(&["unknown", "up", "down"]), "whether it was reached the last time"),
        ("state", or_null(word(STATES)), "of its connection"),
        ("last_seen", or_null(moment()), "when it last answered"),
        ("created_at", or_null(moment()), ""),
        ("updated_at", or_null(moment()), ""),
    ];
    own.into_iter().chain(facts()).collect()
}

fn probe() -> Value {
    object([
        ("ok", truth(), ""),
        ("info?", named("Info"), "what it said"),
        ("code?", text(), "why it said nothing"),
        ("detail?", text(), "the same for people"),
    ])
}

fn page() -> Value {
    object([
        ("count", count(), "devices on this page"),
        ("total", count(), "devices on all pages"),
        ("data", list(&named("Device")), ""),
        ("next_after", or_null(text()), "the `after` of the next page, if there is one"),
    ])
}

/// An address of a device.
pub(super) fn address() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
}

/// A comm key.
pub(super) fn comm_key() -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 999_999_999 },
        { "type": "string", "pattern": "^[0-9]{0,9}$" },
        { "type": "null" },
    ] })
}

pub(super) const KEY: &str = "as a number or its text; 0, empty or `null` for none";

fn create() -> Value {
    input([
        ("ip_address", address(), "IPv4 or IPv6, no host name"),
        ("port?", with(between(1, 65535), "default", 4370), ""),
        ("name?", or_null(name()), "address and port, if it is left out"),
        ("comm_key?", comm_key(), KEY),
        (
            "transport?",
            with(word(&["auto", "tcp", "udp"]), "default", "auto"),
            "`auto`: what worked the last time, else TCP and then UDP",
        ),
        ("mode?", with(word(&["persistent", "on_demand"]), "default", "persistent"), ""),
        ("timezone?", or_null(zone()), "the host's, if it is left out"),
        ("enabled?", with(truth(), "default", true), ""),
        ("probe?", with(truth(), "default", false), "whether to ask the device for its information at once"),
    ])
}

fn change() -> Value {
    let schema = input([
        ("ip_address?", address(), ""),
        ("port?", between(1, 65535), ""),
        ("name?", name(), ""),
        ("comm_key?", comm_key(), KEY),
        ("transport?", word(&["auto", "tcp", "udp"]), ""),
        ("mode?", word(&["persistent", "on_demand"]), ""),
        ("timezone?", or_null(zone()), "`null` for the host's"),
        ("enabled?", truth(), ""),
    ]);
    with(schema, "minProperties", 1)
}

/// The name of a time zone. Not every text of this form is one.
fn zone() -> Value {
    json!({ "type": "string", "examples": ["Asia/Baghdad", "UTC"], "format": "iana-time-zone" })
}

/// A device as the examples show it.
pub(super) fn shown() -> Value {
    json!({
        "id": "4", "name": "Back door", "ip_address": "192.0.2.7", "port": 4370, "comm_key_set": true,
        "transport": "auto", "mode": "persistent", "timezone": "Asia/Baghdad", "enabled": true, "problem": null,
        "serial_number": null, "device_name": null, "firmware_version": null, "platform": null,
        "mac_address": null, "fingerprint_version": null, "face_version": null, "user_capacity": null,
        "attendance_capacity": null, "fingerprint_capacity": null, "face_capacity": null, "transport_used": null,
        "status": "unknown", "state": "connecting", "last_seen": null,
        "created_at": "2026-11-23T18:16:13.331Z", "updated_at": "2026-11-23T18:16:13.331Z",
    })
}
