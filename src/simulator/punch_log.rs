//! The attendance log of a device: its bytes as they go over the wire, and nothing else.
//!
//! The bytes are shared with whoever reads them, and among devices that begin with the same log, until one of them
//! changes its own; half a million records take the room that a real device needs for them, once.

use std::sync::Arc;

use super::tables::write_size_word;
use crate::wire::record::punch::{Punch, PunchLayout, slots};

/// Records in the order in which they were made.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    layout: PunchLayout,
    /// The size word and the records.
    image: Arc<Vec<u8>>,
    /// The running number of the last record; sixteen bits of it are stored, and clearing starts it again.
    number: usize,
}

/// Bytes of the size word.
const WORD: usize = 4;

impl Log {
    pub(crate) fn new(layout: PunchLayout, punches: impl Iterator<Item = Punch>) -> Self {
        let mut image = vec![0; WORD];
        image.reserve(punches.size_hint().0.saturating_mul(layout.stride()));
        let mut number = 0;
        for punch in punches {
            number += 1;
            punch.emit(layout, stored(number), &mut image);
        }
        write_size_word(&mut image);
        Self { layout, image: Arc::new(image), number }
    }

    pub(crate) fn len(&self) -> usize {
        self.records().len() / self.layout.stride()
    }

    pub(crate) fn image(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.image)
    }

    /// The punches as a client should read them; a blank record is none.
    pub(crate) fn punches(&self) -> impl Iterator<Item = Punch> + '_ {
        slots(self.records(), self.layout).map(|(_, punch)| punch).filter(|punch| !punch.is_blank())
    }

    /// The last record, as it can be read.
    pub(crate) fn last(&self) -> Option<Punch> {
        let record = self.records().rchunks_exact(self.layout.stride()).next()?;
        Punch::parse(record, self.layout).ok()
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, punch: &Punch) {
        self.number += 1;
        let number = stored(self.number);
        let layout = self.layout;
        self.change(|image| punch.emit(layout, number, image));
    }

    /// The oldest records give way; the numbers of the others stay.
    pub(crate) fn drop_oldest(&mut self, records: usize) {
        let bytes = records.min(self.len()) * self.layout.stride();
        self.change(|image| drop(image.drain(WORD..WORD + bytes)));
    }

    pub(crate) fn clear(&mut self) {
        self.number = 0;
        self.change(|image| image.truncate(WORD));
    }

    /// Puts these bytes in the place of a record's first ones, counted from 0; `false` when there is no such record.
    pub(crate) fn damage(&mut self, index: usize, bytes: &[u8]) -> bool {
        let there = index < self.len();
        if there {
            let stride = self.layout.stride();
            let at = WORD + index * stride;
            self.change(|image| {
                for (to, from) in image.iter_mut().skip(at).take(stride).zip(bytes) {
                    *to = *from;
                }
            });
        }
        there
    }

    fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        let image = Arc::make_mut(&mut self.image);
        change(image);
        write_size_word(image);
    }

    fn records(&self) -> &[u8] {
        self.image.get(WORD..).unwrap_or_default()
    }
}

/// A running number as it is stored: it starts again after sixteen bits.
const fn stored(number: usize) -> u16 {
    (number & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::clock_word::ClockWord;
    use crate::wire::record::UserId;

    fn punch(number: u32) -> Punch {
        Punch {
            user_id: UserId::from_number(number),
            uid: None,
            time: ClockWord(852_883_200 + number),
            punch_state: 0,
            verify_mode: 1,
            work_code: 0,
        }
    }

    fn log(punches: u32) -> Log {
        Log::new(PunchLayout::TEXT, (1..=punches).map(punch))
    }

    #[test]
    fn an_appended_record_gives_the_same_image_as_a_new_log_and_leaves_snapshots_alone() {
        let mut grown = log(1);
        let before = grown.image();
        grown.push(&punch(2));
        assert_eq!(grown.image(), log(2).image());
        assert_eq!(before.len(), 44);
        assert_eq!(grown.last(), Some(punch(2)));
        grown.clear();
        assert_eq!((grown.image().to_vec(), grown.last(), grown.len()), (vec![0; 4], None, 0));
    }

    #[test]
    fn the_oldest_give_way_and_the_numbers_run_on() {
        let mut full = log(5);
        full.drop_oldest(2);
        full.push(&punch(6));
        assert!(full.punches().eq((3..=6).map(punch)));
        assert_eq!(full.image()[..4], 160u32.to_le_bytes());
        let numbers = full.image()[4..].chunks(40).map(|record| record[0]).collect::<Vec<_>>();
        assert_eq!(numbers, [3, 4, 5, 6]);
        full.drop_oldest(99);
        assert_eq!(full.len(), 0);
    }

    #[test]
    fn a_damaged_record_is_as_it_was_made_and_the_others_are_whole() {
        let mut log = log(3);
        assert!(log.damage(1, &[0; 99]) && !log.damage(3, &[0; 40]));
        assert_eq!((log.len(), log.punches().collect::<Vec<_>>()), (3, vec![punch(1), punch(3)]));
    }
}
