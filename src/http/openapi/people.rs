//! The people that should be on several devices.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, key, timeout};
use super::problems::{CHANGE, KEPT, NOTED};
use super::schema::{between, count, input, list, moment, named, object, or_null, text, truth, with, word};

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "People",
        "The list of people that should be on several devices. It is kept, so that a device that could not be reached \
         gets it later, and so that somebody can ask whether the devices still have it.",
    );
    let limited = |of: Value, most: u64| with(with(list(&of), "minItems", 1), "maxItems", most);
    doc.schema(
        "People",
        input([
            ("devices", limited(text(), 1000), "the `id` of each"),
            ("people", limited(named("NewUser"), 5000), "who is to be there, as they are said to be"),
            ("dry_run?", with(truth(), "default", true), "only say what would be done; `false` keeps the list and does it"),
            (
                "remove_at_most?",
                with(between(0, 65535), "default", 0),
                "people of each device who are not on the list are removed, but no more than so many: if there are \
                 more, nothing is done with that device",
            ),
            ("remove_administrators?", truth(), "also those who may do more than a common user"),
        ]),
    );
    doc.schema(
        "PeopleDevices",
        input([("devices?", with(list(&text()), "maxItems", 1000), "the `id` of each")]),
    );
    let last = object([
        ("at", moment(), ""),
        ("operation_id", count(), ""),
        ("state", word(&["as_wanted", "different", "failed"]), ""),
        ("missing", count(), "people on the list who are not on the device"),
        ("different", count(), "people who are there otherwise"),
        ("extra", count(), "people on the device who are to be removed"),
        ("failed", count(), "people who could not be compared or written"),
        ("problem", or_null(text()), "the code of what went wrong with the device as a whole"),
    ]);
    let about = || {
        vec![
            ("device_id", text(), ""),
            (
                "serial_number",
                or_null(text()),
                "of the device that the list was brought to first; another one at its address does not get it",
            ),
            ("list", count(), "devices with the same list have the same number"),
            ("put_at", moment(), ""),
            ("token", text(), "the name of the token with which it was sent"),
            ("people", count(), ""),
            ("remove_at_most", count(), ""),
            ("remove_administrators", truth(), ""),
            ("last", or_null(last.clone()), "how the device was when it was looked at last; `null` if never"),
        ]
    };
    doc.schema("DevicePeople", object(about()));
    doc.schema(
        "DevicePeopleList",
        object([("count", count(), ""), ("data", list(&named("DevicePeople")), "by device")]),
    );
    let person = object([
        ("user_id", text(), ""),
        ("name?", text(), ""),
        ("has_password?", truth(), "whether one is wanted, or wanted away"),
        ("privilege?", text(), ""),
        ("enabled?", truth(), ""),
        ("card_number?", count(), ""),
        ("group?", between(0, 255), ""),
        ("time_zones?", named("TimeZones"), ""),
    ]);
    doc.schema("WantedPerson", person);
    let mut whole = about();
    whole.push(("data", list(&named("WantedPerson")), "what is left out may be as it is"));
    doc.schema("DevicePeopleWhole", object(whole));

    let shown = || {
        json!({
            "device_id": "1", "serial_number": "SIM0000000001", "list": 1, "put_at": "2026-11-25T04:57:35.391Z", "token": "main", "people": 1,
            "remove_at_most": 0, "remove_administrators": false,
            "last": {
                "at": "2026-11-25T04:57:36.402Z", "operation_id": 7, "state": "as_wanted", "missing": 0,
                "different": 0, "extra": 0, "failed": 0, "problem": null,
            },
        })
    };
    doc.schema(
        "Transfer",
        input([
            ("to", limited(text(), 1000), "the `id` of each device"),
            (
                "templates?",
                truth(),
                "also fingerprints; needs the scope biometric, and `biometrics` on all devices",
            ),
            ("remove_here?", truth(), "delete the person here, once they are on all of the others"),
            (
                "lose_templates?",
                truth(),
                "also if fingerprints of theirs go with them that were not brought along",
            ),
        ]),
    );
    doc.post("/api/v1/devices/{id}/users/{user_id}/transfer", "transferUser", "Bring a person to other devices")
        .tells(
            "A long operation. The record is read here and written there: byte for byte where both devices keep people \
             in the same form, otherwise all that the other form has a place for. Everything is read back. Its \
             `result` says what came of each device.",
        )
        .takes([timeout("the deadline, in seconds; 120 if it is left out"), key()])
        .body("Transfer", json!({ "to": ["2"] }))
        .answers(
            202,
            "It is begun.",
            "Operation",
            super::operations::long("transfer_user", "user 1001 to 1 devices"),
        )
        .fails(&[
            NOTED,
            &[(403, "biometrics_off"), (422, "invalid_value"), (422, "unusable_user_id")],
        ]);
    let longest = "the deadline for all devices together, in seconds; an hour if it is left out";
    doc.put("/api/v1/people", "putPeople", "Say who should be on some devices")
        .tells(
            "A long operation, unless `dry_run` is `false` one that only says for each device what would be done: \
             who to `add`, to `change` (in which `fields`), to `remove`, how many are `unchanged`, and how many \
             `others` are left alone. Otherwise the list is kept for these devices in place of any other, and they \
             are brought there, four at a time, everybody verified by reading back; the result says the same with \
             `created`, `updated` and `deleted`. A device that cannot be reached has a `problem` in the result: \
             `POST /people/apply` does what was left. At most 5,000 rows are told; a single device tells all of its.",
        )
        .takes([timeout(longest), key()])
        .body("People", json!({
            "devices": ["1"], "people": [{ "user_id": "4711", "name": "Ann" }], "dry_run": false,
        }))
        .answers(202, "It is begun.", "Operation", begun("put_people", "1 people on 1 devices"))
        .fails(&[
            NOTED,
            &[
                (409, "backup_locked"),
                (422, "duplicate_user_id"),
                (422, "invalid_value"),
                (422, "name_not_encodable"),
                (422, "unusable_user_id"),
            ],
        ]);
    doc.get("/api/v1/people", "listPeople", "Which devices have a list, and how they were last")
        .takes([timeout(SECONDS)])
        .answers(200, "All of them.", "DevicePeopleList", json!({ "count": 1, "data": [shown()] }))
        .fails(&[KEPT]);
    doc.post("/api/v1/people/check", "checkPeople", "Look whether devices have the people that they should have")
        .tells("A long operation that only reads, with the result of a dry run. Without `devices`, all that have a list.")
        .takes([timeout(longest), key()])
        .body_or_none("PeopleDevices", json!({}))
        .answers(202, "It is begun.", "Operation", begun("check_people", Value::Null))
        .fails(&[NOTED, &[(404, "no_list"), (422, "invalid_value")]]);
    doc.post("/api/v1/people/apply", "applyPeople", "Bring devices to the people that they should have")
        .tells(
            "A long operation. Without `devices`, all that have a list and were not as wanted when they were looked at \
             last. What is done is not done again.",
        )
        .takes([timeout(longest), key()])
        .body_or_none("PeopleDevices", json!({}))
        .answers(202, "It is begun.", "Operation", begun("apply_people", Value::Null))
        .fails(&[NOTED, &[(404, "no_list"), (422, "invalid_value")]]);
    let mut whole = shown();
    if let Some(members) = whole.as_object_mut() {
        members.insert("data".to_owned(), json!([{ "user_id": "4711", "name": "Ann" }]));
    }
    doc.get("/api/v1/devices/{id}/people", "getPeople", "Who should be on a device")
        .takes([timeout(SECONDS)])
        .answers(200, "The list.", "DevicePeopleWhole", whole)
        .fails(&[KEPT, &[(404, "no_list"), (409, "backup_locked")]]);
    doc.delete("/api/v1/devices/{id}/people", "forgetPeople", "Have no list count for a device any more")
        .tells("Nothing changes on the device.")
        .takes([timeout(SECONDS)])
        .no_body()
        .answers_nothing(204, "It is forgotten.")
        .fails(&[KEPT, CHANGE, &[(404, "no_list")]]);
}

fn begun(kind: &str, subject: impl Into<Value>) -> Value {
    let mut begun = super::operations::long(kind, "");
    if let Some(members) = begun.as_object_mut() {
        members.insert("subject".to_owned(), subject.into());
        members.insert("device_id".to_owned(), Value::Null);
    }
    begun
}
