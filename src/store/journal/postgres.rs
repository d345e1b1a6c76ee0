//! The journal in PostgreSQL.

use super::handle::Opened;
use crate::base::secret::Secret;
use crate::store::error::StoreError;

pub(super) fn open(_url: &Secret<String>) -> Result<Opened, StoreError> {
    Err(StoreError::Unusable { cause: "not yet".into() })
}
