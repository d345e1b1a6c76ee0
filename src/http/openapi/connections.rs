//! The sessions: who is connected, connecting, disconnecting, lending.

use serde_json::{Value, json};

use super::Document;
use super::devices::STATES;
use super::operation::{SECONDS, query, timeout};
use super::problems::{PLACE, SESSION};
use super::schema::{
    amount, between, count, input, list, moment, name, named, object, or_null, text, with, word,
};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Connections", "One session per device, kept and renewed by the service.");
    doc.schema("Connection", connection());
    let states = object(STATES.iter().map(|state| (*state, count(), "")));
    doc.schema(
        "ConnectionList",
        object([
            ("count", count(), ""),
            ("states", states, "how many devices are in each state, of all"),
            ("data", list(&named("Connection")), ""),
        ]),
    );
    doc.schema(
        "Lend",
        with(
            input([
                ("minutes?", between(1, 1440), "for how long; 15 if it is left out"),
                ("seconds?", between(1, 86_400), "the same in seconds"),
                ("to?", with(or_null(name()), "default", "other software"), "to whom, for people"),
            ]),
            "not",
            json!({ "required": ["minutes", "seconds"] }),
        ),
    );
    doc.schema("Disconnected", object([("disconnected", count(), "how many sessions were closed")]));

    doc.get("/api/v1/connections", "listConnections", "All connections")
        .takes([query("state", word(STATES), "only those that are so").such_as("idle")])
        .answers(200, "The connections, in the order of the devices.", "ConnectionList", json!({
            "count": 1, "data": [shown("idle")],
            "states": {
                "absent": 0, "connecting": 0, "idle": 1, "busy": 0, "back_off": 0, "refused": 0, "lent": 0,
                "disabled": 0,
            },
        }));
    doc.get("/api/v1/devices/{id}/connection", "getConnection", "The connection of a device").answers(
        200,
        "The connection.",
        "Connection",
        shown("idle"),
    );
    doc.post("/api/v1/devices/{id}/connect", "connectDevice", "Connect now, whatever the back-off says")
        .takes([timeout(SECONDS)])
        .no_body()
        .answers(200, "There is a session.", "Connection", shown("idle"))
        .fails(&[SESSION, &[(504, "device_silent")]]);
    doc.post(
        "/api/v1/devices/{id}/disconnect",
        "disconnectDevice",
        "Close the session; the next call makes a new one",
    )
    .takes([timeout(SECONDS)])
    .no_body()
    .answers(200, "The session is closed.", "Connection", shown("absent"))
    .fails(&[PLACE, &[(423, "device_lent")]]);
    doc.post(
        "/api/v1/devices/{id}/lend",
        "lendDevice",
        "Close the session and stay away, for other software",
    )
    .takes([timeout(SECONDS)])
    .body_or_none("Lend", json!({ "minutes": 30, "to": "ZKAccess on the office PC" }))
    .answers(200, "The session is closed, and other software may connect.", "Connection", lent())
    .fails(&[PLACE]);
    doc.post("/api/v1/devices/{id}/resume", "resumeDevice", "Take a lent device back")
        .no_body()
        .answers(200, "It is being connected again.", "Connection", shown("connecting"))
        .fails(&[PLACE]);
    doc.post("/api/v1/connections/disconnect-all", "disconnectAll", "Close every session")
        .takes([timeout(SECONDS)])
        .no_body()
        .answers(200, "They are closed.", "Disconnected", json!({ "disconnected": 3 }));
}

fn connection() -> Value {
    let failure = object([
        ("code", text(), ""),
        ("detail", text(), ""),
        ("advice", text(), ""),
        ("phase", text(), ""),
        ("at", moment(), ""),
    ]);
    object([
        ("device_id", text(), ""),
        ("state", word(STATES), ""),
        ("since", moment(), "when it became so"),
        ("last_error", or_null(failure), "the last failure, until a call succeeds"),
        ("failures", count(), "in a row"),
        ("retry_at", or_null(moment()), "when it is tried again, or comes back"),
        ("sessions_opened", count(), ""),
        ("calls", count(), ""),
        ("calls_failed", count(), ""),
        ("queue", count(), "calls that wait"),
        ("waiting_seconds", or_null(amount()), "for how long the first of them has"),
        ("transport", or_null(word(&["tcp", "udp"])), ""),
        ("serial_number", or_null(text()), "of the device that answers"),
        ("expected_serial_number?", text(), "of the record, when another device answers"),
        ("lent_to?", text(), ""),
        ("disabled_because?", text(), ""),
    ])
}

fn shown(state: &str) -> Value {
    json!({
        "device_id": "1", "state": state, "since": "2026-11-23T18:15:42.935Z", "last_error": null, "failures": 0,
        "retry_at": null, "sessions_opened": 2, "calls": 1, "calls_failed": 0, "queue": 0, "waiting_seconds": null,
        "transport": "tcp", "serial_number": "SIM0000000001",
    })
}

fn lent() -> Value {
    let lent = with(shown("lent"), "lent_to", "ZKAccess on the office PC");
    with(lent, "retry_at", "2026-11-23T18:46:14.682Z")
}
