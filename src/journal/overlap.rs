//! The end of what is known of a log, by which its continuation is recognised.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

/// The bytes of the last records that were read.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    records: VecDeque<Vec<u8>>,
}

/// How many records are remembered: enough that two logs do not end alike by chance, few enough to be cheap.
pub(super) const OVERLAP: usize = 64;

impl Overlap {
    /// Takes the next record.
    pub(super) fn push(&mut self, record: &[u8]) {
        // The oldest one's memory serves the newest.
        let mut slot = if self.records.len() == OVERLAP { self.records.pop_front() } else { None };
        let slot = slot.get_or_insert_with(Vec::new);
        slot.clear();
        slot.extend_from_slice(record);
        self.records.push_back(std::mem::take(slot));
    }

    /// How many records are remembered, and the digest of their bytes.
    pub(super) fn digest(&self) -> (u32, Vec<u8>) {
        let mut hash = Sha256::new();
        for record in &self.records {
            hash.update(record);
        }
        (self.records.len() as u32, hash.finalize().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_records_count_and_their_order_does() {
        let of = |records: &[u32]| {
            let mut overlap = Overlap::default();
            records.iter().for_each(|record| overlap.push(&record.to_le_bytes()));
            overlap.digest()
        };
        let many: Vec<u32> = (0..200).collect();
        assert_eq!(of(&many), of(&many[200 - OVERLAP..]));
        assert_eq!(of(&many).0, OVERLAP as u32);
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_eq!(of(&[]).0, 0);
    }
}
