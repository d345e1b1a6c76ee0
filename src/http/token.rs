//! The bearer token: where it is kept and how it is compared.
//!
//! Only its digest stays in memory; comparison takes the same time whatever is presented.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base::secret::Secret;

/// What a client must present, or nothing.
#[derive(Clone, Debug)]
pub struct TokenCheck(Option<Secret<[u8; 32]>>);

/// Bytes of randomness in a token that is made here.
const STRENGTH: usize = 32;
/// The shortest token that a person may choose.
const SHORTEST: usize = 16;

impl TokenCheck {
    /// Everybody may do everything.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Whoever presents this token may do everything.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(Some(Secret::new(digest(token))))
    }

    /// Whether no token is needed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Whether an `Authorization` header opens the door.
    #[must_use]
    pub fn admits(&self, authorization: Option<&Secret<String>>) -> bool {
        let Some(expected) = &self.0 else { return true };
        let presented = authorization.and_then(|value| bearer(value.expose())).unwrap_or_default();
        bool::from(digest(presented).ct_eq(expected.expose()))
    }
}

/// Reads the token from its file, or makes one and keeps it there, readable by nobody else.
///
/// # Errors
/// When the file cannot be read or made, or what it holds is no token.
pub fn read_or_create(path: &Path) -> io::Result<Secret<String>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                log::warn!("the token file {} could be read by others; it is 0600 now", path.display());
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            checked(text.trim()).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error),
    }
}

/// A token that somebody chose.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn checked(token: &str) -> Result<Secret<String>, &'static str> {
    if token.len() < SHORTEST {
        return Err("a token has at least 16 characters");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token has no blanks and no characters beyond ASCII");
    }
    Ok(Secret::new(token.to_owned()))
}

/// A token that nobody can guess.
///
/// # Errors
/// When the operating system has no randomness.
pub fn random() -> io::Result<Secret<String>> {
    let mut random = [0; STRENGTH];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(Secret::new(random.iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn create(path: &Path) -> io::Result<Secret<String>> {
    let token = random()?;
    // Written elsewhere first: a crash must not leave half a token behind.
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    log::info!("a token was made and is in {}", path.display());
    Ok(token)
}

/// The digest of the token in an `Authorization` header, if there is one.
pub(super) fn digest_of_bearer(authorization: &Secret<String>) -> Option<[u8; 32]> {
    bearer(authorization.expose()).map(digest)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// SHA-256 of a token.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(check: &TokenCheck, value: &str) -> bool {
        check.admits(Some(&Secret::new(value.to_owned())))
    }

    #[test]
    fn only_the_token_opens_the_door() {
        let check = TokenCheck::new("0123456789abcdef");
        for good in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", "Bearer   0123456789abcdef "] {
            assert!(admits(&check, good), "{good:?}");
        }
        for bad in
            ["", "Bearer", "Bearer ", "Bearer 0123456789abcdeg", "Basic 0123456789abcdef", "0123456789abcdef"]
        {
            assert!(!admits(&check, bad), "{bad:?}");
        }
        assert!(!check.admits(None));
        assert!(TokenCheck::none().admits(None));
        assert!(!format!("{check:?}").contains("123"));
    }

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let made = read_or_create(&path).unwrap();
        assert_eq!(made.expose().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read_or_create(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "mended");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_or_broken_token_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for text in ["", "\n", "short", "with blanks in the middle of it"] {
            fs::write(&path, text).unwrap();
            assert!(read_or_create(&path).is_err(), "{text:?}");
        }
    }
}
