//! What carries packets: a stream, where each is framed, or datagrams, which are packets as they are.

use super::frame;
use super::packet::{Checksums, Packet};

/// The two ways to a device, on the same port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A stream: nothing is lost, doubled or reordered.
    Tcp,
    /// Datagrams: anything can be.
    Udp,
}

/// Packets on their way out, as bytes for their carrier.
#[derive(Debug)]
pub struct Outbox {
    carrier: Carrier,
    bytes: Vec<u8>,
    /// Where each packet ends.
    ends: Vec<usize>,
}

impl Carrier {
    /// `tcp` or `udp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub const fn new(carrier: Carrier) -> Self {
        Self { carrier, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Adds a packet.
    pub fn push(&mut self, packet: &Packet<'_>) {
        match self.carrier {
            Carrier::Tcp => frame::emit(packet, &mut self.bytes),
            Carrier::Udp => packet.emit(&mut self.bytes),
        }
        self.ends.push(self.bytes.len());
    }

    /// For which carrier the packets are.
    #[must_use]
    pub const fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All bytes, for a stream.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The packets one by one, for datagrams.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(self.ends.iter().copied()).filter_map(|(begin, end)| self.bytes.get(begin..end))
    }

    /// The packets one by one, for whoever keeps a record.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        let prefix = match self.carrier {
            Carrier::Tcp => frame::PREFIX,
            Carrier::Udp => 0,
        };
        let bare = self.datagrams().filter_map(move |bytes| bytes.get(prefix..));
        bare.filter_map(|bytes| Packet::parse(bytes, Checksums::Lenient).ok())
    }

    /// Forgets what was sent.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::command::Command;

    #[test]
    fn a_stream_gets_frames_and_datagrams_are_bare_packets() {
        let packet = Packet { command: Command::EXIT, session: 1, reply: 2, payload: &[] };
        let lengths = |carrier| {
            let mut out = Outbox::new(carrier);
            out.push(&packet);
            out.push(&packet);
            assert!(out.packets().eq([packet; 2]), "whatever they are wrapped in");
            (out.bytes().len(), out.datagrams().map(<[u8]>::len).collect::<Vec<_>>())
        };
        assert_eq!(lengths(Carrier::Tcp), (32, vec![16, 16]));
        assert_eq!(lengths(Carrier::Udp), (16, vec![8, 8]));
    }
}
