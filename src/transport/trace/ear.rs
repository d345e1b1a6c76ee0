//! A running trace, as those who talk to the device meet it: they hand over copies and go on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Sender;

use super::book::Book;
use super::{Limits, TraceName, TraceState};
use crate::base::lock::{lock, wait_for};
use crate::transport::tap::{Ear, SessionKey, Tap};
use crate::wire::capture::{Direction, Frame, Micros};
use crate::wire::packet::Packet;

/// A trace, running or ended.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) name: TraceName,
    pub(super) limits: Limits,
    pub(super) tap: Tap,
    started: Instant,
    started_at: SystemTime,
    queue: Queue,
    /// guards: how many packets found no room, and the order in which those that did were queued
    lost: Mutex<u64>,
    /// guards: how far the file has got
    progress: Mutex<Progress>,
    /// The trace has ended.
    ended: Condvar,
    stop: AtomicBool,
}

/// The way to the thread that writes.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) notes: Sender<Note>,
    /// Bytes on their way.
    pub(super) queued: Arc<AtomicUsize>,
    /// The most of them.
    pub(super) room: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) ended: Option<&'static str>,
}

/// Something for the thread that writes.
#[derive(Debug)]
pub(super) struct Note {
    /// Of which trace.
    pub(super) trace: u64,
    pub(super) at: Micros,
    /// How many of the trace's packets had found no room before this one.
    pub(super) lost: u64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A trace begins.
    Open(Box<Book>),
    Begins(SessionKey),
    Hears(SessionKey, Frame),
    Ends(SessionKey, &'static str),
    /// Look round.
    Wake,
}

impl Note {
    pub(super) const fn wake() -> Self {
        Self { trace: 0, at: Micros(0), lost: 0, what: What::Wake }
    }

    /// The bytes that wait with it.
    pub(super) const fn weight(&self) -> usize {
        match &self.what {
            What::Hears(_, frame) => frame.payload.len(),
            _ => 0,
        }
    }
}

impl Running {
    pub(super) fn new(
        number: u64,
        name: TraceName,
        limits: Limits,
        (started, started_at): (Instant, SystemTime),
        tap: Tap,
        queue: Queue,
    ) -> Self {
        Self {
            number,
            name,
            limits,
            tap,
            started,
            started_at,
            queue,
            lost: Mutex::new(0),
            progress: Mutex::default(),
            ended: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> TraceState {
        let Progress { frames, bytes, ended } = *lock(&self.progress);
        TraceState {
            name: self.name.clone(),
            started_at: self.started_at,
            ends_at: self.started_at + self.limits.duration,
            ended,
            frames,
            lost: self.lost(),
            bytes,
            max_bytes: self.limits.bytes,
        }
    }

    pub(super) fn lost(&self) -> u64 {
        *lock(&self.lost)
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.progress).ended.is_some()
    }

    /// When it ends by itself.
    pub(super) fn due(&self) -> Instant {
        self.started + self.limits.duration
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn since_start(&self, now: Instant) -> Micros {
        let passed = now.saturating_duration_since(self.started);
        Micros(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn ask_to_stop(&self) {
        if self.has_ended() {
            return;
        }
        self.tap.detach();
        self.stop.store(true, Ordering::Release);
        // Without room for this the thread is at work, and looks soon.
        let _ = self.queue.notes.try_send(Note::wake());
    }

    /// Notes how far the file has got.
    pub(super) fn got(&self, frames: u64, bytes: u64) {
        let mut progress = lock(&self.progress);
        (progress.frames, progress.bytes) = (frames, bytes);
    }

    /// Nothing more comes of it.
    pub(super) fn finish(&self, why: &'static str) {
        lock(&self.progress).ended.get_or_insert(why);
        self.ended.notify_all();
    }

    pub(super) fn wait_until_ended(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut progress = lock(&self.progress);
        while progress.ended.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            progress = wait_for(&self.ended, progress, left);
        }
    }

    /// Hands something to the thread that writes, without waiting; what finds no room is counted.
    pub(super) fn hand_over(&self, what: What) -> bool {
        let now = Instant::now();
        let mut lost = lock(&self.lost);
        let note = Note { trace: self.number, at: self.since_start(now), lost: *lost, what };
        let weight = note.weight();
        let queued = self.queue.queued.fetch_add(weight, Ordering::AcqRel);
        let taken = queued + weight <= self.queue.room && self.queue.notes.try_send(note).is_ok();
        if !taken {
            self.queue.queued.fetch_sub(weight, Ordering::AcqRel);
            *lost += 1;
        }
        taken
    }
}

impl Ear for Running {
    fn begins(&self, session: SessionKey) {
        self.hand_over(What::Begins(session));
    }

    fn hears(&self, session: SessionKey, direction: Direction, packet: &Packet<'_>) {
        if Instant::now() < self.due() {
            self.hand_over(What::Hears(session, Frame::of(direction, packet)));
        }
    }

    fn ends(&self, session: SessionKey, how: &'static str) {
        self.hand_over(What::Ends(session, how));
    }
}
