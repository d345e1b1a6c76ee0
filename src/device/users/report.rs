//! What became of each person in a call that changes many.

use crate::device::error::{DeviceError, Fault, Reached};
use crate::wire::command::Command;
use crate::wire::encoding::NotEncodable;
use crate::wire::record::UserId;
use crate::wire::record::user_record::UserRecord;

/// How a call went: one row for each person asked for, in that order.
#[derive(Debug)]
pub struct Report {
    /// What became of each.
    pub rows: Vec<Result<Written, UserError>>,
    /// What ended the call before its end, if something did. Rows that it left open say so.
    pub broke: Option<DeviceError>,
    /// Who vanished or was changed meanwhile and was not written by this call, as far as that was seen.
    pub disturbed: Vec<UserId>,
}

impl Report {
    /// The row of the only person in it.
    ///
    /// # Errors
    /// What broke the session.
    pub fn only(self) -> Result<Result<Written, UserError>, DeviceError> {
        let Self { mut rows, broke, disturbed: _ } = self;
        broke.map_or_else(|| Ok(rows.pop().unwrap_or(Err(UserError::NotTried))), Err)
    }
}

/// What was done, and verified by reading it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The person is new.
    Created {
        /// The device's index, chosen by us.
        uid: u16,
    },
    /// The person was there and is different now.
    Updated {
        /// The device's index.
        uid: u16,
    },
    /// The person was there, and already as wanted.
    Unchanged {
        /// The device's index.
        uid: u16,
    },
    /// The person was there and is not any more.
    Deleted {
        /// The index that is free now.
        uid: u16,
    },
}

/// Why a person is not as wanted. Except where it says otherwise, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// The user id is none, or none that this device can store exactly.
    #[error("this device cannot store this user id")]
    UserId,
    /// The encoding of the device's names does not have all of the characters.
    #[error("the name cannot be written: {0}")]
    NameNotEncodable(NotEncodable),
    /// The name is too long: its bytes, and how many fit.
    #[error("the name takes {0} bytes; {1} fit")]
    NameTooLong(usize, usize),
    /// The name's bytes are none of the encoding that they should be in, and this device needs them in another form.
    #[error("the name's bytes cannot be read in the encoding of the device that they come from")]
    NameUnreadable,
    /// The password is not made of digits, or of too many.
    #[error("a password on this device is at most {room} digits")]
    Password {
        /// How many fit.
        room: usize,
    },
    /// The time zones are in a form that this device does not have.
    #[error("this device keeps time zones in another form")]
    TimeZones,
    /// To be created, and there already.
    #[error("the device knows this user id already")]
    Exists,
    /// To be changed or deleted, and not there.
    #[error("the device does not know this user id")]
    Unknown,
    /// The same person stands in the call before.
    #[error("this user id stands in the call twice")]
    Twice,
    /// Several records of the device have this user id.
    #[error("{records} records of the device have this user id")]
    Ambiguous {
        /// How many.
        records: usize,
    },
    /// All indices of the device are taken.
    #[error("the device has no free index")]
    NoRoom,
    /// The device refused.
    #[error("the device refused the record with {code}")]
    Rejected {
        /// Its answer.
        code: Command,
    },
    /// The device said that it is done, and the record is not there.
    #[error("the device acknowledged the record and has not kept it")]
    NotStored,
    /// The device said that it is done, and what is there is something else.
    #[error("the device keeps something else than it acknowledged: {}", fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(", "))]
    StoredDifferently {
        /// What differs.
        fields: Vec<Field>,
    },
    /// The device said that it deleted the person, and they are still there.
    #[error("the device acknowledged the deletion and still has the record")]
    StillThere,
    /// The device said that it is done; the session broke before that could be verified.
    #[error("the device acknowledged it; it was not verified")]
    NotVerified,
    /// The session broke while this was written: perhaps it is done.
    #[error("the session broke while this was written; whether it is done is not known")]
    OutcomeUnknown,
    /// The session broke, or the call ended, before this was begun.
    #[error("the call ended before this was begun")]
    NotTried,
}

/// A part of a person's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The user id.
    UserId,
    /// The name.
    Name,
    /// The password.
    Password,
    /// Level and switch.
    Privilege,
    /// The card.
    CardNumber,
    /// The access group.
    Group,
    /// The time zones.
    TimeZones,
    /// Bytes that are not understood.
    Other,
    /// Fingerprints.
    Templates,
}

/// How far a call has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows that need nothing more to be written.
    pub done: usize,
    /// All rows.
    pub total: usize,
}

impl Report {
    /// Whether everybody is as wanted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.broke.is_none() && self.rows.iter().all(Result::is_ok)
    }
}

impl UserError {
    /// What a failed command means for whoever it was about, and the error again if that ends the call.
    #[must_use]
    pub fn of(error: DeviceError) -> (Self, Option<DeviceError>) {
        match error {
            DeviceError { fault: Fault::Rejected { code, .. }, .. } => (Self::Rejected { code }, None),
            error if error.reached == Reached::No => (Self::NotTried, Some(error)),
            error => (Self::OutcomeUnknown, Some(error)),
        }
    }

    /// The stable code of the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UserId => "unusable_user_id",
            Self::NameNotEncodable(_) => "name_not_encodable",
            Self::NameUnreadable => "name_not_encodable",
            Self::NameTooLong(..) => "name_too_long",
            Self::Password { .. } => "unusable_password",
            Self::TimeZones => "unusable_time_zones",
            Self::Exists => "user_exists",
            Self::Unknown => "unknown_user",
            Self::Twice => "duplicate_user_id",
            Self::Ambiguous { .. } => "ambiguous_user_id",
            Self::NoRoom => "no_free_index",
            Self::Rejected { .. } => "device_rejected",
            Self::NotStored => "not_stored",
            Self::StoredDifferently { .. } => "stored_differently",
            Self::StillThere => "still_there",
            Self::NotVerified => "not_verified",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotTried => "not_tried",
        }
    }
}

impl Field {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserId => "user_id",
            Self::Name => "name",
            Self::Password => "password",
            Self::Privilege => "privilege",
            Self::CardNumber => "card_number",
            Self::Group => "group",
            Self::TimeZones => "time_zones",
            Self::Other => "other",
            Self::Templates => "templates",
        }
    }

    /// In which parts a record that was read differs from the one that was written.
    pub(super) fn differing(written: &UserRecord, read: &UserRecord) -> Vec<Self> {
        let (one, two) = (written.user(), read.user());
        [
            (Self::UserId, one.user_id != two.user_id),
            (Self::Name, one.name != two.name),
            (Self::Password, one.password != two.password),
            (Self::Privilege, one.privilege != two.privilege),
            (Self::CardNumber, one.card_number != two.card_number),
            (Self::Group, one.group != two.group),
            (Self::TimeZones, one.time_zones != two.time_zones),
            (Self::Other, written.beyond() != read.beyond()),
        ]
        .into_iter()
        .filter_map(|(field, differs)| differs.then_some(field))
        .collect()
    }
}
