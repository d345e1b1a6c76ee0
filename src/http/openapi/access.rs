//! Who may pass when.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, key, timeout};
use super::problems::{ANSWER, Case, EFFECT, NOTED, SESSION, TABLE};
use super::schema::{between, count, input, list, object, only, or_null, text, truth, with};

const WRITTEN: &[Case] = &[(422, "invalid_value"), (502, "not_stored"), (502, "stored_differently")];
const SOMEBODY: &[Case] = &[(404, "unknown_user"), (422, "unusable_user_id")];
const SURE: &[Case] = &[(409, "confirmation_needed")];
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Access control",
        "A door opens when somebody is verified, one of their time zones or of their group's is open, and a \
         combination of groups is fulfilled. Every write is read back; what is so already is not written again.",
    );
    people(doc);
    let noted = ("operation_id?", count(), "");
    let zones = || numbers(between(1, 50), 3);
    let group = || {
        vec![
            ("time_zones", zones(), "up to 3, each once"),
            ("holidays", truth(), ""),
            ("verify_style", between(0, 127), "known firmware has 0 to 14"),
        ]
    };
    let number = ("group", between(1, 99), "");
    doc.schema("Group", object(group().into_iter().chain([number, noted.clone()])));
    doc.schema("GroupChange", input(group()));
    let span = || or_null(text());
    let day = |name| (name, span(), "such as `08:00-17:30`, `null` for never");
    doc.schema("WeekTold", object(DAYS.map(day)));
    doc.schema("Week", input(DAYS.map(day)));
    doc.schema(
        "TimeZone",
        object([
            ("time_zone", between(1, 50), ""),
            ("days", super::schema::named("WeekTold"), ""),
            noted.clone(),
        ]),
    );
    doc.schema("TimeZoneChange", input([("days", super::schema::named("Week"), "")]));
    let groups = || numbers(between(1, 99), 5);
    doc.schema(
        "Combination",
        object([("combination", between(1, 10), ""), ("groups", groups(), ""), noted.clone()]),
    );
    doc.schema(
        "CombinationChange",
        input([("groups", groups(), "who open the door together; none for nobody")]),
    );
    doc.schema("Confirm", input([("confirm?", truth(), "nothing is done without it")]));
    doc.schema("AccessCleared", object([("cleared", only(true), ""), noted]));

    let week = |open: Value| {
        let mut days: serde_json::Map<String, Value> =
            DAYS.iter().map(|day| ((*day).to_owned(), Value::Null)).collect();
        days.insert("monday".to_owned(), open);
        Value::Object(days)
    };
    let shown = json!({ "group": 1, "time_zones": [1], "holidays": false, "verify_style": 0 });
    reads(doc, "groups", "getGroup", "A group", "Group", shown);
    let wanted = json!({ "time_zones": [2], "holidays": true, "verify_style": 0 });
    let told =
        json!({ "group": 1, "time_zones": [2], "holidays": true, "verify_style": 0, "operation_id": 7 });
    writes(doc, "groups", ["setGroup", "Set a group", "GroupChange", "Group"], wanted, told);
    let shown = json!({ "time_zone": 1, "days": week("08:00-17:30".into()) });
    reads(doc, "time-zones", "getTimeZone", "A time zone", "TimeZone", shown);
    let wanted = json!({ "days": week("08:00-17:30".into()) });
    let told = json!({ "time_zone": 1, "days": week("08:00-17:30".into()), "operation_id": 7 });
    writes(doc, "time-zones", ["setTimeZone", "Set a time zone", "TimeZoneChange", "TimeZone"], wanted, told);
    let shown = json!({ "combination": 1, "groups": [1] });
    reads(doc, "combinations", "getCombination", "An unlock combination", "Combination", shown);
    let told = json!({ "combination": 1, "groups": [1], "operation_id": 7 });
    let words = ["setCombination", "Set an unlock combination", "CombinationChange", "Combination"];
    writes(doc, "combinations", words, json!({ "groups": [1] }), told);
    doc.post(
        "/api/v1/devices/{id}/access/clear",
        "clearAccess",
        "Put all of it back to what a new device has",
    )
    .tells("Nothing reads back that it did.")
    .takes([timeout(SECONDS), key()])
    .body_or_none("Confirm", json!({ "confirm": true }))
    .answers(200, "It is done.", "AccessCleared", json!({ "cleared": true, "operation_id": 7 }))
    .fails(&[SESSION, ANSWER, EFFECT, NOTED, SURE]);
}

/// What belongs to one person.
fn people(doc: &mut Document) {
    let who = ("user_id", text(), "");
    let noted = ("operation_id?", count(), "");
    let own = || or_null(with(numbers(between(1, 50), 3), "minItems", 1));
    let zones = "1 to 3 of their own, `null` for those of the group";
    doc.schema(
        "PersonAccess",
        object([
            who.clone(),
            ("group", between(0, 255), ""),
            ("time_zones", or_null(list(&count())), zones),
            noted.clone(),
        ]),
    );
    let change = input([
        ("group?", between(1, 99), "what is left out stays; one of the two is needed"),
        ("time_zones?", own(), zones),
    ]);
    doc.schema("PersonAccessChange", with(change, "minProperties", 1));
    let style = || or_null(between(0, 127));
    let what = "`null` for that of the group; what a number means depends on the firmware";
    doc.schema("VerifyStyle", object([who, ("verify_style", style(), what), noted]));
    doc.schema("VerifyStyleChange", input([("verify_style", style(), what)]));

    let path = "/api/v1/devices/{id}/users/{user_id}/access";
    doc.get(path, "getPersonAccess", "When a person may pass")
        .takes([timeout(SECONDS)])
        .answers(
            200,
            "Group and time zones.",
            "PersonAccess",
            json!({ "user_id": "1001", "group": 1, "time_zones": null }),
        )
        .fails(&[SESSION, ANSWER, TABLE, SOMEBODY]);
    doc.put(path, "setPersonAccess", "Set when a person may pass")
        .tells("If the second of the two fails, the first one is done.")
        .takes([timeout(SECONDS), key()])
        .body("PersonAccessChange", json!({ "group": 2, "time_zones": [1, 3] }))
        .answers(
            200,
            "It is set.",
            "PersonAccess",
            json!({ "user_id": "1001", "group": 2, "time_zones": [1, 3], "operation_id": 7 }),
        )
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, SOMEBODY, WRITTEN]);
    let path = "/api/v1/devices/{id}/users/{user_id}/verify-style";
    doc.get(path, "getVerifyStyle", "How a person is verified")
        .takes([timeout(SECONDS)])
        .answers(200, "How.", "VerifyStyle", json!({ "user_id": "1001", "verify_style": null }))
        .fails(&[SESSION, ANSWER, TABLE, SOMEBODY]);
    doc.put(path, "setVerifyStyle", "Set how a person is verified")
        .takes([timeout(SECONDS), key()])
        .body("VerifyStyleChange", json!({ "verify_style": 4 }))
        .answers(
            200,
            "It is set.",
            "VerifyStyle",
            json!({ "user_id": "1001", "verify_style": 4, "operation_id": 7 }),
        )
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, NOTED, SOMEBODY, WRITTEN]);
}

fn path(what: &str) -> &'static str {
    match what {
        "groups" => "/api/v1/devices/{id}/access/groups/{n}",
        "time-zones" => "/api/v1/devices/{id}/access/time-zones/{n}",
        _ => "/api/v1/devices/{id}/access/combinations/{n}",
    }
}

fn reads(
    doc: &mut Document,
    what: &str,
    id: &'static str,
    summary: &'static str,
    schema: &str,
    shown: Value,
) {
    doc.get(path(what), id, summary)
        .takes([timeout(SECONDS)])
        .answers(200, "What the device says.", schema, shown)
        .fails(&[SESSION, ANSWER]);
}

fn writes(
    doc: &mut Document,
    what: &str,
    [id, summary, input, schema]: [&'static str; 4],
    wanted: Value,
    told: Value,
) {
    doc.put(path(what), id, summary)
        .takes([timeout(SECONDS), key()])
        .body(input, wanted)
        .answers(200, "It is set.", schema, told)
        .fails(&[SESSION, ANSWER, EFFECT, NOTED, WRITTEN]);
}

fn numbers(of: Value, most: u64) -> Value {
    with(with(list(&of), "maxItems", most), "uniqueItems", true)
}
