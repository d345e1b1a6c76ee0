//! What devices do to a journal: simulated terminals over real sockets, the real registry, collector, store and
//! embedded database. Each test is one story, and what must come out of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod broken;
mod by_index;
mod clearing;
mod costs;
mod damage;
mod drift;
mod identities;
mod keeping;
mod live;
mod logs;
mod pauses;
#[path = "../support/postgres.rs"]
mod postgres_server;
mod rig;
mod schedule;
mod storage;
