//! The records of a device's log, wherever they are: in the device's transfer buffer, read piece by piece, or in
//! memory, where the device hands out its log as a whole or not at all.

use std::ops::Range;

use crate::base::deadline::Deadline;
use crate::device::log::{LogBuffer, OpenLog};
use crate::device::{DeviceError, Fault, Reached, Session};
use crate::dialog::Phase;
use crate::wire::clock_word::ClockWord;
use crate::wire::record::punch::PunchLayout;
use crate::wire::record::sampled::Sampled;
use crate::wire::record::stride::punch_layout_of;
use crate::wire::record::table::{PunchTable, TableError};

/// A log that was opened.
pub(super) struct Body {
    place: Place,
    /// The records' layout, once it is known.
    layout: Option<PunchLayout>,
    /// Bytes that came from the device.
    pub(super) fetched: u64,
}

enum Place {
    Memory(PunchTable),
    Device {
        buffer: LogBuffer,
        /// The beginning of the records, where it was read to find out their layout.
        head: Vec<u8>,
    },
}

/// The size word in front of the records.
const WORD: u32 = 4;

/// What is known of a log before it is opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreknown {
    /// What the device counts.
    pub(super) count: Option<u32>,
    /// Whether the device's count does not tell if it has records.
    pub(super) uncounted: bool,
    /// How long its records were; 0 when that is not known.
    pub(super) stride: u16,
    /// The latest time that a record can believably show.
    pub(super) latest: ClockWord,
}

impl Foreknown {
    /// How many records there should be in so many bytes, all of which came: as many as fit if they are as long as
    /// they were, which is worth more than a count that may have changed meanwhile.
    fn records_in(&self, bytes: usize) -> Option<u32> {
        let fitting =
            bytes.checked_div(self.stride.into()).filter(|_| bytes.is_multiple_of(self.stride.into()));
        fitting.map_or(self.count, |fitting| u32::try_from(fitting).ok())
    }

    /// Takes a log that came as a whole.
    fn parse(&self, data: Vec<u8>) -> Result<PunchTable, DeviceError> {
        let count = match data.split_first_chunk::<4>() {
            Some((word, records)) if usize::try_from(u32::from_le_bytes(*word)) == Ok(records.len()) => {
                self.records_in(records.len())
            }
            // Only the count says which of the two is right.
            _ => self.count,
        };
        PunchTable::parse(data, count, self.latest).map_err(unbelievable)
    }
}

impl Body {
    /// Opens the log.
    pub(super) fn open(
        session: &mut Session,
        known: &Foreknown,
        deadline: Deadline,
    ) -> Result<Self, DeviceError> {
        let opened = match known.uncounted {
            false => session.open_log(known.count, deadline)?,
            true => session.open_uncounted_log(known.count, deadline)?,
        };
        let (place, layout, fetched) = match opened {
            OpenLog::Empty => (Place::Memory(PunchTable::default()), None, 0),
            OpenLog::Whole(data) => {
                let fetched = data.len() as u64;
                let table = known.parse(data)?;
                let layout = table.layout();
                (Place::Memory(table), layout, fetched)
            }
            OpenLog::Prepared(buffer) => (Place::Device { buffer, head: Vec::new() }, None, 0),
        };
        Ok(Self { place, layout, fetched })
    }

    /// Bytes of records.
    pub(super) fn length(&self) -> u64 {
        match &self.place {
            Place::Memory(table) => table.records().len() as u64,
            Place::Device { buffer, .. } => u64::from(buffer.size().saturating_sub(WORD)),
        }
    }

    /// Whether all of it has been read from the device.
    pub(super) const fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// The records' layout, if it is known.
    pub(super) const fn layout(&self) -> Option<PunchLayout> {
        self.layout
    }

    /// Takes the layout from an earlier read; whether records of that length can fill the log.
    pub(super) fn assume(&mut self, stride: u16) -> bool {
        let layout = PunchLayout::for_stride(stride.into());
        let fits = layout.is_some_and(|layout| self.length().is_multiple_of(layout.stride() as u64));
        match &self.place {
            Place::Memory(_) => self.length() == 0 || self.layout == layout,
            Place::Device { .. } if fits => {
                self.layout = layout;
                true
            }
            Place::Device { .. } => false,
        }
    }

    /// Finds out the layout from both ends of the log. A log whose size word contradicts its size is fetched as a
    /// whole, for everything in it to be weighed.
    pub(super) fn find_layout(
        &mut self,
        session: &mut Session,
        known: &Foreknown,
        deadline: Deadline,
    ) -> Result<(), DeviceError> {
        let Place::Device { buffer, head } = &mut self.place else { return Ok(()) };
        let size = buffer.size();
        let first = size.min(buffer.chunk_limit());
        let mut beginning = buffer.read(session, 0, first, deadline)?;
        self.fetched += u64::from(first);
        let word = beginning.split_first_chunk::<4>().map(|(word, _)| u32::from_le_bytes(*word));
        if word != Some(size.saturating_sub(WORD)) {
            let mut data = beginning;
            while let Some(rest) = size.checked_sub(data.len() as u32).filter(|rest| *rest > 0) {
                let piece = rest.min(buffer.chunk_limit());
                data.extend(buffer.read(session, size - rest, piece, deadline)?);
                self.fetched += u64::from(piece);
            }
            let table = known.parse(data)?;
            self.layout = table.layout();
            if let Place::Device { buffer, .. } = std::mem::replace(&mut self.place, Place::Memory(table)) {
                buffer.release(session, deadline)?;
            }
            return Ok(());
        }
        beginning.drain(..WORD as usize);
        let rest = size - first;
        let last = rest.min(buffer.chunk_limit());
        let end = if last > 0 { buffer.read(session, size - last, last, deadline)? } else { Vec::new() };
        self.fetched += u64::from(last);
        let total = u64::from(size - WORD) as usize;
        let tail = if last > 0 { &end } else { &beginning };
        let sampled = Sampled::ends(total, &beginning, tail);
        let count = known.records_in(total);
        let layout =
            punch_layout_of(sampled, count, known.latest).map_err(|error| unbelievable(error.into()))?;
        self.layout = Some(layout);
        *head = beginning;
        Ok(())
    }

    /// How many records there are, once their layout is known.
    pub(super) fn slots(&self) -> u64 {
        self.layout.map_or(0, |layout| self.length() / layout.stride() as u64)
    }

    /// Whole records from this one on: as many as one piece takes, at least one of those that there are.
    pub(super) fn read(
        &mut self,
        session: &mut Session,
        slots: Range<u64>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, DeviceError> {
        let stride = self.layout.map_or(1, PunchLayout::stride) as u64;
        let (start, wanted) = (slots.start * stride, (slots.end - slots.start) * stride);
        let held = |bytes: &[u8]| {
            let start = usize::try_from(start).ok()?;
            let there = bytes.get(start..)?;
            let most = there.len().min(usize::try_from(wanted).ok()?);
            let whole = most - most % stride as usize;
            (whole > 0).then(|| there.get(..whole).unwrap_or_default().to_vec())
        };
        match &mut self.place {
            Place::Memory(table) => Ok(held(table.records()).unwrap_or_default()),
            Place::Device { buffer, head } => {
                if let Some(bytes) = held(head) {
                    return Ok(bytes);
                }
                let most = u64::from(buffer.chunk_limit()).min(wanted);
                let whole = u32::try_from(most - most % stride).unwrap_or(0);
                let offset = u32::try_from(start).unwrap_or(u32::MAX).saturating_add(WORD);
                self.fetched += u64::from(whole);
                buffer.read(session, offset, whole, deadline)
            }
        }
    }

    /// Gives the device its transfer buffer back.
    pub(super) fn release(self, session: &mut Session, deadline: Deadline) -> Result<(), DeviceError> {
        match self.place {
            Place::Memory(_) => Ok(()),
            Place::Device { buffer, .. } => buffer.release(session, deadline),
        }
    }
}

fn unbelievable(error: TableError) -> DeviceError {
    DeviceError { fault: Fault::Table(error), phase: Phase::Transfer, reached: Reached::Yes }
}
