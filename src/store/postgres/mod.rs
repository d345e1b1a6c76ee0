//! PostgreSQL: our own schema in it, or somebody else's table.
//!
//! Its client has no deadline of its own, so everything here runs on the store's thread, on the listener's or on
//! the pool's, never on a caller's.

mod attach;
mod attach_rows;
mod link;
mod listen;
mod own;
mod write_back;

pub(super) use attach::Attached;
pub(super) use link::Link;
pub(super) use listen::{Listener, listen};
pub(super) use own::{CHANNEL, Own};
