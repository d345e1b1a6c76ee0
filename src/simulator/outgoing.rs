//! One packet on its way from the model to a client: its fields, whose it is, and what part it plays in the
//! answer. The bytes are made at the last moment, so that whoever misbehaves on purpose can still change them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::wire::command::Command;
use crate::wire::frame;
use crate::wire::packet::{HEADER, Packet};

/// Where a conversation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A TCP connection, by its number in this process.
    Tcp(u64),
    /// A UDP sender.
    Udp(SocketAddr),
}

impl Peer {
    pub(crate) const fn is_udp(self) -> bool {
        matches!(self, Self::Udp(_))
    }
}

/// The part that a packet plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A plain answer.
    Reply,
    /// The announcement of a transfer.
    Announce,
    /// Data of a transfer.
    Data,
    /// The end of a transfer.
    Closing,
    /// An event.
    Event,
}

/// What follows the header.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    /// A part of a table image that is shared, not copied.
    Image {
        image: Arc<Vec<u8>>,
        from: usize,
        to: usize,
    },
}

impl Body {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Image { image, from, to } => image.get(*from..*to).unwrap_or_default(),
        }
    }
}

/// A packet to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) peer: Peer,
    pub(crate) role: Role,
    pub(crate) command: Command,
    pub(crate) session: u16,
    pub(crate) reply: u16,
    pub(crate) body: Body,
}

impl Outgoing {
    /// Appends the bytes as they go over the wire: framed on TCP, bare on UDP.
    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        let packet = Packet {
            command: self.command,
            session: self.session,
            reply: self.reply,
            payload: self.body.bytes(),
        };
        if self.peer.is_udp() { packet.emit(out) } else { frame::emit(&packet, out) }
    }

    /// Bytes on the wire.
    pub(crate) fn length(&self) -> usize {
        let prefix = if self.peer.is_udp() { 0 } else { frame::PREFIX };
        prefix + HEADER + self.body.bytes().len()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.emit(&mut bytes);
        bytes
    }
}
