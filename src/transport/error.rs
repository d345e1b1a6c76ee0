//! What can go wrong between two sockets.

use std::io;

/// Why bytes did not get through.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers at this address.
    #[error("no answer from the address")]
    Unreachable(#[source] io::Error),
    /// The address answers that nothing listens there.
    #[error("the connection was refused")]
    Refused(#[source] io::Error),
    /// The device ended the connection.
    #[error("the device closed the connection")]
    Closed,
    /// The device cut the connection off.
    #[error("the device reset the connection")]
    Reset(#[source] io::Error),
    /// The deadline passed.
    #[error("the deadline passed")]
    TimedOut,
    /// Anything else that the operating system says.
    #[error("the operating system reports an error")]
    Io(#[source] io::Error),
}

impl TransportError {
    /// Sorts an error of the operating system.
    #[must_use]
    pub fn sort(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused(error),
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted => Self::Reset(error),
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
                Self::Unreachable(error)
            }
            // A blocking socket with a timeout answers "would block" when the time is up.
            Kind::TimedOut | Kind::WouldBlock => Self::TimedOut,
            Kind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}
