//! The people that a device knows: read, and written.

use serde_json::{Value, json};

use super::Document;
use super::operation::{key, timeout};
use super::problems::{ANSWER, EFFECT, NOTED, PERSON, RECORD, SESSION, TABLE};
use super::schema::{
    between, count, form, input, list, named, object, only, or_null, text, truth, with, word,
};
use super::tables::SECONDS;

const LEVELS: &[&str] = &["user", "enroller", "manager", "administrator"];

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Users",
        "The people that a device knows, by `user_id`, which is what they type in; the device's own index, `uid`, is \
         chosen by the service. Whatever is written is read back before it is called done. Passwords are never shown.",
    );
    doc.schema("TimeZones", zones());
    doc.schema("User", user());
    doc.schema(
        "UserTable",
        object([("count", count(), ""), ("complete", only(true), ""), ("data", list(&named("User")), "")]),
    );
    doc.schema("NewUser", input(said("user_id")));
    doc.schema("UserChange", input(said("user_id?")));
    doc.schema(
        "UserWritten",
        object([
            ("user_id", text(), ""),
            ("uid", between(0, 65535), "the device's internal index"),
            ("written", word(&["created", "updated", "unchanged", "deleted"]), ""),
            ("operation_id?", count(), "missing if it could not be noted"),
        ]),
    );
    let many = |of: Value| with(list(&of), "maxItems", 5000);
    doc.schema(
        "UserBulk",
        input([
            ("mode?", word(&["create", "update", "upsert"]), "what may happen to them: upsert if it is left out; with create they must be new, with update they must be there"),
            ("upsert?", many(named("NewUser")), "people who are to be there as they are said to be"),
            ("delete?", many(user_id()), "user ids of people who are to go; they go first"),
        ]),
    );

    let path = "/api/v1/devices/{id}/users";
    let one = "/api/v1/devices/{id}/users/{user_id}";
    let new = json!({ "user_id": "4711", "name": "Ann", "card_number": 7_654_321, "group": 1 });
    doc.get(path, "listUsers", "The people that the device knows")
        .takes([timeout(SECONDS)])
        .answers(200, "All of them.", "UserTable", json!({ "count": 1, "complete": true, "data": [shown()] }))
        .fails(&[SESSION, ANSWER, TABLE]);
    doc.post(path, "createUser", "Create a person")
        .takes([timeout(SECONDS), key()])
        .body("NewUser", new.clone())
        .answers(200, "The device has them now.", "UserWritten", written("4711", "created"))
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, PERSON, RECORD]);
    doc.post("/api/v1/devices/{id}/users/bulk", "writeUsers", "Write and delete many people")
        .tells(
            "A long operation. Its `result` has a row for each person, deleted ones first: what was `written`, or the \
             `code` of what is wrong. Doing the same once more completes what broke: what is done is not done again. \
             A request with a row that no device could take is refused whole. If it was seen that somebody else changed or \
             removed people at the same time, `disturbed` of the result has the user ids of those who were not written.",
        )
        .takes([timeout("the deadline, in seconds; 120 if it is left out"), key()])
        .body("UserBulk", json!({ "upsert": [new], "delete": ["4712"] }))
        .answers(202, "It is begun.", "Operation", super::operations::long("write_users", "2 users"))
        .fails(&[
            NOTED,
            &[
                (422, "duplicate_user_id"),
                (422, "invalid_value"),
                (422, "name_not_encodable"),
                (422, "unusable_user_id"),
            ],
        ]);
    doc.get(one, "getUser", "One person")
        .tells("No device can be asked for one person: the whole table is read.")
        .takes([timeout(SECONDS)])
        .answers(200, "The person.", "User", shown())
        .fails(&[SESSION, ANSWER, TABLE, &[(404, "unknown_user"), (422, "unusable_user_id")]]);
    doc.put(one, "putUser", "Create or change a person")
        .takes([timeout(SECONDS), key()])
        .body_or_none("UserChange", json!({ "name": "Ann" }))
        .answers(200, "They are as they are said to be.", "UserWritten", written("1001", "updated"))
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, PERSON, RECORD, &[(422, "invalid_value")]]);
    doc.patch(one, "changeUser", "Change a person who is there")
        .tells("What is not named stays as it is, byte for byte.")
        .takes([timeout(SECONDS), key()])
        .body_or_none("UserChange", json!({ "enabled": false }))
        .answers(200, "They are changed.", "UserWritten", written("1001", "updated"))
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, PERSON, RECORD, &[(422, "invalid_value")]]);
    doc.delete(one, "deleteUser", "Delete a person, and with them their fingerprints")
        .takes([timeout(SECONDS), key()])
        .no_body()
        .answers(200, "They are gone.", "UserWritten", written("1001", "deleted"))
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, PERSON, &[(502, "still_there")]]);
}

fn user() -> Value {
    object([
        ("user_id", text(), "what the person types in"),
        ("uid", between(0, 65535), "the device's internal index"),
        ("name", text(), ""),
        ("privilege", word(LEVELS), ""),
        ("privilege_code", between(0, 255), "the byte behind it"),
        ("enabled", truth(), ""),
        ("card_number", count(), "0 for none"),
        ("group", between(0, 255), ""),
        ("has_password", truth(), ""),
        ("time_zones", named("TimeZones"), ""),
        (
            "name_exact?",
            only(false),
            "the name's bytes are none in the device's `name_encoding`; they are kept as they are",
        ),
    ])
}

/// What may be said of a person.
fn said(user_id_member: &'static str) -> Vec<super::schema::Member> {
    vec![
        (user_id_member, user_id(), "of at most 24 bytes; most devices take digits only"),
        ("name?", text(), "in the device's `name_encoding`; never cut"),
        ("privilege?", word(LEVELS), ""),
        ("enabled?", truth(), ""),
        ("password?", or_null(text()), "digits; `null` or nothing in it takes the password away"),
        ("card_number?", between(0, u64::from(u32::MAX)), "0 for none"),
        ("group?", between(0, 255), ""),
        ("time_zones?", named("TimeZones"), "in the form that the device has"),
    ]
}

fn user_id() -> Value {
    form("^[!-~]{1,24}$")
}

fn zones() -> Value {
    let list = with(list(&between(0, 65535)), "minItems", 3);
    json!({ "anyOf": [
        input([("set", between(0, 65535), "old devices: a bit for each zone")]),
        input([
            ("flag?", between(0, 65535), "1, if it is left out, for zones of the person's own"),
            ("zones", with(list, "maxItems", 3), "newer devices: three numbers, 0 for none"),
        ]),
    ] })
}

fn shown() -> Value {
    json!({
        "user_id": "1001", "uid": 1, "name": "Carla Adams", "privilege": "administrator", "privilege_code": 14,
        "enabled": true, "card_number": 0, "group": 1, "has_password": false,
        "time_zones": { "flag": 0, "zones": [0, 0, 0] },
    })
}

fn written(user_id: &str, what: &str) -> Value {
    json!({ "user_id": user_id, "uid": 51, "written": what, "operation_id": 7 })
}
