//! The codes that stand in the sources are those of the table.

use std::fs;
use std::path::{Path, PathBuf};

use zkgate::http::codes::{self, CODES};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// A source without its tests.
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

/// The words between quotes, each with what stands before it on its line.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        let quotes: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
        let words = quotes.chunks_exact(2).map(|pair| (&line[..pair[0]], &line[pair[0] + 1..pair[1]]));
        words.filter(|(_, word)| is_word(word)).collect::<Vec<_>>()
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn every_problem_in_the_sources_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for path in sources(&root.join("http")) {
        if path.ends_with("codes.rs") || path.components().any(|part| part.as_os_str() == "openapi") {
            continue;
        }
        let text = text(&path);
        for (before, code) in words(&text) {
            // `Problem::new(404, "…`, `(404, "…`
            let before = before.trim_end().strip_suffix(',').unwrap_or_default();
            let status = before.get(before.len().saturating_sub(3)..).and_then(|digits| digits.parse().ok());
            if let Some(status) = status.filter(|status| (400..600).contains(status)) {
                assert!(
                    codes::find(status, code).is_some(),
                    "{path:?}: {status} {code} has no row in codes.rs"
                );
                seen += 1;
            }
        }
        for (before, code) in words(&text).filter(|(before, _)| before.ends_with("bad_request(")) {
            assert!(
                codes::find(400, code).is_some(),
                "{path:?}: 400 {code} has no row in codes.rs: {before}"
            );
            seen += 1;
        }
    }
    assert!(seen > 40, "the sources were read: {seen}");
}

#[test]
fn every_code_that_a_device_call_can_end_with_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for file in ["device/error.rs", "registry/error.rs"] {
        let text = text(&root.join(file));
        let body = text.split("pub fn code(&self) -> &'static str {").nth(1).unwrap();
        let body = body.split("\n    }\n").next().unwrap();
        for (_, code) in words(body) {
            assert!(CODES.iter().any(|row| row.code == code), "{file}: {code} has no row in codes.rs");
            seen += 1;
        }
    }
    assert!(seen > 25, "the sources were read: {seen}");
    let text = text(&root.join("http/acceptor/refusal.rs"));
    let body = text.split("pub(super) const CODES").nth(1).unwrap().split("];").next().unwrap();
    for (_, code) in words(body) {
        assert!(CODES.iter().any(|row| row.code == code), "the acceptor: {code} has no row in codes.rs");
    }
}
