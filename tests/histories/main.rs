//! Histories: the real program, killed and started again at any moment, and simulated devices to which everything
//! happens that happens to devices. Whatever came to pass, the journal has every punch once, and whoever reads it
//! has met them in order.
//!
//! All that is random comes from seeds, and a failure names the seed; `ZKGATE_SEED` chooses others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/service.rs"]
mod service;

mod asked;
mod broken;
mod feed;
mod gateway;
mod generated;
mod killed;
mod large;
mod outages;
mod player;
mod replaced;
mod script;
mod truth;
