//! How a device's log gets into the journal, whether a day is complete, and clearing the log.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, query, timeout};
use super::problems::{ANSWER, CHANGE, EFFECT, KEPT, SESSION, TABLE};
use super::schema::{
    DATE, amount, between, civil, count, form, input, list, moment, named, object, only, or_null, text,
    truth, whole, with, word,
};

/// What `timeout` is for a whole log.
const LONG: &str = "the deadline, in seconds; 120 if it is left out";

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Collecting punches", "How punches get from a device into the journal.");
    doc.schema("Collection", collection());
    doc.schema("LastRead", last_read());
    doc.schema("CollectionChange", change());
    doc.schema(
        "ReadInput",
        input([(
            "everything?",
            with(truth(), "default", false),
            "whether all of the log is compared, and not only what may be new",
        )]),
    );
    doc.schema("Completeness", completeness());
    doc.schema("Inspection", object(inspection()));
    doc.schema("ClearResult", object(inspection().into_iter().chain(cleared())));
    doc.schema("ClearInput", clear());

    let not_yet = &[(503, "not_collected_yet")];
    let path = "/api/v1/devices/{id}/collection";
    doc.get(path, "getCollection", "What is set, and how it went the last time")
        .answers(200, "How it is.", "Collection", shown())
        .fails(&[not_yet]);
    doc.patch(path, "changeCollection", "Change what is set for this device")
        .tells("`null` goes back to the general setting.")
        .takes([timeout(SECONDS)])
        .body("CollectionChange", json!({ "poll_interval_seconds": 300, "live": null }))
        .answers(200, "How it is now.", "Collection", shown())
        .fails(&[not_yet, KEPT, CHANGE]);
    doc.post("/api/v1/devices/{id}/collection/read", "readNow", "Read the log now, and wait for the end")
        .takes([timeout(LONG)])
        .body_or_none("ReadInput", json!({ "everything": true }))
        .answers(200, "How it went.", "LastRead", read())
        .fails(&[SESSION, ANSWER, TABLE, KEPT]);
    doc.get("/api/v1/devices/{id}/completeness", "getCompleteness", "Whether the journal has everything of a day")
        .takes([
            query("date", form(&format!("^(?:{DATE})$")), "today by the device's zone, if it is left out")
                .such_as("2026-11-24"),
            timeout(SECONDS),
        ])
        .answers(200, "Whether it has.", "Completeness", json!({
            "device_id": "3", "serial_number": "SIM0000000003", "date": "2026-11-24", "complete": true, "lacks": [],
            "complete_until": "2026-11-25T01:38:55", "verified_at": "2026-11-25T01:38:55.018Z", "online": true,
            "offline_since": null, "gaps": [], "all_gaps": 0, "timezone": "Etc/UTC",
            "counts": { "log_records": 500, "in_journal": 500, "device_count": 500, "quarantined": 0 },
        }))
        .fails(&[KEPT]);
    doc.post("/api/v1/devices/{id}/attendance/clear", "clearAttendance", "Clear the log, when all of it is in the journal")
        .tells("First a dry run, and then, within ten minutes, with the confirmation that it gave. The device is enabled again on every way out.")
        .takes([timeout(LONG)])
        .body("ClearInput", json!({ "dry_run": true }))
        .or("confirmed", json!({ "confirmation": "f30f6f60e3e8503f34d93b38177561f8" }))
        .answers(200, "What was found, and what was done.", "ClearResult", json!({
            "dry_run": true, "serial_number": "SIM0000000003", "records": 500, "in_journal": 500, "blank": 0,
            "quarantined": 0, "device_count": 500, "confirmation": "f30f6f60e3e8503f34d93b38177561f8",
            "confirm_within_seconds": 600,
        }))
        .fails(&[SESSION, ANSWER, TABLE, EFFECT, &[
            (409, "not_confirmed"), (409, "log_not_read"), (409, "not_in_journal"), (409, "punch_meanwhile"),
            (409, "no_live_events"), (503, "journal_unavailable"),
        ]]);
}

fn collection() -> Value {
    let set = object([
        ("enabled?", truth(), ""),
        ("poll_interval_seconds?", count(), ""),
        ("live?", truth(), ""),
        ("calls_between_pieces?", truth(), ""),
        ("correct_clock?", truth(), ""),
    ]);
    object([
        ("enabled", truth(), "whether its log is collected"),
        ("poll_interval_seconds", amount(), ""),
        ("live_wanted", truth(), ""),
        ("calls_between_pieces", truth(), "whether small calls are served in the middle of a long read"),
        ("correct_clock", truth(), ""),
        ("set_here", set, "what is set for this device alone"),
        ("serial_number", or_null(text()), ""),
        ("live", word(&["off", "on", "refused"]), "whether the device tells punches at once"),
        ("live_punches", count(), ""),
        ("reading", truth(), ""),
        ("next_read", or_null(moment()), ""),
        ("last_read", or_null(named("LastRead")), ""),
        ("complete_until", or_null(civil()), ""),
        ("verified_at", or_null(moment()), ""),
        ("drift_seconds", or_null(whole()), "what the device's clock is ahead"),
    ])
}

fn last_read() -> Value {
    object([
        ("at", moment(), ""),
        ("ms", count(), ""),
        (
            "result",
            word(&["nothing_new", "complete", "put_off", "device_failed", "journal_failed", "begun_again"]),
            "",
        ),
        ("detail", or_null(text()), "the reason, for people"),
        ("added", count(), "new rows of the journal"),
        ("completed", count(), "live punches that the log completed"),
        ("records", count(), "in the log"),
        ("blank", count(), ""),
        ("quarantined", count(), ""),
        ("bytes", count(), "fetched"),
        (
            "device_count",
            object([("before", or_null(count()), ""), ("after", or_null(count()), "")]),
            "what the device counts",
        ),
    ])
}

fn change() -> Value {
    let schema = input([
        ("enabled?", or_null(truth()), ""),
        ("poll_interval_seconds?", or_null(between(5, 86_400)), ""),
        ("live?", or_null(truth()), ""),
        ("calls_between_pieces?", or_null(truth()), ""),
        ("correct_clock?", or_null(truth()), ""),
    ]);
    with(schema, "minProperties", 1)
}

fn completeness() -> Value {
    let gap = object([
        ("from", or_null(civil()), ""),
        ("to", civil(), ""),
        ("reason", word(&["log_cleared_elsewhere", "log_wrapped", "log_replaced"]), ""),
        ("noticed_at", moment(), ""),
        ("serial_number", text(), ""),
    ]);
    object([
        ("device_id", text(), ""),
        ("serial_number", or_null(text()), ""),
        ("date", text(), ""),
        ("complete", truth(), "whether the payroll may count"),
        ("lacks", list(&word(&["never_read", "not_read_since", "gap", "quarantine"])), "why it is not"),
        ("complete_until", or_null(civil()), ""),
        ("verified_at", or_null(moment()), ""),
        ("online", truth(), ""),
        ("offline_since", or_null(moment()), ""),
        (
            "counts",
            object([
                ("log_records", or_null(count()), ""),
                ("in_journal", count(), ""),
                ("device_count", or_null(count()), ""),
                ("quarantined", count(), ""),
            ]),
            "",
        ),
        ("gaps", list(&gap), "those that touch the day"),
        ("all_gaps", count(), ""),
        ("timezone", or_null(text()), ""),
    ])
}

fn inspection() -> Vec<super::schema::Member> {
    vec![
        ("serial_number", text(), ""),
        ("records", count(), "in the log"),
        ("in_journal", count(), "of them"),
        ("blank", count(), ""),
        ("quarantined", count(), ""),
        ("device_count", or_null(count()), ""),
    ]
}

fn cleared() -> [super::schema::Member; 6] {
    [
        ("dry_run?", only(true), ""),
        ("confirmation?", text(), "serves once, for this device"),
        ("confirm_within_seconds?", count(), ""),
        ("cleared?", only(true), ""),
        ("device_count_after?", or_null(count()), ""),
        (
            "window?",
            object([("from", or_null(civil()), ""), ("to", or_null(civil()), ""), ("note", text(), "")]),
            "the moments between which a punch is known only from a live event",
        ),
    ]
}

fn clear() -> Value {
    let dry = input([("dry_run", only(true), "")]);
    let confirmed = input([("dry_run?", only(false), ""), ("confirmation", text(), "from the dry run")]);
    json!({ "anyOf": [dry, confirmed] })
}

fn shown() -> Value {
    json!({
        "enabled": true, "poll_interval_seconds": 60.0, "live_wanted": true, "calls_between_pieces": true,
        "correct_clock": false, "set_here": {}, "serial_number": "SIM0000000003", "live": "on", "live_punches": 0,
        "reading": false, "next_read": "2026-11-25T01:40:00.064Z", "last_read": read(),
        "complete_until": "2026-11-25T01:38:55", "verified_at": "2026-11-25T01:38:55.018Z", "drift_seconds": 0,
    })
}

fn read() -> Value {
    json!({
        "at": "2026-11-25T01:38:55.018Z", "ms": 9, "result": "complete", "detail": null, "added": 500,
        "completed": 0, "records": 500, "blank": 0, "quarantined": 0, "bytes": 20004,
        "device_count": { "before": 500, "after": 500 },
    })
}
