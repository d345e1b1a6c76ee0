//! The only room that opens sockets to devices.
//!
//! A [`Carrier`](crate::wire::carrier::Carrier) is a choice; a [`Socket`] is the thing itself, connected to one device.
//! It can be used in two ways: blocking, each call with a deadline, and without blocking, by a thread that waits
//! on many of them. It knows nothing of packets.

pub mod error;
pub mod socket;

pub use error::TransportError;
pub use socket::Socket;
