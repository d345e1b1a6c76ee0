//! Server-sent events, as far as the service sends them: an id and one line of data each.

use std::io::{BufRead, BufReader, Read};

/// The longest line that is believed, in bytes.
const LINE: u64 = 1024 * 1024;

/// Makes events of lines.
#[derive(Debug, Default)]
struct Events {
    id: Option<String>,
    data: String,
    /// The last id that was heard of; it counts also where no event came with it.
    last: Option<String>,
}

impl Events {
    /// Takes one line, without its end; gives the data of an event that is complete with it.
    fn line(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            self.last = self.id.take().or_else(|| self.last.take());
            return Some(std::mem::take(&mut self.data)).filter(|data| !data.is_empty());
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.id = Some(value.to_owned()),
            "data" => self.data.push_str(value),
            // A comment, the kind of event, or when to come again.
            _ => {}
        }
        None
    }

    /// The id after which to go on.
    fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }
}

/// Reads a stream until it ends, however that is, or `told` wants no more. For each line that gets the data of an event, if
/// one is complete with it, and the id after which to go on.
///
/// # Errors
/// What `told` says.
pub(super) fn read<E>(
    stream: impl Read,
    mut told: impl FnMut(Option<String>, Option<&str>) -> Result<bool, E>,
) -> Result<(), E> {
    let mut events = Events::default();
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut stream).take(LINE).read_until(b'\n', &mut line);
        if !read.is_ok_and(|count| count > 0) || line.last() != Some(&b'\n') {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let data = events.line(text.trim_end_matches(['\n', '\r']));
        if !told(data, events.last())? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_ends_with_a_blank_line_and_half_of_one_counts_for_nothing() {
        let mut events = Events::default();
        for line in [": zkgate", "retry: 2000", "", "id: 7", "event: punch"] {
            assert_eq!(events.line(line), None);
        }
        assert_eq!(events.last(), None);
        assert_eq!(events.line("data: {\"seq\":7}"), None);
        assert_eq!(events.line("").as_deref(), Some("{\"seq\":7}"));
        assert_eq!(events.last(), Some("7"));
        for line in [": ", "id: 12", ""] {
            assert_eq!(events.line(line), None);
        }
        assert_eq!(events.last(), Some("12"), "how far it has looked, without an event");
    }

    proptest! {
        #[test]
        fn any_lines_are_taken(lines in proptest::collection::vec("[^\\n]{0,20}", 0..20)) {
            let mut events = Events::default();
            for line in lines {
                prop_assert!(events.line(&line).is_none_or(|data| !data.is_empty()));
            }
        }
    }
}
