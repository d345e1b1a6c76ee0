//! The plainest client there can be: one request, then whatever comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use zkgate::simulator::{Config, DeviceHandle, Simulator};
use zkgate::wire::bulk::Table;
use zkgate::wire::comm_key::CommKey;
use zkgate::wire::command::Command;
use zkgate::wire::frame::{self, FrameBuffer, FrameError};
use zkgate::wire::packet::{Checksums, Packet};

/// Long enough for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Short enough to be sure of silence without waiting long.
pub(crate) const SILENCE: Duration = Duration::from_millis(120);

/// A packet that owns its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) command: Command,
    pub(crate) session: u16,
    pub(crate) reply: u16,
    pub(crate) payload: Vec<u8>,
}

impl From<Packet<'_>> for Got {
    fn from(packet: Packet<'_>) -> Self {
        let Packet { command, session, reply, payload } = packet;
        Self { command, session, reply, payload: payload.to_vec() }
    }
}

/// How waiting for a packet ended otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Not {
    Nothing,
    Closed,
    Reset,
    Bad(FrameError),
}

pub(crate) enum Wire {
    Tcp(TcpStream, FrameBuffer),
    Udp(UdpSocket),
}

pub(crate) struct Raw {
    pub(crate) wire: Wire,
    pub(crate) session: u16,
    pub(crate) reply: u16,
}

pub(crate) fn one(config: Config) -> (Simulator, DeviceHandle) {
    let simulator = Simulator::start(Config { devices: 1, threads: 1, ..config }).unwrap();
    let device = simulator.devices()[0].clone();
    (simulator, device)
}

impl Raw {
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire: Wire::Tcp(stream, FrameBuffer::new()), session: 0, reply: 0 }
    }

    pub(crate) fn udp(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        socket.connect(address).unwrap();
        Self { wire: Wire::Udp(socket), session: 0, reply: 0 }
    }

    /// Connected and, where it is asked for, authenticated.
    pub(crate) fn session(mut self, key: u64) -> Self {
        let hello = self.ask(Command::CONNECT, &[]).unwrap();
        self.session = hello.session;
        if hello.command == Command::ACK_UNAUTH {
            let scrambled = CommKey::new(key).unwrap().scramble(self.session, 50);
            assert_eq!(self.ask(Command::AUTH, &scrambled).unwrap().command, Command::ACK_OK);
        } else {
            assert_eq!(hello.command, Command::ACK_OK);
        }
        self
    }

    pub(crate) fn send(&mut self, command: Command, payload: &[u8]) -> u16 {
        let reply = if command == Command::CONNECT { 0 } else { self.reply + 1 };
        self.reply = reply;
        self.send_as(command, self.session, reply, payload);
        reply
    }

    pub(crate) fn send_as(&mut self, command: Command, session: u16, reply: u16, payload: &[u8]) {
        let packet = Packet { command, session, reply, payload };
        let mut bytes = Vec::new();
        match &mut self.wire {
            Wire::Tcp(..) => frame::emit(&packet, &mut bytes),
            Wire::Udp(_) => packet.emit(&mut bytes),
        }
        self.send_bytes(&bytes);
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Tcp(stream, _) => stream.write_all(bytes).unwrap(),
            Wire::Udp(socket) => assert_eq!(socket.send(bytes).unwrap(), bytes.len()),
        }
    }

    /// One packet within a time.
    pub(crate) fn receive(&mut self, limit: Duration) -> Result<Got, Not> {
        self.receive_checked(limit, Checksums::Strict)
    }

    pub(crate) fn receive_checked(&mut self, limit: Duration, checksums: Checksums) -> Result<Got, Not> {
        let end = Instant::now() + limit;
        loop {
            if let Wire::Tcp(_, buffer) = &mut self.wire
                && let Some(packet) = buffer.next_packet(checksums).map_err(Not::Bad)?
            {
                return Ok(packet.into());
            }
            let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
            let left = left.ok_or(Not::Nothing)?;
            match &mut self.wire {
                Wire::Tcp(stream, buffer) => {
                    stream.set_read_timeout(Some(left)).unwrap();
                    match stream.read(buffer.room(65_536)) {
                        Ok(0) => return Err(Not::Closed),
                        Ok(count) => buffer.filled(count),
                        Err(error) => ended(&error)?,
                    }
                }
                Wire::Udp(socket) => {
                    socket.set_read_timeout(Some(left)).unwrap();
                    let mut datagram = vec![0; 65_536];
                    match socket.recv(&mut datagram) {
                        Ok(count) => {
                            let packet = Packet::parse(&datagram[..count], checksums);
                            return packet.map(Got::from).map_err(|error| Not::Bad(error.into()));
                        }
                        Err(error) => ended(&error)?,
                    }
                }
            }
        }
    }

    pub(crate) fn ask(&mut self, command: Command, payload: &[u8]) -> Result<Got, Not> {
        let reply = self.send(command, payload);
        let got = self.receive(PATIENCE)?;
        assert_eq!(got.reply, reply, "the reply id is copied");
        Ok(got)
    }

    /// The code of the answer.
    pub(crate) fn code(&mut self, command: u16, payload: &[u8]) -> Command {
        self.ask(Command(command), payload).unwrap().command
    }

    /// Everything up to and including the end of a transfer.
    pub(crate) fn transfer(&mut self) -> Vec<Got> {
        let mut packets = Vec::new();
        loop {
            let got = self.receive(PATIENCE).unwrap();
            let more = matches!(got.command, Command::PREPARE_DATA | Command::REG_EVENT)
                || (got.command == Command::DATA && !packets.is_empty());
            packets.push(got);
            if !more {
                return packets;
            }
        }
    }

    /// A whole table: directly answered or through the buffer.
    pub(crate) fn table(&mut self, table: Table, chunk: u32) -> Vec<u8> {
        let first = self.ask(Command::DATA_WRRQ, &table.request()).unwrap();
        if first.command == Command::DATA {
            return first.payload;
        }
        assert_eq!(first.command, Command::ACK_OK);
        let size = zkgate::wire::bulk::buffered_size(&first.payload).unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < size as usize {
            let start = bytes.len() as u32;
            let wanted = zkgate::wire::bulk::Chunk { start, size: chunk.min(size - start) };
            self.send(Command::DATA_RDY, &wanted.emit());
            let packets = self.transfer();
            bytes.extend(data(&packets));
        }
        assert_eq!(self.code(1502, &[]), Command::ACK_OK);
        bytes
    }

    /// Bytes as they come, read by read, until there are so many or the stream has ended.
    pub(crate) fn bytes(&mut self, count: usize) -> (Vec<Vec<u8>>, Option<Not>) {
        let Wire::Tcp(stream, _) = &mut self.wire else { panic!("a stream") };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        while pieces.iter().map(Vec::len).sum::<usize>() < count {
            let mut piece = vec![0; 1 << 17];
            match stream.read(&mut piece) {
                Ok(0) => return (pieces, Some(Not::Closed)),
                Ok(length) => pieces.push(piece[..length].to_vec()),
                Err(error) => return (pieces, Some(ended(&error).err().unwrap_or(Not::Nothing))),
            }
        }
        (pieces, None)
    }

    /// Everything that comes before the answer to a further question, which no fault of these tests touches.
    pub(crate) fn all(&mut self) -> Vec<Got> {
        let last = self.send(Command::GET_VERSION, &[]);
        let packets = std::iter::from_fn(|| Some(self.receive(PATIENCE).unwrap()));
        packets.take_while(|got| got.reply != last).collect()
    }

    pub(crate) fn hang_up(&self) {
        if let Wire::Tcp(stream, _) = &self.wire {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
}

/// The payloads of all data packets.
pub(crate) fn data(packets: &[Got]) -> Vec<u8> {
    packets.iter().filter(|got| got.command == Command::DATA).flat_map(|got| got.payload.clone()).collect()
}

fn ended(error: &std::io::Error) -> Result<(), Not> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(()),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused | ErrorKind::BrokenPipe => Err(Not::Reset),
        kind => panic!("{kind}"),
    }
}
