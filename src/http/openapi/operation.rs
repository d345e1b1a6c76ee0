//! One operation, as the files of the resources describe it: a method on a path, what it takes and what it answers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::problems::{self, Case};
use super::schema::{named, only, word};
use super::segment;
use crate::http::codes;
use crate::http::response::reason;

/// An operation under description.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    problems: Vec<Case>,
}

/// A query parameter or a header.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    name: &'static str,
    place: &'static str,
    schema: Value,
    what: &'static str,
    example: Option<Value>,
}

#[derive(Clone, Debug)]
struct Body {
    schema: Value,
    needed: bool,
    examples: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    what: &'static str,
    media: Vec<(&'static str, Value, Value)>,
    headers: Vec<(&'static str, Value, &'static str)>,
}

const JSON: &str = "application/json";

/// A query parameter.
pub(super) const fn query(name: &'static str, schema: Value, what: &'static str) -> Parameter {
    Parameter { name, place: "query", schema, what, example: None }
}

/// A header that the handler looks at.
pub(super) const fn header(name: &'static str, schema: Value, what: &'static str) -> Parameter {
    Parameter { name, place: "header", schema, what, example: None }
}

/// `timeout`, which nearly everything takes.
pub(super) fn timeout(what: &'static str) -> Parameter {
    let schema = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 120 });
    query("timeout", schema, what)
}

/// What `timeout` is where nothing else is said.
pub(super) const SECONDS: &str = "the deadline, in seconds; 15 if it is left out";

/// `Idempotency-Key`, which everything takes that does something to a device.
pub(super) fn key() -> Parameter {
    let what =
        "under one key, and with one token, the same request is carried out once, also across a restart";
    header("Idempotency-Key", json!({ "type": "string", "pattern": "^[!-~]{1,255}$" }), what)
}

impl Parameter {
    /// With a value that can be tried.
    pub(super) fn such_as(self, example: impl Into<Value>) -> Self {
        Self { example: Some(example.into()), ..self }
    }

    fn shown(&self) -> Value {
        let mut shown = json!({
            "name": self.name, "in": self.place, "schema": self.schema, "description": self.what,
        });
        if let (Some(members), Some(example)) = (shown.as_object_mut(), &self.example) {
            members.insert("example".to_owned(), example.clone());
        }
        shown
    }
}

impl Operation {
    pub(super) fn new(
        tag: &'static str,
        (method, path): (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let (parameters, answers, problems) = (Vec::new(), Vec::new(), Vec::new());
        Self { method, path, id, tag, summary, description: "", parameters, body: None, answers, problems }
    }

    /// More than its summary says.
    pub(super) fn tells(&mut self, description: &'static str) -> &mut Self {
        self.description = description;
        self
    }

    /// Takes these parameters.
    pub(super) fn takes(&mut self, parameters: impl IntoIterator<Item = Parameter>) -> &mut Self {
        self.parameters.extend(parameters);
        self
    }

    /// Needs a body, such as this one.
    pub(super) fn body(&mut self, schema: &str, example: Value) -> &mut Self {
        let body = Body { schema: named(schema), needed: true, examples: vec![("body", example)] };
        self.body = Some(body);
        self
    }

    /// Takes a body, or none for one without members.
    pub(super) fn body_or_none(&mut self, schema: &str, example: Value) -> &mut Self {
        self.body(schema, example);
        if let Some(body) = &mut self.body {
            body.needed = false;
        }
        self
    }

    /// Takes no body, or one without members.
    pub(super) fn no_body(&mut self) -> &mut Self {
        self.body_or_none("Nothing", json!({}))
    }

    /// Another body that it takes.
    pub(super) fn or(&mut self, name: &'static str, example: Value) -> &mut Self {
        if let Some(body) = &mut self.body {
            body.examples.push((name, example));
        }
        self
    }

    /// Answers with JSON.
    pub(super) fn answers(
        &mut self,
        status: u16,
        what: &'static str,
        schema: &str,
        example: Value,
    ) -> &mut Self {
        self.answers_as(status, what, [(JSON, named(schema), example)])
    }

    /// Answers without a body.
    pub(super) fn answers_nothing(&mut self, status: u16, what: &'static str) -> &mut Self {
        self.answers_as(status, what, [])
    }

    /// Answers with one of these kinds of text: media type, schema, example.
    pub(super) fn answers_as(
        &mut self,
        status: u16,
        what: &'static str,
        media: impl IntoIterator<Item = (&'static str, Value, Value)>,
    ) -> &mut Self {
        let answer = Answer { status, what, media: media.into_iter().collect(), headers: Vec::new() };
        self.answers.push(answer);
        self
    }

    /// The answer that was described last has this header, always.
    pub(super) fn with_header(&mut self, name: &'static str, schema: Value, what: &'static str) -> &mut Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, schema, what));
        }
        self
    }

    /// Can end with these problems.
    pub(super) fn fails(&mut self, groups: &[&[Case]]) -> &mut Self {
        self.problems.extend(groups.iter().flat_map(|group| group.iter()));
        self
    }

    /// Every problem it can end with, in order.
    fn cases(&self, open: bool) -> Vec<Case> {
        let mut cases = self.problems.clone();
        cases.extend(problems::ALWAYS);
        if !open {
            cases.extend(problems::TOKEN);
        }
        if !self.parameters.is_empty() {
            cases.extend(problems::PARAMETERS);
        }
        if self.body.is_some() {
            cases.extend(problems::BODY);
        }
        if self.path.contains('{') {
            cases.extend(problems::NAMED);
        }
        cases.sort_unstable();
        cases.dedup();
        cases
    }

    /// The operation object. `scopes` are what a token must allow; `None` when none is needed.
    pub(super) fn object(&self, scopes: Option<&[&str]>) -> Value {
        let segments = segment::of(self.path);
        let parameters: Vec<Value> =
            segments.into_iter().chain(self.parameters.iter().map(Parameter::shown)).collect();
        let mut object = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": parameters,
            "responses": self.responses(scopes.is_none()),
            "security": scopes.map_or_else(|| json!([]), |scopes| json!([{ "bearer": scopes }])),
        });
        let Some(members) = object.as_object_mut() else { return object };
        if !self.description.is_empty() {
            members.insert("description".to_owned(), self.description.into());
        }
        if let Some(body) = &self.body {
            members.insert("requestBody".to_owned(), body.shown());
        }
        object
    }

    fn responses(&self, open: bool) -> Value {
        let mut responses = Map::new();
        for answer in &self.answers {
            responses.insert(answer.status.to_string(), answer.shown());
        }
        let cases = self.cases(open);
        for same in by_status(&cases) {
            let Some((status, _)) = same.first() else { continue };
            match responses.get_mut(&status.to_string()).and_then(|answer| answer.get_mut("content")) {
                // The same status as an answer of its own, told apart by the media type.
                Some(Value::Object(content)) => content.extend(content_of(&refusal(*status, same))),
                _ => {
                    let shared =
                        json!({ "$ref": format!("#/components/responses/{}", name_of(*status, same)) });
                    responses.insert(status.to_string(), shared);
                }
            }
        }
        Value::Object(responses)
    }

    /// Its answers with a problem, under the names by which operations share them.
    pub(super) fn refusals(&self) -> Vec<(String, Value)> {
        let cases = [true, false].into_iter().flat_map(|open| self.cases(open)).collect::<BTreeSet<_>>();
        let cases: Vec<Case> = cases.into_iter().collect();
        let named =
            |same: &[Case]| same.first().map(|(status, _)| (name_of(*status, same), refusal(*status, same)));
        by_status(&cases).filter_map(named).collect()
    }
}

fn by_status(cases: &[Case]) -> impl Iterator<Item = &[Case]> {
    cases.chunk_by(|one, other| one.0 == other.0)
}

/// A name that tells the codes of an answer.
fn name_of(status: u16, cases: &[Case]) -> String {
    cases.iter().fold(status.to_string(), |name, (_, code)| format!("{name}.{code}"))
}

fn content_of(answer: &Value) -> Map<String, Value> {
    answer.get("content").and_then(Value::as_object).cloned().unwrap_or_default()
}

impl Body {
    fn shown(&self) -> Value {
        let examples: Map<String, Value> = self
            .examples
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!({ "value": value })))
            .collect();
        json!({
            "required": self.needed,
            "content": { JSON: { "schema": self.schema, "examples": examples } },
        })
    }
}

impl Answer {
    fn shown(&self) -> Value {
        let mut shown = json!({ "description": self.what });
        let Some(members) = shown.as_object_mut() else { return shown };
        if !self.media.is_empty() {
            let content = self.media.iter().map(|(media, schema, example)| {
                ((*media).to_owned(), json!({ "schema": schema, "example": example }))
            });
            members.insert("content".to_owned(), Value::Object(content.collect()));
        }
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, schema, what)| {
                ((*name).to_owned(), json!({ "required": true, "schema": schema, "description": what }))
            });
            members.insert("headers".to_owned(), Value::Object(headers.collect()));
        }
        shown
    }
}

/// The answer with a problem of this status.
fn refusal(status: u16, cases: &[Case]) -> Value {
    let words: Vec<&str> = cases.iter().map(|(_, code)| *code).collect();
    let told: Vec<String> = cases
        .iter()
        .map(|(status, code)| {
            let meaning = codes::find(*status, code).map_or("", |row| row.meaning);
            format!("`{code}`: {meaning}")
        })
        .collect();
    let examples: Map<String, Value> =
        words.iter().map(|code| ((*code).to_owned(), json!({ "$ref": example_of(status, code) }))).collect();
    let schema = json!({
        "allOf": [named("Problem"), { "properties": { "status": only(status), "code": word(&words) } }],
    });
    let mut answer = json!({
        "description": format!("{}. {}.", reason(status), told.join("; ")),
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    });
    let headers = match status {
        401 => json!({ "WWW-Authenticate": { "required": true, "schema": { "type": "string" } } }),
        405 => json!({ "Allow": { "required": true, "schema": { "type": "string" } } }),
        423 | 503 => json!({ "Retry-After": {
            "schema": { "type": "integer", "minimum": 1 }, "description": "seconds",
        } }),
        _ => return answer,
    };
    if let Some(members) = answer.as_object_mut() {
        members.insert("headers".to_owned(), headers);
    }
    answer
}

/// Where the example of a problem stands.
fn example_of(status: u16, code: &str) -> String {
    format!("#/components/examples/{code}-{status}")
}
