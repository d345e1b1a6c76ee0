//! The service as a black box: the real program, asked over HTTP, with simulated devices whose truth is known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/postgres.rs"]
mod postgres_server;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/service.rs"]
mod service;

mod collection;
mod connections;
mod crowd;
mod devices;
mod durable;
mod effects;
mod errors;
mod failures;
mod ledger;
mod life;
mod reads;
mod verdicts;
mod webhooks;
