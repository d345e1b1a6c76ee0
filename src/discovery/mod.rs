//! Looking for devices in a range of addresses: slowly, politely, and never where one of ours has a session.
//!
//! Every address is greeted as a connection test greets it: over TCP, and over UDP if nobody speaks there. What
//! answers is asked who it is, and told goodbye.

mod range;
mod scan;

pub use range::{NoRange, Range};
pub use scan::{Discovery, Found, Identity, Known, Plan, Verdict, Watcher};
