//! Whether the service is alive, and whether it is ready.

use serde_json::json;

use super::Document;
use super::schema::{list, moment, object, text, word};

const JSON: &str = "application/json";

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Health", "No token, and never a question to a device or a database.");
    let reason = object([
        (
            "code",
            word(&["loop_silent", "store_degraded", "journal_degraded", "devices_not_loaded"]),
            "stable, for programs",
        ),
        ("detail", text(), "for people"),
        ("since?", moment(), ""),
    ]);
    let report = object([
        ("status", word(&["ok", "ready", "degraded", "dead"]), ""),
        ("reasons?", list(&reason), "what is wrong, if anything is"),
    ]);
    doc.schema("Health", report);

    let health = super::schema::named("Health");
    let silent = json!({ "code": "loop_silent", "detail": "watcher has not turned for 5.2 s" });
    let dead = json!({ "status": "dead", "reasons": [silent] });
    doc.get("/healthz", "getAlive", "Whether every part of the service turns")
        .answers(200, "It is alive.", "Health", json!({ "status": "ok" }))
        .answers_as(503, "It is dead; a restart helps.", [(JSON, health.clone(), dead)]);

    let degraded = json!({ "status": "degraded", "reasons": [{
        "code": "store_degraded", "since": "2026-11-23T18:17:27Z",
        "detail": "the database is not available: the database system is shutting down (SQLSTATE 57P03)",
    }] });
    doc.get("/readyz", "getReady", "Whether callers get everything")
        .answers(200, "It is ready.", "Health", json!({ "status": "ready" }))
        .answers_as(503, "Callers do not get everything, and why.", [(JSON, health, degraded)]);
}
