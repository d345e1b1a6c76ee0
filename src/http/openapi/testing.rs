//! Trying a connection step by step.

use serde_json::{Value, json};

use super::Document;
use super::devices::{KEY, address, comm_key};
use super::operation::{SECONDS, timeout};
use super::problems::PLACE;
use super::schema::{amount, between, input, list, object, text, truth, with, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Connection tests", "A real handshake, step by step. The answer is 200 whenever the test took place; its result is in the body.");
    doc.schema("TestReport", report());
    doc.schema(
        "TestInput",
        input([
            ("ip_address", address(), "IPv4 or IPv6, no host name"),
            ("port?", with(between(1, 65535), "default", 4370), ""),
            ("comm_key?", comm_key(), KEY),
            ("transport?", with(word(&["auto", "tcp", "udp"]), "default", "auto"), ""),
        ]),
    );

    let found = json!({
        "ok": true, "verdict": "ok", "serial_number": "SIM0000000001", "transport": "tcp", "ms": 1.05,
        "steps": [
            { "step": "reach", "transport": "tcp", "ok": true, "ms": 0.15 },
            { "step": "handshake", "transport": "tcp", "ok": true, "ms": 0.12 },
            { "step": "identify", "transport": "tcp", "ok": true, "ms": 0.18 },
        ],
    });
    let refused = &[(503, "queue_full"), (503, "device_unreachable")];
    doc.post("/api/v1/devices/test-connection", "testAddress", "Try an address before it is registered")
        .takes([timeout(SECONDS)])
        .body("TestInput", json!({ "ip_address": "192.0.2.7", "comm_key": 123_456 }))
        .answers(200, "The test took place.", "TestReport", found.clone())
        .fails(&[refused, &[(409, "device_connected")]]);
    doc.post(
        "/api/v1/devices/{id}/test",
        "testDevice",
        "Renew the session of a registered device, step by step",
    )
    .takes([timeout(SECONDS)])
    .no_body()
    .answers(200, "The test took place.", "TestReport", found)
    .fails(&[refused, PLACE, &[(409, "device_disconnected"), (423, "device_lent")]]);
}

fn report() -> Value {
    let step = object([
        ("step", word(&["reach", "handshake", "authenticate", "identify"]), ""),
        ("transport", word(&["tcp", "udp"]), ""),
        ("ok", truth(), ""),
        ("ms", amount(), ""),
    ]);
    object([
        ("ok", truth(), ""),
        (
            "verdict",
            word(&[
                "ok",
                "unreachable",
                "refused",
                "silent",
                "wrong_comm_key",
                "unsupported_handshake",
                "busy",
                "not_a_device",
            ]),
            "",
        ),
        ("ms", amount(), "from the request on"),
        ("steps", list(&step), ""),
        ("serial_number?", text(), "of the device that answered"),
        ("transport?", word(&["tcp", "udp"]), "over which it answered"),
        ("code?", text(), "what went wrong"),
        ("detail?", text(), "the same for people"),
        ("advice?", text(), "what to do"),
        ("phase?", text(), "in which part of the conversation"),
    ])
}
