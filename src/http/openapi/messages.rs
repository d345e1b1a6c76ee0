//! Short messages, the display, and putting a device right.

use serde_json::{Value, json};

use super::Document;
use super::operation::{Operation, SECONDS, key, timeout};
use super::problems::{ANSWER, EFFECT, NOTED, SESSION, TABLE};
use super::schema::{between, civil, count, input, object, only, or_null, text, with, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Messages",
        "Short messages on the display of a device, for everybody or for those they are given to.",
    );
    doc.schema(
        "Message",
        object([
            ("message", between(1, 65535), "its number"),
            ("text", text(), ""),
            ("for", or_null(word(&["everybody", "persons"])), "`null` for another tag"),
            ("tag", between(0, 255), "the byte behind it"),
            ("minutes", between(0, 65535), "for how long it is shown; 0 without end"),
            ("start", civil(), "civil time of the device"),
            ("operation_id?", count(), ""),
        ]),
    );
    doc.schema(
        "MessageChange",
        input([
            (
                "text",
                with(text(), "minLength", 1),
                "as much as fits 60 bytes in the device's `name_encoding`; never cut",
            ),
            ("for?", with(word(&["everybody", "persons"]), "default", "everybody"), ""),
            ("minutes?", with(between(0, 65535), "default", 0), "0 without end"),
            ("start?", or_null(text()), "civil time of the device; needed with `minutes`"),
        ]),
    );
    let path = "/api/v1/devices/{id}/messages/{n}";
    let shown = json!({
        "message": 1, "text": "Drill at ten", "for": "everybody", "tag": 253, "minutes": 0,
        "start": "2000-01-01T00:00:00",
    });
    let mut told = shown.clone();
    if let Some(members) = told.as_object_mut() {
        members.insert("operation_id".to_owned(), 7.into());
    }
    doc.put(path, "setMessage", "Write a message")
        .takes([timeout(SECONDS), key()])
        .body("MessageChange", json!({ "text": "Drill at ten" }))
        .answers(200, "It is there.", "Message", told)
        .fails(&[
            SESSION,
            ANSWER,
            EFFECT,
            NOTED,
            &[(422, "invalid_value"), (502, "not_stored"), (502, "stored_differently")],
        ]);
    doc.get(path, "getMessage", "A message")
        .takes([timeout(SECONDS)])
        .answers(200, "The message.", "Message", shown)
        .fails(&[SESSION, ANSWER]);
    done(doc, "MessageDeleted", "deleted");
    plain(doc.delete(path, "deleteMessage", "Delete a message"), "MessageDeleted", "deleted")
        .fails(&[&[(502, "still_there")]]);
    let path = "/api/v1/devices/{id}/users/{user_id}/messages/{n}";
    done(doc, "MessageGiven", "given");
    done(doc, "MessageTaken", "taken");
    let somebody = &[(404, "unknown_user"), (422, "unusable_user_id")];
    plain(doc.put(path, "giveMessage", "Give a message to a person"), "MessageGiven", "given")
        .fails(&[TABLE, somebody]);
    plain(doc.delete(path, "takeMessage", "Take a message from a person"), "MessageTaken", "taken")
        .fails(&[TABLE, somebody]);

    doc.tag("Display and upkeep", "The display of old devices, and putting a device right.");
    doc.schema(
        "Line",
        input([("text", text(), "as much as fits the display, in the device's `name_encoding`")]),
    );
    done(doc, "LineWritten", "written");
    doc.put("/api/v1/devices/{id}/screen/{n}", "writeScreen", "Write a line of the display")
        .tells("Newer devices acknowledge it and show nothing.")
        .takes([timeout(SECONDS), key()])
        .body("Line", json!({ "text": "Welcome" }))
        .answers(200, "The device took it.", "LineWritten", json!({ "written": true, "operation_id": 7 }))
        .fails(&[SESSION, ANSWER, EFFECT, NOTED, &[(422, "invalid_value")]]);
    done(doc, "ScreenCleared", "cleared");
    plain(
        doc.delete("/api/v1/devices/{id}/screen", "clearScreen", "Clear the display"),
        "ScreenCleared",
        "cleared",
    );
    done(doc, "Refreshed", "refreshed");
    done(doc, "BufferFreed", "freed");
    done(doc, "Enabled", "enabled");
    let of = "/api/v1/devices/{id}/refresh";
    plain(doc.post(of, "refreshData", "Make effective what was written"), "Refreshed", "refreshed");
    let of = "/api/v1/devices/{id}/free-buffer";
    plain(doc.post(of, "freeBuffer", "Give back the device's transfer buffer"), "BufferFreed", "freed");
    let of = "/api/v1/devices/{id}/enable";
    plain(
        doc.post(of, "enableDevice", "Let people use a device that somebody left disabled"),
        "Enabled",
        "enabled",
    );
}

/// The answer that says nothing but that it was done.
fn done(doc: &mut Document, name: &'static str, word: &'static str) {
    doc.schema(name, object([(word, only(true), ""), ("operation_id?", count(), "")]));
}

/// Something that takes no body and is done.
fn plain<'o>(operation: &'o mut Operation, schema: &str, word: &str) -> &'o mut Operation {
    let mut told = serde_json::Map::new();
    told.insert(word.to_owned(), true.into());
    told.insert("operation_id".to_owned(), 7.into());
    operation
        .takes([timeout(SECONDS), key()])
        .no_body()
        .answers(200, "It is done.", schema, Value::Object(told))
        .fails(&[SESSION, ANSWER, EFFECT, NOTED])
}
