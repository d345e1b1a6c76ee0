//! Webhooks: every subscription is the journal plus a cursor.
//!
//! Each subscription that is on has a thread of its own, so a receiver that is dead or slow delays nobody but
//! itself. Rows go out in the order of their numbers, at least once: a crash between a receiver's answer and the
//! cursor's move makes the same rows go out again, and receivers tell them by `seq`. Who subscribes is decided
//! elsewhere; this room only delivers.

mod address;
mod back_off;
mod batch;
mod client;
mod deliveries;
mod house;
mod lookup;
mod post;
mod settings;
mod signature;
mod target;
mod trial;
mod worker;

pub use client::Client;
pub use deliveries::Deliveries;
pub use post::{Phase, Progress};
pub use settings::DeliverySettings;
pub use signature::{InvalidSecret, new_secret, parse_secret};
pub use target::{InvalidUrl, Target};
pub use trial::{Busy, Tried};
