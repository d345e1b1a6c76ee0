//! Webhooks through the real program: what the API takes and shows, and what outlives a `kill -9`.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};
use zkgate::simulator::{Config, Simulator};

use crate::receiver::{Answer, Gate, Receiver, Request};
use crate::service::{Service, Setup};

/// Receivers of these tests are on this machine.
fn setup() -> Setup {
    Setup::collecting().set("ZKGATE_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES", "true")
}

fn made(service: &Service, body: &Value) -> Value {
    let made = service.post("/webhooks", body);
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.json();
    assert_eq!(made.header("location"), Some(format!("/api/v1/webhooks/{}", shown["id"]).as_str()));
    shown
}

#[test]
fn a_webhook_is_made_shown_changed_and_deleted_and_its_secret_is_shown_once() {
    let service = setup().set("ZKGATE_LOG", "trace").start();
    let receiver = Receiver::new();
    let url = format!("{}?token=hunter2", receiver.url());
    let shown = made(&service, &json!({ "url": url }));
    let secret = shown["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 64);
    let mut expected = json!({
        "id": 1, "name": "127.0.0.1", "url": url, "events": ["punch"], "devices": [], "users": [], "batch": 100,
        "enabled": true, "state": "active", "cursor": 0, "pending": 0, "failures": 0, "next_attempt": null,
        "last_error": null, "last_attempt": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
    for name in ["created_at", "updated_at"] {
        assert!(shown[name].as_str().unwrap().ends_with('Z'), "{shown}");
        expected[name] = shown[name].clone();
    }
    assert_eq!(service.get("/webhooks/1").json(), expected, "the same without the secret");
    assert_eq!(service.get("/webhooks").json(), json!({ "count": 1, "data": [expected] }));
    // Whoever may only look is not told what it takes to write to the receiver.
    let token = |name: &str| {
        let made = service.post("/tokens", &json!({ "name": name, "scopes": [name] })).json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (reader, admin) = (token("read"), token("admin"));
    let hidden = format!("{}?***", receiver.url());
    let one = service.as_somebody(&reader, "GET", "/webhooks/1", None).json();
    assert_eq!(one["url"], hidden);
    let all = service.as_somebody(&reader, "GET", "/webhooks", None).json();
    assert_eq!(all["data"], json!([one]), "and nothing else is different");
    assert_eq!(service.as_somebody(&admin, "GET", "/webhooks/1", None).json(), expected);

    let given = json!({
        "url": receiver.url(), "name": "payroll", "events": ["punch"], "devices": ["1", "gate:2"],
        "users": ["1001"], "secret": "a-secret-of-our-own", "batch": 7, "enabled": false, "after": 0,
    });
    let shown = made(&service, &given);
    for name in ["name", "url", "devices", "users", "batch", "enabled", "secret"] {
        assert_eq!(shown[name], given[name], "{name}");
    }
    assert_eq!(shown["state"], "disabled");

    let change = json!({ "name": "wages", "devices": [], "batch": 8, "enabled": true });
    let changed = service.patch("/webhooks/2", &change).json();
    for (name, value) in change.as_object().unwrap() {
        assert_eq!(changed[name], *value, "{name}");
    }
    assert_eq!((changed["users"].clone(), changed["state"].as_str()), (json!(["1001"]), Some("active")));
    assert!(changed.get("secret").is_none());
    let given = service.patch("/webhooks/2", &json!({ "secret": "a-newer-secret-of-our-own" })).json();
    assert!(given.get("secret").is_none(), "whoever gave it knows it");
    let rotated = service.patch("/webhooks/2", &json!({ "secret": null })).json();
    let rotated = rotated["secret"].as_str().unwrap().to_owned();
    assert!(rotated.len() == 64 && rotated != secret);

    assert_eq!(service.post("/webhooks/2/replay", &json!({ "after": 0 })).json()["cursor"], 0);
    assert_eq!(service.post("/webhooks/2/replay", &json!({ "after": "now" })).json()["id"], 2);
    assert_eq!(service.post("/webhooks/1/test", &json!({})).json()["ok"], true);
    assert_eq!(service.delete("/webhooks/1").status, 204);
    service.delete("/webhooks/1").problem(404, "not_found");
    let left = service.get("/webhooks").json();
    assert_eq!((left["count"].as_u64(), left["data"][0]["id"].as_u64()), (Some(1), Some(2)));
    assert_eq!(made(&service, &json!({ "url": receiver.url() }))["id"], 3, "an id is never used again");
    let seen = format!("{left}{}", service.log());
    for secret in [&secret, "hunter2", "secret-of-our-own", &rotated] {
        assert!(!seen.contains(secret), "{secret} was shown");
    }
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let service = setup().start();
    let receiver = Receiver::new();
    made(&service, &json!({ "url": receiver.url(), "name": "one" }));
    let before = service.get("/webhooks").json();
    for (body, code) in [
        (json!({}), "invalid_body"),
        (json!({ "url": "ftp://example.com/" }), "invalid_body"),
        (json!({ "url": "https://user:hunter2@example.com/" }), "invalid_body"),
        (json!({ "url": 7 }), "invalid_body"),
        (json!({ "url": "https://example.com/", "colour": "red" }), "invalid_body"),
        (json!({ "url": "https://example.com/", "events": ["door"] }), "invalid_body"),
        (json!({ "url": "https://example.com/", "secret": "hunter2" }), "invalid_body"),
        (json!({ "url": "https://example.com/", "batch": 0 }), "invalid_body"),
        (json!({ "url": "https://example.com/", "after": "then" }), "invalid_body"),
        (json!({ "url": "https://example.com/", "devices": ["a b"] }), "invalid_body"),
        (json!(["https://example.com/"]), "invalid_body"),
    ] {
        let answer = service.post("/webhooks", &body);
        let problem = answer.problem(400, code);
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
    let beyond = service.post("/webhooks", &json!({ "url": "https://example.com/", "after": 10 }));
    assert_eq!(beyond.problem(422, "invalid_value")["field"], "after");
    for body in [json!({}), json!({ "cursor": 5 }), json!({ "enabled": "yes" }), json!({ "url": "x" })] {
        service.patch("/webhooks/1", &body).problem(400, "invalid_body");
    }
    for body in [json!({}), json!({ "after": -1 }), json!({ "before": 1 })] {
        service.post("/webhooks/1/replay", &body).problem(400, "invalid_body");
    }
    service.post("/webhooks/1/replay", &json!({ "after": 9 })).problem(422, "invalid_value");
    service.post("/webhooks/1/test", &json!({ "url": "x" })).problem(400, "invalid_body");
    service.get("/webhooks?state=active").problem(400, "unknown_parameter");
    service.get("/webhooks/1/deliveries?limit=0").problem(400, "invalid_parameter");
    for id in ["2", "0", "x", "-1", "99999999999999999999", "1e0"] {
        service.get(&format!("/webhooks/{id}")).problem(404, "not_found");
        service.get(&format!("/webhooks/{id}/deliveries")).problem(404, "not_found");
        service.patch(&format!("/webhooks/{id}"), &json!({ "batch": 5 })).problem(404, "not_found");
        service.delete(&format!("/webhooks/{id}")).problem(404, "not_found");
        service.post(&format!("/webhooks/{id}/test"), &json!({})).problem(404, "not_found");
        service.post(&format!("/webhooks/{id}/replay"), &json!({ "after": 0 })).problem(404, "not_found");
    }
    service.put("/webhooks/1", &json!({})).problem(405, "method_not_allowed");
    let unauthorized = service.send("GET", "/webhooks", None, None, None);
    unauthorized.problem(401, "unauthorized");
    assert_eq!(service.get("/webhooks").json(), before);
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn there_are_not_more_webhooks_than_there_may_be() {
    let service = setup().start();
    let receiver = Receiver::new();
    for _ in 0..32 {
        made(&service, &json!({ "url": receiver.url() }));
    }
    service.post("/webhooks", &json!({ "url": receiver.url() })).problem(409, "too_many_webhooks");
    assert_eq!(service.delete("/webhooks/7").status, 204);
    made(&service, &json!({ "url": receiver.url() }));
}

#[test]
fn a_test_answers_with_what_the_receiver_did_and_is_among_the_deliveries() {
    let service = setup().start();
    let receiver = Receiver::scripted([Answer::Status(201), Answer::Status(410)]);
    made(&service, &json!({ "url": receiver.url(), "secret": "a-secret-of-our-own" }));
    let tried = service.post("/webhooks/1/test", &json!({})).json();
    assert_eq!(
        (tried["ok"].clone(), tried["status"].clone(), tried["error"].clone()),
        (json!(true), json!(201), Value::Null)
    );
    assert!(tried["ms"].as_f64().is_some_and(|ms| ms > 0.0), "{tried}");
    let tried = service.post("/webhooks/1/test", &json!({})).json();
    assert_eq!((tried["ok"].clone(), tried["status"].clone()), (json!(false), json!(410)));
    let log = service.get("/webhooks/1/deliveries").json();
    assert_eq!(log["count"], 2);
    let statuses: Vec<_> = log["data"].as_array().unwrap().iter().map(|one| one["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(410), Some(201)], "the newest first");
    assert!(
        log["data"].as_array().unwrap().iter().all(|one| one["test"] == true && one["first_seq"].is_null())
    );
    assert_eq!(service.get("/webhooks/1/deliveries?limit=1").json()["count"], 1);
    let shown = service.get("/webhooks/1").json();
    assert_eq!((shown["enabled"].clone(), shown["state"].clone()), (json!(true), json!("active")));
    assert_eq!(shown["last_attempt"]["status"], 410);
    let request = &receiver.requests()[0];
    assert_eq!(request.json()["events"], json!([{ "type": "test" }]));
    assert!(request.is_signed_with("a-secret-of-our-own"));
}

#[test]
fn a_receiver_that_hangs_holds_no_http_worker() {
    let service = setup().set("ZKGATE_HTTP_WORKERS", "1").start();
    let gate = Gate::new();
    let receiver = Receiver::always(Answer::Gate(gate.clone()));
    made(&service, &json!({ "url": receiver.url() }));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| service.post("/webhooks/1/test", &json!({})));
        receiver.until_requests(1);
        // The only worker is free, and who is in a hurry is told in time.
        assert_eq!(service.get("/webhooks").status, 200);
        service.post("/webhooks/1/test?timeout=0.2", &json!({})).problem(504, "deadline_exceeded");
        gate.open();
        assert_eq!(patient.join().unwrap().json()["ok"], true);
    });
}

#[test]
fn webhooks_outlive_a_kill() {
    let mut service = setup().start();
    let receiver = Receiver::new();
    made(&service, &json!({ "url": receiver.url(), "name": "one", "secret": "a-secret-of-our-own" }));
    made(&service, &json!({ "url": receiver.url(), "name": "two", "users": ["7"], "enabled": false }));
    service.post("/webhooks/1/test", &json!({})).json();
    let (webhooks, log) = (service.get("/webhooks").json(), service.get("/webhooks/1/deliveries").json());
    service.signal(Signal::KILL);
    service.ended();

    let again = service.setup.again();
    let service = again.start();
    assert_eq!(service.get("/webhooks").json(), webhooks);
    assert_eq!(service.get("/webhooks/1/deliveries").json(), log);
    // The secret too: the receiver gets what it can check.
    crate::service::eventually("the webhooks are known again", || {
        service.post("/webhooks/1/test", &json!({})).status == 200
    });
    let requests = receiver.requests();
    assert!(requests.last().unwrap().is_signed_with("a-secret-of-our-own"));
}

#[test]
fn every_punch_of_a_device_arrives_in_order_even_across_a_kill() {
    let config = Config { users: 20, punches: 230, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    let mut service = setup().start();
    let gate = Gate::new();
    let receiver = Receiver::scripted([Answer::Status(200), Answer::Gate(gate.clone())]);
    made(&service, &json!({ "url": receiver.url(), "batch": 50, "after": 0 }));
    service.add_up(device);
    // Killed while a request is under way: whether its rows were taken is known to the receiver only.
    receiver.until_requests(2);
    service.signal(Signal::KILL);
    service.ended();
    gate.open();
    receiver.until(|requests| requests[1].status == Some(204));
    assert_eq!(device.punch_many(7), 7);

    let service = service.setup.again().start();
    assert_eq!(service.get("/webhooks/1").json()["enabled"], true);
    let seen = |requests: &[Request]| {
        let mut rows = BTreeMap::new();
        for event in requests.iter().flat_map(|r| r.json()["events"].as_array().unwrap().clone()) {
            let row = (event["user_id"].clone(), event["timestamp"].clone());
            let known = rows.insert(event["seq"].as_u64().unwrap(), row.clone());
            assert!(known.is_none_or(|known| known == row), "a number is one row's for ever");
        }
        rows
    };
    let requests = receiver.until(|requests| seen(requests).len() == 237);
    let rows: Vec<_> = seen(&requests).into_values().collect();
    let told: Vec<_> = device
        .punches()
        .iter()
        .map(|punch| (json!(punch.user_id.to_text()), json!(punch.time.fields().to_string())))
        .collect();
    assert_eq!(rows, told);
    let firsts: Vec<_> = requests.iter().map(|request| request.seqs()[0]).collect();
    assert!(firsts.windows(2).all(|pair| pair[0] <= pair[1]), "nothing overtakes: {firsts:?}");
    service.until("/webhooks/1", |shown| shown["cursor"] == 237 && shown["pending"] == 0);
}

#[test]
fn private_addresses_need_a_setting_and_the_environments_proxy_is_not_asked() {
    let (receiver, proxy) = (Receiver::new(), Receiver::new());
    let through = format!("http://{}", proxy.address);
    let with_proxy = |setup: Setup| {
        ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .iter()
            .fold(setup, |setup, name| setup.set(name, &through))
    };
    let service = with_proxy(Setup::new()).start();
    made(&service, &json!({ "url": receiver.url() }));
    let tried = service.post("/webhooks/1/test", &json!({})).json();
    assert!(tried["error"].as_str().unwrap().contains("allow_private_addresses"), "{tried}");
    drop(service);
    let service = with_proxy(setup()).start();
    made(&service, &json!({ "url": receiver.url() }));
    assert_eq!(service.post("/webhooks/1/test", &json!({})).json()["ok"], true);
    assert_eq!((receiver.connections(), proxy.connections()), (1, 0));
}

#[test]
fn settings_that_cannot_work_are_told_at_start() {
    let (code, said) = Setup::new().set("ZKGATE_WEBHOOKS_CA_FILE", "/nowhere/ca.pem").fails();
    assert!(code != 0 && said.contains("webhooks.ca_file"), "{code}: {said}");
    let (code, said) = Setup::new().set("ZKGATE_WEBHOOKS_BACK_OFF_FIRST", "10m").fails();
    assert!(code != 0 && said.contains("webhooks.back_off_first"), "{code}: {said}");
}
