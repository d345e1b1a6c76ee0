//! What seals whatever nobody else may read: the key in its file, and the form of what is sealed.

mod form;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::lock::lock;
use crate::base::secret::Secret;

pub use form::Sealed;
use form::{Key, NONCE};

/// Seals and opens with the key in one file.
#[derive(Debug)]
pub struct Sealer {
    key_file: PathBuf,
    /// guards: the making of the key, of which there must be one
    making: Mutex<()>,
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
        Self { key_file, making: Mutex::new(()) }
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
        let _alone = lock(&self.making);
        let text = match fs::read_to_string(&self.key_file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_key()?;
                // Whoever made it, what is in the file counts.
                fs::read_to_string(&self.key_file)?
            }
            read => read?,
        };
        Key::parse(&text).ok_or_else(|| SealError::NoKey(self.key_file.clone()))
    }

    /// Makes a key, and never in the place of another: what was sealed with that would open no more.
    fn make_key(&self) -> Result<(), SealError> {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if write_once(&self.key_file, format!("{text}\n").as_bytes())? {
            let path = self.key_file.display();
            log::info!("a key for backups was made and is in {path}: keep a copy elsewhere");
        }
        Ok(())
    }
}

pub(super) fn random(into: &mut [u8]) -> io::Result<()> {
    getrandom::fill(into).map_err(|error| io::Error::other(error.to_string()))
}

/// Writes a file that its owner alone can read, unless there is one. Gives whether it was written.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn write_once(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut own = [0; 8];
    random(&mut own)?;
    let new = path.with_extension(format!("made-{:016x}", u64::from_le_bytes(own)));
    write_whole(&new, bytes)?;
    let linked = fs::hard_link(&new, path);
    let _ = fs::remove_file(&new);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a file that its owner alone can read. A crash leaves all of it, or nothing.
///
/// # Errors
/// Whatever the file system says.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let unfinished = path.with_extension(format!("new-{}-{number}", std::process::id()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_begin_at_once_there_is_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join("backup.key");
        let sealers: Vec<_> = (0..2).map(|_| Sealer::new(key_file.clone())).collect();
        let sealed: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|at| {
                    let sealer = &sealers[at % 2];
                    scope.spawn(move || sealer.seal(b"who", &Secret::new(vec![7; 9])).unwrap())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for file in &sealed {
            assert_eq!(sealers[0].open(file).unwrap().1.expose(), &vec![7; 9]);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }
}
