//! The journal's rows put into its table by nobody but a database client: the schema is the journal's own, and so is
//! the durability, but nothing is looked up, told or remembered. All rows in one transaction, by one prepared
//! statement or one COPY.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use rusqlite::{Connection, params};
use zkgate::base::clock::SystemClock;
use zkgate::base::deadline::Deadline;
use zkgate::base::liveness::Liveness;
use zkgate::base::secret::Secret;
use zkgate::store::journal::{Journal, JournalSettings};

/// A row of the table, every column of it.
pub struct Plain {
    pub seq: i64,
    pub terminal: i32,
    pub device_id: String,
    pub person: String,
    pub user_id: Option<String>,
    pub time: i64,
    pub instant: Option<i64>,
    pub certainty: i16,
    pub punch_state: i16,
    pub verify_mode: i16,
    pub work_code: Option<i64>,
    pub ordinal: i64,
    pub pass: i64,
    pub source: i16,
    pub received_at: i64,
}

/// Makes an empty journal with its whole schema.
pub fn make_empty(state: &Path, postgres: Option<&str>) {
    let deadline = Deadline::after(Instant::now(), Duration::from_secs(60));
    let postgres = postgres.map(|url| Secret::new(url.to_owned()));
    let settings = JournalSettings { state_dir: state.to_owned(), postgres, queue: 16 };
    let liveness = Liveness::new(Instant::now());
    let journal = Journal::open(&settings, Arc::new(SystemClock), &liveness).expect("a journal");
    assert_eq!(journal.read(deadline, |backend| backend.head()), Ok(0));
    journal.close(deadline).expect("the journal closes");
}

/// Opens the embedded journal in this directory, set as the service sets it for itself.
pub fn open_sqlite(state: &Path) -> Connection {
    let connection = Connection::open(state.join("journal.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", "full").unwrap();
    connection.pragma_update(None, "cache_size", -16 * 1024).unwrap();
    connection
}

/// All rows of the embedded journal in this directory.
pub fn rows(state: &Path) -> Vec<Plain> {
    let connection = open_sqlite(state);
    let mut statement = connection
        .prepare(
            "select seq, terminal, device_id, person, user_id, time, instant, certainty, punch_state, verify_mode, \
             work_code, ordinal, pass, source, received_at from punch order by seq",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Plain {
            seq: row.get(0)?,
            terminal: row.get(1)?,
            device_id: row.get(2)?,
            person: row.get(3)?,
            user_id: row.get(4)?,
            time: row.get(5)?,
            instant: row.get(6)?,
            certainty: row.get(7)?,
            punch_state: row.get(8)?,
            verify_mode: row.get(9)?,
            work_code: row.get(10)?,
            ordinal: row.get(11)?,
            pass: row.get(12)?,
            source: row.get(13)?,
            received_at: row.get(14)?,
        })
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Inserts rows and commits.
pub fn insert_sqlite<'r>(connection: &mut Connection, rows: impl Iterator<Item = &'r Plain>) {
    let transaction = connection.transaction().unwrap();
    {
        let mut statement = transaction
            .prepare_cached(
                "insert into punch (seq, terminal, device_id, person, user_id, time, instant, certainty, \
                 punch_state, verify_mode, work_code, ordinal, pass, source, received_at) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )
            .unwrap();
        for row in rows {
            statement
                .execute(params![
                    row.seq,
                    row.terminal,
                    row.device_id,
                    row.person,
                    row.user_id,
                    row.time,
                    row.instant,
                    row.certainty,
                    row.punch_state,
                    row.verify_mode,
                    row.work_code,
                    row.ordinal,
                    row.pass,
                    row.source,
                    row.received_at
                ])
                .unwrap();
        }
    }
    transaction.commit().unwrap();
}

/// The same with PostgreSQL.
pub fn insert_postgres(client: &mut postgres::Client, rows: &[Plain]) {
    const TYPES: [Type; 15] = [
        Type::INT8,
        Type::INT4,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT2,
        Type::INT2,
        Type::INT2,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT2,
        Type::INT8,
    ];
    let mut transaction = client.transaction().unwrap();
    let writer = transaction
        .copy_in(
            "copy zkgate.punch (seq, terminal, device_id, person, user_id, time, instant, certainty, punch_state, \
             verify_mode, work_code, ordinal, pass, source, received_at) from stdin binary",
        )
        .unwrap();
    let mut writer = BinaryCopyInWriter::new(writer, &TYPES);
    for row in rows {
        let values: [&(dyn ToSql + Sync); 15] = [
            &row.seq,
            &row.terminal,
            &row.device_id,
            &row.person,
            &row.user_id,
            &row.time,
            &row.instant,
            &row.certainty,
            &row.punch_state,
            &row.verify_mode,
            &row.work_code,
            &row.ordinal,
            &row.pass,
            &row.source,
            &row.received_at,
        ];
        writer.write(&values).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), rows.len() as u64);
    transaction.commit().unwrap();
}
