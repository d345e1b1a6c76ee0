//! Who comes in, and for how long.

use serde_json::{Value, json};

use crate::rig::{TRANSACTIONS, ask, detail, speaking};
use crate::service::{Answer, Service, Setup};

const DOORS: [&str; 2] = ["/api-token-auth/", "/jwt-api-token-auth/"];

fn log_in(service: &Service, door: &str, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password }).to_string();
    service.send("POST", door, Some(body.into_bytes()), Some("application/json"), None)
}

fn made(service: &Service, name: &str, scopes: &[&str]) -> (u64, String) {
    let made = service.post("/tokens", &json!({ "name": name, "scopes": scopes }));
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    (made["id"].as_u64().unwrap(), made["token"].as_str().unwrap().to_owned())
}

#[test]
fn a_token_and_its_name_open_both_doors_until_it_is_revoked() {
    let service = speaking(Setup::new()).start();
    let (id, token) = made(&service, "payroll", &["read"]);
    for (door, scheme) in [(DOORS[0], "Token"), (DOORS[1], "JWT"), (DOORS[1], "jwt"), (DOORS[0], "Bearer")] {
        let given = log_in(&service, door, "payroll", &token);
        assert_eq!((given.status, given.json()), (200, json!({ "token": token })), "{door}");
        let shown = ask(&service, "GET", TRANSACTIONS, &format!("{scheme} {token}"));
        assert_eq!((shown.status, &shown.json()["code"]), (200, &json!(0)), "{scheme}");
    }
    // As a form, and without the last slash.
    let form = format!("username=payroll&password={token}").into_bytes();
    let kind = Some("application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(service.send("POST", "/api-token-auth", Some(form), kind, None).status, 200);
    let main = service.token.clone();
    assert_eq!(log_in(&service, DOORS[0], "main", &main).json(), json!({ "token": main }));

    assert_eq!(service.delete(&format!("/tokens/{id}")).status, 204);
    let header = format!("Token {token}");
    assert_eq!(detail(&ask(&service, "GET", TRANSACTIONS, &header), 401), "Invalid token.");
    assert_eq!(log_in(&service, DOORS[0], "payroll", &token).status, 400);
    assert!(!service.log().contains(&token), "a token is in the log");
}

#[test]
fn whoever_does_not_fit_is_told_so_as_that_server_does() {
    let service = speaking(Setup::new()).start();
    let (_, token) = made(&service, "payroll", &["operate"]);
    let (_, fingers) = made(&service, "fingers", &["biometric"]);
    let refused = json!({ "non_field_errors": ["Unable to log in with provided credentials."] });
    for door in DOORS {
        for (username, password) in [
            ("payroll", "wrong-wrong-wrong-wrong"),
            ("somebody", token.as_str()),
            ("main", token.as_str()),
            ("payroll", service.token.as_str()),
            ("fingers", fingers.as_str()),
            ("payroll", "a b"),
        ] {
            let answer = log_in(&service, door, username, password);
            assert_eq!((answer.status, answer.json()), (400, refused.clone()), "{username}");
        }
        let required = json!(["This field is required."]);
        for (body, lacking) in [
            (&b""[..], vec!["username", "password"]),
            (b"{\"username\":\"payroll\"", vec!["username", "password"]),
            (b"[]", vec!["username", "password"]),
            (b"{\"username\":\"payroll\",\"password\":4711}", vec!["password"]),
            (b"{\"username\":\"\",\"password\":\"x\"}", vec!["username"]),
        ] {
            let answer = service.send("POST", door, Some(body.to_vec()), Some("application/json"), None);
            let expected: serde_json::Map<String, Value> =
                lacking.iter().map(|name| ((*name).to_owned(), required.clone())).collect();
            assert_eq!((answer.status, answer.json()), (400, Value::Object(expected)), "{body:?}");
        }
    }
    for header in ["Token wrong-wrong-wrong", "Basic bWFpbjp4", "Token", "JWT "] {
        assert_eq!(detail(&ask(&service, "GET", TRANSACTIONS, header), 401), "Invalid token.", "{header}");
    }
    let nobody = service.send("GET", TRANSACTIONS, None, None, None);
    assert_eq!(detail(&nobody, 401), "Authentication credentials were not provided.");
    assert!(nobody.header("www-authenticate").is_some());
    let answer = ask(&service, "GET", TRANSACTIONS, &format!("Token {fingers}"));
    assert!(detail(&answer, 403).contains("scope read"), "{answer:?}");
    for secret in [&token, &fingers, &service.token] {
        assert!(!service.log().contains(secret.as_str()), "a token is in the log");
    }
}

#[test]
fn where_no_token_is_needed_any_will_do_and_none_is_repeated() {
    let service = speaking(Setup::new()).set("ZKGATE_REQUIRE_TOKEN", "false").start();
    let given = log_in(&service, DOORS[0], "admin", "whatever it was before");
    assert_eq!((given.status, given.json()), (200, json!({ "token": "anybody" })));
    assert_eq!(ask(&service, "GET", TRANSACTIONS, "Token anybody").status, 200);
}
