//! The thread that writes traces: it takes what was handed over, and ends what is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::book::{Book, Full};
use super::ear::{Note, What};
use crate::base::clock::Clock;
use crate::base::threads::contained;

pub(super) struct Writer {
    notes: Receiver<Note>,
    queued: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    books: HashMap<u64, Book>,
}

/// It looks round at least this often.
const BEAT: Duration = Duration::from_millis(250);

impl Writer {
    pub(super) fn new(
        notes: Receiver<Note>,
        queued: Arc<AtomicUsize>,
        closing: Arc<AtomicBool>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { notes, queued, closing, clock, books: HashMap::new() }
    }

    pub(super) fn run(mut self) {
        loop {
            let ended = match self.notes.recv_timeout(self.patience()) {
                Ok(note) => {
                    contained("the writer of traces", || self.take(note));
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if ended || self.closing.load(Ordering::Acquire) {
                self.drain();
                let all: Vec<u64> = self.books.keys().copied().collect();
                all.into_iter().for_each(|number| self.end(number, "stopping"));
                return;
            }
            if self.notes.is_empty() {
                self.flush();
            }
            self.end_what_is_due();
        }
    }

    /// Nothing has to be looked at while no trace runs.
    fn patience(&self) -> Duration {
        let now = self.clock.now();
        let due = self.books.values().map(|book| book.trace.due().saturating_duration_since(now)).min();
        due.map_or(BEAT * 4, |due| due.min(BEAT))
    }

    fn take(&mut self, note: Note) {
        self.queued.fetch_sub(note.weight(), Ordering::AcqRel);
        let number = note.trace;
        match note.what {
            What::Wake => {}
            What::Open(book) => drop(self.books.insert(number, *book)),
            _ => {
                let Some(book) = self.books.get_mut(&number) else { return };
                let taken = book.take(note);
                self.judge(number, taken);
            }
        }
    }

    fn judge(&mut self, number: u64, result: Result<(), Full>) {
        match result {
            Ok(()) => {}
            Err(Full::Bytes) => self.end(number, "bytes"),
            Err(Full::Failed(error)) => {
                if let Some(book) = self.books.get(&number) {
                    log::warn!("trace {}: it ends, because it cannot be written: {error}", book.trace.name);
                }
                self.end(number, "write_failed");
            }
        }
    }

    fn flush(&mut self) {
        let numbers: Vec<u64> = self.books.keys().copied().collect();
        for number in numbers {
            let flushed = self.books.get_mut(&number).map_or(Ok(()), Book::flush);
            self.judge(number, flushed);
        }
    }

    fn end_what_is_due(&mut self) {
        let now = self.clock.now();
        let due = self.books.iter().filter_map(|(number, book)| {
            let why = if book.trace.is_asked_to_stop() { Some("asked") } else { None };
            let why = why.or((now >= book.trace.due()).then_some("duration"))?;
            Some((*number, why))
        });
        let due: Vec<_> = due.collect();
        if due.is_empty() {
            return;
        }
        for (number, _) in &due {
            if let Some(book) = self.books.get(number) {
                book.trace.tap.detach();
            }
        }
        self.drain();
        due.into_iter().for_each(|(number, why)| self.end(number, why));
    }

    /// Takes what is there already.
    fn drain(&mut self) {
        for _ in 0..self.notes.len() {
            if let Ok(note) = self.notes.try_recv() {
                contained("the writer of traces", || self.take(note));
            }
        }
    }

    fn end(&mut self, number: u64, why: &'static str) {
        let Some(book) = self.books.remove(&number) else { return };
        let trace = Arc::clone(&book.trace);
        trace.tap.detach();
        book.close(why);
        trace.finish(why);
        log::info!("trace {} has ended ({why})", trace.name);
    }
}
