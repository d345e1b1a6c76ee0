//! What may happen to a journal's database: several gateways at once, death in the middle of a transaction, a
//! server that freezes or goes away, a full disk. No row is lost, none is doubled, no reader misses one, and everybody
//! keeps their deadlines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "support/journal.rs"]
mod journals;
#[path = "support/postgres.rs"]
mod postgres_server;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use journals::*;
use postgres::Client;
use postgres_server::{Cluster, client, eventually, shared};
use zkgate::base::clock::SystemClock;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::journal::delivery::{NewWebhook, WebhookPatch};
use zkgate::store::journal::placing::{LogBatch, LogOutcome, NewGap};
use zkgate::store::journal::row::{Record, Row};
use zkgate::store::journal::{Filter, GapReason, Journal, PageQuery};
use zkgate::store::{Condition, Place, Store, StoreError, StoreSettings};
use zkgate::wire::clock_word::ClockWord;

fn well(journal: &Journal) -> bool {
    journal.health().condition == Condition::Good
}

fn cause(journal: &Journal) -> String {
    match journal.health().condition {
        Condition::Good => String::new(),
        Condition::Degraded { cause, .. } => cause,
    }
}

/// Follows the journal from its beginning until told to stop, and then to its end.
struct Follower {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Row>>,
}

impl Follower {
    fn of(journal: Arc<Journal>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut seen, mut after) = (Vec::<Row>::new(), 0);
            loop {
                let last_time = told.load(Ordering::SeqCst);
                let page = page(&journal, after, 50, &Filter::default());
                assert!(page.rows.first().is_none_or(|row| row.seq > after));
                after = page.next_after;
                seen.extend(page.rows);
                if last_time && !page.more {
                    return seen;
                }
            }
        });
        Self { stop, thread }
    }

    fn seen(self) -> Vec<Row> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Asks for a batch to be placed, and does not wait.
fn send(journal: &Journal, batch: LogBatch) -> Receiver<Result<LogOutcome, StoreError>> {
    let (tell, told) = mpsc::channel();
    journal.place_log(batch, soon(), move |outcome| drop(tell.send(outcome))).unwrap();
    told
}

fn waits_for_a_lock(client: &mut Client) -> Option<i32> {
    let waiting = "select pid from pg_stat_activity where datname = current_database() \
         and application_name = 'zkgate' and wait_event_type = 'Lock'";
    client.query(waiting, &[]).unwrap().first().map(|row| row.get(0))
}

#[test]
fn a_reader_never_meets_a_row_below_one_it_has_seen_though_an_older_transaction_is_still_open() {
    let site = Site::postgres(shared().database());
    let (one, two, reader) = (site.open(), site.open(), site.open());
    place(&one, batch("A", 0, 1, &[punch(1, 1)]));
    let follower = Follower::of(reader);
    // Another gateway has taken numbers, has added a row under the first of them, and has not committed yet.
    let mut other = client(site.url().unwrap());
    let mut open = other.transaction().unwrap();
    open.batch_execute(
        "update zkgate.journal_head set last_seq = last_seq + 1; \
         insert into zkgate.punch select 2, terminal, time + 500, instant, received_at, pass, work_code, ordinal, \
         certainty, punch_state, verify_mode, source, device_id, person, user_id from zkgate.punch where seq = 1",
    )
    .unwrap();
    let first = send(&one, batch("A", 1, 1, &[punch(1, 2)]));
    let second = send(&two, batch("B", 0, 1, &[punch(1, 3)]));
    let mut watcher = client(site.url().unwrap());
    eventually("the others wait", || waits_for_a_lock(&mut watcher).is_some());
    let now = page(&site.open(), 0, 10, &Filter::default());
    assert_eq!((seqs(&now.rows), now.next_after), (vec![1], 1), "nobody is sent past what is not there yet");
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
    open.commit().unwrap();
    for placed in [first, second] {
        assert!(matches!(placed.recv().unwrap(), Ok(LogOutcome::Placed(_))));
    }
    assert_eq!(seqs(&follower.seen()), [1, 2, 3, 4]);
}

#[test]
fn eight_gateways_at_once_lose_and_double_nothing_and_a_reader_sees_it_all() {
    let site = Site::postgres(shared().database());
    let follower = Follower::of(site.open());
    const WRITERS: u32 = 8;
    const ROUNDS: u32 = 12;
    let writers: Vec<_> = (0..WRITERS).map(|number| (number, site.open())).collect();
    let threads: Vec<_> = writers
        .into_iter()
        .map(|(number, journal)| {
            std::thread::spawn(move || {
                let own = format!("own {number}");
                for round in 0..ROUNDS {
                    let records: Vec<_> = (0..5).map(|n| punch(number, round * 5 + n)).collect();
                    place(&journal, batch(&own, round.into(), 1, &records));
                    // The same log, read by all of them: each record is placed by whoever comes first.
                    place_shared(&journal, round);
                    // Live events of all terminals, each writer's in another order.
                    let mut events: Vec<_> =
                        (0..4).map(|n| live(&format!("live {n}"), punch(number, round))).collect();
                    events.rotate_left((number % 4) as usize);
                    tell(&journal, events);
                }
                close(&journal);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let journal = site.open();
    let everything = all(&journal);
    assert_eq!(seqs(&everything), (1..=everything.len() as u64).collect::<Vec<_>>(), "no number is missing");
    assert_eq!(follower.seen(), everything);
    let of =
        |start: &str| everything.iter().filter(|row| row.serial_number.starts_with(start)).count() as u32;
    assert_eq!(of("own"), WRITERS * ROUNDS * 5);
    assert_eq!(of("live"), 4 * WRITERS * ROUNDS);
    assert_eq!(of("shared"), 3 * ROUNDS);
}

/// Reads the next piece of a log that others read too, until its records up to this round are kept.
fn place_shared(journal: &Journal, round: u32) {
    loop {
        let cursor = journal.cursor("shared", soon()).unwrap().unwrap_or_default();
        let log: Vec<_> = (0..3 * (round + 1)).map(|n| punch(99, n)).collect();
        let known = cursor.records as usize;
        if known >= log.len() {
            return;
        }
        let mut next = batch("shared", cursor.revision, 1, &log[known..]);
        next.cursor.records = log.len() as u64;
        drop(try_place(journal, next, soon()).unwrap());
    }
}

/// A batch that touches everything, the gap last.
fn everything_at_once(continues: u64) -> LogBatch {
    let gap = Some(NewGap { from: None, to: ClockWord(1), reason: GapReason::Wrapped });
    let strange = vec![zkgate::store::journal::quarantine::Strange {
        origin: zkgate::store::journal::quarantine::Origin::Log { stride: 40 },
        reason: zkgate::store::journal::quarantine::Reason::BadUserId,
        raw: vec![7; 40],
    }];
    let mut records: Vec<_> = (0..500).map(|second| punch(7, second)).collect();
    records[3].work_code = Some(5);
    LogBatch { gap, strange, ..batch("A", continues, 2, &records) }
}

/// A journal with a live row and one that an earlier pass met.
fn with_something(journal: &Journal) -> String {
    tell(journal, vec![live("A", punch(7, 3))]);
    place(journal, batch("A", 0, 1, &[punch(7, 1)]));
    all_of(journal)
}

fn all_of(journal: &Journal) -> String {
    let rest = journal.read(soon(), |backend| {
        let quarantine = backend.quarantined(0, 9, None, None)?;
        let met = (backend.met_by("A", 1)?, backend.met_by("A", 2)?);
        Ok(format!("{quarantine:?} {:?} {met:?} {:?}", backend.gaps(&device(1))?, backend.head()?))
    });
    format!("{:?} {:?} {}", all(journal), journal.cursor("A", soon()), rest.unwrap())
}

/// After whatever happened: nothing of the batch is there, and then all of it, once.
fn whole_or_not_at_all(journal: &Journal, before: &str) {
    eventually("the journal answers", || journal.cursor("A", soon()).is_ok());
    assert_eq!(all_of(journal), before);
    let placed = place(journal, everything_at_once(1));
    assert_eq!((placed.met, placed.completed, placed.cursor.revision), (1, 1, 2));
    assert_eq!(all(journal).len(), 500);
    assert_eq!(journal.gaps(&device(1), soon()).unwrap().len(), 1);
    eventually("all is well", || well(journal));
}

#[test]
fn a_batch_whose_server_process_is_killed_at_its_end_is_not_kept_at_all() {
    let site = Site::postgres(shared().database());
    let journal = site.open();
    let before = with_something(&journal);
    // The last statement of the batch waits for us.
    let mut watcher = client(site.url().unwrap());
    let mut blocker = client(site.url().unwrap());
    let mut held = blocker.transaction().unwrap();
    held.batch_execute("lock table zkgate.gap in share mode").unwrap();
    let told = send(&journal, everything_at_once(1));
    let mut waiting = None;
    eventually("it waits", || {
        waiting = waits_for_a_lock(&mut watcher);
        waiting.is_some()
    });
    watcher.execute("select pg_terminate_backend($1)", &[&waiting]).unwrap();
    let error = told.recv().unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
    drop(held);
    whole_or_not_at_all(&journal, &before);
}

#[test]
fn a_server_process_that_is_killed_while_it_commits_leaves_the_outcome_unknown() {
    let site = Site::postgres(shared().database());
    let journal = site.open();
    let before = with_something(&journal);
    let mut watcher = client(site.url().unwrap());
    watcher
        .batch_execute(
            "create function linger() returns trigger language plpgsql as \
             'begin perform pg_sleep(60); return null; end'; \
             create constraint trigger linger after insert on zkgate.gap deferrable initially deferred \
             for each row execute function linger()",
        )
        .unwrap();
    let told = send(&journal, everything_at_once(1));
    let asleep =
        "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    let mut process: Option<i32> = None;
    eventually("it commits", || {
        process = watcher.query(asleep, &[]).unwrap().first().map(|row| row.get(0));
        process.is_some()
    });
    watcher.execute("select pg_terminate_backend($1)", &[&process]).unwrap();
    let error = told.recv().unwrap().unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    watcher.batch_execute("drop trigger linger on zkgate.gap").unwrap();
    whole_or_not_at_all(&journal, &before);
}

#[test]
fn a_batch_that_fails_at_its_end_is_not_kept_at_all() {
    let site = Site::sqlite();
    let journal = site.open();
    let before = with_something(&journal);
    let other = rusqlite::Connection::open(site.file()).unwrap();
    other
        .execute_batch("create trigger no before insert on gap begin select raise(abort, 'no'); end")
        .unwrap();
    let error = try_place(&journal, everything_at_once(1), soon()).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    other.execute_batch("drop trigger no").unwrap();
    whole_or_not_at_all(&journal, &before);
}

#[test]
fn another_program_that_holds_the_file_costs_no_punch() {
    let site = Site::sqlite();
    let journal = site.open();
    let before = with_something(&journal);
    let other = rusqlite::Connection::open(site.file()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let began = Instant::now();
    let error = try_place(&journal, everything_at_once(1), within(Duration::from_secs(20))).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "it is waited for, and not for long");
    assert!(cause(&journal).contains("another program"), "{}", cause(&journal));
    assert_eq!(all_of(&journal), before, "reading goes on");
    other.execute_batch("rollback").unwrap();
    whole_or_not_at_all(&journal, &before);
}

/// This program once more, as a process of its own that runs only this test.
fn child(program: Option<&[&str]>, test: &str, dir: &Path) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match program {
        None => Command::new(own),
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(own);
            command
        }
        Some([]) => unreachable!(),
    };
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("ZKGATE_TEST_DIR", dir);
    command
}

fn directory_of_the_child() -> PathBuf {
    std::env::var_os("ZKGATE_TEST_DIR").expect("only as a child of another test").into()
}

const PIECE: u32 = 700;

fn piece(revision: u64) -> LogBatch {
    let start = u32::try_from(revision).unwrap() * PIECE;
    let records: Vec<_> = (start..start + PIECE).map(|n| punch(n % 9, n / 2)).collect();
    batch("A", revision, 1, &records)
}

#[test]
#[ignore = "a part of the test below"]
fn child_that_writes() {
    let journal = open_in(&directory_of_the_child(), None).unwrap();
    for revision in 0.. {
        let placed = place(&journal, piece(revision));
        println!("kept {}", placed.cursor.revision);
    }
}

#[test]
fn what_a_killed_process_had_kept_is_there_and_nothing_by_halves() {
    for round in 1..=3 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = child(None, "child_that_writes", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let kept = lines.filter_map(|line| line.split_once("kept ")?.1.parse::<u64>().ok());
        let confirmed = kept.take(3 * round).last();
        child.kill().unwrap();
        child.wait().unwrap();
        let journal = open_in(dir.path(), None).unwrap();
        let cursor = journal.cursor("A", soon()).unwrap().unwrap();
        assert!(Some(cursor.revision) >= confirmed, "{confirmed:?} and then {}", cursor.revision);
        let rows = all(&journal);
        assert_eq!(rows.len() as u64, cursor.revision * u64::from(PIECE));
        assert_eq!(cursor.last_seq, rows.len() as u64);
    }
}

#[test]
#[ignore = "a part of the test below"]
fn child_with_a_small_disk() {
    let dir = directory_of_the_child();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=5m", "none"]).arg(&dir).status().unwrap();
    assert!(mounted.success());
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![7; 2_500_000]).unwrap();
    let journal = open_in(&dir, None).unwrap();
    let mut revision = 0;
    let error = loop {
        match try_place(&journal, piece(revision), soon()) {
            Ok(_) => revision += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
    assert!(revision > 0);
    assert_eq!(journal.place_live((0..2000).map(|n| live("B", punch(5, n))).collect()), 0);
    let kept = revision * u64::from(PIECE);
    assert_eq!(all(&journal).len() as u64, kept, "what was kept is there, and is read");
    eventually("it is told", || cause(&journal).contains("full"));
    let until = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < until {
        assert!(!well(&journal), "there is no more room than there was");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::fs::remove_file(&ballast).unwrap();
    eventually("the journal recovers by itself, and the live events are kept", || {
        well(&journal) && journal.waiting().1 == 0
    });
    place(&journal, piece(revision));
    assert_eq!(all(&journal).len() as u64, (revision + 1) * u64::from(PIECE) + 2000);
    println!("all of it was seen");
}

#[test]
fn a_full_disk_is_told_and_the_journal_recovers_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let private: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount"]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount"]
    };
    let mut can = Command::new(private[0]);
    can.args(&private[1..]).args(["mount", "-t", "tmpfs", "none"]).arg(dir.path());
    if !can.output().is_ok_and(|output| output.status.success()) {
        eprintln!("this machine does not let us mount a small disk; a limit on the file's size has to do");
        return;
    }
    let output = child(Some(private), "child_with_a_small_disk", dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("all of it was seen"), "{told}{complaint}");
}

/// Asks with little time, and checks that the answer comes in time.
fn keeps_its_deadline<T>(what: &str, ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let answer = ask();
    let took = began.elapsed();
    assert!(took < SHORT + Duration::from_millis(700), "{what} took {took:?}");
    answer
}

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn a_frozen_server_costs_nobody_more_than_their_deadline_and_no_live_event() {
    let cluster = Cluster::start();
    let site = Site::postgres(cluster.database());
    let journal = site.open();
    place(&journal, batch("A", 0, 1, &[punch(1, 1)]));
    eventually("all is well", || well(&journal));
    let frozen = cluster.freeze();
    let query = PageQuery { after: 0, limit: 9, filter: Filter::default() };
    for _ in 0..2 {
        let page = keeps_its_deadline("a page", || journal.page(query.clone(), within(SHORT)));
        assert!(matches!(page, Err(StoreError::TimedOut { outcome_unknown: false })), "{page:?}");
        let wrote = keeps_its_deadline("a write", || {
            journal.write(within(SHORT), |backend| backend.set_settings(&device(1), Some("{}")))
        });
        assert!(matches!(wrote, Err(StoreError::TimedOut { outcome_unknown: true })), "{wrote:?}");
        keeps_its_deadline("live events", || {
            assert_eq!(journal.place_live(vec![live("A", punch(2, 2))]), 0);
        });
        keeps_its_deadline("health", || drop(journal.health()));
    }
    eventually("the silence is told", || cause(&journal).contains("does not answer"));
    drop(frozen);
    eventually("all is well", || well(&journal) && journal.waiting().1 == 0);
    let rows = all(&journal);
    assert_eq!(seqs(&rows), [1, 2]);
    assert_eq!(rows[1].record.time, punch(2, 2).time);
    assert_eq!(place(&journal, batch("A", 1, 1, &[punch(2, 2)])).completed, 1);
}

#[test]
fn a_server_that_is_down_at_the_start_and_goes_away_later_costs_no_live_event() {
    let cluster = Cluster::start();
    let site = Site::postgres(cluster.database());
    cluster.stop();
    let journal = site.open();
    assert_eq!(journal.place_live(vec![live("A", punch(1, 1))]), 0);
    let refused = journal.cursor("A", within(Duration::from_secs(2))).unwrap_err();
    assert!(!refused.outcome_unknown(), "{refused}");
    eventually("it is told", || !well(&journal));
    assert!(!cause(&journal).contains("pw-not-to-be-seen"));
    cluster.resume();
    eventually("all is well", || well(&journal) && journal.waiting().1 == 0);
    assert_eq!(place(&journal, batch("A", 0, 1, &[punch(1, 1)])).completed, 1);

    cluster.stop();
    eventually("the death is noticed without being asked", || !well(&journal));
    assert_eq!(journal.place_live((0..1000).map(|n| live("A", punch(2, n))).collect()), 0);
    let error = try_place(&journal, batch("A", 1, 1, &[punch(3, 3)]), soon()).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { outcome_unknown: false, .. }), "{error:?}");
    cluster.resume();
    eventually("all is well", || well(&journal) && journal.waiting().1 == 0);
    assert_eq!(all(&journal).len(), 1001);
    assert_eq!(journal.cursor("A", soon()).unwrap().unwrap().revision, 1);
}

#[test]
fn the_devices_and_the_journal_share_a_database_whoever_comes_first() {
    let url = shared().database();
    let begin = Arc::new(std::sync::Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (url, begin) = (url.clone(), Arc::clone(&begin));
            std::thread::spawn(move || {
                begin.wait();
                let dir = tempfile::tempdir().unwrap();
                if number % 2 == 0 {
                    let place = Place::Postgres { url: Secret::new(url) };
                    let settings = StoreSettings::new(dir.path(), place);
                    let clock = Arc::new(SystemClock);
                    let store = Store::open(settings, clock, &Liveness::new(Instant::now())).unwrap();
                    assert!(store.wait_loaded(soon()), "{:?}", store.health());
                } else {
                    let journal = open_in(dir.path(), Some(&url)).unwrap();
                    tell(&journal, vec![live(&format!("S{number}"), punch(1, 1))]);
                    eventually("all is well", || well(&journal));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut client = client(&url);
    let count = |client: &mut Client, table: &str| {
        client.query_one(&format!("select count(*) from zkgate.{table}"), &[]).unwrap().get::<_, i64>(0)
    };
    let counts = ["migration", "journal_migration", "punch"].map(|table| count(&mut client, table));
    assert_eq!(counts, [1, 1, 4]);
}

#[test]
fn a_newer_journal_and_a_database_that_cannot_hold_a_user_id_are_refused_in_words() {
    let site = Site::postgres(shared().database());
    let journal = site.open();
    place(&journal, batch("A", 0, 1, &[]));
    close(&journal);
    let mut other = client(site.url().unwrap());
    other.batch_execute("insert into zkgate.journal_migration (version, name) values (999, 'x')").unwrap();
    let journal = site.open();
    let refused = journal.cursor("A", soon()).unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 999, .. }), "{refused:?}");

    other.batch_execute("create database latin encoding 'LATIN1' locale 'C' template template0").unwrap();
    let url = site.url().unwrap();
    let (start, _) = url.rsplit_once("dbname=").unwrap();
    let latin = Site::postgres(format!("{start}dbname=latin"));
    let refused = latin.open().cursor("A", soon()).unwrap_err();
    assert!(refused.to_string().contains("LATIN1"), "{refused}");

    let site = Site::sqlite();
    close(&site.open());
    rusqlite::Connection::open(site.file()).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let refused = open_in(site.file().parent().unwrap(), None);
    assert!(matches!(refused, Err(StoreError::TooNew { found: 999, .. })));
}

/// Everything that is logged in this process, whatever its level.
struct Overheard(Mutex<String>);

impl log::Log for Overheard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str(&format!("{} {}\n", record.target(), record.args()));
    }

    fn flush(&self) {}
}

fn overheard() -> &'static Overheard {
    static OVERHEARD: OnceLock<Overheard> = OnceLock::new();
    OVERHEARD.get_or_init(|| Overheard(Mutex::default()))
}

#[test]
fn the_secret_of_a_webhook_is_in_no_log() {
    log::set_logger(overheard()).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let site = Site::postgres(shared().database());
    let journal = site.open();
    let webhook = NewWebhook {
        name: "a name that is told".into(),
        url: "http://127.0.0.1:9/".into(),
        secret: Secret::new("first-not-to-be-seen".into()),
        filter: Filter::default(),
        batch: 1,
        enabled: true,
        cursor: 0,
    };
    let made = journal.write(soon(), move |backend| backend.create_webhook(&webhook, 1)).unwrap();
    let secret = Some(Secret::new("second-not-to-be-seen".into()));
    let patch = WebhookPatch { secret, ..WebhookPatch::default() };
    let changed = journal.write(soon(), move |backend| backend.update_webhook(made.id, &patch, 1));
    assert_eq!(changed.unwrap().unwrap().secret.expose(), "second-not-to-be-seen");
    let text = overheard().0.lock().unwrap().clone();
    assert!(text.contains("a name that is told"), "the client does log what is sent");
    assert!(!text.contains("not-to-be-seen"), "{text}");
}

#[test]
fn a_purge_and_a_log_that_is_read_at_the_same_time_do_not_lose_a_row() {
    let site = Site::postgres(shared().database());
    let (writer, cleaner) = (site.open(), site.open());
    let log: Vec<Record> = (0..200).map(|second| punch(7, second)).collect();
    let complete = |continues, pass, records: &[Record]| {
        let mut batch = batch("A", continues, pass, records);
        batch.cursor.complete = true;
        batch
    };
    place(&writer, complete(0, 1, &log));
    // The log seems to be cleared, so all of its rows may go; and then it is there again.
    place(&writer, complete(1, 2, &[]));
    let mut blocker = client(site.url().unwrap());
    let mut held = blocker.transaction().unwrap();
    held.batch_execute("select 1 from zkgate.punch where seq = 100 for update").unwrap();
    let (tell, purged) = mpsc::channel();
    let asked = cleaner.write_then(
        soon(),
        |backend| backend.purge(i64::MAX, u64::MAX, 1000),
        move |count| {
            tell.send(count).unwrap();
        },
    );
    asked.unwrap();
    let mut watcher = client(site.url().unwrap());
    eventually("the purge waits", || waits_for_a_lock(&mut watcher).is_some());
    let told = send(&writer, complete(2, 2, &log));
    held.rollback().unwrap();
    assert_eq!(purged.recv().unwrap(), Ok(200));
    assert!(matches!(told.recv().unwrap(), Ok(LogOutcome::Placed(placed)) if placed.met == 0));
    let rows = all(&writer);
    assert_eq!(seqs(&rows), (201..=400).collect::<Vec<_>>(), "they came again, as new rows");
    assert_eq!(rows.iter().map(|row| row.record).collect::<Vec<_>>(), log);
}
