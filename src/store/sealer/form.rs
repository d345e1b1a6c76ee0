//! The form of what is sealed: who and when in plain words, and everything else for whoever has the key.
//!
//! ```text
//! "ZKGATEBK" · version 1 · length of the label, 4 bytes little-endian · label (JSON) · nonce, 24 bytes · sealed content
//! ```
//! The content is sealed with XChaCha20-Poly1305 under a key of 32 bytes and a nonce drawn for this file alone. All
//! that stands before it is authenticated with it: a label that was changed, a file that was cut, or another key, and
//! nothing opens.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::base::secret::Secret;

/// What seals and opens.
#[derive(Clone, Debug)]
pub(super) struct Key(Secret<[u8; 32]>);

/// Why a file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Sealed {
    /// It is something else, or not all of it.
    #[error("the file is no backup, or breaks off")]
    NoBackup,
    /// It is of another form.
    #[error("the file is of the form {0}, and this zkgate knows the form 1 only: use the one that made it")]
    OtherForm(u8),
    /// It opens, and what it says is not what this program writes.
    #[error("the file was made by another version of zkgate, and says other things than this one knows")]
    OtherVersion,
    /// It was made with another key, or was changed since.
    #[error("the file was sealed with another key, or was changed since")]
    Locked,
}

const MAGIC: &[u8; 8] = b"ZKGATEBK";
const VERSION: u8 = 1;
/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// The longest label, in bytes.
const LABEL: usize = 64 * 1024;

impl Key {
    /// These bytes.
    #[must_use]
    pub(super) const fn new(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// The key that is written as 64 hexadecimal digits.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> =
            text.trim().chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
        let digits = digits?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |all, one| all << 4 | one)).collect();
        (digits.len() == 64).then(|| bytes.try_into().ok().map(Self::new)).flatten()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose().into())
    }
}

/// A file with this label and this content, sealed under a nonce that must be drawn anew for each.
#[must_use]
pub(super) fn seal(label: &[u8], content: &[u8], key: &Key, nonce: [u8; NONCE]) -> Option<Vec<u8>> {
    let length = u32::try_from(label.len()).ok().filter(|_| label.len() <= LABEL)?;
    let mut file = Vec::with_capacity(MAGIC.len() + 5 + label.len() + NONCE + content.len() + 16);
    file.extend_from_slice(MAGIC);
    file.push(VERSION);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(label);
    let payload = Payload { msg: content, aad: &file };
    let sealed = key.cipher().encrypt(&XNonce::from(nonce), payload).ok()?;
    file.extend_from_slice(&nonce);
    file.extend_from_slice(&sealed);
    Some(file)
}

/// The label of a file, which anybody can read and nobody vouches for before the file is opened.
///
/// # Errors
/// [`Sealed`].
pub(super) fn label(file: &[u8]) -> Result<&[u8], Sealed> {
    parts(file).map(|(_, label, _)| label)
}

/// The label and the content of a file.
///
/// # Errors
/// [`Sealed`].
pub(super) fn open<'f>(file: &'f [u8], key: &Key) -> Result<(&'f [u8], Secret<Vec<u8>>), Sealed> {
    let (before, label, rest) = parts(file)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(Sealed::NoBackup)?;
    let payload = Payload { msg: sealed, aad: before };
    let content = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| Sealed::Locked)?;
    Ok((label, Secret::new(content)))
}

/// What stands before the nonce, the label in it, and the rest.
type Parts<'f> = (&'f [u8], &'f [u8], &'f [u8]);

fn parts(file: &[u8]) -> Result<Parts<'_>, Sealed> {
    let rest = file.strip_prefix(MAGIC).ok_or(Sealed::NoBackup)?;
    let (version, rest) = rest.split_first().ok_or(Sealed::NoBackup)?;
    if *version != VERSION {
        return Err(Sealed::OtherForm(*version));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(Sealed::NoBackup)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Sealed::NoBackup)?;
    if length > LABEL {
        return Err(Sealed::NoBackup);
    }
    let (label, rest) = rest.split_at_checked(length).ok_or(Sealed::NoBackup)?;
    let (before, _) = file.split_at_checked(MAGIC.len() + 5 + length).ok_or(Sealed::NoBackup)?;
    Ok((before, label, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file() -> Vec<u8> {
        seal(b"{\"who\":1}", b"what nobody is to see", &Key::new([7; 32]), [9; NONCE]).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_key_and_with_no_other() {
        let (label, content) = (b"{\"who\":1}".as_slice(), b"what nobody is to see".as_slice());
        let file = file();
        let (found, opened) = open(&file, &Key::new([7; 32])).unwrap();
        assert_eq!((found, opened.expose().as_slice()), (label, content));
        assert_eq!(super::label(&file), Ok(label));
        assert_eq!(open(&file, &Key::new([8; 32])), Err(Sealed::Locked));
        assert!(!file.windows(6).any(|part| part == b"nobody"));
        assert!(!format!("{:?}", Key::new([7; 32])).contains('7'));
    }

    #[test]
    fn nothing_that_was_cut_or_changed_anywhere_opens() {
        let file = file();
        for end in 0..file.len() {
            assert!(open(&file[..end], &Key::new([7; 32])).is_err(), "{end}");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(open(&changed, &Key::new([7; 32])).is_err(), "{at}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(open(&longer, &Key::new([7; 32])), Err(Sealed::Locked));
        for form in [0, 2] {
            let mut other = file.clone();
            other[8] = form;
            assert_eq!(open(&other, &Key::new([7; 32])), Err(Sealed::OtherForm(form)));
            assert_eq!(super::label(&other), Err(Sealed::OtherForm(form)));
        }
    }

    #[test]
    fn a_key_is_64_digits() {
        assert!(
            Key::parse(&"0aF9".repeat(16)).is_some()
                && Key::parse(&format!("{}\n", "00".repeat(32))).is_some()
        );
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)] {
            assert!(Key::parse(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), ours: bool) {
            let bytes = if ours { [MAGIC.as_slice(), &[1], &bytes].concat() } else { bytes };
            prop_assert!(open(&bytes, &Key::new([7; 32])).is_err());
        }

        #[test]
        fn whatever_is_sealed_comes_back(
            label in proptest::collection::vec(any::<u8>(), 0..300),
            content in proptest::collection::vec(any::<u8>(), 0..3000),
            key: [u8; 32], nonce: [u8; 24],
        ) {
            let key = Key::new(key);
            let file = seal(&label, &content, &key, nonce).unwrap();
            let (found, opened) = open(&file, &key).unwrap();
            prop_assert_eq!((found, opened.expose()), (label.as_slice(), &content));
        }
    }
}
