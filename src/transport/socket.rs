//! One connected socket, TCP or UDP, with a deadline on everything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};

use super::error::TransportError;
use crate::base::deadline::Deadline;
use crate::wire::carrier::{Carrier, Outbox};

/// A connection to one device.
#[derive(Debug)]
pub enum Socket {
    /// A stream.
    Tcp(TcpStream),
    /// A datagram socket that talks to one address only.
    Udp(UdpSocket),
}

/// How far a connection without blocking has got.
#[derive(Debug)]
pub enum Opening {
    /// It is there.
    Open,
    /// The other side has not answered yet.
    Pending,
}

/// The largest datagram there can be, in bytes.
pub const DATAGRAM_CEILING: usize = 65_535;
/// Room asked of the kernel for datagrams that were not read yet, in bytes.
const DATAGRAM_BUFFER: usize = 1 << 20;
/// For how long sent bytes may go unacknowledged before the kernel gives the connection up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// The kernel's own probes of a silent connection; the session's keep-alive comes long before.
const PROBES: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));

impl Socket {
    /// Begins to connect, without waiting and in non-blocking mode.
    ///
    /// # Errors
    /// [`TransportError`] when the operating system refuses at once.
    pub fn open(address: SocketAddr, carrier: Carrier) -> Result<(Self, Opening), TransportError> {
        match carrier {
            Carrier::Tcp => Self::open_tcp(address),
            Carrier::Udp => Self::open_udp(address).map(|socket| (socket, Opening::Open)),
        }
        .map_err(TransportError::sort)
    }

    fn open_tcp(address: SocketAddr) -> io::Result<(Self, Opening)> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(&PROBES)?;
        socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
        let opening = match socket.connect(&address.into()) {
            Ok(()) => Opening::Open,
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => Opening::Pending,
            Err(error) => return Err(error),
        };
        Ok((Self::Tcp(socket.into()), opening))
    }

    fn open_udp(address: SocketAddr) -> io::Result<Self> {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(local)?;
        // A chunk comes as one burst; what does not fit here is lost. The kernel gives what it allows.
        SockRef::from(&socket).set_recv_buffer_size(DATAGRAM_BUFFER)?;
        socket.set_nonblocking(true)?;
        // From here on the kernel drops what other addresses send.
        socket.connect(address)?;
        Ok(Self::Udp(socket))
    }

    /// After a pending connection became writable: whether it is there.
    ///
    /// # Errors
    /// [`TransportError`] when it failed.
    pub fn opened(&self) -> Result<Opening, TransportError> {
        let Self::Tcp(stream) = self else { return Ok(Opening::Open) };
        if let Some(error) = stream.take_error().map_err(TransportError::Io)? {
            return Err(TransportError::sort(error));
        }
        match stream.peer_addr() {
            Ok(_) => Ok(Opening::Open),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(Opening::Pending),
            Err(error) => Err(TransportError::sort(error)),
        }
    }

    /// What carries the packets.
    #[must_use]
    pub const fn carrier(&self) -> Carrier {
        match self {
            Self::Tcp(_) => Carrier::Tcp,
            Self::Udp(_) => Carrier::Udp,
        }
    }

    /// Chooses between calls that wait (with a deadline) and calls that never do.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the operating system refuses.
    pub fn set_blocking(&self, blocking: bool) -> Result<(), TransportError> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(!blocking),
            Self::Udp(socket) => socket.set_nonblocking(!blocking),
        }
        .map_err(TransportError::Io)
    }

    /// Sends everything in the outbox and empties it. The socket is in blocking mode.
    ///
    /// # Errors
    /// [`TransportError`]; [`TransportError::TimedOut`] when the deadline passes first.
    pub fn send(&self, out: &mut Outbox, deadline: Deadline) -> Result<(), TransportError> {
        let left = deadline.remaining(Instant::now()).ok_or(TransportError::TimedOut)?;
        match self {
            Self::Tcp(stream) => {
                stream.set_write_timeout(Some(left)).map_err(TransportError::Io)?;
                (&*stream).write_all(out.bytes()).map_err(TransportError::sort)?;
            }
            Self::Udp(socket) => {
                for datagram in out.datagrams() {
                    socket.send(datagram).map_err(TransportError::sort)?;
                }
            }
        }
        out.clear();
        Ok(())
    }

    /// Sends everything in the outbox at once. The socket is in non-blocking mode; the few bytes of a request
    /// always fit a healthy connection's buffer, so one that cannot take them counts as failed.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn send_now(&self, out: &mut Outbox) -> Result<(), TransportError> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(out.bytes()).map_err(TransportError::sort)?,
            Self::Udp(socket) => {
                for datagram in out.datagrams() {
                    socket.send(datagram).map_err(TransportError::sort)?;
                }
            }
        }
        out.clear();
        Ok(())
    }

    /// Waits for bytes. The socket is in blocking mode.
    ///
    /// # Errors
    /// [`TransportError`]; [`TransportError::TimedOut`] when the deadline passes first, and
    /// [`TransportError::Closed`] at the end of the stream.
    pub fn receive(&self, room: &mut [u8], deadline: Deadline) -> Result<usize, TransportError> {
        loop {
            let left = deadline.remaining(Instant::now()).ok_or(TransportError::TimedOut)?;
            let received = match self {
                Self::Tcp(stream) => {
                    stream.set_read_timeout(Some(left)).map_err(TransportError::Io)?;
                    (&*stream).read(room)
                }
                Self::Udp(socket) => {
                    socket.set_read_timeout(Some(left)).map_err(TransportError::Io)?;
                    socket.recv(room)
                }
            };
            match received {
                Ok(0) if matches!(self, Self::Tcp(_)) => return Err(TransportError::Closed),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TransportError::sort(error)),
            }
        }
    }

    /// Takes what has come, or `None` when nothing has. The socket is in non-blocking mode.
    ///
    /// # Errors
    /// [`TransportError`]; [`TransportError::Closed`] at the end of the stream.
    pub fn receive_now(&self, room: &mut [u8]) -> Result<Option<usize>, TransportError> {
        let received = match self {
            Self::Tcp(stream) => (&*stream).read(room),
            Self::Udp(socket) => socket.recv(room),
        };
        match received {
            Ok(0) if matches!(self, Self::Tcp(_)) => Err(TransportError::Closed),
            Ok(count) => Ok(Some(count)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(None)
            }
            Err(error) => Err(TransportError::sort(error)),
        }
    }

    /// Whether something has come unasked, or the connection has ended: a look that takes nothing.
    ///
    /// Over UDP, where there is no end, it is always quiet.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let Self::Tcp(stream) = self else { return true };
        let socket = SockRef::from(stream);
        if socket.set_nonblocking(true).is_err() {
            return false;
        }
        let mut one = [0];
        let quiet = matches!(stream.peek(&mut one), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && socket.set_nonblocking(false).is_ok()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }
}

/// `EINPROGRESS`, for which the standard library has no kind.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
