//! The door of a device, and what has to be known of a device besides its record.

use serde_json::json;

use super::Document;
use super::operation::{SECONDS, key, timeout};
use super::problems::{ANSWER, CHANGE, EFFECT, KEPT, NOTED, SESSION};
use super::schema::{count, input, object, only, or_null, text, truth, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Door", "Opening the door of a device: once, whatever happens.");
    let seconds = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 3600 });
    doc.schema(
        "Unlock",
        input([(
            "seconds",
            seconds.clone(),
            "for how long; whole seconds, or tenths where the device counts in them (`unlock_unit`)",
        )]),
    );
    doc.schema(
        "Unlocked",
        object([
            ("unlocked", only(true), ""),
            ("seconds", seconds, ""),
            ("operation_id?", count(), "missing if it could not be noted"),
        ]),
    );
    doc.schema("Door", object([("door", word(&["open", "closed", "unknown"]), "")]));
    let unit = || word(&["seconds", "tenths"]);
    doc.schema(
        "DeviceSettings",
        object([
            ("name_encoding", or_null(text()), "in which the names of its users are; `null` is UTF-8"),
            ("unlock_unit", unit(), "in what its firmware counts the time of the door"),
            ("biometrics", truth(), "whether fingerprint templates may be read and written"),
            ("raw_commands", truth(), "whether raw commands may be sent"),
        ]),
    );
    doc.schema(
        "DeviceSettingsChange",
        input([
            (
                "name_encoding?",
                or_null(text()),
                "a name of the WHATWG's: `gbk`, `windows-1256`, …; `null` for UTF-8",
            ),
            ("unlock_unit?", unit(), ""),
            ("biometrics?", truth(), ""),
            ("raw_commands?", truth(), ""),
        ]),
    );

    doc.post("/api/v1/devices/{id}/unlock", "unlockDoor", "Unlock the door for a while")
        .tells(
            "Said to the device once. Give every opening an `Idempotency-Key` of its own: asked again under it, the \
             answer is that of the first request. Where nobody can know whether the door was opened, the answer is \
             `outcome_unknown`, and nothing is tried again.",
        )
        .takes([timeout(SECONDS), key()])
        .body("Unlock", json!({ "seconds": 3 }))
        .answers(
            200,
            "It is unlocked.",
            "Unlocked",
            json!({ "unlocked": true, "seconds": 3.0, "operation_id": 7 }),
        )
        .fails(&[SESSION, ANSWER, EFFECT, NOTED, &[(422, "invalid_value")]]);
    doc.get("/api/v1/devices/{id}/door", "getDoor", "Whether the door is open")
        .tells("Some devices say `closed` although no sensor is connected.")
        .takes([timeout(SECONDS)])
        .answers(200, "What the sensor says.", "Door", json!({ "door": "closed" }))
        .fails(&[SESSION, ANSWER]);
    doc.tag(
        "Device settings",
        "What has to be known of a device besides its record, which may be somebody else's.",
    );
    let settings = json!({
        "name_encoding": "windows-1256", "unlock_unit": "seconds", "biometrics": false, "raw_commands": false,
    });
    doc.get("/api/v1/devices/{id}/settings", "getDeviceSettings", "The settings of a device").answers(
        200,
        "The settings.",
        "DeviceSettings",
        settings.clone(),
    );
    doc.patch("/api/v1/devices/{id}/settings", "changeDeviceSettings", "Change the settings of a device")
        .takes([timeout(SECONDS)])
        .body_or_none("DeviceSettingsChange", json!({ "name_encoding": "windows-1256" }))
        .answers(200, "The settings.", "DeviceSettings", settings)
        .fails(&[KEPT, CHANGE, &[(422, "invalid_value")]]);
}
