//! The description as tests use it: its operations, and schemas that let nothing pass that they do not name.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use zkgate::http::openapi;

/// One operation.
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) object: Value,
}

/// All of them, in the order of their paths.
pub(crate) fn operations() -> Vec<Operation> {
    let paths = openapi::document()["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(|(method, object)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            object: object.clone(),
        })
    });
    all.collect()
}

impl Operation {
    pub(crate) fn id(&self) -> &str {
        self.object["operationId"].as_str().unwrap()
    }

    pub(crate) fn parameters(&self, place: &str) -> Vec<&Value> {
        self.object["parameters"].as_array().unwrap().iter().filter(|one| one["in"] == place).collect()
    }

    /// The bodies that its examples show; none for an operation without.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let examples = self.object["requestBody"]["content"]["application/json"]["examples"].as_object();
        examples.into_iter().flatten().map(|(_, example)| example["value"].clone()).collect()
    }

    /// The answer with this status.
    pub(crate) fn response(&self, status: u16) -> Option<&Value> {
        let response = self.object["responses"].get(status.to_string())?;
        Some(resolved(response))
    }

    /// What an answer has that the description does not let pass.
    pub(crate) fn objections(&self, status: u16, media: &str, body: &Value) -> Vec<String> {
        let Some(response) = self.response(status) else { return vec![format!("{status} is not described")] };
        let Some(content) = response.get("content") else { return Vec::new() };
        let Some(content) = content.get(media) else { return vec![format!("{media} is not described")] };
        objections(&content["schema"], body)
    }
}

/// What stands behind a reference.
pub(crate) fn resolved(value: &Value) -> &Value {
    let path = value.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
    path.map_or(value, |path| openapi::document().pointer(path).unwrap())
}

/// What a value has that a schema of the description does not let pass.
pub(crate) fn objections(schema: &Value, value: &Value) -> Vec<String> {
    let found = validator(schema);
    found
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
        .collect()
}

fn validator(schema: &Value) -> Validator {
    static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
        let mut schemas = openapi::document()["components"]["schemas"].clone();
        close(&mut schemas);
        schemas
    });
    let mut schema = schema.clone();
    close(&mut schema);
    let whole = json!({ "allOf": [schema], "components": { "schemas": *SCHEMAS } });
    let options =
        jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
    options.build(&whole).unwrap_or_else(|error| panic!("{error}"))
}

/// Answers may grow, but not without being described: no object has members that its schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let whole = members
                .get("type")
                .is_some_and(|kind| *kind == "object" || *kind == json!(["object", "null"]));
            if whole && members.contains_key("properties") {
                members.entry("additionalProperties").or_insert(false.into());
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
