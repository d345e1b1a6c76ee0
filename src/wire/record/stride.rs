//! How long the records of a table are: the device does not say, so it is found out from the bytes.
//!
//! Every length that divides the table exactly is a candidate; each is scored by how many of its records look
//! like records; the device's own count is a witness, never the judge, because real devices report wrong counts.
//! Below half plausible records nothing is delivered: stale memory looks like that.

use super::punch::{Punch, PunchLayout};
use super::sampled::Sampled;
use super::user::{User, UserLayout};
use crate::wire::clock_word::ClockWord;

/// A table whose records have no length that makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device sent {size} bytes of records that fit no known layout (it counts {} of them)", shown(*count))]
pub struct UnknownLayout {
    /// Bytes of records.
    pub size: usize,
    /// How many the device says they are.
    pub count: Option<u32>,
    /// The first bytes, at most 128, for whoever has to find out.
    pub head: Vec<u8>,
}

/// How many records from each end of a table are looked at.
pub(super) const SAMPLE: usize = 50;
/// The longest record that a count can make a candidate, in bytes.
pub(super) const STRIDE_CEILING: usize = 1024;
/// How many records may come while a log is counted and read.
const FEW_MORE: usize = 3;
/// The largest work code that a numeric record can believably hold; clock words of any year since 2003 are larger.
const WORK_CODE_CEILING: u32 = 100_000_000;

/// The earliest time that a short record believably shows, 2003-01-01: stale memory is full of small numbers.
const EARLIEST_SHORT: ClockWord = ClockWord(3 * 12 * 31 * 86_400);

/// Finds the layout of a table of punches.
///
/// `latest` is the latest time that a record can believably show, for the layouts with little else to go by.
///
/// # Errors
/// [`UnknownLayout`] when no length divides the table into mostly plausible records.
pub fn punch_layout(
    body: &[u8],
    count: Option<u32>,
    latest: ClockWord,
) -> Result<PunchLayout, UnknownLayout> {
    punch_layout_of(Sampled::whole(body), count, latest)
}

/// The same for a table of which only the two ends have been read.
///
/// # Errors
/// [`UnknownLayout`] when no length divides the table into mostly plausible records.
pub fn punch_layout_of(
    body: Sampled<'_>,
    count: Option<u32>,
    latest: ClockWord,
) -> Result<PunchLayout, UnknownLayout> {
    let counted = by_count(body.total(), count);
    // The order decides between equal scores: the usual lengths first (the one that the count supports before
    // the others), then short before long. A length that skips every other record scores well too.
    let known = [40, 49, 16, 8];
    let first = counted.filter(|stride| known.contains(stride));
    // Somebody may have punched between the count and the read.
    let first =
        first.or_else(|| known.into_iter().find(|stride| holds_few_more(body.total(), *stride, count)));
    let rest = counted.filter(|stride| *stride > 40);
    let candidates = first.into_iter().chain(known).chain(41..=64).chain(rest);
    // A device whose clock was reset fills its log with times that nobody would believe; where its count agrees
    // with the length, the form is enough.
    let counted = first.and_then(PunchLayout::for_stride);
    best(body, candidates.filter_map(PunchLayout::for_stride), PunchLayout::stride, |record, layout| {
        Punch::parse(record, layout).is_ok_and(|punch| match counted == Some(layout) {
            true => has_form(&punch, record, layout),
            false => plausible_punch(&punch, record, layout, latest),
        })
    })
    .ok_or_else(|| unknown(body, count))
}

/// Finds the layout of a table of users.
///
/// # Errors
/// [`UnknownLayout`] when no length divides the table into mostly plausible records.
pub fn user_layout(body: &[u8], count: Option<u32>) -> Result<UserLayout, UnknownLayout> {
    let body = Sampled::whole(body);
    let counted = by_count(body.total(), count);
    let known = [72, 28];
    let first = counted.filter(|stride| known.contains(stride));
    let rest = counted.filter(|stride| *stride > 72);
    let candidates = first.into_iter().chain(known).chain(rest);
    best(body, candidates.filter_map(UserLayout::for_stride), UserLayout::stride, |record, layout| {
        User::parse(record, layout).is_ok_and(|user| user.plausibility() == 3)
    })
    .ok_or_else(|| unknown(body, count))
}

fn by_count(total: usize, count: Option<u32>) -> Option<usize> {
    let count = usize::try_from(count?).ok().filter(|&count| count > 0)?;
    let stride = total / count;
    (total.is_multiple_of(count) && stride <= STRIDE_CEILING).then_some(stride)
}

/// Whether so many bytes are a few more records of this length than were counted.
fn holds_few_more(total: usize, stride: usize, count: Option<u32>) -> bool {
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let more = count.and_then(|count| (total / stride).checked_sub(count));
    total.is_multiple_of(stride) && more.is_some_and(|more| (1..=FEW_MORE).contains(&more))
}

fn best<L: Copy>(
    body: Sampled<'_>,
    candidates: impl Iterator<Item = L>,
    stride: impl Fn(L) -> usize,
    good: impl Fn(&[u8], L) -> bool,
) -> Option<L> {
    let mut best: Option<(L, usize, usize)> = None;
    for layout in candidates {
        let stride = stride(layout);
        if !body.total().is_multiple_of(stride) {
            continue;
        }
        let records = body.total() / stride;
        let (mut seen, mut blank, mut sound) = (0, 0, 0);
        let sample = (0..records.min(SAMPLE)).chain(records.saturating_sub(SAMPLE).max(SAMPLE)..records);
        for record in sample.filter_map(|index| body.get(index * stride, stride)) {
            seen += 1;
            if record.iter().all(|byte| *byte == 0) {
                blank += 1;
            } else if good(record, layout) {
                sound += 1;
            }
        }
        // A log half of whose records are blank after a power loss is still a log, so blank ones are no
        // witnesses against a layout; but a layout that finds fewer of them explains the bytes better.
        let passes = sound * 2 > seen - blank;
        if passes && best.is_none_or(|(_, other, of)| sound * of > other * seen) {
            best = Some((layout, sound, seen));
        }
    }
    best.map(|(layout, ..)| layout)
}

/// Whether bytes make sense as a punch of this layout, and its time does too.
pub(super) fn plausible_punch(punch: &Punch, record: &[u8], layout: PunchLayout, latest: ClockWord) -> bool {
    let believable = match layout {
        PunchLayout::Short => (EARLIEST_SHORT..=latest).contains(&punch.time),
        PunchLayout::Numeric => punch.time <= latest,
        PunchLayout::Text { .. } => true,
    };
    believable && has_form(punch, record, layout)
}

/// Whether bytes have the form of a punch of this layout, at whatever time.
fn has_form(punch: &Punch, record: &[u8], layout: PunchLayout) -> bool {
    let state = punch.punch_state < 16 || punch.punch_state == u8::MAX;
    let time = punch.time != ClockWord(0) && punch.time.time().is_ok();
    match layout {
        PunchLayout::Short => {
            // Bit 2 of the flags marks a short form that nobody has seen on the wire; without it the bits
            // below and the next byte, its time offset, are zero.
            let whole = record.get(2..4).is_some_and(|two| matches!(two, [flags, 0] if flags & 0b111 == 0));
            punch.uid != Some(0) && whole && time && punch.punch_state < 6
        }
        PunchLayout::Numeric => {
            let reserved = record.get(10..12) == Some(&[0, 0]);
            !punch.user_id.is_empty()
                && punch.user_id.to_number() != Some(0)
                && reserved
                && state
                && time
                && punch.work_code < WORK_CODE_CEILING
        }
        PunchLayout::Text { .. } => punch.user_id.is_plausible() && state && time && punch.verify_mode < 200,
    }
}

fn unknown(body: Sampled<'_>, count: Option<u32>) -> UnknownLayout {
    let head = body.head().iter().take(128).copied().collect();
    UnknownLayout { size: body.total(), count, head }
}

fn shown(count: Option<u32>) -> String {
    count.map_or_else(|| "an unknown number".to_owned(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::UserId;
    use super::*;
    use crate::wire::clock_word::{CivilTime, PossibleTime};

    fn time(second: u8) -> ClockWord {
        ClockWord::pack(PossibleTime::new(CivilTime::from_six([26, 7, 14, 8, 0, second])).unwrap())
    }

    fn latest() -> ClockWord {
        ClockWord(time(0).0 + 86_400 * 2)
    }

    fn table(layout: PunchLayout, count: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for index in 0..count {
            let number = index as u16 + 1;
            let punch = Punch {
                user_id: UserId::from_number(1000 + u32::from(number)),
                uid: Some(number),
                time: time((index % 60) as u8),
                punch_state: (index % 3) as u8,
                verify_mode: 1,
                work_code: 0,
            };
            punch.emit(layout, number, &mut out);
        }
        out
    }

    #[test]
    fn every_length_is_found_with_the_right_count_without_one_and_with_a_lie() {
        for stride in [8, 16, 40, 49, 52, 64] {
            let layout = PunchLayout::for_stride(stride).unwrap();
            for records in [1usize, 2, 3, 5, 10, 49, 120] {
                let body = table(layout, records);
                for lie in [
                    None,
                    Some(0),
                    Some(records),
                    Some(records + 1),
                    Some(records * 2),
                    Some(records / 2),
                    Some(body.len() / 8),
                    Some(body.len() / 16),
                ] {
                    let count = lie.map(|count| count as u32);
                    assert_eq!(
                        punch_layout(&body, count, latest()),
                        Ok(layout),
                        "{stride} x {records}, count {count:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_longer_unknown_record_is_found_by_the_count() {
        let layout = PunchLayout::for_stride(100).unwrap();
        assert_eq!(punch_layout(&table(layout, 7), Some(7), latest()), Ok(layout));
    }

    #[test]
    fn a_log_half_blank_is_still_a_log() {
        let mut body = table(PunchLayout::TEXT, 20);
        body[400..].fill(0);
        assert_eq!(punch_layout(&body, Some(20), latest()), Ok(PunchLayout::TEXT));
    }

    #[test]
    fn a_log_of_a_device_whose_clock_was_reset_is_a_log_where_its_count_agrees() {
        for layout in [PunchLayout::Short, PunchLayout::Numeric] {
            for time in [ClockWord(61), ClockWord(latest().0 + 400 * 86_400)] {
                let mut body = Vec::new();
                for number in 1..=30 {
                    let user_id = UserId::from_number(1000 + u32::from(number));
                    let (uid, work_code) = (Some(number), 0);
                    let punch = Punch { user_id, uid, time, punch_state: 1, verify_mode: 1, work_code };
                    punch.emit(layout, number, &mut body);
                }
                for count in [30, 29, 28] {
                    assert_eq!(punch_layout(&body, Some(count), latest()), Ok(layout), "{time:?}, {count}");
                }
            }
        }
    }

    #[test]
    fn stale_memory_is_no_log() {
        // Captured on a K40: what the direct form over TCP delivers.
        let stale = [
            0x40, 0xd8, 0x35, 0x80, 0x2f, 0x33, 1, 0, 0xd5, 0xdc, 1, 0, 0xdf, 0x23, 1, 0, 0xc9, 1, 2, 0,
            0xcb, 0x14, 1, 0,
        ];
        let body: Vec<u8> = stale.iter().copied().cycle().take(120).collect();
        let error = punch_layout(&body, Some(3), latest()).unwrap_err();
        assert_eq!((error.size, error.head.len()), (120, 120));
    }

    #[test]
    fn both_user_lengths_are_told_apart_where_both_divide() {
        for layout in [UserLayout::Compact, UserLayout::FULL, UserLayout::for_stride(84).unwrap()] {
            let mut body = Vec::new();
            for uid in 1..=504u16 {
                let user = User {
                    uid,
                    privilege: crate::wire::record::user::Privilege(0),
                    password: crate::base::secret::Secret::default(),
                    name: crate::wire::text::FixedText::new(b"Name").unwrap(),
                    card_number: 0x4142_4344,
                    group: 1,
                    time_zones: crate::wire::record::user::TimeZones::Set(0),
                    user_id: UserId::from_number(u32::from(uid) + 1000),
                };
                user.emit(layout, &mut body);
            }
            for count in [None, Some(504), Some(0), Some(252), Some(18 * 72)] {
                let expected =
                    if layout.stride() == 84 && count != Some(504) { continue } else { Ok(layout) };
                assert_eq!(user_layout(&body, count), expected, "{layout:?} {count:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_layout_that_divides_them_or_none(
            body in proptest::collection::vec(any::<u8>(), 0..600), count in proptest::option::of(0u32..700),
        ) {
            if let Ok(layout) = punch_layout(&body, count, latest()) {
                prop_assert_eq!(body.len() % layout.stride(), 0);
            }
            if let Ok(layout) = user_layout(&body, count) {
                prop_assert_eq!(body.len() % layout.stride(), 0);
            }
        }

        #[test]
        fn the_ends_of_a_table_decide_as_the_whole_does(
            stride in prop_oneof![Just(8usize), Just(16), Just(40), Just(49), 41usize..=64, 65usize..=STRIDE_CEILING],
            records in 1usize..700, seed: u64, rubbish in 0u8..60, blank in 0u8..60,
            count in prop_oneof![Just(None), Just(Some(1u32)), Just(Some(2)), (0u32..1400).prop_map(Some)],
            more in 0usize..3000,
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut body = table(PunchLayout::for_stride(stride).unwrap(), records);
            for record in body.chunks_exact_mut(stride) {
                match random.u8(0..100) {
                    dice if dice < rubbish => record.fill_with(|| random.u8(..)),
                    dice if dice < rubbish + blank => record.fill(0),
                    _ => {}
                }
            }
            let count = count.map(|count| if count == 1 { records as u32 } else { count });
            let ends = body.len().min(Sampled::ENDS - more);
            let ends = Sampled::ends(body.len(), &body[..ends], &body[body.len() - ends..]);
            prop_assert_eq!(punch_layout_of(ends, count, latest()), punch_layout(&body, count, latest()));
        }

        #[test]
        fn ends_of_any_length_have_a_layout_that_divides_the_table_or_none(
            total in 0usize..5000, head in proptest::collection::vec(any::<u8>(), 0..300),
            tail in proptest::collection::vec(any::<u8>(), 0..300), count in proptest::option::of(0u32..700),
        ) {
            if let Ok(layout) = punch_layout_of(Sampled::ends(total, &head, &tail), count, latest()) {
                prop_assert_eq!(total % layout.stride(), 0);
            }
        }
    }
}
