//! This description.

use serde_json::json;

use super::Document;

pub(super) fn describe(doc: &mut Document) {
    doc.tag("Description", "This document, for programs that make clients, tests and pages from it.");
    let document = json!({
        "type": "object",
        "properties": { "openapi": { "type": "string" }, "info": { "type": "object" }, "paths": { "type": "object" } },
        "required": ["openapi", "info", "paths"],
        "additionalProperties": true,
    });
    doc.schema("Description", document);
    let example =
        json!({ "openapi": "3.1.0", "info": { "title": "zkgate", "version": "0.1.0" }, "paths": {} });
    doc.get("/api/openapi.json", "getDescription", "The API description, OpenAPI 3.1")
        .tells("No token: it holds no secrets, and is the same for everybody.")
        .answers(200, "The description.", "Description", example);
}
