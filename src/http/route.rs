//! The table of everything that can be asked: method, path, and who answers.

use super::api;
use super::call::{Call, Handled};
use super::engine::Method;
use super::problem::Problem;

/// One row.
pub struct Route {
    /// `GET` answers `HEAD` too.
    pub method: &'static str,
    /// The path; `{id}` stands for one segment.
    pub path: &'static str,
    /// Whether it answers without a token.
    pub open: bool,
    /// Who answers.
    pub handler: fn(&mut Call) -> Handled,
}

/// What was found for a request.
pub enum Found<'t> {
    /// A row, and the segment that stands for `{id}`.
    Route(&'static Route, Option<&'t str>),
    /// No row.
    Nothing(Problem),
}

const fn route(method: &'static str, path: &'static str, handler: fn(&mut Call) -> Handled) -> Route {
    Route { method, path, open: false, handler }
}

const fn open(path: &'static str, handler: fn(&mut Call) -> Handled) -> Route {
    Route { method: "GET", path, open: true, handler }
}

/// The table.
pub static ROUTES: [Route; 46] = [
    open("/healthz", api::health::alive),
    open("/readyz", api::health::ready),
    open("/api/openapi.json", api::description::show),
    route("GET", "/api/v1/devices", api::devices::list),
    route("POST", "/api/v1/devices", api::devices::create),
    route("POST", "/api/v1/devices/test-connection", api::testing::address),
    route("GET", "/api/v1/devices/{id}", api::devices::one),
    route("PATCH", "/api/v1/devices/{id}", api::devices::change),
    route("DELETE", "/api/v1/devices/{id}", api::devices::delete),
    route("POST", "/api/v1/devices/{id}/test", api::testing::device),
    route("GET", "/api/v1/devices/{id}/connection", api::connections::one),
    route("POST", "/api/v1/devices/{id}/connect", api::connections::connect),
    route("POST", "/api/v1/devices/{id}/disconnect", api::connections::disconnect),
    route("POST", "/api/v1/devices/{id}/lend", api::connections::lend),
    route("POST", "/api/v1/devices/{id}/resume", api::connections::resume),
    route("GET", "/api/v1/connections", api::connections::list),
    route("POST", "/api/v1/connections/disconnect-all", api::connections::disconnect_all),
    route("GET", "/api/v1/punches", api::punches::list),
    route("GET", "/api/v1/punches/stream", api::punches::stream),
    route("GET", "/api/v1/punches/export", api::punches::export),
    route("GET", "/api/v1/quarantine", api::journal::quarantine),
    route("POST", "/api/v1/quarantine/{id}/dismiss", api::journal::dismiss),
    route("GET", "/api/v1/journal", api::journal::show),
    route("GET", "/api/v1/devices/{id}/info", api::info::info),
    route("POST", "/api/v1/devices/{id}/info/refresh", api::info::refresh),
    route("GET", "/api/v1/devices/{id}/serial", api::info::serial),
    route("GET", "/api/v1/devices/{id}/capacity", api::info::capacity),
    route("GET", "/api/v1/devices/{id}/time", api::time::show),
    route("PUT", "/api/v1/devices/{id}/time", api::time::set),
    route("GET", "/api/v1/devices/{id}/users", api::users::list),
    route("GET", "/api/v1/devices/{id}/attendance", api::attendance::list),
    route("POST", "/api/v1/devices/{id}/attendance/clear", api::clear::clear),
    route("GET", "/api/v1/devices/{id}/collection", api::collection::show),
    route("PATCH", "/api/v1/devices/{id}/collection", api::collection::change),
    route("POST", "/api/v1/devices/{id}/collection/read", api::collection::read),
    route("GET", "/api/v1/devices/{id}/completeness", api::completeness::show),
    route("POST", "/api/v1/devices/{id}/restart", api::power::restart),
    route("POST", "/api/v1/devices/{id}/test-voice", api::power::test_voice),
    route("GET", "/api/v1/webhooks", api::webhooks::list),
    route("POST", "/api/v1/webhooks", api::webhooks::create),
    route("GET", "/api/v1/webhooks/{id}", api::webhooks::one),
    route("PATCH", "/api/v1/webhooks/{id}", api::webhooks::change),
    route("DELETE", "/api/v1/webhooks/{id}", api::webhooks::delete),
    route("POST", "/api/v1/webhooks/{id}/test", api::webhooks::test),
    route("POST", "/api/v1/webhooks/{id}/replay", api::webhooks::replay),
    route("GET", "/api/v1/webhooks/{id}/deliveries", api::webhooks::deliveries),
];

/// Looks a request up.
pub fn find<'t>(method: &Method, path: &'t str) -> Found<'t> {
    let asked = if *method == Method::Head { "GET" } else { method.as_str() };
    let mut allowed = Vec::new();
    let mut best: Option<(&'static Route, Option<&'t str>)> = None;
    for route in &ROUTES {
        let Some(id) = matches(route.path, path) else { continue };
        allowed.push(route.method);
        // A path without `{id}` in it is the better match: `test-connection` is no device.
        if route.method == asked && (best.is_none() || id.is_none()) {
            best = Some((route, id));
        }
    }
    match best {
        Some((route, id)) => Found::Route(route, id),
        None if allowed.is_empty() => {
            Found::Nothing(Problem::new(404, "unknown_path", "There is nothing under this path."))
        }
        None => {
            let allow = allow_header(&allowed);
            let detail = format!("This path does not know the method; it knows {allow}.");
            let problem = Problem::new(405, "method_not_allowed", detail);
            Found::Nothing(Problem { allow: Some(allow), ..problem })
        }
    }
}

/// Whether the path fits the pattern, and what stands for `{id}`.
fn matches<'t>(pattern: &str, path: &'t str) -> Option<Option<&'t str>> {
    let Some((before, after)) = pattern.split_once("{id}") else { return (pattern == path).then_some(None) };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(Some(id))
}

/// The methods as a header value from a closed set.
fn allow_header(methods: &[&str]) -> &'static str {
    let knows = |method| methods.contains(&method);
    match (knows("GET"), knows("POST"), knows("PATCH"), knows("PUT")) {
        (true, true, true, _) => "GET, HEAD, POST, PATCH, DELETE",
        (true, true, ..) => "GET, HEAD, POST",
        (true, _, true, _) if !knows("DELETE") => "GET, HEAD, PATCH",
        (true, _, true, _) => "GET, HEAD, PATCH, DELETE",
        (true, _, _, true) => "GET, HEAD, PUT",
        (true, ..) => "GET, HEAD",
        _ => "POST",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_segment_wins_over_an_id() {
        let path = "/api/v1/devices/test-connection";
        assert!(matches!(find(&Method::Post, path), Found::Route(route, None) if route.path == path));
        assert!(matches!(find(&Method::Get, path), Found::Route(_, Some("test-connection"))));
    }

    #[test]
    fn what_is_not_in_the_table_is_404_or_405() {
        for (method, path, code) in [
            (Method::Get, "/", "unknown_path"),
            (Method::Get, "/api/v1/devices/", "unknown_path"),
            (Method::Get, "/api/v1/devices//time", "unknown_path"),
            (Method::Get, "/api/v1/devices/1/time/", "unknown_path"),
            (Method::Delete, "/api/v1/devices/1/time", "method_not_allowed"),
            (Method::Other("BREW".into()), "/healthz", "method_not_allowed"),
        ] {
            let Found::Nothing(problem) = find(&method, path) else { panic!("{path} was found") };
            assert_eq!(problem.code, code, "{path}");
        }
    }

    #[test]
    fn a_405_names_exactly_the_methods_of_the_path() {
        for route in &ROUTES {
            let path = route.path.replace("{id}", "1");
            let Found::Nothing(problem) = find(&Method::Other("BREW".into()), &path) else {
                panic!("{path}")
            };
            let told: Vec<&str> = problem.allow.unwrap_or_default().split(", ").collect();
            let mut known: Vec<&str> = ROUTES
                .iter()
                .filter(|other| matches(other.path, &path).is_some())
                .map(|other| other.method)
                .collect();
            if known.contains(&"GET") {
                known.push("HEAD");
            }
            known.sort_unstable();
            known.dedup();
            let mut sorted = told.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, known, "{path}");
        }
    }
}
