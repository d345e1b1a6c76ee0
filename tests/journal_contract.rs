//! What every kind of journal must do: the same cases against SQLite and against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/journal.rs"]
mod journals;
#[path = "support/postgres.rs"]
mod postgres_server;

use std::time::Duration;

use journals::*;
use postgres_server::{eventually, shared};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use zkgate::base::ids::DeviceId;
use zkgate::base::secret::Secret;
use zkgate::store::journal::delivery::{ATTEMPTS_KEPT, Attempt, NewWebhook, WebhookPatch};
use zkgate::store::journal::listing::{Listed, Listing, Order, Place, list};
use zkgate::store::journal::placing::{LivePlacement, LogOutcome, NewGap};
use zkgate::store::journal::quarantine::{Origin, Quarantined, Reason, Strange};
use zkgate::store::journal::query::{Bound, Survey};
use zkgate::store::journal::row::{Certainty, Moment, Person, Record, Source};
use zkgate::store::journal::{Cursor, Filter, GapReason, Journal, PageQuery};
use zkgate::store::{Condition, StoreError};
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::record::UserId;

/// Each case as a test of its own, once per kind of journal.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&super::Site::sqlite()); })*
        }
        mod postgres {
            $(#[test] fn $case() { super::$case(&super::Site::postgres(super::shared().database())); })*
        }
    };
}

contract!(
    an_empty_journal_has_nothing_and_is_well,
    rows_are_numbered_in_the_order_of_the_log_and_say_what_they_were_told,
    every_value_that_a_record_can_have_is_kept,
    a_cursor_is_kept_whole_and_a_batch_for_another_one_changes_nothing,
    a_punch_seen_live_and_then_in_the_log_is_one_row_with_the_logs_values,
    a_new_row_may_be_what_a_live_one_was_before_the_log_completed_it,
    live_events_of_one_transaction_see_each_other,
    a_live_event_of_an_unknown_terminal_is_no_cursor,
    who_was_known_by_index_only_gets_a_user_id_when_it_is_known,
    the_sought_row_is_forgotten_once_it_was_met,
    terminals_do_not_mix,
    pages_are_cut_where_they_are_asked_to_be,
    filters_choose_what_they_say,
    a_search_looks_at_a_bounded_number_of_rows_and_gets_to_the_end,
    a_survey_counts_what_a_filter_takes,
    pages_by_number_show_every_row_once_in_either_order,
    where_rows_are_missing_no_page_is_lost,
    of_more_rows_than_can_be_numbered_every_page_is_found_behind_the_one_before,
    what_is_not_in_a_log_any_more_can_be_purged_and_nothing_else,
    numbers_are_never_given_twice,
    gaps_are_kept_in_their_order,
    strange_things_are_kept_once_until_they_are_settled,
    settings_are_kept_per_device,
    webhooks_are_made_changed_and_deleted,
    a_webhook_is_delivered_by_one_owner_at_a_time,
    attempts_move_the_cursor_and_only_the_last_ones_are_kept,
    everything_is_there_after_a_restart,
    the_newest_rows_are_in_memory_and_followers_are_told,
    a_deadline_in_the_past_does_nothing,
    any_interleaving_gives_the_history_once,
);

fn an_empty_journal_has_nothing_and_is_well(site: &Site) {
    let journal = site.open();
    assert_eq!(page(&journal, 0, 10, &Filter::default()), Default::default());
    assert_eq!(page(&journal, 7, 10, &Filter::default()).next_after, 7, "nobody is sent back");
    assert_eq!(journal.cursor("A", soon()), Ok(None));
    assert_eq!(journal.gaps(&device(1), soon()), Ok(vec![]));
    let read = journal.read(soon(), |backend| {
        Ok((backend.head()?, backend.newest("A")?, backend.met_by("A", 1)?, backend.quarantine_size()?))
    });
    assert_eq!(read, Ok((0, None, 0, 0)));
    let read = journal.read(soon(), |backend| {
        Ok((backend.settings()?.len(), backend.webhooks()?.len(), backend.delivered_up_to()?))
    });
    assert_eq!(read, Ok((0, 0, None)));
    let wrote = journal.write(soon(), |backend| {
        backend.probe()?;
        backend.settle(5, "placed", 1)?;
        backend.tried(5, "9.9.9")?;
        Ok((backend.purge(i64::MAX, u64::MAX, 10)?, backend.settle_live("A", 9, 9)?))
    });
    assert_eq!(wrote, Ok((0, 0)));
    eventually("all is well", || journal.health().condition == Condition::Good);
    assert!(!journal.health().place.contains("pw-not-to-be-seen"));
}

fn rows_are_numbered_in_the_order_of_the_log_and_say_what_they_were_told(site: &Site) {
    let journal = site.open();
    // Not in the order of time: clocks are set back.
    let log = [punch(7, 30), punch(8, 10), punch(7, 20), punch(7, 20)];
    let placed = place(&journal, batch("A", 0, 1, &log));
    assert_eq!((placed.cursor.last_seq, placed.met, placed.completed), (4, 0, 0));
    let rows = all(&journal);
    assert_eq!(seqs(&rows), [1, 2, 3, 4]);
    assert_eq!(rows.iter().map(|row| row.record).collect::<Vec<_>>(), log);
    assert_eq!(rows.iter().map(|row| row.ordinal).collect::<Vec<_>>(), [0, 0, 0, 1]);
    for row in &rows {
        assert_eq!((row.source, row.serial_number.as_str(), row.received_at), (Source::Log, "A", 1_000));
        assert_eq!(row.device_id, device(1));
    }
    // A whole pass meets every one, and only in this pass.
    let again = place(&journal, batch("A", 1, 2, &log));
    assert_eq!((again.cursor.last_seq, again.met), (4, 4));
    let read = journal.read(soon(), |backend| {
        Ok((backend.met_by("A", 2)?, backend.met_by("A", 1)?, backend.head()?, backend.newest("A")?))
    });
    assert_eq!(read, Ok((4, 0, 4, Some(punch(7, 30).time))));
    assert_eq!(all(&journal), rows);
}

fn every_value_that_a_record_can_have_is_kept(site: &Site) {
    let journal = site.open();
    let mut log = Vec::new();
    for (time, work_code, state, certainty) in [
        (0, None, 0, Certainty::Exact),
        (u32::MAX, Some(u32::MAX), 255, Certainty::Impossible),
        (1, Some(0), 128, Certainty::Ambiguous),
        (i32::MAX as u32 + 1, Some(1 << 31), 1, Certainty::Skipped),
    ] {
        let instant = (certainty != Certainty::Impossible).then_some(-62_135_596_800);
        for (person, user_id) in [
            (Person::Uid(0), None),
            (Person::Uid(u16::MAX), Some(UserId::from_number(u32::MAX))),
            (person("0"), None),
            (person("ümit-'\"\\$1"), Some(UserId::new("ümit-'\"\\$1".as_bytes()).unwrap())),
            (person("twenty-four-bytes-long-x"), Some(UserId::from_number(1))),
        ] {
            let moment = Moment { instant, certainty };
            let (time, verify_mode) = (ClockWord(time), 255 - state);
            log.push(Record { person, user_id, time, moment, punch_state: state, verify_mode, work_code });
        }
    }
    place(&journal, batch("O'Neill \"1\" ü", 0, u64::MAX >> 1, &log));
    let rows = all(&journal);
    assert_eq!(rows.iter().map(|row| row.record).collect::<Vec<_>>(), log);
    assert!(rows.iter().all(|row| row.serial_number == "O'Neill \"1\" ü"));
    assert_eq!(place(&journal, batch("O'Neill \"1\" ü", 1, 1, &log)).met, 20);
}

fn person(text: &str) -> Person {
    Person::parse(text).unwrap()
}

fn a_cursor_is_kept_whole_and_a_batch_for_another_one_changes_nothing(site: &Site) {
    let journal = site.open();
    let cursor = Cursor {
        revision: 99,
        pass: 3,
        stride: 40,
        records: u64::from(u32::MAX),
        overlap: 64,
        digest: (0..32).collect(),
        last_seq: 17,
        sought_seq: 5,
        sought_records: 6,
        complete: true,
        verified_at: Some(1_704_067_200_123),
        verified_time: Some(ClockWord(u32::MAX)),
        compared_at: Some(-5),
        device_count: Some(u32::MAX),
        drift: Some(-7),
        proved_before: Some(ClockWord(0)),
    };
    let first = zkgate::store::journal::LogBatch { cursor: cursor.clone(), ..batch("A", 0, 3, &[]) };
    let kept = place(&journal, first).cursor;
    assert_eq!(kept, Cursor { revision: 1, ..cursor });
    assert_eq!(journal.cursor("A", soon()), Ok(Some(kept.clone())));

    let gap = Some(NewGap { from: None, to: ClockWord(1), reason: GapReason::Cleared });
    let strange = vec![Strange { origin: Origin::Live, reason: Reason::BadUserId, raw: vec![1] }];
    for (serial_number, continues) in [("A", 0), ("A", 2), ("B", 1)] {
        let outdated = zkgate::store::journal::LogBatch {
            gap,
            strange: strange.clone(),
            ..batch(serial_number, continues, 9, &[punch(1, 1)])
        };
        assert_eq!(try_place(&journal, outdated, soon()), Ok(LogOutcome::Outdated));
    }
    assert_eq!(journal.cursor("A", soon()), Ok(Some(kept)));
    assert_eq!(journal.cursor("B", soon()), Ok(None));
    assert_eq!((all(&journal), journal.gaps(&device(1), soon())), (vec![], Ok(vec![])));
    assert_eq!(journal.read(soon(), |backend| backend.quarantine_size()), Ok(0));

    let next = place(&journal, batch("A", 1, 3, &[punch(1, 1)])).cursor;
    assert_eq!((next.revision, next.last_seq, next.complete, next.verified_at), (2, 1, false, None));
    assert_eq!(journal.cursor("A", soon()), Ok(Some(next)));
}

fn a_punch_seen_live_and_then_in_the_log_is_one_row_with_the_logs_values(site: &Site) {
    let journal = site.open();
    let told = Record { work_code: Some(5), ..punch(7, 1) };
    tell(&journal, vec![live("A", told)]);
    let row = &all(&journal)[0];
    assert_eq!((row.source, row.record.work_code, row.record.person), (Source::Live, None, told.person));
    // It differs, but nobody else punched there and then.
    let stored = Record { punch_state: 4, verify_mode: 15, ..told };
    let placed = place(&journal, batch("A", 0, 1, &[stored]));
    assert_eq!((placed.completed, placed.cursor.last_seq), (1, 1));
    tell(&journal, vec![live("A", stored)]);
    let rows = all(&journal);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].source, rows[0].record, rows[0].ordinal), (Source::Both, stored, 0));
    assert_eq!(place(&journal, batch("A", 1, 2, &[stored])).met, 1);
}

fn a_new_row_may_be_what_a_live_one_was_before_the_log_completed_it(site: &Site) {
    let journal = site.open();
    let uid = |verify_mode| Record {
        person: Person::Uid(7),
        user_id: None,
        work_code: None,
        verify_mode,
        ..punch(7, 1)
    };
    tell(&journal, vec![live("A", uid(15))]);
    // The first record completes the row, the second is exactly what it was.
    let placed = place(&journal, batch("A", 0, 1, &[uid(3), uid(15)]));
    assert_eq!(placed.completed, 1);
    let modes: Vec<_> = all(&journal).iter().map(|row| (row.seq, row.record.verify_mode)).collect();
    assert_eq!(modes, [(1, 3), (2, 15)]);
}

fn live_events_of_one_transaction_see_each_other(site: &Site) {
    let journal = site.open();
    let (into, out) = (punch(7, 1), Record { punch_state: 1, ..punch(7, 1) });
    let other = live("B", into);
    let events =
        vec![live("A", into), live("A", into), other, live("A", out), live("A", out), live("A", punch(8, 1))];
    let placed = journal.write(soon(), move |backend| backend.place_live(&events)).unwrap();
    use LivePlacement::{Conflict, Known, New};
    assert_eq!(placed.outcomes, [New, Known, New, Conflict, Conflict, New]);
    assert_eq!(seqs(&placed.rows), [1, 2, 3]);
    assert_eq!(all(&journal), placed.rows);
    let waiting = quarantined(&journal, None);
    assert_eq!(waiting.len(), 1, "the same event came twice");
    assert_eq!(
        waiting[0].strange,
        Strange { origin: Origin::Live, reason: Reason::Conflict, raw: live("A", out).raw }
    );
}

fn a_live_event_of_an_unknown_terminal_is_no_cursor(site: &Site) {
    let journal = site.open();
    tell(&journal, vec![live("A", punch(1, 5)), live("A", punch(2, 3))]);
    assert_eq!(journal.cursor("A", soon()), Ok(None));
    assert_eq!(journal.read(soon(), |backend| backend.newest("A")), Ok(Some(punch(1, 5).time)));
    let placed = place(&journal, batch("A", 0, 1, &[punch(2, 3), punch(1, 5), punch(1, 6)]));
    assert_eq!((placed.completed, placed.cursor.revision), (2, 1));
    assert_eq!(journal.read(soon(), |backend| backend.newest("A")), Ok(Some(punch(1, 6).time)));
}

fn who_was_known_by_index_only_gets_a_user_id_when_it_is_known(site: &Site) {
    let journal = site.open();
    let uid =
        |second, user_id| Record { person: Person::Uid(7), user_id, work_code: None, ..punch(7, second) };
    let (ann, ben) = (Some(UserId::from_number(71)), Some(UserId::from_number(72)));
    tell(&journal, vec![live("A", uid(1, None))]);
    place(&journal, batch("A", 0, 1, &[uid(1, None), uid(2, None), uid(3, ben)]));
    tell(&journal, vec![live("A", uid(4, None)), live("A", uid(5, ben))]);
    place(&journal, batch("A", 1, 2, &[uid(1, ann), uid(2, None), uid(3, ann), uid(4, ann), uid(5, ann)]));
    let users: Vec<_> = all(&journal).iter().map(|row| row.record.user_id).collect();
    assert_eq!(users, [ann, None, ben, ann, ann], "what was known stays, unless only an event said it");
    let filter = Filter { users: vec![ann.unwrap()], ..Filter::default() };
    assert_eq!(seqs(&rows(&journal, &filter)), [1, 4, 5]);
}

fn the_sought_row_is_forgotten_once_it_was_met(site: &Site) {
    let journal = site.open();
    let log: Vec<_> = (0..3).map(|second| punch(7, second)).collect();
    place(&journal, batch("A", 0, 1, &log));
    let seek = |continues, records| {
        let mut batch = batch("A", continues, 2, records);
        batch.cursor.sought_seq = 3;
        batch.cursor.sought_records = 3;
        batch
    };
    assert_eq!(place(&journal, seek(1, &log[..2])).cursor.sought_seq, 3);
    assert_eq!(place(&journal, seek(2, &log[2..])).cursor.sought_seq, 0);
    assert_eq!(journal.cursor("A", soon()).unwrap().unwrap().sought_seq, 0);
}

fn terminals_do_not_mix(site: &Site) {
    let journal = site.open();
    for serial_number in ["A", "B", "a", "A "] {
        place(&journal, batch(serial_number, 0, 1, &[punch(7, 1)]));
    }
    let met = journal.read(soon(), |backend| Ok((backend.met_by("A", 1)?, backend.met_by("C", 1)?)));
    assert_eq!(met, Ok((1, 0)));
    let serials: Vec<_> = all(&journal).into_iter().map(|row| row.serial_number).collect();
    assert_eq!(serials, ["A", "B", "a", "A "]);
}

fn pages_are_cut_where_they_are_asked_to_be(site: &Site) {
    let journal = site.open();
    let log: Vec<_> = (0..10).map(|second| punch(second % 2, second)).collect();
    place(&journal, batch("A", 0, 1, &log));
    let everything = Filter::default();
    for (after, limit, expected, next_after, more) in [
        (0, 4, &[1, 2, 3, 4][..], 4, true),
        (4, 4, &[5, 6, 7, 8], 8, true),
        (8, 4, &[9, 10], 10, false),
        (6, 4, &[7, 8, 9, 10], 10, false),
        (10, 4, &[], 10, false),
        (99, 4, &[], 99, false),
    ] {
        let page = page(&journal, after, limit, &everything);
        assert_eq!(seqs(&page.rows), expected, "after {after}");
        assert_eq!((page.next_after, page.more), (next_after, more), "after {after}");
    }
    // Rows that the filter does not take are not the end, and not looked at again.
    let filter = Filter { users: vec![UserId::from_number(1)], ..everything };
    let first = page(&journal, 0, 2, &filter);
    assert_eq!((seqs(&first.rows), first.next_after, first.more), (vec![2, 4], 4, true));
    let last = page(&journal, 4, 9, &filter);
    assert_eq!((seqs(&last.rows), last.next_after, last.more), (vec![6, 8, 10], 10, false));
    let none = Filter { users: vec![UserId::from_number(3)], ..Filter::default() };
    let none = page(&journal, 0, 2, &none);
    assert_eq!((none.rows.len(), none.next_after, none.more), (0, 10, false));
}

/// Devices 1 to 20 with people 1 to 30, and times in no order; some of them exist in no calendar.
fn motley(journal: &Journal) {
    for number in 1..=20u32 {
        let mut records: Vec<_> =
            (0..30).map(|n| punch(n + 1, (n * 7919 + number * 104_729) % 2_000_000)).collect();
        records[3].moment = Moment { instant: None, certainty: Certainty::Impossible };
        records[4].user_id = None;
        let mut batch = batch(&format!("S{}", number % 7), u64::from((number - 1) / 7), 1, &records);
        batch.device_id = device(number.into());
        place(journal, batch);
    }
}

fn filters_choose_what_they_say(site: &Site) {
    let journal = site.open();
    motley(&journal);
    let everything = all(&journal);
    assert_eq!(everything.len(), 600);
    let users = |numbers: &[u32]| numbers.iter().map(|n| UserId::from_number(*n)).collect::<Vec<_>>();
    let devices = |numbers: &[u64]| numbers.iter().map(|n| device(*n)).collect::<Vec<_>>();
    let instant = |second: i64| Some(Bound::Instant(NEW_YEAR_INSTANT + second));
    let civil = |second: u32| Some(Bound::Civil(ClockWord(NEW_YEAR + second)));
    let many: Vec<_> = (1..=18).collect();
    let many_users: Vec<u32> = (2..=25).collect();
    let of = |devices, users, from, to| Filter { devices, users, from, to, ..Filter::default() };
    for filter in [
        of(devices(&[3]), vec![], None, None),
        of(devices(&[3, 3, 17, 99]), vec![], None, None),
        of(devices(&many), vec![], None, None),
        of(devices(&[99]), vec![], None, None),
        of(vec![], users(&[4]), None, None),
        of(vec![], users(&[4, 5, 30]), None, None),
        of(vec![], users(&many_users), None, None),
        of(devices(&[2, 4]), users(&[4, 5, 6]), None, None),
        of(devices(&many), users(&many_users), None, None),
        of(vec![], vec![], instant(500_000), None),
        of(vec![], vec![], None, instant(500_000)),
        of(vec![], vec![], instant(100_000), instant(900_000)),
        of(vec![], vec![], civil(100_000), civil(900_000)),
        of(vec![], vec![], civil(100_000), instant(900_000)),
        of(vec![], vec![], instant(900_000), instant(100_000)),
        of(devices(&[1, 2, 3]), users(&many_users), civil(100_000), None),
        of(devices(&many), vec![], None, civil(900_000)),
    ] {
        let expected: Vec<_> = everything.iter().filter(|row| filter.takes(row)).cloned().collect();
        assert_eq!(rows(&journal, &filter), expected, "{filter:?}");
        let first = page(&journal, 0, 1, &filter);
        assert_eq!(first.rows.first(), expected.first(), "{filter:?}");
        let behind = expected.iter().find(|row| row.seq > 300);
        assert_eq!(page(&journal, 300, 1, &filter).rows.first(), behind, "{filter:?}");
    }
}

fn a_search_looks_at_a_bounded_number_of_rows_and_gets_to_the_end(site: &Site) {
    let journal = site.open();
    // More rows than one search looks at, and the only one that is wanted at the end.
    let mut revision = 0;
    for start in (0..110_000).step_by(8192) {
        let records: Vec<_> = (start..start + 8192).map(|n| punch(n % 50, n)).collect();
        revision = place(&journal, batch("A", revision, 1, &records)).cursor.revision;
    }
    place(&journal, batch("A", revision, 1, &[punch(77, 1)]));
    let last = journal.feed().head();
    let many: Vec<_> = (60..80).map(UserId::from_number).collect();
    let mut query = PageQuery { after: 0, limit: 5, filter: Filter { users: many, ..Filter::default() } };
    let first = journal.page(query.clone(), soon()).unwrap();
    assert!(first.rows.is_empty() && first.more);
    assert!(first.next_after > 0 && first.next_after < last, "{}", first.next_after);
    query.after = first.next_after;
    let second = journal.page(query, soon()).unwrap();
    assert_eq!((seqs(&second.rows), second.next_after, second.more), (vec![last], last, false));
}

fn a_survey_counts_what_a_filter_takes(site: &Site) {
    let journal = site.open();
    motley(&journal);
    let everything = all(&journal);
    let civil = |second: u32| Some(Bound::Civil(ClockWord(NEW_YEAR + second)));
    let instant = |second: i64| Some(Bound::Instant(NEW_YEAR_INSTANT + second));
    let users = |numbers: &[u32]| numbers.iter().map(|n| UserId::from_number(*n)).collect::<Vec<_>>();
    let serials = vec![everything[7].serial_number.clone()];
    for filter in [
        Filter { devices: vec![device(3), device(4)], ..Filter::default() },
        Filter { devices: vec![device(99)], ..Filter::default() },
        Filter { users: users(&[4, 5]), ..Filter::default() },
        Filter { users: users(&[4]), from: civil(100_000), ..Filter::default() },
        Filter { users: users(&[4]), devices: vec![device(3)], ..Filter::default() },
        Filter { serial_numbers: serials.clone(), ..Filter::default() },
        Filter { serial_numbers: vec!["nobody's".into()], ..Filter::default() },
        Filter {
            serial_numbers: serials.clone(),
            from: civil(100_000),
            to: civil(900_000),
            ..Filter::default()
        },
        Filter { serial_numbers: serials.clone(), users: users(&[4, 5, 6, 7]), ..Filter::default() },
        Filter {
            serial_numbers: serials,
            devices: vec![device(3)],
            to: instant(900_000),
            ..Filter::default()
        },
        Filter { from: civil(100_000), to: civil(900_000), ..Filter::default() },
        Filter { from: civil(100_000), ..Filter::default() },
        Filter { to: instant(500_000), ..Filter::default() },
        Filter { from: civil(900_000), to: civil(100_000), ..Filter::default() },
    ] {
        let taken: Vec<u64> = everything.iter().filter(|row| filter.takes(row)).map(|row| row.seq).collect();
        assert_eq!(seqs(&rows(&journal, &filter)), taken, "{filter:?}");
        for after in [0, 150, 599, 10_000] {
            let asked = filter.clone();
            let survey = journal.read(soon(), move |backend| backend.survey(&asked, after)).unwrap();
            let first = taken.iter().find(|seq| **seq > after).copied();
            let expected = Survey { count: Some(taken.len() as u64), first, numbers: Some(taken.clone()) };
            assert_eq!(survey, expected, "{filter:?} behind {after}");
        }
    }
}

/// The numbers on every page, each reached from the one before: by what it says, or by its number.
fn paged(journal: &Journal, filter: &Filter, order: Order, limit: u32, by_number: bool) -> Vec<u64> {
    let (mut met, mut place, mut number) = (Vec::new(), Place::Page(1), 1);
    loop {
        match listed(journal, Listing { filter: filter.clone(), order, place, limit }) {
            Listed::Page { rows, next, .. } => {
                assert!(next.is_none() || !rows.is_empty(), "an empty page has no next one");
                met.extend(seqs(&rows));
                let Some(next) = next else { return met };
                number += 1;
                place = if by_number { Place::Page(number) } else { Place::Behind(next) };
            }
            other => panic!("{other:?} at {place:?}"),
        }
    }
}

fn listed(journal: &Journal, listing: Listing) -> Listed {
    journal.read(soon(), move |backend| list(backend, &listing)).unwrap()
}

fn pages_by_number_show_every_row_once_in_either_order(site: &Site) {
    let journal = site.open();
    let nothing =
        Listing { filter: Filter::default(), order: Order::OldestFirst, place: Place::Page(1), limit: 5 };
    let empty = Listed::Page { rows: vec![], count: 0, next: None };
    assert_eq!(listed(&journal, nothing.clone()), empty);
    assert_eq!(listed(&journal, Listing { order: Order::NewestFirst, ..nothing.clone() }), empty);
    motley(&journal);
    let everything = all(&journal);
    let users = (4..9).map(UserId::from_number).collect();
    let (from, to) = (Some(Bound::Civil(ClockWord(NEW_YEAR + 100_000))), None);
    for filter in [Filter::default(), Filter { users, from, to, ..Filter::default() }] {
        let taken: Vec<u64> = everything.iter().filter(|row| filter.takes(row)).map(|row| row.seq).collect();
        let turned: Vec<u64> = taken.iter().rev().copied().collect();
        assert!(taken.len() > 50, "{filter:?} takes enough to have pages");
        for (order, expected) in [(Order::OldestFirst, &taken), (Order::NewestFirst, &turned)] {
            for (limit, by_number) in [(7, true), (7, false), (600, true), (1000, false)] {
                let case = format!("{order:?} {limit} {by_number} {filter:?}");
                assert_eq!(&paged(&journal, &filter, order, limit, by_number), expected, "{case}");
            }
            let beyond = Place::Page(taken.len() as u64 / 7 + 2);
            let listing = Listing { filter: filter.clone(), order, place: beyond, limit: 7 };
            assert_eq!(listed(&journal, listing), Listed::Beyond);
            let listing = Listing { filter: filter.clone(), order, place: Place::Page(u64::MAX), limit: 7 };
            assert_eq!(listed(&journal, listing), Listed::Beyond);
            let listing = Listing { filter: filter.clone(), order, place: Place::Page(2), limit: 7 };
            let Listed::Page { rows, count, .. } = listed(&journal, listing) else { panic!("a page") };
            assert_eq!((count, seqs(&rows).as_slice()), (taken.len() as u64, &expected[7..14]));
        }
    }
}

fn where_rows_are_missing_no_page_is_lost(site: &Site) {
    let journal = site.open();
    let complete = |mut batch: zkgate::store::journal::LogBatch| {
        batch.cursor.complete = true;
        batch.cursor.verified_at = Some(1_000);
        batch
    };
    let of = |user: u32, count: u32| (0..count).map(|second| punch(user, second)).collect::<Vec<_>>();
    let early = place(&journal, batch("B", 0, 1, &of(1, 3))).cursor.revision;
    let first = place(&journal, complete(batch("A", 0, 1, &of(2, 40)))).cursor.revision;
    place(&journal, batch("B", early, 1, &of(3, 12)));
    place(&journal, complete(batch("A", first, 2, &of(4, 5))));
    assert_eq!(journal.write(soon(), |backend| backend.purge(i64::MAX, u64::MAX, 1000)), Ok(40));
    let left: Vec<u64> = (1..=3).chain(44..=60).collect();
    let turned: Vec<u64> = left.iter().rev().copied().collect();
    for limit in [1, 4, 7, 100] {
        let all = Filter::default();
        assert_eq!(paged(&journal, &all, Order::OldestFirst, limit, false), left, "{limit}");
        assert_eq!(paged(&journal, &all, Order::NewestFirst, limit, false), turned, "{limit}");
        // Asked for by number, pages may overlap, and nothing is between them.
        let mut met = paged(&journal, &all, Order::OldestFirst, limit, true);
        met.sort_unstable();
        met.dedup();
        assert_eq!(met, left, "{limit}");
    }
}

fn of_more_rows_than_can_be_numbered_every_page_is_found_behind_the_one_before(site: &Site) {
    let journal = site.open();
    // A hundred early ones, more than are numbered, and a few that came late although they are old.
    let (mut revision, mut n) = (0, 0);
    let mut add = |records: &[Record]| {
        revision = place(&journal, batch("A", revision, 1, records)).cursor.revision;
    };
    add(&(0..100).map(|second| punch(5, second)).collect::<Vec<_>>());
    while n < 105_000 {
        add(&(n..n + 8192).map(|n| punch(n % 50, 1000 + n)).collect::<Vec<_>>());
        n += 8192;
    }
    add(&(0..3).map(|second| punch(6, second)).collect::<Vec<_>>());
    add(&(0..3).map(|second| punch(6, 2000 + second)).collect::<Vec<_>>());
    let head = journal.feed().head();
    let busy = Filter { from: Some(Bound::Civil(ClockWord(NEW_YEAR + 1000))), ..Filter::default() };
    let listing = |place| Listing { filter: busy.clone(), order: Order::OldestFirst, place, limit: 50_000 };
    let mut place = Place::Page(1);
    let mut met = Vec::new();
    while let Listed::Page { rows, count, next } = listed(&journal, listing(place)) {
        assert_eq!(count, u64::from(n) + 3, "an index counts them all");
        met.extend(seqs(&rows));
        let Some(next) = next else { break };
        place = Place::Behind(next);
    }
    let expected: Vec<u64> = (101..=head).filter(|seq| !(head - 5..=head - 3).contains(seq)).collect();
    assert!(met == expected, "{} of {}", met.len(), expected.len());
    assert_eq!(listed(&journal, listing(Place::Page(2))), Listed::TooFar);
    let newest = Listing { order: Order::NewestFirst, ..listing(Place::Page(1)) };
    assert_eq!(listed(&journal, newest), Listed::TooFar);
    // All rows have pages all the same.
    let all = |place| Listing { filter: Filter::default(), ..listing(place) };
    let last = head.div_ceil(50_000);
    let Listed::Page { rows, count, next } = listed(&journal, all(Place::Page(last))) else {
        panic!("a page")
    };
    assert_eq!((rows.last().map(|row| row.seq), count, next), (Some(head), head, None));
}

const HOUR: i64 = 3_600_000;

fn what_is_not_in_a_log_any_more_can_be_purged_and_nothing_else(site: &Site) {
    let journal = site.open();
    let purge = |before: i64, up_to: u64, limit: u32| {
        journal.write(soon(), move |backend| backend.purge(before, up_to, limit)).unwrap()
    };
    let at = |received_at, mut batch: zkgate::store::journal::LogBatch| {
        batch.received_at = received_at;
        batch
    };
    let done = |mut batch: zkgate::store::journal::LogBatch, when| {
        batch.cursor.complete = true;
        batch.cursor.verified_at = Some(when);
        batch
    };
    let log: Vec<_> = (0..6).map(|second| punch(7, second)).collect();
    place(&journal, done(at(100, batch("A", 0, 1, &log)), 100));
    let early = punch(8, 90);
    let late = punch(9, 91);
    tell(
        &journal,
        vec![zkgate::store::journal::placing::LiveRecord { received_at: 200, ..live("A", early) }],
    );
    let received_at = 10 * HOUR;
    tell(&journal, vec![zkgate::store::journal::placing::LiveRecord { received_at, ..live("A", late) }]);
    // Rows of another terminal, whose log was never read to the end.
    place(&journal, at(100, batch("B", 0, 1, &log[..1])));
    place(&journal, at(100, batch("B", 1, 2, &[])));
    assert_eq!(purge(i64::MAX, u64::MAX, 100), 0, "all of it is in a log, or may be");

    // The log was cleared: a new pass, which has not been to the end, and then has.
    place(&journal, batch("A", 1, 2, &log[5..]));
    assert_eq!(purge(i64::MAX, u64::MAX, 100), 0, "the pass is not complete");
    place(&journal, done(at(300, batch("A", 2, 2, &[punch(7, 100)])), 10 * HOUR + 1));
    assert_eq!(purge(100, u64::MAX, 100), 0, "not old enough");
    assert_eq!(purge(i64::MAX, 2, 100), 2, "not beyond what is allowed");
    assert_eq!(purge(150, u64::MAX, 2), 2, "not more at a time");
    let again: u64 = (0..3).map(|_| purge(i64::MAX, u64::MAX, 100)).sum();
    assert_eq!(again, 2, "the last of the old log, and the live row that never was in one");
    let left: Vec<_> =
        all(&journal).iter().map(|row| (row.serial_number.clone(), row.record.time.0)).collect();
    let time = |record: Record| record.time.0;
    let expected = [
        ("A".to_owned(), time(log[5])),
        ("A".to_owned(), time(late)),
        ("B".to_owned(), time(log[0])),
        ("A".to_owned(), time(punch(7, 100))),
    ];
    assert_eq!(left, expected, "the newest live row came too late to say");
}

fn numbers_are_never_given_twice(site: &Site) {
    let journal = site.open();
    let complete = |continues, pass, records: &[Record]| {
        let mut batch = batch("A", continues, pass, records);
        batch.cursor.complete = true;
        batch
    };
    place(&journal, complete(0, 1, &[punch(7, 1), punch(7, 2)]));
    place(&journal, complete(1, 2, &[]));
    assert_eq!(journal.write(soon(), |backend| backend.purge(i64::MAX, u64::MAX, 9)), Ok(2));
    close(&journal);
    let journal = site.open();
    assert_eq!(journal.read(soon(), |backend| backend.head()), Ok(2));
    let empty = page(&journal, 0, 9, &Filter::default());
    assert_eq!((empty.rows.len(), empty.next_after, empty.more), (0, 2, false));
    place(&journal, complete(2, 2, &[punch(7, 3)]));
    assert_eq!(seqs(&all(&journal)), [3]);
}

fn gaps_are_kept_in_their_order(site: &Site) {
    let journal = site.open();
    for (revision, reason) in GapReason::ALL.into_iter().enumerate() {
        let mut batch = batch("A", revision as u64, 1, &[]);
        let from = (revision != 0).then_some(ClockWord(5));
        batch.gap = Some(NewGap { from, to: ClockWord(u32::MAX), reason });
        batch.received_at = 70 + revision as i64;
        place(&journal, batch);
    }
    let gaps = journal.gaps(&device(1), soon()).unwrap();
    assert_eq!(gaps.iter().map(|gap| gap.reason).collect::<Vec<_>>(), GapReason::ALL);
    assert_eq!(gaps.iter().map(|gap| gap.noticed_at).collect::<Vec<_>>(), [70, 71, 72]);
    assert_eq!((gaps[0].from, gaps[1].from, gaps[1].to), (None, Some(ClockWord(5)), ClockWord(u32::MAX)));
    assert_eq!((gaps[0].serial_number.as_str(), &gaps[0].device_id), ("A", &device(1)));
    assert!(gaps[0].id < gaps[1].id);
    assert_eq!(journal.gaps(&device(2), soon()), Ok(vec![]));
}

fn quarantined(journal: &Journal, settled: Option<bool>) -> Vec<Quarantined> {
    journal.read(soon(), move |backend| backend.quarantined(0, 1000, None, settled)).unwrap()
}

fn strange_things_are_kept_once_until_they_are_settled(site: &Site) {
    let journal = site.open();
    let strange = |origin, reason, raw: &[u8]| Strange { origin, reason, raw: raw.to_vec() };
    let put = |number: u64, serial_number: &'static str, strange: Strange, now: i64| {
        let put = journal
            .write(soon(), move |backend| backend.quarantine(&device(number), serial_number, &strange, now));
        put.unwrap();
    };
    let long = vec![0xa5; 60_000];
    for _ in 0..2 {
        put(1, "A", strange(Origin::Live, Reason::UnknownLayout, &[0, 255, 0]), 10);
        put(1, "A", strange(Origin::Live, Reason::UnknownPerson, &long), 20);
        put(2, "B", strange(Origin::Live, Reason::UnknownLayout, &[0, 255, 0]), 30);
        put(1, "A", strange(Origin::Live, Reason::Conflict, &[1]), 40);
        put(1, "A", strange(Origin::Live, Reason::Conflict, &[]), 50);
    }
    let log = strange(Origin::Log { stride: 40 }, Reason::BadUserId, &[0, 255, 0]);
    for continues in 0..2 {
        let mut batch = batch("A", continues, 1, &[]);
        batch.strange = vec![log.clone(), log.clone()];
        batch.received_at = 60;
        place(&journal, batch);
    }
    let waiting = quarantined(&journal, None);
    assert_eq!(waiting.len(), 6);
    assert!(waiting.is_sorted_by_key(|one| one.id) && waiting[0].id > 0);
    assert_eq!(waiting[1].strange.raw, long);
    assert_eq!((waiting[5].strange.clone(), waiting[5].noticed_at), (log.clone(), 60));
    assert_eq!((waiting[0].device_id.clone(), waiting[0].serial_number.as_str()), (device(1), "A"));
    assert_eq!(waiting[0].tried_version, env!("CARGO_PKG_VERSION"));
    assert_eq!((waiting[0].settled_at, waiting[0].settled_as.clone()), (None, None));

    let first = waiting[0].id;
    let settled = journal.write(soon(), move |backend| {
        backend.tried(first, "9.9.9")?;
        backend.settle(first, "placed", 100)?;
        backend.settle(first, "in_log", 200)?;
        let settled = backend.settle_live("A", 50, 300)?;
        Ok((settled, backend.quarantine_size()?, backend.settle_live("nobody", 999, 300)?))
    });
    assert_eq!(settled, Ok((2, 3, 0)), "the conflict at 40 and the unknown person, not what came later");
    let done = quarantined(&journal, Some(true));
    assert_eq!((done[0].settled_at, done[0].settled_as.as_deref()), (Some(100), Some("placed")));
    assert_eq!(done[0].tried_version, "9.9.9");
    assert_eq!((done[1].settled_at, done[1].settled_as.as_deref()), (Some(300), Some("in_log")));
    assert_eq!((done.len(), quarantined(&journal, Some(false)).len()), (3, 3));

    // The same event once more is news; the same record of the log is not.
    put(1, "A", strange(Origin::Live, Reason::UnknownLayout, &[0, 255, 0]), 70);
    let log_id = waiting[5].id;
    journal.write(soon(), move |backend| backend.settle(log_id, "placed", 400)).unwrap();
    let mut batch = batch("A", 2, 2, &[]);
    batch.strange = vec![log];
    place(&journal, batch);
    assert_eq!(quarantined(&journal, None).len(), 7);
    let some = journal.read(soon(), move |backend| {
        let of_one = backend.quarantined(0, 1000, Some(&device(2)), None)?.len();
        let of_none = backend.quarantined(0, 1000, Some(&device(3)), Some(false))?.len();
        Ok((of_one, of_none, backend.quarantined(first, 2, Some(&device(1)), Some(true))?))
    });
    let (of_one, of_none, page) = some.unwrap();
    assert_eq!((of_one, of_none), (1, 0));
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), [waiting[1].id, waiting[3].id]);

    // Whatever an event was that nobody understood, a log that was read to its end later has its punch.
    let settled = journal.write(soon(), |backend| backend.settle_live("A", 71, 500));
    assert_eq!(settled, Ok(2), "the conflict at 50 and what came at 70");
    let left = quarantined(&journal, Some(false));
    assert_eq!(left.iter().map(|one| one.serial_number.as_str()).collect::<Vec<_>>(), ["B"]);
}

fn settings_are_kept_per_device(site: &Site) {
    let journal = site.open();
    let set = |device: &str, text: Option<&'static str>| {
        let device = DeviceId::parse(device).unwrap();
        journal.write(soon(), move |backend| backend.set_settings(&device, text)).unwrap();
    };
    set("2", Some("{\"x\":1}"));
    set("gate:1", Some("{}"));
    set("2", Some("{\"x\":2}"));
    set("3", Some("{}"));
    set("3", None);
    set("4", None);
    let kept = journal.read(soon(), |backend| backend.settings()).unwrap();
    let gate = DeviceId::parse("gate:1").unwrap();
    assert_eq!(kept, [(device(2), "{\"x\":2}".to_owned()), (gate, "{}".to_owned())]);
}

const SECRET: &str = "hook-secret-not-to-be-seen";

fn new_webhook(name: &str) -> NewWebhook {
    NewWebhook {
        name: name.into(),
        url: "http://127.0.0.1:9/hook".into(),
        secret: Secret::new(SECRET.into()),
        filter: Filter {
            devices: vec![device(1), DeviceId::parse("gate:2").unwrap()],
            users: vec![UserId::new("ümit\"".as_bytes()).unwrap()],
            ..Filter::default()
        },
        batch: 100,
        enabled: true,
        cursor: 17,
    }
}

fn webhooks_are_made_changed_and_deleted(site: &Site) {
    let journal = site.open();
    let new = new_webhook("payroll");
    let made = journal.write(soon(), move |backend| {
        let first = backend.create_webhook(&new_webhook("one"), 5)?;
        assert!(backend.delete_webhook(first.id)? && !backend.delete_webhook(first.id)?);
        let made = backend.create_webhook(&new, 10)?;
        assert_ne!(made.id, first.id, "ids are not used again");
        Ok(made)
    });
    let made = made.unwrap();
    let new = new_webhook("payroll");
    assert_eq!((made.name.as_str(), &made.url, &made.filter), ("payroll", &new.url, &new.filter));
    assert_eq!((made.batch, made.enabled, made.cursor, made.failures), (100, true, 17, 0));
    assert_eq!((made.created_at, made.updated_at, made.disabled_because.clone()), (10, 10, None));
    assert_eq!(made.secret.expose(), SECRET);
    assert!(!format!("{made:?}").contains(SECRET));

    let id = made.id;
    let update = |patch: WebhookPatch, now| {
        journal.write(soon(), move |backend| backend.update_webhook(id, &patch, now)).unwrap().unwrap()
    };
    let same = update(WebhookPatch::default(), 20);
    assert_eq!(same, zkgate::store::journal::delivery::Webhook { updated_at: 20, ..made.clone() });
    let patch = WebhookPatch {
        name: Some("other".into()),
        url: Some("http://127.0.0.1:8/".into()),
        secret: Some(Secret::new("another".into())),
        filter: Some(Filter::default()),
        batch: Some(1),
        enabled: Some(false),
        cursor: Some(3),
    };
    let changed = update(patch, 30);
    assert_eq!(
        (changed.name.as_str(), changed.batch, changed.cursor, changed.enabled),
        ("other", 1, 3, false)
    );
    assert!(changed.filter.is_all() && changed.secret.expose() == "another" && changed.created_at == 10);
    let read = journal.read(soon(), |backend| Ok((backend.webhooks()?, backend.delivered_up_to()?)));
    assert_eq!(
        read,
        Ok((vec![changed], Some(3))),
        "one that is off for a while is still owed what it has not had"
    );

    let nobody = journal.write(soon(), move |backend| {
        backend.create_webhook(&new_webhook("third"), 40)?;
        backend.update_webhook(999, &WebhookPatch::default(), 40)
    });
    assert_eq!(nobody, Ok(None));
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    assert!(update(on, 50).enabled);
    let read = journal.read(soon(), |backend| Ok((backend.webhooks()?.len(), backend.delivered_up_to()?)));
    assert_eq!(read, Ok((2, Some(3))));
}

fn a_webhook_is_delivered_by_one_owner_at_a_time(site: &Site) {
    let journal = site.open();
    let id = journal.write(soon(), |backend| backend.create_webhook(&new_webhook("x"), 0)).unwrap().id;
    let claim = |owner: &'static str, until, now| {
        journal.write(soon(), move |backend| backend.claim_webhook(id, owner, until, now)).unwrap()
    };
    assert!(claim("ann", 100, 10));
    assert!(!claim("ben", 200, 99), "ann has it");
    assert!(claim("ann", 150, 99), "and may go on");
    assert!(claim("ben", 250, 150), "until her time is over");
    assert!(!claim("ann", 300, 151));
    assert!(claim("ben", 0, 152) && claim("ann", 300, 152), "who is done lets go");
    let nobody = journal.write(soon(), move |backend| backend.claim_webhook(id + 1, "ann", 9, 0));
    assert_eq!(nobody, Ok(false));
}

fn attempts_move_the_cursor_and_only_the_last_ones_are_kept(site: &Site) {
    let journal = site.open();
    let id = journal.write(soon(), |backend| backend.create_webhook(&new_webhook("x"), 0)).unwrap().id;
    let attempt = |at, error: Option<&str>| Attempt {
        id: 0,
        webhook: id,
        at,
        took: 35,
        rows: Some((18, 20)),
        count: 2,
        status: error.is_none().then_some(204),
        error: error.map(str::to_owned),
    };
    let note = |attempt: Attempt, moved, disable: Option<&'static str>| {
        journal.write(soon(), move |backend| {
            backend.note_attempt(&attempt, moved, disable)?;
            let webhooks = backend.webhooks()?;
            let Some(webhook) = webhooks.into_iter().next() else { return Ok(Default::default()) };
            Ok((webhook.cursor, webhook.failures, webhook.enabled, webhook.disabled_because))
        })
    };
    assert_eq!(note(attempt(1, Some("refused")), None, None), Ok((17, 1, true, None)));
    assert_eq!(note(attempt(2, Some("refused")), None, None), Ok((17, 2, true, None)));
    let test = Attempt { rows: None, count: 0, ..attempt(3, Some("refused")) };
    assert_eq!(note(test, None, None), Ok((17, 2, true, None)), "a test says nothing of deliveries");
    assert_eq!(note(attempt(4, None), Some((17, 20)), None), Ok((20, 0, true, None)));
    assert_eq!(note(attempt(5, None), Some((17, 30)), None).unwrap().0, 20, "a replay meanwhile wins");
    assert_eq!(note(attempt(6, None), Some((20, 19)), None).unwrap().0, 20, "never backwards");
    let passed = |from, to| {
        journal.write(soon(), move |backend| {
            backend.move_cursor(id, from, to)?;
            Ok(backend.webhooks()?.first().map(|webhook| (webhook.cursor, webhook.failures)))
        })
    };
    assert_eq!(passed(20, 25), Ok(Some((25, 0))), "rows that are not wanted are passed over");
    assert_eq!(passed(20, 30), Ok(Some((25, 0))));
    assert_eq!(passed(25, 24), Ok(Some((25, 0))));
    let gone = Some("gone".to_owned());
    assert_eq!(note(attempt(7, Some("410")), None, Some("gone")), Ok((25, 1, false, gone)));
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    let on = journal.write(soon(), move |backend| backend.update_webhook(id, &on, 0)).unwrap().unwrap();
    assert_eq!((on.failures, on.disabled_because), (0, None), "switching on forgets");

    let attempts = |limit| journal.read(soon(), move |backend| backend.attempts(id, limit)).unwrap();
    let last = attempts(3);
    assert_eq!(last.iter().map(|attempt| attempt.at).collect::<Vec<_>>(), [7, 6, 5]);
    assert_eq!(last[1], Attempt { id: last[1].id, ..attempt(6, None) });
    assert_eq!(attempts(9)[4].rows, None);
    let more = attempt(8, None);
    let noted = journal.write(soon(), move |backend| {
        (0..ATTEMPTS_KEPT).try_for_each(|n| {
            backend.note_attempt(&Attempt { at: 100 + i64::from(n), ..more.clone() }, None, None)
        })
    });
    noted.unwrap();
    let kept = attempts(ATTEMPTS_KEPT + 50);
    assert_eq!((kept.len(), kept.last().unwrap().at), (ATTEMPTS_KEPT as usize, 100));

    // Deleted meanwhile: nothing to note it under.
    assert_eq!(journal.write(soon(), move |backend| backend.delete_webhook(id)), Ok(true));
    assert!(note(attempt(9, None), Some((20, 21)), Some("gone")).is_ok());
    assert!(attempts(9).is_empty());
}

fn everything_is_there_after_a_restart(site: &Site) {
    let before = {
        let journal = site.open();
        tell(&journal, vec![live("A", punch(1, 1)), live("A", Record { punch_state: 1, ..punch(1, 1) })]);
        let mut first = batch("A", 0, 1, &[punch(1, 1), punch(1, 2)]);
        first.gap = Some(NewGap { from: None, to: ClockWord(1), reason: GapReason::Replaced });
        place(&journal, first);
        let made = journal.write(soon(), |backend| {
            backend.set_settings(&device(1), Some("{}"))?;
            backend.create_webhook(&new_webhook("x"), 1)
        });
        made.unwrap();
        let before = everything(&journal);
        // Laid on the desk and not waited for: a close keeps them.
        assert_eq!(journal.place_live(vec![live("A", punch(9, 9))]), 0);
        close(&journal);
        assert!(matches!(try_place(&journal, batch("A", 1, 1, &[]), soon()), Err(StoreError::Closed)));
        before
    };
    let journal = site.open();
    let after = everything(&journal);
    assert_eq!(after.0.len(), before.0.len() + 1);
    assert_eq!(after.0[..before.0.len()], before.0);
    assert_eq!((after.1, after.2), (before.1, before.2));
    eventually("the head is known", || journal.feed().head() == 3);
}

type Everything = (Vec<zkgate::store::journal::Row>, Option<Cursor>, String);

fn everything(journal: &Journal) -> Everything {
    let rest = journal.read(soon(), |backend| {
        let quarantine = backend.quarantined(0, 99, None, None)?;
        let gaps = backend.gaps(&device(1))?;
        Ok(format!("{quarantine:?} {gaps:?} {:?} {:?}", backend.settings()?, backend.webhooks()?))
    });
    (all(journal), journal.cursor("A", soon()).unwrap(), rest.unwrap())
}

fn the_newest_rows_are_in_memory_and_followers_are_told(site: &Site) {
    let journal = site.open();
    tell(&journal, vec![live("A", punch(1, 1))]);
    place(&journal, batch("A", 0, 1, &[punch(1, 1), punch(1, 2)]));
    assert_eq!(journal.feed().head(), 2);
    let newest = journal.feed().behind(1, 9).unwrap();
    assert_eq!(*newest[0], all(&journal)[1]);
}

fn a_deadline_in_the_past_does_nothing(site: &Site) {
    let journal = site.open();
    let late = within(Duration::ZERO);
    let refused = try_place(&journal, batch("A", 0, 1, &[punch(1, 1)]), late);
    assert!(matches!(refused, Err(StoreError::TimedOut { .. })), "{refused:?}");
    assert!(all(&journal).is_empty());
}

/// What happens to a terminal and its journal.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody punches; told live so many times.
    Punch { record: Record, told: u8 },
    /// The tail of the log is read, up to so many records at a time.
    Tail(usize),
    /// The read ends after so many records: a crash, a cut.
    Broken(usize),
    /// The log is read from its beginning.
    Whole,
    /// An old event comes once more.
    Repeat(usize),
    /// The service stops and starts again.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Few people, few seconds: many equal ones.
    let record = (1u32..4, 0u32..6, 0u8..2, 1u8..3, 0u32..2);
    let record = record.prop_map(|(user, second, punch_state, verify_mode, work_code)| Record {
        punch_state,
        verify_mode,
        work_code: Some(work_code),
        ..punch(user, second)
    });
    let event = prop_oneof![
        12 => (record, 0u8..3).prop_map(|(record, told)| Event::Punch { record, told }),
        6 => (1usize..5).prop_map(Event::Tail),
        4 => (0usize..4).prop_map(Event::Broken),
        2 => Just(Event::Whole),
        2 => any::<usize>().prop_map(Event::Repeat),
        1 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 1..60)
}

/// Whatever order live events, tail reads, broken reads, whole reads, repeats and restarts come in: once the log has
/// been read to its end, the journal has exactly the history, once, and no row has changed its number.
fn any_interleaving_gives_the_history_once(site: &Site) {
    let cases = if site.url().is_some() { 24 } else { 48 };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let journal = std::cell::RefCell::new(site.open());
    let terminals = std::cell::Cell::new(0);
    let result = runner.run(&events(), |events| {
        let serial_number = format!("T{}", terminals.replace(terminals.get() + 1));
        let begin = journal.borrow().read(soon(), |backend| backend.head()).unwrap();
        let (mut log, mut pass, mut read, mut revision) = (Vec::<Record>::new(), 1, 0, 0);
        let mut place_some = |journal: &Journal, records: &[Record], pass| {
            revision = place(journal, batch(&serial_number, revision, pass, records)).cursor.revision;
        };
        let mut seen = Vec::new();
        for event in &events {
            let now = journal.borrow().clone();
            match event {
                Event::Punch { record, told } => {
                    log.push(*record);
                    let event = live(&serial_number, *record);
                    tell(&now, vec![event; usize::from(*told)]);
                }
                Event::Tail(size) => {
                    for records in log[read..].chunks(*size) {
                        place_some(&now, records, pass);
                    }
                    read = log.len();
                }
                Event::Broken(records) => {
                    let end = (read + records).min(log.len());
                    place_some(&now, &log[read..end], pass);
                    read = end;
                }
                Event::Whole => {
                    pass += 1;
                    place_some(&now, &log, pass);
                    read = log.len();
                }
                Event::Repeat(which) if !log.is_empty() => {
                    tell(&now, vec![live(&serial_number, log[which % log.len()])]);
                }
                Event::Repeat(_) => {}
                Event::Restart => {
                    seen = seqs(&page(&now, begin, 1000, &Filter::default()).rows);
                    close(&now);
                    journal.replace(site.open());
                }
            }
        }
        let now = journal.borrow().clone();
        place_some(&now, &log[read..], pass);
        let rows = page(&now, begin, 1000, &Filter::default()).rows;
        let sorted = |records: &mut dyn Iterator<Item = &Record>| {
            let key = |record: &Record| {
                let Record { time, person, punch_state, verify_mode, work_code, .. } = *record;
                (time, person, punch_state, verify_mode, work_code)
            };
            let mut keys: Vec<_> = records.map(key).collect();
            keys.sort_unstable();
            keys
        };
        prop_assert_eq!(sorted(&mut rows.iter().map(|row| &row.record)), sorted(&mut log.iter()));
        let numbers = seqs(&rows);
        prop_assert_eq!(&numbers, &(begin + 1..=begin + rows.len() as u64).collect::<Vec<_>>());
        prop_assert_eq!(&numbers[..seen.len()], &seen);
        let meets = now.read(soon(), {
            let serial_number = serial_number.clone();
            move |backend| backend.met_by(&serial_number, pass)
        });
        prop_assert!(meets.unwrap() <= rows.len() as u64);
        Ok(())
    });
    result.unwrap();
}
