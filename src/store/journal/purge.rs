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

/// What one call looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// How many rows.
    pub(super) count: i64,
    /// The last of them.
    pub(super) last: u64,
    /// When the latest of them came; rows behind it did not come earlier.
    pub(super) latest: i64,
}

impl Round {
    /// Where the next call begins after one that found `found` of at most `limit` rows to delete.
    pub(super) fn next(self, looked: Looked, received_before: i64, found: u64, limit: u32) -> Self {
        if found >= u64::from(limit) {
            self
        } else if looked.count < LOOK || looked.latest >= received_before {
            Self::default()
        } else {
            Self { up_to: looked.last }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_goes_on_behind_what_stays_and_begins_again_at_what_is_too_new() {
        let round = Round { up_to: 7 };
        let looked = |count, latest| Looked { count, last: 9, latest };
        for (name, looked, found, next) in [
            ("there may be more to delete among them", looked(LOOK, 10), 5, 7),
            ("all of these stay", looked(LOOK, 10), 4, 9),
            ("there are no more rows", looked(LOOK - 1, 10), 4, 0),
            ("the others are too new", looked(LOOK, 20), 0, 0),
        ] {
            assert_eq!(round.next(looked, 20, found, 5).up_to, next, "{name}");
        }
    }
}
