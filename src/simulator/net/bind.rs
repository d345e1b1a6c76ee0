//! The two sockets of a device, on the same port.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// A device's sockets, listening and not blocking.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) tcp: TcpListener,
    pub(crate) udp: Option<UdpSocket>,
}

/// Connections that may wait to be accepted.
pub(super) const BACKLOG: i32 = 1024;

/// Binds both sockets to a port, or to one of the operating system's choice if it is 0.
pub(crate) fn bind(ip: IpAddr, port: u16, udp: bool) -> io::Result<Bound> {
    if port != 0 {
        return bind_at(SocketAddr::new(ip, port), udp);
    }
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        // The chosen port is taken once more by name: only then does the socket keep it while it does not
        // listen. The first socket keeps strangers away until that is done.
        let chosen = tcp_socket(SocketAddr::new(ip, 0))?;
        let address = chosen.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        match bind_at(address, udp) {
            Ok(bound) => return Ok(bound),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// A free TCP port whose UDP twin is taken is not rare on a busy host; this many in a row are.
const ATTEMPTS: usize = 64;

fn bind_at(address: SocketAddr, udp: bool) -> io::Result<Bound> {
    let tcp = tcp_socket(address)?;
    tcp.listen(BACKLOG)?;
    let udp = if udp { Some(bind_udp(address)?) } else { None };
    Ok(Bound { address, tcp: tcp.into(), udp })
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

pub(super) fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A connection that is begun and not waited for.
pub(super) fn begin_connection(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        // EINPROGRESS: 115 on Linux; on loopback the connection is there when the call returns.
        Err(error) if error.raw_os_error() != Some(115) && error.kind() != io::ErrorKind::WouldBlock => {
            Err(error)
        }
        _ => Ok(socket),
    }
}
