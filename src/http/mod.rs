//! Requests in, answers out.
//!
//! The acceptor faces the network and hands complete, strictly framed requests to the engine over a private
//! Unix socket; a fixed number of workers take them from there, authenticate, route and parse them. What memory
//! or the store can answer is answered at once; what needs a device becomes a job, and the answer is sent by
//! whoever does it. No worker ever waits for a device or a database.

pub mod acceptor;
pub mod admission;
pub mod api;
pub mod biotime;
pub mod call;
pub mod codes;
pub mod device_settings;
pub mod engine;
pub mod follow;
pub mod followers;
pub mod gateway;
mod note;
pub mod openapi;
pub mod problem;
pub mod reply;
pub mod responder;
pub mod response;
pub mod route;
pub mod stream;
pub mod token;
pub mod tokens;
pub mod workers;
