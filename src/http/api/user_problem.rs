//! Why a person is not as wanted, in the words of the API.

use serde_json::json;

use crate::device::users::{Field, UserError};
use crate::http::problem::Problem;

/// The problem of one person.
pub(super) fn of_user(error: &UserError) -> Problem {
    let status = match error {
        UserError::Unknown => 404,
        UserError::Exists | UserError::Ambiguous { .. } | UserError::NoRoom => 409,
        UserError::UserId
        | UserError::NameNotEncodable(_)
        | UserError::NameTooLong(..)
        | UserError::NameUnreadable
        | UserError::Password { .. }
        | UserError::TimeZones
        | UserError::Twice => 422,
        UserError::Rejected { .. }
        | UserError::NotStored
        | UserError::StoredDifferently { .. }
        | UserError::StillThere
        | UserError::NotVerified
        | UserError::OutcomeUnknown => 502,
        UserError::NotTried => 503,
    };
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let problem = Problem::new(status, error.code(), format!("{first}{}.", letters.as_str()));
    match error {
        UserError::StoredDifferently { fields } => {
            problem.with("fields", json!(fields.iter().map(|field| Field::name(*field)).collect::<Vec<_>>()))
        }
        _ => problem,
    }
}
