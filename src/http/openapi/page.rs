//! The reference page for people, in Markdown, made from the document alone.

use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::fill::fill;
use super::kind::{kind, words};
use super::problems::{self, Case};
use crate::http::codes::{About, CODES};

/// The page.
pub(super) fn of(document: &Value) -> String {
    let mut page = Page { document, out: String::new() };
    page.write();
    page.out
}

struct Page<'d> {
    document: &'d Value,
    out: String,
}

/// The methods in the order in which people expect them.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl Page<'_> {
    fn write(&mut self) {
        self.line("# API reference");
        self.line("");
        self.line("<!-- Made by `zkgate openapi --markdown`: change the description, not this page. -->");
        self.line("");
        self.line(
            "Every request, what it takes and what it answers. The same for programs is the OpenAPI 3.1 document \
             that the service gives under `/api/openapi.json`, and `zkgate openapi` prints. How things belong \
             together is told in [api.md](api.md).",
        );
        self.line("");
        self.line(at(self.document, "/info/description"));
        let tags = list(self.document, "/tags");
        self.contents(tags);
        for tag in tags {
            let name = at(tag, "/name");
            self.heading(2, name);
            self.line(at(tag, "/description"));
            self.each_of(name, |page, method, path, operation| page.operation(method, path, operation));
        }
        self.schemas();
        self.codes();
    }

    fn contents(&mut self, tags: &[Value]) {
        self.line("");
        self.line("| | |");
        self.line("|---|---|");
        for tag in tags {
            let name = at(tag, "/name");
            let mut row = format!("| [{name}](#{}) | ", anchor(name));
            let mut first = true;
            self.each_of(name, |_, method, path, _| {
                let gap = if std::mem::take(&mut first) { "" } else { " · " };
                let title = title(method, path);
                let _ = write!(row, "{gap}[`{title}`](#{})", anchor(&title));
            });
            row.push_str(" |");
            self.line(&row);
        }
        self.line("| [Schemas](#schemas) | the objects |");
        self.line("| [Error codes](#error-codes) | every code, what it means and what to do |");
    }

    /// Every operation with this tag.
    fn each_of(&mut self, tag: &str, mut show: impl FnMut(&mut Self, &str, &str, &Value)) {
        let Some(paths) = self.document.pointer("/paths").and_then(Value::as_object) else { return };
        for (path, methods) in paths {
            for method in METHODS {
                let Some(operation) = methods.get(method) else { continue };
                if at(operation, "/tags/0") == tag {
                    show(self, method, path, operation);
                }
            }
        }
    }

    fn operation(&mut self, method: &str, path: &str, operation: &Value) {
        self.heading(3, &format!("`{}`", title(method, path)));
        let mut told = format!("{}.", at(operation, "/summary"));
        for more in [at(operation, "/description"), needs(operation)] {
            if !more.is_empty() {
                told.push(' ');
                told.push_str(more);
            }
        }
        self.line(&told);
        let scopes = words(operation.pointer("/security/0/bearer"));
        if !scopes.is_empty() {
            self.line("");
            self.line(&format!("Scope: {scopes}."));
        }
        self.parameters(list(operation, "/parameters"));
        if let Some(body) = operation.pointer("/requestBody/content/application~1json") {
            let schema = body.pointer("/schema").unwrap_or(&Value::Null);
            let optional = operation.pointer("/requestBody/required") == Some(&Value::Bool(false));
            self.line("");
            self.line(&format!(
                "Body: {}{}",
                kind(schema),
                if optional { "; it may be left out" } else { "" }
            ));
            for example in members(body, "/examples").values() {
                self.example(example.pointer("/value"));
            }
        }
        self.answers(members(operation, "/responses"));
    }

    fn parameters(&mut self, parameters: &[Value]) {
        if parameters.is_empty() {
            return;
        }
        self.line("");
        self.line("| parameter | | |");
        self.line("|---|---|---|");
        for parameter in parameters {
            let place = match at(parameter, "/in") {
                "query" => "",
                "header" => " (header)",
                _ => " (path)",
            };
            let schema = parameter.pointer("/schema").unwrap_or(&Value::Null);
            let (name, what) = (at(parameter, "/name"), at(parameter, "/description"));
            self.line(&format!("| `{name}`{place} | {} | {what} |", kind(schema)));
        }
    }

    fn answers(&mut self, responses: &Map<String, Value>) {
        let mut cases = Vec::new();
        for (status, response) in responses {
            // What several operations share stands among the components.
            let shared = at(response, "/$ref").strip_prefix('#').and_then(|path| self.document.pointer(path));
            let response = shared.unwrap_or(response);
            let content = members(response, "/content");
            let own: Vec<_> = content.iter().filter(|(media, _)| *media != PROBLEM).collect();
            if own.is_empty() && content.contains_key(PROBLEM) {
                cases.extend(codes_of(status, content));
                continue;
            }
            self.line("");
            self.line(&format!("**{status}** {}", at(response, "/description")));
            for (media, answer) in own {
                let schema = answer.pointer("/schema").unwrap_or(&Value::Null);
                let shown = if media == "application/json" { kind(schema) } else { format!("`{media}`") };
                self.line("");
                self.line(&format!("{shown}:"));
                self.example(answer.pointer("/example"));
            }
            cases.extend(codes_of(status, content));
        }
        cases.retain(|(status, code)| !always().any(|case| case.0.to_string() == *status && case.1 == *code));
        if !cases.is_empty() {
            let shown: Vec<String> =
                cases.iter().map(|(status, code)| format!("{status} `{code}`")).collect();
            self.line("");
            self.line(&format!("Problems: {}", shown.join(" · ")));
        }
    }

    fn example(&mut self, example: Option<&Value>) {
        let (language, text) = match example {
            Some(Value::String(text)) => ("text", text.replace("\r\n", "\n").trim_end().to_owned()),
            Some(value) => ("json", fill(value)),
            None => return,
        };
        self.line("");
        self.line(&format!("```{language}"));
        self.line(&text);
        self.line("```");
    }

    fn schemas(&mut self) {
        self.heading(2, "Schemas");
        self.line("Members marked with `?` may be missing.");
        for (name, schema) in members(self.document, "/components/schemas") {
            self.heading(3, name);
            let forms = list(schema, "/anyOf");
            if !forms.is_empty() {
                self.line("One of these:");
            }
            for form in forms {
                self.line("");
                self.members(form);
            }
            if forms.is_empty() {
                self.members(schema);
            }
        }
    }

    fn members(&mut self, schema: &Value) {
        let properties = members(schema, "/properties");
        if properties.is_empty() {
            self.line("No members.");
            return;
        }
        self.line("| member | | |");
        self.line("|---|---|---|");
        let required = list(schema, "/required");
        for (name, schema) in properties {
            let mark = if required.iter().any(|needed| needed == name) { "" } else { "?" };
            self.line(&format!("| `{name}`{mark} | {} | {} |", kind(schema), at(schema, "/description")));
        }
    }

    fn codes(&mut self) {
        self.heading(2, "Error codes");
        let shown: Vec<String> = always().map(|(status, code)| format!("{status} `{code}`")).collect();
        self.line(&format!(
            "Every request can end with these (401 only where a token is needed): {}.",
            shown.join(" · ")
        ));
        for about in About::ALL {
            self.heading(3, about.name());
            self.line("| status | code | it means | do |");
            self.line("|---|---|---|---|");
            for row in CODES.iter().filter(|row| row.about == about) {
                self.line(&format!("| {} | `{}` | {} | {} |", row.status, row.code, row.meaning, row.remedy));
            }
        }
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.line("");
        self.line(&format!("{} {text}", "#".repeat(level)));
        self.line("");
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }
}

const PROBLEM: &str = "application/problem+json";

/// What needs no word at each request.
fn always() -> impl Iterator<Item = Case> {
    problems::ALWAYS.iter().chain(problems::TOKEN).copied()
}

fn codes_of<'d>(status: &str, content: &'d Map<String, Value>) -> Vec<(String, &'d str)> {
    let codes = content.get(PROBLEM).map(|problem| list(problem, "/schema/allOf/1/properties/code/enum"));
    codes.into_iter().flatten().filter_map(|code| Some((status.to_owned(), code.as_str()?))).collect()
}

fn needs(operation: &Value) -> &'static str {
    if list(operation, "/security").is_empty() { "It needs no token." } else { "" }
}

fn title(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_ascii_uppercase())
}

/// The anchor that a heading gets where pages of this kind are shown.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn members<'v>(value: &'v Value, pointer: &str) -> &'v Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.pointer(pointer).and_then(Value::as_object).unwrap_or(&NONE)
}
