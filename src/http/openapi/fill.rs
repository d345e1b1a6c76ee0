//! JSON for people: as many members on a line as fit.

use std::fmt::Write;

use serde_json::Value;

/// The longest line.
const WIDTH: usize = 110;

/// The value in lines.
pub(super) fn fill(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, &mut out);
    out
}

fn put(value: &Value, indent: usize, out: &mut String) {
    let short = inline(value);
    let parts: Vec<(String, &Value)> = match value {
        _ if indent + short.len() <= WIDTH => Vec::new(),
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value)).collect()
        }
        _ => Vec::new(),
    };
    if parts.is_empty() {
        out.push_str(&short);
        return;
    }
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    out.push(open);
    let (margin, mut used) = (indent + 2, usize::MAX);
    for (index, (name, value)) in parts.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let length = name.len() + inline(value).len() + 2;
        if used.saturating_add(length) > WIDTH {
            let _ = write!(out, "\n{:margin$}", "");
            used = margin;
        } else {
            out.push(' ');
        }
        out.push_str(name);
        if margin + length > WIDTH {
            put(value, margin, out);
            // What follows a broken one begins a line.
            used = usize::MAX;
        } else {
            out.push_str(&inline(value));
            used += length;
        }
    }
    let _ = write!(out, "\n{:indent$}{close}", "");
}

/// The value on one line, with blanks where people want them.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), inline(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_filled_and_what_is_too_long_is_broken() {
        let long = "x".repeat(60);
        let text = fill(&json!({ "a": 1, "b": [1, 2], "c": { "d": long, "e": long }, "f": null }));
        let expected = format!(
            "{{\n  \"a\": 1, \"b\": [1, 2],\n  \"c\": {{\n    \"d\": \"{long}\",\n    \"e\": \"{long}\"\n  }},\n  \
             \"f\": null\n}}"
        );
        assert_eq!(text, expected);
        assert_eq!(fill(&json!({ "a": [], "b": {} })), r#"{ "a": [], "b": {} }"#);
    }

    proptest! {
        #[test]
        fn it_is_the_same_value(names in proptest::collection::vec("[a-z\" é]{0,40}", 0..12), deep: bool) {
            let members: serde_json::Map<String, Value> =
                names.iter().map(|name| (name.clone(), json!([name, { "n": name }]))).collect();
            let value = if deep { json!([members]) } else { Value::Object(members) };
            prop_assert_eq!(serde_json::from_str::<Value>(&fill(&value)).unwrap(), value);
        }
    }
}
