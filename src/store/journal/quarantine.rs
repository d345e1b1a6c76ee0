//! What a device told and nobody understood: kept with its bytes until somebody does.

use crate::base::ids::DeviceId;

/// Something to be put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strange {
    /// Where it came from.
    pub origin: Origin,
    /// Why it could not be placed.
    pub reason: Reason,
    /// Its bytes: one record of the log, or the payload of an event.
    pub raw: Vec<u8>,
}

/// Where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A live event.
    Live,
    /// The log, with this many bytes from one record to the next.
    Log {
        /// That many.
        stride: u16,
    },
}

/// Why it could not be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A payload of no known layout.
    UnknownLayout,
    /// The bytes where a user id should stand are none.
    BadUserId,
    /// The device's internal index belongs to nobody that it knows, or its log's layout is not known yet.
    UnknownPerson,
    /// It differs from a punch of the same person in the same second, and the log has to tell whether it is one
    /// more.
    Conflict,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::UnknownLayout, Self::BadUserId, Self::UnknownPerson, Self::Conflict];

    /// The word in the API and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownLayout => "unknown_layout",
            Self::BadUserId => "bad_user_id",
            Self::UnknownPerson => "unknown_person",
            Self::Conflict => "conflict",
        }
    }

    /// The reason with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// Something in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number, 1 and up, in order of arrival.
    pub id: u64,
    /// The device under which it came.
    pub device_id: DeviceId,
    /// The device itself.
    pub serial_number: String,
    /// What it is.
    pub strange: Strange,
    /// When it came, in milliseconds since 1970 (UTC).
    pub noticed_at: i64,
    /// The program version that last tried to understand it.
    pub tried_version: String,
    /// When it was settled, in milliseconds since 1970; `None` while it is not.
    pub settled_at: Option<i64>,
    /// How: `placed` (it is a row of the journal now), `in_log` (the log, read to the end since, has what there
    /// was) or `dismissed` (by somebody who looked at it).
    pub settled_as: Option<String>,
}
