//! The API description against everything it speaks of: the table of routes, the codes in the sources, the handlers'
//! parameters, the answers of the running service, and a published tester that knows nothing but the description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod contract;
mod document;
mod examples;
#[path = "../support/service.rs"]
mod service;
mod sources;
mod tester;
