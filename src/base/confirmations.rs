//! What somebody was shown and may confirm: each thing for a while, once, and only so many at a time.
//!
//! A value cannot be guessed, and how long it is compared tells nothing about it. All of it is in memory only: what
//! was shown before a restart has to be shown again.

use std::fmt::{self, Write};
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::lock::lock;
use super::secret::Secret;

/// What waits to be confirmed. `K` is what it is about, `T` what was shown of it.
pub struct Confirmations<K, T> {
    /// guards: the oldest first
    waiting: Mutex<Vec<Shown<K, T>>>,
}

struct Shown<K, T> {
    about: K,
    what: T,
    value: Secret<String>,
    until: Instant,
}

/// For how long something can be confirmed.
pub const CONFIRMABLE: Duration = Duration::from_secs(600);
/// The most that wait to be confirmed; the oldest gives way.
const CEILING: usize = 64;

impl<K: PartialEq, T> Confirmations<K, T> {
    /// Remembers what was shown, and gives the value that confirms it. What was shown about the same before cannot
    /// be confirmed any more.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn show(&self, about: K, what: T, now: Instant) -> io::Result<String> {
        let value = random()?;
        let mut waiting = lock(&self.waiting);
        waiting.retain(|old| old.until > now && old.about != about);
        if waiting.len() >= CEILING {
            waiting.remove(0);
        }
        let until = now + CONFIRMABLE;
        waiting.push(Shown { about, what, value: Secret::new(value.clone()), until });
        Ok(value)
    }

    /// Takes what this value confirms: it serves once. A value that confirms nothing takes nothing away.
    pub fn take(&self, about: &K, value: &str, now: Instant) -> Option<T> {
        let mut waiting = lock(&self.waiting);
        let fits = |shown: &Shown<K, T>| {
            let same = shown.value.expose().as_bytes().ct_eq(value.as_bytes());
            shown.about == *about && shown.until > now && bool::from(same)
        };
        let place = waiting.iter().position(fits)?;
        Some(waiting.remove(place).what)
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

impl<K, T> Default for Confirmations<K, T> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<K, T> fmt::Debug for Confirmations<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Confirmations({})", lock(&self.waiting).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_serves_once_for_what_it_was_given_for_and_for_ten_minutes() {
        let all = Confirmations::default();
        let now = Instant::now();
        let first = all.show(1, "first", now).unwrap();
        let other = all.show(2, "other", now).unwrap();
        assert_eq!(first.len(), 32);
        for wrong in ["", "0", &first[1..], &other, &first.to_uppercase().replace(char::is_numeric, "A")] {
            assert_eq!(all.take(&1, wrong, now), None, "{wrong:?}");
        }
        assert_eq!(all.take(&1, &first, now), Some("first"));
        assert_eq!(all.take(&1, &first, now), None, "it was used");
        let old = all.show(1, "old", now).unwrap();
        let new = all.show(1, "new", now).unwrap();
        assert_eq!(all.take(&1, &old, now), None, "a later one counts");
        assert_eq!(all.take(&1, &new, now + CONFIRMABLE), None, "it is too old");
        assert_eq!(all.take(&2, &other, now + CONFIRMABLE - Duration::from_millis(1)), Some("other"));
    }

    #[test]
    fn the_oldest_gives_way_and_none_is_printed() {
        let all = Confirmations::default();
        let now = Instant::now();
        let values: Vec<_> = (0..=CEILING).map(|about| all.show(about, (), now).unwrap()).collect();
        assert_eq!(all.take(&0, &values[0], now), None);
        assert_eq!(all.take(&1, &values[1], now), Some(()));
        assert_eq!(format!("{all:?}"), format!("Confirmations({})", CEILING - 1));
    }
}
