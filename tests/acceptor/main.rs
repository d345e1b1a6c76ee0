//! The acceptor and the engine behind it, over real sockets: what honest clients get, and what others do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod answers;
mod attacks;
mod clients;
mod framing;
mod harness;
mod load;
