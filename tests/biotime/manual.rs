//! The manual's page about the dialect.

use std::fs;
use std::path::Path;

use zkgate::http::biotime::ROUTES;

#[test]
fn the_manual_names_every_request_and_every_parameter() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/biotime.md")).unwrap();
    for route in ROUTES {
        let request = format!("{} {}", route.method, route.path);
        assert!(page.contains(&request), "{request} is not in docs/biotime.md");
    }
    for name in [
        "page",
        "page_size",
        "limit",
        "after_id",
        "emp_code",
        "terminal_sn",
        "terminal_alias",
        "start_time",
        "end_time",
        "ordering",
        "sn",
        "alias",
        "sn_icontains",
        "alias_icontains",
    ] {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/biotime.md");
    }
}
