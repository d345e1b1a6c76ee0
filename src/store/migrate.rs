//! The versions of our own schema. A migration, once published, is never edited: a change is a new file.

use super::error::StoreError;

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    /// 1, 2, 3 …
    pub(super) version: i64,
    /// What it brings.
    pub(super) name: &'static str,
    /// Its statements.
    pub(super) sql: &'static str,
}

/// The steps of the embedded database.
pub(super) const SQLITE: &[Migration] =
    &[Migration { version: 1, name: "devices", sql: include_str!("migrations/sqlite/0001_devices.sql") }];

/// The steps in PostgreSQL.
pub(super) const POSTGRES: &[Migration] =
    &[Migration { version: 1, name: "devices", sql: include_str!("migrations/postgres/0001_devices.sql") }];

/// The steps of the journal's embedded database.
pub(super) const JOURNAL_SQLITE: &[Migration] = &[Migration {
    version: 1,
    name: "journal",
    sql: include_str!("migrations/journal_sqlite/0001_journal.sql"),
}];

/// The steps of the journal in PostgreSQL.
pub(super) const JOURNAL_POSTGRES: &[Migration] = &[Migration {
    version: 1,
    name: "journal",
    sql: include_str!("migrations/journal_postgres/0001_journal.sql"),
}];

/// The steps of the ledger.
pub(super) const LEDGER_SQLITE: &[Migration] = &[
    Migration { version: 1, name: "ledger", sql: include_str!("migrations/ledger_sqlite/0001_ledger.sql") },
    Migration { version: 2, name: "people", sql: include_str!("migrations/ledger_sqlite/0002_people.sql") },
    Migration { version: 3, name: "keeping", sql: include_str!("migrations/ledger_sqlite/0003_keeping.sql") },
];

/// The steps that a database at this version lacks.
///
/// # Errors
/// [`StoreError::TooNew`] when it has steps that are unknown here.
pub(super) fn missing(
    steps: &'static [Migration],
    found: i64,
) -> Result<impl Iterator<Item = &'static Migration>, StoreError> {
    let known = steps.iter().map(|step| step.version).max().unwrap_or(0);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    Ok(steps.iter().filter(move |step| step.version > found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_numbered_without_gaps() {
        for steps in [SQLITE, POSTGRES, JOURNAL_SQLITE, JOURNAL_POSTGRES, LEDGER_SQLITE] {
            let versions: Vec<_> = steps.iter().map(|step| step.version).collect();
            assert_eq!(versions, (1..=i64::try_from(steps.len()).unwrap()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_what_is_missing_is_done_and_a_newer_database_is_refused() {
        assert_eq!(missing(SQLITE, 0).unwrap().count(), SQLITE.len());
        let known = i64::try_from(SQLITE.len()).unwrap();
        assert_eq!(missing(SQLITE, known).unwrap().count(), 0);
        assert_eq!(missing(SQLITE, known + 1).err(), Some(StoreError::TooNew { found: known + 1, known }));
    }
}
