//! The tables of a device: rows, and the image of all rows as it goes over the wire.
//!
//! Invariant: an image that exists is the image of the rows. It is built once per change and shared after that;
//! a thousand devices with the same rows share rows and image until one of them changes its own.

use std::sync::{Arc, OnceLock};

use crate::wire::clock_word::ClockWord;
use crate::wire::record::user::{User, UserLayout};

/// A row that can be written into an image.
pub(crate) trait Row: Clone {
    type Layout: Copy;
    /// Appends the row.
    fn emit(&self, layout: Self::Layout, out: &mut Vec<u8>);
}

/// Rows of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Table<R: Row> {
    layout: R::Layout,
    rows: Vec<R>,
    image: OnceLock<Arc<Vec<u8>>>,
}

impl<R: Row> Table<R> {
    pub(crate) fn new(layout: R::Layout, rows: Vec<R>) -> Self {
        Self { layout, rows, image: OnceLock::new() }
    }

    pub(crate) fn rows(&self) -> &[R] {
        &self.rows
    }

    /// The rows, to be changed; the image is forgotten.
    pub(crate) fn rows_mut(&mut self) -> &mut Vec<R> {
        self.image.take();
        &mut self.rows
    }

    /// Appends a row, to the image too if there is one.
    pub(crate) fn push(&mut self, row: R) {
        if let Some(mut image) = self.image.take() {
            let bytes = Arc::make_mut(&mut image);
            row.emit(self.layout, bytes);
            write_size_word(bytes);
            // The cell was emptied two lines above.
            let _ = self.image.set(image);
        }
        self.rows.push(row);
    }

    /// The leading size word and all rows.
    pub(crate) fn image(&self) -> Arc<Vec<u8>> {
        Arc::clone(self.image.get_or_init(|| Arc::new(self.build())))
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        for (row, before) in self.rows.iter().zip(0..) {
            if before == 1 {
                bytes.reserve((bytes.len() - 4) * (self.rows.len() - 1));
            }
            row.emit(self.layout, &mut bytes);
        }
        write_size_word(&mut bytes);
        bytes
    }
}

/// Puts the number of bytes behind the first four into the first four.
pub(crate) fn write_size_word(image: &mut [u8]) {
    let size = u32::try_from(image.len().saturating_sub(4)).unwrap_or(u32::MAX);
    for (to, from) in image.iter_mut().zip(size.to_le_bytes()) {
        *to = from;
    }
}

/// A user, with whatever a client wrote into the bytes that mean nothing.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    user: User,
    /// The record, where it is not the one that the user alone would give.
    record: Option<Box<[u8]>>,
}

impl Person {
    /// The user as a table of this layout holds it.
    pub(crate) fn of(user: &User, layout: UserLayout) -> Self {
        let mut record = Vec::with_capacity(layout.stride());
        user.emit(layout, &mut record);
        Self::read(&record, layout).unwrap_or_else(|| Self { user: user.clone(), record: None })
    }

    /// Takes a record of exactly the length that the layout has.
    pub(crate) fn read(record: &[u8], layout: UserLayout) -> Option<Self> {
        let user = User::parse(record, layout).ok().filter(|_| record.len() == layout.stride())?;
        let mut plain = Vec::with_capacity(record.len());
        user.emit(layout, &mut plain);
        let record = (plain != record).then(|| record.into());
        Some(Self { user, record })
    }

    /// Changes the user, and of the record only what belongs to the change: these bytes.
    pub(crate) fn change(&mut self, layout: UserLayout, at: usize, new: &[u8]) {
        let mut record = Vec::with_capacity(layout.stride());
        self.emit(layout, &mut record);
        for (to, from) in record.iter_mut().skip(at).zip(new) {
            *to = *from;
        }
        if let Some(changed) = Self::read(&record, layout) {
            *self = changed;
        }
    }
}

impl std::ops::Deref for Person {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Row for Person {
    type Layout = UserLayout;

    fn emit(&self, layout: UserLayout, out: &mut Vec<u8>) {
        match &self.record {
            Some(record) => out.extend_from_slice(record),
            None => self.user.emit(layout, out),
        }
    }
}

/// A fingerprint template; its bytes mean nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) uid: u16,
    /// 0 to 9.
    pub(crate) finger: u8,
    /// 1 valid, 3 duress.
    pub(crate) flag: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Template {
    /// The most bytes in one, so that an entry with its head still counts in sixteen bits.
    pub(crate) const CEILING: usize = 65_529;
}

impl Row for Template {
    type Layout = ();

    fn emit(&self, (): (), out: &mut Vec<u8>) {
        let size = u16::try_from(self.bytes.len() + 6).unwrap_or(u16::MAX);
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&[self.finger, self.flag]);
        out.extend_from_slice(&self.bytes);
    }
}

/// One entry of the operation log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) code: u8,
    pub(crate) time: ClockWord,
}

impl Operation {
    pub(crate) const POWER_ON: u8 = 0;
    pub(crate) const CLEAR_DATA: u8 = 13;
    pub(crate) const SET_TIME: u8 = 21;
    pub(crate) const CLEAR_LOG: u8 = 23;
    pub(crate) const UNLOCK: u8 = 29;
}

impl Row for Operation {
    type Layout = ();

    fn emit(&self, (): (), out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, self.code, 0]);
        out.extend_from_slice(&self.time.0.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(code: u8) -> Operation {
        Operation { code, time: ClockWord(852_883_200) }
    }

    #[test]
    fn an_appended_row_gives_the_same_image_as_a_new_build() {
        let mut grown = Table::new((), vec![operation(1)]);
        let before = grown.image();
        grown.push(operation(2));
        assert_eq!(grown.image(), Table::new((), vec![operation(1), operation(2)]).image());
        assert_eq!(before.len(), 20, "a snapshot taken before stays as it was");
    }

    #[test]
    fn an_image_is_built_once_and_forgotten_with_a_change() {
        let mut table = Table::new((), vec![operation(1)]);
        assert!(Arc::ptr_eq(&table.image(), &table.image()));
        table.rows_mut().clear();
        assert_eq!(*table.image(), [0; 4]);
    }
}
