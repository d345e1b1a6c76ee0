//! How a single value is read and shown: durations, whole numbers, switches, names.

use std::time::Duration;

use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};

use super::file::Raw;

const PARSER: SpanParser = SpanParser::new();
const PRINTER: SpanPrinter =
    SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::BetweenUnits);

/// A duration with its unit, such as `5s`, `250ms`, `1m 30s` or `12h`.
pub(super) fn duration(raw: &Raw) -> Result<Duration, String> {
    match raw {
        Raw::Bare(text) | Raw::Quoted(text) => PARSER.parse_unsigned_duration(text).map_err(|_| {
            format!("{} is no duration: write it with its unit, such as \"5s\" or \"250ms\"", quoted(text))
        }),
        Raw::Integer(Some(number)) => Err(format!("{number} has no unit: write \"{number}s\" for seconds")),
        other => Err(format!("must be a duration such as \"5s\", not {}", kind(other))),
    }
}

/// A duration as people write it.
pub(super) fn shown(duration: Duration) -> String {
    PRINTER.unsigned_duration_to_string(&duration)
}

/// A whole number that is not negative.
pub(super) fn count(raw: &Raw) -> Result<u64, String> {
    match raw {
        Raw::Integer(Some(number)) => {
            u64::try_from(*number).map_err(|_| format!("{number} must not be negative"))
        }
        Raw::Integer(None) => Err("is too large a number".into()),
        Raw::Bare(text) => text.trim().parse().map_err(|_| format!("{} is no whole number", quoted(text))),
        other => Err(format!("must be a whole number, not {}", kind(other))),
    }
}

/// `true` or `false`.
pub(super) fn switch(raw: &Raw) -> Result<bool, String> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Bare(text) => match text.trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("{} is neither true nor false", quoted(text))),
        },
        other => Err(format!("must be true or false, not {}", kind(other))),
    }
}

/// Text that is not empty.
pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Bare(text) | Raw::Quoted(text) if text.trim().is_empty() => Err("must not be empty".into()),
        Raw::Bare(text) | Raw::Quoted(text) => Ok(text.clone()),
        other => Err(format!("must be text, not {}", kind(other))),
    }
}

/// Text for a message: quoted, escaped and cut to what a line bears.
pub(super) fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(QUOTED_CEILING).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{}{rest}\"", cut.escape_debug())
}

fn kind(raw: &Raw) -> &'static str {
    match raw {
        Raw::Bare(_) | Raw::Quoted(_) => "text",
        Raw::Integer(_) => "a number",
        Raw::Boolean(_) => "a switch",
        Raw::Other(name) => name,
    }
}

/// How many characters of a value a message shows.
const QUOTED_CEILING: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        for (text, seconds) in
            [("5s", 5.0), ("250ms", 0.25), ("12h", 43_200.0), ("1m", 60.0), ("1m 30s", 90.0)]
        {
            assert_eq!(duration(&Raw::Quoted(text.into())), Ok(Duration::from_secs_f64(seconds)), "{text}");
            assert_eq!(shown(Duration::from_secs_f64(seconds)), text);
        }
        for text in ["5", "", "-5s", "soon", "1 fortnight", "99999999999999999999s"] {
            let complaint = duration(&Raw::Bare(text.into())).unwrap_err();
            assert!(complaint.contains("is no duration"), "{text}: {complaint}");
        }
        assert!(duration(&Raw::Integer(Some(5))).unwrap_err().contains("\"5s\""));
    }

    #[test]
    fn numbers_and_switches_are_not_guessed_from_quoted_text() {
        assert_eq!(count(&Raw::Bare("128".into())), Ok(128));
        assert_eq!(count(&Raw::Integer(Some(128))), Ok(128));
        assert!(count(&Raw::Integer(Some(-1))).is_err());
        assert!(count(&Raw::Quoted("128".into())).is_err());
        assert_eq!(switch(&Raw::Bare("false".into())), Ok(false));
        assert!(switch(&Raw::Quoted("false".into())).is_err());
        assert!(switch(&Raw::Bare("no".into())).is_err());
    }

    #[test]
    fn what_a_message_quotes_is_escaped_and_cut() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert!(quoted(&"x".repeat(1000)).len() < 100);
    }
}
