//! PostgreSQL: our own schema in it, or somebody else's table.
//!
//! Its client has no deadline of its own, so everything here runs on the store's thread, on the listener's or on
//! the pool's, never on a caller's.

mod attach;
mod attach_rows;
mod ledger;
mod link;
mod listen;
mod own;
mod unseen;
mod write_back;

pub(super) use attach::Attached;
pub(super) use ledger::Ledger;
pub(super) use link::{Borrowed, Link, failed};
pub(super) use listen::{Listener, listen};
pub(super) use own::{CHANNEL, Own};
pub(super) use unseen::Unseen;
