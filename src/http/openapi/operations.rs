//! Operations, and the audit log.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, query, timeout};
use super::problems::KEPT;
use super::schema::{between, count, list, moment, named, object, or_null, text, truth, with, word};

const STATES: &[&str] = &["queued", "running", "done", "failed", "cancelled", "outcome_unknown"];

pub(super) fn describe(doc: &mut Document) {
    doc.tag(
        "Operations",
        "Whatever does something to devices has a number, a state and an end. It is noted before a device is asked.",
    );
    doc.schema("Operation", operation());
    doc.schema(
        "OperationPage",
        object([
            ("data", list(&named("Operation")), "the newest first"),
            ("more", truth(), ""),
            ("next_before", or_null(count()), "`before` for the next page"),
        ]),
    );
    let done = json!({
        "id": 1, "kind": "unlock", "device_id": "1", "subject": null, "token": "reception", "state": "done",
        "cancelling": false, "created_at": "2026-11-25T04:57:35.391Z", "started_at": "2026-11-25T04:57:35.398Z",
        "finished_at": "2026-11-25T04:57:35.402Z", "deadline": "2026-11-25T04:57:50.391Z", "progress": null,
        "events": [], "result": { "operation_id": 1, "seconds": 3.0, "unlocked": true }, "result_left_out": null,
        "problem": null,
    });
    let number = || between(0, i64::MAX.unsigned_abs());
    doc.get("/api/v1/operations", "listOperations", "Operations, the newest first")
        .takes([
            query("limit", with(between(1, 1000), "default", 100), "how many at the most").such_as(10),
            query("before", number(), "only those with smaller numbers; 0 for the newest"),
            query("device", text(), "only those with this device").such_as("1"),
            query("state", word(STATES), "only those that are so").such_as("done"),
        ])
        .answers(
            200,
            "A page.",
            "OperationPage",
            json!({ "data": [done.clone()], "more": false, "next_before": null }),
        )
        .fails(&[KEPT]);
    doc.get("/api/v1/operations/{id}", "getOperation", "How far an operation is")
        .takes([
            query("wait", between(0, 60), "for how many seconds to wait for its end").such_as(0),
            query(
                "after_event",
                between(0, u64::MAX),
                "with `wait`: answer also when there is an event with a greater number",
            ),
        ])
        .answers(200, "How far it is.", "Operation", done.clone())
        .fails(&[KEPT]);
    doc.post("/api/v1/operations/{id}/cancel", "cancelOperation", "Ask an operation to end early")
        .tells(
            "What is written is not taken back. One that has ended stays as it is. It takes the scope that beginning it \
             took as well.",
        )
        .no_body()
        .answers(200, "How far it is.", "Operation", done)
        .fails(&[KEPT]);

    doc.tag("Audit", "Who did what to which device, when, and how it ended. Rows are only ever added.");
    doc.schema(
        "AuditRow",
        object([
            ("seq", count(), ""),
            ("at", moment(), ""),
            ("token", text(), "the name of the token; `anybody` where none is needed"),
            (
                "token_id",
                or_null(count()),
                "its number, which no later token of that name has; 0 for the main token and `anybody`, `null` in rows \
                 of older versions",
            ),
            ("action", text(), "method and path of the request, or `operation` and its kind"),
            ("path", or_null(text()), "the path as it was asked for"),
            ("device_id", or_null(text()), ""),
            ("subject", or_null(text()), "what of the device: a person, a finger"),
            ("operation_id", or_null(count()), ""),
            ("status", or_null(between(200, 599)), "the HTTP status"),
            ("result", text(), "`ok`, the code of the problem, or the state in which the operation ended"),
        ]),
    );
    doc.schema(
        "AuditPage",
        object([
            ("data", list(&named("AuditRow")), "the oldest first"),
            ("more", truth(), ""),
            ("next_after", count(), "`after` for the next page"),
        ]),
    );
    doc.get("/api/v1/audit", "listAudit", "The audit log")
        .takes([
            query("after", number(), "only rows with greater numbers"),
            query("limit", with(between(1, 1000), "default", 100), "how many at the most").such_as(10),
            query("device", text(), "only rows of this device"),
            query("token", text(), "only rows of the token with this name").such_as("main"),
            timeout(SECONDS),
        ])
        .answers(200, "A page.", "AuditPage", json!({
            "data": [{
                "seq": 2, "at": "2026-11-25T04:57:35.398Z", "token": "reception", "token_id": 1, "action": "operation unlock",
                "path": null, "device_id": "1", "subject": null, "operation_id": 1, "status": null,
                "result": "done",
            }],
            "more": false, "next_after": 2,
        }))
        .fails(&[KEPT]);
}

/// A long operation just after it was asked for.
pub(super) fn long(kind: &str, subject: &str) -> Value {
    json!({
        "id": 8, "kind": kind, "device_id": "1", "subject": subject, "token": "main", "state": "queued",
        "cancelling": false, "created_at": "2026-11-25T04:57:35.391Z", "started_at": null, "finished_at": null,
        "deadline": "2026-11-25T04:59:35.391Z", "progress": null, "events": [], "result": null, "result_left_out": null,
        "problem": null,
    })
}

fn operation() -> Value {
    let event = object([
        ("number", count(), "from 1"),
        ("at", moment(), ""),
        ("event", text(), ""),
        ("detail", json!({}), ""),
    ]);
    let progress =
        with(object([("done", count(), ""), ("total", count(), "")]), "type", json!(["object", "null"]));
    object([
        ("id", count(), ""),
        ("kind", text(), "what it does"),
        ("device_id", or_null(text()), "`null` when it is about several"),
        ("subject", or_null(text()), "with what: a person, a finger, a range"),
        ("token", text(), "the name of the token with which it was asked for"),
        ("state", word(STATES), ""),
        ("cancelling", truth(), "whether it was asked to end early"),
        ("created_at", moment(), ""),
        ("started_at", or_null(moment()), ""),
        ("finished_at", or_null(moment()), ""),
        ("deadline", moment(), "when it must have ended"),
        ("progress", progress, "where it has parts"),
        ("events", list(&event), "the last 100, while it is under way; none in a list"),
        ("result", json!({}), "what came of it, also of a part"),
        (
            "result_left_out",
            or_null(word(&["large", "given_up"])),
            "why `result` is null although there was one: it has more than 1 KiB and stands in the operation alone, not \
             in a list; or it was large and gave way to newer ones",
        ),
        ("problem", json!({}), "why it is not done, as a problem"),
    ])
}
