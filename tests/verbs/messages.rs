//! Short messages.

use serde_json::json;

use crate::{everywhere, fault, one};

#[test]
fn a_message_is_written_shown_given_taken_and_deleted() {
    everywhere(2, |service, case| {
        let path = "/messages/5";
        service.get(&case.path(path)).problem(404, "not_found");
        let body =
            json!({ "text": "Grüße", "for": "persons", "minutes": 60, "start": "2026-07-14T08:00:00" });
        let shown = json!({
            "message": 5, "text": "Grüße", "for": "persons", "tag": 254, "minutes": 60, "start": "2026-07-14T08:00:00",
        });
        case.keeps(service, path, &body, &shown);
        let always = service.put(&case.path("/messages/65535"), &json!({ "text": "Hello" })).json();
        assert_eq!((&always["for"], &always["minutes"]), (&json!("everybody"), &json!(0)), "{always}");
        let given = case.path("/users/1002/messages/5");
        assert_eq!(service.put(&given, &json!({})).json()["given"], true, "{}", case.name);
        assert_eq!(case.device.given_messages(), [(2, 5)], "{}", case.name);
        assert_eq!(service.delete(&given).json()["taken"], true, "{}", case.name);
        assert!(case.device.given_messages().is_empty(), "{}", case.name);
        service.delete(&given).problem(502, "device_rejected");
        service.put(&case.path("/users/4711/messages/5"), &json!({})).problem(404, "unknown_user");
        case.fails(service, 70, path, &json!({ "text": "Another" }));
        for _ in 0..2 {
            assert_eq!(
                service.delete(&case.path(path)).status,
                200,
                "{}: what is not there is deleted",
                case.name
            );
        }
        service.get(&case.path(path)).problem(404, "not_found");
    });
}

#[test]
fn a_message_that_a_device_does_not_want_to_show_is_not_taken_for_deleted() {
    let (service, case) = one(0);
    let path = case.path("/messages/5");
    assert_eq!(service.put(&path, &json!({ "text": "Hello" })).status, 200);
    fault(&case.device, "reject:2001@71");
    service.get(&path).problem(404, "not_found");
    assert_eq!(service.delete(&path).json()["deleted"], true);
    assert_eq!(case.device.counters().command(72), 1);
    case.device.clear_faults();
    service.get(&path).problem(404, "not_found");
}

#[test]
fn a_text_that_does_not_fit_is_never_cut() {
    let (service, case) = one(0);
    let set = |body| service.put(&case.path("/messages/1"), &body);
    service.patch(&case.path("/settings"), &json!({ "name_encoding": "gbk" }));
    assert_eq!(set(json!({ "text": "早上好" })).json()["text"], "早上好");
    // Two bytes each.
    assert_eq!(set(json!({ "text": "好".repeat(30) })).status, 200);
    for (body, field) in [
        (json!({ "text": "好".repeat(31) }), "text"),
        (json!({ "text": "🙂" }), "text"),
        (json!({ "text": "" }), "text"),
        (json!({ "text": "a\u{0}b" }), "text"),
        (json!({ "text": "a", "minutes": 65_536, "start": "2026-07-14T08:00:00" }), "minutes"),
        (json!({ "text": "a", "minutes": 1 }), "start"),
    ] {
        assert_eq!(set(body.clone()).problem(422, "invalid_value")["field"], field, "{body}");
    }
    set(json!({ "text": "a", "start": "2026-02-30T00:00:00" })).problem(400, "invalid_body");
    set(json!({ "text": "a", "for": "dogs" })).problem(400, "invalid_body");
    for number in ["0", "65536", "x"] {
        service.get(&case.path(&format!("/messages/{number}"))).problem(404, "not_found");
    }
}
