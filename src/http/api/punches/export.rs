//! Everything that was chosen, in one answer that is read from the journal page by page while it is sent.
//!
//! It goes as far as the journal did when it began. If a page cannot be read, the answer is cut visibly.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use super::choice::{self, SEQ_CEILING};
use super::csv;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::http::api::ask_journal;
use crate::http::call::{Call, Handled, invalid};
use crate::http::problem::Problem;
use crate::http::response::{Answer, ContentType};
use crate::store::journal::json::write_row;
use crate::store::journal::query::Page;
use crate::store::journal::{Journal, PageQuery, Row};

/// Rows read at a time.
const PAGE: u32 = 1000;
/// How long a page may take.
const PAGE_TIME: Duration = Duration::from_secs(30);
/// Bytes made at a time.
const BATCH: usize = 32 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    NdJson,
    Csv,
}

/// `GET /punches/export`
pub fn export(call: &mut Call) -> Handled {
    call.allow(&["format", "after", "limit", "device", "user_id", "from", "to", "timeout"])?;
    let format = format(call.parameter("format"), call.headers().accept.as_deref())?;
    let left = call.number("limit", SEQ_CEILING, 1, SEQ_CEILING)?;
    let query = PageQuery { after: choice::after(call)?, limit: PAGE, filter: choice::filter(call)? };
    let deadline = call.deadline()?;
    let (journal, clock) = (Arc::clone(&call.gateway.journal), Arc::clone(&call.gateway.clock));
    // The first page is read before there is an answer, so that a journal that cannot be read is a problem.
    let first = query.clone();
    ask_journal::read(
        call,
        deadline,
        move |backend| Ok((backend.head()?, backend.page(&first)?)),
        move |(head, page)| {
            let mut export = Export::new(journal, clock, format, query, head, left);
            export.turn(page);
            let content_type = match format {
                Format::NdJson => ContentType::NdJson,
                Format::Csv => ContentType::Csv,
            };
            Ok(Answer::stream(200, content_type, export))
        },
    )
}

/// `format=`, or what the client says it takes.
fn format(parameter: Option<&str>, accept: Option<&str>) -> Result<Format, Problem> {
    match parameter {
        Some("ndjson") => Ok(Format::NdJson),
        Some("csv") => Ok(Format::Csv),
        Some(_) => Err(invalid("format", "it is ndjson or csv")),
        None => {
            let kinds = accept.unwrap_or_default().split(',');
            let kinds = kinds.map(|kind| kind.split(';').next().unwrap_or_default().trim());
            let known = kinds.filter_map(|kind| match kind.to_ascii_lowercase().as_str() {
                "application/x-ndjson" => Some(Format::NdJson),
                "text/csv" => Some(Format::Csv),
                _ => None,
            });
            Ok(known.take(1).next().unwrap_or(Format::NdJson))
        }
    }
}

/// An export under way.
struct Export {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    format: Format,
    /// The next page.
    query: PageQuery,
    /// Where the journal ended.
    head: u64,
    /// How many rows are still wanted.
    left: u64,
    rows: std::vec::IntoIter<Row>,
    /// Whether there is another page.
    more: bool,
    /// Bytes made and not taken yet, from `taken` on.
    made: Vec<u8>,
    taken: usize,
}

impl Export {
    fn new(
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        format: Format,
        query: PageQuery,
        head: u64,
        left: u64,
    ) -> Self {
        let made = match format {
            Format::NdJson => Vec::new(),
            Format::Csv => csv::HEADER.to_vec(),
        };
        let rows = Vec::new().into_iter();
        Self { journal, clock, format, query, head, left, rows, more: true, made, taken: 0 }
    }

    /// Turns to a page.
    fn turn(&mut self, page: Page) {
        self.more = page.more && page.next_after < self.head;
        self.query.after = page.next_after;
        self.rows = page.rows.into_iter();
    }

    fn make(&mut self) -> io::Result<()> {
        self.made.clear();
        self.taken = 0;
        while self.made.len() < BATCH && self.left > 0 {
            match self.rows.next() {
                Some(row) if row.seq > self.head => self.left = 0,
                Some(row) => {
                    self.left -= 1;
                    match self.format {
                        Format::Csv => csv::write_line(&row, &mut self.made),
                        Format::NdJson => {
                            write_row(&row, &mut self.made);
                            self.made.push(b'\n');
                        }
                    }
                }
                None if self.more => {
                    let deadline = Deadline::after(self.clock.now(), PAGE_TIME);
                    let page = self.journal.page(self.query.clone(), deadline).map_err(|error| {
                        log::warn!("an export breaks off behind punch {}: {error}", self.query.after);
                        io::Error::other(error)
                    })?;
                    if page.more && page.next_after <= self.query.after {
                        return Err(io::Error::other("the journal gives the same page again"));
                    }
                    self.turn(page);
                }
                None => self.left = 0,
            }
        }
        Ok(())
    }
}

impl Read for Export {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.made.len() {
            self.make()?;
        }
        let mut rest = self.made.get(self.taken..).unwrap_or_default();
        let count = rest.read(room)?;
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_was_asked_for_or_what_the_client_names_first() {
        for (parameter, accept, expected) in [
            (None, None, Format::NdJson),
            (None, Some("*/*"), Format::NdJson),
            (None, Some("text/csv"), Format::Csv),
            (None, Some("text/html, Text/CSV;q=0.9, application/x-ndjson"), Format::Csv),
            (None, Some("application/x-ndjson,text/csv"), Format::NdJson),
            (Some("csv"), Some("application/x-ndjson"), Format::Csv),
            (Some("ndjson"), Some("text/csv"), Format::NdJson),
        ] {
            assert_eq!(format(parameter, accept).unwrap(), expected, "{parameter:?} {accept:?}");
        }
        let problem = format(Some("xml"), None).unwrap_err();
        assert_eq!((problem.status, problem.more["parameter"].as_str()), (400, Some("format")));
    }
}
