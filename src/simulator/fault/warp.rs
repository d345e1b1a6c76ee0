//! Faults in the content: what makes the bytes of a table other than its rows.

use super::Lie;
use crate::wire::clock_word::ClockWord;

/// One way in which the image of a table is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warp {
    /// The leading size word lies.
    SizeWord(Lie),
    /// Every n-th punch has a date that does not exist.
    ImpossibleDates(usize),
    /// Every n-th punch is all zero.
    BlankRecords(usize),
    /// Bytes after the NUL of names and user ids.
    GarbageAfterNul,
    /// Names in an encoding that is not UTF-8.
    GbkNames,
}

/// Which table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Users,
    Punches,
    Other,
}

/// By how much a lying size word is wrong, in bytes.
const SIZE_LIE: u32 = 40;
/// 2023-02-30 01:02:03.
const IMPOSSIBLE: ClockWord = ClockWord(744_426_123);
/// A Chinese name in GBK.
const GBK_NAME: [u8; 6] = [0xd5, 0xc5, 0xce, 0xb0, 0xc3, 0xf7];

/// The image with everything that is wrong with it.
pub(crate) fn apply(warps: &[Warp], kind: Kind, stride: usize, mut image: Vec<u8>) -> Vec<u8> {
    for warp in warps {
        match (warp, kind) {
            (Warp::SizeWord(lie), _) => {
                let truth = u32::try_from(image.len().saturating_sub(4)).unwrap_or(u32::MAX);
                put(&mut image, 0, &lie.about(truth, SIZE_LIE).to_le_bytes());
            }
            (Warp::ImpossibleDates(every), Kind::Punches) => {
                let at = match stride {
                    8 | 16 => 4,
                    _ => 27,
                };
                each(&mut image, stride, *every, |record| put(record, at, &IMPOSSIBLE.0.to_le_bytes()));
            }
            (Warp::BlankRecords(every), Kind::Punches) => {
                each(&mut image, stride, *every, |record| record.fill(0));
            }
            (Warp::GarbageAfterNul, Kind::Users) => {
                let fields: &[(usize, usize)] =
                    if stride == 28 { &[(3, 5), (8, 8)] } else { &[(3, 8), (11, 24), (48, 24)] };
                each(&mut image, stride, 1, |record| {
                    fields.iter().for_each(|(at, length)| garbage(record, *at, *length));
                });
            }
            (Warp::GarbageAfterNul, Kind::Punches) if stride >= 40 => {
                each(&mut image, stride, 1, |record| garbage(record, 2, 24));
            }
            (Warp::GbkNames, Kind::Users) => {
                let at = if stride == 28 { 8 } else { 11 };
                each(&mut image, stride, 1, |record| {
                    put(record, at, &GBK_NAME);
                    put(record, at + GBK_NAME.len(), &[0]);
                });
            }
            _ => {}
        }
    }
    image
}

/// The image with its leading word and, behind it, bytes that are no records: stale memory.
pub(crate) fn stale(image: &[u8]) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(0x5a4b);
    image.iter().enumerate().map(|(at, byte)| if at < 4 { *byte } else { rng.u8(..) }).collect()
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(new) {
        *to = *from;
    }
}

/// Every n-th record, counted from 1.
fn each(image: &mut [u8], stride: usize, every: usize, change: impl Fn(&mut [u8])) {
    let Some(records) = image.get_mut(4..).filter(|_| stride > 0) else { return };
    records.chunks_exact_mut(stride).skip(every.max(1) - 1).step_by(every.max(1)).for_each(change);
}

/// Fills a text field behind its NUL.
fn garbage(record: &mut [u8], at: usize, length: usize) {
    let Some(field) = record.get_mut(at..at + length) else { return };
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
    for (byte, filler) in field.iter_mut().skip(end + 1).zip(b"\x7c\xc6X9\x9a\x80".iter().cycle()) {
        *byte = *filler;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Vec<u8> {
        [&160u32.to_le_bytes()[..], &[7; 160]].concat()
    }

    #[test]
    fn every_nth_record_is_blank_and_the_others_are_not() {
        let warped = apply(&[Warp::BlankRecords(2)], Kind::Punches, 40, image());
        let blank: Vec<_> = warped[4..].chunks(40).map(|record| record == [0; 40]).collect();
        assert_eq!(blank, [false, true, false, true]);
        assert_eq!(apply(&[Warp::BlankRecords(2)], Kind::Users, 72, image()), image());
    }

    #[test]
    fn a_size_word_lies_and_nothing_else_changes() {
        let warped = apply(&[Warp::SizeWord(Lie::Smaller)], Kind::Punches, 40, image());
        assert_eq!(warped[..4], 120u32.to_le_bytes());
        assert_eq!(warped[4..], image()[4..]);
    }

    #[test]
    fn garbage_stands_behind_the_nul_only() {
        let mut record = [0; 40];
        record[2..6].copy_from_slice(b"1001");
        garbage(&mut record, 2, 24);
        assert_eq!(&record[2..7], b"1001\0");
        assert!(record[7..26].iter().all(|byte| *byte != 0));
        assert_eq!(record[26..], [0; 14]);
    }
}
