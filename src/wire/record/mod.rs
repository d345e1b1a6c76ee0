//! The records of a device's tables, one file per kind, and how their length is found out.

pub mod operation;
pub mod people_block;
pub mod punch;
pub mod sampled;
pub mod stride;
pub mod table;
pub mod template;
pub mod user;
pub mod user_record;

use super::text::FixedText;

/// A person's id as typed on the device: text of at most 24 bytes, in practice digits.
///
/// It is the only identifier that means anything outside one device.
pub type UserId = FixedText<24>;

impl UserId {
    /// The id that old firmware stores as a number.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        // Ten digits at most, so it always fits.
        Self::new(number.to_string().as_bytes()).unwrap_or_default()
    }

    /// The number that old firmware would store, if the id is one.
    #[must_use]
    pub fn to_number(&self) -> Option<u32> {
        std::str::from_utf8(self.as_bytes()).ok()?.parse().ok()
    }

    /// Whether it looks like an id: letters and digits, at least one.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        !self.is_empty() && self.as_bytes().iter().all(|b| b.is_ascii_graphic())
    }
}
