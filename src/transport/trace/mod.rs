//! Keeping a record of what is said between us and a device, for a limited time and in a limited file.
//!
//! A [`Tracer`] has one thread that writes. Those who talk to devices hand it copies of their packets and never wait:
//! what finds no room is counted, and the file says where something is missing. Secrets are masked on that thread,
//! before anything is written, see [`mask`](crate::wire::capture::mask).

mod book;
mod ear;
mod files;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};

pub use files::{TraceFile, TraceName};

use self::book::Book;
use self::ear::{Note, Running, What};
use self::files::Files;
use self::writer::Writer;
use super::tap::Tap;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::lock::lock;
use crate::base::threads::{SMALL_STACK, spawn};
use crate::wire::capture::Header;

/// Records what is said to devices.
#[derive(Debug)]
pub struct Tracer {
    files: Files,
    notes: Sender<Note>,
    queued: Arc<AtomicUsize>,
    /// Bytes that may wait to be written.
    room: usize,
    /// guards: the last trace of each device, running or not
    traces: Mutex<HashMap<DeviceId, Arc<Running>>>,
    next: AtomicU64,
    closing: Arc<AtomicBool>,
    /// Says nothing, and breaks off when the thread has ended.
    done: Receiver<()>,
}

/// How long and how large a trace may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// It ends by itself after this long, at most [`Limits::LONGEST`].
    pub duration: Duration,
    /// Its file has at most so many bytes, from [`Limits::SMALLEST`] to [`Limits::LARGEST`].
    pub bytes: u64,
}

/// What is traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which device.
    pub device: DeviceId,
    /// Its serial number, if it is known.
    pub serial_number: Option<String>,
    /// `tcp`, `udp` or `auto`.
    pub transport: &'static str,
}

/// How a trace stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState {
    /// Its file.
    pub name: TraceName,
    /// When it was begun.
    pub started_at: SystemTime,
    /// When it ends by itself.
    pub ends_at: SystemTime,
    /// Why it ended: `asked`, `duration`, `bytes`, `stopping` or `write_failed`; `None` while it runs.
    pub ended: Option<&'static str>,
    /// Packets written.
    pub frames: u64,
    /// Packets that found no room.
    pub lost: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The most there may be.
    pub max_bytes: u64,
}

/// Why a trace could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Enough others are running.
    #[error("{} traces are running already, and no more may; stop one first", Tracer::RUNNING)]
    TooMany,
    /// The file could not be made.
    #[error("the trace's file could not be made: {0}")]
    File(#[from] io::Error),
}

/// Packets that may wait to be written.
const QUEUE_NOTES: usize = 16 * 1024;
/// Bytes that may wait to be written, unless it is said otherwise.
const QUEUE_BYTES: usize = 32 << 20;
/// Ended traces whose last state is remembered.
const REMEMBERED: usize = 256;
/// For how long somebody who stops a trace waits until its file is complete.
const STOPPING: Duration = Duration::from_secs(2);

impl Limits {
    /// The longest trace.
    pub const LONGEST: Duration = Duration::from_secs(3600);
    /// The smallest limit on a file, in bytes: room for the header and the end.
    pub const SMALLEST: u64 = 4096;
    /// The largest limit on a file, in bytes.
    pub const LARGEST: u64 = 256 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self { duration: Duration::from_secs(300), bytes: 16 << 20 }
    }
}

impl Tracer {
    /// Traces that may run at a time.
    pub const RUNNING: usize = 8;
    /// Files that are kept; the oldest give way.
    pub const KEPT: usize = 20;

    /// Starts the thread. The directory is made with the first trace.
    ///
    /// # Errors
    /// When the operating system grants no further thread.
    pub fn start(directory: PathBuf, clock: Arc<dyn Clock>) -> io::Result<Arc<Self>> {
        Self::start_with_room(directory, clock, QUEUE_BYTES)
    }

    /// The same with room for so many bytes that wait to be written.
    ///
    /// # Errors
    /// As [`Tracer::start`].
    pub fn start_with_room(directory: PathBuf, clock: Arc<dyn Clock>, room: usize) -> io::Result<Arc<Self>> {
        let (notes, taken) = bounded(QUEUE_NOTES);
        let queued = Arc::new(AtomicUsize::new(0));
        let closing = Arc::new(AtomicBool::new(false));
        let (ends, done) = bounded(0);
        let writer = Writer::new(taken, Arc::clone(&queued), Arc::clone(&closing), clock);
        // Nobody joins it: a disk that hangs must not keep the service from stopping.
        drop(spawn("traces", SMALL_STACK, move || {
            writer.run();
            drop::<Sender<()>>(ends);
        })?);
        Ok(Arc::new(Self {
            files: Files::new(directory),
            notes,
            queued,
            room,
            traces: Mutex::default(),
            next: AtomicU64::new(0),
            closing,
            done,
        }))
    }

    /// Begins a trace of whatever comes to this tap, or gives the one that runs already: `true` for a new one.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn begin(
        &self,
        subject: Subject,
        tap: &Tap,
        limits: Limits,
        clock: &dyn Clock,
    ) -> Result<(bool, TraceState), TraceError> {
        let Subject { device, serial_number, transport } = subject;
        // Held while the file is made, so that two who ask at once get one trace.
        let mut traces = lock(&self.traces);
        if let Some(running) = traces.get(&device).filter(|trace| !trace.has_ended()) {
            return Ok((false, running.state()));
        }
        let busy: Vec<TraceName> =
            traces.values().filter(|trace| !trace.has_ended()).map(|trace| trace.name.clone()).collect();
        if busy.len() >= Self::RUNNING {
            return Err(TraceError::TooMany);
        }
        let limits = Limits {
            duration: limits.duration.min(Limits::LONGEST),
            bytes: limits.bytes.clamp(Limits::SMALLEST, Limits::LARGEST),
        };
        let (now, wall) = (clock.now(), clock.wall());
        self.files.make_room(Self::KEPT - 1, &busy)?;
        let (name, file) = self.files.create(&device, wall)?;
        let header = Header {
            zkgate: env!("CARGO_PKG_VERSION").to_owned(),
            device: device.as_str().to_owned(),
            serial_number,
            transport: transport.to_owned(),
            started_at: files::rfc3339(wall),
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (notes, queued) = (self.notes.clone(), Arc::clone(&self.queued));
        let queue = ear::Queue { notes, queued, room: self.room };
        let trace = Arc::new(Running::new(number, name, limits, (now, wall), tap.clone(), queue));
        let book = Book::open(Arc::clone(&trace), file, &header)?;
        if !trace.hand_over(What::Open(Box::new(book))) {
            trace.finish("stopping");
            // Only its header is in it.
            let _ = self.files.remove(&trace.name);
            return Err(TraceError::File(io::ErrorKind::WouldBlock.into()));
        }
        if traces.len() >= REMEMBERED {
            traces.retain(|_, trace| !trace.has_ended());
        }
        traces.insert(device, Arc::clone(&trace));
        tap.attach(Arc::clone(&trace) as Arc<dyn super::tap::Ear>);
        Ok((true, trace.state()))
    }

    /// How the last trace of a device stands.
    #[must_use]
    pub fn state(&self, device: &DeviceId) -> Option<TraceState> {
        lock(&self.traces).get(device).map(|trace| trace.state())
    }

    /// Ends the trace of a device, if one runs, and gives its last state. It waits a moment for the file to be
    /// complete.
    #[must_use]
    pub fn stop(&self, device: &DeviceId) -> Option<TraceState> {
        let trace = lock(&self.traces).get(device).cloned()?;
        trace.ask_to_stop();
        trace.wait_until_ended(STOPPING);
        Some(trace.state())
    }

    /// The files there are, the newest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn files(&self) -> io::Result<Vec<TraceFile>> {
        self.files.list()
    }

    /// Opens a file, which may still grow.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none of this name.
    pub fn open(&self, name: &TraceName) -> io::Result<File> {
        self.files.open(name)
    }

    /// Whether a file is still being written.
    #[must_use]
    pub fn is_running(&self, name: &TraceName) -> bool {
        lock(&self.traces).values().any(|trace| trace.name == *name && !trace.has_ended())
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none of this name.
    pub fn remove(&self, name: &TraceName) -> io::Result<()> {
        self.files.remove(name)
    }

    /// Ends all traces and the thread.
    pub fn close(&self, deadline: Deadline) {
        self.closing.store(true, Ordering::Release);
        let traces: Vec<_> = lock(&self.traces).values().cloned().collect();
        traces.iter().for_each(|trace| trace.tap.detach());
        // It looks by itself soon if there is no room for this.
        let _ = self.notes.try_send(Note::wake());
        let left = deadline.remaining(Instant::now()).unwrap_or_default();
        let told = self.done.recv_timeout(left);
        if told == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            log::warn!("traces: their files could not be completed in time");
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        let _ = self.notes.try_send(Note::wake());
    }
}
