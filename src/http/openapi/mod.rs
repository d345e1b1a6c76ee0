//! The API description (OpenAPI 3.1): every route with what it takes, what it answers, and what can go wrong.
//!
//! One small file per resource describes its operations and schemas. Tests hold them against the table of routes,
//! the handlers' parameters, the codes, and the answers of the running service.

mod access;
mod backups;
mod clearing;
mod collection;
mod connections;
mod description;
mod devices;
mod discovery;
mod door;
mod events;
mod fill;
mod fingers;
mod health;
mod info;
mod journal;
mod kind;
mod messages;
mod operation;
mod operations;
mod options;
mod page;
mod people;
mod power;
mod problems;
mod punches;
mod schema;
mod segment;
mod tables;
mod testing;
mod time;
mod tokens;
mod traces;
mod users;
mod webhooks;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use self::operation::Operation;
use super::codes::{self, CODES};
use super::response::reason;
use super::route::{ROUTES, Route};

/// Who describes, in the order of the reference page.
const RESOURCES: &[fn(&mut Document)] = &[
    devices::describe,
    testing::describe,
    discovery::describe,
    connections::describe,
    info::describe,
    time::describe,
    users::describe,
    people::describe,
    tables::describe,
    door::describe,
    collection::describe,
    punches::describe,
    journal::describe,
    webhooks::describe,
    power::describe,
    options::describe,
    access::describe,
    messages::describe,
    events::describe,
    operations::describe,
    tokens::describe,
    traces::describe,
    fingers::describe,
    backups::describe,
    clearing::describe,
    health::describe,
    description::describe,
];

/// The description under construction.
#[derive(Debug, Default)]
struct Document {
    tags: Vec<(&'static str, &'static str)>,
    operations: Vec<Operation>,
    schemas: Map<String, Value>,
}

impl Document {
    /// A group of operations; those that follow belong to it.
    fn tag(&mut self, name: &'static str, what: &'static str) {
        self.tags.push((name, what));
    }

    /// A schema that operations and other schemas name.
    fn schema(&mut self, name: &'static str, schema: Value) {
        self.schemas.insert(name.to_owned(), schema);
    }

    fn get(&mut self, path: &'static str, id: &'static str, summary: &'static str) -> &mut Operation {
        self.add(("GET", path), id, summary)
    }

    fn post(&mut self, path: &'static str, id: &'static str, summary: &'static str) -> &mut Operation {
        self.add(("POST", path), id, summary)
    }

    fn put(&mut self, path: &'static str, id: &'static str, summary: &'static str) -> &mut Operation {
        self.add(("PUT", path), id, summary)
    }

    fn patch(&mut self, path: &'static str, id: &'static str, summary: &'static str) -> &mut Operation {
        self.add(("PATCH", path), id, summary)
    }

    fn delete(&mut self, path: &'static str, id: &'static str, summary: &'static str) -> &mut Operation {
        self.add(("DELETE", path), id, summary)
    }

    fn add(
        &mut self,
        at: (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> &mut Operation {
        let tag = self.tags.last().map_or("", |(name, _)| name);
        let here = self.operations.len();
        self.operations.push(Operation::new(tag, at, id, summary));
        #[expect(clippy::indexing_slicing, reason = "it was pushed just now")]
        &mut self.operations[here]
    }
}

/// The document.
#[must_use]
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| built(&described()));
    &DOCUMENT
}

/// The document as text, as it is served.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{}\n", document()));
    &TEXT
}

/// The reference page for people, in Markdown.
#[must_use]
pub fn page() -> String {
    page::of(document())
}

fn described() -> Document {
    let mut document = Document::default();
    document.schema("Problem", problem());
    document.schema("Nothing", schema::input([]));
    RESOURCES.iter().for_each(|describe| describe(&mut document));
    document
}

fn built(document: &Document) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in &document.operations {
        let route =
            ROUTES.iter().find(|route| (route.method, route.path) == (operation.method, operation.path));
        let scopes = route.and_then(scopes_of);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.to_ascii_lowercase(), operation.object(scopes.as_deref()));
        }
    }
    let tags: Vec<Value> =
        document.tags.iter().map(|(name, what)| json!({ "name": name, "description": what })).collect();
    let refusals = document.operations.iter().flat_map(Operation::refusals);
    let refusals: Map<String, Value> = refusals.collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "zkgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "A token: the main one, made at the first start and kept in the file that `zkgate check` names, or one that was made with it. The scope that an operation needs stands with it.",
            } },
            "schemas": document.schemas,
            "responses": refusals,
            "examples": examples(),
        },
    })
}

/// What a token must allow; `None` where none is needed.
fn scopes_of(route: &Route) -> Option<Vec<&'static str>> {
    route.scope.map(|scope| vec![scope.name()])
}

/// One example for each row of the table of codes.
fn examples() -> Map<String, Value> {
    let example = |row: &codes::Code| {
        let mut letters = row.meaning.chars();
        let capital = letters.next().map(|first| first.to_ascii_uppercase()).into_iter();
        let detail: String = capital.chain(letters).chain(['.']).collect();
        let value = json!({
            "type": "about:blank", "title": reason(row.status), "status": row.status, "code": row.code,
            "detail": detail,
        });
        (format!("{}-{}", row.code, row.status), json!({ "value": value }))
    };
    CODES.iter().map(example).collect()
}

fn problem() -> Value {
    use schema::{between, count, named, object, only, or_null, text, word};
    object([
        ("type", only("about:blank"), ""),
        ("title", text(), "the words that go with the status"),
        ("status", between(400, 599), "the HTTP status"),
        ("code", text(), "stable, for programs"),
        ("detail", text(), "a sentence, for people"),
        ("retry_after?", between(1, u64::from(u32::MAX)), "seconds, as in `Retry-After`"),
        ("device?", text(), "which device it is about"),
        ("cause?", text(), "what happened in the conversation with the device, as a code"),
        ("phase?", text(), "in which part of it"),
        ("advice?", text(), "what the person on site can do"),
        (
            "reached_device?",
            word(&["no", "perhaps", "yes"]),
            "`no`: nothing was done; `yes`: the device answered",
        ),
        (
            "transfer?",
            object([("announced", count(), ""), ("received", count(), "")]),
            "bytes of a table that fell short",
        ),
        ("parameter?", text(), "which parameter is wrong"),
        ("field?", text(), "which field is wrong"),
        ("other_device?", text(), "which device is in the way"),
        ("missing?", count(), "how many records of a log are not in the journal"),
        ("operation_id?", count(), "the operation that came of the request, or that has the key"),
        ("scope?", word(&["read", "operate", "admin", "biometric"]), "what the token lacks"),
        ("writable?", super::openapi::schema::list(&text()), "which options can be set"),
        ("reason?", text(), "why a command is not sent as it is"),
        ("row?", text(), "which row of the request is wrong, such as `upsert[3]`"),
        ("fields?", super::openapi::schema::list(&text()), "what the device keeps otherwise"),
        ("log?", named("Inspection"), "what was found in the log"),
        (
            "not_in_backup?",
            object([
                ("templates?", or_null(count()), "if they would be lost; `null` when nobody knows how many"),
                ("faces?", or_null(count()), "the same"),
            ]),
            "what a clearing would lose although there is a backup",
        ),
    ])
}

const ABOUT: &str = "The gateway that owns the connections to a site's ZKTeco terminals (*devices*). All requests but \
                     `/healthz`, `/readyz` and this description need a token. `GET` answers `HEAD` too. Problems \
                     are RFC 9457 documents with a stable `code`. Unknown fields and parameters are refused. Whole \
                     numbers are written without point and exponent. Members may be added to answers. Times with a \
                     `Z` are UTC; times without are civil time, which is what the device's own clock shows.";
