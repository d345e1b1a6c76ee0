//! Webhooks: who is told of punches.

use serde_json::{Value, json};

use super::Document;
use super::operation::{SECONDS, query, timeout};
use super::problems::{CHANGE, KEPT};
use super::schema::{
    Member, amount, between, count, device_id, form, input, list, moment, name, named, object, only, or_null,
    text, truth, with, word,
};

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Webhooks", "Who is told of punches, as they come, in order and at least once.");
    doc.schema("Webhook", object(webhook()));
    let secret = ("secret?", text(), "the key of the signatures, only where it was made or set just now");
    doc.schema("WebhookWithSecret", object(webhook().into_iter().chain([secret])));
    doc.schema("Attempt", attempt());
    doc.schema("WebhookList", object([("count", count(), ""), ("data", list(&named("Webhook")), "")]));
    doc.schema(
        "AttemptList",
        object([("count", count(), ""), ("data", list(&named("Attempt")), "the newest first")]),
    );
    doc.schema("WebhookInput", create());
    doc.schema("WebhookChange", with(input(common(false)), "minProperties", 1));
    doc.schema("Replay", input([("after", start(), "behind which row to go on")]));
    doc.schema(
        "WebhookTest",
        object([
            ("ok", truth(), "whether the receiver took it"),
            ("status", or_null(between(100, 999)), "what it answered"),
            ("ms", amount(), ""),
            ("error", or_null(text()), ""),
        ]),
    );

    let path = "/api/v1/webhooks";
    doc.get(path, "listWebhooks", "All webhooks")
        .takes([timeout(SECONDS)])
        .answers(200, "The webhooks.", "WebhookList", json!({ "count": 1, "data": [shown()] }))
        .fails(&[KEPT]);
    doc.post(path, "createWebhook", "Make a webhook")
        .takes([timeout(SECONDS)])
        .body("WebhookInput", json!({
            "url": "https://payroll.example.com/punches", "name": "Payroll", "devices": ["1", "2"], "after": 0,
        }))
        .or("fromNowOn", json!({ "url": "https://payroll.example.com/punches" }))
        .answers(201, "It is made. Its secret is in this answer, and never again.", "WebhookWithSecret",
            with(shown(), "secret", "5f4e3a0b9c8d7e6f5f4e3a0b9c8d7e6f5f4e3a0b9c8d7e6f5f4e3a0b9c8d7e6f"))
        .with_header("Location", text(), "where it is found")
        .fails(&[KEPT, CHANGE, &[(409, "too_many_webhooks"), (422, "invalid_value")]]);
    let path = "/api/v1/webhooks/{id}";
    doc.get(path, "getWebhook", "One webhook")
        .takes([timeout(SECONDS)])
        .answers(200, "The webhook.", "Webhook", shown())
        .fails(&[KEPT]);
    doc.patch(path, "changeWebhook", "Change a webhook")
        .tells("What is left out stays.")
        .takes([timeout(SECONDS)])
        .body("WebhookChange", json!({ "enabled": false }))
        .answers(200, "The webhook as it is now.", "WebhookWithSecret", shown())
        .fails(&[KEPT, CHANGE]);
    doc.delete(path, "deleteWebhook", "Delete a webhook")
        .takes([timeout(SECONDS)])
        .answers_nothing(204, "It is gone.")
        .fails(&[KEPT, CHANGE]);
    doc.post(
        "/api/v1/webhooks/{id}/test",
        "testWebhook",
        "Send one signed test event, and wait for the receiver",
    )
    .takes([timeout(SECONDS)])
    .no_body()
    .answers(
        200,
        "The test took place.",
        "WebhookTest",
        json!({
            "ok": true, "status": 204, "ms": 38.21, "error": null,
        }),
    )
    .fails(&[KEPT, &[(503, "too_many_tests")]]);
    doc.post("/api/v1/webhooks/{id}/replay", "replayWebhook", "Set the cursor, backwards or forwards")
        .takes([timeout(SECONDS)])
        .body("Replay", json!({ "after": 0 }))
        .answers(200, "The webhook as it is now.", "Webhook", shown())
        .fails(&[KEPT, CHANGE, &[(422, "invalid_value")]]);
    doc.get("/api/v1/webhooks/{id}/deliveries", "listDeliveries", "The last attempts to deliver")
        .takes([
            query("limit", between(1, 200), "the most of them; 50 if it is left out").such_as(2),
            timeout(SECONDS),
        ])
        .answers(200, "The attempts.", "AttemptList", json!({ "count": 1, "data": [tried()] }))
        .fails(&[KEPT]);
}

fn webhook() -> Vec<Member> {
    vec![
        ("id", count(), ""),
        ("name", text(), ""),
        ("url", text(), "its query is `***` for a token without the scope `admin`"),
        ("events", list(&only("punch")), ""),
        ("devices", list(&text()), "only rows of these; all, if there are none"),
        ("users", list(&text()), "only rows of these user ids; all, if there are none"),
        ("batch", between(1, 1000), "the most rows in one request"),
        ("enabled", truth(), ""),
        ("state", word(&["active", "backing_off", "disabled", "gone"]), ""),
        ("cursor", count(), "all rows up to it were taken or are not wanted"),
        ("pending", count(), "rows of the journal behind it"),
        ("failures", count(), "in a row"),
        ("next_attempt", or_null(moment()), ""),
        ("last_error", or_null(text()), ""),
        ("last_attempt", or_null(named("Attempt")), ""),
        ("created_at", moment(), ""),
        ("updated_at", moment(), ""),
    ]
}

fn attempt() -> Value {
    object([
        ("id", count(), ""),
        ("at", moment(), ""),
        ("ms", count(), ""),
        ("test", truth(), "whether it was a test"),
        ("first_seq", or_null(count()), ""),
        ("last_seq", or_null(count()), ""),
        ("count", count(), "rows"),
        ("status", or_null(between(100, 999)), "what the receiver answered"),
        ("error", or_null(text()), ""),
    ])
}

/// What can be set at first and later.
fn common(at_first: bool) -> Vec<Member> {
    let or = |schema: Value| if at_first { or_null(schema) } else { schema };
    let events = with(with(list(&only("punch")), "minItems", 1), "description", "");
    let many = |of: &Value| with(list(of), "maxItems", 1000);
    let user = form(r"^(?:[!-~]{1,24}|[^\s\x00-\x1f\x7f-\x9f]{1,6})$");
    let secret = if at_first {
        "256 random bits, if it is left out"
    } else {
        "`null` for a new one, which is in the answer"
    };
    vec![
        ("name?", or(name()), "the URL's host, if it is left out"),
        ("events?", or(events), "there are no others yet"),
        ("devices?", or(many(&device_id())), "only rows of these"),
        ("users?", or(many(&user)), "only rows of these user ids, each of at most 24 bytes"),
        ("secret?", or_null(form("^[!-~]{16,128}$")), secret),
        ("batch?", or(between(1, 1000)), "the most rows in one request; 100, if it is left out"),
        ("enabled?", or(truth()), ""),
        (
            if at_first { "url" } else { "url?" },
            url(),
            "`http` or `https`, without user name, password and fragment",
        ),
    ]
}

fn create() -> Value {
    let after = (
        "after?",
        with(start(), "default", "now"),
        "which rows come first: those behind this number, or what comes from now on",
    );
    input(common(true).into_iter().chain([after]))
}

fn url() -> Value {
    let host = r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9a-fA-F:.]+\])";
    let port = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})";
    let rest = r#"[/?][!-"$-~]*"#;
    let pattern = format!("^https?://{host}(?::{port})?(?:{rest})?$");
    json!({ "type": "string", "format": "uri", "maxLength": 2048, "pattern": pattern })
}

fn start() -> Value {
    json!({ "anyOf": [between(0, i64::MAX.unsigned_abs()), only("now")] })
}

fn shown() -> Value {
    json!({
        "id": 1, "name": "Payroll", "url": "https://payroll.example.com/punches", "events": ["punch"],
        "devices": ["1", "2"], "users": [], "batch": 100, "enabled": true, "state": "active", "cursor": 0,
        "pending": 512, "failures": 0, "next_attempt": null, "last_error": null, "last_attempt": tried(),
        "created_at": "2026-11-23T18:16:13.331Z", "updated_at": "2026-11-23T18:16:13.331Z",
    })
}

fn tried() -> Value {
    json!({
        "id": 7, "at": "2026-11-23T18:16:13.402Z", "ms": 38, "test": false, "first_seq": 501, "last_seq": 512,
        "count": 12, "status": 204, "error": null,
    })
}
