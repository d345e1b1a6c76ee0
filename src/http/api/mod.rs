//! What the API offers, one file per resource. Handlers parse, ask, and shape the answer; they decide nothing
//! else.

pub mod access;
pub mod ask_journal;
pub mod attendance;
pub mod audit;
pub mod clear;
pub mod collection;
pub mod completeness;
pub mod connections;
pub mod device_settings;
pub mod devices;
pub mod door;
pub mod effect;
pub mod events;
pub mod health;
pub mod info;
pub mod input;
pub mod journal;
pub mod messages;
pub mod operations;
pub mod options;
pub mod person_access;
pub mod power;
pub mod punches;
pub mod raw;
mod rows;
pub mod screen;
pub mod testing;
pub mod time;
pub mod tokens;
pub mod upkeep;
pub mod users;
pub mod view;
pub mod webhook_input;
pub mod webhook_view;
pub mod webhooks;
