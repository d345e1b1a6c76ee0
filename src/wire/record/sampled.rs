//! The records of a table as far as somebody looks at them to find out how long each is: all of them, or the two
//! ends of a table that is too long to be read for that.

use super::stride::{SAMPLE, STRIDE_CEILING};

/// The bytes at both ends of a table's records, and how many there are altogether.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    total: usize,
    head: &'a [u8],
    tail: &'a [u8],
}

// The ends must hold as many of the longest records as are looked at.
const _: () = assert!(Sampled::ENDS >= SAMPLE * STRIDE_CEILING);

impl<'a> Sampled<'a> {
    /// This many bytes of each end are enough to decide as if all were there.
    pub const ENDS: usize = 64 << 10;

    /// All records.
    #[must_use]
    pub const fn whole(records: &'a [u8]) -> Self {
        Self { total: records.len(), head: records, tail: &[] }
    }

    /// The first and the last bytes of `total` bytes of records; the two may overlap. With less than
    /// [`Sampled::ENDS`] of each, records that are not in them are not looked at.
    #[must_use]
    pub const fn ends(total: usize, head: &'a [u8], tail: &'a [u8]) -> Self {
        Self { total, head, tail }
    }

    /// How many bytes of records there are.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    pub(super) const fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The `length` bytes from `at` on, if they are in one of the ends.
    pub(super) fn get(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        let end = at.checked_add(length).filter(|end| *end <= self.total)?;
        self.head.get(at..end).or_else(|| {
            let begin = self.total.checked_sub(self.tail.len())?;
            self.tail.get(at.checked_sub(begin)?..end - begin)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_in_whichever_end_holds_them_and_nowhere_else() {
        let all: Vec<u8> = (0..100).collect();
        let ends = Sampled::ends(100, &all[..30], &all[80..]);
        for (at, length, found) in
            [(0, 30, true), (20, 11, false), (30, 1, false), (79, 2, false), (80, 20, true), (99, 2, false)]
        {
            assert_eq!(ends.get(at, length), found.then(|| &all[at..at + length]), "{length} from {at}");
        }
        assert_eq!(Sampled::whole(&all).get(30, 50), Some(&all[30..80]));
        assert_eq!(Sampled::ends(5, &all, &all).get(3, 3), None, "there are no more than said");
        assert_eq!(ends.get(usize::MAX, 2), None);
    }
}
