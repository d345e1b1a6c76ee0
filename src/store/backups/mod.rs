//! Backups of devices: files in the state directory, each sealed, with a label that says whose it is.

mod content;
mod label;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sealer::{SealError, Sealed, Sealer, write_whole};
pub use content::{Content, ContentError, Print};
pub use label::{Label, NotRead, Settings};

/// Where they are, and what seals them.
#[derive(Debug)]
pub struct Backups {
    directory: PathBuf,
    sealer: Arc<Sealer>,
}

/// A backup that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// The size of its file, in bytes.
    pub bytes: u64,
    /// What its label says.
    pub label: Label,
}

/// The name of a backup: letters, digits, `-` and `_`, so that it is a name and never a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// Why a backup cannot be made or had.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The directory or the file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is none with this name.
    #[error("there is no backup {}", .0.as_str())]
    Unknown(Name),
    /// It cannot be sealed, or does not open.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// There are too many already.
    #[error("the backups take {taken} bytes; more than {limit} are not kept: delete some")]
    Full {
        /// What they take.
        taken: u64,
        /// What they may take.
        limit: u64,
    },
}

const SUFFIX: &str = ".zkbackup";
/// What all of them may take, in bytes.
const LIMIT: u64 = 1 << 30;
/// How much of a file is read for its label, in bytes.
const HEAD: u64 = 80 * 1024;

impl Name {
    /// Takes a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain && (1..=100).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Backups {
    /// In `backups` of this directory, sealed with this.
    #[must_use]
    pub fn new(state_dir: &Path, sealer: Arc<Sealer>) -> Self {
        Self { directory: state_dir.join("backups"), sealer }
    }

    /// All that can be read, the newest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, BackupError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut all = Vec::new();
        for entry in entries {
            let file_name = entry?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(Name::parse);
            let Some(name) = name else { continue };
            match self.entry(&name) {
                Ok(entry) => all.push(entry),
                // Somebody's own file, or one that was deleted just now, keeps nobody from the others.
                Err(error) => log::debug!("{} is no backup: {error}", name.as_str()),
            }
        }
        all.sort_by(|one, other| (other.label.made_at, &other.name).cmp(&(one.label.made_at, &one.name)));
        Ok(all)
    }

    /// One of them.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn entry(&self, name: &Name) -> Result<Entry, BackupError> {
        let file = self.file(name)?;
        let bytes = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        let label = Sealer::label(&head).map_err(SealError::from)?;
        let label = serde_json::from_slice(label).map_err(|_| other_version())?;
        Ok(Entry { name: name.clone(), bytes, label })
    }

    /// The sealed file itself.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn file(&self, name: &Name) -> Result<File, BackupError> {
        File::open(self.path(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BackupError::Unknown(name.clone()),
            _ => error.into(),
        })
    }

    /// Opens one.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn read(&self, name: &Name) -> Result<(Label, Content), BackupError> {
        let mut bytes = Vec::new();
        self.file(name)?.read_to_end(&mut bytes)?;
        let (label, content) = self.sealer.open(&bytes)?;
        // It is what somebody with the key sealed; if it makes no sense, then only to this program.
        let label = serde_json::from_slice(label).map_err(|_| other_version())?;
        Ok((label, Content::parse(content.expose()).map_err(|_| other_version())?))
    }

    /// Seals and keeps one. It is there whole, or not at all.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn create(&self, label: &Label, content: &Content) -> Result<Entry, BackupError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let taken = self.list()?.iter().map(|entry| entry.bytes).sum();
        if taken >= LIMIT {
            return Err(BackupError::Full { taken, limit: LIMIT });
        }
        let told = serde_json::to_vec(label).map_err(io::Error::other)?;
        let file = self.sealer.seal(&told, &content.emit())?;
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let device: String = label.device_id.chars().map(safe).collect();
        let name = Name::parse(&format!("{device}-{}", label.made_at))
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        write_whole(&self.path(&name), &file)?;
        Ok(Entry { name, bytes: file.len() as u64, label: label.clone() })
    }

    /// Deletes one.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn remove(&self, name: &Name) -> Result<(), BackupError> {
        fs::remove_file(self.path(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BackupError::Unknown(name.clone()),
            _ => error.into(),
        })
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.directory.join(format!("{}{SUFFIX}", name.as_str()))
    }
}

const fn other_version() -> SealError {
    SealError::Sealed(Sealed::OtherVersion)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(made_at: i64) -> Label {
        Label {
            made_at,
            device_id: "a:1".into(),
            serial_number: Some("X1".into()),
            device_name: None,
            firmware_version: None,
            fingerprint_version: Some("10".into()),
            name_encoding: "UTF-8".into(),
            users: 0,
            templates: None,
            settings: None,
        }
    }

    #[test]
    fn a_backup_is_kept_listed_opened_and_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join("backup.key");
        let backups = Backups::new(directory.path(), Arc::new(Sealer::new(key_file.clone())));
        assert_eq!(backups.list().unwrap(), []);
        let content = Content {
            stride: 72,
            records: crate::base::secret::Secret::new(vec![1; 72]),
            prints: Vec::new(),
            settings: Vec::new(),
        };
        let first = backups.create(&label(1), &content).unwrap();
        let second = backups.create(&label(2), &content).unwrap();
        assert_eq!(backups.list().unwrap(), [second.clone(), first.clone()]);
        fs::write(directory.path().join("backups/mine.zkbackup"), "mine").unwrap();
        assert_eq!(backups.list().unwrap().len(), 2, "a stranger's file is no backup");
        let (found, opened) = backups.read(&first.name).unwrap();
        assert_eq!((found, opened), (label(1), content));
        backups.remove(&first.name).unwrap();
        assert!(matches!(backups.remove(&first.name), Err(BackupError::Unknown(_))));
        assert!(matches!(backups.read(&first.name), Err(BackupError::Unknown(_))));
        let mode =
            |path: &Path| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
        assert_eq!(mode(&backups.path(&second.name)) & 0o777, 0o600);
        assert_eq!(mode(&key_file) & 0o777, 0o600);
        fs::write(&key_file, "00".repeat(32)).unwrap();
        assert!(matches!(
            backups.read(&second.name),
            Err(BackupError::Seal(SealError::Sealed(Sealed::Locked)))
        ));
        fs::write(&key_file, "no key").unwrap();
        assert!(matches!(backups.read(&second.name), Err(BackupError::Seal(SealError::NoKey(_)))));
    }

    #[test]
    fn what_another_version_sealed_is_told_as_that() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = Arc::new(Sealer::new(directory.path().join("backup.key")));
        let backups = Backups::new(directory.path(), Arc::clone(&sealer));
        let content = Content {
            stride: 72,
            records: crate::base::secret::Secret::new(Vec::new()),
            prints: Vec::new(),
            settings: Vec::new(),
        };
        let name = backups.create(&label(1), &content).unwrap().name;
        let told = serde_json::to_vec(&label(1)).unwrap();
        let nothing = crate::base::secret::Secret::new(Vec::new());
        for (label, content) in [(br#"{"made_at":1}"#.to_vec(), content.emit()), (told, nothing)] {
            fs::write(backups.path(&name), sealer.seal(&label, &content).unwrap()).unwrap();
            let refused = backups.read(&name).unwrap_err();
            assert!(
                matches!(refused, BackupError::Seal(SealError::Sealed(Sealed::OtherVersion))),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_name_is_no_path() {
        for bad in ["", "..", "a/b", "a.b", "a b", &"x".repeat(101)] {
            assert!(Name::parse(bad).is_none(), "{bad}");
        }
    }
}
