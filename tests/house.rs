//! The house rules that a machine can keep: who may use whom, who opens sockets, where `tiny_http`
//! may stand, how long a file may be. They are read off the sources, so a breach names file, line and rule.
//!
//! Tests inside modules may do as they please: whatever stands under `#[cfg(test)]` is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fs;
use std::path::Path;

/// Every room and the rooms it may use besides itself. The first row whose path begins a file's is that file's.
const ROOMS: [(&str, &[&str]); 23] = [
    ("main", &["cli"]),
    ("lib", &[]),
    ("app", &["*"]),
    ("cli", &["app", "config", "simulator", "ops", "journal", "device", "wire", "base"]),
    ("config", &["base"]),
    // The part of `http` that faces the network knows no other room.
    ("http/acceptor", &["base"]),
    ("http/engine", &["base"]),
    ("http/response", &["base"]),
    ("operations", &["store", "base"]),
    ("discovery", &["registry", "device", "dialog", "wire", "base"]),
    ("fleet", &["operations", "registry", "store", "device", "wire", "base"]),
    (
        "http",
        &[
            "discovery",
            "fleet",
            "journal",
            "delivery",
            "operations",
            "registry",
            "store",
            "device",
            "wire",
            "base",
        ],
    ),
    ("ops", &["base"]),
    ("journal", &["registry", "store", "device", "dialog", "transport", "wire", "base"]),
    ("delivery", &["store", "base"]),
    ("registry", &["device", "dialog", "transport", "store", "wire", "base"]),
    ("store", &["wire", "base"]),
    ("device", &["dialog", "transport", "wire", "base"]),
    ("transport", &["wire", "base"]),
    ("dialog", &["wire", "base"]),
    ("simulator", &["wire", "base"]),
    ("wire", &["base"]),
    ("base", &[]),
];
/// Where a socket may be opened: towards devices in `transport`; the others face clients or serve the operator.
const SOCKETS: [&str; 5] = ["transport", "simulator", "http", "ops/probe", "cli"];
const OPENERS: [[&str; 2]; 4] =
    [["TcpStream", "connect"], ["TcpStream", "connect_timeout"], ["UdpSocket", "bind"], ["Socket", "new"]];
/// Words and the only file that may say them.
const ONLY_IN: [(&str, &str); 1] = [("tiny_http", "http/engine")];
/// Lines of a file, those under `#[cfg(test)]` not counted.
const LONGEST: usize = 450;

#[test]
fn the_sources_keep_the_house_rules() {
    let mut sources = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    assert!(sources.len() > 20, "the sources were found");
    let breaches: Vec<_> = sources.iter().flat_map(|(file, text)| breaches(file, text)).collect();
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn a_breach_is_seen_in_whatever_form_it_is_written() {
    for (file, text, expected) in [
        ("wire/x.rs", "use crate::base::secret::Secret;\nuse super::bytes;", None),
        ("wire/x.rs", "\nuse crate::store::Device;", Some("src/wire/x.rs:2: wire may not use store")),
        ("wire/x.rs", "use crate::{\nbase::ids, store};", Some("src/wire/x.rs:2: wire may not use store")),
        ("wire/x.rs", "fn f() { crate::store::f() }", Some("src/wire/x.rs:1: wire may not use store")),
        ("wire/x.rs", "use super::super::store;", Some("src/wire/x.rs:1: wire may not use store")),
        ("wire/record/x.rs", "use super::super::bytes;", None),
        (
            "wire/record/mod.rs",
            "use super::super::store;",
            Some("src/wire/record/mod.rs:1: wire may not use store"),
        ),
        ("wire/x.rs", "use super::{bytes, super::store};", Some("src/wire/x.rs:1: wire may not use store")),
        ("wire/x.rs", "pub(crate) fn f() {}\npub(in crate::wire) fn g() {}", None),
        ("wire/x.rs", "// crate::store\n/* crate::store\n/* */ */ /// [`crate::store`]", None),
        (
            "wire/x.rs",
            "const X: &str = \"crate::store \\\" unsafe\"; const Y: &str = r#\"crate::\"store\"#;",
            None,
        ),
        (
            "wire/x.rs",
            "fn f<'a>(x: &'a u8) -> char { '\"' } fn g() { crate::store::f('\\'') }",
            Some("wire may not"),
        ),
        (
            "wire/x.rs",
            "#[cfg(test)]\nmod tests { use crate::store; }\nuse crate::http;",
            Some("x.rs:3: wire may"),
        ),
        (
            "wire/x.rs",
            "#[cfg(test)]\nmod tests;\nuse crate::http;",
            Some("src/wire/x.rs:3: wire may not use http"),
        ),
        ("wire/x.rs", "macro_rules! m { () => { $crate::store::f() } }", Some("wire may not use store")),
        ("attic/x.rs", "", Some("src/attic/x.rs:1: no row of the table is for this room")),
        ("main.rs", "use zkgate::app;", Some("src/main.rs:1: main may not use app")),
        ("app.rs", "use crate::{http, wire::frame};", None),
        ("http/api/x.rs", "use super::super::response::Response;\nuse crate::registry::Registry;", None),
        ("http/engine.rs", "use crate::registry::Registry;", Some("http/engine may not use registry")),
        ("http/acceptor/x.rs", "use crate::wire;", Some("http/acceptor may not use wire")),
        ("http/acceptor/x.rs", "use crate::http::response;", None),
        (
            "http/api/x.rs",
            "use tiny_http::Server;",
            Some("src/http/api/x.rs:1: only src/http/engine.rs may say tiny_http"),
        ),
        ("http/engine.rs", "use tiny_http::Server;", None),
        (
            "device/x.rs",
            "std::net::TcpStream::connect(a)",
            Some("device/x.rs:1: this room may not open sockets"),
        ),
        ("device/x.rs", "UdpSocket::bind(a)", Some("this room may not open sockets (UdpSocket::bind)")),
        ("transport/tcp.rs", "TcpStream::connect(a)", None),
        ("ops/probe.rs", "TcpStream::connect(a)", None),
        ("ops/health.rs", "TcpStream::connect(a)", Some("this room may not open sockets")),
        ("base/x.rs", &"\n".repeat(450), None),
        ("base/x.rs", &"\n".repeat(451), Some("src/base/x.rs:451: a file may have 450 lines")),
        ("base/x.rs", &format!("#[cfg(test)]\nmod tests {{{}}}", "\n".repeat(900)), None),
    ] {
        let found = breaches(file, text).join("\n");
        match expected {
            None => assert_eq!(found, "", "{file}: {text}"),
            Some(expected) => assert!(found.contains(expected), "{file}: {text}: {found:?}"),
        }
    }
}

/// What a file does that its room may not.
fn breaches(file: &str, text: &str) -> Vec<String> {
    let module = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let mut found = Vec::new();
    let mut breach = |line: usize, rule: String| found.push(format!("src/{file}:{line}: {rule}"));
    let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| within(module, room)) else {
        breach(1, "no row of the table is for this room".to_owned());
        return found;
    };
    let (words, tests) = words(text);
    for (line, path) in paths(&words, module) {
        let to = path.first().map_or("", String::as_str);
        let own = room.split('/').next() == Some(to);
        if !own && !allowed.contains(&"*") && !allowed.contains(&to) {
            breach(line, format!("{room} may not use {to} ({})", path.join("::")));
        }
    }
    for (index, (line, word)) in words.iter().enumerate() {
        for (said, only) in ONLY_IN {
            if word == said && module != only {
                breach(*line, format!("only src/{only}.rs may say {said}"));
            }
        }
        let next = words.get(index + 1..index + 3).unwrap_or_default();
        for [kind, opener] in OPENERS {
            let opens = word == kind && next.iter().map(|(_, word)| word.as_str()).eq(["::", opener]);
            if opens && !SOCKETS.iter().any(|room| within(module, room)) {
                breach(*line, format!("this room may not open sockets ({kind}::{opener})"));
            }
        }
    }
    let lines = text.lines().count() - tests;
    if lines > LONGEST {
        breach(lines, format!("a file may have {LONGEST} lines, this one has {lines} without its tests"));
    }
    found
}

fn within(module: &str, room: &str) -> bool {
    module.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every path that leads through the crate, from its root, and the line where it ends.
fn paths(words: &[(usize, String)], module: &str) -> Vec<(usize, Vec<String>)> {
    let own: Vec<String> = match module {
        "main" | "lib" => Vec::new(),
        _ => module.split('/').map(str::to_owned).collect(),
    };
    let mut found = Vec::new();
    for (index, (_, word)) in words.iter().enumerate() {
        let begins = index == 0 || words[index - 1].1 != "::";
        let through = words.get(index + 1).is_some_and(|(_, next)| next == "::");
        if begins && through && ["crate", "zkgate", "self", "super"].contains(&word.as_str()) {
            follow(words, index, own.clone(), &mut found);
        }
    }
    found
}

/// Follows one path, or each branch of a `{…}`, to its end; gives the position behind it.
fn follow(
    words: &[(usize, String)],
    mut at: usize,
    mut path: Vec<String>,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let word = |at: usize| words.get(at).map_or("", |(_, word)| word.as_str());
    let mut line = words[at].0;
    loop {
        match word(at) {
            "crate" | "zkgate" => path.clear(),
            "self" => {}
            "super" => drop(path.pop()),
            "{" => {
                at += 1;
                while !["}", ""].contains(&word(at)) {
                    at = follow(words, at, path.clone(), found);
                    at += usize::from(word(at) == ",");
                }
                return at + 1;
            }
            name => path.push(name.to_owned()),
        }
        line = words.get(at).map_or(line, |(line, _)| *line);
        at += 1;
        if word(at) != "::" {
            break;
        }
        at += 1;
    }
    found.push((line, path));
    // `as` and its name.
    if word(at) == "as" { at + 2 } else { at }
}

/// The words and signs of a source and their lines, and how many lines its tests take.
fn words(text: &str) -> (Vec<(usize, String)>, usize) {
    let all = scan(text);
    let (mut kept, mut tests, mut at) = (Vec::new(), 0, 0);
    while at < all.len() {
        let here = |signs: &[&str]| {
            signs.iter().enumerate().all(|(n, sign)| all.get(at + n).is_some_and(|w| w.1 == *sign))
        };
        if here(&["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            return (kept, tests + text.lines().count() + 1 - all[at].0);
        }
        if !here(&["#", "[", "cfg", "(", "test", ")", "]"]) {
            kept.push(all[at].clone());
            at += 1;
            continue;
        }
        let from = all[at].0;
        at = end_of_item(&all, at + 7);
        tests += all[at - 1].0 + 1 - from;
    }
    (kept, tests)
}

/// The position behind an item: behind its closing brace, or its semicolon.
fn end_of_item(words: &[(usize, String)], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some((_, word)) = words.get(at) {
        match word.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            break;
        }
        at += 1;
        if depth == 0 && [";", "}"].contains(&word.as_str()) {
            break;
        }
    }
    at
}

/// Words and signs without comments and without what stands between quotes.
fn scan(text: &str) -> Vec<(usize, String)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let hashes = rest[word..].bytes().take_while(|byte| *byte == b'#').count();
        let raw = ["r", "br", "cr"].contains(&&rest[..word]) && rest[word + hashes..].starts_with('"');
        let length = if raw {
            let open = word + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len())
        } else if word > 0 {
            word
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if first == '"' || rest.starts_with("'\\") {
            quoted(rest, first)
        } else if first == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (piece, after) = rest.split_at(length);
        if !raw && (word > 0 || piece == "::" || (length == 1 && !first.is_whitespace() && first != '\'')) {
            found.push((line, piece.to_owned()));
        }
        line += piece.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of a comment that may hold comments.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let step = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth += step.0;
        at += step.1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a text between quotes, the quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// Every source below `folder`, by its name below `src`; a file named `tests` is all tests.
fn collect(folder: &Path, prefix: &str, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), sources);
        } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}
