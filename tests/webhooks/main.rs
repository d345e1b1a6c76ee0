//! Webhooks against real receivers, with a real journal behind them: order, repetition, isolation, and what a
//! receiver must not be able to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/receiver.rs"]
mod receiver;

mod gateways;
mod isolation;
mod manual;
mod order;
mod places;
mod rig;
mod secrets;
mod tls;
