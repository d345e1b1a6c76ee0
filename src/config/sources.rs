//! Where settings come from: the command line, the environment, systemd's credentials and one file.
//!
//! All of it is handed in, so that a test brings its own world and never touches the process's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The file that is read when none is named, if it exists.
pub const DEFAULT_FILE: &str = "/etc/zkgate/zkgate.toml";

/// Everything settings are made from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the command line says.
    pub flags: Flags,
    /// The environment.
    pub environment: Environment,
    /// The file to read, if it exists, when neither flag nor variable names one.
    pub default_file: PathBuf,
}

impl Sources {
    /// The sources of a running process: these flags, its environment and [`DEFAULT_FILE`].
    #[must_use]
    pub fn of_process(flags: Flags) -> Self {
        Self { flags, environment: Environment::of_process(), default_file: DEFAULT_FILE.into() }
    }
}

/// The settings that have a flag of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--token-file`
    pub token_file: Option<PathBuf>,
    /// `--log`
    pub log: Option<String>,
}

impl Flags {
    /// Flag name, setting name and value of each flag that was given, but `--config`.
    pub(super) fn given(&self) -> Vec<(&'static str, &'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.to_string_lossy().into_owned());
        [
            ("--listen", "listen", self.listen.clone()),
            ("--state-dir", "state_dir", path(&self.state_dir)),
            ("--token-file", "token_file", path(&self.token_file)),
            ("--log", "log", self.log.clone()),
        ]
        .into_iter()
        .filter_map(|(flag, setting, value)| Some((flag, setting, value?)))
        .collect()
    }
}

/// The environment: names and values. A variable that is empty counts as not set.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment of this process; what is not UTF-8 is not seen.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of the variables that are set and not empty.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Environment {
    // An environment holds other programs' secrets too: only the names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Where a value came from, in the order in which one overrides the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// Nobody set it; the default follows this variable of the environment.
    Implied(&'static str),
    /// A line of the file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A credential that systemd passed to the service.
    Credential(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The place in the order of overriding: the higher one wins.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Default | Self::Implied(_) => 0,
            Self::File { .. } => 1,
            Self::Credential(_) => 2,
            Self::Variable(_) => 3,
            Self::Flag(_) => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Implied(variable) => write!(f, "default, from {variable}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}
