//! One value per setting out of all sources, the highest one that has it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::error::Problem;
use super::file::{self, Document, FILE_CEILING, Raw};
use super::sources::{Environment, Origin, Sources};

/// The sources, gathered.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) environment: Environment,
    flags: BTreeMap<&'static str, (&'static str, String)>,
    document: Document,
}

impl Layers {
    /// Reads the file, if there is one, and takes the rest as it is.
    ///
    /// What is wrong with the file comes back beside the layers, which then lack it, so that the mistakes in the
    /// other sources are found in the same run.
    pub(super) fn gather(sources: &Sources) -> (Self, Vec<Problem>) {
        let (document, problems) = match read_document(sources) {
            Ok(document) => (document, Vec::new()),
            Err(problems) => (Document::default(), problems),
        };
        let flags =
            sources.flags.given().into_iter().map(|(flag, name, value)| (name, (flag, value))).collect();
        (Self { environment: sources.environment.clone(), flags, document }, problems)
    }

    /// The value of a setting and where it came from.
    pub(super) fn find(&self, setting: &str) -> Option<(Raw, Origin)> {
        if let Some((flag, value)) = self.flags.get(setting) {
            return Some((Raw::Bare(value.clone()), Origin::Flag(flag)));
        }
        for variable in variables_of(setting) {
            if let Some(value) = self.environment.value(&variable) {
                return Some((Raw::Bare(value.into()), Origin::Variable(variable)));
            }
        }
        let (raw, line) = self.document.settings.get(setting)?;
        Some((raw.clone(), Origin::File { path: self.document.path.clone(), line: *line }))
    }

    /// What systemd passed to the service under this name; an empty credential counts as none.
    pub(super) fn credential(&self, name: &'static str) -> Option<Result<String, String>> {
        let path = Path::new(self.environment.value("CREDENTIALS_DIRECTORY")?).join(name);
        match read_secret(&path) {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some(Ok(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Err(format!("{} cannot be read: {error}", path.display()))),
        }
    }

    /// Settings and sections of the file that nobody knows.
    pub(super) fn strangers(&self, known: &dyn Fn(&str) -> bool) -> Vec<Problem> {
        let stranger = |name: &str, what: &str, line: usize| Problem {
            setting: String::new(),
            complaint: format!("there is no {what} {}", super::value::quoted(name)),
            origin: Origin::File { path: self.document.path.clone(), line },
        };
        let settings = self.document.settings.iter().map(|(name, (_, line))| (name, "setting", *line));
        let sections = self.document.sections.iter().map(|(name, line)| (name, "section", *line));
        settings
            .chain(sections)
            .filter(|(name, ..)| !known(name))
            .map(|(n, w, l)| stranger(n, w, l))
            .collect()
    }
}

/// The variables that set a setting, the one that wins first.
pub(super) fn variables_of(setting: &str) -> Vec<String> {
    match setting {
        "database_url" => vec!["DATABASE_URL".into()],
        "log" => vec!["ZKGATE_LOG".into(), "RUST_LOG".into()],
        _ => vec![format!("ZKGATE_{}", setting.replace('.', "_").to_ascii_uppercase())],
    }
}

/// A secret that has a file of its own: its text without the white space around it.
///
/// # Errors
/// When the file cannot be read, is no text or is larger than a secret is.
pub(super) fn read_secret(path: &Path) -> std::io::Result<String> {
    Ok(read_bounded(path, SECRET_CEILING)?.trim().to_owned())
}

fn read_document(sources: &Sources) -> Result<Document, Vec<Problem>> {
    let named = match (&sources.flags.config, sources.environment.value(CONFIG_VARIABLE)) {
        (Some(path), _) => Some((path.clone(), Origin::Flag("--config"))),
        (None, Some(path)) => Some((PathBuf::from(path), Origin::Variable(CONFIG_VARIABLE.into()))),
        (None, None) => None,
    };
    let (path, origin) = match named {
        Some((path, origin)) => (path, Some(origin)),
        None => (sources.default_file.clone(), None),
    };
    match read_bounded(&path, FILE_CEILING) {
        Ok(text) => file::parse(&path, &text),
        Err(error) if error.kind() == ErrorKind::NotFound && origin.is_none() => Ok(Document::default()),
        Err(error) => Err(vec![Problem {
            setting: String::new(),
            complaint: format!("{} cannot be read: {error}", path.display()),
            origin: origin.unwrap_or(Origin::Default),
        }]),
    }
}

fn read_bounded(path: &Path, ceiling: u64) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(ceiling + 1).read_to_string(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= ceiling => Ok(text),
        _ => Err(std::io::Error::new(ErrorKind::FileTooLarge, format!("larger than {ceiling} bytes"))),
    }
}

/// The variable that names the file.
pub(super) const CONFIG_VARIABLE: &str = "ZKGATE_CONFIG";
/// The largest secret, in bytes.
const SECRET_CEILING: u64 = 16 * 1024;
