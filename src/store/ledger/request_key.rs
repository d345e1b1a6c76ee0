//! How a request under an idempotency key is known again: by an HMAC under a key in a file of its own. A request may
//! have a short password in it, and whoever has the ledger alone cannot try them all.

use std::fs;
use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::secret::Secret;
use crate::store::sealer::{random, write_once};

/// What requests are noted with.
#[derive(Debug)]
pub(super) struct RequestKey(Secret<[u8; 32]>);

impl RequestKey {
    /// The key in this file, which is made if it is missing. A file that is of no use costs no door: then there is a
    /// key for this run, and requests of other runs are not known again.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut passing = [0; 32];
        random(&mut passing)?;
        let key = Self::read_or_make(path, passing).unwrap_or_else(|error| {
            let path = path.display();
            log::error!(
                "the key in {path} cannot be used ({error}); requests with an Idempotency-Key of other runs are not \
                 known again"
            );
            passing
        });
        Ok(Self(Secret::new(key)))
    }

    fn read_or_make(path: &Path, new: [u8; 32]) -> io::Result<[u8; 32]> {
        if !path.exists() {
            write_once(path, &new)?;
        }
        // Whoever made it, what is in the file counts.
        let bytes = fs::read(path)?;
        bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it has not 32 bytes"))
    }

    /// What is noted of a request with this digest.
    pub(super) fn mark(&self, request: &Secret<[u8; 32]>) -> Option<[u8; 32]> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).ok()?;
        mac.update(request.expose());
        Some(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_is_for_its_owner_and_anything_else_in_its_file_is_left_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("request.key");
        let mark = || RequestKey::open(&path).unwrap().mark(&Secret::new([7; 32])).unwrap();
        let first = mark();
        assert_eq!(mark(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "no key").unwrap();
        let passing = mark();
        assert!(passing != first && passing != mark(), "each run has another");
        assert_eq!(fs::read(&path).unwrap(), b"no key");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }
}
