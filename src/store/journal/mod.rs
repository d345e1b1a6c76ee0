//! The journal: every punch once, in order of arrival, under a sequence number.
//!
//! What a *terminal* (a device by its serial number) told is *placed*: [`placing`] decides, purely, which row a
//! record of the log or a live event is, and a database keeps that in one transaction with the terminal's cursor.
//! One thread writes, another reads, and nobody else ever waits for the database without a deadline.
//!
//! How punches come here is the business of the room above; what a row says is in [`row`], how far a log is in the
//! journal in [`cursor`].

pub mod backend;
mod columns;
pub mod cursor;
pub mod delivery;
pub mod feed;
mod handle;
pub mod json;
mod lane;
pub mod listing;
pub mod placing;
mod plan;
mod postgres;
mod purge;
pub mod quarantine;
pub mod query;
mod retrial;
pub mod row;
mod sqlite;
mod way;

pub use cursor::{Cursor, Gap, GapReason};
pub use handle::{Journal, JournalSettings};
pub use placing::{LogBatch, LogPlaced};
pub use query::{Filter, PageQuery};
pub use row::{Certainty, Moment, Person, Record, Row, Source};
