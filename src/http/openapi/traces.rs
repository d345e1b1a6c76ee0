//! Traces: what is said to a device, kept for a while.

use serde_json::{Value, json};

use super::Document;
use super::problems::PLACE;
use super::schema::{between, count, input, list, moment, named, object, or_null, text, truth};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Traces", "Every packet to and from a device for a limited time, secrets masked, as a file.");
    doc.schema(
        "TraceBegin",
        input([
            ("seconds?", or_null(between(1, 3600)), "for how long; 300 if it is left out"),
            (
                "max_bytes?",
                or_null(between(4096, 268_435_456)),
                "how large the file may become; 16 MiB if it is left out",
            ),
        ]),
    );
    doc.schema(
        "Trace",
        object([
            ("running", truth(), ""),
            ("id?", text(), "missing if there was none since the service was started"),
            ("file?", text(), "its name in the state directory, below `traces`"),
            ("started_at?", moment(), ""),
            ("ends_at?", moment(), "when it ends by itself"),
            ("ended?", or_null(text()), "why it ended"),
            ("frames?", count(), "packets in the file"),
            ("lost?", count(), "packets that found no room on their way there"),
            ("bytes?", count(), ""),
            ("max_bytes?", count(), ""),
        ]),
    );
    doc.schema(
        "TraceFile",
        object([
            ("id", text(), ""),
            ("bytes", count(), ""),
            ("modified_at", moment(), ""),
            ("running", truth(), "whether it still grows"),
        ]),
    );
    doc.schema(
        "TraceFiles",
        object([
            ("count", count(), ""),
            ("kept", count(), "how many are kept; the oldest give way"),
            ("data", list(&named("TraceFile")), ""),
        ]),
    );

    let path = "/api/v1/devices/{id}/trace";
    let disk = &[(503, "store_unavailable")];
    doc.post(path, "beginTrace", "Begin to trace a device")
        .tells("It goes on when the session is renewed. One that is running already is shown as it is.")
        .body_or_none("TraceBegin", json!({ "seconds": 60 }))
        .answers(201, "It is begun.", "Trace", shown(true))
        .answers(200, "It was running already.", "Trace", shown(true))
        .fails(&[PLACE, disk, &[(409, "too_many_traces")]]);
    doc.get(path, "getTrace", "How a device's trace is").answers(200, "The last one.", "Trace", shown(true));
    doc.delete(path, "stopTrace", "End a device's trace").no_body().answers(
        200,
        "It has ended.",
        "Trace",
        shown(false),
    );
    doc.get("/api/v1/traces", "listTraces", "The files of traces")
        .answers(
            200,
            "All of them.",
            "TraceFiles",
            json!({
                "count": 1, "kept": 20, "data": [{
                    "id": "1-20260714T080000123", "bytes": 4711, "modified_at": "2026-11-23T18:16:13.331Z",
                    "running": false,
                }],
            }),
        )
        .fails(&[disk]);
    let line = json!({ "zkgate_capture": 1 });
    doc.get("/api/v1/traces/{id}", "downloadTrace", "The file of a trace")
        .tells("`zkgate trace` prints it for people, `zkgate simulate --replay` serves it again.")
        .answers_as(
            200,
            "The file.",
            [("application/x-ndjson", json!({ "type": "string" }), format!("{line}\n").into())],
        )
        .fails(&[disk]);
    doc.delete("/api/v1/traces/{id}", "deleteTrace", "Delete the file of a trace")
        .no_body()
        .answers_nothing(204, "It is gone.")
        .fails(&[disk, &[(409, "trace_running")]]);
}

fn shown(running: bool) -> Value {
    json!({
        "running": running, "id": "1-20260714T080000123", "file": "1-20260714T080000123.ndjson",
        "started_at": "2026-11-23T18:16:13.331Z", "ends_at": "2026-11-23T18:17:13.331Z",
        "ended": if running { Value::Null } else { "stopped".into() }, "frames": 12, "lost": 0, "bytes": 4711,
        "max_bytes": 16_777_216,
    })
}
