//! Requests that make no sense: a 4xx that says which and why, and nothing changes.

use serde_json::{Value, json};
use zkgate::simulator::{Config, Simulator};
use zkgate::wire::comm_key::CommKey;

use crate::service::{Answer, Service, Setup, eventually};

/// A service with one device that is switched off: nothing moves.
fn still() -> (Service, Value) {
    let service = Service::start();
    let body = json!({ "ip_address": "127.0.0.1", "port": 7, "name": "Still", "enabled": false });
    assert_eq!(service.post("/devices", &body).status, 201);
    let list = service.get("/devices").json();
    (service, list)
}

fn send(service: &Service, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let token = format!("Bearer {}", service.token);
    service.send(method, path, Some(body.into()), Some("application/json"), Some(&token))
}

#[test]
fn a_body_that_makes_no_sense_is_refused_and_changes_nothing() {
    let (service, before) = still();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let long = format!(r#"{{"{}": 1}}"#, "x".repeat(500_000));
    let new = r#"{"ip_address":"127.0.0.1","port":8,"#;
    for (body, code) in [
        ("", "invalid_body"),
        ("{", "invalid_json"),
        (r#"{"ip_address":"127.0"#, "invalid_json"),
        (r#"{"ip_address":"127.0.0.1"} x"#, "invalid_json"),
        (r#"{"ip_address":"127.0.0.1"}{}"#, "invalid_json"),
        ("{'ip_address':'127.0.0.1'}", "invalid_json"),
        ("\u{feff}{}", "invalid_json"),
        ("[]", "invalid_body"),
        ("null", "invalid_body"),
        ("17", "invalid_body"),
        (&deep("[", "]"), "invalid_body"),
        (&format!(r#"{{"ip_address":"127.0.0.1","comm_key":{}}}"#, deep("[", "]")), "invalid_body"),
        (&deep("{\"a\":", "}"), "invalid_body"),
        (&long, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","colour":"red"}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","ip_address":"127.0.0.1"}"#, "invalid_body"),
        (r#"{"port":4370}"#, "invalid_body"),
        (r#"{"ip_address":17}"#, "invalid_body"),
        (r#"{"ip_address":null}"#, "invalid_body"),
        (r#"{"ip_address":"example.com"}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1:4370"}"#, "invalid_body"),
        (r#"{"ip_address":"0.0.0.0"}"#, "invalid_value"),
        (r#"{"ip_address":"224.0.0.1"}"#, "invalid_value"),
        (&format!(r#"{new}"port":0}}"#), "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","port":0}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","port":65536}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","port":-1}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","port":"4370"}"#, "invalid_body"),
        (r#"{"ip_address":"127.0.0.1","port":1e3}"#, "invalid_body"),
        (&format!(r#"{new}"comm_key":1000000000}}"#), "invalid_body"),
        (&format!(r#"{new}"comm_key":"12 34"}}"#), "invalid_body"),
        (&format!(r#"{new}"comm_key":-5}}"#), "invalid_body"),
        (&format!(r#"{new}"comm_key":true}}"#), "invalid_body"),
        (&format!(r#"{new}"transport":"carrier pigeon"}}"#), "invalid_body"),
        (&format!(r#"{new}"mode":"always"}}"#), "invalid_body"),
        (&format!(r#"{new}"timezone":"Mars/Olympus"}}"#), "invalid_body"),
        (&format!(r#"{new}"timezone":"+03:00"}}"#), "invalid_body"),
        (&format!(r#"{new}"enabled":"yes"}}"#), "invalid_body"),
        (&format!(r#"{new}"name":""}}"#), "invalid_body"),
        (&format!(r#"{new}"name":"a\nb"}}"#), "invalid_body"),
        (&format!(r#"{new}"name":"{}"}}"#, "n".repeat(101)), "invalid_body"),
        (&format!(r#"{new}"probe":1}}"#), "invalid_body"),
        (&format!(r#"{new}"serial_number":"X"}}"#), "invalid_body"),
    ] {
        let case: String = body.chars().take(60).collect();
        let answer = send(&service, "POST", "/devices", body);
        assert!((400..=422).contains(&answer.status), "{case}: {answer:?}");
        assert!(answer.body.len() < 1000, "{case}: the error is short");
        assert_eq!(answer.json()["code"], code, "{case}: {answer:?}");
        answer.problem(if code == "invalid_value" { 422 } else { 400 }, code);
    }
    for (method, path, body) in [
        ("PATCH", "/devices/1", "{}"),
        ("PATCH", "/devices/1", r#"{"id":"2"}"#),
        ("PATCH", "/devices/1", r#"{"port":null,"name":7}"#),
        ("PATCH", "/devices/1", r#"{"name":"x","colour":1}"#),
        ("POST", "/devices/1/lend", r#"{"minutes":0}"#),
        ("POST", "/devices/1/lend", r#"{"minutes":-1}"#),
        ("POST", "/devices/1/lend", r#"{"minutes":18446744073709551615}"#),
        ("POST", "/devices/1/lend", r#"{"seconds":86401}"#),
        ("POST", "/devices/1/lend", r#"{"hours":1}"#),
        ("POST", "/devices/1/lend", r#"{"seconds":1,"to":""}"#),
        ("POST", "/devices/1/connect", r#"{"now":true}"#),
        ("POST", "/devices/1/disconnect", "[]"),
        ("POST", "/devices/1/resume", "1"),
        ("POST", "/devices/1/restart", r#"{"force":1}"#),
        ("POST", "/devices/1/test", r#"{"x":1}"#),
        ("POST", "/devices/1/test-voice", r#"{"index":-1}"#),
        ("POST", "/devices/1/info/refresh", r#"{"x":1}"#),
        ("POST", "/connections/disconnect-all", r#"{"x":1}"#),
        ("POST", "/devices/test-connection", r#"{"ip_address":"127.0.0.1","name":"x"}"#),
        ("POST", "/devices/test-connection", "{}"),
        ("PUT", "/devices/1/time", r#"{"time":17}"#),
        ("PUT", "/devices/1/time", r#"{"time":"2026-02-30T00:00:00"}"#),
        ("PUT", "/devices/1/time", r#"{"when":"now"}"#),
    ] {
        let answer = send(&service, method, path, body);
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid_body")), "{path} {body}");
    }
    assert_eq!(service.get("/devices").json(), before);
}

#[test]
fn a_body_in_another_language_or_too_large_is_refused() {
    let (service, before) = still();
    let token = format!("Bearer {}", service.token);
    let body = json!({ "ip_address": "127.0.0.1", "port": 8 }).to_string().into_bytes();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"] {
        let answer = service.send("POST", "/devices", Some(body.clone()), Some(kind), Some(&token));
        answer.problem(415, "unsupported_media_type");
    }
    let mut large = body.clone();
    large.resize(1024 * 1024 + 1, b' ');
    // The refusal comes before the whole body is sent.
    let head = service.head("POST", "/api/v1/devices", &format!("Content-Length: {}\r\n", large.len()));
    let said = service.raw(head);
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("body_too_large"), "{said}");
    assert_eq!(service.get("/devices").json(), before);
    large.truncate(1024 * 1024);
    assert_eq!(send(&service, "POST", "/devices", large).status, 201, "one byte less is taken");
    let charset = Some("application/json; charset=utf-8");
    let body = json!({ "ip_address": "127.0.0.1", "port": 9, "enabled": false }).to_string();
    let answer = service.send("POST", "/devices", Some(body.into_bytes()), charset, Some(&token));
    assert_eq!(answer.status, 201);
}

#[test]
fn parameters_that_make_no_sense_are_refused() {
    let (service, before) = still();
    for (query, code) in [
        ("/devices?colour=red", "unknown_parameter"),
        ("/devices?limit=0", "invalid_parameter"),
        ("/devices?limit=1001", "invalid_parameter"),
        ("/devices?limit=ten", "invalid_parameter"),
        ("/devices?limit=1&limit=1", "invalid_parameter"),
        ("/devices?after=a%20b", "invalid_parameter"),
        ("/devices?enabled=1", "invalid_parameter"),
        ("/devices?state=asleep", "invalid_parameter"),
        ("/connections?state=asleep", "invalid_parameter"),
        ("/connections?limit=1", "unknown_parameter"),
        ("/devices/1?x=", "unknown_parameter"),
        ("/devices/1/connection?timeout=1", "unknown_parameter"),
        ("/healthz?x=1", "unknown_parameter"),
        ("/readyz?x=1", "unknown_parameter"),
        ("/devices/1/time?timeout=1&timeout=1", "invalid_parameter"),
    ] {
        let answer = service.get(query);
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(code)), "{query}: {answer:?}");
        answer.problem(400, code);
    }
    for timeout in ["", "0", "-1", "nan", "inf", "-inf", "1e9", "601", "120.1", "1m", "ten", "0x10", "1,5"] {
        for (method, path) in [
            ("GET", "/devices/1/time"),
            ("GET", "/devices/1/attendance"),
            ("POST", "/devices/1/restart"),
            ("POST", "/devices/1/connect"),
            ("POST", "/devices/1/lend"),
            ("POST", "/connections/disconnect-all"),
            ("DELETE", "/devices/1"),
        ] {
            let answer = service.ask(method, &format!("{path}?timeout={timeout}"), None);
            let problem = answer.problem(400, "invalid_parameter");
            assert_eq!(problem["parameter"], "timeout", "{path} {timeout}");
        }
    }
    for timeout in ["0.5", "120", "3s", "1e1", "1e-9"] {
        let answer = service.get(&format!("/devices/1/time?timeout={timeout}"));
        assert_ne!(answer.status, 400, "{timeout}: {answer:?}");
    }
    assert_eq!(service.get("/devices").json(), before);
}

#[test]
fn paths_methods_and_devices_that_do_not_exist_are_told_apart() {
    let (service, before) = still();
    for path in ["/", "/device", "/devices/", "/devices//time", "/devices/1/time/", "/devices/1/x", "/users"]
    {
        service.get(path).problem(404, "unknown_path");
    }
    for id in
        ["2", "%2e%2e", "%2e", "1%00", "a%2Fb", &"x".repeat(65), &"9".repeat(64), "%3", "%c3%a9", "-", "*"]
    {
        for path in [format!("/devices/{id}"), format!("/devices/{id}/time")] {
            service.get(&path).problem(404, "not_found");
        }
        let gone = service.ask("DELETE", &format!("/devices/{id}"), None);
        gone.problem(404, "not_found");
    }
    assert_eq!(service.get("/devices/%31").json()["id"], "1", "an escape is an escape");
    // Without any word of a body, as some clients post.
    let said = service.raw(service.head("POST", "/api/v1/devices/1/connect", "Connection: close\r\n"));
    assert!(said.starts_with("HTTP/1.1 409 ") && said.contains("device_disabled"), "{said}");
    for dots in ["/api/v1/devices/../connections", "/api/v1/../v1/devices", "/api/v1/devices/.."] {
        let said = service.raw(service.head("GET", dots, "Connection: close\r\n"));
        assert!(said.starts_with("HTTP/1.1 404 ") || said.starts_with("HTTP/1.1 400 "), "{dots}: {said}");
    }
    for (method, path, allow) in [
        ("DELETE", "/devices", "GET, HEAD, POST"),
        ("POST", "/devices/1", "GET, HEAD, PATCH, DELETE"),
        ("POST", "/devices/1/attendance", "GET, HEAD"),
        ("PATCH", "/devices/1/time", "GET, HEAD, PUT"),
        ("GET", "/devices/1/restart", "POST"),
        ("GET", "/connections/disconnect-all", "POST"),
        ("PUT", "/devices/test-connection", "GET, HEAD, POST, PATCH, DELETE"),
        ("POST", "/healthz", "GET, HEAD"),
    ] {
        let answer = service.ask(method, path, None);
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let said = service.raw(service.head("BREW", "/api/v1/devices", "Connection: close\r\n"));
    assert!(said.starts_with("HTTP/1.1 405 "), "{said}");
    assert_eq!(service.get("/devices").json(), before);
}

#[test]
fn without_the_token_only_health_is_told() {
    let (service, before) = still();
    let token = &service.token;
    for authorization in [
        None,
        Some(String::new()),
        Some("Bearer".into()),
        Some("Bearer ".into()),
        Some(format!("Basic {token}")),
        Some(token.clone()),
        Some(format!("Bearer {}", &token[1..])),
        Some(format!("Bearer {token}x")),
        Some(format!("Bearer {}", token.to_uppercase())),
        Some(format!("Bearer x {token}")),
    ] {
        for (method, path) in [
            ("GET", "/devices"),
            ("GET", "/nowhere"),
            ("POST", "/devices"),
            ("DELETE", "/devices/1"),
            ("PUT", "/devices"),
            ("POST", "/connections/disconnect-all"),
        ] {
            let answer = service.send(method, path, None, None, authorization.as_deref());
            answer.problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"zkgate\""), "{path}");
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(service.send("GET", path, None, None, authorization.as_deref()).status, 200);
        }
    }
    // Two tokens, of which one is right, are none.
    let twice = service.head("GET", "/api/v1/devices", "Authorization: Bearer x\r\nConnection: close\r\n");
    let said = service.raw(twice);
    assert!(said.starts_with("HTTP/1.1 400 ") || said.starts_with("HTTP/1.1 401 "), "{said}");
    assert_eq!(service.get("/devices").json(), before);
}

#[test]
fn no_secret_is_ever_told() {
    let key = 735_182_946;
    let comm_key = CommKey::new(key).unwrap();
    let config = Config { comm_key, users: 40, ..Config::default() };
    let simulator = Simulator::start(config).unwrap();
    let device = &simulator.devices()[0];
    let mut service = Setup::new().set("ZKGATE_LOG", "trace").start();
    let mut said = Vec::new();
    let mut note = |answer: Answer| said.extend(answer.body);
    let id = service.add_with(device, &json!({ "comm_key": key }));
    service.until_state(&id, "idle");
    let path = format!("/devices/{id}");
    for get in ["", "/users", "/info", "/connection"] {
        note(service.get(&format!("{path}{get}")));
    }
    note(service.get("/devices"));
    let port = device.address().port();
    for body in [
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"comm_key":{key}}}"#),
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"comm_key":"{key}x"}}"#),
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"comm_key":{key}.5}}"#),
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"comm_key":[{key}]}}"#),
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"comm_key":{key}"#),
        format!(r#"{{"ip_address":"127.0.0.1","port":{port},"com_password":{key}}}"#),
    ] {
        note(send(&service, "POST", "/devices", body.clone()));
        note(send(&service, "POST", "/devices/test-connection", body));
    }
    note(service.post(&format!("{path}/test"), &json!({})));
    note(service.patch(&path, &json!({ "comm_key": 735_182_947 })));
    service.until_state(&id, "refused");
    note(service.get(&format!("{path}/connection")));
    note(service.send("GET", "/devices", None, None, Some("Bearer 735182946-wrong-token")));
    let (_, check) = service.setup.check();
    assert_eq!(service.stop().0, Some(0));
    let passwords: Vec<String> = device
        .users()
        .iter()
        .map(|user| user.password.expose().to_text().into_owned())
        .filter(|password| password.len() >= 4)
        .collect();
    assert!(passwords.len() > 2, "the simulated people have passwords");
    eventually("the log is read", || service.log().contains("stopping"));
    let (said, log) = (String::from_utf8_lossy(&said).into_owned(), service.log());
    for secret in ["735182946", "735182947", &service.token] {
        for (place, text) in [("answers", &said), ("log", &log), ("check", &check)] {
            assert!(!text.contains(secret), "{secret} stands in the {place}");
        }
    }
    // Short numbers may stand in a trace by chance; in quotes they would be a password.
    let quoted = passwords.iter().map(|password| format!("\"{password}\""));
    quoted.for_each(|password| assert!(!said.contains(&password) && !log.contains(&password)));
}
