//! The doors of one device: its listener and its UDP socket, and whether they are open.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use socket2::{SockRef, Socket};

use super::Shared;
use super::bind::{BACKLOG, begin_connection, bind_udp};
use crate::base::readiness::{Interest, Readiness, Watched};

#[derive(Debug)]
pub(super) struct Port {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: Watched<TcpListener>,
    pub(super) udp: Option<Watched<UdpSocket>>,
    /// The key under which the UDP socket is watched.
    pub(super) udp_key: usize,
    pub(super) doors: Doors,
    pub(super) presence: Presence,
    /// The keys of the open connections.
    pub(super) connections: HashSet<usize>,
    /// Connections to ourselves that fill the queue of a black hole.
    fillers: Vec<Socket>,
    pub(super) filler_addresses: HashSet<SocketAddr>,
    /// When the device looks for events to send, if that is set.
    pub(super) tells_at: Option<Instant>,
}

/// What happens to whoever knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doors {
    /// They are let in.
    Open,
    /// TCP is refused; UDP is still served.
    TcpRefused,
    /// They are refused.
    Closed,
    /// Nothing happens at all: a black hole.
    Dark,
}

/// Whether the device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// Restarting until then.
    Away(Instant),
    /// Switched off.
    Off,
}

impl Port {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: Watched<TcpListener>,
        udp: Option<Watched<UdpSocket>>,
        udp_key: usize,
    ) -> Self {
        Self {
            shared,
            listener,
            udp,
            udp_key,
            doors: Doors::Open,
            presence: Presence::Here,
            connections: HashSet::new(),
            fillers: Vec::new(),
            filler_addresses: HashSet::new(),
            tells_at: None,
        }
    }

    /// Opens or closes the doors; `false` when that did not work and has to be tried again.
    pub(super) fn set_doors(&mut self, doors: Doors, readiness: &Readiness) -> bool {
        let before = std::mem::replace(&mut self.doors, doors);
        let tcp_open = |doors| doors == Doors::Open;
        let mut done = true;
        if before != doors {
            self.fillers.clear();
            let listener = SockRef::from(self.listener.socket());
            let result = match doors {
                Doors::Open if tcp_open(before) => Ok(()),
                Doors::Open => listener.listen(BACKLOG).and_then(|()| self.listener.want(Interest::Read)),
                // Shut down, the socket keeps its port and refuses.
                Doors::TcpRefused | Doors::Closed => match before {
                    Doors::TcpRefused | Doors::Closed => Ok(()),
                    Doors::Open | Doors::Dark => listener.shutdown(std::net::Shutdown::Both),
                },
                // The queue has room for one and that one is ourselves; further connections get no answer.
                Doors::Dark => listener.listen(0).and_then(|()| {
                    let filler = begin_connection(self.shared.address)?;
                    self.filler_addresses.extend(filler.local_addr().ok().and_then(|a| a.as_socket()));
                    self.fillers.push(filler);
                    Ok(())
                }),
            };
            if let Err(error) = result {
                log::warn!("the doors of a simulated device did not move: {error}");
                done = false;
            }
        }
        match doors {
            Doors::Closed => self.udp = None,
            _ if self.shared.udp && self.udp.is_none() => {
                let bound = bind_udp(self.shared.address)
                    .and_then(|socket| readiness.watch(socket, self.udp_key, Interest::Read));
                match bound {
                    Ok(socket) => self.udp = Some(socket),
                    Err(error) => {
                        log::warn!("a simulated device does not get its UDP port back yet: {error}");
                        done = false;
                    }
                }
            }
            _ => {}
        }
        done
    }
}
