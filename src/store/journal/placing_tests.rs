use proptest::prelude::*;

use super::*;
use crate::store::journal::row::Moment;
use crate::wire::record::UserId;

/// A journal of one terminal that fits a line.
#[derive(Default)]
struct Book {
    rows: Vec<(Record, Present)>,
    waiting: Vec<Record>,
}

impl Book {
    fn at(&self, spot: Spot) -> Vec<Present> {
        let here = |record: &Record| (record.time, record.person) == spot;
        self.rows.iter().filter(|(record, _)| here(record)).map(|(_, row)| *row).collect()
    }

    fn log(&mut self, records: &[Record], pass: u64) {
        let newest = self.rows.iter().map(|(record, _)| record.time).max();
        let spots = spots_to_look_at(records, newest);
        let present = spots.into_iter().map(|spot| (spot, self.at(spot))).collect();
        for (record, placement) in records.iter().zip(place_log(records, &present, pass)) {
            match placement {
                Placement::New { ordinal } => self.push(*record, ordinal, pass),
                Placement::Met { seq } => self.rows[seq as usize - 1].1.pass = pass,
                Placement::Completes { seq, ordinal } => {
                    let (kept, row) = &mut self.rows[seq as usize - 1];
                    assert_eq!(row.pass, 0, "only a live row is completed");
                    *kept = *record;
                    let Record { punch_state, verify_mode, work_code, .. } = *record;
                    *row = Present { seq, punch_state, verify_mode, work_code, ordinal, pass };
                }
            }
        }
    }

    fn live(&mut self, record: Record) {
        match place_live(&record, &self.at((record.time, record.person))) {
            LivePlacement::New => self.push(record, 0, 0),
            LivePlacement::Known => {}
            LivePlacement::Conflict => self.waiting.push(record),
        }
    }

    fn push(&mut self, record: Record, ordinal: u32, pass: u64) {
        let Record { punch_state, verify_mode, work_code, .. } = record;
        let seq = self.rows.len() as u64 + 1;
        self.rows.push((record, Present { seq, punch_state, verify_mode, work_code, ordinal, pass }));
    }

    fn sorted(&self) -> Vec<(u32, u32, u8, u8, Option<u32>)> {
        sorted(self.rows.iter().map(|(record, _)| record))
    }
}

fn sorted<'r>(records: impl Iterator<Item = &'r Record>) -> Vec<(u32, u32, u8, u8, Option<u32>)> {
    let who = |record: &Record| match record.person {
        Person::UserId(user_id) => user_id.to_number().unwrap(),
        Person::Uid(uid) => u32::from(uid),
    };
    let mut all: Vec<_> =
        records.map(|r| (r.time.0, who(r), r.punch_state, r.verify_mode, r.work_code)).collect();
    all.sort_unstable();
    all
}

fn record(user: u32, second: u32, punch_state: u8, verify_mode: u8, work_code: u32) -> Record {
    let user_id = UserId::from_number(user);
    Record {
        person: Person::UserId(user_id),
        user_id: Some(user_id),
        time: ClockWord(1_000_000 + second),
        moment: Moment { instant: Some(0), certainty: Default::default() },
        punch_state,
        verify_mode,
        work_code: Some(work_code),
    }
}

fn live(record: Record) -> Record {
    Record { work_code: None, ..record }
}

#[test]
fn a_punch_seen_live_and_then_in_the_log_is_one_row_with_the_logs_values() {
    let mut book = Book::default();
    let punch = record(7, 1, 0, 1, 5);
    book.live(live(punch));
    book.log(&[punch], 1);
    book.live(live(punch));
    book.log(&[punch], 2);
    assert_eq!(book.sorted(), sorted([punch].iter()));
}

#[test]
fn equal_records_make_as_many_rows_as_there_are_however_often_they_are_read() {
    let mut book = Book::default();
    let punch = record(7, 1, 0, 1, 0);
    book.live(live(punch));
    book.live(live(punch));
    book.log(&[punch, punch], 1);
    // The same pass goes on after a crash: the third one is new.
    book.log(&[punch], 1);
    book.log(&[punch, punch, punch], 2);
    assert_eq!(book.sorted().len(), 3);
}

#[test]
fn no_record_takes_the_row_that_another_one_is_exactly() {
    let mut book = Book::default();
    let (into, out) = (record(7, 1, 0, 1, 0), record(7, 1, 1, 1, 0));
    book.live(live(into));
    // The log has another punch of the same second first.
    book.log(&[out, into], 1);
    assert_eq!(book.sorted(), sorted([into, out].iter()));
    assert_eq!(book.rows[0].0, into, "the live row stayed what it was");
}

#[test]
fn a_live_event_that_differs_waits_for_the_log() {
    let mut book = Book::default();
    let (into, out) = (record(7, 1, 0, 1, 0), record(7, 1, 1, 1, 0));
    book.log(&[into], 1);
    book.live(live(out));
    assert_eq!((book.rows.len(), book.waiting.len()), (1, 1));
    book.log(&[out], 1);
    assert_eq!(book.sorted(), sorted([into, out].iter()));
}

#[test]
fn short_records_abbreviate_what_the_event_said() {
    let mut book = Book::default();
    let uid = |record: Record| Record { person: Person::Uid(7), ..record };
    let (event, stored) = (uid(live(record(7, 1, 0, 15, 0))), uid(record(7, 1, 0, 3, 0)));
    book.live(event);
    book.log(&[stored], 1);
    book.live(event);
    assert_eq!(book.rows.len(), 1);
    assert_eq!(book.waiting.len(), 0);
}

#[test]
fn the_cursor_knows_its_last_row_and_whether_the_sought_one_was_met() {
    let batch = |sought_seq| LogBatch {
        device_id: DeviceId::from(1),
        serial_number: "A".into(),
        continues: 4,
        cursor: Cursor { sought_seq, last_seq: 2, ..Cursor::default() },
        records: Vec::new(),
        strange: Vec::new(),
        gap: None,
        received_at: 0,
    };
    let kept = kept_cursor(&batch(9), &[8, 9, 17]);
    assert_eq!((kept.revision, kept.last_seq, kept.sought_seq), (5, 17, 0));
    let kept = kept_cursor(&batch(9), &[]);
    assert_eq!((kept.last_seq, kept.sought_seq), (2, 9));
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
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Few people, few seconds: many equal ones.
    let record = (1u32..4, 0u32..6, 0u8..2, 1u8..3, 0u32..2);
    let record = record
        .prop_map(|(user, second, state, verify, code)| self::record(user, second, state, verify, code));
    let event = prop_oneof![
        6 => (record, 0u8..3).prop_map(|(record, told)| Event::Punch { record, told }),
        3 => (1usize..5).prop_map(Event::Tail),
        2 => (0usize..4).prop_map(Event::Broken),
        1 => Just(Event::Whole),
        1 => any::<usize>().prop_map(Event::Repeat),
    ];
    proptest::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever order live events, tail reads, broken reads, whole reads and repeats come in: once the log has been
    /// read to its end, the journal has exactly the history, once.
    #[test]
    fn any_interleaving_gives_the_history_once(events in events()) {
        let (mut book, mut log, mut history) = (Book::default(), Vec::new(), Vec::new());
        let (mut pass, mut read) = (1u64, 0usize);
        for event in &events {
            match event {
                Event::Punch { record, told } => {
                    log.push(*record);
                    history.push(*record);
                    for _ in 0..*told {
                        book.live(live(*record));
                    }
                }
                Event::Tail(batch) => {
                    while read < log.len() {
                        let end = (read + batch).min(log.len());
                        book.log(&log[read..end], pass);
                        read = end;
                    }
                }
                Event::Broken(records) => {
                    let end = (read + records).min(log.len());
                    book.log(&log[read..end], pass);
                    read = end;
                }
                Event::Whole => {
                    pass += 1;
                    book.log(&log, pass);
                    read = log.len();
                }
                Event::Repeat(which) => {
                    if !history.is_empty() {
                        book.live(live(history[which % history.len()]));
                    }
                }
            }
        }
        book.log(&log[read..], pass);
        prop_assert_eq!(book.sorted(), sorted(history.iter()));
        // No row that a reader has seen is ever renumbered: rows are only appended or completed.
        prop_assert!(book.rows.iter().zip(1..).all(|((_, row), seq)| row.seq == seq));
    }
}

#[test]
fn a_gap_ends_after_it_begins_though_the_clock_was_set_back() {
    let between = |from, to| {
        let gap = NewGap::between(from, to, GapReason::Cleared);
        (gap.from, gap.to)
    };
    let (early, late) = (ClockWord(5), ClockWord(9));
    assert_eq!(between(Some(early), late), (Some(early), late));
    assert_eq!(between(Some(late), early), (Some(early), late));
    assert_eq!(between(None, late), (None, late));
}
