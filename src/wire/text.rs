//! Text in fixed fields: it ends at the first NUL, and what follows is garbage that means nothing.
//! (Captured records prove that the garbage is often not zero.)

use std::borrow::Cow;
use std::fmt;
use std::str;

/// The bytes of a fixed field up to its first NUL, at most `N` of them, held without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FixedText<const N: usize> {
    // The order of the fields makes the derived order that of the texts: unused bytes are always zero.
    bytes: [u8; N],
    length: u8,
}

/// A text that does not fit its field, or contains a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of {length} bytes does not fit a field of {room}, or contains a NUL")]
pub struct TextTooLong {
    /// Bytes in the text.
    pub length: usize,
    /// Bytes in the field.
    pub room: usize,
}

impl<const N: usize> FixedText<N> {
    /// Reads a field: everything before its first NUL.
    #[must_use]
    pub fn from_field(field: &[u8; N]) -> Self {
        let mut bytes = [0; N];
        let mut length = 0u8;
        for (to, from) in bytes.iter_mut().zip(field.iter().take_while(|byte| **byte != 0)) {
            *to = *from;
            length = length.saturating_add(1);
        }
        Self { bytes, length }
    }

    /// Takes a text that fits.
    ///
    /// # Errors
    /// [`TextTooLong`] when it has more than `N` bytes or contains a NUL. Nothing is ever cut in silence.
    pub fn new(text: &[u8]) -> Result<Self, TextTooLong> {
        if text.len() > N || text.contains(&0) {
            return Err(TextTooLong { length: text.len(), room: N });
        }
        let mut field = [0; N];
        for (to, from) in field.iter_mut().zip(text) {
            *to = *from;
        }
        Ok(Self::from_field(&field))
    }

    /// The text's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The text padded with NULs: the field as it is sent.
    #[must_use]
    pub const fn field(&self) -> &[u8; N] {
        &self.bytes
    }

    /// Whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The text for people: UTF-8 where it is, otherwise with replacement characters.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Whether the bytes are UTF-8.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        str::from_utf8(self.as_bytes()).is_ok()
    }
}

impl<const N: usize> Default for FixedText<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> fmt::Display for FixedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl<const N: usize> fmt::Debug for FixedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

/// The text at the start of a payload, up to its first NUL.
#[must_use]
pub fn until_nul(payload: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(payload.split(|byte| *byte == 0).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_after_the_nul_means_nothing() {
        let ned = FixedText::from_field(b"444\0\xc6\x9a\x80\x7c");
        assert_eq!(ned.to_text(), "444");
        assert_eq!(ned, FixedText::new(b"444").unwrap());
    }

    #[test]
    fn a_full_field_has_no_nul_and_a_longer_text_does_not_fit() {
        assert_eq!(FixedText::<5>::from_field(b"12345").to_text(), "12345");
        assert_eq!(FixedText::<5>::new(b"123456"), Err(TextTooLong { length: 6, room: 5 }));
        assert!(FixedText::<5>::new(b"1\x002").is_err());
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_and_said() {
        let gbk = FixedText::<8>::new(&[0xd5, 0xc5]).unwrap();
        assert!(!gbk.is_utf8());
        assert_eq!(gbk.to_text(), "\u{fffd}\u{fffd}");
    }
}
