//! The name by which a device is known in paths, logs and tables.

use std::fmt;
use std::sync::Arc;

/// A device's id: opaque text of 1 to 64 characters, safe in a URL path and in a log line.
///
/// The embedded store numbers its devices; an attached backend brings its own ids (numbers, UUIDs).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(Arc<str>);

impl DeviceId {
    /// The longest id, in characters.
    pub const CEILING: usize = 64;

    /// Takes ASCII letters, digits, `-`, `_`, `.` and `:`; anything else is no id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::CEILING).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        // "." and ".." mean something else in a path.
        (fits && plain && !text.bytes().all(|b| b == b'.')).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl From<u64> for DeviceId {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_text() {
        for good in ["1", "device-7", "550e8400-e29b-41d4-a716-446655440000", "a.b", "gate:2"] {
            assert_eq!(DeviceId::parse(good).map(|id| id.to_string()).as_deref(), Some(good));
        }
        let long = "x".repeat(65);
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\n", long.as_str()] {
            assert_eq!(DeviceId::parse(bad), None, "{bad:?}");
        }
    }
}
