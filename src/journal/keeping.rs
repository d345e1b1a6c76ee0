//! Batches on their way into the journal: one is being kept while the next is read from the device.
//!
//! Waiting for the database goes on in short pieces, so that whoever wants the device in the meantime is served.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::device::DeviceError;
use crate::store::StoreError;
use crate::store::journal::placing::LogOutcome;
use crate::store::journal::{Cursor, Journal, LogBatch};

/// Why nothing more was kept.
#[derive(Debug)]
pub(super) enum Stop {
    /// The device failed.
    Device(DeviceError),
    /// The journal failed.
    Store(StoreError),
    /// Somebody else has moved the cursor: the read begins anew from there.
    Outdated,
}

impl Stop {
    /// Whether the session is of no use any more.
    pub(super) fn breaks_session(&self) -> bool {
        matches!(self, Self::Device(error) if !error.keeps_session())
    }
}

impl From<DeviceError> for Stop {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// The way into the journal for one read.
pub(super) struct Keeping {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    under_way: Option<Receiver<Result<LogOutcome, StoreError>>>,
    /// The cursor as it was last kept.
    pub(super) cursor: Cursor,
    /// New rows.
    pub(super) added: u64,
    /// Rows of live events that were completed.
    pub(super) completed: u64,
}

/// For how long one batch may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the device's other callers wait at most.
const PIECE: Duration = Duration::from_millis(25);

impl Keeping {
    pub(super) fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>, cursor: Cursor) -> Self {
        Self { journal, clock, under_way: None, cursor, added: 0, completed: 0 }
    }

    /// Sends a batch once the one before it is kept. `batch` is handed the cursor as it is then.
    pub(super) fn send(
        &mut self,
        batch: impl FnOnce(&Cursor) -> LogBatch,
        pause: &mut dyn FnMut() -> Result<(), DeviceError>,
    ) -> Result<(), Stop> {
        self.wait(pause)?;
        let batch = batch(&self.cursor);
        let (tell, told) = bounded(1);
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let answer = move |result| drop(tell.send(result));
        self.journal.place_log(batch, deadline, answer).map_err(Stop::Store)?;
        self.under_way = Some(told);
        Ok(())
    }

    /// Waits until everything that was sent is kept.
    pub(super) fn wait(&mut self, pause: &mut dyn FnMut() -> Result<(), DeviceError>) -> Result<(), Stop> {
        let Some(told) = self.under_way.take() else { return Ok(()) };
        let deadline = Deadline::after(self.clock.now(), PATIENCE);
        let result = loop {
            match told.recv_timeout(PIECE) {
                Ok(result) => break result,
                Err(RecvTimeoutError::Disconnected) => {
                    break Err(StoreError::TimedOut { outcome_unknown: false });
                }
                Err(RecvTimeoutError::Timeout) if deadline.passed(self.clock.now()) => {
                    break Err(StoreError::TimedOut { outcome_unknown: true });
                }
                Err(RecvTimeoutError::Timeout) if !self.journal.takes_rows() => {
                    // The device is not held up by a database that has stopped.
                    break Err(StoreError::TimedOut { outcome_unknown: true });
                }
                Err(RecvTimeoutError::Timeout) => pause()?,
            }
        };
        match result {
            Ok(LogOutcome::Placed(placed)) => {
                self.cursor = placed.cursor;
                self.added += placed.added;
                self.completed += placed.completed;
                Ok(())
            }
            Ok(LogOutcome::Outdated) => Err(Stop::Outdated),
            Err(error) => Err(Stop::Store(error)),
        }
    }
}
