//! Tables for people: columns as wide as their widest cell, counted as a terminal shows it.

use std::borrow::Cow;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// On which side of a column its cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column: what stands above it, and on which side its cells are.
pub(super) type Column = (&'static str, Side);

/// Rows of text under their heads.
#[derive(Debug)]
pub(super) struct Table {
    columns: &'static [Column],
    rows: Vec<Vec<String>>,
}

/// What stands in a cell for nothing.
const NOTHING: &str = "-";

impl Table {
    /// A table with these columns.
    pub(super) const fn new(columns: &'static [Column]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; cells that are missing or empty show as `-`.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
    }

    /// The table as text. Nothing stands behind the last cell of a line.
    pub(super) fn text(&self) -> String {
        let cell = |row: &'_ [String], at: usize| match row.get(at).map(String::as_str) {
            None | Some("") => NOTHING.to_owned(),
            Some(text) => text.to_owned(),
        };
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (head, _))| {
                self.rows.iter().map(|row| cell(row, at).width()).fold(head.width(), usize::max)
            })
            .collect();
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for ((at, (_, side)), width) in self.columns.iter().enumerate().zip(&widths) {
                if at > 0 {
                    line.push_str("  ");
                }
                let shown = cell(row, at);
                let gap = " ".repeat(width.saturating_sub(shown.width()));
                match side {
                    Side::Left => line.extend([shown, gap]),
                    Side::Right => line.extend([gap, shown]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names and values under each other; what is `None` is left out.
pub(super) fn sheet(pairs: &[(&str, Option<String>)]) -> String {
    let known: Vec<_> = pairs.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?))).collect();
    let width = known.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let line = |(name, value): &(&str, &String)| {
        let gap = " ".repeat(width.saturating_sub(name.width()));
        format!("{name}{gap}  {}\n", printable(value))
    };
    known.iter().map(line).collect()
}

/// A text that a terminal shows and does not obey: what a device calls somebody may be anything.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        // Direction marks would turn a line round.
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(steers) { text.replace(steers, "\u{fffd}").into() } else { text.into() }
}

/// A member of an answer as text; nothing for what is not there.
pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: &[Column] = &[("NAME", Side::Left), ("N", Side::Right), ("LAST", Side::Left)];

    #[test]
    fn wide_characters_take_two_places_and_marks_none() {
        let mut table = Table::new(COLUMNS);
        table.push(["张伟".into(), "7".into(), "x".into()]);
        table.push(["Zoe\u{308}".into(), "1234".into()]);
        table.push(["".into(), "".into(), "y".into()]);
        let expected = "NAME     N  LAST\n张伟     7  x\nZoe\u{308}   1234  -\n-        -  y\n";
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn a_sheet_leaves_out_what_is_unknown() {
        let text = sheet(&[("name", Some("K40".into())), ("face", None), ("serial", Some("S1".into()))]);
        assert_eq!(text, "name    K40\nserial  S1\n");
        assert_eq!(sheet(&[]), "");
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_cells_a_row_is_a_line_that_steers_no_terminal(cells in proptest::collection::vec(".*", 0..5)) {
            let mut table = Table::new(COLUMNS);
            table.push(cells);
            let text = table.text();
            prop_assert_eq!(text.matches('\n').count(), 2);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
