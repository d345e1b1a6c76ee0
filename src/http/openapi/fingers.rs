//! Fingerprints of people.

use serde_json::json;

use super::Document;
use super::operation::{key, query, timeout};
use super::problems::{ANSWER, Case, EFFECT, KEPT, NOTED, SESSION, TABLE};
use super::schema::{
    between, count, form, input, list, named, object, only, or_null, text, truth, with, word,
};
use super::tables::SECONDS;

const SOMEBODY: &[Case] = &[(403, "biometrics_off"), (404, "unknown_user"), (422, "unusable_user_id")];

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Fingerprints",
        "Templates are biometric data: off for a device until `biometrics` in its settings is on, and every look at \
         them is in the audit log before it is answered.",
    );
    let base64 = || form("^[A-Za-z0-9+/]*={0,2}$");
    doc.schema(
        "TemplateEntry",
        object([
            ("user_id", or_null(text()), "`null` where nobody has the index any more"),
            ("uid", between(0, 65535), "the device's internal index"),
            ("finger", between(0, 255), ""),
            ("use", word(&["valid", "duress", "invalid", "other"]), ""),
            ("bytes", count(), ""),
            ("data?", base64(), "the template in Base64, if it was asked for"),
        ]),
    );
    doc.schema(
        "TemplateList",
        object([
            ("count", count(), ""),
            ("complete", only(true), ""),
            ("algorithm", or_null(text()), "the version of the templates"),
            ("data", list(&named("TemplateEntry")), ""),
        ]),
    );
    doc.schema(
        "Template",
        object([
            ("user_id", text(), ""),
            ("finger", between(0, 9), ""),
            ("algorithm", or_null(text()), ""),
            ("data", base64(), "the template in Base64"),
        ]),
    );
    doc.schema(
        "TemplateChange",
        input([
            ("data", with(base64(), "maxLength", 90_000), "the template in Base64"),
            ("algorithm", text(), "its version, which must be the device's"),
            (
                "use?",
                with(word(&["valid", "duress"]), "default", "valid"),
                "`duress`: the same, and raises a silent alarm",
            ),
        ]),
    );
    let told = |word| {
        object([
            ("user_id", text(), ""),
            ("finger", between(0, 9), ""),
            (word, only(true), ""),
            ("operation_id?", count(), ""),
        ])
    };
    let finger = input([
        ("finger", between(0, 9), ""),
        ("data", with(base64(), "maxLength", 90_000), "the template in Base64"),
        ("use?", with(word(&["valid", "duress"]), "default", "valid"), ""),
    ]);
    let fingers = with(with(list(&finger), "minItems", 1), "maxItems", 10);
    let person =
        input([("user_id", form("^[!-~]{1,24}$"), ""), ("templates", fingers, "each of another finger")]);
    let people = with(with(list(&person), "minItems", 1), "maxItems", 5000);
    doc.schema(
        "TemplatesWanted",
        input([("algorithm", text(), "their version, which must be the device's"), ("people", people, "")]),
    );
    doc.schema("TemplateWritten", told("written"));
    doc.schema("TemplateDeleted", told("deleted"));
    doc.schema(
        "Enrol",
        input([("finger", between(0, 9), ""), ("replace?", truth(), "delete the template that there is")]),
    );

    doc.get("/api/v1/devices/{id}/templates", "listTemplates", "Which fingers a device knows")
        .tells("What is in the templates only if it is asked for.")
        .takes([
            timeout("the deadline, in seconds; 15 if it is left out"),
            query("data", truth(), "also the templates themselves"),
        ])
        .answers(
            200,
            "All of them.",
            "TemplateList",
            json!({
                "count": 1, "complete": true, "algorithm": "10",
                "data": [{ "user_id": "1001", "uid": 1, "finger": 1, "use": "valid", "bytes": 1220 }],
            }),
        )
        .fails(&[SESSION, ANSWER, TABLE, KEPT, &[(403, "biometrics_off")]]);
    doc.put("/api/v1/devices/{id}/templates", "putTemplates", "Write the fingerprints of many people")
        .tells(
            "A long operation, in the fast form where the device knows it. The people must be there; fingers that are \
             not named stay. Its `result` has a row for each person. Doing the same once more completes what broke: \
             who is as wanted is not written again.",
        )
        .takes([timeout("the deadline, in seconds; 120 if it is left out"), key()])
        .body("TemplatesWanted", json!({
            "algorithm": "10",
            "people": [{ "user_id": "1001", "templates": [{ "finger": 2, "data": "T3IjUwAAAAE=" }] }],
        }))
        .answers(
            202,
            "It is begun.",
            "Operation",
            super::operations::long("write_templates", "1 fingers of 1 people"),
        )
        .fails(&[
            NOTED,
            &[
                (403, "biometrics_off"),
                (422, "duplicate_user_id"),
                (422, "invalid_value"),
                (422, "unusable_user_id"),
            ],
        ]);
    let path = "/api/v1/devices/{id}/users/{user_id}/templates/{finger}";
    doc.get(path, "getTemplate", "A template")
        .takes([timeout("the deadline, in seconds; 15 if it is left out")])
        .answers(
            200,
            "The template.",
            "Template",
            json!({ "user_id": "1001", "finger": 1, "algorithm": "10", "data": "T3IjUw==" }),
        )
        .fails(&[SESSION, ANSWER, TABLE, KEPT, SOMEBODY, &[(404, "unknown_template")]]);
    doc.put(path, "putTemplate", "Write a template")
        .tells("It is read back before it is called done.")
        .takes([timeout(SECONDS), key()])
        .body("TemplateChange", json!({ "data": "T3IjUwAAAAE=", "algorithm": "10" }))
        .answers(
            200,
            "The device has it.",
            "TemplateWritten",
            json!({ "user_id": "1001", "finger": 1, "written": true, "operation_id": 7 }),
        )
        .fails(&[
            SESSION,
            ANSWER,
            TABLE,
            EFFECT,
            NOTED,
            SOMEBODY,
            &[
                (409, "other_algorithm"),
                (422, "invalid_value"),
                (502, "not_stored"),
                (502, "stored_differently"),
            ],
        ]);
    doc.delete(path, "deleteTemplate", "Delete a template")
        .takes([timeout(SECONDS), key()])
        .no_body()
        .answers(
            200,
            "It is gone.",
            "TemplateDeleted",
            json!({ "user_id": "1001", "finger": 1, "deleted": true, "operation_id": 7 }),
        )
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, SOMEBODY, &[(502, "not_stored")]]);
    doc.post("/api/v1/devices/{id}/users/{user_id}/enrol", "enrolFinger", "Have a finger enrolled at the device")
        .tells(
            "A long operation; somebody stands at the device. Its `events` tell `finger_placed` and `score`. It ends \
             as `done`, `failed`, or `cancelled` on request, and the device verifies people again in any case.",
        )
        .takes([timeout("for how long at the most, in seconds; 120 if it is left out").such_as(1), key()])
        .body("Enrol", json!({ "finger": 6 }))
        .answers(202, "It is begun.", "Operation", super::operations::long("enrol", "user 1001, finger 6"))
        .fails(&[NOTED, &[(403, "biometrics_off"), (422, "invalid_value"), (422, "unusable_user_id")]]);
}
