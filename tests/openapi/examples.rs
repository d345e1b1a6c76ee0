//! Every operation's example, asked of the real service with simulated devices; what comes is what is described.

use std::net::SocketAddr;

use serde_json::{Value, json};
use zkgate::simulator::{Config, Simulator};

use crate::contract::{Operation, objections, operations};
use crate::service::{Answer, Service, Setup};

/// Operations that take away what others need come last, in this order.
const LAST: [&str; 26] = [
    "checkPeople",
    "applyPeople",
    "getPeople",
    "forgetPeople",
    "getTemplate",
    "deleteTemplate",
    "getBackup",
    "downloadBackup",
    "restoreDevice",
    "deleteBackup",
    "getMessage",
    "giveMessage",
    "takeMessage",
    "deleteUser",
    "stopTrace",
    "downloadTrace",
    "deleteTrace",
    "revokeToken",
    "lendDevice",
    "resumeDevice",
    "disconnectDevice",
    "disconnectAll",
    "restartDevice",
    "powerOff",
    "deleteWebhook",
    "deleteDevice",
];

fn checked(operation: &Operation, answer: &Answer) {
    let id = operation.id();
    let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap().to_owned();
    let body = match media.ends_with("json") && !media.ends_with("ndjson") {
        true => answer.json(),
        false => String::from_utf8_lossy(&answer.body).into_owned().into(),
    };
    if media == "application/x-ndjson" {
        for line in body.as_str().unwrap().lines() {
            let punch = serde_json::from_str(line).unwrap();
            if id == "downloadTrace" {
                continue;
            }
            assert_eq!(
                objections(&json!({ "$ref": "#/components/schemas/Punch" }), &punch),
                [""; 0],
                "{line}"
            );
        }
    }
    assert_eq!(operation.objections(answer.status, &media, &body), [""; 0], "{id}: {} {body}", answer.status);
}

#[test]
fn every_example_is_answered_as_described() {
    let simulator =
        Simulator::start(Config { devices: 3, users: 5, punches: 20, ..Config::default() }).unwrap();
    // A record that nobody understands, for the quarantine.
    assert!(simulator.devices()[0].damage_record(7, &[0xff; 40]));
    let service = Setup::collecting().start();
    let id = service.add_up(&simulator.devices()[0]);
    let raw = service
        .patch(&format!("/devices/{id}/settings"), &json!({ "raw_commands": true, "biometrics": true }));
    assert_eq!(raw.status, 200, "{raw:?}");
    let collection = format!("/devices/{id}/collection");
    service.until(&collection, |shown| shown["last_read"]["result"] == "complete" && shown["live"] == "on");
    service.until("/quarantine?settled=false", |page| {
        page["data"].as_array().is_some_and(|data| !data.is_empty())
    });
    // A receiver that is not there.
    service.post("/webhooks", &json!({ "url": "http://127.0.0.1:9/", "after": "now" }));

    let mut all = operations();
    let rank = |operation: &Operation| LAST.iter().position(|id| *id == operation.id());
    all.sort_by_key(|operation| rank(operation).map_or(0, |place| place + 1));
    for operation in all {
        // Its answer has no end: a test of its own reads the beginning.
        if ["streamPunches", "streamEvents"].contains(&operation.id()) {
            continue;
        }
        let path = operation.parameters("path").iter().fold(operation.path.clone(), |path, parameter| {
            let example = &parameter["example"];
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &text)
        });
        // The names of traces and backups have their times in them.
        let first = |of: &str| {
            let all = service.until(of, |shown| shown["count"].as_u64() > Some(0));
            all["data"][0]["id"].as_str().unwrap().to_owned()
        };
        let path = match (
            path.strip_prefix("/api/v1/traces/"),
            path.strip_prefix("/api/v1/backups/1-1794000000000"),
        ) {
            (Some(_), _) => format!("/traces/{}", first("/traces")),
            (_, Some(rest)) => format!("/backups/{}{rest}", first("/backups")),
            _ => path,
        };
        let query = operation.parameters("query").into_iter().filter_map(|parameter| {
            let example = parameter.get("example")?;
            let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            Some(format!("{}={text}", parameter["name"].as_str().unwrap()))
        });
        let query = query.collect::<Vec<_>>().join("&");
        // One to be registered, one to be tried without that.
        let there = simulator.devices()[if operation.id() == "createDevice" { 1 } else { 2 }].address();
        let mut bodies: Vec<Value> = operation.bodies().iter().map(|body| at(body, there)).collect();
        if operation.id() == "restoreDevice" {
            bodies[0]["backup"] = first("/backups").into();
        }
        let asked = if query.is_empty() { path } else { format!("{path}?{query}") };
        if operation.id() == "powerOff" {
            // It was restarted just now.
            service.until_state(&id, "idle");
        }
        let answer = service.ask(&operation.method, &asked, bodies.first());
        assert_eq!(answer.status / 100, 2, "{} {asked}: {answer:?}", operation.id());
        checked(&operation, &answer);
        // Others may well be refused, but as described.
        for body in bodies.iter().skip(1) {
            checked(&operation, &service.ask(&operation.method, &asked, Some(body)));
        }
    }
}

/// Addresses of examples belong to nobody; a device that is there answers sooner.
fn at(body: &Value, there: SocketAddr) -> Value {
    let mut body = body.clone();
    if body["ip_address"] == "192.0.2.7" {
        body["ip_address"] = there.ip().to_string().into();
        body["port"] = there.port().into();
    }
    body
}

#[test]
fn every_handler_knows_exactly_the_parameters_that_are_described() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let service = Service::start();
    let id = service.add_up(&simulator.devices()[0]);
    for operation in operations() {
        let path = operation.path.replace("{id}", &id);
        let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        let body = operation.bodies().into_iter().next();
        let answer = service.ask(&operation.method, &format!("{path}?no_such_parameter=1"), body.as_ref());
        let problem = answer.problem(400, "unknown_parameter");
        let known =
            problem["detail"].as_str().unwrap().rsplit("known are: ").next().unwrap().trim_end_matches('.');
        let mut known: Vec<&str> = known.split(", ").filter(|name| *name != "none").collect();
        let mut described: Vec<&str> = operation
            .parameters("query")
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        known.sort_unstable();
        described.sort_unstable();
        assert_eq!(described, known, "{}", operation.id());
        checked(&operation, &answer);
    }
}

#[test]
fn the_description_is_served_to_everybody_and_printed() {
    let service = Service::start();
    let said = service.raw("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Type: application/json"), "{head}");
    let served: Value = serde_json::from_str(body).unwrap();
    assert_eq!(&served, zkgate::http::openapi::document());
    let mut print = std::process::Command::new(env!("CARGO_BIN_EXE_zkgate"));
    let printed = print.args(["openapi"]).output().unwrap();
    assert_eq!(printed.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), served);
    let page = print.arg("--markdown").output().unwrap();
    assert_eq!(String::from_utf8(page.stdout).unwrap(), zkgate::http::openapi::page());
}

#[test]
fn the_stream_begins_as_described() {
    let service = Service::start();
    let mut stream = service.connect();
    let head = service.head("GET", "/api/v1/punches/stream?after=0", "Connection: close\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut said = String::new();
    let mut room = [0; 512];
    while !said.contains("retry: ") {
        let count = std::io::Read::read(&mut stream, &mut room).unwrap();
        assert!(count > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&room[..count]));
    }
    let media = said.lines().find_map(|line| line.strip_prefix("Content-Type: ")).unwrap();
    let all = operations();
    let operation = all.iter().find(|operation| operation.id() == "streamPunches").unwrap();
    assert!(operation.response(200).unwrap()["content"].get(media).is_some(), "{media}");
}
