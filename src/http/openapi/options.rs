//! The options of a device, and raw commands.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, key, timeout};
use super::problems::{ANSWER, EFFECT, NOTED, SESSION};
use super::schema::{between, count, form, input, object, or_null, text, truth, with};

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Options",
        "What a device is set to. Options that are secrets by their names are neither read nor written.",
    );
    doc.schema("Options", options());
    doc.schema("Option", object([("name", text(), ""), ("value", or_null(text()), "`null` if it has none")]));
    doc.schema(
        "OptionSet",
        object([("name", text(), ""), ("value", text(), ""), ("operation_id?", count(), "")]),
    );
    doc.schema(
        "OptionChange",
        input([
            ("value", text(), "as the device spells it"),
            ("confirm?", truth(), "needed where a wrong value cuts the device off"),
        ]),
    );
    let secret = &[(403, "secret_option")];
    doc.get("/api/v1/devices/{id}/options", "getOptions", "The important options, by their types")
        .takes([timeout(SECONDS)])
        .answers(200, "What the device says.", "Options", json!({
            "faces": { "present": false, "version": 7 }, "finger_veins": { "version": null },
            "fingerprints": { "present": true, "version": 10 }, "language": 69, "lock_seconds": 5,
            "network": {
                "device_number": 2, "gateway": "0.0.0.0", "ip_address": "192.168.1.201", "netmask": "255.255.255.0",
                "tcp_port": 4370, "udp_port": 4370,
            },
            "new_language": 97, "sound": { "voice": true, "volume": 60 },
            "user_ids": { "letters": false, "width": 24 },
        }))
        .fails(&[SESSION, ANSWER]);
    doc.get("/api/v1/devices/{id}/options/{name}", "getOption", "Any option by its name")
        .takes([timeout(SECONDS)])
        .answers(200, "What the device says.", "Option", json!({ "name": "VOLUME", "value": "60" }))
        .fails(&[SESSION, ANSWER, secret]);
    doc.put("/api/v1/devices/{id}/options/{name}", "setOption", "Set an option that is known to be harmless")
        .tells(
            "What was written is read back and made effective. `IPAddress`, `NetMask`, `GATEIPAddress` and \
             `HiSpeedNet` need `confirm`. Comm key and ports are not written at all.",
        )
        .takes([timeout(SECONDS), key()])
        .body("OptionChange", json!({ "value": "40" }))
        .answers(
            200,
            "It is set.",
            "OptionSet",
            json!({ "name": "VOLUME", "value": "40", "operation_id": 7 }),
        )
        .fails(&[
            SESSION,
            ANSWER,
            EFFECT,
            NOTED,
            secret,
            &[
                (409, "confirmation_needed"),
                (422, "invalid_value"),
                (422, "option_not_writable"),
                (502, "not_stored"),
                (502, "stored_differently"),
            ],
        ]);

    doc.tag(
        "Raw commands",
        "For support: any command that does not put the session out of step, where it is allowed for the device.",
    );
    let hexadecimal = || form("^(?:[0-9A-Fa-f]{2})*$");
    doc.schema(
        "RawCommand",
        input([
            ("command", between(0, 65535), "its code"),
            ("payload?", with(hexadecimal(), "default", ""), "bytes in hexadecimal"),
        ]),
    );
    doc.schema(
        "RawReply",
        object([
            ("command", between(0, 65535), "the code of the answer"),
            ("name", or_null(text()), "its name, if it is known"),
            ("session_field", between(0, 65535), "what the answer has in the place of the session id"),
            ("payload", or_null(hexadecimal()), "`null` when it is told again under the same key"),
            ("operation_id?", count(), ""),
        ]),
    );
    doc.post("/api/v1/devices/{id}/raw", "sendRaw", "Send a command as it is")
        .tells(
            "Sent once; the session is renewed afterwards. The audit log keeps the code, nothing keeps the payload.",
        )
        .takes([timeout(SECONDS), key()])
        .body("RawCommand", json!({ "command": 1100 }))
        .answers(200, "The device's answer.", "RawReply", json!({
            "command": 2000, "name": "CMD_ACK_OK", "session_field": 4711, "payload": "", "operation_id": 7,
        }))
        .fails(&[
            SESSION,
            ANSWER,
            EFFECT,
            NOTED,
            secret,
            &[(403, "raw_commands_off"), (422, "command_not_raw"), (422, "invalid_value")],
        ]);
}

fn options() -> Value {
    let number = || or_null(count());
    let words = || or_null(text());
    let flag = || or_null(truth());
    let present = || object([("present", flag(), ""), ("version", number(), "of the algorithm")]);
    object([
        (
            "network",
            object([
                ("ip_address", words(), ""),
                ("netmask", words(), ""),
                ("gateway", words(), ""),
                ("tcp_port", number(), ""),
                ("udp_port", number(), ""),
                ("device_number", number(), ""),
            ]),
            "",
        ),
        ("sound", object([("volume", number(), "0 to 100"), ("voice", flag(), "")]), ""),
        ("language", number(), ""),
        ("new_language", number(), ""),
        ("lock_seconds", number(), "for how long the door is unlocked after somebody was verified"),
        ("fingerprints", present(), ""),
        ("faces", present(), ""),
        ("finger_veins", object([("version", number(), "")]), ""),
        ("user_ids", object([("width", number(), ""), ("letters", flag(), "")]), ""),
    ])
}
