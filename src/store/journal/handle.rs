//! The journal as everyone else sees it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::backend::Backend;
use super::cursor::{Cursor, Gap};
use super::feed::Feed;
use super::lane::Lane;
use super::placing::{LiveRecord, LogBatch, LogOutcome};
use super::quarantine::Quarantined;
use super::query::{Page, PageQuery};
use super::retrial;
use super::row::Record;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::ids::DeviceId;
use crate::base::liveness::Liveness;
use crate::base::secret::Secret;
use crate::store::error::StoreError;
use crate::store::health::{Area, Condition, Health, StoreHealth, StoreKind};

/// Where the journal is kept.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The directory of the embedded database.
    pub state_dir: PathBuf,
    /// A PostgreSQL database (its schema `zkgate`), or `None` for `journal.db` in the state directory.
    pub postgres: Option<Secret<String>>,
    /// How many requests may wait for each of its threads, 1 to 1024. Default 256.
    pub queue: usize,
}

/// The journal; share it in its [`Arc`].
pub struct Journal {
    writer: Arc<Lane>,
    reader: Arc<Lane>,
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
}

impl Journal {
    /// Opens the journal and starts its threads. The embedded database is brought up to date before this returns;
    /// PostgreSQL is not waited for.
    ///
    /// # Errors
    /// [`StoreError::Settings`] when the settings cannot work, and whatever is wrong with the embedded database.
    pub fn open(
        settings: &JournalSettings,
        clock: Arc<dyn Clock>,
        liveness: &Liveness,
    ) -> Result<Arc<Self>, StoreError> {
        let parts = match &settings.postgres {
            None => super::sqlite::open(&settings.state_dir.join("journal.db"))?,
            Some(url) => super::postgres::open(url)?,
        };
        let Opened { kind, place, writer, mut reader } = parts;
        let feed = Arc::new(Feed::new());
        let capacity = settings.queue.clamp(1, 1024);
        let lane = |name, area| {
            let health = Health::new(kind, place.clone(), clock.wall());
            if kind == StoreKind::Sqlite {
                health.set_loaded();
            }
            Arc::new(Lane::new(name, area, Arc::clone(&clock), capacity, health))
        };
        if kind == StoreKind::Sqlite {
            feed.publish(Vec::new(), reader.head()?);
        }
        let journal = Self {
            writer: lane("journal-write", Area::Writing),
            reader: lane("journal-read", Area::Reading),
            feed,
            clock: Arc::clone(&clock),
        };
        let failed = |error: std::io::Error| StoreError::Unusable { cause: error.to_string() };
        let feed = &journal.feed;
        journal.writer.start(writer, Arc::clone(feed), |_| Ok(None), liveness).map_err(failed)?;
        // Others may write to PostgreSQL too.
        let look: fn(&mut dyn Backend) -> _ = match kind {
            StoreKind::Sqlite => |_| Ok(None),
            _ => |backend| backend.head().map(Some),
        };
        journal.reader.start(reader, Arc::clone(feed), look, liveness).map_err(failed)?;
        Ok(Arc::new(journal))
    }

    /// How far the journal goes, its newest rows, and who waits for more.
    #[must_use]
    pub const fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Places consecutive records of a log. The answer comes from the journal's thread, once it is kept.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Closed`]; `answer` is dropped then. It is also dropped when the
    /// deadline passed before the database was asked.
    pub fn place_log(
        &self,
        batch: LogBatch,
        deadline: Deadline,
        answer: impl FnOnce(Result<LogOutcome, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let feed = Arc::clone(&self.feed);
        let place = move |backend: &mut dyn Backend| {
            let mut outcome = backend.place_log(&batch)?;
            if let LogOutcome::Placed(placed) = &mut outcome {
                feed.publish(std::mem::take(&mut placed.rows), 0);
            }
            Ok(outcome)
        };
        self.writer.ask_then(deadline, place, answer)
    }

    /// Places live events as soon as the database takes them; never waits. Gives how many found no room: the logs
    /// of their devices have them.
    #[must_use]
    pub fn place_live(&self, events: Vec<LiveRecord>) -> u64 {
        self.writer.lay(events)
    }

    /// The terminals of which live events wait in quarantine for their log, since the last call.
    #[must_use]
    pub fn take_conflicts(&self) -> BTreeSet<String> {
        self.writer.take_conflicts()
    }

    /// Has another version look at what waits in quarantine: what `decode` understands is placed, the rest notes
    /// the version. It goes on in the background.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Closed`].
    pub fn retry_quarantine(
        &self,
        version: &'static str,
        decode: impl Fn(&Quarantined) -> Option<Record> + Send + 'static,
        now: i64,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let feed = Arc::clone(&self.feed);
        let look = move |backend: &mut dyn Backend| retrial::look_through(backend, version, &decode, now);
        self.writer.ask_then(deadline, look, move |result| match result {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => {
                log::info!("{} punches came out of quarantine", rows.len());
                feed.publish(rows, 0);
            }
            Err(error) => log::debug!("the quarantine was not looked through: {error}"),
        })
    }

    /// The cursor of a terminal.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cursor(&self, serial_number: &str, deadline: Deadline) -> Result<Option<Cursor>, StoreError> {
        let serial_number = serial_number.to_owned();
        self.reader.ask(deadline, move |backend| backend.cursor(&serial_number))
    }

    /// One page of rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn page(&self, query: PageQuery, deadline: Deadline) -> Result<Page, StoreError> {
        self.reader.ask(deadline, move |backend| backend.page(&query))
    }

    /// The gaps of a device, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn gaps(&self, device: &DeviceId, deadline: Deadline) -> Result<Vec<Gap>, StoreError> {
        let device = device.clone();
        self.reader.ask(deadline, move |backend| backend.gaps(&device))
    }

    /// Reads something, waiting for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reader.ask(deadline, job)
    }

    /// Reads something; the answer comes from the journal's thread and must be quick. It is dropped uncalled when
    /// the deadline passed before the database was asked.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Closed`]; `answer` is dropped then.
    pub fn read_then<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.reader.ask_then(deadline, job, answer)
    }

    /// Changes something, waiting for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.ask(deadline, job)
    }

    /// Changes something; otherwise like [`Journal::read_then`].
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Closed`]; `answer` is dropped then.
    pub fn write_then<T: Send + 'static>(
        &self,
        deadline: Deadline,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer.ask_then(deadline, job, answer)
    }

    /// How the journal is. Never waits.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        let writing = self.writer.health.look(&*self.clock);
        if writing.condition == Condition::Good { self.reader.health.look(&*self.clock) } else { writing }
    }

    /// Whether it takes rows, as far as is known: nothing went wrong the last time, and no change takes too long. Never
    /// waits.
    #[must_use]
    pub fn takes_rows(&self) -> bool {
        self.writer.health.is_well(self.clock.now())
    }

    /// How many requests wait for its threads, and how many live events.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let (writing, live) = self.writer.waiting();
        (writing + self.reader.waiting().0, live)
    }

    /// Takes nothing more, keeps the live events that wait, and ends.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] when that was not over by the deadline.
    pub fn close(&self, deadline: Deadline) -> Result<(), StoreError> {
        self.writer.close();
        self.reader.close();
        self.feed.close();
        let ended = self.writer.wait_end(deadline) && self.reader.wait_end(deadline);
        if ended { Ok(()) } else { Err(StoreError::TimedOut { outcome_unknown: true }) }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
        self.feed.close();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({:?})", self.feed)
    }
}

/// A journal's database, opened twice.
pub(super) struct Opened {
    pub(super) kind: StoreKind,
    /// Which one, without any secret.
    pub(super) place: String,
    pub(super) writer: Box<dyn Backend>,
    pub(super) reader: Box<dyn Backend>,
}
