//! What a command prints: tables and sheets for people, JSON for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::event_words;
use super::failure::{Done, Failure};
use super::table::{Column, Table, printable, sheet};

/// In which form results are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// JSON, for programs.
    pub(super) json: bool,
}

/// Something that is a line of a table, and an object.
pub(super) trait Row: Serialize {
    /// What stands above each cell.
    const COLUMNS: &'static [Column];

    /// The cells, as people read them.
    fn cells(&self) -> Vec<String>;
}

/// A list as the HTTP API gives it.
#[derive(Serialize)]
struct Listed<'r, R> {
    count: usize,
    complete: bool,
    data: &'r [R],
}

impl Output {
    /// Prints text as it is.
    pub(super) fn text(self, text: &str) -> Done {
        self.bytes(text.as_bytes())
    }

    /// Prints bytes as they are.
    pub(super) fn bytes(self, bytes: &[u8]) -> Done {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(unprinted)
    }

    /// Prints one result: an object for programs, a sheet for people.
    pub(super) fn one(self, value: &impl Serialize, pairs: &[(&str, Option<String>)]) -> Done {
        if self.json { self.line(value) } else { self.text(&sheet(pairs)) }
    }

    /// Prints that something was done: an object for programs, a sentence for people.
    pub(super) fn done(self, value: &impl Serialize, sentence: &str) -> Done {
        if self.json { self.line(value) } else { self.text(&format!("{sentence}\n")) }
    }

    /// Prints something that happened: an object for programs, a sentence for people.
    pub(super) fn event(self, object: &Value) -> Done {
        self.done(object, &printable(&event_words::sentence(object)))
    }

    /// Prints a value as one line of JSON.
    pub(super) fn line(self, value: &impl Serialize) -> Done {
        self.bytes(&json_line(value))
    }

    /// Prints a complete list: one object for programs.
    pub(super) fn list<R: Row>(self, rows: &[R]) -> Done {
        if self.json {
            return self.line(&Listed { count: rows.len(), complete: true, data: rows });
        }
        self.table(rows)
    }

    /// Prints rows: one object a line for programs.
    pub(super) fn rows<R: Row>(self, rows: &[R]) -> Done {
        if !self.json {
            return self.table(rows);
        }
        for some in rows.chunks(512) {
            let lines: Vec<u8> = some.iter().flat_map(json_line).collect();
            self.bytes(&lines)?;
        }
        Ok(())
    }

    /// Tells people something beside the result, on stderr; programs are told only failures there.
    pub(super) fn note(self, text: &str) {
        if !self.json {
            // Whoever does not hear it has the result all the same.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    fn table<R: Row>(self, rows: &[R]) -> Done {
        let mut table = Table::new(R::COLUMNS);
        rows.iter().for_each(|row| table.push(row.cells()));
        self.text(&table.text())
    }
}

/// What cannot be printed.
pub(super) fn unprinted(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::nobody_reads(),
        _ => Failure::new("output", format!("what was found cannot be printed: {error}")),
    }
}

fn json_line(value: &impl Serialize) -> Vec<u8> {
    // Values of our own making are always JSON.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A number, or nothing.
pub(super) fn maybe(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// "yes" or "no".
pub(super) const fn yes_no(so: bool) -> &'static str {
    if so { "yes" } else { "no" }
}
