//! What a reader of the journal may ask for.

use crate::base::ids::DeviceId;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::UserId;

use super::row::Row;

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these devices; empty for all.
    pub devices: Vec<DeviceId>,
    /// Only of these people, by user id; empty for all.
    pub users: Vec<UserId>,
    /// Only at or after this.
    pub from: Option<Bound>,
    /// Only before this.
    pub to: Option<Bound>,
}

/// A point in time by which rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Seconds since 1970 (UTC), compared with the rows' instants; rows without one are never chosen.
    Instant(i64),
    /// Civil time, compared with what the devices' clocks showed.
    Civil(ClockWord),
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Rows with a larger sequence number than this.
    pub after: u64,
    /// At most so many, 1 and up.
    pub limit: u32,
    /// Which rows.
    pub filter: Filter,
}

/// What a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows, by sequence number.
    pub rows: Vec<Row>,
    /// Where the next page begins: the last row's number, or further on where rows were looked at and not chosen.
    pub next_after: u64,
    /// Whether rows beyond that were there when it was read. A page may be short, even empty, and not the last:
    /// a search looks at a bounded number of rows at a time.
    pub more: bool,
}

impl Filter {
    /// Whether every row is chosen.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this row is chosen.
    #[must_use]
    pub fn takes(&self, row: &Row) -> bool {
        let at = |bound: &Bound| match bound {
            Bound::Instant(instant) => row.record.moment.instant.map(|own| own.cmp(instant)),
            Bound::Civil(time) => Some(row.record.time.cmp(time)),
        };
        (self.devices.is_empty() || self.devices.contains(&row.device_id))
            && (self.users.is_empty() || row.record.user_id.is_some_and(|user| self.users.contains(&user)))
            && self.from.as_ref().is_none_or(|from| at(from).is_some_and(std::cmp::Ordering::is_ge))
            && self.to.as_ref().is_none_or(|to| at(to).is_some_and(std::cmp::Ordering::is_lt))
    }
}
