//! What the API offers, one file per resource. Handlers parse, ask, and shape the answer; they decide nothing
//! else.

pub mod ask_journal;
pub mod attendance;
pub mod audit;
pub mod clear;
pub mod collection;
pub mod completeness;
pub mod connections;
pub mod description;
pub mod device_settings;
pub mod devices;
pub mod discovery;
pub mod door;
pub mod effect;
pub mod health;
pub mod info;
pub mod input;
pub mod journal;
pub mod operations;
pub mod power;
pub mod punches;
mod rows;
pub mod testing;
pub mod time;
pub mod tokens;
pub mod traces;
mod user_input;
mod user_problem;
mod user_view;
pub mod users;
pub mod users_bulk;
pub mod view;
pub mod webhook_input;
pub mod webhook_view;
pub mod webhooks;
