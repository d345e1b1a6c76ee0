//! The journal's file: its mode, and what its two connections may do.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::journal::query::Filter;

#[test]
fn the_file_belongs_to_its_owner_alone_and_every_commit_is_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = open(&dir.path().join("journal.db")).unwrap();
    opened.writer.probe().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    let connection = embedded::open(&dir.path().join("journal.db"), migrate::JOURNAL_SQLITE).unwrap();
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(synchronous, 2);
}

#[test]
fn the_reader_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut reader = open(&dir.path().join("journal.db")).unwrap().reader;
    assert_eq!(reader.head(), Ok(0));
    assert!(matches!(
        reader.set_settings(&DeviceId::from(1), Some("{}")),
        Err(StoreError::NotWritable { .. })
    ));
}

/// What SQLite means to do for a page.
fn plan(filter: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let connection = embedded::open(&dir.path().join("journal.db"), migrate::JOURNAL_SQLITE).unwrap();
    let query = PageQuery { after: 0, limit: 1, filter: Filter::default() };
    let sql = format!("explain query plan {}", reading::select_all(&query, filter));
    let mut statement = connection.prepare(&sql).unwrap();
    let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3)).collect::<Result<Vec<_>, _>>();
    steps.unwrap().join("; ")
}

#[test]
fn what_is_followed_is_followed_by_its_index_in_the_order_of_the_numbers() {
    for (rows, expected) in [
        (reading::ALL, "SEARCH p USING INTEGER PRIMARY KEY (rowid>?)"),
        (reading::OF_DEVICE, "SEARCH p USING INDEX punch_device (device_id=? AND rowid>?)"),
        (reading::OF_USER, "SEARCH p USING INDEX punch_user (user_id=? AND rowid>?)"),
        (reading::ONE, "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)"),
    ] {
        assert_eq!(plan(rows), format!("{expected}; SEARCH t USING INTEGER PRIMARY KEY (rowid=?)"));
    }
}

#[test]
fn a_file_that_cannot_grow_is_told_and_room_for_a_little_is_not_enough() {
    let dir = tempfile::tempdir().unwrap();
    let connection = embedded::open(&dir.path().join("journal.db"), migrate::JOURNAL_SQLITE).unwrap();
    let mut sqlite = Sqlite { connection, purge: Round::default() };
    let pages: i64 = sqlite.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |sqlite: &Sqlite, pages: i64| {
        sqlite.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    for (more, fits) in [(0, false), (20, false), (1000, true)] {
        limit(&sqlite, pages + more);
        assert_eq!(sqlite.set_settings(&DeviceId::from(1), Some("{}")), Ok(()), "a little fits");
        match sqlite.probe() {
            Err(StoreError::NotWritable { .. }) => assert!(!fits, "{more} pages"),
            other => assert!(fits && other.is_ok(), "{more} pages: {other:?}"),
        }
    }
    let held: i64 = sqlite.connection.query_row("select count(*) from room", [], |row| row.get(0)).unwrap();
    assert_eq!(held, 0, "what was tried with is gone");
}
