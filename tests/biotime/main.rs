//! The dialect of BioTime: the real program, simulated devices, and what a connector makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod connectors;
mod door;
mod lists;
mod login;
mod manual;
mod rig;
#[path = "../support/service.rs"]
mod service;
