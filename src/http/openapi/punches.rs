//! The journal's punches: in pages, as they come, and all at once.

use serde_json::{Value, json};

use super::Document;
use super::operation::{Parameter, SECONDS, header, query, timeout};
use super::problems::KEPT;
use super::schema::{
    DATE, DEVICE_ID, TIME, USER_ID, between, civil, count, form, list, moment, named, object, or_null, text,
    truth, word,
};

/// The largest sequence number.
const SEQ: u64 = i64::MAX.unsigned_abs();
const FULL: &[(u16, &str)] = &[(503, "too_many_followers")];

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Punches", "The punches of all devices in the order of their arrival, each under its number `seq`. Whoever has seen a number never later meets a new row below it.");
    doc.schema("Punch", punch());
    doc.schema(
        "PunchPage",
        object([
            ("data", list(&named("Punch")), ""),
            ("next_after", count(), "the `after` of the next page, always"),
            ("more", truth(), "whether there is more already"),
            ("head", count(), "the last number of the journal"),
        ]),
    );

    doc.get("/api/v1/punches", "listPunches", "A page, at once or as soon as there is something in it")
        .takes(chosen())
        .takes([
            after(),
            query("limit", between(1, 1000), "the most on this page; 100 if it is left out").such_as(2),
            query(
                "wait",
                json!({ "type": "number", "minimum": 0, "maximum": 60 }),
                "seconds to wait if there is nothing; 0 if it is left out",
            )
            .such_as(30),
            timeout(SECONDS),
        ])
        .answers(
            200,
            "A page; it may be short, even empty, and `more` still true.",
            "PunchPage",
            json!({
                "data": [shown()], "next_after": 1, "more": true, "head": 1500,
            }),
        )
        .fails(&[KEPT, FULL]);
    let stream = "id: 1500\nevent: punch\ndata: {\"seq\":1500,\"device_id\":\"3\",…}\n\n";
    doc.get("/api/v1/punches/stream", "streamPunches", "Punches as they come: server-sent events")
        .tells("One event for each punch; `data` is a Punch. It ends with the service or the client. Every 15 seconds without a punch there is a comment.")
        .takes(chosen().into_iter().take(2))
        .takes([
            after(),
            header("Last-Event-ID", between(0, SEQ), "what was seen last; wins over `after`"),
        ])
        .answers_as(200, "Events without end.", [("text/event-stream", text(), stream.into())])
        .fails(&[KEPT, FULL]);
    let csv = "seq,device_id,serial_number,user_id,uid,timestamp,instant,time_certainty,punch_state,verify_mode,work_code,source,received_at\r\n1,1,SIM0000000001,1017,,2026-11-24T19:09:47,2026-11-24T19:09:47Z,exact,1,0,0,log,2026-11-25T01:57:52.146Z\r\n";
    doc.get("/api/v1/punches/export", "exportPunches", "Everything that is chosen, in one answer")
        .tells("It goes as far as the journal did when it began, and is read while it is sent. If that fails midway the connection is cut before the end of the body: what ends in order is whole.")
        .takes(chosen())
        .takes([
            after(),
            query("limit", between(1, SEQ), "the most rows; all if it is left out").such_as(1),
            query("format", word(&["ndjson", "csv"]), "what `Accept` says if it is left out, and then `ndjson`"),
            timeout("the deadline for the first rows, in seconds; 15 if it is left out"),
        ])
        .answers_as(200, "One Punch per line, or RFC 4180 with a header.", [
            ("application/x-ndjson", text(), format!("{}\n", shown()).into()),
            ("text/csv", text(), csv.into()),
        ])
        .fails(&[KEPT]);
}

fn after() -> Parameter {
    query("after", between(0, SEQ), "rows behind this number; 0 if it is left out").such_as(0)
}

/// The parameters that choose.
fn chosen() -> [Parameter; 4] {
    let time =
        "with `Z` or an offset compared with `instant`; without, with `timestamp`; a date is meant whole";
    [
        query(
            "device",
            form(&format!("^{DEVICE_ID}(?:,{DEVICE_ID}){{0,49}}$")),
            "only of these devices, up to 50 with commas between them",
        )
        .such_as("1"),
        query(
            "user_id",
            form(&format!("^{USER_ID}(?:,{USER_ID}){{0,49}}$")),
            "only of these people, up to 50 with commas between them, each of at most 24 bytes",
        ),
        query("from", bound(), time),
        query("to", bound(), "before this time; otherwise like `from`"),
    ]
}

fn bound() -> Value {
    json!({ "type": "string", "anyOf": [
        { "format": "date-time" },
        { "pattern": format!("^(?:{DATE})(?:[T ]{TIME})?$") },
    ] })
}

fn punch() -> Value {
    object([
        ("seq", count(), "its number"),
        ("device_id", text(), ""),
        ("serial_number", text(), ""),
        ("user_id", or_null(text()), "what the person types in"),
        ("uid?", between(0, 65535), "the device's internal index, where it told only that"),
        ("timestamp", civil(), "civil time, as the device told it"),
        ("instant", or_null(moment()), "the same in UTC, if there is such a time"),
        ("time_certainty", word(&["exact", "ambiguous", "skipped", "impossible"]), "of `instant`"),
        ("punch_state", between(0, 255), "mostly 0 in, 1 out"),
        ("verify_mode", between(0, 255), "mostly 0 password, 1 fingerprint, 15 face"),
        ("work_code", or_null(count()), ""),
        ("source", word(&["live", "log", "live_and_log"]), "who told of it"),
        ("received_at", moment(), ""),
    ])
}

fn shown() -> Value {
    json!({
        "seq": 1, "device_id": "1", "serial_number": "SIM0000000001", "user_id": "1017",
        "timestamp": "2026-11-24T19:09:47", "instant": "2026-11-24T19:09:47Z", "time_certainty": "exact",
        "punch_state": 1, "verify_mode": 0, "work_code": 0, "source": "log",
        "received_at": "2026-11-25T01:57:52.146Z",
    })
}
