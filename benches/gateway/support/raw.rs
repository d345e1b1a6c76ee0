//! A bare socket to a device: it writes request bytes that were recorded before and reads as many bytes as came
//! then. It understands nothing, so no client can be faster in the same exchange.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use zkgate::wire::command::Command;
use zkgate::wire::frame::{self, FrameBuffer};
use zkgate::wire::packet::{Checksums, Packet};

/// One request and how many bytes answered it.
#[derive(Clone)]
pub struct Step {
    command: Command,
    payload: Vec<u8>,
    answer: usize,
}

/// What is read at a time, in bytes.
const ROOM: usize = 128 * 1024;

impl Step {
    pub fn new(command: Command, answer: usize) -> Self {
        Self { command, payload: Vec::new(), answer }
    }
}

/// A session on a bare socket.
pub struct Raw {
    stream: TcpStream,
    session: u16,
    reply: u16,
    room: Vec<u8>,
}

impl Raw {
    pub fn connect(device: SocketAddr) -> Self {
        let stream = TcpStream::connect(device).expect("the device takes connections");
        stream.set_nodelay(true).unwrap();
        let mut raw = Self { stream, session: 0, reply: 0, room: vec![0; ROOM] };
        let hello = raw.frames(&[Step::new(Command::CONNECT, 16)]);
        raw.play(&hello);
        raw.session = u16::from_le_bytes([raw.room[12], raw.room[13]]);
        raw
    }

    /// The bytes of these requests, numbered from the next one on.
    pub fn frames(&mut self, steps: &[Step]) -> Vec<(Vec<u8>, usize)> {
        let mut frames = Vec::new();
        for step in steps {
            let mut bytes = Vec::new();
            let packet = Packet {
                command: step.command,
                session: self.session,
                reply: self.reply,
                payload: &step.payload,
            };
            frame::emit(&packet, &mut bytes);
            self.reply = if self.reply == u16::MAX - 1 { 0 } else { self.reply + 1 };
            frames.push((bytes, step.answer));
        }
        frames
    }

    /// The bytes of these requests, made and played.
    pub fn play_all(&mut self, steps: &[Step]) {
        let frames = self.frames(steps);
        self.play(&frames);
    }

    /// Writes each and reads its answer: how many bytes came in all.
    pub fn play(&mut self, frames: &[(Vec<u8>, usize)]) -> usize {
        let mut total = 0;
        for (request, answer) in frames {
            self.stream.write_all(request).unwrap();
            let mut left = *answer;
            while left > 0 {
                let count = self.stream.read(&mut self.room).unwrap();
                assert!(count > 0 && count <= left, "the device answers otherwise than before");
                left -= count;
            }
            total += answer;
        }
        total
    }
}

/// Stands between a client and a device and writes down what is asked and how much is answered.
pub struct Recorder {
    pub address: SocketAddr,
    steps: Arc<Mutex<Vec<Step>>>,
    thread: JoinHandle<()>,
}

impl Recorder {
    /// For one connection.
    pub fn start(device: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let steps: Arc<Mutex<Vec<Step>>> = Arc::default();
        let written = Arc::clone(&steps);
        let thread = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut device = TcpStream::connect(device).unwrap();
            let (mut to_client, mut from_device) = (client.try_clone().unwrap(), device.try_clone().unwrap());
            let counted = Arc::clone(&written);
            let back = std::thread::spawn(move || {
                let mut room = vec![0; ROOM];
                while let Ok(count @ 1..) = from_device.read(&mut room) {
                    counted.lock().unwrap().last_mut().unwrap().answer += count;
                    to_client.write_all(&room[..count]).unwrap();
                }
            });
            let (mut room, mut frames) = (vec![0; ROOM], FrameBuffer::new());
            while let Ok(count @ 1..) = client.read(&mut room) {
                frames.push(&room[..count]);
                while let Ok(Some(packet)) = frames.next_packet(Checksums::Strict) {
                    let step = Step { command: packet.command, payload: packet.payload.to_vec(), answer: 0 };
                    written.lock().unwrap().push(step);
                }
                device.write_all(&room[..count]).unwrap();
            }
            // The client has gone.
            let _ = device.shutdown(std::net::Shutdown::Both);
            back.join().unwrap();
        });
        Self { address, steps, thread }
    }

    /// How much has been written down so far.
    pub fn count(&self) -> usize {
        self.steps.lock().unwrap().len()
    }

    /// All that was written down; the client has gone.
    pub fn end(self) -> Vec<Step> {
        self.thread.join().unwrap();
        Arc::try_unwrap(self.steps).ok().unwrap().into_inner().unwrap()
    }
}
