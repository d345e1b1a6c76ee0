//! A long list as a JSON document that is made while it is sent: `{"count": n, "complete": true, …, "data": […]}`.
//!
//! The rows come from a table that is proved complete before the first byte of the answer leaves, so a document
//! that ends is whole, and one that breaks off is cut visibly.

use std::io::{self, Read};

use crate::http::response::{Answer, ContentType};

/// The document with this head, which ends just before its rows: `{"count":2,"data":[`. A short one is made at
/// once, so that it need not wait for a thread that sends long ones.
pub(super) fn document<I, R>(head: String, rows: I) -> Answer
where
    I: Iterator<Item = R> + Send + 'static,
    R: WriteRow,
{
    let mut document = Rows::new(head, rows);
    document.make();
    match document.stage {
        Stage::Over => Answer::json(200, document.made),
        Stage::First | Stage::More => Answer::stream(200, ContentType::Json, document),
    }
}

/// A document under way.
struct Rows<I> {
    rows: I,
    /// Bytes made and not taken yet, from `taken` on.
    made: Vec<u8>,
    taken: usize,
    stage: Stage,
}

#[derive(PartialEq)]
enum Stage {
    First,
    More,
    Over,
}

/// Bytes made at a time.
const BATCH: usize = 32 * 1024;

impl<I> Rows<I> {
    fn new(head: String, rows: I) -> Self {
        Self { rows, made: head.into_bytes(), taken: 0, stage: Stage::First }
    }
}

impl<I, R> Rows<I>
where
    I: Iterator<Item = R>,
    R: WriteRow,
{
    fn make(&mut self) {
        if self.taken > 0 {
            self.made.clear();
            self.taken = 0;
        }
        while self.made.len() < BATCH && self.stage != Stage::Over {
            match self.rows.next() {
                Some(row) => {
                    if self.stage == Stage::More {
                        self.made.push(b',');
                    }
                    self.stage = Stage::More;
                    row.write(&mut self.made);
                }
                None => {
                    self.made.extend_from_slice(b"]}");
                    self.stage = Stage::Over;
                }
            }
        }
    }
}

/// A row that writes itself as a JSON object.
pub(super) trait WriteRow {
    /// Appends the object.
    fn write(&self, out: &mut Vec<u8>);
}

impl<I, R> Read for Rows<I>
where
    I: Iterator<Item = R>,
    R: WriteRow,
{
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.made.len() {
            self.make();
        }
        let mut rest = self.made.get(self.taken..).unwrap_or_default();
        let count = rest.read(room)?;
        self.taken += count;
        Ok(count)
    }
}

/// Appends a text as a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends a number.
pub(super) fn number(number: impl Into<u64>, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, &number.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(u32);

    impl WriteRow for Row {
        fn write(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(br#"{"n":"#);
            number(self.0, out);
            out.push(b'}');
        }
    }

    #[test]
    fn the_document_is_json_whatever_its_length_and_however_it_is_read() {
        for rows in [0u32, 1, 2, 10_000] {
            let mut document = Rows::new(format!(r#"{{"count":{rows},"data":["#), (0..rows).map(Row));
            let mut bytes = Vec::new();
            let mut room = [0; 7];
            loop {
                let count = document.read(&mut room).unwrap();
                if count == 0 {
                    break;
                }
                bytes.extend_from_slice(&room[..count]);
            }
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["data"].as_array().unwrap().len(), rows as usize);
        }
    }
}
