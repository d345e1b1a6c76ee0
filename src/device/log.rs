//! Reading the attendance log in pieces: it is prepared once, then any bytes of it are read, with other commands
//! in between if need be, and at last it is given back.
//!
//! What was prepared is a snapshot. A buffer that was lost in the meantime is an error and never prepared anew in
//! silence, because the next snapshot may be another one. What the bytes mean is left to whoever reads them.

use std::sync::Arc;
use std::time::Instant;

use super::error::{DeviceError, Fault, Reached};
use super::punches::cut_off;
use super::session::Session;
use crate::base::deadline::Deadline;
use crate::dialog::bulk_read::{self, Buffer, BulkRead, Method};
use crate::dialog::{Phase, Request};
use crate::wire::bulk::{Chunk, Table};
use crate::wire::clock_word::ClockWord;
use crate::wire::command::Command;
use crate::wire::record::stride::punch_layout;
use crate::wire::record::table::TableError;

/// The attendance log as a device offers it.
#[derive(Debug)]
#[must_use = "a prepared log takes up the device's memory until it is released"]
pub enum OpenLog {
    /// There are no records.
    Empty,
    /// It came at once: the size word and the records.
    Whole(Vec<u8>),
    /// It stands in the device's transfer buffer.
    Prepared(LogBuffer),
}

/// An attendance log in a device's transfer buffer. It belongs to the session that opened it and does not borrow
/// it, so that other commands can be said in between.
#[derive(Debug)]
#[must_use = "the device's memory is taken up until it is released"]
pub struct LogBuffer {
    size: u32,
    chunk_limit: u32,
    /// The session's, as long as nothing else was prepared since; `None` once the device has been given it back.
    tenancy: Option<Tenancy>,
}

/// Whose table stands in a transfer buffer. With each table that is prepared a new one begins, so that whoever
/// holds an old one is told, and does not read bytes of another table.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenancy(Arc<()>);

impl Session {
    /// Opens the attendance log. `count` is how many records the device counts in it.
    ///
    /// # Errors
    /// [`DeviceError`]; no records in spite of a count above 0 is an error too.
    pub fn open_log(&mut self, count: Option<u32>, deadline: Deadline) -> Result<OpenLog, DeviceError> {
        self.open(count, false, deadline)
    }

    /// The same where the device's count tells nothing: many a device says "error" for an empty log, so that is
    /// believed only when the direct form gets no records either.
    ///
    /// # Errors
    /// [`DeviceError`], as [`Session::open_log`].
    pub fn open_uncounted_log(
        &mut self,
        count: Option<u32>,
        deadline: Deadline,
    ) -> Result<OpenLog, DeviceError> {
        self.open(count, true, deadline)
    }

    fn open(
        &mut self,
        count: Option<u32>,
        uncounted: bool,
        deadline: Deadline,
    ) -> Result<OpenLog, DeviceError> {
        let mut read = BulkRead::new(Table::ATTENDANCE, self.method, count, self.manners(), Instant::now())
            .stopping_when_prepared();
        if uncounted {
            read = read.doubting_emptiness();
        }
        let bulk = self.bulk(read, deadline)?;
        if let Buffer::Holds(size) = bulk.buffer {
            self.method = bulk.method;
            let mut buffer = LogBuffer::of(self, size);
            if has_records(size) {
                return Ok(OpenLog::Prepared(buffer));
            }
            // A size word at most: it is worth a look before the log is called empty.
            let word = buffer.read(self, 0, size, deadline)?;
            buffer.release(self, deadline)?;
            return whole(word, count);
        }
        // Only a method that yielded something believable is worth remembering: in the direct form some firmware
        // delivers stale memory.
        let believable = |data: &[u8]| {
            let records = data.get(4..).unwrap_or_default();
            !records.is_empty() && punch_layout(records, count, ClockWord::MAX).is_ok()
        };
        let fell_back = self.method == Method::Buffered && bulk.method == Method::Direct;
        let is_known = bulk.method == Method::Buffered || bulk.nothing.is_some() || believable(&bulk.data);
        if is_known {
            self.method = bulk.method;
        } else if uncounted && fell_back {
            // The buffered form said that there is nothing, and the direct one is no witness against it.
            return whole(Vec::new(), count);
        }
        whole(bulk.data, count)
    }
}

impl Session {
    /// Deletes all records of the attendance log: said once. There is no way to delete some of them, and none to
    /// get them back.
    ///
    /// # Errors
    /// [`DeviceError`]; if it reached the device perhaps, only a look at the log tells whether it was cleared.
    pub fn clear_punches(&mut self, deadline: Deadline) -> Result<(), DeviceError> {
        self.effect(Request::bare(Command::CLEAR_ATTLOG), deadline)?;
        self.refresh(deadline);
        Ok(())
    }
}

impl LogBuffer {
    /// What the session has just had prepared.
    fn of(session: &Session, size: u32) -> Self {
        let chunk_limit = bulk_read::chunk_limit(session.carrier());
        Self { size, chunk_limit, tenancy: Some(session.tenancy.clone()) }
    }

    /// How long the log is, its size word included, in bytes.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The most bytes that the device is asked for at once. Longer reads take several requests; reads of at most
    /// this length let others have the device soonest. Over datagrams it becomes smaller when some get lost.
    #[must_use]
    pub const fn chunk_limit(&self) -> u32 {
        self.chunk_limit
    }

    /// Exactly the `length` bytes from `start` on.
    ///
    /// # Errors
    /// [`DeviceError`]; afterwards the buffer is given back if the session survived, and every further read fails.
    /// Bytes that there are not cost nothing but the error.
    pub fn read(
        &mut self,
        session: &mut Session,
        start: u32,
        length: u32,
        deadline: Deadline,
    ) -> Result<Vec<u8>, DeviceError> {
        let failed = |fault| DeviceError { fault, phase: Phase::Transfer, reached: Reached::No };
        if !self.stands_in(session) {
            return Err(failed(Fault::BufferGone));
        }
        if start.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(failed(Fault::BeyondLog { start, length, size: self.size }));
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        let part = Chunk { start, size: length };
        let manners = session.manners();
        let read = BulkRead::part(Table::ATTENDANCE, part, self.chunk_limit, manners, Instant::now());
        match session.link.converse_in_part(read, deadline) {
            Ok((bulk, read)) => {
                self.chunk_limit = read.chunk_limit();
                Ok(bulk.data)
            }
            Err((error, read)) => {
                self.tenancy = None;
                Err(cut_off(error, read.progress()))
            }
        }
    }

    /// Gives the buffer back, unless it is gone already.
    ///
    /// # Errors
    /// [`DeviceError`]; the session should not be used again then.
    pub fn release(self, session: &mut Session, deadline: Deadline) -> Result<(), DeviceError> {
        if !self.stands_in(session) {
            return Ok(());
        }
        session.tenancy = Tenancy::default();
        // Any answer at all will do: there is nothing left to be done about it.
        session.ask_in(Phase::Release, Request::bare(Command::FREE_DATA), deadline).map(drop)
    }

    fn stands_in(&self, session: &Session) -> bool {
        self.tenancy.as_ref().is_some_and(|tenancy| Arc::ptr_eq(&tenancy.0, &session.tenancy.0))
    }
}

impl Session {
    /// Reads a whole table, and calls `pause` between its pieces with the bytes that are there and those that will
    /// be, so that a door need not wait for it. What is done in a pause must leave the transfer buffer alone;
    /// otherwise the read ends with an error.
    pub(super) fn table_in_pieces<T, E: Into<Fault>>(
        &mut self,
        table: Table,
        count: Option<u32>,
        pause: &mut dyn FnMut(&mut Self, u32, u32) -> Result<(), DeviceError>,
        deadline: Deadline,
        parse: impl FnOnce(Vec<u8>, Option<u32>) -> Result<T, E>,
    ) -> Result<T, DeviceError> {
        let read = BulkRead::new(table, self.method, count, self.manners(), Instant::now());
        let bulk = self.bulk(read.stopping_when_prepared(), deadline)?;
        let (method, mut data) = (bulk.method, bulk.data);
        if let Buffer::Holds(size) = bulk.buffer {
            let mut buffer = LogBuffer::of(self, size);
            let mut start = 0;
            // What a device announces is bounded before it comes here.
            data.reserve(usize::try_from(size).unwrap_or_default());
            while start < size {
                let length = buffer.chunk_limit.min(size - start);
                data.extend(buffer.read(self, start, length, deadline)?);
                start += length;
                if let Err(error) = pause(self, start, size) {
                    if error.keeps_session() {
                        buffer.release(self, deadline)?;
                    }
                    return Err(error);
                }
            }
            buffer.release(self, deadline)?;
        }
        self.believe(parse(data, count), method)
    }
}

/// Whether a log of this many bytes is more than its size word.
const fn has_records(size: u32) -> bool {
    size > 4
}

/// What came at once, and whether that is anything.
fn whole(data: Vec<u8>, count: Option<u32>) -> Result<OpenLog, DeviceError> {
    let announced = data.first_chunk::<4>().map(|word| u32::from_le_bytes(*word));
    let received = data.len().saturating_sub(4);
    let error = match (announced, count) {
        (Some(0), Some(count @ 1..)) if received == 0 => TableError::Missing { count },
        (None, Some(count @ 1..)) if data.is_empty() => TableError::Missing { count },
        (Some(0), _) if received == 0 => return Ok(OpenLog::Empty),
        (None, _) if data.is_empty() => return Ok(OpenLog::Empty),
        (None, _) => TableError::Incomplete { announced: 0, received: data.len(), count },
        (Some(announced), _) if received == 0 => TableError::Incomplete { announced, received, count },
        _ => return Ok(OpenLog::Whole(data)),
    };
    Err(DeviceError { fault: error.into(), phase: Phase::Transfer, reached: Reached::Yes })
}
