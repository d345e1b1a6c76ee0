//! The document by itself: complete, consistent, and the page that is made from it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use zkgate::http::codes::{self, CODES};
use zkgate::http::openapi;
use zkgate::http::route::ROUTES;

use crate::contract::{objections, operations, resolved};

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let described: BTreeSet<(String, String)> =
        operations().into_iter().map(|operation| (operation.method, operation.path)).collect();
    let there: BTreeSet<(String, String)> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    let lacking: Vec<_> = there.difference(&described).collect();
    assert!(lacking.is_empty(), "describe these in src/http/openapi: {lacking:?}");
    let too_many: Vec<_> = described.difference(&there).collect();
    assert!(too_many.is_empty(), "there are no such routes: {too_many:?}");
}

#[test]
fn every_operation_says_what_it_is_and_shows_examples_that_fit_their_schemas() {
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let id = operation.id();
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
        assert!(!operation.object["summary"].as_str().unwrap().is_empty(), "{id}");
        assert!(!operation.object["tags"][0].as_str().unwrap().is_empty(), "{id}");
        for parameter in operation.object["parameters"].as_array().unwrap() {
            let told = parameter["description"].as_str().is_some_and(|what| !what.is_empty());
            assert!(told, "{id}: {parameter} needs a description; names in paths have theirs in segment.rs");
            if let Some(example) = parameter.get("example") {
                assert_eq!(objections(&parameter["schema"], example), [""; 0], "{id}: {parameter}");
            }
        }
        let names = operation.path.matches('{').count();
        assert_eq!(operation.parameters("path").len(), names, "{id}");
        for body in operation.bodies() {
            let schema = &operation.object["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(objections(schema, &body), [""; 0], "{id}: {body}");
        }
        for (status, response) in operation.object["responses"].as_object().unwrap() {
            let response = resolved(response);
            assert!(!response["description"].as_str().unwrap().is_empty(), "{id} {status}");
            for (media, content) in response["content"].as_object().into_iter().flatten() {
                let examples = content["examples"].as_object().into_iter().flatten();
                let examples = examples.map(|(_, example)| &resolved(example)["value"]);
                let examples: Vec<&Value> = content.get("example").into_iter().chain(examples).collect();
                assert!(!examples.is_empty(), "{id} {status} {media} shows no example");
                for example in examples {
                    assert_eq!(objections(&content["schema"], example), [""; 0], "{id} {status}: {example}");
                }
            }
        }
    }
}

#[test]
fn every_problem_that_is_described_is_a_row_of_the_table_of_codes_and_every_row_is_used_or_general() {
    let mut used = BTreeSet::new();
    for operation in operations() {
        for (status, response) in operation.object["responses"].as_object().unwrap() {
            let problem = &resolved(response)["content"]["application/problem+json"];
            for code in
                problem["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array().into_iter().flatten()
            {
                let (status, code) = (status.parse().unwrap(), code.as_str().unwrap());
                let row = codes::find(status, code);
                assert!(row.is_some(), "{}: {status} {code} has no row in codes.rs", operation.id());
                used.insert((status, code.to_owned()));
            }
        }
    }
    // No operation: there is none. Or a device call that no route makes yet, or the problem of an operation itself.
    let elsewhere = [
        "unknown_path",
        "method_not_allowed",
        "invalid_request",
        "rows_failed",
        "devices_failed",
        "templates_would_go",
        "changed_meanwhile",
        "already_enrolled",
        "enrolment_failed",
        "other_device",
        "other_algorithm",
        "backups_full",
        "counts_grown",
        "log_not_empty",
        "backup_incomplete",
        "cleared_more",
    ];
    for row in CODES {
        let told = used.contains(&(row.status, row.code.to_owned())) || elsewhere.contains(&row.code);
        assert!(told, "no operation says that it can end with {} {}", row.status, row.code);
    }
}

#[test]
fn no_schema_is_unused_or_missing() {
    let text = openapi::document().to_string();
    for name in openapi::document()["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is used nowhere");
    }
    for part in text.split("\"$ref\":\"#").skip(1) {
        let path = part.split('"').next().unwrap();
        assert!(openapi::document().pointer(path).is_some(), "{path} is not there");
    }
}

#[test]
fn the_reference_page_is_the_one_that_is_made_from_the_description() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == openapi::page(), "run: cargo run -- openapi --markdown > docs/reference.md");
}
