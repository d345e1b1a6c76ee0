//! A client of event streams that reads every byte itself: chunks, comments, events, and how it ended.

#![allow(unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::rig::PATIENCE;

pub struct Events {
    reader: BufReader<TcpStream>,
    pub status: u16,
    pub head: String,
    text: String,
    ended: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last chunk.
    Whole,
    /// Without.
    Cut,
}

/// A block of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    Punch {
        seq: u64,
        row: Value,
    },
    /// A comment, perhaps with other lines, but no event.
    Other(String),
}

impl Events {
    pub fn open(address: SocketAddr, token: &str, path: &str, headers: &str) -> Self {
        // A small buffer, so that one who does not read is soon seen not to.
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "no head: {head:?}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { reader, status, head, text: String::new(), ended: None }
    }

    /// The next block; `None` at the end.
    pub fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(Block::parse(&block));
            }
            if self.ended.is_some() {
                return None;
            }
            self.read_chunk();
        }
    }

    /// The next punch: its number, as the event's id, and the row.
    pub fn punch(&mut self) -> (u64, Value) {
        loop {
            match self.block() {
                Some(Block::Punch { seq, row }) => return (seq, row),
                Some(Block::Other(_)) => {}
                None => panic!("the stream has ended: {:?}", self.ended),
            }
        }
    }

    /// The next so many numbers.
    pub fn seqs(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.punch().0).collect()
    }

    /// Reads to the end.
    pub fn end(&mut self) -> End {
        while self.block().is_some() {}
        self.ended.unwrap()
    }

    fn read_chunk(&mut self) {
        let mut size = String::new();
        self.ended = match self.reader.read_line(&mut size) {
            Ok(0) | Err(_) => Some(End::Cut),
            Ok(_) => match usize::from_str_radix(size.trim_end(), 16) {
                Ok(0) => Some(End::Whole),
                Ok(size) => {
                    let mut chunk = vec![0; size + 2];
                    match self.reader.read_exact(&mut chunk) {
                        Ok(()) => {
                            assert!(chunk.ends_with(b"\r\n"));
                            self.text.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
                            None
                        }
                        Err(_) => Some(End::Cut),
                    }
                }
                Err(_) => Some(End::Cut),
            },
        };
    }
}

impl Block {
    fn parse(block: &str) -> Self {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let (Some(data), Some(id)) = (field("data: "), field("id: ")) else {
            return Self::Other(block.into());
        };
        assert_eq!(field("event: "), Some("punch"), "{block}");
        let row: Value = serde_json::from_str(data).unwrap();
        let seq = id.parse().unwrap();
        assert_eq!(row["seq"].as_u64(), Some(seq), "{block}");
        Self::Punch { seq, row }
    }
}
