//! What is said to a device is recorded without its secrets, and served again as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "../support/service.rs"]
mod service;
#[allow(dead_code)]
#[path = "../support/site.rs"]
mod site;

mod api;
mod limits;
mod recorder;
mod replay;
mod secrets;
