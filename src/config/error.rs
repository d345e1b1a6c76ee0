//! What is wrong with the settings: all of it at once, each with its place and without any secret.

use std::fmt;

use super::sources::Origin;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as it is named in the file; empty when the file itself is meant.
    pub setting: String,
    /// What is wrong with it and what would be right.
    pub complaint: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// The settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Everything that is wrong; never empty.
    pub problems: Vec<Problem>,
    /// What is odd besides.
    pub warnings: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.setting.is_empty() {
            write!(f, "{} ", self.setting)?;
        }
        f.write_str(&self.complaint)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
