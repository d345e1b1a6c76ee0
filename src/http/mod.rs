//! Requests in, answers out.
//!
//! The acceptor faces the network and hands complete, strictly framed requests to the engine over a private
//! Unix socket; whoever calls [`engine::Engine::receive`] gets them as plain values and answers with a closed
//! set of headers.

pub mod acceptor;
pub mod engine;
pub mod responder;
pub mod response;
