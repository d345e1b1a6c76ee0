//! The way back: answers written by hand on the connection that the acceptor keeps to the engine.
//!
//! After an answer that connection is usable again, or it is visibly broken; never in between. What an answer
//! may say is left to [`super::response`], deadlines for a client that does not read to the acceptor.

use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use super::response::{Answer, Body, has_body};

/// The way back to whoever asked. Dropped without an answer, it answers 500.
pub struct Responder {
    // There until the answer is sent; an Option only so that `drop` can tell.
    writer: Option<Box<dyn Write + Send>>,
    head_only: bool,
}

/// An answer that is written bit by bit, each [`Write::flush`] reaching the client at once.
///
/// Dropped before [`AnswerStream::finish`], it cuts the client's connection: a part never passes for the whole.
pub struct AnswerStream {
    // There until it is finished or cut.
    writer: Option<Box<dyn Write + Send>>,
    head_only: bool,
    chunk: Vec<u8>,
}

impl Responder {
    /// A way back that ends at this writer; `head_only` for an answer to HEAD.
    pub(super) fn new(writer: Box<dyn Write + Send>, head_only: bool) -> Self {
        Self { writer: Some(writer), head_only }
    }

    /// Whether only the head is asked for.
    #[must_use]
    pub const fn is_head_only(&self) -> bool {
        self.head_only
    }

    /// Sends the answer, from any thread.
    ///
    /// Returns when the acceptor has taken it; for an answer that is larger than the acceptor's buffers that
    /// may be as slow as the client reads, within the acceptor's deadlines. Nobody left to read it is no error.
    pub fn send(mut self, answer: Answer) {
        let sent = self.try_send(answer);
        if let Err(error) = sent {
            log::debug!("an answer was not taken: {error}");
        }
    }

    /// Sends the head and what body there already is, and leaves the rest to be written as it comes.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn into_stream(mut self, answer: Answer) -> io::Result<AnswerStream> {
        let mut stream = AnswerStream { writer: None, head_only: self.head_only, chunk: Vec::new() };
        let Some(mut writer) = self.writer.take() else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut head = Vec::with_capacity(HEAD_ROOM);
        answer.write_head(None, SystemTime::now(), &mut head);
        stream.head_only |= !has_body(answer.sent_status());
        writer.write_all(&head)?;
        writer.flush()?;
        stream.writer = Some(writer);
        match answer.body {
            Body::Empty => {}
            Body::Bytes(bytes) => stream.write_all(&bytes)?,
            Body::Stream(_) if stream.head_only => {}
            Body::Stream(mut body) => drop(io::copy(&mut body, &mut stream)?),
        }
        stream.flush()?;
        Ok(stream)
    }

    fn try_send(&mut self, mut answer: Answer) -> io::Result<()> {
        if let Body::Stream(_) = answer.body {
            let body = std::mem::take(&mut answer.body);
            let stream =
                Self { writer: self.writer.take(), head_only: self.head_only }.into_stream(answer)?;
            return stream.copy(body);
        }
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        let body = match std::mem::take(&mut answer.body) {
            Body::Bytes(bytes) => bytes,
            _ => Vec::new(),
        };
        let mut out = Vec::with_capacity(HEAD_ROOM + body.len().min(JOINED_CEILING));
        answer.write_head(Some(body.len()), SystemTime::now(), &mut out);
        let sends_body = !self.head_only && has_body(answer.sent_status());
        // One system call for what is small, no copy of what is large.
        if sends_body && body.len() <= JOINED_CEILING {
            out.extend_from_slice(&body);
            writer.write_all(&out)?;
        } else {
            writer.write_all(&out)?;
            if sends_body {
                writer.write_all(&body)?;
            }
        }
        writer.flush()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if self.writer.is_some() {
            // A few hundred bytes into an empty socket buffer: this does not wait.
            let _ = self.try_send(Answer::internal());
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

impl AnswerStream {
    /// Says that this was all.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        if !self.head_only {
            writer.write_all(b"0\r\n\r\n")?;
        }
        writer.flush()
    }

    fn copy(mut self, body: Body) -> io::Result<()> {
        if let (Body::Stream(mut body), false) = (body, self.head_only) {
            io::copy(&mut body, &mut self)?;
        }
        self.finish()
    }

    fn send_chunk(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::NotConnected.into()) };
        if chunk.is_empty() || self.head_only {
            return Ok(());
        }
        let sent = write!(writer, "{:x}\r\n", chunk.len())
            .and_then(|()| writer.write_all(&chunk))
            .and_then(|()| writer.write_all(b"\r\n"));
        self.chunk = chunk;
        self.chunk.clear();
        sent
    }
}

impl Write for AnswerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.send_chunk()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_chunk()?;
        self.writer.as_mut().map_or(Ok(()), |writer| writer.flush())
    }
}

impl Drop for AnswerStream {
    fn drop(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            // No chunk size: the acceptor cuts the client's connection and replaces this one. A few bytes; if
            // they must wait for a slow client, then within the acceptor's deadlines.
            let _ = writer.write_all(CUT).and_then(|()| writer.flush());
        }
    }
}

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerStream")
    }
}

/// Stands where a chunk size belongs and is none.
const CUT: &[u8] = b"cut\r\n";
const CHUNK: usize = 32 * 1024;
const HEAD_ROOM: usize = 512;
const JOINED_CEILING: usize = 32 * 1024;
