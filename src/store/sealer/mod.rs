//! What seals whatever nobody else may read: the key in its file, and the form of what is sealed.

mod form;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::secret::Secret;

pub use form::Sealed;
use form::{Key, NONCE};

/// Seals and opens with the key in one file.
#[derive(Debug)]
pub struct Sealer {
    key_file: PathBuf,
}

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file with the key.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What is to be opened does not open.
    #[error("{0}")]
    Sealed(#[from] Sealed),
    /// The file with the key has something else in it.
    #[error("the file {} holds no key of 64 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
}

impl Sealer {
    /// With the key in this file, which is made when it is needed first.
    #[must_use]
    pub const fn new(key_file: PathBuf) -> Self {
        Self { key_file }
    }

    /// Seals some content under a label that anybody can read, and nobody can change.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, label: &[u8], content: &Secret<Vec<u8>>) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let sealed = form::seal(label, content.expose(), &self.key()?, nonce);
        sealed.ok_or_else(|| io::Error::other("the content cannot be sealed").into())
    }

    /// The label and the content of what was sealed.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open<'f>(&self, file: &'f [u8]) -> Result<(&'f [u8], Secret<Vec<u8>>), SealError> {
        Ok(form::open(file, &self.key()?)?)
    }

    /// The label of what was sealed, which nobody vouches for before it is opened.
    ///
    /// # Errors
    /// [`Sealed`].
    pub fn label(file: &[u8]) -> Result<&[u8], Sealed> {
        form::label(file)
    }

    /// The key, made if there is none.
    fn key(&self) -> Result<Key, SealError> {
        let no_key = || SealError::NoKey(self.key_file.clone());
        match fs::read_to_string(&self.key_file) {
            Ok(text) => return Key::parse(&text).ok_or_else(no_key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        write_whole(&self.key_file, format!("{text}\n").as_bytes())?;
        log::info!("a key for backups was made and is in {}: keep a copy elsewhere", self.key_file.display());
        Key::parse(&text).ok_or_else(no_key)
    }
}

fn random(into: &mut [u8]) -> io::Result<()> {
    getrandom::fill(into).map_err(|error| io::Error::other(error.to_string()))
}

/// Writes a file that its owner alone can read. A crash leaves all of it, or nothing.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&unfinished, path)) {
        // Half a file is of no use to anybody.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    Ok(())
}
