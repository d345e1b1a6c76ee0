//! Named options: `name=value` as text.
//!
//! Some firmware leaves rubbish round the value, so `=`, blanks and control characters are stripped from both
//! ends. Source: captured replies, and reports of several clients.

use super::text::until_nul;

/// The value in a reply to `CMD_OPTIONS_RRQ`, or `None` when the device has nothing under that name.
#[must_use]
pub fn value(payload: &[u8]) -> Option<String> {
    let text = until_nul(payload);
    let value = text.split_once('=').map_or(&*text, |(_, value)| value);
    let value = value.trim_matches(|c: char| c == '=' || c.is_whitespace() || c.is_control());
    (!value.is_empty()).then(|| value.to_owned())
}

/// The payload of `CMD_OPTIONS_RRQ`.
#[must_use]
pub fn read_request(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// The payload of `CMD_OPTIONS_WRQ`.
#[must_use]
pub fn write_request(name: &str, value: &str) -> Vec<u8> {
    [name.as_bytes(), b"=", value.as_bytes(), &[0]].concat()
}

/// The name in a request to read, as a device reads it.
#[must_use]
pub fn requested_name(payload: &[u8]) -> String {
    until_nul(payload).trim().to_owned()
}

/// Everything in a payload that might be a name of an option: firmware may look beyond the first line, and at more than
/// one.
#[must_use]
pub fn words(payload: &[u8]) -> Vec<String> {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"~_-.".contains(byte);
    let words = payload.split(|byte| !of_name(byte)).filter(|word| !word.is_empty());
    words.map(|word| word.iter().copied().map(char::from).collect()).collect()
}

/// Name and value in a request to write, as a device reads it.
#[must_use]
pub fn assignment(payload: &[u8]) -> Option<(String, String)> {
    let text = until_nul(payload);
    text.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        for payload in [
            &b"COMKey=12345\0"[..],
            b"COMKey",
            b"VoiceOn=1\0COMKey=1\0",
            b"VoiceOn=1\r\nCOMKey = 1",
            b"\x01COMKey=1",
            b"VoiceOn=1,COMKey=1",
            b"\xffCOMKey\xff",
        ] {
            assert!(words(payload).iter().any(|word| word == "COMKey"), "{payload:?}");
        }
        assert_eq!(words(b"~OS=1\0"), ["~OS", "1"]);
        assert!(words(b"\0=\xff").is_empty());
    }

    #[test]
    fn the_value_is_what_stands_behind_the_first_equals_sign() {
        for (payload, expected) in [
            (&b"~Platform=ZEM760_TFT\0"[..], Some("ZEM760_TFT")),
            (b"~Platform=ZEM760_TFT", Some("ZEM760_TFT")),
            (b"A=b=c\0rubbish", Some("b=c")),
            (b"~SerialNumber= AB12=\x01\0", Some("AB12")),
            (b"ABC\0", Some("ABC")),
            (b"Name=\0", None),
            (b"\0", None),
            (b"", None),
        ] {
            assert_eq!(value(payload).as_deref(), expected, "{payload:?}");
        }
    }
}
