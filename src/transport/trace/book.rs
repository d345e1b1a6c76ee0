//! The file of one trace while it is written: sessions and their masks, the limit on its bytes, its end.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use super::ear::{Note, Running, What};
use crate::transport::tap::SessionKey;
use crate::wire::capture::mask::Masker;
use crate::wire::capture::{Frame, Header, Line, Micros};

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) trace: Arc<Running>,
    file: BufWriter<File>,
    bytes: u64,
    frames: u64,
    /// The missing packets that the file tells of.
    missing: u64,
    sessions: HashMap<u32, Session>,
    /// Sessions that the file tells of.
    told: u32,
    last: Micros,
}

#[derive(Debug)]
struct Session {
    /// Its number in the file.
    number: u32,
    masker: Masker<Micros>,
}

/// Why a trace comes to its end.
#[derive(Debug)]
pub(super) enum Full {
    /// The next line would exceed the limit.
    Bytes,
    /// The operating system does not write.
    Failed(io::Error),
}

/// Room kept for the last lines: what is missing, and the end. In bytes.
const RESERVE: u64 = 512;
/// The most bytes that are held while a table comes.
const HELD: usize = 16 << 20;

impl Book {
    /// Writes the header.
    pub(super) fn open(trace: Arc<Running>, file: File, header: &Header) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(64 * 1024, file);
        let line = header.emit();
        file.write_all(line.as_bytes())?;
        file.flush()?;
        let bytes = line.len() as u64;
        trace.got(0, bytes);
        let (sessions, last) = (HashMap::new(), Micros(0));
        Ok(Self { trace, file, bytes, frames: 0, missing: 0, sessions, told: 0, last })
    }

    /// Takes something that happened.
    pub(super) fn take(&mut self, note: Note) -> Result<(), Full> {
        self.last = self.last.max(note.at);
        self.tell_of_missing(note.lost)?;
        match note.what {
            What::Begins(key) => self.begin(key, note.at, false),
            What::Hears(key, frame) => {
                if !self.sessions.contains_key(&key.number) {
                    self.begin(key, note.at, true)?;
                }
                let Some(session) = self.sessions.get_mut(&key.number) else { return Ok(()) };
                let (number, mut out) = (session.number, Vec::new());
                session.masker.hear(note.at, frame, &mut out);
                self.write_all(number, out)
            }
            What::Ends(key, how) => {
                let Some(Session { number, masker }) = self.sessions.remove(&key.number) else {
                    return Ok(());
                };
                let mut out = Vec::new();
                masker.finish(&mut out);
                self.write_all(number, out)?;
                self.write(&Line::End { at: note.at, session: number, how: how.to_owned() })
            }
            What::Open(_) | What::Wake => Ok(()),
        }
    }

    /// Has everything written that was taken.
    pub(super) fn flush(&mut self) -> Result<(), Full> {
        self.trace.got(self.frames, self.bytes);
        self.file.flush().map_err(Full::Failed)
    }

    /// Writes what is held and the last line.
    pub(super) fn close(mut self, why: &'static str) {
        let ended = self.write_end(why);
        if let Err(Full::Failed(error)) = ended {
            log::warn!("trace {}: its end could not be written: {error}", self.trace.name);
        }
        self.trace.got(self.frames, self.bytes);
    }

    fn write_end(&mut self, why: &'static str) -> Result<(), Full> {
        let mut sessions: Vec<Session> = std::mem::take(&mut self.sessions).into_values().collect();
        sessions.sort_by_key(|session| session.number);
        for Session { number, masker } in sessions {
            let mut out = Vec::new();
            masker.finish(&mut out);
            if let Err(Full::Failed(error)) = self.write_all(number, out) {
                return Err(Full::Failed(error));
            }
        }
        let lost = self.trace.lost();
        let (at, frames, missing) = (self.last, self.frames, lost.saturating_sub(self.missing));
        if missing > 0 {
            self.append(&Line::Gap { at, frames: missing }.emit())?;
        }
        self.append(&Line::Stop { at, why: why.to_owned(), frames, lost }.emit())?;
        self.file.flush().map_err(Full::Failed)
    }

    fn begin(&mut self, key: SessionKey, at: Micros, joined: bool) -> Result<(), Full> {
        self.told += 1;
        let ceiling = HELD.min(usize::try_from(self.trace.limits.bytes / 2).unwrap_or(HELD));
        let masker = Masker::new(key.carrier, joined, ceiling);
        self.sessions.insert(key.number, Session { number: self.told, masker });
        self.write(&Line::Begin { at, session: self.told, carrier: key.carrier, joined })
    }

    fn tell_of_missing(&mut self, lost: u64) -> Result<(), Full> {
        let frames = lost.saturating_sub(self.missing);
        if frames == 0 {
            return Ok(());
        }
        self.missing = lost;
        let mut waiting = Vec::new();
        for session in self.sessions.values_mut() {
            let mut out = Vec::new();
            session.masker.gap(&mut out);
            waiting.push((session.number, out));
        }
        waiting.sort_by_key(|(number, _)| *number);
        for (number, out) in waiting {
            self.write_all(number, out)?;
        }
        self.write(&Line::Gap { at: self.last, frames })
    }

    fn write_all(&mut self, session: u32, frames: Vec<(Micros, Frame)>) -> Result<(), Full> {
        for (at, frame) in frames {
            self.write(&Line::Frame { at, session, frame })?;
            self.frames += 1;
        }
        self.trace.got(self.frames, self.bytes);
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), Full> {
        let text = line.emit();
        if self.bytes + text.len() as u64 + RESERVE > self.trace.limits.bytes {
            return Err(Full::Bytes);
        }
        self.append(&text)
    }

    fn append(&mut self, text: &str) -> Result<(), Full> {
        self.file.write_all(text.as_bytes()).map_err(Full::Failed)?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
