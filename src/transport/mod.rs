//! The only room that opens sockets to devices.
//!
//! A [`Carrier`](crate::wire::carrier::Carrier) is a choice; a [`Socket`] is the thing itself, connected to one device.
//! It can be used in two ways: blocking, each call with a deadline, and without blocking, by a thread that waits
//! on many of them. It knows nothing of packets. A [`Tap`](tap::Tap) shows the packets of a device's sessions to whoever
//! keeps a record of them, such as a [`trace`].

pub mod error;
pub mod socket;
pub mod tap;
pub mod trace;

pub use error::TransportError;
pub use socket::Socket;
