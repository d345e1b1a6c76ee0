//! How the journal itself is, and what it could make nothing of.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, query, timeout};
use super::problems::{CHANGE, KEPT};
use super::schema::{
    between, count, device_id, form, list, moment, named, object, only, or_null, text, truth, word,
};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Journal and quarantine", "How the journal is, and what a device told and nobody understood.");
    doc.schema("Journal", journal());
    doc.schema("QuarantineEntry", entry());
    doc.schema(
        "QuarantinePage",
        object([
            ("data", list(&named("QuarantineEntry")), ""),
            ("next_after", count(), "the `after` of the next page"),
        ]),
    );
    doc.schema("Dismissed", object([("id", count(), ""), ("settled_as", only("dismissed"), "")]));

    doc.get("/api/v1/journal", "getJournal", "How the journal is")
        .takes([timeout("how long its database is waited for, in seconds; 2 if it is left out")])
        .answers(
            200,
            "How it is.",
            "Journal",
            json!({
                "head": 1500, "state": "good", "since": null, "cause": null, "kind": "sqlite",
                "place": "/var/lib/zkgate/journal.db", "last_success": "2026-11-25T01:58:24.073Z",
                "waiting": { "requests": 0, "live_events": 0 }, "quarantine": 1,
                "followers": { "used": 4, "limit": 32 }, "long_polls": { "used": 1, "limit": 48 },
            }),
        );
    doc.get("/api/v1/quarantine", "listQuarantine", "What nobody understood, with its bytes")
        .takes([
            query(
                "after",
                between(0, i64::MAX.unsigned_abs()),
                "entries behind this `id`; 0 if it is left out",
            )
            .such_as(0),
            query("limit", between(1, 1000), "the most on this page; 100 if it is left out").such_as(100),
            query("device", device_id(), "only of this device"),
            query("settled", truth(), "only those that are settled, or are not").such_as(false),
            timeout(SECONDS),
        ])
        .answers(
            200,
            "A page.",
            "QuarantinePage",
            json!({ "next_after": 1, "data": [{
            "id": 1, "device_id": "1", "serial_number": "SIM0000000001", "origin": "log", "stride": 40,
            "reason": "bad_user_id", "raw": "0100fffe31000000", "noticed_at": "2026-11-25T01:57:52.000Z",
            "settled_at": null, "settled_as": null,
        }] }),
        )
        .fails(&[KEPT]);
    doc.post(
        "/api/v1/quarantine/{id}/dismiss",
        "dismissEntry",
        "Settle an entry that somebody has looked at",
    )
    .tells("It does not stand in the way of completeness any more; its bytes stay.")
    .takes([timeout(SECONDS)])
    .no_body()
    .answers(200, "It is settled.", "Dismissed", json!({ "id": 1, "settled_as": "dismissed" }))
    .fails(&[KEPT, CHANGE]);
}

fn journal() -> Value {
    let places = || object([("used", count(), ""), ("limit", count(), "")]);
    object([
        ("head", count(), "the last number"),
        ("state", word(&["good", "degraded"]), ""),
        ("since", or_null(moment()), "since when it is degraded"),
        ("cause", or_null(text()), "why"),
        ("kind", text(), "which database"),
        ("place", text(), "where it is"),
        ("last_success", or_null(moment()), ""),
        (
            "waiting",
            object([("requests", count(), ""), ("live_events", count(), "")]),
            "what waits for its database",
        ),
        (
            "quarantine",
            or_null(count()),
            "entries that are not settled; `null` when the database did not say so in time",
        ),
        ("followers", places(), "streams"),
        ("long_polls", places(), "requests that wait"),
    ])
}

fn entry() -> Value {
    object([
        ("id", count(), ""),
        ("device_id", text(), ""),
        ("serial_number", text(), ""),
        ("origin", word(&["live", "log"]), ""),
        ("stride?", count(), "bytes of a record of that log"),
        ("reason", word(&["unknown_layout", "bad_user_id", "unknown_person", "conflict"]), ""),
        ("raw", form("^(?:[0-9a-f]{2})*$"), "its bytes"),
        ("noticed_at", moment(), ""),
        ("settled_at", or_null(moment()), ""),
        ("settled_as", or_null(word(&["placed", "in_log", "dismissed"])), ""),
    ])
}
