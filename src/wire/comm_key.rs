//! The communication password of a device, and how it is scrambled for `CMD_AUTH`.
//!
//! The scrambling hides nothing from whoever sees the exchange; it is what the firmware expects.
//! Source: public protocol descriptions; two independent implementations agree on every test value.

use std::fmt;

use crate::base::secret::Secret;

/// A device's comm key: 0 to 999 999 999, as entered in its menu. Zero stands for "none".
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CommKey(Secret<u32>);

/// Why a text is no comm key. It does not repeat the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommKeyError {
    /// Something other than the digits 0 to 9.
    #[error("a comm key is a number of up to nine digits; this one contains something else")]
    NotANumber,
    /// More than 999 999 999.
    #[error("a comm key is at most 999999999; this one is larger")]
    TooLarge,
}

impl CommKey {
    /// The largest key that can be entered on a device.
    pub const MAX: u32 = 999_999_999;

    /// Takes a number.
    ///
    /// # Errors
    /// [`CommKeyError::TooLarge`] beyond [`CommKey::MAX`].
    pub fn new(number: u64) -> Result<Self, CommKeyError> {
        u32::try_from(number)
            .ok()
            .filter(|&key| key <= Self::MAX)
            .map(|key| Self(Secret::new(key)))
            .ok_or(CommKeyError::TooLarge)
    }

    /// Takes the text of a database column or a form: decimal digits, blanks around them allowed.
    /// Empty text stands for no key, which is key 0.
    ///
    /// # Errors
    /// [`CommKeyError`] when it is anything else.
    pub fn parse(text: &str) -> Result<Self, CommKeyError> {
        let digits = text.trim();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CommKeyError::NotANumber);
        }
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self::default());
        }
        significant.parse::<u64>().map_err(|_| CommKeyError::TooLarge).and_then(Self::new)
    }

    /// Whether a key other than 0 is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.expose() != 0
    }

    /// The number, for the store that must keep it.
    #[must_use]
    pub fn expose(&self) -> u32 {
        *self.0.expose()
    }

    /// The four bytes of `CMD_AUTH` for this session. `ticks` may be any byte; the device reads it back from
    /// the third one.
    #[must_use]
    pub fn scramble(&self, session: u16, ticks: u8) -> [u8; 4] {
        let [a0, a1, _, a3] = self.halves(session);
        // The third byte of the key is given up for `ticks`: it takes no part in the device's check.
        [a0 ^ ticks, a1 ^ ticks, ticks, a3 ^ ticks]
    }

    /// The device's side: whether a `CMD_AUTH` payload was made from this key for this session.
    #[must_use]
    pub fn accepts(&self, session: u16, payload: [u8; 4]) -> bool {
        self.scramble(session, payload[2]) == payload
    }

    fn halves(&self, session: u16) -> [u8; 4] {
        let mixed = self.0.expose().reverse_bits().wrapping_add(u32::from(session));
        let [k0, k1, k2, k3] = mixed.to_le_bytes();
        let [z, k, s, o] = *b"ZKSO";
        [k2 ^ s, k3 ^ o, k0 ^ z, k1 ^ k]
    }
}

impl fmt::Debug for CommKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_text_is_a_key_and_anything_else_is_not() {
        for (text, number) in [
            ("", 0),
            ("0", 0),
            ("000", 0),
            (" 123456 ", 123_456),
            ("000000000000007", 7),
            ("999999999", CommKey::MAX),
        ] {
            assert_eq!(CommKey::parse(text).unwrap().expose(), number, "{text:?}");
        }
        for (text, error) in [
            ("1000000000", CommKeyError::TooLarge),
            ("99999999999999999999999", CommKeyError::TooLarge),
            ("-1", CommKeyError::NotANumber),
            ("+1", CommKeyError::NotANumber),
            ("12 34", CommKeyError::NotANumber),
            ("secret", CommKeyError::NotANumber),
            ("١٢", CommKeyError::NotANumber),
        ] {
            assert_eq!(CommKey::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = CommKey::new(123_456).unwrap();
        assert_eq!(format!("{key:?}"), "CommKey(***)");
        assert!(!CommKey::parse("hunter2").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn the_device_accepts_what_was_made_from_its_key_whatever_the_ticks() {
        let key = CommKey::new(888_888).unwrap();
        let other = CommKey::new(888_889).unwrap();
        for ticks in 0..=u8::MAX {
            assert!(key.accepts(0x6ba0, key.scramble(0x6ba0, ticks)));
            assert!(!other.accepts(0x6ba0, key.scramble(0x6ba0, ticks)));
        }
    }
}
