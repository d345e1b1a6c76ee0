//! The journal over HTTP: pages, waiting, events as they come, exports. Real sockets, the real acceptor, the real
//! database; the punches are placed by the tests, so that what must come out is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod events;
mod export;
mod pages;
mod rig;
#[path = "../support/service.rs"]
mod service;
mod state;
mod stream;
mod waiting;
