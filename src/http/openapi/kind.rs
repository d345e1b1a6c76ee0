//! What a schema lets pass, in a few words for people.

use serde_json::Value;

/// The words for a schema.
pub(super) fn kind(schema: &Value) -> String {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if let Some(name) = text("$ref").and_then(|path| path.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_ascii_lowercase());
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if schema.get("enum").is_some() {
        return words(schema.get("enum"));
    }
    if let Some(forms) =
        schema.get("anyOf").and_then(Value::as_array).filter(|_| schema.get("type").is_none())
    {
        return forms.iter().map(kind).collect::<Vec<_>>().join(", or ");
    }
    let (types, null) = match schema.get("type") {
        Some(Value::Array(types)) => (types.first().and_then(Value::as_str), true),
        found => (found.and_then(Value::as_str), false),
    };
    let shown = match types.unwrap_or_default() {
        "string" => textual(schema),
        "integer" => format!("whole number{}", range(schema)),
        "number" => format!("number{}", range(schema)),
        "boolean" => "`true`, `false`".to_owned(),
        "array" => format!("list of {}", schema.get("items").map(kind).unwrap_or_default()),
        "object" => object(schema),
        "null" => "`null`".to_owned(),
        _ => "anything".to_owned(),
    };
    if null { format!("{shown}, or `null`") } else { shown }
}

/// The words of an `enum`.
pub(super) fn words(list: Option<&Value>) -> String {
    let words = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown = words.iter().map(|word| match word.as_str() {
        Some(word) => format!("`{word}`"),
        None => format!("`{word}`"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn textual(schema: &Value) -> String {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => return "UTC time".to_owned(),
        Some("uri") => return "URL".to_owned(),
        _ => {}
    }
    let number = |name: &str| schema.get(name).and_then(Value::as_u64);
    match (number("minLength"), number("maxLength")) {
        (Some(least), Some(most)) => format!("text of {least} to {most} characters"),
        (None, Some(most)) => format!("text of at most {most} characters"),
        _ => "text".to_owned(),
    }
}

fn range(schema: &Value) -> String {
    let number = |name: &str| schema.get(name).filter(|value| value.is_number()).map(ToString::to_string);
    // The largest number that a database holds says nothing to a person.
    let most = number("maximum").filter(|most| most.len() < 19);
    match (number("minimum"), number("exclusiveMinimum"), most) {
        (Some(least), _, Some(most)) => format!(" from {least} to {most}"),
        (None, Some(bound), Some(most)) => format!(" above {bound}, at most {most}"),
        (Some(least), _, None) if least != "0" => format!(" from {least} on"),
        _ => String::new(),
    }
}

fn object(schema: &Value) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let members: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| match schema.get("description").and_then(Value::as_str) {
            Some(what) => format!("`{name}` ({what})"),
            None => format!("`{name}`"),
        })
        .collect();
    if members.is_empty() { "object".to_owned() } else { format!("object with {}", members.join(", ")) }
}
