//! The files of traces: their names, how many are kept, and who may read them.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::base::ids::DeviceId;

/// The name of a trace: letters, digits, `-` and `_`, so that it is a name and never a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceName(String);

/// A file that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFile {
    /// Its name, without what it ends with.
    pub name: TraceName,
    /// How large it is, in bytes.
    pub bytes: u64,
    /// When it was last written to.
    pub modified: SystemTime,
}

#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

const SUFFIX: &str = ".ndjson";

impl TraceName {
    /// The longest name, in characters.
    pub const CEILING: usize = 100;

    /// Takes a name; anything else than letters, digits, `-` and `_` is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain && (1..=Self::CEILING).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}{SUFFIX}", self.0)
    }
}

impl fmt::Display for TraceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Files {
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes a new file that only we can read.
    pub(super) fn create(&self, device: &DeviceId, at: SystemTime) -> io::Result<(TraceName, File)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let device: String = device.as_str().chars().map(safe).collect();
        let time = Timestamp::try_from(at).unwrap_or_default().strftime("%Y%m%dT%H%M%S%3f").to_string();
        for number in 1..=NAMESAKES {
            let name = match number {
                1 => format!("{device}-{time}"),
                number => format!("{device}-{time}-{number}"),
            };
            let name = TraceName::parse(&name).ok_or(io::ErrorKind::InvalidInput)?;
            let path = self.path(&name);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|file| (name, file)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Deletes the oldest files until at most `keep` are left; those in `busy` stay.
    pub(super) fn make_room(&self, keep: usize, busy: &[TraceName]) -> io::Result<()> {
        let files = self.list()?;
        let surplus = files.len().saturating_sub(keep);
        let old = files.into_iter().rev().filter(|file| !busy.contains(&file.name)).take(surplus);
        for file in old {
            self.remove(&file.name)?;
        }
        Ok(())
    }

    /// The newest first.
    pub(super) fn list(&self) -> io::Result<Vec<TraceFile>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files: Vec<TraceFile> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let name = TraceName::parse(name.to_str()?.strip_suffix(SUFFIX)?)?;
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some(TraceFile { name, bytes: metadata.len(), modified: metadata.modified().ok()? })
            })
            .collect();
        files.sort_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        Ok(files)
    }

    pub(super) fn open(&self, name: &TraceName) -> io::Result<File> {
        self.regular(name).and_then(File::open)
    }

    pub(super) fn remove(&self, name: &TraceName) -> io::Result<()> {
        self.regular(name).and_then(fs::remove_file)
    }

    /// The path of a file that is one, and no link to another.
    fn regular(&self, name: &TraceName) -> io::Result<PathBuf> {
        let path = self.path(name);
        let is_file = fs::symlink_metadata(&path)?.is_file();
        if is_file { Ok(path) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn path(&self, name: &TraceName) -> PathBuf {
        self.directory.join(name.file_name())
    }
}

/// RFC 3339, UTC, to the millisecond.
pub(super) fn rfc3339(at: SystemTime) -> String {
    Timestamp::try_from(at).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Traces of one device that may begin in the same millisecond.
const NAMESAKES: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for bad in ["", ".", "..", "../token", "a/b", "a\\b", "a.ndjson", "a\0", "ä", "%2e", &"x".repeat(101)]
        {
            assert_eq!(TraceName::parse(bad), None, "{bad:?}");
        }
        assert_eq!(
            TraceName::parse("gate_2-20261125T043905").unwrap().file_name(),
            "gate_2-20261125T043905.ndjson"
        );
    }
}
