//! The dialect of ZKTeco's BioTime server, for connectors that speak nothing else: tokens, devices and punches, read
//! only. It is another door to what the API shows already, and closed unless it is opened.
//!
//! Its routes are not part of the API and its description: paths end with a slash, what goes wrong is `detail`, and
//! parameters that nobody knows are left alone, as that server does.

mod choice;
mod login;
mod paging;
mod row;
mod terminals;
mod transactions;

use std::borrow::Cow;

use serde_json::{Value, json};

use super::call::{Call, Handled};
use super::problem::Problem;
use super::response::{Answer, Body, ContentType};
use super::route::Route;
use crate::base::scope::Scope;

pub(super) use login::{as_bearer, refusal};

const fn show(path: &'static str, handler: fn(&mut Call) -> Handled) -> Route {
    Route { method: "GET", path, scope: Some(Scope::Read), noted: false, handler }
}

const fn login(path: &'static str) -> Route {
    Route { method: "POST", path, scope: None, noted: false, handler: login::token }
}

/// The table.
pub static ROUTES: &[Route] = &[
    login("/api-token-auth/"),
    login("/jwt-api-token-auth/"),
    show("/iclock/api/terminals/", terminals::list),
    show("/iclock/api/terminals/{id}/", terminals::one),
    show("/iclock/api/devices/", terminals::list),
    show("/iclock/api/devices/{id}/", terminals::one),
    show("/iclock/api/transactions/", transactions::list),
    show("/iclock/api/transactions/{id}/", transactions::one),
];

/// Whether a path belongs to this dialect.
pub(super) fn speaks(path: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["/iclock/", "/personnel/", "/api-token-auth", "/jwt-api-token-auth"];
    BEGINNINGS.iter().any(|begin| path.starts_with(begin))
}

/// The path as it stands in the table.
pub(super) fn with_slash(path: &str) -> Cow<'_, str> {
    if path.ends_with('/') { path.into() } else { format!("{path}/").into() }
}

/// An answer in this dialect: a problem's sentence is all that it tells.
pub(super) fn told(answer: Answer) -> Answer {
    if answer.content_type != Some(ContentType::ProblemJson) {
        return answer;
    }
    let problem: Value = match &answer.body {
        Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
        _ => Value::Null,
    };
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("Not answered.");
    let body = json!({ "detail": detail }).to_string();
    Answer { content_type: Some(ContentType::Json), body: Body::Bytes(body.into_bytes()), ..answer }
}

/// A parameter that says something: an empty one says nothing to that server.
fn given<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    call.parameter(name).filter(|text| !text.is_empty())
}

/// There is no such thing.
fn nothing() -> Problem {
    Problem::new(404, "not_found", "Not found.")
}

/// What is wrong with the fields of a request.
fn wrong(fields: &[(&str, &str)]) -> Answer {
    let fields: serde_json::Map<String, Value> =
        fields.iter().map(|(name, what)| ((*name).to_owned(), json!([what]))).collect();
    Answer::json(400, Value::Object(fields).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::route::ROUTES as API;

    #[test]
    fn every_path_is_its_own_and_none_is_the_apis() {
        for route in ROUTES {
            assert!(speaks(route.path) && with_slash(route.path) == route.path, "{}", route.path);
        }
        for route in API {
            assert!(!speaks(route.path), "{}", route.path);
        }
    }

    #[test]
    fn a_problem_is_told_as_a_detail_and_keeps_its_status() {
        let answer = told(Problem::new(404, "not_found", "There is no device 9.").answer());
        assert_eq!((answer.status, answer.content_type), (404, Some(ContentType::Json)));
        let Body::Bytes(bytes) = answer.body else { panic!("bytes") };
        assert_eq!(bytes, br#"{"detail":"There is no device 9."}"#);
    }
}
