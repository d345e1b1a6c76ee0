//! One line of the vectors, and the comparison of everything it says.
//!
//! A [`Case`] hands out each key of `decoded` once, together with what the code under test made of the bytes.
//! Whatever nobody asked for is a failure in the end, so a key that the tests do not know cannot slip through.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const FILE: &str = include_str!("../data/protocol-vectors.jsonl");
/// Keys whose values are prose for people.
const PROSE: [&str; 2] = ["meaning", "note"];

#[derive(Clone, Debug)]
pub(crate) struct Line {
    number: usize,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) decoded: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    kind: String,
    hex: String,
    decoded: Map<String, Value>,
    #[serde(rename = "origin")]
    _origin: String,
}

pub(crate) fn lines() -> Vec<Line> {
    let line = |(index, text): (usize, &str)| {
        let number = index + 1;
        let raw: Raw = serde_json::from_str(text).unwrap_or_else(|error| panic!("line {number}: {error}"));
        Line { number, name: raw.name, kind: raw.kind, bytes: unhex(&raw.hex), decoded: raw.decoded }
    };
    FILE.lines().enumerate().map(line).collect()
}

impl Line {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.decoded.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.decoded.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    pub(crate) fn is_frame(&self) -> bool {
        self.kind.ends_with("-frame")
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.decoded.get("valid") != Some(&Value::Bool(false))
    }
}

pub(crate) struct Case<'a> {
    pub(crate) line: &'a Line,
    open: Map<String, Value>,
    failures: Vec<String>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(line: &'a Line) -> Self {
        let mut open = line.decoded.clone();
        open.retain(|key, _| !PROSE.contains(&key.as_str()));
        Self { line, open, failures: Vec::new() }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.open.contains_key(key)
    }

    /// Compares a key, if the line has it, with what was decoded.
    pub(crate) fn check(&mut self, key: &str, got: impl Serialize) {
        if let Some(expected) = self.open.remove(key) {
            let got = json!(got);
            self.same(key, &got, &expected);
        }
    }

    /// The same for a key that every line of this sort has.
    pub(crate) fn must(&mut self, key: &str, got: impl Serialize) {
        if !self.has(key) {
            self.fail(&format!("has no {key}"));
        }
        self.check(key, got);
    }

    /// Takes a key that another test compares.
    pub(crate) fn leave(&mut self, key: &str) {
        self.open.remove(key);
    }

    pub(crate) fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        what: &str,
        got: &T,
        expected: &T,
    ) {
        if got != expected {
            self.fail(&format!("{what} is {got:?} instead of {expected:?}"));
        }
    }

    /// The same, shown in hexadecimal.
    pub(crate) fn same_bytes(&mut self, what: &str, got: &[u8], expected: &[u8]) {
        self.same(what, &hex(got), &hex(expected));
    }

    pub(crate) fn fail(&mut self, what: &str) {
        self.failures.push(format!("line {} {}: {what}", self.line.number, self.line.name));
    }

    /// What went wrong, keys that nobody asked for included.
    pub(crate) fn close(mut self) -> Vec<String> {
        for key in self.open.clone().keys() {
            self.fail(&format!("no test knows what to do with {key:?}"));
        }
        self.failures
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}
