//! How a receiver knows that a delivery is ours and nobody changed it: HMAC-SHA256 over time and body.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::secret::Secret;

/// A secret that is none. It never repeats what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has {SHORTEST} to {LONGEST} characters: letters, digits and signs, without blanks")]
pub struct InvalidSecret;

/// The value of the signature's header: `v1=` and the code of `<timestamp>.<body>` in hexadecimal. The key is the
/// secret's text as it is.
pub(super) fn sign(secret: &Secret<String>, timestamp: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

/// A secret of 256 random bits, in hexadecimal.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn new_secret() -> std::io::Result<Secret<String>> {
    random_text::<32>().map(Secret::new)
}

/// A secret that was given.
///
/// # Errors
/// [`InvalidSecret`] when it is too short to be one, too long, or has characters that get lost between programs.
pub fn parse_secret(text: &str) -> Result<Secret<String>, InvalidSecret> {
    let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| Secret::new(text.to_owned())).ok_or(InvalidSecret)
}

/// So many random bytes, in hexadecimal.
pub(super) fn random_text<const BYTES: usize>() -> std::io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The shortest secret that is taken, in characters.
const SHORTEST: usize = 16;
/// The longest.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_other_programs_compute() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let secret = parse_secret("0123456789abcdef").unwrap();
        assert_eq!(
            sign(&secret, 1_700_000_000, br#"{"a":1}"#),
            "v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
        );
    }

    #[test]
    fn secrets_are_long_enough_plain_and_never_the_same() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert!(one != other && parse_secret(one.expose()).is_ok() && one.expose().len() == 64);
        let long = "x".repeat(129);
        for bad in
            ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdef\n", "ü123456789abcdef", &long]
        {
            assert_eq!(parse_secret(bad), Err(InvalidSecret), "{bad:?}");
        }
    }
}
