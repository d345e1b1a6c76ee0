//! Secrecy by type: what must not be seen has no way to be printed.

use std::fmt;

/// A value that no `Debug` print, log line or error shows.
///
/// It has no `Display` and is not serialisable; the one function that puts it where it belongs calls
/// [`Secret::expose`], and that word is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T: Default> Default for Secret<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new(123_456)), "***");
        assert_eq!(format!("{:?}", Some(Secret::new("token"))), "Some(***)");
    }
}
