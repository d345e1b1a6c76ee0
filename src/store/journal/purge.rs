//! How old rows that no device has any more are looked for: a bounded number at a time.

/// How many rows one call looks at.
pub(super) const LOOK: i64 = 100_000;

/// No read of a log takes longer, in milliseconds: a live row that came this long before the log was last read to
/// its end, and was not in it, is not in it any more.
pub(super) const READ_CEILING: i64 = 3_600_000;

/// How far a round through the old rows has come: those that have to stay are not looked at again with every call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// All rows up to this one were looked at.
    pub(super) up_to: u64,
}

impl Round {
    /// Where the next call begins after one that looked at `looked` rows up to `last` and deleted `deleted` of at
    /// most `limit`.
    pub(super) fn next(self, looked: i64, last: u64, deleted: u64, limit: u32) -> Self {
        if deleted >= u64::from(limit) {
            self
        } else if looked < LOOK {
            Self::default()
        } else {
            Self { up_to: last }
        }
    }
}
