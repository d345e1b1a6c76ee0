//! What the API offers, one file per resource. Handlers parse, ask, and shape the answer; they decide nothing
//! else.

pub mod ask_journal;
pub mod attendance;
pub mod clear;
pub mod collection;
pub mod completeness;
pub mod connections;
pub mod description;
pub mod devices;
pub mod health;
pub mod info;
pub mod input;
pub mod journal;
pub mod power;
pub mod punches;
mod rows;
pub mod testing;
pub mod time;
pub mod users;
pub mod view;
pub mod webhook_input;
pub mod webhook_view;
pub mod webhooks;
