//! The simulator as a client meets it: raw sockets, no client of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "simulator/doors.rs"]
mod doors;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/honest.rs"]
mod honest;
#[path = "simulator/people.rs"]
mod people;
#[path = "simulator/raw.rs"]
mod raw;
