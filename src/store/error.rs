//! Why the store could not do what was asked, sorted by the caller's next question: is it my fault, was it
//! done, may I try again? No variant carries a comm key, a password or a value from a database error.

use std::net::SocketAddr;

use crate::base::ids::DeviceId;

/// What went wrong in the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such device.
    #[error("there is no device {id}")]
    NotFound {
        /// The id that was asked for.
        id: DeviceId,
    },
    /// Another enabled device has this address and port.
    #[error("device {other} ({name}) is enabled at {address} already")]
    Conflict {
        /// The device that is there.
        other: DeviceId,
        /// Its name.
        name: String,
        /// The address that both want.
        address: SocketAddr,
    },
    /// A value that no device can have.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store keeps as many devices as it ever will.
    #[error("the store holds {ceiling} devices, which is its limit")]
    Full {
        /// How many that is.
        ceiling: usize,
    },
    /// The devices belong to an attached backend; they are changed there.
    #[error("the devices are read from an attached table; change them in the program that owns it")]
    ReadOnly,
    /// Too many requests wait for the database already. Nothing was done.
    #[error("too many requests wait for the store")]
    Busy,
    /// The deadline passed.
    #[error("the store did not answer in time{}", doubt(*outcome_unknown))]
    TimedOut {
        /// `false`: it was not done and will not be. `true`: it may have been.
        outcome_unknown: bool,
    },
    /// The database cannot be reached, or went away.
    #[error("the database is not available: {cause}{}", doubt(*outcome_unknown))]
    Unavailable {
        /// What it said, or what was tried.
        cause: String,
        /// `false`: it was not done. `true`: it may have been.
        outcome_unknown: bool,
    },
    /// The database answered and cannot take the change: full disk, read-only, no right. It was not done.
    #[error("the database cannot be written: {cause}")]
    NotWritable {
        /// What it said.
        cause: String,
    },
    /// The database answered something that this program cannot use.
    #[error("the database cannot be used: {cause}")]
    Unusable {
        /// What is wrong with it.
        cause: String,
    },
    /// The database was made by a newer zkgate.
    #[error("the database has schema version {found}, this program knows up to {known}: use a newer zkgate")]
    TooNew {
        /// The version found.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The settings make no sense.
    #[error("store settings: {reason}")]
    Settings {
        /// Which and why.
        reason: String,
    },
    /// The store is closed. Nothing was done.
    #[error("the store is closed")]
    Closed,
    /// A defect of this program; the log has it.
    #[error("the store failed on this request{}", doubt(*outcome_unknown))]
    Internal {
        /// `false`: it was not done. `true`: it may have been.
        outcome_unknown: bool,
    },
}

fn doubt(outcome_unknown: bool) -> &'static str {
    if outcome_unknown { "; it is not known whether the change was made" } else { "" }
}

impl StoreError {
    /// Whether the change may have been made in spite of the error.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::TimedOut { outcome_unknown }
            | Self::Unavailable { outcome_unknown, .. }
            | Self::Internal { outcome_unknown } => *outcome_unknown,
            _ => false,
        }
    }

    /// Whether the database is to blame rather than the request.
    pub(super) fn blames_the_database(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::NotWritable { .. } | Self::Unusable { .. } | Self::TooNew { .. }
        )
    }

    /// The same error, met while the change was being committed.
    pub(super) fn during_commit(self) -> Self {
        match self {
            Self::Unavailable { cause, .. } => Self::Unavailable { cause, outcome_unknown: true },
            other => other,
        }
    }
}
