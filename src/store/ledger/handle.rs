//! The thread that owns the ledger, and the queue before it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::keeping::Keeping;
use super::{Book, FILE};
use crate::base::clock::{Clock, millis};
use crate::base::deadline::Deadline;
use crate::base::liveness::{Liveness, Pulse};
use crate::base::lock::lock;
use crate::base::threads::{LARGE_STACK, contained, spawn};
use crate::store::embedded;
use crate::store::error::StoreError;
use crate::store::health::{Area, Health, StoreHealth, StoreKind};

/// The ledger, for everybody who keeps something in it.
pub struct Ledger {
    /// guards: the way to the thread, until it is closed
    queue: Mutex<Option<Sender<Task>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    watched: Arc<Watched>,
}

/// What is known of the file's health.
struct Watched {
    health: Health,
    clock: Arc<dyn Clock>,
}

struct Task {
    deadline: Deadline,
    /// Called in any case: with the book, or with why there is none.
    run: Job,
}

type Job = Box<dyn FnOnce(Result<&mut Book, StoreError>) + Send>;

/// Questions that may wait.
const QUEUE: usize = 1024;
const BEAT: Duration = Duration::from_secs(1);
/// A file on a worn card may take long for one commit.
const SILENCE: Duration = Duration::from_secs(60);

impl Ledger {
    /// Opens `ledger.db` in this directory, makes it if it is missing, and ends what a run before left open: what
    /// became of that is not known.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(
        state_dir: &Path,
        clock: Arc<dyn Clock>,
        liveness: &Liveness,
    ) -> Result<Arc<Self>, StoreError> {
        let path = state_dir.join(FILE);
        let mut book = Book::open(state_dir)?;
        let left = book.end_what_was_left(millis(clock.wall()))?;
        if left > 0 {
            log::warn!("{left} operations were under way when the service ended; their outcome is not known");
        }
        let (queue, tasks) = bounded(QUEUE);
        let health = Health::new(StoreKind::Sqlite, path.display().to_string(), clock.wall());
        health.set_loaded();
        let pulse = liveness.enter("ledger", SILENCE, clock.now());
        let watched = Arc::new(Watched { health, clock });
        let watching = Arc::clone(&watched);
        let thread = spawn("ledger", LARGE_STACK, move || run(&mut book, &tasks, &watching, &pulse))
            .map_err(|error| StoreError::Unusable { cause: format!("no thread for the ledger: {error}") })?;
        let (queue, thread) = (Mutex::new(Some(queue)), Mutex::new(Some(thread)));
        Ok(Arc::new(Self { queue, thread, watched }))
    }

    /// Whether the file can be written.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        self.watched.health.look(&*self.watched.clock)
    }

    /// Reads something and waits for the answer, no longer than the deadline.
    ///
    /// # Errors
    /// Whatever the job says; [`StoreError::TimedOut`] when it is late.
    pub fn ask<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut Book) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = bounded(1);
        self.read_then(deadline, job, move |result| drop(tell.send(result)));
        match told.recv_timeout(deadline.remaining(Instant::now()).unwrap_or_default()) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(StoreError::TimedOut { outcome_unknown: false }),
            Err(RecvTimeoutError::Disconnected) => Err(StoreError::Internal { outcome_unknown: false }),
        }
    }

    /// Writes something; `answer` is called in any case, on the ledger's thread or on this one, and must be quick. A
    /// job that was not begun by its deadline is never begun.
    pub fn then<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut Book) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let watched = Arc::clone(&self.watched);
        self.read_then(deadline, move |book| watched.note(job(book)), answer);
    }

    /// Reads something; otherwise like [`Ledger::then`].
    pub fn read_then<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut Book) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let run: Job = Box::new(move |book: Result<&mut Book, StoreError>| answer(book.and_then(job)));
        let queue = lock(&self.queue).clone();
        let refused = match queue {
            None => Some((Task { deadline, run }, StoreError::Closed)),
            Some(queue) => match queue.try_send(Task { deadline, run }) {
                Ok(()) => None,
                Err(TrySendError::Full(task)) => Some((task, StoreError::Busy)),
                Err(TrySendError::Disconnected(task)) => Some((task, StoreError::Closed)),
            },
        };
        if let Some((task, error)) = refused {
            (task.run)(Err(error));
        }
    }

    /// Finishes what waits and closes the file.
    pub fn close(&self) {
        drop(lock(&self.queue).take());
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            log::error!("the ledger's thread had ended in a panic");
        }
    }
}

impl Watched {
    /// What a write says of the file's health.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Ok(_) => self.health.well(Area::Writing, self.clock.wall()),
            Err(error) if error.blames_the_database() => {
                self.health.fault(Area::Writing, &error.to_string(), self.clock.wall());
            }
            Err(_) => {}
        }
        result
    }
}

fn run(book: &mut Book, tasks: &Receiver<Task>, watched: &Watched, pulse: &Pulse) {
    let mut keeping = Keeping::new(watched.clock.now());
    loop {
        match tasks.recv_timeout(keeping.wait(BEAT)) {
            Ok(Task { deadline, run }) => {
                let late = deadline.remaining(Instant::now()).is_none();
                let book =
                    if late { Err(StoreError::TimedOut { outcome_unknown: false }) } else { Ok(&mut *book) };
                watched.health.call_began(watched.clock.now());
                contained("the ledger", || run(book));
                watched.health.call_ended();
            }
            Err(RecvTimeoutError::Timeout) if watched.health.has_fault(Area::Writing) => {
                // Nobody may write for a long time; whether it could be done is to be known all the same.
                let _ = watched.note(embedded::probe(&mut book.connection));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        contained("the ledger", || {
            if let Some(Err(error)) = keeping.turn(book, watched.clock.now()) {
                log::warn!("old rows of the ledger could not be cleared away: {error}");
                let _ = watched.note(Err::<(), _>(error));
            }
        });
        pulse.beat(Instant::now());
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ledger")
    }
}
