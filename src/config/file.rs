//! The TOML file, taken apart into dotted names, raw values and line numbers.
//!
//! Nothing is interpreted here: which names exist and what their values may be is the reader's business.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::sources::Origin;

/// The largest file that is read, in bytes.
pub(super) const FILE_CEILING: u64 = 1024 * 1024;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    /// Text that may mean anything: a variable's, a flag's or a credential's.
    Bare(String),
    /// Text that was written as text in the file.
    Quoted(String),
    /// A whole number of the file; `None` when it does not fit 64 bits.
    Integer(Option<i64>),
    /// `true` or `false` in the file.
    Boolean(bool),
    /// What no setting is made of: its name in TOML.
    Other(&'static str),
}

/// The file's content by dotted name.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) path: PathBuf,
    /// Value and line of each setting.
    pub(super) settings: BTreeMap<String, (Raw, usize)>,
    /// Line of each section header.
    pub(super) sections: BTreeMap<String, usize>,
}

/// Takes the text apart.
///
/// # Errors
/// All mistakes against TOML's grammar, each with its line; never a piece of the text, which may hold secrets.
pub(super) fn parse(path: &Path, text: &str) -> Result<Document, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| Problem {
            setting: String::new(),
            complaint: format!("is not TOML: {}", error.message()),
            origin: Origin::File {
                path: path.into(),
                line: line_of(text, error.span().map_or(0, |s| s.start)),
            },
        };
        return Err(errors.iter().map(problem).collect());
    }
    let mut document = Document { path: path.into(), ..Document::default() };
    flatten(text, "", table.get_ref(), &mut document);
    Ok(document)
}

// The depth is bounded by the TOML parser's own recursion limit.
fn flatten(text: &str, prefix: &str, table: &DeTable<'_>, into: &mut Document) {
    for (key, value) in table {
        let name = match prefix {
            "" => key.get_ref().to_string(),
            _ => format!("{prefix}.{}", key.get_ref()),
        };
        let line = line_of(text, key.span().start);
        let raw = match value.get_ref() {
            DeValue::Table(inner) => {
                flatten(text, &name, inner, into);
                into.sections.insert(name, line);
                continue;
            }
            DeValue::String(text) => Raw::Quoted(text.to_string()),
            DeValue::Integer(number) => {
                Raw::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Boolean(value) => Raw::Boolean(*value),
            DeValue::Float(_) => Raw::Other("a fraction"),
            DeValue::Datetime(_) => Raw::Other("a date"),
            DeValue::Array(_) => Raw::Other("a list"),
        };
        into.settings.insert(name, (raw, line));
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_dotted_names_with_lines() {
        let text =
            "listen = \"127.0.0.1:1\"\n\n[http]\nworkers = 0x10 # sixteen\n[attach.columns]\nid = 'n'\n";
        let document = parse(Path::new("f"), text).unwrap();
        let expected = [
            ("attach.columns.id", Raw::Quoted("n".into()), 6),
            ("http.workers", Raw::Integer(Some(16)), 4),
            ("listen", Raw::Quoted("127.0.0.1:1".into()), 1),
        ];
        let found: Vec<_> =
            document.settings.iter().map(|(n, (raw, line))| (n.as_str(), raw.clone(), *line)).collect();
        assert_eq!(found, expected);
        assert_eq!(document.sections.keys().collect::<Vec<_>>(), ["attach", "attach.columns", "http"]);
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_without_the_text() {
        let problems = parse(Path::new("f"), "a = 1\ndatabase_url = \"hunter2\nb = = 3\n").unwrap_err();
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|t| t.starts_with("f:2: ")), "{told:?}");
        assert!(told.iter().any(|t| t.starts_with("f:3: ")), "{told:?}");
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }
}
