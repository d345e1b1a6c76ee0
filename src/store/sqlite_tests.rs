//! The embedded database's file: its mode, its durability, and what it says when it cannot go on.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

fn open() -> (tempfile::TempDir, Sqlite) {
    let dir = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&dir.path().join("zkgate.db")).unwrap();
    (dir, sqlite)
}

#[test]
fn the_file_and_its_side_files_belong_to_their_owner_alone() {
    let (dir, mut sqlite) = open();
    sqlite.probe().unwrap();
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
    let path = dir.path().join("zkgate.db");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    drop(Sqlite::open(&path).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_commit_is_on_the_disk() {
    let (_dir, sqlite) = open();
    for (pragma, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
        let value =
            sqlite.connection.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0));
        let shown = match value.unwrap() {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{pragma}");
    }
}

#[test]
fn a_full_disk_and_a_read_only_file_are_told_apart_from_a_bad_request() {
    let (_dir, mut sqlite) = open();
    let id = DeviceId::from(1);
    sqlite.connection.execute_batch("pragma query_only = 1").unwrap();
    assert!(matches!(sqlite.probe(), Err(StoreError::NotWritable { .. })));
    sqlite.connection.execute_batch("pragma query_only = 0").unwrap();
    sqlite.probe().unwrap();

    sqlite.connection.execute_batch("create table ballast (bytes blob)").unwrap();
    let pages: i64 = sqlite.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    sqlite.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let full = sqlite.connection.execute("insert into ballast values (zeroblob(100000))", []);
    assert!(matches!(full.map_err(failed), Err(StoreError::NotWritable { .. })));
    assert_eq!(sqlite.load().unwrap(), [], "reading goes on");
    assert!(matches!(
        find(&sqlite.connection.transaction().unwrap(), 1, &id),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn a_newer_database_and_a_file_that_is_none_are_refused() {
    let (dir, sqlite) = open();
    sqlite.connection.pragma_update(None, "user_version", 999).unwrap();
    drop(sqlite);
    let path = dir.path().join("zkgate.db");
    assert!(matches!(Sqlite::open(&path), Err(StoreError::TooNew { found: 999, .. })));
    fs::write(dir.path().join("other.db"), vec![b'x'; 8192]).unwrap();
    assert!(matches!(Sqlite::open(&dir.path().join("other.db")), Err(StoreError::Unusable { .. })));
}

#[test]
fn many_processes_that_start_together_make_one_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("zkgate.db");
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Sqlite::open(&path).map(drop))
        })
        .collect();
    for start in starts {
        start.join().unwrap().unwrap();
    }
}
