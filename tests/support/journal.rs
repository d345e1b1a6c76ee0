//! Journals for tests, and what is placed in them.

#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::ids::DeviceId;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::StoreError;
use zkgate::store::journal::placing::{LiveRecord, LogBatch, LogOutcome, LogPlaced};
use zkgate::store::journal::query::Page;
use zkgate::store::journal::row::{Certainty, Moment, Person, Record, Row};
use zkgate::store::journal::{Cursor, Filter, Journal, JournalSettings, PageQuery};
use zkgate::wire::clock_word::ClockWord;
use zkgate::wire::record::UserId;

/// A place for a journal that outlives it.
pub struct Site {
    dir: TempDir,
    postgres: Option<String>,
}

impl Site {
    pub fn sqlite() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), postgres: None }
    }

    pub fn postgres(url: String) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), postgres: Some(url) }
    }

    pub fn open(&self) -> Arc<Journal> {
        open_in(self.dir.path(), self.postgres.as_deref()).unwrap()
    }

    pub fn url(&self) -> Option<&str> {
        self.postgres.as_deref()
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }
}

pub fn open_in(dir: &Path, postgres: Option<&str>) -> Result<Arc<Journal>, StoreError> {
    let postgres = postgres.map(|url| Secret::new(url.to_owned()));
    let settings = JournalSettings { state_dir: dir.to_owned(), postgres, queue: 256 };
    let began = Instant::now();
    let journal = Journal::open(&settings, Arc::new(SystemClock), &Liveness::new(Instant::now()));
    if settings.postgres.is_some() {
        let took = began.elapsed();
        assert!(took < Duration::from_millis(500), "opening waited {took:?} for the database");
    }
    journal
}

pub fn within(limit: Duration) -> Deadline {
    Deadline::after(Instant::now(), limit)
}

pub fn soon() -> Deadline {
    within(Duration::from_secs(20))
}

pub fn close(journal: &Journal) {
    journal.close(soon()).unwrap();
}

/// 2024-01-01 00:00:00 in a place whose clocks show UTC.
pub const NEW_YEAR: u32 = 24 * 12 * 31 * 86_400;
pub const NEW_YEAR_INSTANT: i64 = 1_704_067_200;

/// A record of the log, so many seconds into 2024 (January only).
pub fn punch(user: u32, second: u32) -> Record {
    let user_id = UserId::from_number(user);
    Record {
        person: Person::UserId(user_id),
        user_id: Some(user_id),
        time: ClockWord(NEW_YEAR + second),
        moment: Moment { instant: Some(NEW_YEAR_INSTANT + i64::from(second)), certainty: Certainty::Exact },
        punch_state: 0,
        verify_mode: 1,
        work_code: Some(0),
    }
}

pub fn device(number: u64) -> DeviceId {
    DeviceId::from(number)
}

/// The same punch as an event tells it.
pub fn live(serial_number: &str, record: Record) -> LiveRecord {
    LiveRecord {
        device_id: device(1),
        serial_number: serial_number.into(),
        record: Record { work_code: None, ..record },
        raw: format!("{record:?}").into_bytes(),
        received_at: 1_000,
    }
}

/// The whole log so far, or a piece of it, as the first or the next of a pass.
pub fn batch(serial_number: &str, continues: u64, pass: u64, records: &[Record]) -> LogBatch {
    LogBatch {
        device_id: device(1),
        serial_number: serial_number.into(),
        continues,
        cursor: Cursor { pass, ..Cursor::default() },
        records: records.to_vec(),
        strange: Vec::new(),
        gap: None,
        received_at: 1_000,
    }
}

pub fn try_place(journal: &Journal, batch: LogBatch, deadline: Deadline) -> Result<LogOutcome, StoreError> {
    let (tell, told) = mpsc::channel();
    journal.place_log(batch, deadline, move |outcome| tell.send(outcome).unwrap())?;
    told.recv().unwrap_or(Err(StoreError::TimedOut { outcome_unknown: false }))
}

/// Places a batch that must be kept.
pub fn place(journal: &Journal, batch: LogBatch) -> LogPlaced {
    match try_place(journal, batch, soon()).unwrap() {
        LogOutcome::Placed(placed) => placed,
        LogOutcome::Outdated => panic!("the cursor was moved by somebody else"),
    }
}

/// Places live events, and waits until they are.
pub fn tell(journal: &Journal, events: Vec<LiveRecord>) {
    assert_eq!(journal.place_live(events), 0, "there was room");
    journal.write(soon(), |backend| backend.head()).unwrap();
}

pub fn page(journal: &Journal, after: u64, limit: u32, filter: &Filter) -> Page {
    journal.page(PageQuery { after, limit, filter: filter.clone() }, soon()).unwrap()
}

/// All rows, page by page.
pub fn rows(journal: &Journal, filter: &Filter) -> Vec<Row> {
    let (mut rows, mut after) = (Vec::new(), 0);
    loop {
        let page = page(journal, after, 100, filter);
        assert!(page.next_after >= page.rows.last().map_or(after, |row| row.seq));
        rows.extend(page.rows);
        if !page.more {
            return rows;
        }
        assert!(page.next_after > after, "a page that says there is more gets on");
        after = page.next_after;
    }
}

pub fn all(journal: &Journal) -> Vec<Row> {
    rows(journal, &Filter::default())
}

pub fn seqs(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.seq).collect()
}
