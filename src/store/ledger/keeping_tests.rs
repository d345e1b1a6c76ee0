//! What is kept, whatever the clock says, and what gives way.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::keeping::{Keeping, Limits};
use super::tests::{book, finished, new, unlock};
use super::*;
use crate::base::clock::{Clock, ManualClock};
use crate::base::deadline::Deadline;
use crate::base::liveness::Liveness;

const HOUR: Duration = Duration::from_secs(3600);

fn done(book: &mut Book, key: Option<&str>, result: &str) -> u64 {
    let id = new(book.begin(&unlock(key, 1), 1).unwrap());
    let finished = Finished { result: Some(result.into()), audit: None, ..finished(State::Done, false) };
    book.finish(id, &finished, 2).unwrap();
    id
}

fn is_there(book: &mut Book, id: u64) -> bool {
    book.operation(id).unwrap().is_some()
}

fn all(book: &mut Book) -> (Vec<Operation>, bool) {
    book.operations(&OperationQuery { limit: 1000, ..OperationQuery::default() }).unwrap()
}

#[test]
fn what_has_ended_is_kept_for_the_hours_that_the_service_runs_and_what_is_open_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let open = new(book.begin(&unlock(None, 1), 1).unwrap());
    let (plain, keyed) = (done(&mut book, None, "1"), done(&mut book, Some("k"), "1"));
    let start = Instant::now();
    let mut keeping = Keeping::new(start);
    assert!(keeping.turn(&mut book, start).unwrap().is_ok());
    assert!(keeping.turn(&mut book, start).is_none(), "once is enough");
    for hour in 1..=720 {
        assert!(keeping.turn(&mut book, start + HOUR * hour).unwrap().is_ok());
    }
    assert!([plain, keyed].into_iter().all(|id| is_there(&mut book, id)), "720 hours are not over");
    let late = done(&mut book, Some("late"), "1");
    keeping.turn(&mut book, start + HOUR * 721).unwrap().unwrap();
    assert!(![plain, keyed].into_iter().any(|id| is_there(&mut book, id)));
    assert!(is_there(&mut book, open) && is_there(&mut book, late));
    let hours: u32 = book.connection.query_row("select count(*) from hour", [], |row| row.get(0)).unwrap();
    assert!(hours <= 722, "{hours}");
}

#[test]
fn operations_without_a_key_give_way_to_each_other_and_never_take_the_place_of_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    book.limits = Limits { unkeyed: 3, keyed: 2, ..Limits::USUAL };
    let first = done(&mut book, Some("first"), "1");
    // Refused before it began: its key is free, and it is one without a key.
    let refused = new(book.begin(&unlock(Some("refused"), 1), 1).unwrap());
    book.finish(refused, &finished(State::Failed, true), 2).unwrap();
    let plain: Vec<u64> = (0..4).map(|_| done(&mut book, None, "1")).collect();
    assert!(!book.sweep().unwrap());
    let left: Vec<u64> = all(&mut book).0.iter().map(|operation| operation.id).collect();
    assert_eq!(left, [plain[3], plain[2], plain[1], first]);
    let (second, third) = (done(&mut book, Some("second"), "1"), done(&mut book, Some("third"), "1"));
    book.sweep().unwrap();
    assert!(!is_there(&mut book, first) && is_there(&mut book, second) && is_there(&mut book, third));
}

#[test]
fn what_may_go_goes_in_portions() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    book.limits = Limits { unkeyed: 0, ..Limits::USUAL };
    let many = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1200)
                insert into operation (kind, token, state, created_at, finished_at, deadline)
                select 'unlock', 'door', 'done', 1, 2, 3 from n";
    book.connection.execute(many, []).unwrap();
    let (start, mut turns) = (Instant::now(), 0);
    let mut keeping = Keeping::new(start);
    while let Some(turn) = keeping.turn(&mut book, start) {
        turn.unwrap();
        turns += 1;
        assert!(turns < 9, "it comes to an end");
    }
    assert_eq!((turns, all(&mut book).0.len()), (3, 0));
}

#[test]
fn a_large_result_stands_in_its_operation_alone_and_the_oldest_give_way() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let large = format!("[{}]", vec!["1"; 2000].join(","));
    let small = done(&mut book, None, "{\"a\":1}");
    let (first, second) = (done(&mut book, None, &large), done(&mut book, Some("k"), &large));
    let shown = |operation: &Operation| (operation.id, operation.result.is_some(), operation.left_out);
    let (listed, _) = all(&mut book);
    let listed: Vec<_> = listed.iter().map(shown).collect();
    assert_eq!(
        listed,
        [(second, false, Some(LeftOut::Large)), (first, false, Some(LeftOut::Large)), (small, true, None)]
    );
    let whole = book.operation(first).unwrap().unwrap();
    assert_eq!((whole.result.as_deref(), whole.left_out), (Some(large.as_str()), None));
    let Begun::Earlier(again) = book.begin(&unlock(Some("k"), 1), 3).unwrap() else { panic!() };
    assert_eq!(again.result.as_deref(), Some(large.as_str()));

    book.limits = Limits { large: large.len() as u64 + 10, ..Limits::USUAL };
    book.sweep().unwrap();
    let of = |book: &mut Book, id| shown(&book.operation(id).unwrap().unwrap());
    assert_eq!(of(&mut book, first), (first, false, Some(LeftOut::GivenUp)));
    assert_eq!(of(&mut book, second), (second, true, None), "there is room for it");
    assert_eq!(of(&mut book, small), (small, true, None), "small ones take no part in it");
    // An operation that goes takes its result along.
    book.connection.execute("delete from operation where id = ?", [second]).unwrap();
    let left: u32 =
        book.connection.query_row("select count(*) from large_result", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_grows_fast_is_cleared_away_before_the_hour_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let start = Instant::now();
    let mut keeping = Keeping::new(start);
    keeping.turn(&mut book, start);
    book.limits = Limits { large: 0, ..Limits::USUAL };
    let large = format!("\"{}\"", "x".repeat(3 * 1024 * 1024));
    for round in 0..3 {
        assert!(keeping.turn(&mut book, start).is_none(), "{round}");
        done(&mut book, None, &large);
    }
    keeping.turn(&mut book, start).unwrap().unwrap();
    let left: u32 =
        book.connection.query_row("select count(*) from large_result", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_page_ends_after_so_many_bytes_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    for _ in 0..5 {
        let subject = Some("s".repeat(600 * 1024));
        let id = new(book.begin(&NewOperation { subject, ..unlock(None, 1) }, 1).unwrap());
        book.finish(id, &finished(State::Done, false), 2).unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), 0);
    loop {
        let query = OperationQuery { before, limit: 1000, ..OperationQuery::default() };
        let (page, more) = book.operations(&query).unwrap();
        assert!((1..=2).contains(&page.len()), "{}", page.len());
        seen.extend(page.iter().map(|operation| operation.id));
        before = *seen.last().unwrap();
        if !more {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[test]
fn a_list_is_found_by_an_index_whatever_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let mut book = book(&directory);
    let keyed = |number: u32| NewOperation {
        device_id: Some((number % 3).to_string()),
        ..unlock(Some(&number.to_string()), 1)
    };
    for number in 0..30 {
        let id = new(book.begin(&keyed(number), 1).unwrap());
        let state = if number % 5 == 0 { State::Failed } else { State::Done };
        book.finish(id, &finished(state, false), 2).unwrap();
    }
    for (device_id, state, way, found) in [
        (None, None, "INTEGER PRIMARY KEY (rowid<?)", 30),
        (Some("1"), None, "operation_device (device_id=?", 10),
        (None, Some(State::Failed), "operation_state (state=?", 6),
        (None, Some(State::Done), "operation_state (state=?", 24),
        (Some("1"), Some(State::Failed), "operation_state (state=?", 2),
        (Some("1"), Some(State::Done), "operation_device (device_id=?", 8),
        (Some("9"), None, "operation_device (device_id=?", 0),
    ] {
        let query = OperationQuery { before: 0, limit: 1000, device_id: device_id.map(str::to_owned), state };
        let plan = format!("explain query plan {}", listing::question(&query));
        let mut plan = book.connection.prepare(&plan).unwrap();
        let values = rusqlite::params![1, "", "", 1];
        let steps: Vec<String> =
            plan.query_map(values, |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap();
        drop(plan);
        assert!(steps[0].contains(way), "{query:?}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{query:?}: {steps:?}");
        let (page, more) = book.operations(&query).unwrap();
        assert_eq!((page.len(), more), (found, false), "{query:?}");
        assert!(page.is_sorted_by(|one, next| one.id > next.id), "{query:?}");
    }
}

/// A clock whose calendar is set while it runs.
struct SetClock {
    hands: ManualClock,
    /// guards: what the calendar shows
    wall: Mutex<SystemTime>,
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        self.hands.now()
    }

    fn wall(&self) -> SystemTime {
        *self.wall.lock().unwrap()
    }
}

fn asked<T: Send + 'static>(
    ledger: &Ledger,
    job: impl FnOnce(&mut Book) -> Result<T, StoreError> + Send + 'static,
) -> T {
    ledger.ask(Deadline::after(Instant::now(), Duration::from_secs(60)), job).unwrap()
}

#[test]
fn a_calendar_that_jumps_forgets_no_key_and_a_whole_month_of_running_does() {
    let directory = tempfile::tempdir().unwrap();
    let days = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
    let clock = Arc::new(SetClock { hands: ManualClock::new(), wall: Mutex::new(days(1)) });
    let open = |path: &Path| {
        let liveness = Liveness::new(Instant::now());
        Ledger::open(path, Arc::clone(&clock) as Arc<dyn Clock>, &liveness).unwrap()
    };
    let opens_once =
        |ledger: &Ledger| asked(ledger, |book| book.begin(&unlock(Some("k"), 1), 1)) != Begun::New(2);
    // The host has no battery: it is 1970 when the door is opened.
    let ledger = open(directory.path());
    asked(&ledger, |book| {
        done(book, Some("k"), "1");
        Ok(())
    });
    // Then somebody tells it the time, and later a wrong one; and it is restarted in between.
    for day in [20_000, 40_000, 20_001] {
        *clock.wall.lock().unwrap() = days(day);
        clock.hands.advance(HOUR);
        assert!(opens_once(&ledger), "day {day}");
        // What is due was done behind the first question.
        assert!(opens_once(&ledger), "day {day}");
    }
    ledger.close();
    let ledger = open(directory.path());
    for _ in 0..725 {
        clock.hands.advance(HOUR);
        // The hour is counted behind the first question, and so before the second.
        asked(&ledger, |_| Ok(()));
        asked(&ledger, |_| Ok(()));
    }
    assert!(!opens_once(&ledger), "it can be forgotten");
    ledger.close();
}

#[test]
fn the_audit_log_is_cleared_at_the_start_whoever_wrote_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = book(&directory);
    first.audit(&NewAudit::default()).unwrap();
    let sql = "insert into audit (seq, at, token, action, result) values (500999, 1, '', '', '')";
    first.connection.execute(sql, []).unwrap();
    drop(first);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let ledger = Ledger::open(directory.path(), clock, &Liveness::new(Instant::now())).unwrap();
    asked(&ledger, |_| Ok(()));
    let query = || AuditQuery { limit: 10, ..AuditQuery::default() };
    let (rows, _) = asked(&ledger, move |book| book.audit_rows(&query()));
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [500_999]);
    ledger.close();
}

#[test]
fn a_file_of_the_version_before_keeps_its_keys_and_loses_what_tells_of_requests() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let older = rusqlite::Connection::open(&path).unwrap();
    for step in &migrate::LEDGER_SQLITE[..2] {
        older.execute_batch(step.sql).unwrap();
    }
    let digest = b"a digest that tells of a request";
    older
        .execute_batch(&format!(
            "pragma user_version = 2;
             insert into token (id, name, digest, scopes, created_at, created_by, revoked_at)
             values (1, 'door', x'01', 'operate', 1, 'main', 5), (2, 'door', x'02', 'operate', 6, 'main', null);
             insert into operation (id, kind, token, idempotency_key, state, created_at, finished_at, deadline, result)
             values (1, 'unlock', 'door', 'k', 'done', 2, 3, 9, '{{}}'),
                    (2, 'unlock', 'main', 'k', 'done', 2, 3, 9, '\"{}\"'),
                    (3, 'unlock', 'door', 'l', 'done', 7, 8, 9, null);
             insert into audit (at, token, action, result) values (1, 'door', 'operation unlock', 'done');",
            "x".repeat(5000)
        ))
        .unwrap();
    older.execute("update operation set request = ?", [digest]).unwrap();
    drop(older);
    let mut book = book(&directory);
    let taken = |book: &mut Book, token: &str, token_id: u64, key: &str| {
        let asked = NewOperation { token: token.into(), token_id, ..unlock(Some(key), 1) };
        book.begin(&asked, 9).unwrap()
    };
    assert_eq!(taken(&mut book, "door", 1, "k"), Begun::KeyTaken(1));
    assert_eq!(taken(&mut book, "main", 0, "k"), Begun::KeyTaken(2));
    assert_eq!(taken(&mut book, "door", 2, "l"), Begun::KeyTaken(3));
    new(taken(&mut book, "door", 2, "k"));
    let large = book.operation(2).unwrap().unwrap();
    assert_eq!((large.result.map(|text| text.len()), large.left_out), (Some(5002), None));
    assert_eq!(all(&mut book).0[2].left_out, Some(LeftOut::Large));
    let query = AuditQuery { limit: 9, ..AuditQuery::default() };
    assert_eq!(book.audit_rows(&query).unwrap().0[0].said.token_id, None);
    drop(book);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(digest.len()).any(|part| part == digest), "it is still in the file");
    }
}
