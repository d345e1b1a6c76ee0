//! The table of everything that can be asked: method, path, and who answers.

use std::sync::LazyLock;

use super::api;
use super::call::{Call, Handled};
use super::engine::Method;
use super::problem::Problem;
use crate::base::scope::Scope::{self, Admin, Biometric, Operate, Read};

/// One row.
pub struct Route {
    /// `GET` answers `HEAD` too.
    pub method: &'static str,
    /// The path; what stands in braces is one segment.
    pub path: &'static str,
    /// What a token must allow; nothing for whoever may come without one.
    pub scope: Option<Scope>,
    /// Who answers.
    pub handler: fn(&mut Call) -> Handled,
}

/// What was found for a request.
pub enum Found<'t> {
    /// A row, and the segments that stand for the names in its braces.
    Route(&'static Route, Segments<'t>),
    /// No row.
    Nothing(Problem),
}

/// The segments of a path, by the names that they have in the table.
pub type Segments<'t> = Vec<(&'static str, &'t str)>;

const fn route(
    method: &'static str,
    path: &'static str,
    scope: Scope,
    handler: fn(&mut Call) -> Handled,
) -> Route {
    Route { method, path, scope: Some(scope), handler }
}

const fn open(path: &'static str, handler: fn(&mut Call) -> Handled) -> Route {
    Route { method: "GET", path, scope: None, handler }
}

/// The table.
///
/// Whoever may change what devices are known, who is told of punches, or what is not got back, needs
/// [`Scope::Admin`]; whoever uses a device, [`Scope::Operate`].
pub static ROUTES: &[Route] = &[
    open("/healthz", api::health::alive),
    open("/readyz", api::health::ready),
    open("/api/openapi.json", api::description::show),
    route("GET", "/api/v1/devices", Read, api::devices::list),
    route("POST", "/api/v1/devices", Admin, api::devices::create),
    route("POST", "/api/v1/devices/test-connection", Admin, api::testing::address),
    route("GET", "/api/v1/devices/{id}", Read, api::devices::one),
    route("PATCH", "/api/v1/devices/{id}", Admin, api::devices::change),
    route("DELETE", "/api/v1/devices/{id}", Admin, api::devices::delete),
    route("POST", "/api/v1/devices/{id}/test", Operate, api::testing::device),
    route("GET", "/api/v1/devices/{id}/connection", Read, api::connections::one),
    route("POST", "/api/v1/devices/{id}/connect", Operate, api::connections::connect),
    route("POST", "/api/v1/devices/{id}/disconnect", Operate, api::connections::disconnect),
    route("POST", "/api/v1/devices/{id}/lend", Operate, api::connections::lend),
    route("POST", "/api/v1/devices/{id}/resume", Operate, api::connections::resume),
    route("GET", "/api/v1/connections", Read, api::connections::list),
    route("POST", "/api/v1/connections/disconnect-all", Admin, api::connections::disconnect_all),
    route("GET", "/api/v1/punches", Read, api::punches::list),
    route("GET", "/api/v1/punches/stream", Read, api::punches::stream),
    route("GET", "/api/v1/punches/export", Read, api::punches::export),
    route("GET", "/api/v1/quarantine", Read, api::journal::quarantine),
    route("POST", "/api/v1/quarantine/{id}/dismiss", Admin, api::journal::dismiss),
    route("GET", "/api/v1/journal", Read, api::journal::show),
    route("GET", "/api/v1/devices/{id}/info", Read, api::info::info),
    route("POST", "/api/v1/devices/{id}/info/refresh", Operate, api::info::refresh),
    route("GET", "/api/v1/devices/{id}/serial", Read, api::info::serial),
    route("GET", "/api/v1/devices/{id}/capacity", Read, api::info::capacity),
    route("GET", "/api/v1/devices/{id}/time", Read, api::time::show),
    route("PUT", "/api/v1/devices/{id}/time", Operate, api::time::set),
    route("GET", "/api/v1/devices/{id}/users", Read, api::users::list),
    route("POST", "/api/v1/devices/{id}/users", Operate, api::users::create),
    route("POST", "/api/v1/devices/{id}/users/bulk", Operate, api::users_bulk::change),
    route("GET", "/api/v1/devices/{id}/users/{user_id}", Read, api::users::one),
    route("PUT", "/api/v1/devices/{id}/users/{user_id}", Operate, api::users::put),
    route("PATCH", "/api/v1/devices/{id}/users/{user_id}", Operate, api::users::update),
    route("DELETE", "/api/v1/devices/{id}/users/{user_id}", Operate, api::users::delete),
    route("GET", "/api/v1/devices/{id}/attendance", Read, api::attendance::list),
    route("POST", "/api/v1/devices/{id}/attendance/clear", Admin, api::clear::clear),
    route("GET", "/api/v1/devices/{id}/collection", Read, api::collection::show),
    route("PATCH", "/api/v1/devices/{id}/collection", Admin, api::collection::change),
    route("POST", "/api/v1/devices/{id}/collection/read", Operate, api::collection::read),
    route("GET", "/api/v1/devices/{id}/completeness", Read, api::completeness::show),
    route("POST", "/api/v1/devices/{id}/restart", Operate, api::power::restart),
    route("POST", "/api/v1/devices/{id}/test-voice", Operate, api::power::test_voice),
    route("POST", "/api/v1/devices/{id}/unlock", Operate, api::door::unlock),
    route("GET", "/api/v1/devices/{id}/door", Read, api::door::state),
    route("GET", "/api/v1/devices/{id}/settings", Read, api::device_settings::show),
    route("PATCH", "/api/v1/devices/{id}/settings", Admin, api::device_settings::change),
    route("POST", "/api/v1/devices/{id}/trace", Admin, api::traces::begin),
    route("GET", "/api/v1/devices/{id}/trace", Admin, api::traces::show),
    route("DELETE", "/api/v1/devices/{id}/trace", Admin, api::traces::stop),
    route("GET", "/api/v1/traces", Admin, api::traces::list),
    route("GET", "/api/v1/traces/{id}", Admin, api::traces::download),
    route("DELETE", "/api/v1/traces/{id}", Admin, api::traces::remove),
    route("GET", "/api/v1/devices/{id}/templates", Biometric, api::fingers::list),
    route("GET", "/api/v1/devices/{id}/users/{user_id}/templates/{finger}", Biometric, api::fingers::one),
    route("PUT", "/api/v1/devices/{id}/users/{user_id}/templates/{finger}", Biometric, api::fingers::put),
    route(
        "DELETE",
        "/api/v1/devices/{id}/users/{user_id}/templates/{finger}",
        Biometric,
        api::fingers::delete,
    ),
    route("PUT", "/api/v1/devices/{id}/templates", Biometric, api::fingers_bulk::write),
    route("POST", "/api/v1/devices/{id}/users/{user_id}/transfer", Operate, api::transfer::transfer),
    route("POST", "/api/v1/devices/{id}/users/{user_id}/enrol", Biometric, api::enrol::enrol),
    route("POST", "/api/v1/devices/{id}/backups", Admin, api::backups::create),
    route("POST", "/api/v1/devices/{id}/restore", Admin, api::restore::restore),
    route("POST", "/api/v1/devices/{id}/clear", Admin, api::clear_tables::clear),
    route("GET", "/api/v1/backups", Admin, api::backups::list),
    route("GET", "/api/v1/backups/{id}", Admin, api::backups::one),
    route("GET", "/api/v1/backups/{id}/file", Admin, api::backups::download),
    route("DELETE", "/api/v1/backups/{id}", Admin, api::backups::delete),
    route("PUT", "/api/v1/people", Operate, api::people::put),
    route("GET", "/api/v1/people", Read, api::people::list),
    route("POST", "/api/v1/people/check", Operate, api::people::check),
    route("POST", "/api/v1/people/apply", Operate, api::people::apply),
    route("GET", "/api/v1/devices/{id}/people", Read, api::people::one),
    route("DELETE", "/api/v1/devices/{id}/people", Operate, api::people::forget),
    route("POST", "/api/v1/discovery", Admin, api::discovery::begin),
    route("GET", "/api/v1/devices/{id}/options", Read, api::options::list),
    route("GET", "/api/v1/devices/{id}/options/{name}", Read, api::options::one),
    route("PUT", "/api/v1/devices/{id}/options/{name}", Admin, api::options::set),
    route("GET", "/api/v1/devices/{id}/users/{user_id}/access", Read, api::person_access::show),
    route("PUT", "/api/v1/devices/{id}/users/{user_id}/access", Operate, api::person_access::set),
    route("GET", "/api/v1/devices/{id}/users/{user_id}/verify-style", Read, api::person_access::style),
    route("PUT", "/api/v1/devices/{id}/users/{user_id}/verify-style", Operate, api::person_access::set_style),
    route("PUT", "/api/v1/devices/{id}/users/{user_id}/messages/{n}", Operate, api::messages::give),
    route("DELETE", "/api/v1/devices/{id}/users/{user_id}/messages/{n}", Operate, api::messages::take),
    route("GET", "/api/v1/devices/{id}/access/groups/{n}", Read, api::access::group),
    route("PUT", "/api/v1/devices/{id}/access/groups/{n}", Operate, api::access::set_group),
    route("GET", "/api/v1/devices/{id}/access/time-zones/{n}", Read, api::access::time_zone),
    route("PUT", "/api/v1/devices/{id}/access/time-zones/{n}", Operate, api::access::set_time_zone),
    route("GET", "/api/v1/devices/{id}/access/combinations/{n}", Read, api::access::combination),
    route("PUT", "/api/v1/devices/{id}/access/combinations/{n}", Operate, api::access::set_combination),
    route("POST", "/api/v1/devices/{id}/access/clear", Admin, api::access::clear),
    route("GET", "/api/v1/devices/{id}/messages/{n}", Read, api::messages::one),
    route("PUT", "/api/v1/devices/{id}/messages/{n}", Operate, api::messages::set),
    route("DELETE", "/api/v1/devices/{id}/messages/{n}", Operate, api::messages::delete),
    route("PUT", "/api/v1/devices/{id}/screen/{n}", Operate, api::screen::write),
    route("DELETE", "/api/v1/devices/{id}/screen", Operate, api::screen::clear),
    route("POST", "/api/v1/devices/{id}/refresh", Operate, api::upkeep::refresh),
    route("POST", "/api/v1/devices/{id}/free-buffer", Operate, api::upkeep::free_buffer),
    route("POST", "/api/v1/devices/{id}/enable", Operate, api::upkeep::enable),
    route("POST", "/api/v1/devices/{id}/power-off", Admin, api::power::power_off),
    route("POST", "/api/v1/devices/{id}/raw", Admin, api::raw::send),
    route("GET", "/api/v1/events", Read, api::events::list),
    route("GET", "/api/v1/events/stream", Read, api::events::stream),
    route("GET", "/api/v1/operations", Read, api::operations::list),
    route("GET", "/api/v1/operations/{id}", Read, api::operations::one),
    route("POST", "/api/v1/operations/{id}/cancel", Operate, api::operations::cancel),
    route("GET", "/api/v1/tokens", Admin, api::tokens::list),
    route("POST", "/api/v1/tokens", Admin, api::tokens::create),
    route("DELETE", "/api/v1/tokens/{id}", Admin, api::tokens::revoke),
    route("GET", "/api/v1/audit", Admin, api::audit::list),
    route("GET", "/api/v1/webhooks", Read, api::webhooks::list),
    route("POST", "/api/v1/webhooks", Admin, api::webhooks::create),
    route("GET", "/api/v1/webhooks/{id}", Read, api::webhooks::one),
    route("PATCH", "/api/v1/webhooks/{id}", Admin, api::webhooks::change),
    route("DELETE", "/api/v1/webhooks/{id}", Admin, api::webhooks::delete),
    route("POST", "/api/v1/webhooks/{id}/test", Admin, api::webhooks::test),
    route("POST", "/api/v1/webhooks/{id}/replay", Admin, api::webhooks::replay),
    route("GET", "/api/v1/webhooks/{id}/deliveries", Read, api::webhooks::deliveries),
];

/// Looks a request up.
pub fn find<'t>(method: &Method, path: &'t str) -> Found<'t> {
    find_in(ROUTES, method, path)
}

/// Looks a request up in another table.
pub(super) fn find_in<'t>(table: &'static [Route], method: &Method, path: &'t str) -> Found<'t> {
    let asked = if *method == Method::Head { "GET" } else { method.as_str() };
    let mut allowed = Vec::new();
    let mut best: Option<(&'static Route, Segments<'t>)> = None;
    for route in table {
        let Some(segments) = matches(route.path, path) else { continue };
        allowed.push(route.method);
        // The path with fewer names in it is the better match: `test-connection` is no device.
        if route.method == asked && best.as_ref().is_none_or(|(_, other)| segments.len() < other.len()) {
            best = Some((route, segments));
        }
    }
    match best {
        Some((route, segments)) => Found::Route(route, segments),
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

/// Whether the path fits the pattern, and what stands for the names in it.
fn matches<'t>(pattern: &'static str, path: &'t str) -> Option<Segments<'t>> {
    let (mut segments, mut parts) = (Vec::new(), path.split('/'));
    for expected in pattern.split('/') {
        let part = parts.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !part.is_empty() => segments.push((name, part)),
            None if part == expected => {}
            _ => return None,
        }
    }
    parts.next().is_none().then_some(segments)
}

/// The methods as a header value from a closed set.
fn allow_header(methods: &[&str]) -> &'static str {
    const KNOWN: [&str; 5] = ["GET, HEAD", "POST", "PUT", "PATCH", "DELETE"];
    static HEADERS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let chosen = |set: usize| KNOWN.iter().enumerate().filter(move |(bit, _)| set & (1 << bit) != 0);
        (0..1 << KNOWN.len())
            .map(|set| chosen(set).map(|(_, method)| *method).collect::<Vec<_>>().join(", "))
            .collect()
    });
    let knows = |name: &str| methods.iter().any(|method| name.split(", ").any(|part| part == *method));
    let set = KNOWN.iter().enumerate().fold(0, |set, (bit, name)| set | usize::from(knows(name)) << bit);
    HEADERS.get(set).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_segment_wins_over_an_id() {
        let path = "/api/v1/devices/test-connection";
        assert!(matches!(find(&Method::Post, path), Found::Route(route, _) if route.path == path));
        assert!(matches!(find(&Method::Get, path), Found::Route(_, of) if of == [("id", "test-connection")]));
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
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
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
